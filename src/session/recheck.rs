//! `--recheck-tunnels`: a tunnel is judged anew by the policy that is in force now, from what its record says of it: role,
//! host, address as dialled, way, and the server that its TLS names. Ends none: that is `tunnel`'s business.

use std::sync::Arc;

use crate::net::{Host, Target};
use crate::policy::{Allowed, Code, Denied, Opened, Policy, Role, Route, VerifySni};

use super::at::Cx;
use super::outcome::{Record, Sni, SniVerdict};
use super::refusal::Refusal;

/// Why a tunnel may not go on.
#[derive(Debug)]
pub(super) enum Withdrawn {
    /// The policy would not let it out.
    Denied(Denied),
    /// Nor would it what is inside of it.
    ServerName(Sni),
}

/// The role that a record is about.
pub(super) fn role(record: &Record) -> Role {
    record.role.clone().map_or(Role::Missing, Role::Named)
}

/// Is what that policy allowed to be judged anew, as another one is in force?
pub(super) fn is_due(allowed: &Allowed, cx: &Cx<'_>) -> bool {
    cx.settings.rechecks_tunnels && !allowed.is_by(cx.policy)
}

/// Keeps what judging it anew will take beside what its record has: few go through a proxy.
pub(super) fn note_way(record: &mut Record, allowed: &Allowed, cx: &Cx<'_>) {
    if let Route::Through(upstream) = allowed.route()
        && cx.settings.rechecks_tunnels
    {
        record.extras_mut().upstream = Some(Arc::clone(upstream));
    }
}

/// Judges what a record is about.
///
/// # Errors
/// It would be denied now.
pub(super) fn judge(record: &Record, cx: &Cx<'_>) -> Result<Allowed, Withdrawn> {
    let default_port = record.scheme.map(|scheme| scheme.default_port());
    let target = Target::parse(record.requested_host.as_bytes(), default_port);
    // A tunnel's was parsed when it was asked for, and was dialled somewhere.
    let (Ok(target), Some(dialled)) = (target, record.outbound_remote) else {
        debug_assert!(false, "a tunnel to nowhere: {record:?}");
        return Err(Withdrawn::Denied(nowhere()));
    };
    let opened = Opened {
        role: role(record),
        target,
        scheme: record.scheme,
        upstream: record.extras.as_ref().and_then(|extras| extras.upstream.as_ref()),
        dialled: dialled.into(),
        private_exception: record.private_exception(),
    };
    let judged = cx.policy.judge_anew(opened, cx.is_local);
    let allowed = judged.map_err(Withdrawn::Denied)?;
    let verify = allowed.verify_sni().unwrap_or(cx.settings.sni.verify);
    match record.sni() {
        Some(sni) if verify == VerifySni::Enforce => {
            let verdict = verdict(sni, &role(record), allowed.target().port, cx.policy);
            match verdict.wrong() {
                Some(_) => Err(Withdrawn::ServerName(Sni {
                    name: sni.name.clone(),
                    verdict,
                })),
                None => Ok(allowed),
            }
        }
        Some(_) | None => Ok(allowed),
    }
}

/// What the server's name comes to now. Most verdicts do not depend on the policy.
fn verdict(sni: &Sni, role: &Role, port: u16, policy: &Policy) -> SniVerdict {
    if !matches!(sni.verdict, SniVerdict::Listed | SniVerdict::Mismatch) {
        return sni.verdict;
    }
    let admits = |host: Host| matches!(host, Host::Name(_)) && policy.admits_name(role, host, port);
    match Host::parse(sni.name.as_bytes()).is_ok_and(admits) {
        true => SniVerdict::Listed,
        false => SniVerdict::Mismatch,
    }
}

/// What can't be judged is not allowed.
fn nowhere() -> Denied {
    Denied {
        decision: crate::policy::Decision {
            project: Arc::default(),
            reason: "it is not known where the tunnel leads".into(),
            enforce_would_deny: true,
        },
        code: Code::WayChanged,
        grounds: Box::default(),
    }
}

impl Withdrawn {
    /// What is answered to who asked for a tunnel that is not there yet; nothing was said inside of it by then.
    pub(super) fn into_refusal(self) -> Refusal {
        Refusal::Denied(match self {
            Withdrawn::Denied(denied) => denied,
            Withdrawn::ServerName(_) => nowhere(),
        })
    }

    /// Notes in a tunnel's record that it ends by this, and by which policy.
    pub(super) fn note(self, record: &mut Record, policy: &Policy) {
        record.extras_mut().withdrawn_by = Some(policy.generation());
        match self {
            Withdrawn::ServerName(sni) => record.note_sni_denied(sni),
            Withdrawn::Denied(denied) => {
                let reason = &denied.decision.reason;
                record.note_error(&format!("no longer allowed: {reason}"));
                record.code = Some(denied.code);
                record.extras_mut().grounds = Some(denied.grounds);
            }
        }
    }
}
