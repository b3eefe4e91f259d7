//! By which way a request leaves: through the operator's own upstream, by the options or its role's rule, through one that
//! its client names and its rule lists, or straight. Decides nothing of hosts and addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::net::{Host, NoProxy, ProxyUrl, Scheme, Target, Writer};

use super::{Ask, Policy, Route, Upstream};

/// The operator's upstreams for all roles, and who goes straight all the same.
#[derive(Default, Debug)]
pub struct Upstreams {
    http: Option<Arc<Upstream>>,
    https: Option<Arc<Upstream>>,
    no_proxy: NoProxy,
}

impl Upstreams {
    /// Those for requests for `http` URIs, and for tunnels and `https` URIs.
    pub fn new(http: Option<ProxyUrl>, https: Option<ProxyUrl>, no_proxy: NoProxy) -> Upstreams {
        let own = |url: ProxyUrl| Arc::new(Upstream::new(url, Writer::Operator));
        Upstreams {
            http: http.map(own),
            https: https.map(own),
            no_proxy,
        }
    }

    fn each(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.http.iter().chain(&self.https)
    }
}

impl Policy {
    /// The same policy with upstreams for all roles. They stay over reloads.
    #[must_use]
    pub fn with_upstreams(self, upstreams: Upstreams) -> Policy {
        Policy {
            upstreams: Arc::new(upstreams),
            ..self
        }
    }

    /// By which way an allowed request leaves; `of_rule` is the upstream of its role's rule. What its client names goes
    /// before what the operator does, who listed it: `Ask::external_proxy` holds what the rule lists.
    pub(super) fn route(&self, target: &Target, ask: Ask<'_>, of_rule: Option<Arc<Upstream>>) -> Route {
        if ask.scheme != Some(Scheme::Http)
            && let Some(upstream) = ask.external_proxy_url().and_then(named_by_client)
        {
            return Route::Through(Arc::new(upstream));
        }
        let of_all = match ask.scheme {
            Some(Scheme::Http) => &self.upstreams.http,
            Some(Scheme::Https) | None => &self.upstreams.https,
        };
        match of_rule.or_else(|| of_all.clone()) {
            Some(upstream) if !self.upstreams.no_proxy.names(target) => Route::Through(upstream),
            _ => Route::Direct,
        }
    }

    /// The upstream of the operator's that is an address of our own listeners, if one is: what went there would come back
    /// for ever. Names are not looked up.
    pub fn upstream_to_ourselves(&self, is_local: &dyn Fn(IpAddr) -> bool) -> Option<&Upstream> {
        let of_rules = self.acl.iter().flat_map(|acl| acl.upstreams());
        let mut all = self.upstreams.each().chain(of_rules);
        let found = all.find(|upstream| {
            let address = match upstream.host() {
                Host::Addr(address) => *address,
                Host::Name(name) if name.as_str() == "localhost" => IpAddr::from([127, 0, 0, 1]),
                Host::Name(_) => return false,
            };
            self.is_own_listener(SocketAddr::new(address, upstream.port()), is_local)
        });
        found.map(|upstream| &**upstream)
    }
}

fn named_by_client(url: &[u8]) -> Option<Upstream> {
    let url = ProxyUrl::parse(str::from_utf8(url).ok()?, Writer::Client)?;
    Some(Upstream::new(url, Writer::Client))
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
