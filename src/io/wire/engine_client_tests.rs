//! An engine that connects, against one that was connected to: what leaves before the peer is known, and what is said of
//! one that is not believed.

use std::time::SystemTime;

use crate::net::{Host, Peer, TlsFault, Trust};
use crate::tls::{Client, ClientParts, Failure};

use super::tests::{House, Memory};
use super::*;

/// Both ends, each over a wire of its own.
struct Two {
    client: Engine,
    server: Engine,
    near: Memory,
    far: Memory,
}

/// Trusts the house, or nobody.
fn trust(house: &House, believes: bool) -> Arc<Client> {
    let file = crate::tls::File {
        name: "ca".into(),
        bytes: house.ca_pem().into_bytes().into(),
    };
    let parts = ClientParts {
        system: Vec::new(),
        files: if believes { vec![file] } else { Vec::new() },
    };
    Arc::new(Client::new(parts, SystemTime::now(), &mut Vec::new()).unwrap())
}

impl Two {
    fn new(house: &House, client: &Arc<Client>, host: &str) -> Two {
        let peer = Peer {
            host: Host::parse(host.as_bytes()).unwrap(),
            trust: Trust::Verified,
        };
        Two {
            client: Engine::client(client, &peer, &Rc::default(), &[]).unwrap(),
            server: house.engine(),
            near: Memory::whole(),
            far: Memory::whole(),
        }
    }

    /// What one says gets to the other.
    fn carry(&mut self) {
        let _ = self.client.flush(&mut self.near);
        let _ = self.server.flush(&mut self.far);
        self.far.inbound.extend(self.near.outbound.drain(..));
        self.near.inbound.extend(self.far.outbound.drain(..));
    }

    fn client_reads(&mut self) -> io::Result<Vec<u8>> {
        let mut into = Vec::with_capacity(64 * 1024);
        self.client.read(&mut self.near, &mut into).map(|_| into)
    }

    fn server_reads(&mut self) -> io::Result<Vec<u8>> {
        let mut into = Vec::with_capacity(64 * 1024);
        self.server.read(&mut self.far, &mut into).map(|_| into)
    }

    /// Both read until neither has anything to say.
    fn shake_hands(&mut self) -> io::Result<()> {
        for _ in 0..6 {
            for read in [self.client_reads(), self.server_reads()] {
                match read {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                    Ok(text) => assert!(text.is_empty(), "{text:?}"),
                }
            }
            self.carry();
        }
        Ok(())
    }
}

