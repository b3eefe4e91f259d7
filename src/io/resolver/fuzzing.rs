//! A way in for the fuzz targets alone (`tests/fuzz_bodies/dns.rs`): one question with a given id, and what one
//! reply says to it. Nothing of the proxy calls this, and nothing here draws, sends or waits.

use std::net::IpAddr;

use super::message::{Entropy, Query};
use super::reply::{Kind, Reply};

/// What a reply came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// It is no answer to the question.
    Foreign,
    /// It answers, but with no address and no alias.
    Nothing,
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name to ask for instead.
    Alias(Box<str>),
}

/// The message that asks for `name`; `None` if that is no name.
pub fn question(name: &str, v6: bool, id: u16, edns: bool) -> Option<Vec<u8>> {
    query(name, v6, id, edns).map(|query| query.bytes().to_vec())
}

/// Reads `reply` as an answer to [`question`] with the same arguments.
pub fn read_reply(name: &str, v6: bool, id: u16, edns: bool, reply: &[u8]) -> Told {
    let Some(query) = query(name, v6, id, edns) else {
        return Told::Foreign;
    };
    match query.read(reply) {
        Reply::Foreign => Told::Foreign,
        Reply::Truncated | Reply::EdnsRefused | Reply::Failed(_) | Reply::Absent => Told::Nothing,
        Reply::Found { addresses, .. } => Told::Addresses(addresses),
        Reply::Alias { target, .. } => Told::Alias(target),
    }
}

fn query(name: &str, v6: bool, id: u16, edns: bool) -> Option<Query> {
    let kind = if v6 { Kind::Aaaa } else { Kind::A };
    Query::new(name, kind, Entropy::given(id), edns, false)
}
