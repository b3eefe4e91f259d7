//! What is next on a connection's way to the origin: the order in which it is secured, led through an upstream proxy, and
//! handed over. How each of these is done is the business of a state of its own.

use std::time::Instant;

use crate::net::{Peer, Scheme, Trust};
use crate::policy::{Route, Upstream};

use super::approach::{Approach, Reached};
use super::errand::Errand;
use super::then::Then;
use super::words::Dialled;

/// What follows on a connection that has come so far. Its dial began `since`.
pub(super) fn onward(errand: Errand, connection: Dialled, since: Instant, reached: Reached) -> Then {
    // One that was kept leads to the origin already, and is secured as the request wants it.
    if connection.reused {
        return Then::Arrive(errand, connection);
    }
    let allowed = &errand.request.allowed;
    let secured = match (allowed.route(), reached) {
        (_, Reached::Secured) => None,
        (Route::Direct, _) | (Route::Through(_), Reached::Tunnelled) => {
            errand.request.peer().map(|peer| (peer, Reached::Secured))
        }
        (Route::Through(upstream), Reached::Connected) if upstream.scheme() == Scheme::Https => {
            Some((peer(upstream), Reached::SecuredToUpstream))
        }
        (Route::Through(_), Reached::Connected | Reached::SecuredToUpstream) => {
            if allowed.asked_in_absolute_form().is_none() {
                return Then::Chain(errand, connection, since);
            }
            None
        }
    };
    let Some((peer, reaches)) = secured else {
        return Then::Arrive(errand, connection);
    };
    let approach = Approach {
        errand,
        connection,
        since,
    };
    Then::SecureOrigin(Box::new(approach), peer, reaches)
}

/// A service that does not verify its origins verifies its upstream all the same: that is sent credentials.
fn peer(upstream: &Upstream) -> Peer {
    Peer {
        host: upstream.host().clone(),
        trust: Trust::Verified,
    }
}
