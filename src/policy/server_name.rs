//! What a role's policy says of the server that is named inside of its tunnels: whether that is looked at, and which names
//! it may be beside the tunnel's own host. Reads no TLS: that is `hello`.

use std::fmt;

use crate::net::{Host, Target};

use super::{Ask, Policy, Role};

/// What is done about a tunnel's TLS server name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifySni {
    /// Nothing.
    Off,
    /// It is said in the log.
    #[default]
    Report,
    /// And a tunnel with a wrong one ends.
    Enforce,
}

impl VerifySni {
    /// The word that stands for it in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            VerifySni::Off => "off",
            VerifySni::Report => "report",
            VerifySni::Enforce => "enforce",
        }
    }
}

impl fmt::Display for VerifySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Policy {
    /// May a tunnel of this role to this port name that server, which is not its host? Where the role may have a tunnel to it
    /// through an entry, whatever its rule lets out beside these. One whose tunnels are intercepted may be reached by no other.
    pub fn admits_name(&self, role: &Role, name: Host, port: u16) -> bool {
        let ask = Ask {
            scheme: None,
            external_proxy: None,
            is_inside: false,
        };
        let decided = self.decide(role, Target::of(name, port), ask);
        decided.is_ok_and(|allowed| allowed.is_by_entry() && !allowed.intercepts())
    }
}

#[cfg(test)]
#[path = "server_name_tests.rs"]
mod tests;
