//! Who asks, and in which language: whatever we say to a client ourselves is written here. What is said, and when, is
//! decided by who calls; what an origin says to it passes by.

use crate::flow::Buf;
use crate::http::reply::{self, Cause, Reply};

/// As what a client is spoken to. SOCKS will be answered in its own way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Front {
    /// As one that asks a proxy, in HTTP/1.
    Proxy,
    /// As one that takes us for its origin, inside of an intercepted tunnel: in HTTP/1, too.
    Inside,
    /// As one that asks how the proxy is, in HTTP/1.
    Admin(Surface),
}

/// What may be asked there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Surface {
    /// The metrics, health, and the pages for people.
    Port,
    /// The list of tunnels, whatever the path.
    Tunnels,
}

impl Front {
    /// That a request is refused, or failed.
    pub(super) fn refuse(&self, answer: &Reply<'_>, tx: &mut Buf) {
        match self {
            Front::Proxy | Front::Admin(_) => reply::reply(answer, tx.writer()),
            // A challenge would have it give its origin what is meant for its proxy.
            Front::Inside if answer.cause == Cause::Credentials => {
                let unasked = Reply {
                    cause: Cause::Role,
                    ..*answer
                };
                reply::reply(&unasked, tx.writer());
            }
            Front::Inside => reply::reply(answer, tx.writer()),
        }
    }

    /// That an OPTIONS request that was let out ends here.
    pub(super) fn reached(&self, close: bool, keep_alive_10: bool, tx: &mut Buf) {
        match self {
            Front::Proxy | Front::Inside | Front::Admin(_) => {
                reply::options(close, keep_alive_10, tx.writer())
            }
        }
    }

    /// That the tunnel which was asked for begins behind this.
    pub(super) fn accept_tunnel(&self, tx: &mut Buf) {
        match self {
            Front::Proxy | Front::Inside | Front::Admin(_) => tx.push(reply::CONNECTION_ESTABLISHED),
        }
    }

    /// That the body of a request is wanted which waits to be asked for it.
    pub(super) fn ask_for_body(&self, tx: &mut Buf) {
        match self {
            Front::Proxy | Front::Inside | Front::Admin(_) => tx.push(reply::CONTINUE),
        }
    }
}
