//! An engine over a wire in memory, against rustls's client: what is kept, what leaves when, ends and cuts.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::kx_group::{MLKEM768, X25519};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use zeroize::Zeroizing;

use crate::io::wire::{Aside, Sealing};
use crate::tls::testing::{Ca, Issued, Leaf};
use crate::tls::{self, RoleFrom, ServerParts};

use super::*;

/// A socket in memory.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) inbound: VecDeque<u8>,
    pub(super) outbound: Vec<u8>,
    /// So much may be outbound.
    room: Option<usize>,
    /// The peer's FIN is there.
    pub(super) has_ended: bool,
    hung_up: bool,
    closed: bool,
    /// Nothing more is read at a time.
    piece_bytes: usize,
    reads: usize,
}

impl Memory {
    /// One that gives all there is at a time.
    pub(super) fn whole() -> Memory {
        Memory {
            piece_bytes: usize::MAX,
            ..Memory::default()
        }
    }
}

impl Wire for Memory {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.reads += 1;
        let room = into.capacity() - into.len();
        assert!(room > 0, "a read without room");
        let n = self.inbound.len().min(room).min(self.piece_bytes.max(1));
        into.extend(self.inbound.drain(..n));
        match (n, self.has_ended) {
            (0, false) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(n),
        }
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        assert!(!self.hung_up && !self.closed, "a write behind the end");
        let all = [first, second].concat();
        let room = self
            .room
            .map_or(usize::MAX, |room| room.saturating_sub(self.outbound.len()));
        let n = all.len().min(room);
        self.outbound.extend(&all[..n]);
        match n {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(n),
        }
    }

    fn hangup(&mut self) -> io::Result<()> {
        self.hung_up = true;
        Ok(())
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn abort(&mut self) {}

    fn has_news(&mut self) -> bool {
        !self.inbound.is_empty() || self.has_ended
    }

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn short_read_means_drained(&self) -> bool {
        self.piece_bytes > 1
    }
}

/// A server, and how clients trust it.
pub(super) struct House {
    ca: Ca,
    server: Arc<Server>,
    room: Sealing,
}

impl House {
    /// Who signed the server's certificate.
    pub(super) fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// A server's engine.
    pub(super) fn engine(&self) -> Engine {
        self.room.engine(&[]).unwrap()
    }

    pub(super) fn new() -> House {
        let ca = Ca::new("Root");
        let (cas, list) = (ca.pem(), ca.crl(&[66], (2020, 2040)));
        House::with(ca, cas, vec![list])
    }

    /// One whose clients are judged by these CAs and lists.
    fn with(ca: Ca, client_cas: String, crls: Vec<String>) -> House {
        let file = |name: &str, text: String| tls::File {
            name: name.into(),
            bytes: Zeroizing::new(text.into_bytes()),
        };
        let parts = ServerParts {
            bundle: file("bundle", ca.issue(&Leaf::server()).bundle()),
            key: None,
            client_cas: vec![file("ca", client_cas)],
            crls: crls.into_iter().map(|list| file("crl", list)).collect(),
            role_from: RoleFrom::CommonName,
        };
        let server = Server::new(&parts, None, SystemTime::now(), &mut Vec::new()).unwrap();
        let server = Arc::new(server);
        House {
            ca,
            room: Sealing::new(Arc::clone(&server)),
            server,
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.pem().as_bytes()).unwrap())
            .unwrap();
        roots
    }

    fn client_config(&self, certificate: Option<&Issued>) -> ClientConfig {
        let provider = Arc::clone(self.server.config().crypto_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap);
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        }
    }

    fn pair(&self, certificate: Option<&Issued>) -> Pair {
        Pair::new(self, Arc::new(self.client_config(certificate)))
    }
}

/// An engine and its client.
struct Pair {
    engine: Engine,
    memory: Memory,
    client: ClientConnection,
    /// What the engine opened.
    opened: Vec<u8>,
    /// What the client opened.
    heard: Vec<u8>,
    client_heard_end: bool,
}

impl Pair {
    fn new(house: &House, config: Arc<ClientConfig>) -> Pair {
        let name = ServerName::try_from("localhost").unwrap();
        Pair {
            engine: house.room.engine(&[]).unwrap(),
            memory: Memory::whole(),
            client: ClientConnection::new(config, name).unwrap(),
            opened: Vec::new(),
            heard: Vec::new(),
            client_heard_end: false,
        }
    }

