//! The numbers themselves, and which of them a record moves. How they are called stands in `families`.

use std::sync::Arc;

use crate::net::IoFailKind;
use crate::policy::Code;
use crate::session::HandshakeFail;
use crate::session::outcome::{Micros, Record, TunnelEnd, Verdict};

use super::histogram::{BYTES, Histogram, MILLISECONDS, SECONDS};
use super::observed::{Observed, Samples, TIMINGS, Timing};
use super::roles::Roles;

/// A count that is not taken apart further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Single {
    RoleNotDetermined,
    DecideError,
    Connected,
    NotConnected,
    ConnectTimeout,
    ConnectRefused,
    ConnectReset,
    ConnectUnreachable,
    ConnectUnknown,
    Resolved,
    NotResolved,
    AllowDefault,
    AllowUserConfigured,
    DenyNotGlobalUnicast,
    DenyPrivateRange,
    DenyUserConfigured,
    DenyCgnatRange,
    DenyIpv6Embedding,
    DenySpecialPurposeRange,
    DenySelfConnection,
    RateLimited,
    ConcurrencyLimited,
    TunnelsLimited,
    HandshakeTimeout,
    HandshakeClosed,
    HandshakeOverloaded,
    HandshakeRefused,
}

/// How many there are.
pub(super) const SINGLES: usize = Single::HandshakeRefused as usize + 1;

/// What is counted of a role.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) allow: u64,
    pub(super) deny: u64,
    pub(super) report: u64,
    pub(super) close: u64,
    pub(super) active_at_termination: u64,
    pub(super) duration: Histogram,
    pub(super) bytes_in: Histogram,
    pub(super) bytes_out: Histogram,
    /// By the place of the code among all; told of the first row of a role.
    pub(super) refusals: [u64; Code::ALL.len()],
}

impl Default for Row {
    fn default() -> Row {
        Row {
            allow: 0,
            deny: 0,
            report: 0,
            close: 0,
            active_at_termination: 0,
            duration: Histogram::new(SECONDS),
            bytes_in: Histogram::new(BYTES),
            bytes_out: Histogram::new(BYTES),
            refusals: [0; Code::ALL.len()],
        }
    }
}

/// Everything that was counted.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) singles: [u64; SINGLES],
    pub(super) timings: [Histogram; TIMINGS],
    pub(super) roles: Arc<Roles>,
    /// As many as `roles` has.
    pub(super) rows: Vec<Row>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            singles: [0; SINGLES],
            timings: [const { MILLISECONDS }; TIMINGS].map(Histogram::new),
            roles: Arc::default(),
            rows: Vec::new(),
        }
    }
}

impl Counts {
    /// From now on there are these rows, behind those that there were. Gives the roles that there were.
    pub(super) fn lay_out(&mut self, roles: Arc<Roles>) -> Arc<Roles> {
        self.rows.resize_with(roles.rows().len(), Row::default);
        std::mem::replace(&mut self.roles, roles)
    }

    /// Makes these the same as the others, in memory that is there.
    pub(super) fn copy(&mut self, others: &Counts) {
        self.singles = others.singles;
        self.rows.clone_from(&others.rows);
        self.roles = Arc::clone(&others.roles);
    }

    pub(super) fn single(&self, single: Single) -> u64 {
        self.singles.get(single as usize).copied().unwrap_or_default()
    }

    pub(super) fn timing(&self, timing: Timing) -> Option<&Histogram> {
        self.timings.get(timing as usize)
    }

    fn add(&mut self, single: Single) {
        if let Some(count) = self.singles.get_mut(single as usize) {
            *count += 1;
        }
    }

    fn observe(&mut self, timing: Timing, time: Micros, samples: &mut Option<Samples>) {
        let milliseconds = f64::from(time.get()) / 1000.0;
        if let Some(histogram) = self.timings.get_mut(timing as usize) {
            histogram.observe(milliseconds);
        }
        if let Some(samples) = samples {
            samples.keep(Observed::Timing(timing), milliseconds);
        }
    }

    /// Counts a request when its decision is logged.
    pub(super) fn decision(&mut self, record: &Record, times_connects: bool, samples: &mut Option<Samples>) {
        let row = self.roles.of(record.role.as_deref());
        if let Some(row) = self.rows.get_mut(row) {
            match record.verdict {
                Some(Verdict::Allow) => row.allow += 1,
                Some(Verdict::Report) => row.report += 1,
                Some(Verdict::Deny) => row.deny += 1,
                None => {}
            }
        }
        if let Some(code) = record.code {
            self.refusal(code, record.refused_by().is_some(), row);
        }
        if matches!(record.verdict, Some(Verdict::Allow | Verdict::Report)) {
            self.lookup(record, samples);
            self.dial(record, times_connects, samples);
        }
    }

