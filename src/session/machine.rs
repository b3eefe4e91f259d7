//! The state machine of one client connection, and the only place that knows which state follows which.
//!
//! ```text
//!             Arrival ------> Securing
//!                | first byte    | handshake done
//!                | <-------------'
//!                v
//!    +-------> Head <----------------------------+
//!    |           | whole head                    |
//!    |           v              cannot say yet   |
//!    |        (judge) -----------------> Asking  |
//!    |           |   ^------- answer -------'    |
//!    |           | allowed                       |
//!    |           v                               |
//!    |        Lookup                             |
//!    |           | addresses vetted              |
//!    |           v                               |
//!    |         Dial <--- kept one was dead ---.  |
//!    |           | connected                  |  |
//!    |           |---- https ----> Handshake  |  |
//!    |           | <----- secured -----'      |  |
//!    |           |---> Chain                  |  |
//!    |           | <----' upstream's 2xx      |  |
//!    |           |---- to forward ----> Exchange-+  through, client kept
//!    |           |                        |   |
//!    |           |                    101 |   |  through, client not kept
//!    |           |                        v   |
//!    |           '---- CONNECT -------> Tunnel|
//!    |                                    |   |
//!    | kept                               v   v
//! (reply) ------- not kept ----------> Closing ----> Done
//!    ^
//!    '-- refused: from Arrival, Head, judge, Asking, Lookup, Dial, Handshake, Chain, Minting, and Exchange before its response
//! ```
//!
//! A CONNECT that is intercepted goes from `Handshake` by `Minting` (the certificate), `Inviting` (the 200, and the client's
//! first byte) and `Securing` to `Head` again.
//!
//! Who asks how the proxy is begins with `Head` and goes by `Showing`, or by an answer at once, to `Closing`.
//!
//! From each state an error, a deadline or the end of the server may lead straight to `Done`. What stands in brackets is
//! no state: it is passed through at once. States return a [`Then`] and never name each other; what they return is
//! followed here.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow::{Break, Continue};

use crate::clock::Instant;
use crate::flow::{End, Flows};
use crate::net::Side;
use crate::policy::Policy;

use super::arrival::Arrival;
use super::asking::Asking;
use super::at::{At, Cx};
use super::chain::Chain;
use super::closing::Closing;
use super::dial::Dial;
use super::front::Surface;
use super::handshake::Handshake;
use super::head::Head;
use super::inviting::Inviting;
use super::lookup::Lookup;
use super::minting::Minting;
use super::outcome::Record;
use super::progress::Exchange;
use super::reply;
use super::request::Way;
use super::securing::Securing;
use super::shared::Shared;
use super::showing::Showing;
use super::then::{Step, Then};
use super::tunnel::Tunnel;
use super::words::{Action, Input, Settings, Standing};

/// Where a connection stands.
#[derive(Debug)]
enum State {
    Arrival(Arrival),
    Securing(Securing),
    Head(Head),
    Asking(Asking),
    Lookup(Lookup),
    Dial(Dial),
    Handshake(Handshake),
    Chain(Box<Chain>),
    Minting(Minting),
    Inviting(Inviting),
    Exchange(Box<Exchange>),
    Tunnel(Tunnel),
    Showing(Showing),
    Closing(Closing),
    Done,
}

/// Every connection pays for the largest: what needs more goes into a box.
const _: () = assert!(size_of::<State>() <= 64);

/// The state machine of one client connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    shared: Shared,
}

impl Session {
    /// A client that just connected. The flows must be fresh.
    pub fn new(client: SocketAddr, now: Instant) -> Session {
        Session {
            state: State::Arrival(Arrival::new(now)),
            shared: Shared::new(client),
        }
    }

    /// A client that just connected to ask how the proxy is. The flows must be fresh.
    pub fn admin(client: SocketAddr, surface: Surface, now: Instant) -> Session {
        Session {
            state: State::Head(Head::first(now)),
            shared: Shared::admin(client, surface),
        }
    }

    /// A client may be known by where it connects from.
    pub fn recognise(&mut self, policy: &Policy) {
        self.shared.recognise(policy);
    }