    /// The client sends what it has to say.
    fn client_sends(&mut self) {
        let mut sealed = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut sealed).unwrap();
        }
        self.memory.inbound.extend(sealed);
    }

    /// And takes what is there for it.
    fn client_takes(&mut self) -> Result<(), rustls::Error> {
        let sealed = std::mem::take(&mut self.memory.outbound);
        let mut rest = sealed.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            let state = self.client.process_new_packets()?;
            let mut text = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut text).unwrap();
            self.heard.extend(text);
            self.client_heard_end |= state.peer_has_closed();
        }
        Ok(())
    }

    /// The engine reads all there is; how that ended.
    fn read(&mut self) -> io::Result<usize> {
        loop {
            let mut into = Vec::with_capacity(64 * 1024);
            match self.engine.read(&mut self.memory, &mut into) {
                Ok(n) if n > 0 => {
                    assert_eq!(n, into.len());
                    self.opened.extend(into);
                }
                ended => return ended,
            }
        }
    }

    fn flush(&mut self) {
        if self.engine.under() > 0 {
            self.engine.flush(&mut self.memory).unwrap();
        }
    }

    /// Both do the handshake.
    fn shake_hands(&mut self) {
        for _ in 0..3 {
            self.client_sends();
            blocks(self.read());
            self.flush();
            self.client_takes().unwrap();
        }
        assert!(!self.client.is_handshaking() && !self.engine.core.is_handshaking());
    }

    fn says(&mut self, text: &[u8]) {
        self.client.writer().write_all(text).unwrap();
        self.client_sends();
    }
}

#[track_caller]
fn blocks(read: io::Result<usize>) {
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_handshake_names_the_client_and_text_passes_both_ways() {
    let house = House::new();
    let leaf = Leaf {
        unit: "team",
        ..Leaf::client("web")
    };
    for certificate in [None, Some(house.ca.issue(&leaf))] {
        let mut pair = house.pair(certificate.as_ref());
        assert_eq!(
            pair.engine
                .write(&mut pair.memory, b"early", b"")
                .unwrap_err()
                .kind(),
            io::ErrorKind::WouldBlock
        );
        pair.shake_hands();
        assert!(pair.engine.aside().takes_again && !pair.engine.aside().takes_again);
        let secured = pair.engine.secured().unwrap();
        let names = secured
            .certificate
            .as_ref()
            .and_then(|certificate| certificate.role.as_deref());
        assert_eq!(names, certificate.as_ref().map(|_| "web"));
        assert!(pair.engine.secured().is_none());
        pair.says(b"hello");
        blocks(pair.read());
        assert_eq!(pair.opened, b"hello");
        assert_eq!(pair.engine.write(&mut pair.memory, b"good ", b"day").unwrap(), 8);
        pair.client_takes().unwrap();
        assert_eq!(pair.heard, b"good day");
        let chain_bytes = certificate.as_ref().map_or(0, |issued| {
            let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
            chain.map(|der| der.unwrap().len()).sum()
        });
        assert_eq!(
            (pair.engine.under(), pair.engine.held_bytes()),
            (0, ENGINE_BYTES + chain_bytes),
            "nothing else is kept"
        );
    }
}

#[test]
fn a_hello_is_answered_when_what_follows_it_is_cheap() {
    let house = House::new();
    for (version, groups, hellos) in [
        (&TLS12, vec![X25519], 1),
        (&TLS13, vec![X25519], 1),
        // The first hello brings a key of a group that we don't take.
        (&TLS13, vec![MLKEM768, X25519], 2),
    ] {
        let mut provider = (**house.server.config().crypto_provider()).clone();
        provider.kx_groups = groups;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(house.roots())
            .with_no_client_auth();
        let mut pair = Pair::new(&house, Arc::new(config));
        for nth in 1..=hellos {
            assert!(!pair.engine.has_answered());
            pair.client_sends();
            let rest = pair.memory.inbound.split_off(pair.memory.inbound.len() / 2);
            blocks(pair.read());
            assert!(!pair.engine.has_answered(), "half a hello");
            pair.memory.inbound.extend(rest);
            blocks(pair.read());
            assert_eq!(pair.engine.has_answered(), nth == hellos, "{nth} of {hellos}");
            pair.flush();
            pair.client_takes().unwrap();
        }
        pair.client_sends();
        blocks(pair.read());
        assert!(pair.engine.has_answered());
    }
}

#[test]
fn a_hello_in_pieces_of_one_byte_is_a_hello() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.memory.piece_bytes = 1;
    pair.shake_hands();
    pair.says(&[b'x'; 3000]);
    blocks(pair.read());
    assert_eq!(pair.opened, [b'x'; 3000]);
}

