//! What is next on a connection's way to the origin: the order in which it is secured, led through an upstream proxy, and
//! handed over. How each of these is done is the business of a state of its own.

use crate::net::{Peer, Scheme, Trust};
use crate::policy::{Route, Upstream};

use super::approach::{Approach, Reached};
use super::then::Then;

/// What follows on a connection that has come so far.
pub(super) fn onward(approach: Approach, reached: Reached) -> Then {
    // One that was kept leads to the origin already, and is secured as the request wants it.
    if approach.connection.reused {
        return arrive(approach);
    }
    let request = &approach.errand.request;
    let allowed = &request.allowed;
    let secured = match (allowed.route(), reached) {
        (_, Reached::Secured) => None,
        (Route::Direct, _) | (Route::Through(_), Reached::Tunnelled) => {
            request.peer().map(|peer| (peer, Reached::Secured))
        }
        (Route::Through(upstream), Reached::Connected) if upstream.scheme() == Scheme::Https => {
            Some((peer(upstream), Reached::SecuredToUpstream))
        }
        (Route::Through(_), Reached::Connected | Reached::SecuredToUpstream) => {
            if allowed.asked_in_absolute_form().is_none() {
                return Then::Chain(approach);
            }
            None
        }
    };
    match secured {
        Some((peer, reaches)) => Then::SecureOrigin(Box::new(approach), peer, reaches),
        None => arrive(approach),
    }
}

fn arrive(
    Approach {
        errand, connection, ..
    }: Approach,
) -> Then {
    Then::Arrive(errand, connection)
}

/// A service that does not verify its origins verifies its upstream all the same: that is sent credentials.
fn peer(upstream: &Upstream) -> Peer {
    Peer {
        host: upstream.host().clone(),
        trust: Trust::Verified,
    }
}
