//! What a state has at hand while it works: the flows, what the connection keeps whatever its state, and the world
//! outside. Decides nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use crate::flow::Flows;
use crate::policy::Policy;
use crate::policy::rates::Rates;

use super::front::Front;
use super::id::Ids;
use super::outcome::Record;
use super::spares::Spares;
use super::words::{Action, Settings};

/// How long a response may take to begin once its client has sent a FIN.
pub const HALF_CLOSED_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection of somebody unknown ends with so many refusals,
const STRANGER_REFUSALS_MAX: u8 = 10;

/// and so long after one.
pub(super) const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a state sees of the world while it works.
pub struct Cx<'a> {
    /// The loop's clock, read once per turn.
    pub now: Instant,
    /// The wall clock, for logs.
    pub wall: SystemTime,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The settings.
    pub settings: &'a Settings,
    /// Makes request ids.
    pub ids: &'a mut Ids,
    /// How often clients may give wrong credentials.
    pub guesses: &'a mut Rates,
    /// Memory to be used again.
    pub spares: &'a mut Spares,
    /// Is an address this machine's? Yes, where that can't be had.
    pub is_local: &'a dyn Fn(IpAddr) -> bool,
    /// What is to be done, in order.
    pub actions: &'a mut Vec<Action>,
}

/// Everything that a state works on and with.
pub(super) struct At<'a, 'w> {
    /// Both directions of the connection.
    pub(super) flows: &'a mut Flows,
    /// What stays from state to state.
    pub(super) shared: &'a mut Shared,
    /// The world outside.
    pub(super) cx: &'a mut Cx<'w>,
}

impl At<'_, '_> {
    /// Asks for something to be done.
    pub(super) fn act(&mut self, action: Action) {
        self.cx.actions.push(action);
    }
}

impl Cx<'_> {
    /// The record of a request that was noticed now.
    pub(super) fn new_record(&mut self, client: SocketAddr) -> Box<Record> {
        let id = self.ids.next(self.wall);
        self.spares.records.fill(Record::new(id, client, self.wall))
    }
}

/// What lives as long as the client's connection, whatever the state.
#[derive(Debug)]
pub(super) struct Shared {
    /// Who connected.
    pub(super) client: SocketAddr,
    /// How it is spoken to.
    pub(super) front: Front,
    /// Number of the latest question; an answer to any other is stale.
    pub(super) seq: u32,
    /// No further requests are taken.
    pub(super) draining: bool,
    /// None of its requests has passed *who is asking*.
    pub(super) is_stranger: bool,
    /// How many of its requests were refused since one last did.
    refusals: u8,
    /// When the client's FIN was noticed.
    pub(super) fin_at: Option<Instant>,
}

impl Shared {
    /// Of a client that just connected.
    pub(super) fn new(client: SocketAddr) -> Shared {
        Shared {
            client,
            front: Front::Proxy,
            seq: 0,
            draining: false,
            is_stranger: true,
            refusals: 0,
            fin_at: None,
        }
    }

    /// A request said who is asking, or need not: what is asked counts from now on, not who asks.
    pub(super) fn note_known(&mut self) {
        self.is_stranger = false;
        self.refusals = 0;
    }

    /// A refusal was the last that it was told, and the first word is still out.
    pub(super) fn was_refused_as_stranger(&self) -> bool {
        self.is_stranger && self.refusals > 0
    }

    /// A request is refused. May another follow?
    pub(super) fn note_refusal(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        !self.is_stranger || self.refusals < STRANGER_REFUSALS_MAX
    }

    /// A number for a new question.
    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    /// After a client's FIN its pending response must begin soon: RFC 9112 leaves it open, but a half-closed
    /// client is nearly always one that went away.
    pub(super) fn half_close_deadline(&self, pending_since: Instant) -> Option<Instant> {
        self.fin_at
            .map(|fin_at| fin_at.max(pending_since) + HALF_CLOSED_RESPONSE_TIMEOUT)
    }
}
