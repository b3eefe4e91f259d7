//! What sessions see of the world beside their flows, and the only place where that view is made. Reads no clock: its
//! owner sets the time.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Instant;
use crate::policy::Policy;
use crate::policy::rates::Guesses;
use crate::session::id::Ids;
use crate::session::spares::Spares;
use crate::session::{Action, Admin, Cx, Settings};

/// Everything that sessions see of the world.
pub struct World {
    /// The owner's clock: in production it is read once per turn of the loop.
    pub now: Instant,
    /// The wall clock, likewise.
    pub wall: SystemTime,
    /// The policy in force; replaced as a whole on reload.
    pub policy: Arc<Policy>,
    /// Fixed at start.
    pub settings: Settings,
    /// What may be told to those who ask how the proxy is.
    pub admin: Admin,
    /// What could be done without may be held in memory; in production as it was when the turn began.
    pub has_room_to_spare: bool,
    /// Memory that sessions use again.
    pub spares: Spares,
    /// Makes request ids.
    ids: Ids,
    /// How often clients may give wrong credentials.
    guesses: Arc<Guesses>,
    /// Is an address this machine's?
    is_local: Box<dyn Fn(IpAddr) -> bool>,
    /// What the session at work wants done, in order.
    actions: Vec<Action>,
    /// An empty list that takes turns with `actions`, so that neither is allocated anew.
    actions_done: Vec<Action>,
}

impl World {
    /// A world at this moment. `is_local` says whether an address is this machine's: yes, where that can't be had.
    pub fn new(
        (now, wall): (Instant, SystemTime),
        policy: Arc<Policy>,
        settings: Settings,
        ids: Ids,
        is_local: Box<dyn Fn(IpAddr) -> bool>,
    ) -> World {
        World {
            now,
            wall,
            policy,
            settings,
            admin: Admin::default(),
            has_room_to_spare: true,
            spares: Spares::default(),
            ids,
            guesses: Arc::new(Guesses::new(now)),
            is_local,
            actions: Vec::new(),
            actions_done: Vec::new(),
        }
    }

    /// With guesses that other loops count too.
    #[must_use]
    pub fn with_guesses(self, guesses: Arc<Guesses>) -> World {
        World { guesses, ..self }
    }

    /// The view that a session gets.
    pub fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            wall: self.wall,
            policy: &self.policy,
            settings: &self.settings,
            admin: &self.admin,
            has_room_to_spare: self.has_room_to_spare,
            ids: &mut self.ids,
            guesses: &self.guesses,
            spares: &mut self.spares,
            is_local: &*self.is_local,
            actions: &mut self.actions,
        }
    }

    /// What the session wants done, if anything; it may act anew meanwhile. The list, emptied, is to be given back to
    /// [`World::put_back`].
    pub fn take_actions(&mut self) -> Option<Vec<Action>> {
        if self.actions.is_empty() {
            return None;
        }
        let other = std::mem::take(&mut self.actions_done);
        Some(std::mem::replace(&mut self.actions, other))
    }

    /// Takes back the list of actions that were carried out.
    pub fn put_back(&mut self, actions: Vec<Action>) {
        debug_assert!(actions.is_empty(), "{actions:?} were not carried out");
        self.actions_done = actions;
    }
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { now, actions, .. } = self;
        let mut shown = formatter.debug_struct("World");
        shown.field("now", now).field("actions", actions);
        shown.finish_non_exhaustive()
    }
}
