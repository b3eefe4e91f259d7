//! What was read from files and is in force: one value, so that nobody has a part of what was read at one time and a part of
//! what was read at another. Reads nothing.

use std::sync::Arc;

use crate::io::token::ConnId;
use crate::policy::Policy;
use crate::tls::{Client, Leaves, Server};

use super::Loop;

/// What holds for whoever comes next; a reload replaces it as a whole.
#[derive(Clone)]
pub struct InForce {
    /// Who may go where.
    pub policy: Arc<Policy>,
    /// What the proxy presents to its clients, where those speak TLS.
    pub tls: Option<Arc<Server>>,
    /// Whom it believes of the servers that it connects to; another one only where other CAs are trusted.
    pub trust: Arc<Client>,
    /// The CA that signs for intercepted tunnels, if there is one.
    pub mitm: Option<Arc<Leaves>>,
}

impl Loop {
    /// From now on this is in force.
    pub(super) fn put_in_force(&mut self, next: InForce) {
        let InForce {
            policy,
            tls,
            trust,
            mitm,
        } = next;
        let core = &mut self.core;
        tls.into_iter().for_each(|server| core.wires.present(server));
        if core.wires.believe(trust) {
            // They were verified by the CAs before.
            core.close_idle();
        }
        mitm.into_iter().for_each(|leaves| core.minter.sign_with(leaves));
        core.world.policy = policy;
        // Its limits may be lower.
        core.is_spent = true;
        self.meter();
        self.begin_recheck();
        self.heard.is_replaced = true;
    }

    /// The policy may limit the bytes of roles whose tunnels and exchanges were admitted by another one.
    fn meter(&mut self) {
        let policy = &self.core.world.policy;
        for id in self.conns.keys::<ConnId>() {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.meter(policy);
            }
        }
    }
}
