//! How a client's connection comes to an origin's, and gives it away: the lookup, a kept connection or a dial, the pool.
//! What is done with it is the session's business.

use std::sync::Arc;

use crate::io::dialer::{self, ATTEMPTS_MAX, Dialer, Race, Standing};
use crate::io::resolver::{Answer, Asked, News};
use crate::io::token::{Ticket, WireId};
use crate::io::wires::Owner;
use crate::net::{LookupFail, LookupFailKind, Name, Side};
use crate::policy::VettedList;
use crate::session::lease::Lease;
use crate::session::{DialFail, Dialled, Input, PoolKey, Wanted};

use super::super::core::Core;
use super::super::pool::Taken;
use super::Conn;

/// A race, and the number of the question it answers.
#[derive(Debug)]
pub(super) struct Dialling {
    seq: u32,
    pub(super) race: Race,
}

impl Conn {
    pub(super) fn look_up(&mut self, seq: u32, name: &Name, core: &mut Core) {
        let ticket = Ticket { conn: self.id, seq };
        let asker = self.session.client().ip();
        match core.resolver.ask(ticket, name, asker, core.world.now) {
            Asked::Pending => self.looking_up = Some(seq),
            Asked::Partly(found) => {
                self.looking_up = Some(seq);
                self.tell(Input::Partly(seq, &found), core);
            }
            Asked::Answered(answer) => self.tell(resolved(seq, &answer), core),
            Asked::Full => {
                let fail = LookupFail {
                    kind: LookupFailKind::Overloaded,
                    text: Arc::default(),
                };
                self.tell(Input::Resolved(seq, Err(fail)), core);
            }
        }
    }

    /// A lookup ended, or told of some addresses before.
    pub fn resolved(&mut self, seq: u32, news: &News, core: &mut Core) {
        match news {
            News::Part(found) => self.feed(Input::Partly(seq, found), core),
            News::Whole(answer) => {
                self.looking_up.take_if(|current| *current == seq);
                self.feed(resolved(seq, answer), core);
            }
        }
    }

    /// A connection to one of these addresses: a kept one that the session wants, or a new one.
    pub(super) fn dial(&mut self, seq: u32, addresses: VettedList, wanted: Option<Wanted>, core: &mut Core) {
        let kept = wanted.and_then(|wanted| core.take_kept(&wanted, &addresses, self.id));
        if let Some(taken) = kept {
            self.adopt(taken.wire, core);
            let dialled = Dialled {
                remote: taken.remote,
                local: taken.local,
                reused: true,
                private: taken.private_to.is_some(),
            };
            return self.tell(Input::Dialled(seq, Ok(dialled)), core);
        }
        let (timeout, client) = (core.world.settings.connect_timeout, self.client_key());
        core.make_room(ATTEMPTS_MAX);
        let (race, standing) = dialer::dial((self.id, client), addresses, timeout, &mut core.dialer());
        self.dialling = Some(Box::new(Dialling { seq, race }));
        self.settle_race(standing, core);
    }

    /// Further addresses for the dial that runs.
    pub(super) fn join(&mut self, addresses: VettedList, core: &mut Core) {
        self.race_on(core, |race, dialer| race.join(addresses, dialer));
    }

    pub(super) fn look_at_race(&mut self, core: &mut Core) {
        self.race_on(core, Race::advance);
    }

    fn race_on(&mut self, core: &mut Core, step: impl FnOnce(&mut Race, &mut Dialer<'_>) -> Standing) {
        if let Some(Dialling { race, .. }) = self.dialling.as_deref_mut() {
            core.make_room(ATTEMPTS_MAX);
            let standing = step(race, &mut core.dialer());
            self.settle_race(standing, core);
        }
    }

    fn settle_race(&mut self, standing: Standing, core: &mut Core) {
        if let Standing::Running = standing {
            return;
        }
        let Some(Dialling { seq, .. }) = self.dialling.take().map(|boxed| *boxed) else {
            return;
        };
        let result = match standing {
            Standing::Running => return,
            Standing::Won { wire, remote, local } => {
                self.adopt(wire, core);
                Ok(Dialled {
                    remote,
                    local,
                    reused: false,
                    private: false,
                })
            }
            Standing::Lost(address, fail) => Err(DialFail { address, fail }),
        };
        self.tell(Input::Dialled(seq, result), core);
    }

    fn adopt(&mut self, wire: WireId, core: &mut Core) {
        core.wires.hand_over(wire, Owner::Conn(self.id, Side::Origin));
        self.origin = Some(wire);
    }

    /// Gives the origin's connection to the pool, unless something is to be read from it: that would belong to
    /// no request.
    pub(super) fn park(&mut self, key: PoolKey, dialled: Dialled, lease: Lease, core: &mut Core) {
        let Some(wire) = self.origin.take() else { return };
        let quiet = core.wires.get_mut(wire).is_some_and(|entry| {
            let (transport, ready) = (&mut entry.transport, &mut entry.ready);
            // Where the last read took all that was asked for, nobody knows yet whether more is there.
            ready.readable = ready.readable && transport.has_news();
            !(ready.readable || ready.read_closed || ready.failed)
        });
        if core.draining || !quiet {
            return core.wires.close(wire);
        }
        self.has_private |= dialled.private;
        let taken = Taken {
            wire,
            remote: dialled.remote,
            local: dialled.local,
            private_to: dialled.private.then_some(self.id),
            lease,
        };
        let parked = core.pool.park(key, taken);
        if let Some(id) = parked.id {
            core.wires.hand_over(wire, Owner::Pool(id));
        }
        if let Some(surplus) = parked.surplus {
            core.wires.close(surplus);
        }
    }

    /// Lets go of a lookup and a dial that are under way.
    pub(super) fn cancel(&mut self, core: &mut Core) {
        if let Some(mut dialling) = self.dialling.take() {
            dialling.race.close(&mut core.dialer());
        }
        if let Some(seq) = self.looking_up.take() {
            core.resolver.cancel(Ticket { conn: self.id, seq });
        }
    }
}

fn resolved(seq: u32, answer: &Answer) -> Input<'_> {
    let answer = answer.as_ref().map(|addresses| &addresses[..]);
    Input::Resolved(seq, answer.map_err(LookupFail::clone))
}
