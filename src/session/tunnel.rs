//! State: a tunnel. Both gates stand open, the pump does the work; here is only noticed how it ends.

use std::time::{Duration, Instant, SystemTime};

use crate::flow::{End, Flow, Flows, Gate};
use crate::net::{IoFail, IoFailKind, Side};

use super::closing::Closing;
use super::due::is_due;
use super::outcome::{Extent, Record, TunnelEnd};
use super::{Action, Close, Cx, Input, Settings, State};

/// A half-closed tunnel in which nothing moves ends after this long, if not after the idle timeout.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(60);

/// A tunnel.
#[derive(Debug)]
pub struct Tunnel {
    /// Becomes the close line.
    record: Box<Record>,
    began: Instant,
    /// When the first half was closed.
    half_closed_at: Option<Instant>,
}

/// Answers a CONNECT whose dial succeeded.
pub(super) fn accept(record: Box<Record>, flows: &mut Flows, cx: &mut Cx<'_>) -> State {
    flows.down.tx.push(b"HTTP/1.1 200 Connection established\r\n\r\n");
    log_opening(&record, cx);
    open(record, flows, cx)
}

/// The decision line; the record goes on and becomes the close line.
pub(super) fn log_opening(record: &Record, cx: &mut Cx<'_>) {
    let copy = cx.spares.records.fill(record.clone());
    cx.actions.push(Action::Log(copy));
}

/// Opens both gates and begins to count. What the client sent ahead is in `up.rx` and leaves first.
pub(super) fn open(record: Box<Record>, flows: &mut Flows, cx: &mut Cx<'_>) -> State {
    for flow in [&mut flows.up, &mut flows.down] {
        flow.gate = Gate::Open;
        flow.touched = cx.now;
        flow.moved_bytes = 0;
    }
    State::Tunnel(Tunnel {
        record,
        began: cx.now,
        half_closed_at: None,
    })
}

/// The origin's connection broke while we wrote to it, without having ended its own half before: no gate of a tunnel
/// but this one is anything but open.
fn origin_broke(flows: &Flows) -> bool {
    flows.down.gate != Gate::Open
}

impl Tunnel {
    pub(super) fn deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        let idle = settings.idle_timeout;
        match self.half_closed_at {
            Some(at) if idle.is_zero() => Some(flows.touched().max(at) + HALF_CLOSED_TIMEOUT),
            Some(at) => Some(flows.touched().max(at) + idle.min(HALF_CLOSED_TIMEOUT)),
            None if idle.is_zero() => None,
            None => Some(flows.touched() + idle),
        }
    }

    pub(super) fn advance(mut self, input: Input<'_>, flows: &mut Flows, cx: &mut Cx<'_>) -> State {
        match input {
            // The origin takes nothing any more, but what it sent before is still to be delivered.
            Input::Unwritable(Side::Origin, fail) => {
                let origin_broke = flows.down.end == End::Open;
                flows.up.kill();
                flows.up.rx.clear();
                // One that ended its half before has left in order: a last word to it, such as TLS's, may meet a reset.
                if origin_broke {
                    self.record.note_error(&fail.text);
                    flows.down.gate = Gate::ENDLESS;
                }
            }
            Input::Broken(_, fail) | Input::Unwritable(_, fail) => return self.broken(&fail, flows, cx),
            Input::Expired if is_due(self.deadline(flows, cx.settings), cx.now) => {
                self.log("idle timeout", false, flows, cx);
                return State::close(Close::Orderly, cx);
            }
            Input::Terminate => {
                self.log("", true, flows, cx);
                return State::close(Close::Orderly, cx);
            }
            _ => {}
        }
        let cut = origin_broke(flows) && flows.down.end >= End::Reached && !flows.down.has_unsent();
        let (up_over, down_over) = (flows.up.is_over(), flows.down.is_over() || cut);
        if !up_over || !down_over {
            if up_over || down_over {
                self.half_closed_at.get_or_insert(cx.now);
            }
            return State::Tunnel(self);
        }
        let (dead, broke) = (flows.up.dead, origin_broke(flows));
        self.log("", false, flows, cx);
        match (dead, broke) {
            (true, true) => State::close(Close::Abort, cx),
            (true, false) => Closing::linger(flows, cx),
            (false, _) => State::close(Close::Orderly, cx),
        }
    }

    /// A reset travels as a reset: nobody may take what he got for complete. It is no error of a client that was told
    /// everything, the end too, and closed with some of that unread.
    fn broken(self, fail: &IoFail, flows: &Flows, cx: &mut Cx<'_>) -> State {
        let told_all = flows.down.end == End::Passed && !flows.down.has_unsent() && !flows.up.has_unsent();
        let error = match fail.kind {
            _ if told_all => "",
            IoFailKind::Reset => "connection reset by peer",
            _ => &fail.text,
        };
        self.log(error, false, flows, cx);
        State::close(Close::Abort, cx)
    }

    fn log(mut self, error: &str, active_at_termination: bool, flows: &Flows, cx: &mut Cx<'_>) {
        if !error.is_empty() {
            self.record.note_error(error);
        }
        let since = |flow: &Flow| cx.now.saturating_duration_since(flow.touched);
        let quiet = since(&flows.up).min(since(&flows.down));
        self.record.extent = Extent::Tunnel(Box::new(TunnelEnd {
            bytes_in: flows.down.moved_bytes,
            bytes_out: flows.up.moved_bytes,
            duration: cx.now.saturating_duration_since(self.began),
            end_time: cx.wall,
            last_activity: cx.wall.checked_sub(quiet).unwrap_or(SystemTime::UNIX_EPOCH),
            active_at_termination,
        }));
        cx.actions.push(Action::Log(self.record));
    }
}