#[test]
fn what_does_not_fit_is_kept_and_nothing_is_lost_or_changed() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    let text: Vec<u8> = (0..150_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    pair.client.set_buffer_limit(None);
    pair.says(&text);
    let mut into = Vec::with_capacity(100);
    while pair.opened.len() < text.len() {
        let n = pair.engine.read(&mut pair.memory, &mut into).unwrap();
        assert_eq!(n, into.len());
        assert!(
            pair.engine.held_bytes() < ENGINE_BYTES + 2 * 1024 * 40,
            "more than two records and their text"
        );
        pair.opened.append(&mut into);
        into.reserve_exact(100);
    }
    assert_eq!(pair.opened, text);
    blocks(pair.engine.read(&mut pair.memory, &mut into));
    assert_eq!(pair.engine.held_bytes(), ENGINE_BYTES);
}

#[test]
fn writing_stops_where_the_socket_is_full_and_goes_on_by_flushing() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    let text: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    pair.memory.room = Some(50_000);
    let mut taken = pair
        .engine
        .write(&mut pair.memory, &text[..10], &text[10..])
        .unwrap();
    assert!(taken < text.len() && pair.engine.under() > 0);
    for _ in 0..100 {
        pair.client_takes().unwrap();
        match pair.engine.under() > 0 {
            true => drop(pair.engine.flush(&mut pair.memory)),
            false if taken == text.len() => break,
            false => taken += pair.engine.write(&mut pair.memory, &text[taken..], &[]).unwrap(),
        }
    }
    pair.client_takes().unwrap();
    assert!(pair.heard == text);
}

#[test]
fn keys_are_renewed_while_text_passes_and_records_keep_their_order() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    for round in 0..20_u8 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.says(&[round]);
        blocks(pair.read());
        pair.engine
            .write(&mut pair.memory, &[round], &[round; 2])
            .unwrap();
        pair.client_takes().unwrap();
    }
    let rounds: Vec<u8> = (0..20).collect();
    assert_eq!(pair.opened, rounds);
    assert_eq!(
        pair.heard,
        rounds.iter().flat_map(|round| [*round; 3]).collect::<Vec<u8>>()
    );
}

#[test]
fn an_end_is_told_from_a_cut() {
    let house = House::new();
    for says_end in [true, false] {
        let mut pair = house.pair(None);
        pair.shake_hands();
        pair.says(b"last");
        if says_end {
            pair.client.send_close_notify();
            pair.client_sends();
        }
        pair.memory.has_ended = true;
        let ended = pair.read();
        assert_eq!(pair.opened, b"last");
        match says_end {
            true => assert_eq!(ended.unwrap(), 0),
            false => assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof),
        }
        // What it is owed still comes.
        pair.engine.write(&mut pair.memory, b"reply", b"").unwrap();
        pair.engine.hangup(&mut pair.memory).unwrap();
        pair.client_takes().unwrap();
        assert!(pair.heard == b"reply" && pair.client_heard_end && pair.memory.hung_up);
    }
}

#[test]
fn the_end_waits_for_room_like_everything_else() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.memory.room = Some(0);
    pair.engine.hangup(&mut pair.memory).unwrap();
    assert!(pair.engine.under() > 0 && !pair.memory.hung_up);
    assert_eq!(
        pair.engine.flush(&mut pair.memory).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    pair.memory.room = None;
    pair.engine.flush(&mut pair.memory).unwrap();
    pair.client_takes().unwrap();
    assert!(pair.client_heard_end && pair.memory.hung_up);
    pair.engine.close(&mut pair.memory);
    assert!(pair.memory.closed);
}

#[test]
fn who_may_not_come_in_is_told_by_an_alert() {
    let house = House::new();
    let revoked = Leaf {
        serial: 66,
        ..Leaf::client("web")
    };
    let expired = Leaf {
        years: (2020, 2021),
        ..Leaf::client("web")
    };
    let server = Leaf {
        common_name: "web",
        ..Leaf::server()
    };
    let ca = Leaf {
        is_ca: true,
        ..Leaf::client("web")
    };
    for (issued, words, alert) in [
        (house.ca.issue(&revoked), "is revoked", "CertificateRevoked"),
        (house.ca.issue(&expired), "has expired", "CertificateExpired"),
        (
            house.ca.issue(&server),
            "is not for clients",
            "UnsupportedCertificate",
        ),
        (house.ca.issue(&ca), "is a CA's", "CertificateUnknown"),
        (
            Ca::new("Other").issue(&Leaf::client("web")),
            "signed by none",
            "UnknownCA",
        ),
    ] {
        let mut pair = house.pair(Some(&issued));
        let mut failed = None;
        for _ in 0..3 {
            pair.client_sends();
            match pair.read() {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => failed = Some(error.to_string()),
                other => blocks(other),
            }
            pair.flush();
            if failed.is_some() {
                break;
            }
            pair.client_takes().unwrap();
        }
        let failed = failed.expect(words);
        assert!(failed.contains(words), "{failed}");
        let told = pair.client_takes().unwrap_err();
        assert!(pair.engine.secured().is_none());
        // Behind it only the end is of interest.
        pair.memory.inbound.extend([0; 100]);
        pair.memory.has_ended = true;
        assert_eq!(pair.read().unwrap(), 0);
        assert!(
            matches!(told, rustls::Error::AlertReceived(received) if format!("{received:?}") == alert),
            "{told:?}"
        );
    }
}

