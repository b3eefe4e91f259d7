//! What must hold at every step of a connection, and what is spoiled on the way to see that it is noticed.

use smokescreen::flow::{Below, Flows};
use smokescreen::io::scratch::Scratch;
use smokescreen::io::wire::Wire as _;
use smokescreen::io::wires::Owner;
use smokescreen::net::Side;
use smokescreen::policy::Vetted;
use smokescreen::server::ports::Step;
use smokescreen::server::turn::Turn;
use smokescreen::session::{Action, Input, Session};

use crate::plan::How;
use crate::public::may_be_dialled;
use crate::setting::Spoil;
use crate::wires::Stack;

use super::links::Link;
use super::{World, conn_id};

impl World {
    pub(super) fn watch(&mut self, nth: usize, session: &Session, step: Step<'_>) {
        match step {
            Step::Told(input) => {
                self.say(|| format!("    conn {nth} <- {input:?}"));
                if let Input::Expired = input {
                    self.conns[nth].expired_at = Some(self.view.now);
                }
            }
            Step::Wants(action) => {
                self.say(|| format!("    conn {nth} -> {action:?}"));
                self.note_tunnel(nth, session);
                self.judge_action(nth, action);
            }
            Step::Ran(ended, flows) => {
                self.say(|| format!("    {ended:?} {}", shown(flows)));
                self.note_tunnel(nth, session);
                self.judge_flows(nth, flows);
                if ended == Turn::Rest {
                    self.judge_rest(nth, session, flows);
                    self.judge_waiting(nth, flows);
                }
                self.spoil_wires();
            }
        }
    }

    /// What must hold of whatever a session wants.
    fn judge_action(&mut self, nth: usize, action: &Action) {
        if self.conns[nth].over {
            self.complain(format!("conn {nth} acts behind its end: {action:?}"));
        }
        match action {
            Action::Dial(_, addresses, _) => {
                self.judge_addresses(addresses);
                let origin = self.origin_of(nth);
                if addresses.is_empty() || origin.is_some() {
                    self.complain(format!("conn {nth} dials {addresses:?} beside {origin:?}"));
                }
            }
            Action::Join(addresses) => {
                self.judge_addresses(addresses);
                if addresses.is_empty() || self.conns[nth].dial.is_none() && self.setting.taste.calm {
                    self.complain(format!("conn {nth} adds {addresses:?} to no dial"));
                }
            }
            Action::Park(..) if self.origin_of(nth).is_none() => {
                self.complain("parks what is not there".into());
            }
            Action::Close(_) => self.conns[nth].over = true,
            _ => {}
        }
    }

    fn judge_addresses(&mut self, addresses: &[Vetted]) {
        for address in addresses {
            if self.is_upstream(address.address()) {
                continue;
            }
            if let Err(why) = may_be_dialled(address.address()) {
                self.complain(why);
            }
        }
    }

    /// The wire to the origin that a connection has now.
    fn origin_of(&self, nth: usize) -> Option<usize> {
        let owner = Owner::Conn(conn_id(nth), Side::Origin);
        let is_it = |link: &Link| link.owner == owner && !link.wire.closed();
        self.links.all.iter().position(is_it)
    }

    /// What must hold of what a connection keeps.
    fn judge_flows(&mut self, nth: usize, flows: &Flows) {
        let head_bytes_max = self.setting.taste.head_bytes_max;
        let held = flows.up.rx.len().max(flows.down.rx.len());
        if held > self.setting.scratch_bytes.max(4096) + head_bytes_max {
            self.complain(format!("conn {nth} holds {held} bytes of one side"));
        }
    }

    /// What must hold when a connection waits.
    fn judge_rest(&mut self, nth: usize, session: &Session, flows: &Flows) {
        let settings = &self.setting.settings;
        let deadline = session.deadline(flows, settings);
        let expired_at = self.conns[nth].expired_at.take();
        if deadline.is_none() && settings.idle_timeout.is_some() {
            self.complain(format!("conn {nth} has no deadline"));
        } else if let Some(expired_at) = expired_at
            && deadline.is_some_and(|at| at <= expired_at)
        {
            self.complain(format!("conn {nth} expired and its deadline is still due"));
        }
    }

    /// What a wire keeps while its connection waits: the session knows of it, and the network owes the room for it.
    fn judge_waiting(&mut self, nth: usize, flows: &Flows) {
        let client = (self.clients[nth].link, &flows.down);
        let origin = self.origin_of(nth).map(|link| (link, &flows.up));
        for (link, flow) in std::iter::once(client).chain(origin) {
            let Link { wire, ready, .. } = &self.links.all[link];
            let (under, below, can_leave) = (wire.under(), flow.below(), ready.writable);
            let is_known = matches!(below, Below::Engine(bytes) if bytes == under);
            if under > 0 && !flow.dead && (can_leave || !is_known) {
                self.complain(format!(
                    "conn {nth}: wire {link} keeps {under} bytes, known as {below:?}, that can leave: {can_leave}"
                ));
            }
        }
    }

    /// What must hold when a turn has ended.
    pub(crate) fn judge_scratch(&mut self) {
        if self.setting.spoil == Spoil::Scratch {
            self.stores.scratch = Scratch::new(0);
        }
        let capacity = self.stores.scratch.read_bytes();
        if capacity < self.setting.scratch_bytes {
            self.complain(format!(
                "the scratch buffer has a capacity of {capacity} after a turn"
            ));
            self.stores.scratch = Scratch::new(self.setting.scratch_bytes);
        }
    }

    /// A CONNECT's origin learns what it is.
    fn note_tunnel(&mut self, nth: usize, session: &Session) {
        if !session.is_tunnel() || self.conns[nth].tunnel_origin.is_some() {
            return;
        }
        let asked = self.clients[nth].exchanges.last();
        let (Some(link), Some(exchange)) = (self.origin_of(nth), asked) else {
            return;
        };
        let origin = self.origins.iter().position(|origin| origin.link == link);
        let Some(origin) = origin.filter(|_| exchange.ask.how == How::Connect) else {
            return;
        };
        self.conns[nth].tunnel_origin = Some(origin);
        if self.setting.chains {
            // It made the tunnel itself, or nobody did.
            if self.origins[origin].tunnel.is_none() {
                self.complain(format!("conn {nth} is a tunnel that its upstream did not make"));
            }
            return;
        }
        self.origins[origin].become_tunnel(exchange.ask.number, exchange);
    }

    fn spoil_wires(&mut self) {
        let byte = |wire: &mut Stack| match wire.memory_mut().written.last_mut() {
            Some(byte) => {
                *byte ^= 0x15;
                true
            }
            None => false,
        };
        self.spoiled |= match self.setting.spoil {
            _ if self.spoiled => true,
            Spoil::ClientByte => byte(&mut self.links.all[0].wire),
            Spoil::OriginByte => {
                let first = self.links.all.get_mut(self.clients.len());
                first.is_some_and(|link| byte(&mut link.wire))
            }
            _ => false,
        };
    }
}

fn shown(flows: &Flows) -> String {
    let [up, down] = [&flows.up, &flows.down].map(|flow| {
        format!(
            "{:?}/{:?}+{}+{} {:?}",
            flow.gate,
            flow.below(),
            flow.tx.len(),
            flow.rx.len(),
            flow.end
        )
    });
    format!("up {up} down {down}")
}
