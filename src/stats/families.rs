//! How numbers are called, what they mean, and where they are kept: one table for Prometheus, StatsD and docs/operating.md.
//! The names are the reference's, with its dots; those it does not have are ours.

use super::Standing;
use super::counts::{Row, Single};
use super::histogram::Histogram;
use super::observed::Timing;

/// What kind of number it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Values by their size.
    Histogram,
    /// The same of times, in milliseconds.
    Timing,
}

/// Numbers of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// As StatsD has it, behind `smokescreen.`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// By what it is taken apart.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub help: &'static str,
    pub(super) source: Source,
}

/// Where numbers are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// By the label's value; empty where there is no label.
    Singles(&'static [(&'static str, Single)]),
    Row(fn(&Row) -> u64),
    RowHistogram(fn(&Row) -> &Histogram),
    Timing(Timing),
    Refusals,
    Standing(fn(&Standing) -> u64),
    DroppedLines,
    Generation,
    Policy,
}

impl Family {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        source: Source,
        help: &'static str,
    ) -> Family {
        Family {
            name,
            kind,
            labels,
            help,
            source,
        }
    }

    /// As Prometheus has it.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if self.kind == Kind::Timing {
            name.push_str("_timer");
        }
        name
    }

    /// As Prometheus calls its kind.
    pub fn prometheus_kind(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram | Kind::Timing => "histogram",
        }
    }
}

const RULE: &[&str] = &["role", "project", "def_rule"];
const ROLE: &[&str] = &["role", "project"];
const NONE: &[&str] = &[];

const fn counter(
    name: &'static str,
    single: &'static [(&'static str, Single)],
    help: &'static str,
) -> Family {
    Family::new(name, Kind::Counter, NONE, Source::Singles(single), help)
}

const fn by_label(
    name: &'static str,
    label: &'static [&'static str],
    singles: &'static [(&'static str, Single)],
    help: &'static str,
) -> Family {
    Family::new(name, Kind::Counter, label, Source::Singles(singles), help)
}

const fn by_role(
    name: &'static str,
    labels: &'static [&'static str],
    row: fn(&Row) -> u64,
    help: &'static str,
) -> Family {
    Family::new(name, Kind::Counter, labels, Source::Row(row), help)
}

const fn sizes(name: &'static str, row: fn(&Row) -> &Histogram, help: &'static str) -> Family {
    Family::new(name, Kind::Histogram, ROLE, Source::RowHistogram(row), help)
}

const fn timing(name: &'static str, timing: Timing, help: &'static str) -> Family {
    Family::new(name, Kind::Timing, NONE, Source::Timing(timing), help)
}

const fn gauge(name: &'static str, standing: fn(&Standing) -> u64, help: &'static str) -> Family {
    Family::new(name, Kind::Gauge, NONE, Source::Standing(standing), help)
}