#[test]
fn what_is_no_tls_or_was_changed_is_refused() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.memory.inbound.extend(*b"\x16\x03\x01\x00\x05hello");
    assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.says(b"hello");
    if let Some(last) = pair.memory.inbound.back_mut() {
        *last ^= 1;
    }
    assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(pair.opened.is_empty());
    // Told at once: who hears of a failure may abort, and flush nothing more.
    let told = pair.client_takes().unwrap_err();
    assert!(
        matches!(
            told,
            rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac)
        ),
        "{told:?}"
    );
    assert_eq!(
        pair.engine.write(&mut pair.memory, b"x", b"").unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
}

#[test]
fn a_short_read_says_that_nothing_more_is_there() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.says(b"hello");
    pair.memory.reads = 0;
    let mut into = Vec::with_capacity(64 * 1024);
    assert_eq!(pair.engine.read(&mut pair.memory, &mut into).unwrap(), 5);
    assert!(pair.engine.is_drained() && pair.memory.reads == 1);
}

/// Why this client does not come in, if so.
fn refusal(house: &House, issued: &Issued) -> Option<String> {
    let mut pair = house.pair(Some(issued));
    for _ in 0..3 {
        pair.client_sends();
        match pair.read() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Some(error.to_string()),
            other => blocks(other),
        }
        pair.flush();
        pair.client_takes().unwrap();
    }
    assert!(pair.engine.secured().unwrap().certificate.is_some());
    None
}

/// With its own certificate alone.
fn alone(mut issued: Issued) -> Issued {
    let end = "-----END CERTIFICATE-----\n";
    let first = issued.chain.replace('\r', "");
    issued.chain = first.split_inclusive(end).next().unwrap().to_owned();
    issued
}

#[test]
fn a_ca_of_the_file_that_is_revoked_lets_nobody_in() {
    let root = Ca::new("Root");
    let (good, bad) = (root.below("Good", 10), root.below("Bad", 11));
    let list = root.crl(&[11], (2020, 2040));
    let (by_good, by_bad) = (good.issue(&Leaf::client("web")), bad.issue(&Leaf::client("web")));
    // The root may be missing: then the others are trusted for themselves.
    for cas in [
        [root.pem(), good.pem(), bad.pem()].concat(),
        [good.pem(), bad.pem()].concat(),
    ] {
        let house = House::with(Ca::new("Proxy"), cas, vec![list.clone()]);
        assert_eq!(refusal(&house, &by_good), None);
        assert_eq!(refusal(&house, &alone(by_good.clone())), None);
        for issued in [by_bad.clone(), alone(by_bad.clone())] {
            let words = refusal(&house, &issued).unwrap();
            assert!(words.contains("is revoked"), "{words}");
        }
    }
}

#[test]
fn each_of_two_cas_of_one_name_has_its_own_list() {
    let (old, new) = (Ca::new("Root"), Ca::new("Root"));
    let lists = vec![old.crl(&[7], (2020, 2040)), new.crl(&[8], (2021, 2040))];
    let (of_old, of_new) = (
        |serial| {
            old.issue(&Leaf {
                serial,
                ..Leaf::client("web")
            })
        },
        |serial| {
            new.issue(&Leaf {
                serial,
                ..Leaf::client("web")
            })
        },
    );
    let house = House::with(Ca::new("Proxy"), old.pem() + &new.pem(), lists);
    for (issued, is_revoked) in [
        (of_old(7), true),
        (of_old(8), false),
        (of_new(7), false),
        (of_new(8), true),
    ] {
        assert_eq!(
            refusal(&house, &issued).is_some(),
            is_revoked,
            "{}",
            issued.serial
        );
    }
}

