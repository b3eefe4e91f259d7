//! What each role used, and how often: of the log no more is kept than hosts and counts.

use std::collections::BTreeMap;

use crate::log::reader::{Read, Told};
use crate::net::{Host, Target};

/// How many hosts of all roles are held, and how many bytes their names and their roles' may have.
const HOSTS_MAX: usize = 100_000;
const BYTES_MAX: usize = 16 << 20;

/// How many ports of a host are told apart; the others count as the last of these.
const PORTS_MAX: usize = 64;

/// What was found in a log.
#[derive(Default, Debug)]
pub(super) struct Used {
    /// The one role that is wanted.
    only: Option<String>,
    pub(super) roles: BTreeMap<String, OfRole>,
    /// Decisions of any kind.
    pub(super) decisions: u64,
    /// Of these: not let out,
    pub(super) denied: u64,
    /// without a role,
    pub(super) nameless: u64,
    /// that can't be understood,
    pub(super) unreadable: u64,
    /// and for hosts that there is no room for.
    pub(super) overflowed: u64,
    hosts: usize,
    bytes: usize,
}

/// What one role used.
#[derive(Default, Debug)]
pub(super) struct OfRole {
    /// What its requests were counted for.
    pub(super) project: String,
    /// Each host with its ports, and how often each of these was asked for.
    pub(super) hosts: BTreeMap<Spelled, BTreeMap<u16, u64>>,
}

/// A host, as an ACL spells it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spelled {
    pub(super) text: String,
    /// It is a name, not an address.
    pub(super) is_name: bool,
}

impl Used {
    /// By this role, or by all.
    pub(super) fn of(role: Option<&str>) -> Used {
        Used {
            only: role.map(str::to_owned),
            ..Used::default()
        }
    }

    /// Takes a line.
    pub(super) fn take(&mut self, line: Read<'_>) {
        let told = match line {
            Read::Other => return,
            Read::Unreadable => {
                self.decisions += 1;
                self.unreadable += 1;
                return;
            }
            Read::Decision(told) => told,
        };
        self.decisions += 1;
        let role = told.role.as_deref().unwrap_or_default();
        match (told.allow, target(&told)) {
            (Some(false), _) => self.denied += 1,
            (Some(true), _) if role.is_empty() => self.nameless += 1,
            (Some(true), Some(_)) if self.only.as_deref().is_some_and(|only| only != role) => {}
            (Some(true), Some(target)) => self.count(role, &target, told.project.as_deref()),
            (None, _) | (Some(true), None) => self.unreadable += 1,
        }
    }

    fn count(&mut self, role: &str, target: &Target, project: Option<&str>) {
        let host = Spelled {
            text: match &target.host {
                Host::Name(name) => name.as_str().to_owned(),
                address @ Host::Addr(_) => address.to_string(),
            },
            is_name: matches!(target.host, Host::Name(_)),
        };
        let known = self
            .roles
            .get(role)
            .is_some_and(|of| of.hosts.contains_key(&host));
        if !known {
            let bytes = self.bytes + host.text.len() + role.len();
            if self.hosts >= HOSTS_MAX || bytes > BYTES_MAX {
                self.overflowed += 1;
                return;
            }
            self.hosts += 1;
            self.bytes = bytes;
        }
        let of = match self.roles.get_mut(role) {
            Some(of) => of,
            None => self.roles.entry(role.to_owned()).or_default(),
        };
        if let Some(project) = project.filter(|project| of.project.is_empty() && !project.is_empty()) {
            of.project = project.to_owned();
        }
        let ports = of.hosts.entry(host).or_default();
        if ports.len() >= PORTS_MAX && !ports.contains_key(&target.port) {
            self.overflowed += 1;
            return;
        }
        *ports.entry(target.port).or_default() += 1;
    }
}

/// Where a request went.
fn target(told: &Told<'_>) -> Option<Target> {
    let host = told.requested_host.as_deref()?;
    let port = match told.proxy_type.as_deref() {
        Some("http") => 80,
        _ => 443,
    };
    Target::parse(host.as_bytes(), Some(port)).ok()
}
