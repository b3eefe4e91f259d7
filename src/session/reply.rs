//! Answers of our own: what they say, and what becomes of the connection behind them. How they are written is `front`'s.

use crate::http::reply::{Cause, Facts, OPTIONS_STATUS, Reply, escape_host};

use super::at::At;
use super::outcome::Record;
use super::refusal::Refusal;
use super::request::Manner;
use super::then::Then;
use super::words::Action;

/// Answers a request by a refusal, logs it, and keeps the connection where that is safe.
pub(super) fn refuse(mut record: Box<Record>, refusal: Refusal, manner: Manner, at: &mut At<'_, '_>) -> Then {
    let may_follow = at.shared.note_refusal();
    let keep = may_follow
        && manner.persists
        && !manner.body_left
        && refusal.leaves_framing_intact()
        && !at.shared.draining;
    let settings = at.cx.settings;
    let (status, reason) = refusal.status(settings.deny_style);
    let text = refusal.text(&escape_host(&record.requested_host));
    let (code, error_type, cause) = (refusal.code(), refusal.error_type(), refusal.cause());
    let retry_seconds = refusal.retry_seconds();
    record.by_stranger = at.shared.is_stranger || matches!(cause, Cause::Credentials | Cause::Rate);
    record.note_refusal(refusal, status);
    let grounds = record.grounds();
    let facts = Facts {
        host: &record.requested_host,
        role: record.role.as_deref().unwrap_or_default(),
        rule: grounds.map_or("", |grounds| &grounds.rule),
        hint: match grounds.map(|grounds| &*grounds.hint) {
            // An answer that is no denial has no grounds, and few denials have no hint of their own.
            None | Some("") => code.hint(),
            Some(hint) => hint,
        },
    };
    let answer = Reply {
        status,
        reason: &reason,
        code: code.as_str(),
        error_type,
        id: &record.id.to_string(),
        text: &text,
        extra_message: &settings.deny_message_extra,
        json: manner.json.then_some(facts),
        cause,
        retry_seconds,
        close: !keep,
        head_only: manner.head_only,
        keep_alive_10: keep && manner.http10,
    };
    at.shared.front().refuse(&answer, &mut at.flows.down.tx);
    go_on(record, keep, at)
}

/// Answers an OPTIONS request that was let out, and that Max-Forwards has end here.
pub(super) fn reached(mut record: Box<Record>, manner: Manner, at: &mut At<'_, '_>) -> Then {
    let keep = manner.persists && !manner.body_left && !at.shared.draining;
    let keep_alive_10 = keep && manner.http10;
    at.shared
        .front()
        .reached(!keep, keep_alive_10, &mut at.flows.down.tx);
    record.status_code = Some(OPTIONS_STATUS);
    go_on(record, keep, at)
}

fn go_on(record: Box<Record>, keep: bool, at: &mut At<'_, '_>) -> Then {
    match at.shared.is_proxied() {
        true => at.act(Action::Log(record)),
        // Nothing was to be let out: the log's lines are about what was.
        false => at.cx.spares.records.put_back(record),
    }
    match keep {
        true => Then::Head,
        false => Then::Linger,
    }
}
