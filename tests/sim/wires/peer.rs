//! The peer's half of a sealed wire: what clients and origins of the simulation say and hear through it. Its engine does
//! the handshake by itself; afterwards it reads only where its owner does.

use std::io::ErrorKind;

use smokescreen::io::wire::Ready;

use super::engine::Engine;
use super::sealed::Sealed;
use super::{Ended, Stack};

/// How it leaves once the handshake is done and all was said.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Fin,
    Close,
}

/// What it may do where it need not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// It leaves nothing unread or unsaid that would make a reset of anybody's close.
    pub(super) is_calm: bool,
    /// It ends without a notice.
    pub(super) cuts: bool,
    /// The wire below has its end only when the other's notice came: this one's comes before.
    pub(super) is_late: bool,
}

/// The peer's end.
#[derive(Debug)]
pub(super) struct Peer {
    engine: Engine,
    manners: Manners,
    leaving: Option<Leaving>,
    /// It closed, and hears nothing any more.
    gone: bool,
    /// How the wire below ended.
    lost: Option<Ended>,
}

impl Peer {
    pub(super) fn new(engine: Engine, manners: Manners) -> Peer {
        Peer {
            engine,
            manners,
            leaving: None,
            gone: false,
            lost: None,
        }
    }
}

impl Peer {
    /// May the wire below have its end?
    fn may_leave(&self, leaving: Leaving) -> bool {
        let Manners {
            is_calm,
            cuts,
            is_late,
        } = self.manners;
        let has_said_all = match leaving {
            Leaving::Fin if is_late && !cuts => self.engine.heard_end,
            Leaving::Close if is_calm => self.engine.done && !self.awaits_update(),
            Leaving::Fin | Leaving::Close => self.engine.done,
        };
        has_said_all || self.lost.is_some()
    }

    fn awaits_update(&self) -> bool {
        let (asked, came) = self.engine.updates;
        asked > came
    }

    /// Has its engine something to do by itself?
    fn is_busy(&self) -> bool {
        let closes = matches!(self.leaving, Some(Leaving::Close));
        !self.gone && self.lost.is_none() && (closes || !self.engine.done)
    }
}

/// At most so much is taken from the wire below at a time.
const TAKEN_BYTES_MAX: usize = 30_000;

/// Keys are updated once in so many messages.
const UPDATE_ONE_IN: usize = 8;

impl Sealed {
    /// Does the network, or the peer's engine, owe the proxy anything?
    pub(super) fn owes_news(&self) -> bool {
        self.below.owes_news() || !self.below.closed() && self.peer_is_busy()
    }

    pub(super) fn stir(&mut self, ready: &mut Ready) {
        self.below.stir(ready);
        if self.peer_is_busy() {
            self.peer_pull();
        }
    }

    fn peer_is_busy(&self) -> bool {
        self.peer.is_busy() && self.below.peer_has_news()
    }

    /// Gives the wire below all that the peer's engine has to say; false: nobody reads.
    pub(super) fn peer_push(&mut self) -> bool {
        let sealed = self.peer.engine.outbox.clone();
        self.peer.engine.note_left(sealed.len());
        let took = self.below.peer_send_if_any(&sealed);
        if let Some(leaving) = self.peer.leaving.filter(|leaving| self.peer.may_leave(*leaving)) {
            self.peer.leaving = None;
            match leaving {
                Leaving::Fin => self.below.peer_fin(),
                Leaving::Close => {
                    self.peer.gone = true;
                    self.below.peer_close();
                }
            }
        }
        took
    }

    /// The peer's engine takes what there is below.
    fn peer_pull(&mut self) {
        match self.below.peer_take(self.random.between(1, TAKEN_BYTES_MAX)) {
            Ok(bytes) => {
                if let Err(complaint) = self.peer.engine.receive(&bytes) {
                    self.complaints.push(format!("the peer takes {complaint}"));
                    self.peer.lost = Some(Ended::Reset);
                }
            }
            Err(Ended::Reset) => self.peer.lost = Some(Ended::Reset),
            Err(Ended::Fin | Ended::Cut) => self.peer.lost = Some(Ended::Cut),
        }
        self.peer_push();
    }

    pub(super) fn peer_send(&mut self, bytes: &[u8]) -> bool {
        if self.peer.gone || !self.below.peer_send(&[]) {
            return false;
        }
        let is_calm = self.peer.manners.is_calm;
        self.peer_update(!is_calm || !self.peer.awaits_update());
        self.peer.engine.say(bytes);
        self.peer_update(!is_calm);
        self.peer_push()
    }

    fn peer_update(&mut self, may: bool) {
        if may && self.random.one_in(UPDATE_ONE_IN) {
            self.peer.engine.ask_update();
        }
    }

    fn peer_leave(&mut self, leaving: Leaving) {
        if self.peer.gone {
            return;
        }
        if !self.peer.manners.cuts {
            self.peer.engine.end();
        }
        self.peer.leaving = Some(leaving);
        self.peer_push();
    }

    pub(super) fn peer_fin(&mut self) {
        self.peer_leave(Leaving::Fin);
    }

    pub(super) fn peer_close(&mut self) {
        self.peer_leave(Leaving::Close);
    }

    /// By a reset, or by a FIN that nothing announces.
    pub(super) fn peer_reset(&mut self, kind: ErrorKind) {
        self.peer.gone = true;
        match self.random.one_in(2) {
            true => self.below.peer_close(),
            false => self.below.peer_reset(kind),
        }
    }

    pub(super) fn peer_has_news(&self) -> bool {
        let Peer {
            engine, lost, gone, ..
        } = &self.peer;
        let holds = !engine.plain.is_empty() || engine.heard_end || lost.is_some();
        !gone && (holds || self.below.peer_has_news())
    }

    pub(super) fn peer_take(&mut self, most: usize) -> Result<Vec<u8>, Ended> {
        let holds = |peer: &Peer| !peer.engine.plain.is_empty() || peer.engine.heard_end;
        if !holds(&self.peer) && self.peer.lost.is_none() {
            self.peer_pull();
        }
        let Peer { engine, lost, .. } = &mut self.peer;
        let n = most.min(engine.plain.len());
        match *lost {
            _ if n > 0 => Ok(engine.plain.drain(..n).collect()),
            _ if engine.heard_end => Err(Ended::Fin),
            Some(ended) => Err(ended),
            None => Ok(Vec::new()),
        }
    }
}

impl Stack {
    /// Sends, unless there is nothing to be sent.
    fn peer_send_if_any(&mut self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.peer_send(bytes)
    }
}
