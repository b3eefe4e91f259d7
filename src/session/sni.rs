//! What is seen of the server that a tunnel's TLS names, as words: settings and verdicts. Who looks is `peek`.

use std::num::NonZeroU32;

use crate::policy::VerifySni;

/// What is looked at in tunnels: from the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SniSettings {
    /// What is done about a wrong name, where the role's rule does not say.
    pub verify: VerifySni,
    /// Tunnels to these ports must be TLS.
    pub ports: Box<[u16]>,
    /// A hello that may hide another name is wrong.
    pub denies_ech: bool,
}

impl Default for SniSettings {
    fn default() -> SniSettings {
        SniSettings {
            verify: VerifySni::default(),
            ports: [443, 8443].into(),
            denies_ech: false,
        }
    }
}

/// How far the hello of a tunnel got.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct HelloProgress {
    /// When it began, in milliseconds behind the tunnel's beginning and one; none: it did not.
    pub(super) begun_ms: Option<NonZeroU32>,
    /// With fewer bytes there is nothing new to be read.
    pub(super) needed_bytes: u16,
}

/// What was seen of a tunnel's first bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sni {
    /// The server's name as the client spelled it, the first of several: printable ASCII of 255 bytes at most. Empty where
    /// there is none, or none that could be read.
    pub name: Box<str>,
    /// What that comes to.
    pub verdict: SniVerdict,
}

/// What a tunnel's first bytes come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SniVerdict {
    /// The name is the host's.
    Match,
    /// It is one that the role may reach through an entry of the ACL.
    Listed,
    /// The host is an address, and there is no name but perhaps that address.
    Address,
    /// It is another.
    Mismatch,
    /// There is none, and the host is a name.
    Missing,
    /// There are several.
    Several,
    /// The hello breaks its rules, or may be read in more than one way.
    Malformed,
    /// The bytes are no TLS.
    NotTls,
    /// The hello may hide another name.
    Ech,
    /// The hello was not whole in time.
    Late,
}

impl SniVerdict {
    /// As it stands in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            SniVerdict::Match => "match",
            SniVerdict::Listed => "listed",
            SniVerdict::Address => "address",
            SniVerdict::Mismatch => "mismatch",
            SniVerdict::Missing => "missing",
            SniVerdict::Several => "several",
            SniVerdict::Malformed => "malformed",
            SniVerdict::NotTls => "not-tls",
            SniVerdict::Ech => "ech",
            SniVerdict::Late => "late",
        }
    }

    /// What is wrong, and what would mend it; none where nothing is.
    pub(super) fn wrong(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            SniVerdict::Match | SniVerdict::Listed | SniVerdict::Address => return None,
            SniVerdict::Mismatch => (
                "the TLS server name is not the tunnel's host",
                "ask for that host, or list the name in allowed_domains of the role",
            ),
            SniVerdict::Missing => (
                "the tunnel's host is a name, and TLS names no server",
                "have the client send a server name (SNI)",
            ),
            SniVerdict::Several => (
                "TLS names several servers",
                "have the client send one server name (RFC 6066)",
            ),
            SniVerdict::Malformed => (
                "the tunnel begins with a malformed TLS ClientHello",
                "look at the client's TLS library",
            ),
            SniVerdict::NotTls => (
                "the tunnel does not begin with TLS",
                "take the port out of --sni-ports if it is for something else",
            ),
            SniVerdict::Ech => (
                "the TLS ClientHello may hide a server name (ECH)",
                "switch Encrypted Client Hello off in the client, or set --ech allow",
            ),
            SniVerdict::Late => (
                "the TLS ClientHello was not whole within 10 s",
                "look at the client's network",
            ),
        })
    }
}