    /// Takes one input and goes on as far as the flows allow.
    ///
    /// **After every call carry out all of `cx.actions` in their order before the next one, move bytes only as the gates
    /// allow, and call again with [`Input::Moved`] whenever bytes or an end moved, with [`Input::Expired`] when
    /// [`Session::deadline`] has passed, and with each answer once: then no connection hangs, and none is left open.**
    pub fn advance(&mut self, input: Input<'_>, flows: &mut Flows, cx: &mut Cx<'_>) {
        debug_assert!(cx.actions.is_empty(), "{:?} before {:?}", input, cx.actions);
        if flows.up.end >= End::Announced {
            self.shared.fin_at.get_or_insert(cx.now);
        }
        match input {
            Input::Drain => self.shared.draining = true,
            Input::Terminate if !self.is_closing() => self.shared.note_terminated(),
            _ => {}
        }
        if input.answers().is_some_and(|seq| seq != self.shared.seq) {
            return;
        }
        let at = &mut At {
            flows,
            shared: &mut self.shared,
            cx,
        };
        let mut input = input;
        loop {
            let state = std::mem::replace(&mut self.state, State::Done);
            match state.advance(input, at) {
                Continue(state) => {
                    self.state = state;
                    return;
                }
                Break(then) => self.state = follow(then, at),
            }
            // A state that was just entered looks at the flows too: what it waits for may be there already. This ends, for
            // only a complete head in `rx` leads around once more, and only when the answer before has left.
            input = Input::Moved;
        }
    }

    /// When [`Input::Expired`] is due.
    pub fn deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        match &self.state {
            State::Arrival(state) => Some(state.deadline(&self.shared, settings)),
            State::Securing(state) => Some(state.deadline()),
            State::Head(state) => Some(state.deadline(&self.shared, settings)),
            State::Asking(state) => Some(state.deadline(&self.shared)),
            State::Lookup(state) => Some(state.deadline(&self.shared, settings)),
            State::Dial(state) => state.deadline(&self.shared, settings),
            State::Handshake(state) => state.deadline(&self.shared, settings),
            State::Chain(state) => Some(state.deadline(&self.shared, settings)),
            State::Minting(state) => Some(state.deadline()),
            State::Inviting(state) => Some(state.deadline()),
            State::Exchange(state) => state.deadline(flows, &self.shared, settings),
            State::Tunnel(state) => state.deadline(flows, settings),
            State::Showing(state) => Some(state.deadline(flows)),
            State::Closing(state) => Some(state.deadline(flows, &self.shared)),
            State::Done => None,
        }
    }

    /// How many bytes it holds beside the flows: a head that waits for a connection, or for a second attempt.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Lookup(state) => state.held_bytes(),
            State::Dial(state) => state.held_bytes(),
            State::Handshake(state) => state.held_bytes(),
            State::Chain(state) => state.held_bytes(),
            State::Exchange(state) => state.request.head.len(),
            State::Arrival(_)
            | State::Securing(_)
            | State::Head(_)
            | State::Asking(_)
            | State::Minting(_)
            | State::Inviting(_)
            | State::Tunnel(_)
            | State::Showing(_)
            | State::Closing(_)
            | State::Done => 0,
        }
    }

    /// Who connected, or whose connection it is as a PROXY header said.
    pub fn client(&self) -> SocketAddr {
        self.shared.client.into()
    }

    /// The client's address where it may name a role: not where a PROXY header named nobody, for then it is that of who
    /// sent it. Known from the client's first byte on.
    pub fn source(&self) -> Option<IpAddr> {
        self.shared.source()
    }

    /// Does nobody know who it is?
    pub fn is_stranger(&self) -> bool {
        self.shared.is_stranger
    }

    /// Is everything over?
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whose wire does its handshake, if one does?
    pub fn securing(&self) -> Option<Side> {
        match self.state {
            State::Securing(_) => Some(Side::Client),
            State::Handshake(_) => Some(Side::Origin),
            _ => None,
        }
    }

    /// Are its bytes counted?
    pub fn is_metered(&self) -> bool {
        match &self.state {
            State::Tunnel(tunnel) => tunnel.is_metered(),
            State::Exchange(exchange) => exchange.request.is_metered(),
            _ => false,
        }
    }

    /// Has bytes counted from now on by the limit that this policy has for its role. What is on its way to be a tunnel or an
    /// exchange asks when it is one.
    pub fn meter(&mut self, policy: &Policy) {
        match &mut self.state {
            State::Tunnel(tunnel) => tunnel.meter(policy),
            State::Exchange(exchange) => exchange.meter(policy),
            _ => {}
        }
    }

    /// Does it wait for the certificate that it asked for by this number?
    pub fn is_minting(&self, seq: u32) -> bool {
        matches!(self.state, State::Minting(_)) && self.shared.seq == seq
    }

    /// Is it a tunnel?
    pub fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel(_))
    }

    /// What of it there is to count.
    pub fn standing(&self) -> Standing {
        let asks = match self.state {
            State::Tunnel(_) => return Standing::Tunnel,
            State::Asking(_)
            | State::Lookup(_)
            | State::Dial(_)
            | State::Handshake(_)
            | State::Chain(_)
            | State::Minting(_)
            | State::Exchange(_) => true,
            State::Arrival(_)
            | State::Securing(_)
            | State::Head(_)
            | State::Inviting(_)
            | State::Showing(_)
            | State::Closing(_)
            | State::Done => false,
        };
        match (self.shared.inside(), asks) {
            (Some(_), asks) => Standing::Inside { asks },
            (None, true) => Standing::Request,
            (None, false) => Standing::Idle,
        }
    }

    /// Is the head of a request still to come?
    pub fn awaits_head(&self) -> bool {
        matches!(
            self.state,
            State::Arrival(_) | State::Securing(_) | State::Head(_)
        )
    }

    /// Does it only write what is left, and wait for the client's end?
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }

    /// What is known of the tunnel; none where it is none.
    pub fn tunnel(&self) -> Option<&Record> {
        match &self.state {
            State::Tunnel(tunnel) => Some(tunnel.record()),
            _ => None,
        }
    }
}