/// All families, in the order in which they are told.
pub const FAMILIES: &[Family] = &[
    by_role(
        "acl.allow",
        RULE,
        |row| row.allow,
        "requests that the ACL let out",
    ),
    by_role("acl.deny", RULE, |row| row.deny, "requests that the ACL denied"),
    by_role(
        "acl.report",
        RULE,
        |row| row.report,
        "requests that the ACL let out and enforcing would have denied",
    ),
    counter(
        "acl.role_not_determined",
        &[("", Single::RoleNotDetermined)],
        "requests of nobody that is known",
    ),
    counter(
        "acl.decide_error",
        &[("", Single::DecideError)],
        "requests on which the ACL could not be asked: none ever",
    ),
    by_label(
        "cn.atpt.total",
        &["success"],
        &[("true", Single::Connected), ("false", Single::NotConnected)],
        "connections to origins that were tried",
    ),
    by_label(
        "cn.atpt.connect.err",
        &["type"],
        &[
            ("timeout", Single::ConnectTimeout),
            ("refused", Single::ConnectRefused),
            ("reset", Single::ConnectReset),
            ("unreachable", Single::ConnectUnreachable),
            ("unknown", Single::ConnectUnknown),
        ],
        "connections to origins that failed, by how",
    ),
    timing(
        "cn.atpt.connect.time",
        Timing::Connect,
        "time of a connect in ms (--time-connect)",
    ),
    by_role("cn.close", ROLE, |row| row.close, "tunnels that ended"),
    sizes(
        "cn.duration",
        |row| &row.duration,
        "how long tunnels were there, in seconds",
    ),
    sizes(
        "cn.bytes_in",
        |row| &row.bytes_in,
        "bytes of a tunnel from the origin",
    ),
    sizes(
        "cn.bytes_out",
        |row| &row.bytes_out,
        "bytes of a tunnel to the origin",
    ),
    by_role(
        "cn.active_at_termination",
        ROLE,
        |row| row.active_at_termination,
        "tunnels that the end of the process cut",
    ),
    counter(
        "resolver.attempts_total",
        &[("", Single::Resolved)],
        "hosts for which addresses were sought, literals too",
    ),
    counter(
        "resolver.errors_total",
        &[("", Single::NotResolved)],
        "those without an address that may be dialled",
    ),
    timing(
        "resolver.lookup_time",
        Timing::Lookup,
        "time until an address was found, in ms; 0 for a literal",
    ),
    counter(
        "resolver.allow.default",
        &[("", Single::AllowDefault)],
        "public addresses",
    ),
    counter(
        "resolver.allow.user_configured",
        &[("", Single::AllowUserConfigured)],
        "addresses that an allow rule names",
    ),
    counter(
        "resolver.deny.not_global_unicast",
        &[("", Single::DenyNotGlobalUnicast)],
        "denied: loopback, link-local and the like",
    ),
    counter(
        "resolver.deny.private_range",
        &[("", Single::DenyPrivateRange)],
        "denied: private networks",
    ),
    counter(
        "resolver.deny.user_configured",
        &[("", Single::DenyUserConfigured)],
        "denied: a deny rule",
    ),
    counter(
        "resolver.deny.cgnat_range",
        &[("", Single::DenyCgnatRange)],
        "denied: 100.64.0.0/10",
    ),
    counter(
        "resolver.deny.ipv6_embedding",
        &[("", Single::DenyIpv6Embedding)],
        "denied: an IPv4 address within an IPv6 one",
    ),
    counter(
        "resolver.deny.special_purpose_range",
        &[("", Single::DenySpecialPurposeRange)],
        "denied: other ranges that are not public",
    ),
    counter(
        "resolver.deny.self_connection",
        &[("", Single::DenySelfConnection)],
        "denied: this proxy itself",
    ),
    counter(
        "requests.rate_limited",
        &[("", Single::RateLimited)],
        "requests refused with 429 rate-limited",
    ),
    counter(
        "requests.concurrency_limited",
        &[("", Single::ConcurrencyLimited)],
        "requests refused with 503 overloaded",
    ),
    gauge(
        "requests.concurrent",
        |standing| standing.requests_concurrent,
        "requests under way",
    ),
    counter(
        "tunnels.concurrency_limited",
        &[("", Single::TunnelsLimited)],
        "tunnels refused with 429 tunnels-limited",
    ),
    timing(
        "proxy_duration_ms",
        Timing::Proxy,
        "time from a request's head to its dial, in ms",
    ),
    gauge(
        "connections_open",
        |standing| standing.connections_open,
        "connections of clients",
    ),
    gauge(
        "tunnels_open",
        |standing| standing.tunnels_open,
        "those that are tunnels",
    ),
    gauge(
        "buffered_bytes",
        |standing| standing.buffered_bytes,
        "bytes that connections hold of the budget",
    ),
    Family::new(
        "acl_generation",
        Kind::Gauge,
        NONE,
        Source::Generation,
        "policies in force since the start, this one included",
    ),
    Family::new(
        "policy_info",
        Kind::Gauge,
        &["sha256"],
        Source::Policy,
        "1; the label is the digest of the ACL's bytes",
    ),
    Family::new(
        "log_lines_dropped",
        Kind::Counter,
        NONE,
        Source::DroppedLines,
        "lines of the log that nobody read in time",
    ),
    by_label(
        "tls_handshake_errors",
        &["reason"],
        &[
            ("timeout", Single::HandshakeTimeout),
            ("closed", Single::HandshakeClosed),
            ("overloaded", Single::HandshakeOverloaded),
            ("refused", Single::HandshakeRefused),
        ],
        "TLS handshakes of clients that failed, by why",
    ),
    Family::new(
        "refusals",
        Kind::Counter,
        &["code", "role"],
        Source::Refusals,
        "answers of the proxy's own that have a code",
    ),
];
