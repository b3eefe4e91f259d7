//! Whom a connection that we made is secured to. How that is done, and what it takes to be believed, is `tls`'s business.

use super::Host;

/// The other end of a connection, as it must show itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The name or the address that its certificate must be for (RFC 9110, 4.3.4).
    pub host: Host,
    /// Whether it must.
    pub trust: Trust,
}

/// What is asked of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Trust {
    /// That it is for that name, valid now, and signed by a CA that is trusted.
    #[default]
    Verified,
    /// Nothing (`insecure_skip_verify`): whoever answers is taken for the peer.
    Unverified,
}