impl State {
    fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<State> {
        match self {
            State::Arrival(state) => state.advance(input, at).map_continue(State::Arrival),
            State::Securing(state) => state.advance(input, at).map_continue(State::Securing),
            State::Head(state) => state.advance(input, at).map_continue(State::Head),
            State::Asking(state) => state.advance(input, at).map_continue(State::Asking),
            State::Lookup(state) => state.advance(input, at).map_continue(State::Lookup),
            State::Dial(state) => state.advance(input, at).map_continue(State::Dial),
            State::Handshake(state) => state.advance(input, at).map_continue(State::Handshake),
            State::Chain(state) => state.advance(input, at).map_continue(State::Chain),
            State::Minting(state) => state.advance(input, at).map_continue(State::Minting),
            State::Inviting(state) => state.advance(input, at).map_continue(State::Inviting),
            State::Exchange(state) => state.advance(input, at).map_continue(State::Exchange),
            State::Tunnel(state) => state.advance(input, at).map_continue(State::Tunnel),
            State::Showing(state) => state.advance(input, at).map_continue(State::Showing),
            State::Closing(state) => state.advance(input, at).map_continue(State::Closing),
            State::Done => Continue(State::Done),
        }
    }
}

/// The state that a step leads to.
fn follow(mut then: Then, at: &mut At<'_, '_>) -> State {
    loop {
        then = match then {
            Then::Ask(head, question) => return State::Asking(Asking::enter(head, question, at)),
            Then::Lookup(errand) => match Lookup::enter(errand, at) {
                Continue(state) => return State::Lookup(state),
                Break(then) => then,
            },
            Then::Dial(errand, reuse, rest) => return State::Dial(Dial::enter(errand, reuse, rest, at)),
            Then::SecureOrigin(approach, peer, reaches) => {
                return State::Handshake(Handshake::enter(approach, peer, reaches, at));
            }
            Then::Chain(approach) => return State::Chain(Chain::enter(approach, at)),
            Then::Arrive(errand, origin) => match errand.request.way {
                Way::Forward => return State::Exchange(Exchange::enter(errand, origin, at)),
                Way::Tunnel if errand.request.allowed.intercepts() => {
                    return State::Minting(Minting::enter(errand, origin, at));
                }
                Way::Tunnel => match Tunnel::accept(errand, at) {
                    Continue(state) => return State::Tunnel(state),
                    Break(then) => then,
                },
            },
            Then::Invite(errand) => return State::Inviting(Inviting::enter(errand, at)),
            Then::Switch(record, permits, is_due) => {
                match Tunnel::enter(record, permits, at).judged_if(is_due, at) {
                    Continue(state) => return State::Tunnel(state),
                    Break(then) => then,
                }
            }
            Then::Refuse(record, refusal, manner) => reply::refuse(record, refusal, manner, at),
            Then::Reached(record, manner) => reply::reached(record, manner, at),
            Then::Secure(accepted_at) => return State::Securing(Securing::enter(accepted_at, at)),
            Then::FirstHead(accepted_at) => return State::Head(Head::first(accepted_at)),
            Then::SecuredHead(accepted_at) => return State::Head(Head::secured(accepted_at, at.cx.now)),
            Then::Show(page, version, head_only) => match Showing::enter(page, version, head_only, at) {
                Continue(state) => return State::Showing(state),
                Break(then) => then,
            },
            Then::Head => return State::Head(Head::enter(at)),
            Then::Linger => return State::Closing(Closing::enter(at)),
            Then::Close(how) => {
                at.end_inside();
                at.act(Action::Close(how));
                return State::Done;
            }
        };
    }
}
