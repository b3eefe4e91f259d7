//! Where clients want to go and what becomes of it, and the malformed messages of both sides.

/// What becomes of whoever wants to go there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Open,
    /// By the ACL.
    Denied,
    /// By its addresses.
    Internal,
    NotFound,
    LookupSilent,
    Refused,
    DialSilent,
    /// No host at all.
    Malformed,
}

/// A place to go.
#[derive(Debug)]
pub(crate) struct Site {
    /// As a request writes it.
    pub(crate) written: &'static str,
    /// As the Host field to the origin must have it.
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// What the resolver says; a literal's own address.
    pub(crate) addresses: &'static [&'static str],
    pub(crate) fate: Fate,
}

const fn site(
    written: &'static str,
    host: &'static str,
    port: u16,
    addresses: &'static [&'static str],
    fate: Fate,
) -> Site {
    Site {
        written,
        host,
        port,
        addresses,
        fate,
    }
}

/// The port that is ours, and an address of this machine that only this makes internal.
pub(crate) const OWN_PORT: u16 = 4750;
pub(crate) const OWN_ADDRESS: &str = "20.0.0.1";

#[rustfmt::skip]
pub(crate) const SITES: &[Site] = &[
    site("a.test", "a.test", 80, &["8.8.8.8"], Fate::Open),
    site("B.Test.", "B.Test.", 80, &["9.9.9.9", "2606:4700::1111"], Fate::Open),
    site("mixed.test", "mixed.test", 8080, &["10.1.2.3", "1.1.1.1", "::1"], Fate::Open),
    site("mapped.test", "mapped.test", 80, &["::ffff:4.4.4.4"], Fate::Open),
    site("[2606:4700::64]", "[2606:4700::64]", 80, &["2606:4700::64"], Fate::Open),
    site("8.8.4.4", "8.8.4.4", 8080, &["8.8.4.4"], Fate::Open),
    site("self.test", "self.test", 80, &[OWN_ADDRESS], Fate::Open),
    site("self.test", "self.test", OWN_PORT, &[OWN_ADDRESS], Fate::Internal),
    site("db.internal", "", 80, &["8.8.8.1"], Fate::Denied),
    site("DB.INTERNAL.", "", 80, &["8.8.8.1"], Fate::Denied),
    site("inner.test", "", 80, &["127.0.0.1"], Fate::Internal),
    site("meta.test", "", 80, &["169.254.169.254", "fd00:ec2::254"], Fate::Internal),
    site("cgnat.test", "", 80, &["100.100.100.200"], Fate::Internal),
    site("nat64.test", "", 80, &["64:ff9b::a9fe:a9fe", "2002:7f00:1::"], Fate::Internal),
    site("wrapped.test", "", 80, &["::ffff:10.0.0.1", "::7f00:1"], Fate::Internal),
    site("127.0.0.1", "", 80, &["127.0.0.1"], Fate::Internal),
    site("[::ffff:169.254.169.254]", "", 80, &["::ffff:169.254.169.254"], Fate::Internal),
    site("[::]", "", 80, &["::"], Fate::Internal),
    site("168.63.129.16", "", 80, &["168.63.129.16"], Fate::Internal),
    site("gone.test", "", 80, &[], Fate::NotFound),
    site("mute.test", "", 80, &[], Fate::LookupSilent),
    site("shut.test", "", 80, &["5.5.5.5"], Fate::Refused),
    site("hole.test", "", 80, &["6.6.6.6"], Fate::DialSilent),
    site("0177.0.0.1", "", 80, &[], Fate::Malformed),
    site("2130706433", "", 80, &[], Fate::Malformed),
    site("[a.test]", "", 80, &[], Fate::Malformed),
    site("user@a.test", "", 80, &[], Fate::Malformed),
];

/// So many of the first are intercepted where tunnels are.
pub(crate) const INTERCEPTED: usize = 4;

/// Heads that are refused whatever they ask, and by which status.
pub(crate) const MALFORMED: &[(&[u8], u16)] = &[
    (b"GET http://a.test/ HTTP/1.1\nHost: a.test\n\n", 400),
    (
        b"GET http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        400,
    ),
    (
        b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"GET http://a.test/ HTTP/1.1\r\n folded: x\r\n\r\n", 400),
    (b"GET http://a.test/ HTTP/1.1\r\nName : x\r\n\r\n", 400),
    (b"GET http://a.test/ HTTP/2.0\r\n\r\n", 400),
    (b"SSH-2.0-OpenSSH_9.6\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    (b"GET ftp://a.test/ HTTP/1.1\r\n\r\n", 400),
    (b"CONNECT a.test HTTP/1.1\r\n\r\n", 400),
    (
        b"CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    (b"CONNECT a.test:65616 HTTP/1.1\r\n\r\n", 400),
];

/// Responses that are none.
pub(crate) const MALFORMED_ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\n X: folded\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
];
