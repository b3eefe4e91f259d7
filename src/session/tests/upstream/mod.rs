//! Requests through an upstream proxy. Here is what all parts begin with; how a route is chosen is in `policy`.

mod answers;
mod requests;
mod vetting;

use crate::net::{Host, NoProxy, Peer, ProxyUrl, Trust, Writer};
use crate::policy::acl::Acl;
use crate::policy::{Code, Upstreams};

use super::*;

/// `u:secret`.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n";

const CONNECT: &str = "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";

const ACL: &str = "version: v1\nservices: []\n\
    default: {action: open, upstream_resolves: RESOLVES, allowed_external_proxies: [44.9.9.9, p.test, 10.0.0.1]}\n";

fn through(url: &str) -> Bench {
    with_acl(url, "false")
}

fn with_acl(url: &str, resolves: &str) -> Bench {
    let mut bench = Bench::new();
    let url = ProxyUrl::parse(url, Writer::Operator).unwrap();
    let upstreams = Upstreams::new(Some(url.clone()), Some(url), NoProxy::default());
    let acl = Acl::parse(&ACL.replace("RESOLVES", resolves), &[]).unwrap();
    bench.policy = bench.policy.renewed(Some(acl), None).with_upstreams(upstreams);
    bench
}

fn dialled_to(bench: &Bench) -> Vec<String> {
    let lists = bench.actions.iter().filter_map(|action| match action {
        Action::Dial(_, list, _) => Some(list),
        _ => None,
    });
    lists
        .flat_map(|list| list.iter().map(|vetted| vetted.address().to_string()))
        .collect()
}

/// Whom the connection is to be secured to now.
fn secured_to(bench: &mut Bench) -> Option<String> {
    bench.actions.drain(..).find_map(|action| match action {
        Action::SecureOrigin(Peer {
            host: Host::Addr(address),
            trust,
        }) => {
            assert_eq!(trust, Trust::Verified);
            Some(address.to_string())
        }
        _ => None,
    })
}
