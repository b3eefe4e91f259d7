//! What a DNS reply can say to a question, as values. Nothing is read here: that is `message` and `answer`.

use std::net::IpAddr;

/// What is said of a chain of CNAMEs that is longer than we follow.
pub(super) const CHAIN_TOO_LONG: &str = "CNAME chain too long";

/// The two record types that hold addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// IPv4, type A.
    A,
    /// IPv6, type AAAA.
    Aaaa,
}

impl Kind {
    /// Its number in messages.
    pub(super) const fn code(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
        }
    }
}

/// What a reply says.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// No answer to this question: another id, question or direction, or no DNS message at all.
    Foreign,
    /// The answer didn't fit; ask over TCP.
    Truncated,
    /// The server doesn't know EDNS; ask without.
    EdnsRefused,
    /// The server failed; the words say how. Another one may do better.
    Failed(&'static str),
    /// The name does not exist, or has no such address.
    Absent,
    /// Addresses, and for how many seconds they may be kept.
    Found {
        /// At least one, without repeats, in the reply's order.
        addresses: Vec<IpAddr>,
        /// The least TTL of the chain that led to them.
        ttl_seconds: u32,
        /// How many CNAMEs that chain has.
        aliases: usize,
    },
    /// The name is an alias, and the reply doesn't say where that leads.
    Alias {
        /// The name to ask for now: lower case, letters, digits, `-` and `_`.
        target: Box<str>,
        /// The least TTL of the chain so far.
        ttl_seconds: u32,
        /// How many CNAMEs it has so far.
        aliases: usize,
    },
}