    fn refusal(&mut self, code: Code, is_answered: bool, row: usize) {
        let first = self.roles.rows().get(row).map_or(row, |labels| labels.first);
        if is_answered
            && let Some(row) = self.rows.get_mut(first)
            && let Some(count) = row.refusals.get_mut(code as usize)
        {
            *count += 1;
        }
        match code {
            Code::CredentialsMissing | Code::CredentialsWrong | Code::RoleUnknown => {
                self.add(Single::RoleNotDetermined);
            }
            Code::RateLimited => self.add(Single::RateLimited),
            Code::Overloaded => self.add(Single::ConcurrencyLimited),
            Code::TunnelsLimited => self.add(Single::TunnelsLimited),
            _ => {}
        }
    }

    /// Counts the way to an address. A literal is its own.
    fn lookup(&mut self, record: &Record, samples: &mut Option<Samples>) {
        let denied = record.code.and_then(denied_by);
        let failed = match record.code {
            Some(code) if code.is_of_addresses() => true,
            Some(Code::DnsFailed | Code::DnsTimeout) => true,
            // What was refused before it came to a lookup, and where nobody waited for its end.
            _ if record.by_rule.is_none() => return,
            _ => false,
        };
        self.add(Single::Resolved);
        if let Some(denied) = denied {
            self.add(denied);
        }
        if failed {
            return self.add(Single::NotResolved);
        }
        self.add(
            match record.by_rule == Some(true) || record.private_exception().is_some() {
                true => Single::AllowUserConfigured,
                false => Single::AllowDefault,
            },
        );
        let time = record.dns_lookup_time.unwrap_or_default();
        self.observe(Timing::Lookup, time, samples);
    }

    /// Counts the way to the origin. What goes on a kept connection is no attempt.
    fn dial(&mut self, record: &Record, times_connects: bool, samples: &mut Option<Samples>) {
        let failure = match record.code {
            Some(Code::ConnectTimeout) => Some(Single::ConnectTimeout),
            Some(Code::ConnectFailed) => Some(match record.dial_failure() {
                Some(IoFailKind::Refused) => Single::ConnectRefused,
                Some(IoFailKind::Reset) => Single::ConnectReset,
                Some(IoFailKind::TimedOut) => Single::ConnectTimeout,
                Some(IoFailKind::Unreachable) => Single::ConnectUnreachable,
                Some(IoFailKind::Exhausted | IoFailKind::Tls(_) | IoFailKind::Other) | None => {
                    Single::ConnectUnknown
                }
            }),
            _ => None,
        };
        // One that had been kept may have been dead, and the dial that followed in vain.
        if record.is_reused && failure.is_none() {
            return;
        }
        if let Some(time) = record.dialled_after {
            self.observe(Timing::Proxy, time, samples);
        }
        if let Some(failure) = failure {
            self.add(Single::NotConnected);
            return self.add(failure);
        }
        if record.outbound_remote.is_none() {
            return;
        }
        self.add(Single::Connected);
        if times_connects && let Some(time) = record.establish_time {
            self.observe(Timing::Connect, time, samples);
        }
    }

    /// Counts a tunnel at its end.
    pub(super) fn close(&mut self, record: &Record, end: &TunnelEnd, samples: &mut Option<Samples>) {
        let at = self.roles.of(record.role.as_deref());
        let Some(row) = self.rows.get_mut(at) else { return };
        let seconds = end.duration.as_secs_f64();
        let (bytes_in, bytes_out) = (end.bytes_in as f64, end.bytes_out as f64);
        row.close += 1;
        row.active_at_termination += u64::from(end.active_at_termination);
        row.duration.observe(seconds);
        row.bytes_in.observe(bytes_in);
        row.bytes_out.observe(bytes_out);
        if let Some(code) = record.refused_by() {
            self.refusal(code, true, at);
        }
        if let Some(samples) = samples {
            samples.keep(Observed::Duration(at), seconds);
            samples.keep(Observed::BytesIn(at), bytes_in);
            samples.keep(Observed::BytesOut(at), bytes_out);
        }
    }

    /// Counts a handshake that failed.
    pub(super) fn handshake(&mut self, fail: HandshakeFail) {
        self.add(match fail {
            HandshakeFail::Timeout => Single::HandshakeTimeout,
            HandshakeFail::Closed => Single::HandshakeClosed,
            HandshakeFail::Overloaded => Single::HandshakeOverloaded,
            HandshakeFail::Refused => Single::HandshakeRefused,
        });
    }
}

/// The class of an address that was denied.
fn denied_by(code: Code) -> Option<Single> {
    Some(match code {
        Code::NotGlobalUnicast => Single::DenyNotGlobalUnicast,
        Code::PrivateRange => Single::DenyPrivateRange,
        Code::UserConfigured => Single::DenyUserConfigured,
        Code::CgnatRange => Single::DenyCgnatRange,
        Code::Ipv6Embedding => Single::DenyIpv6Embedding,
        Code::SpecialPurposeRange => Single::DenySpecialPurposeRange,
        Code::SelfConnection => Single::DenySelfConnection,
        _ => return None,
    })
}
