//! What a state has at hand while it works: the flows, what stays from state to state, and the world outside.
//! Decides nothing.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::clock::Instant;
use crate::flow::Flows;
use crate::policy::Policy;
use crate::policy::quota::Moment;
use crate::policy::rates::Guesses;

use super::id::Ids;
use super::outcome::Record;
use super::shared::Shared;
use super::spares::Spares;
use super::words::{Action, Admin, Settings};

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
    /// What may be told to those who ask how the proxy is.
    pub admin: &'a Admin,
    /// What could be done without may be held in memory.
    pub has_room_to_spare: bool,
    /// Makes request ids.
    pub ids: &'a mut Ids,
    /// How often clients may give wrong credentials.
    pub guesses: &'a Guesses,
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

    /// If the connection was an intercepted tunnel, that is over.
    pub(super) fn end_inside(&mut self) {
        if let Some(inside) = self.shared.leave_inside() {
            let record = inside.end(self.flows, self.cx.moment());
            self.act(Action::Log(record));
        }
    }

    /// Writes the decision line of a tunnel whose record goes on and becomes the close line.
    pub(super) fn log_decision(&mut self, record: &Record) {
        let decision = self.cx.spares.records.fill(record.clone());
        self.act(Action::Log(decision));
    }

    /// The origin's connection is given up, and what was on the way to it and from it.
    pub(super) fn drop_origin(&mut self) {
        self.act(Action::DropOrigin);
        self.flows.forget_origin();
    }
}

impl Cx<'_> {
    /// The time, where limits are asked.
    pub(super) fn moment(&self) -> Moment {
        let (now, wall) = (self.now, self.wall);
        Moment { now, wall }
    }

    /// The record of a request that was noticed now.
    pub(super) fn new_record(&mut self, shared: &Shared) -> Box<Record> {
        let id = self.ids.next(self.wall);
        let mut record = Record::new(id, shared.client, self.wall);
        record.certificate.clone_from(&shared.certificate);
        self.spares.records.fill(record)
    }
}
