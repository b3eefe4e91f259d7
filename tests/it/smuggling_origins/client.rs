//! The client of the cases: sends a case's bytes, reads every reply, and keeps the connection for the next case
//! where it may.

use std::net::SocketAddr;

use super::dice::Dice;
use super::reader::{End, Reading};
use crate::support::wire::{self, Wire};

/// One final response.
#[derive(Debug)]
pub(super) struct Reply {
    /// Its status.
    pub(super) status: u16,
    /// The origin's word on what it answers, if the origin answered.
    pub(super) seen: Option<String>,
    /// It announces that the connection ends.
    pub(super) closes: bool,
}

/// All that came back for a case.
#[derive(Debug)]
pub(super) struct Heard {
    /// The responses in order.
    pub(super) replies: Vec<Reply>,
    /// Bytes behind them that are no response.
    pub(super) unread: usize,
    /// How the connection ended, if it did.
    pub(super) end: Option<wire::End>,
}

/// A client that is always the same.
pub(super) struct Client {
    proxy: SocketAddr,
    wire: Option<Wire>,
}

impl Client {
    /// A client of this proxy, not yet connected.
    pub(super) fn of(proxy: SocketAddr) -> Client {
        Client { proxy, wire: None }
    }

    /// Sends a case and listens until its last reply, or the connection's end.
    pub(super) fn ask(&mut self, id: u64, bytes: &[u8], reading: &Reading) -> Heard {
        let dice = &mut Dice::of(!0, id);
        let mut wire = self.wire.take().unwrap_or_else(|| Wire::connect(self.proxy));
        send(&mut wire, bytes, dice);
        let mut heard = Heard {
            replies: Vec::new(),
            unread: 0,
            end: None,
        };
        let asked = reading.requests.len();
        loop {
            if heard.replies.len() == asked && reading.end == End::Clean && !dice.once_in(8) {
                self.wire = Some(wire);
                return heard;
            }
            if heard.replies.len() >= asked && reading.end != End::Malformed {
                wire.half_close();
            }
            let method = reading
                .requests
                .get(heard.replies.len())
                .map_or("GET".into(), |(request, _)| {
                    String::from_utf8_lossy(&request.method)
                });
            match wire.try_response(&method) {
                Ok(response) => heard.replies.push(Reply {
                    status: response.status,
                    seen: response.fields.get("x-seen"),
                    closes: response.closes(),
                }),
                Err(end) => {
                    heard.unread = wire.buffered();
                    heard.end = Some(end);
                    return heard;
                }
            }
            if heard.replies.last().is_some_and(|reply| reply.closes) {
                let (rest, end) = wire.drain();
                // A refusal of HEAD may still be told in words by who could not read the method.
                heard.unread = rest.len();
                heard.end = Some(end);
                return heard;
            }
        }
    }
}

/// Sends the bytes in up to three pieces; the proxy may have hung up in between.
fn send(wire: &mut Wire, bytes: &[u8], dice: &mut Dice) {
    let (mut rest, pieces) = (bytes, dice.below(3));
    for _ in 0..pieces {
        let (piece, after) = rest.split_at(dice.below(rest.len() + 1));
        if wire.try_send(piece).is_err() {
            return;
        }
        if dice.once_in(20) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        rest = after;
    }
    let _ = wire.try_send(rest);
}
