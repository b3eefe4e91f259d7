//! Sessions with servers that may be resumed (RFC 8446, 2.2; RFC 5077), of all loops of the process together, and bounded.
//! A session verifies nothing when it is resumed: whoever stops trusting a CA makes a new store.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::lock::unpoisoned;

/// Servers that are remembered; beyond that the one that came first is forgotten.
const SERVERS_MAX: usize = 64;

/// Tickets of one server; each is used once (RFC 8446, C.4), and servers give two as a rule. A ticket has 40 KiB at most, a
/// chain 24 KiB.
const TICKETS_MAX: usize = 2;

#[derive(Default)]
struct Remembered {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

#[derive(Default)]
struct Servers {
    by_name: HashMap<Box<str>, Remembered>,
    /// In the order in which they came.
    names: VecDeque<Box<str>>,
}

impl Servers {
    fn entry(&mut self, name: &ServerName<'_>) -> &mut Remembered {
        let name: Box<str> = name.to_str().into();
        if !self.by_name.contains_key(&name) {
            if self.names.len() >= SERVERS_MAX
                && let Some(first) = self.names.pop_front()
            {
                self.by_name.remove(&first);
            }
            self.names.push_back(name.clone());
        }
        self.by_name.entry(name).or_default()
    }
}

/// The store.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Servers>);

impl Sessions {
    fn servers(&self) -> MutexGuard<'_, Servers> {
        unpoisoned(self.0.lock())
    }

    fn edit<T>(&self, name: &ServerName<'_>, edit: impl FnOnce(&mut Remembered) -> Option<T>) -> Option<T> {
        self.servers().by_name.get_mut(&*name.to_str()).and_then(edit)
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.servers().entry(&name).group = Some(group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.edit(name, |server| server.group)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.servers().entry(&name).tls12 = Some(session);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.edit(name, |server| server.tls12.clone())
    }

    fn remove_tls12_session(&self, name: &ServerName<'_>) {
        self.edit(name, |server| server.tls12.take());
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, session: Tls13ClientSessionValue) {
        let mut servers = self.servers();
        let tickets = &mut servers.entry(&name).tls13;
        if tickets.len() >= TICKETS_MAX {
            tickets.pop_front();
        }
        tickets.push_back(session);
    }

    /// The latest: it counts for longest.
    fn take_tls13_ticket(&self, name: &ServerName<'_>) -> Option<Tls13ClientSessionValue> {
        self.edit(name, |server| server.tls13.pop_back())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(nth: usize) -> ServerName<'static> {
        ServerName::try_from(format!("h{nth}.test")).unwrap()
    }

    #[test]
    fn servers_are_bounded_and_the_first_is_forgotten() {
        let sessions = Sessions::default();
        for nth in 0..=SERVERS_MAX {
            sessions.set_kx_hint(name(nth), NamedGroup::X25519);
            sessions.set_kx_hint(name(nth), NamedGroup::secp256r1);
        }
        let servers = sessions.servers();
        assert_eq!(
            (servers.by_name.len(), servers.names.len()),
            (SERVERS_MAX, SERVERS_MAX)
        );
        drop(servers);
        assert_eq!(sessions.kx_hint(&name(0)), None);
        assert_eq!(sessions.kx_hint(&name(1)), Some(NamedGroup::secp256r1));
        assert_eq!(sessions.kx_hint(&name(SERVERS_MAX)), Some(NamedGroup::secp256r1));
    }
}
