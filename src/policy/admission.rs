//! Whose limits hold for a request that was let out, and what is said of one that exceeds them: those of all together
//! (options), and those of its role (the ACL's rule). How they are counted is `quota`'s business.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::net::ClientKey;

use super::quota::{ClientSlot, Clients, Limit, Limits, Moment, Permits, Quota};
use super::{Code, Grounds, Policy, Role};

/// Limits that hold for all roles together; none of a kind is unlimited.
#[derive(Debug, Default)]
pub(super) struct Overall {
    all: Option<Quota>,
    clients: Option<Arc<Clients>>,
}

/// A limit that leaves no room for a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exceeded {
    /// Which.
    pub limit: Limit,
    /// When another attempt may succeed, in seconds.
    pub retry_seconds: u32,
    /// Where the number stands, and by what it would be raised.
    pub grounds: Box<Grounds>,
}

impl Exceeded {
    /// Its stable name.
    pub fn code(&self) -> Code {
        match self.limit {
            Limit::Connections | Limit::Requests => Code::Overloaded,
            Limit::Rate => Code::RateLimited,
            Limit::Tunnels => Code::TunnelsLimited,
            Limit::Bytes => Code::QuotaExhausted,
        }
    }
}

impl Policy {
    /// The same policy with limits for all together, and for the connections of each client.
    #[must_use]
    pub fn with_limits(self, limits: Limits, connections_per_client: Option<NonZeroU32>) -> Policy {
        let overall = Overall {
            all: (!limits.are_none()).then(|| Quota::new(limits)),
            clients: connections_per_client.map(Clients::new),
        };
        Policy {
            overall: Arc::new(overall),
            ..self
        }
    }

    /// Takes what a request of this role needs of the limits, once nothing else speaks against it; nothing at all where one
    /// is exceeded.
    ///
    /// # Errors
    /// The limit that is exceeded.
    pub fn admit(&self, role: &Role, is_tunnel: bool, at: Moment) -> Result<Permits, Exceeded> {
        let of_role = self.quota_of(role);
        let all = self.overall.all.as_ref();
        if all.is_none() && of_role.is_none() {
            return Ok(Permits::default());
        }
        Permits::take([all, of_role], is_tunnel, at)
            .map_err(|(limit, whose)| self.exceeded(limit, (whose > 0).then_some(role), at))
    }

    /// Has what passes from now on counted by the limit of bytes that the role has under this policy: who was admitted under
    /// another one had another, or none.
    pub fn meter(&self, role: &Role, permits: &mut Permits) {
        let quota = self.quota_of(role);
        let quota = quota.filter(|quota| quota.limits().bytes_per_day.is_some());
        permits.meter_by(quota);
    }

    fn quota_of(&self, role: &Role) -> Option<&Quota> {
        self.acl.as_ref()?.quota_of(role)
    }

    /// One more connection of this client.
    ///
    /// # Errors
    /// It has as many as it may have. `Ok(None)`: they are not limited.
    pub fn take_client(&self, client: ClientKey) -> Result<Option<ClientSlot>, Exceeded> {
        let Some(clients) = &self.overall.clients else {
            return Ok(None);
        };
        match clients.take(client) {
            Some(slot) => Ok(Some(slot)),
            None => Err(Exceeded {
                limit: Limit::Connections,
                retry_seconds: 1,
                grounds: by_option(Limit::Connections),
            }),
        }
    }

    /// What is said to a request of this role whose bytes the day does not have.
    pub fn out_of_bytes(&self, role: &Role, at: Moment) -> Exceeded {
        self.exceeded(Limit::Bytes, Some(role), at)
    }

    /// Are connections of each client limited?
    pub fn counts_clients(&self) -> bool {
        self.overall.clients.is_some()
    }

    /// How many requests and tunnels hold a place, in all together, and of how many clients connections are counted.
    pub fn taken(&self) -> (u32, u32, usize) {
        let all = self.overall.all.iter().map(Quota::taken);
        let of_roles = self.acl.iter().flat_map(|acl| acl.quotas()).map(Quota::taken);
        let (requests, tunnels) = all
            .chain(of_roles)
            .fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1));
        let clients = self.overall.clients.as_ref().map_or(0, |clients| clients.len());
        (requests, tunnels, clients)
    }

    #[cold]
    fn exceeded(&self, limit: Limit, of_role: Option<&Role>, at: Moment) -> Exceeded {
        let grounds = match (of_role, &self.acl) {
            (Some(role), Some(acl)) => Box::new(acl.limit_grounds(role, limit)),
            _ => by_option(limit),
        };
        Exceeded {
            limit,
            retry_seconds: match limit {
                Limit::Bytes => of_role
                    .and_then(|role| self.quota_of(role))
                    .map_or(1, |quota| quota.seconds_left_of_day(at.wall)),
                Limit::Connections | Limit::Requests | Limit::Rate | Limit::Tunnels => 1,
            },
            grounds,
        }
    }
}

/// Where an option sets it.
fn by_option(limit: Limit) -> Box<Grounds> {
    let option = match limit {
        Limit::Connections => "a higher --max-connections-per-client",
        Limit::Requests => "a higher --max-concurrent-requests",
        Limit::Rate => "a higher --max-request-rate",
        Limit::Tunnels => "a higher --max-concurrent-connect-tunnels",
        Limit::Bytes => "",
    };
    Box::new(Grounds {
        hint: option.into(),
        ..Grounds::default()
    })
}
