//! Answers of our own, and what becomes of the connection behind them.

use crate::flow::Flows;
use crate::http::accept;
use crate::http::reply::{Cause, Facts, OPTIONS_STATUS, Reply, escape_host, options, reply};

use super::closing::Closing;
use super::head::Head;
use super::outcome::Record;
use super::refusal::Refusal;
use super::{Action, Close, Cx, Shared, State};

/// How a client wants to be answered, and whether its connection can go on afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// It keeps the connection, as far as it is concerned.
    pub persists: bool,
    /// Its request has content that was not read.
    pub body_left: bool,
    /// It asked by HEAD: headers only.
    pub head_only: bool,
    /// It speaks HTTP/1.0.
    pub http10: bool,
    /// It wants to be told in JSON.
    pub json: bool,
}

impl Manner {
    /// Answer and close.
    pub const CLOSING: Manner = Manner {
        persists: false,
        body_left: true,
        head_only: false,
        http10: false,
        json: false,
    };

    /// Answer and close, where nothing of a head could be read but perhaps its method and its Accept.
    pub fn closing(head: &[u8]) -> Manner {
        Manner {
            head_only: head.starts_with(b"HEAD "),
            json: accept::unparsed_prefers_json(head),
            ..Manner::CLOSING
        }
    }
}

/// Answers a request by a refusal, logs it, and keeps the connection where that is safe.
pub(super) fn refuse(
    mut record: Box<Record>,
    refusal: Refusal,
    manner: Manner,
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    let may_follow = shared.note_refusal();
    let keep = may_follow
        && manner.persists
        && !manner.body_left
        && refusal.leaves_framing_intact()
        && !shared.draining;
    let (status, reason) = refusal.status(cx.settings.deny_style);
    let text = refusal.text(&escape_host(&record.requested_host));
    let (code, error_type, cause) = (refusal.code(), refusal.error_type(), refusal.cause());
    record.by_stranger = shared.is_stranger || matches!(cause, Cause::Credentials | Cause::Rate);
    record.note_refusal(refusal, status);
    let grounds = record.grounds.as_deref();
    let facts = Facts {
        host: &record.requested_host,
        role: record.role.as_deref().unwrap_or_default(),
        rule: grounds.map_or("", |grounds| &grounds.rule),
        hint: grounds.map_or("", |grounds| &grounds.hint),
    };
    let answer = Reply {
        status,
        reason: &reason,
        code: code.as_str(),
        error_type,
        id: &record.id.to_string(),
        text: &text,
        extra_message: &cx.settings.deny_message_extra,
        json: manner.json.then_some(facts),
        cause,
        close: !keep,
        head_only: manner.head_only,
        keep_alive_10: keep && manner.http10,
    };
    reply(&answer, flows.down.tx.writer());
    go_on(record, keep, flows, cx)
}

/// Answers an OPTIONS request that was let out, and that Max-Forwards has end here.
pub(super) fn reached(
    mut record: Box<Record>,
    manner: Manner,
    flows: &mut Flows,
    shared: &Shared,
    cx: &mut Cx<'_>,
) -> State {
    let keep = manner.persists && !manner.body_left && !shared.draining;
    options(!keep, keep && manner.http10, flows.down.tx.writer());
    record.status_code = Some(OPTIONS_STATUS);
    go_on(record, keep, flows, cx)
}

fn go_on(record: Box<Record>, keep: bool, flows: &mut Flows, cx: &mut Cx<'_>) -> State {
    cx.actions.push(Action::Log(record));
    // The head that no origin got.
    flows.up.drop_unsent();
    if keep {
        Head::next(flows, cx.now)
    } else {
        Closing::linger(flows, cx)
    }
}

/// Ends a request whose client is gone, or must go: nobody is there to be answered.
pub(super) fn abandon(mut record: Box<Record>, why: &str, cx: &mut Cx<'_>) -> State {
    cx.actions.push(Action::Cancel);
    record.note_error(why);
    cx.actions.push(Action::Log(record));
    State::close(Close::Orderly, cx)
}