fn blocks<T: fmt::Debug>(result: io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn the_first_read_has_the_hello_leave_and_no_text_leaves_before_the_peer_is_known() {
    let house = House::new();
    let mut two = Two::new(&house, &trust(&house, true), "localhost");
    assert_eq!(two.client.under(), 0);
    blocks(two.client_reads());
    assert!(two.client.under() > 100 && !two.client.has_answered());
    blocks(two.client.write(&mut two.near, b"GET /", b""));
    two.client.flush(&mut two.near).unwrap();
    assert!(two.near.outbound.starts_with(&[0x16, 3, 1]) && two.client.secured().is_none());
    two.shake_hands().unwrap();
    assert!(two.client.aside().takes_again);
    assert!(two.client.secured().unwrap().certificate.is_none());
    assert!(two.client.has_answered() && two.server.secured().is_some());
    assert_eq!(two.client.write(&mut two.near, b"GET ", b"/").unwrap(), 5);
    two.carry();
    assert_eq!(two.server_reads().unwrap(), b"GET /");
    two.server.write(&mut two.far, b"answer", b"").unwrap();
    two.carry();
    assert_eq!(two.client_reads().unwrap(), b"answer");
    blocks(two.client_reads());
    assert!(!two.client.has_news() && two.client.held_bytes() < ENGINE_BYTES + 3000);
}

#[test]
fn an_end_is_told_from_a_cut() {
    let house = House::new();
    for says in [true, false] {
        let mut two = Two::new(&house, &trust(&house, true), "localhost");
        two.shake_hands().unwrap();
        if says {
            two.server.hangup(&mut two.far).unwrap();
            two.carry();
        }
        two.near.has_ended = true;
        match two.client_reads() {
            Ok(text) => assert!(says && text.is_empty()),
            Err(error) => assert!(!says && error.kind() == io::ErrorKind::UnexpectedEof),
        }
    }
}

#[test]
fn who_is_not_believed_is_told_so_and_why_is_known() {
    let house = House::new();
    for (believes, host, words) in [
        (false, "localhost", "no CA is trusted here"),
        (true, "other.test", "is for another name: "),
    ] {
        let mut two = Two::new(&house, &trust(&house, believes), host);
        let error = two.shake_hands().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        let failure = error.get_ref().unwrap().downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.fault, TlsFault::Certificate);
        assert!(two.client.secured().is_none());
        // The alert left with the error.
        two.carry();
        let told = two.server_reads().unwrap_err().to_string();
        assert!(told.contains("alert: "), "{told}");
        assert_eq!(
            two.client.write(&mut two.near, b"GET /", b"").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}

#[test]
fn what_was_read_before_is_the_peers_first_word() {
    let house = House::new();
    let client = trust(&house, true);
    let peer = Peer {
        host: Host::parse(b"localhost").unwrap(),
        trust: Trust::Verified,
    };
    let mut engine = Engine::client(&client, &peer, &Rc::default(), b"220 mail ready\r\n").unwrap();
    let mut into = Vec::with_capacity(1000);
    let error = engine.read(&mut Memory::whole(), &mut into).unwrap_err();
    assert!(error.to_string().contains("what it sent is no TLS"), "{error}");
}

/// A client and a server whose handshake is over, the server's tickets aside.
fn shaken(house: &House) -> Two {
    let mut two = Two::new(house, &trust(house, true), "localhost");
    for _ in 0..2 {
        let _ = two.client_reads();
        two.carry();
        let _ = two.server_reads();
        two.carry();
    }
    two
}

/// A server sends its tickets when the client's last word is there: a connection that is kept then is as good as before.
#[test]
fn tickets_are_no_news_and_whatever_else_comes_is() {
    let house = House::new();
    for comes in [&b""[..], b"text", b"end"] {
        let mut two = shaken(&house);
        // Tickets are no word of their own: they go along with the next.
        two.server.core.is_due = true;
        two.server.flush(&mut two.far).unwrap();
        match comes {
            b"" => {}
            b"end" => two.server.hangup(&mut two.far).unwrap(),
            text => assert_eq!(two.server.write(&mut two.far, text, b"").unwrap(), text.len()),
        }
        two.carry();
        assert!(!two.near.inbound.is_empty(), "tickets at least");
        for _ in 0..2 {
            assert_eq!(two.client.hears_news(&mut two.near), !comes.is_empty());
        }
        if comes == b"text" {
            assert_eq!(two.client_reads().unwrap(), comes, "nothing was taken");
        }
        assert!(two.near.inbound.is_empty());
    }
}

/// As of servers that send them with the last word of their handshake: they came with it, and lie there unopened.
#[test]
fn tickets_that_came_with_the_handshake_are_no_news_either() {
    let house = House::new();
    for left_out in [0, 1] {
        let mut two = shaken(&house);
        two.server.core.is_due = true;
        two.server.flush(&mut two.far).unwrap();
        two.carry();
        let tickets: Vec<u8> = two.near.inbound.drain(..).collect();
        let whole = tickets.get(..tickets.len() - left_out).unwrap();
        two.client.sealed.extend_from_slice(whole);
        two.client.may_open = true;
        for _ in 0..2 {
            // What is not whole may be anything.
            assert_eq!(two.client.hears_news(&mut two.near), left_out > 0);
        }
        assert_eq!(two.client.has_news(), left_out > 0);
    }
}
