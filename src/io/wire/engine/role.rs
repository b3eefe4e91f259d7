//! What an engine is to its peer, and what is looked at when a handshake is done. The handshake itself is `core`'s.

use std::sync::Arc;
use std::time::SystemTime;

use crate::net::{Certified, Trust};
use crate::tls::{self, Failure, Server};

use super::core::Core;

/// Which end an engine is.
pub(super) enum Role {
    /// Who was connected to.
    Server(Arc<Server>),
    /// Who was connected to, inside of a tunnel: nobody is asked who he is.
    Inside,
    /// Who connected, and believes the peer so far.
    Client(Trust),
}

impl Role {
    /// Whom the certificates of a handshake that is done name. They were verified in it, or in the one whose session is
    /// resumed: so their time is looked at anew.
    ///
    /// # Errors
    /// It is over by now.
    pub(super) fn certified(&self, core: &Core, now: SystemTime) -> Result<Option<Arc<Certified>>, Failure> {
        match self {
            Role::Server(server) => server
                .certified(core.peer_certificates(), now)
                .map_err(Failure::certificate),
            Role::Client(Trust::Verified) if core.is_resumed() => {
                tls::check_time(core.peer_certificates(), now).map(|()| None)
            }
            Role::Client(_) | Role::Inside => Ok(None),
        }
    }
}
