//! How a client's connection comes to an origin's, and gives it away: the lookup, a kept connection or a dial, the pool.
//! What is done with it is the session's business.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::io::dialer::Standing;
use crate::io::resolver::{Answer, Asked, News};
use crate::io::token::{Ticket, WireId};
use crate::io::wire::{Wire, io_fail};
use crate::io::wires::Owner;
use crate::net::{LookupFail, LookupFailKind, Name, Peer, Side};
use crate::policy::{Vetted, VettedList};
use crate::session::lease::Lease;
use crate::session::{DialFail, Dialled, Input, PoolKey, Wanted};

use super::super::ends::WireTable;
use super::super::pool::{Found, Taken};
use super::super::ports::{Parts, Ports};
use super::Conn;
use super::pending::{Dialling, Pending};

impl<P: Ports> Conn<P> {
    pub(super) fn look_up(&mut self, seq: u32, name: &Name, ports: &mut P) {
        // A dial that part of an answer began goes on without the rest where that comes too late: it is still on its way.
        if let Some(late) = self.looking_up.take() {
            ports.cancel_lookup(self.ticket(late.get()));
        }
        let asker = self.session.client().ip();
        match ports.look_up(self.ticket(seq), name, asker) {
            Asked::Pending => self.looking_up = NonZeroU32::new(seq),
            Asked::Partly(found) => {
                self.looking_up = NonZeroU32::new(seq);
                self.tell(Input::Partly(seq, &found), ports);
            }
            Asked::Answered(answer) => self.tell(resolved(seq, &answer), ports),
            Asked::Full => {
                let fail = LookupFail {
                    kind: LookupFailKind::Overloaded,
                    text: Arc::default(),
                };
                self.tell(Input::Resolved(seq, Err(&fail)), ports);
            }
        }
    }

    /// A lookup ended, or told of some addresses before.
    pub fn resolved(&mut self, seq: u32, news: &News, ports: &mut P) {
        match news {
            News::Part(found) => self.feed(Input::Partly(seq, found), ports),
            News::Whole(answer) => {
                self.looking_up.take_if(|current| current.get() == seq);
                self.feed(resolved(seq, answer), ports);
            }
        }
    }

    /// A connection to one of these addresses: a kept one that the session wants, or a new one.
    pub(super) fn dial(&mut self, seq: u32, addresses: VettedList, wanted: Option<Wanted>, ports: &mut P) {
        let kept = wanted.and_then(|wanted| self.take_kept(&wanted, &addresses, ports));
        if let Some(taken) = kept {
            self.adopt(taken.wire, ports);
            let dialled = Dialled {
                remote: taken.remote,
                local: taken.local,
                reused: true,
                answered: !taken.lease.is_unused(),
                private: taken.private_to.is_some(),
            };
            return self.tell(Input::Dialled(seq, Ok(dialled)), ports);
        }
        let (race, standing) = ports.dial(self.ticket(seq), self.client_key(), addresses);
        self.pending = Some(Box::new(Pending::Dial(Dialling { seq, race })));
        self.settle_race(standing, ports);
    }

    /// An idle upstream connection for a request, if there is one on which nothing happened: a byte or an end that came
    /// behind its last response, some microseconds late, would be taken for this request's. One peek tells; what the
    /// poll told before then is not in the pool any more.
    fn take_kept(&self, wanted: &Wanted, addresses: &[Vetted], ports: &mut P) -> Option<Taken> {
        let Parts { wires, world, stores } = ports.parts();
        loop {
            match stores.pool.take(wanted, addresses, self.id, world.now)? {
                Found::Fits(taken) if wires.is_quiet(taken.wire) => {
                    debug_assert!(!wanted.fresh || taken.lease.is_fresh(world.now, true));
                    return Some(taken);
                }
                Found::Fits(Taken { wire, .. }) | Found::Ended(wire) => wires.close(wire),
            }
        }
    }

    /// Further addresses for the dial that runs.
    pub(super) fn join(&mut self, addresses: &VettedList, ports: &mut P) {
        if let Some(dialling) = self.dialling_mut() {
            let standing = ports.join(&mut dialling.race, addresses);
            self.settle_race(standing, ports);
        }
    }

    pub(super) fn look_at_race(&mut self, ports: &mut P) {
        if let Some(dialling) = self.dialling_mut() {
            let standing = ports.race_on(&mut dialling.race);
            self.settle_race(standing, ports);
        }
    }

    fn settle_race(&mut self, standing: Standing, ports: &mut P) {
        if let Standing::Running = standing {
            return;
        }
        let Some(Dialling { seq, .. }) = self.take_dialling() else {
            return;
        };
        let result = match standing {
            Standing::Running => return,
            Standing::Won { wire, remote, local } => {
                self.adopt(wire, ports);
                Ok(Dialled {
                    remote,
                    local,
                    reused: false,
                    answered: false,
                    private: false,
                })
            }
            Standing::Lost(address, fail) => Err(DialFail { address, fail }),
        };
        self.tell(Input::Dialled(seq, result.as_ref().copied()), ports);
    }

    fn adopt(&mut self, wire: WireId, ports: &mut P) {
        let Parts { wires, .. } = ports.parts();
        wires.hand_over(wire, Owner::Conn(self.id, Side::Origin));
        self.origin.set(wire);
    }

    /// The origin's wire gets an engine, and that what was read of it before.
    pub(super) fn secure_origin(&mut self, peer: &Peer, ports: &mut P) {
        let Some(origin) = self.origin.get() else { return };
        debug_assert!(self.flows.up.tx.is_empty(), "it would be sealed for another peer");
        let received = self.flows.down.rx.as_slice();
        let secured = ports.parts().wires.secure_origin(origin, peer, received);
        self.flows.down.rx.clear();
        if let Err(error) = secured {
            self.tell(Input::Broken(Side::Origin, &io_fail(&error)), ports);
        }
    }

    /// Gives the origin's connection to the pool, unless something is to be read from it: that would belong to
    /// no request.
    pub(super) fn park(&mut self, key: PoolKey, dialled: Dialled, lease: Lease, ports: &mut P) {
        let Some(wire) = self.origin.take() else { return };
        let Parts { wires, stores, .. } = ports.parts();
        let quiet = wires.wire(wire).is_some_and(|(transport, ready)| {
            // Where the last read took all that was asked for, nobody knows yet whether more is there.
            ready.readable = ready.readable && transport.has_news();
            !(ready.readable || ready.read_closed || ready.failed)
        });
        if stores.draining || !quiet || wires.is_outdated(wire) {
            return wires.close(wire);
        }
        self.has_private |= dialled.private;
        let taken = Taken {
            wire,
            remote: dialled.remote,
            local: dialled.local,
            private_to: dialled.private.then_some(self.id),
            lease,
        };
        let parked = stores.pool.park(key, taken);
        if let Some(id) = parked.id {
            wires.hand_over(wire, Owner::Pool(id));
        }
        if let Some(surplus) = parked.surplus {
            wires.close(surplus);
        }
    }

    /// Lets go of a lookup and a dial that are under way.
    pub(super) fn cancel(&mut self, ports: &mut P) {
        if let Some(mut dialling) = self.take_dialling() {
            ports.give_up(&mut dialling.race);
        }
        if let Some(seq) = self.looking_up.take() {
            ports.cancel_lookup(self.ticket(seq.get()));
        }
    }

    pub(super) fn ticket(&self, seq: u32) -> Ticket {
        Ticket { conn: self.id, seq }
    }
}

fn resolved(seq: u32, answer: &Answer) -> Input<'_> {
    Input::Resolved(seq, answer.as_ref().map(|addresses| &addresses[..]))
}