#[test]
fn the_list_of_a_ca_that_clients_send_along_counts_if_that_signed_it() {
    let root = Ca::new("Root");
    let below = root.below("Below", 10);
    let issued = below.issue(&Leaf {
        serial: 7,
        ..Leaf::client("web")
    });
    for (list, is_revoked) in [
        (below.crl(&[7], (2020, 2040)), true),
        (below.crl(&[8], (2020, 2040)), false),
        (Ca::new("Below").crl(&[7], (2020, 2040)), false),
    ] {
        let house = House::with(Ca::new("Proxy"), root.pem(), vec![list]);
        assert_eq!(refusal(&house, &issued).is_some(), is_revoked);
    }
}

#[test]
fn a_chain_has_its_length() {
    let house = House::new();
    let mut issued = house.ca.issue(&Leaf::client("web"));
    issued.chain += &house.ca.pem().repeat(7);
    assert_eq!(refusal(&house, &issued), None);
    issued.chain += &house.ca.pem();
    let words = refusal(&house, &issued).unwrap();
    assert!(words.contains("at most 8 certificates"), "{words}");
}

#[test]
fn an_end_or_a_failure_behind_text_is_told_by_the_next_read() {
    let house = House::new();
    for fails in [false, true] {
        let mut pair = house.pair(None);
        pair.shake_hands();
        pair.says(b"last");
        match fails {
            true => pair
                .memory
                .inbound
                .extend(*b"\x17\x03\x03\x00\x20garbage that nobody sealed at all!"),
            false => {
                pair.client.send_close_notify();
                pair.client_sends();
            }
        }
        let mut into = Vec::with_capacity(64 * 1024);
        assert_eq!(pair.engine.read(&mut pair.memory, &mut into).unwrap(), 4);
        assert!(
            !pair.engine.is_drained(),
            "no edge tells of what is known already"
        );
        let next = pair.engine.read(&mut pair.memory, &mut into);
        match fails {
            true => assert_eq!(next.unwrap_err().kind(), io::ErrorKind::InvalidData),
            false => assert_eq!(next.unwrap(), 0),
        }
    }
}

#[test]
fn a_handshake_message_in_too_many_records_is_refused_before_it_is_much() {
    let house = House::new();
    let mut pair = house.pair(None);
    // A ClientHello of 60,000 bytes, a byte in each record.
    let hello = [&[1, 0, 0xea, 0x60][..], &[0; 60_000]].concat();
    let mut refused = None;
    for piece in hello.chunks(64) {
        for byte in piece {
            pair.memory.inbound.extend([0x16, 3, 1, 0, 1, *byte]);
        }
        match pair.read() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                refused = Some(error.to_string());
                break;
            }
            other => blocks(other),
        }
        assert!(pair.engine.held_bytes() < 100_000);
    }
    assert!(refused.unwrap().contains("40 KiB"));
}

#[test]
fn small_records_are_charged_for_and_opened_a_few_at_a_time() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    (0..100).for_each(|_| pair.says(b"x"));
    let mut into = Vec::with_capacity(64 * 1024);
    assert_eq!(
        pair.engine.read(&mut pair.memory, &mut into).unwrap(),
        RECORDS_PER_READ_MAX
    );
    assert!(pair.engine.aside().toll_bytes > 32 * 500 && pair.engine.aside() == Aside::default());
    blocks(pair.read());
    assert_eq!(into.len() + pair.opened.len(), 100);
}

#[test]
fn what_a_peer_makes_of_an_error_is_cut() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.engine
        .core
        .fail(tls::Failure::protocol(&"long ".repeat(10_000)));
    let error = pair.read().unwrap_err();
    assert!(error.to_string().len() <= 300);
    pair.memory.has_ended = true;
    assert_eq!(pair.read().unwrap(), 0);
}

#[test]
fn behind_our_end_nothing_is_said_of_what_comes() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.engine.hangup(&mut pair.memory).unwrap();
    pair.engine.core.fail(tls::Failure::protocol("no TLS"));
    assert_eq!(pair.engine.under(), 0);
    pair.memory.has_ended = true;
    assert_eq!(pair.read().unwrap(), 0);
}

#[test]
fn a_session_is_resumed_again_and_again_and_names_its_client() {
    let house = House::new();
    let issued = house.ca.issue(&Leaf::client("web"));
    let config = Arc::new(house.client_config(Some(&issued)));
    for round in 0..4 {
        let mut pair = Pair::new(&house, Arc::clone(&config));
        pair.shake_hands();
        // The ticket leaves with the first that is written.
        pair.engine.write(&mut pair.memory, b"hello", b"").unwrap();
        pair.client_takes().unwrap();
        let is_resumed = pair.client.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(is_resumed, round > 0, "{round}");
        let certificate = pair.engine.secured().unwrap().certificate.unwrap();
        assert_eq!(certificate.role.as_deref(), Some("web"));
    }
}
