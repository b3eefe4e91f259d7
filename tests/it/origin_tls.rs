//! TLS to origins: `https` URIs in absolute form, over origins that do it right. Those that do it wrong are
//! `origin_tls_faults`.

use std::sync::Mutex;
use std::thread;

use rustix::process::Signal;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::log_line::LogLine;
use crate::support::message::{answer, chunked, get, ok, request};
use crate::support::origin::{self, Next, Origin};
use crate::support::pki::{Ca, Key, Leaf};
use crate::support::proxy::{Proxy, Setup};
use crate::support::tls::{ANY, Server, TLS_1_2, TLS_1_3};
use crate::support::wire::End;
use crate::support::{PUBLIC, assert_same_bytes, eventually, pattern};

cases![
    an_https_uri_is_fetched_over_tls_in_both_versions,
    keys_of_every_kind_are_verified,
    the_targets_name_is_verified_be_it_a_name_or_an_address,
    bodies_of_every_framing_pass_both_ways,
    large_bodies_pass_both_ways_at_once,
    a_body_that_ends_with_its_connection_ends_by_a_notice,
    connections_are_kept_and_never_mixed_with_plain_ones,
    sessions_are_resumed_until_the_cas_change,
    a_connection_in_use_while_the_cas_change_is_kept_for_nobody,
    a_websocket_goes_over_wss,
    an_idempotent_request_is_sent_again_where_a_kept_connection_is_gone,
    keys_are_renewed_in_between,
    http_1_1_is_offered,
    what_is_not_verified_is_warned_of,
];

/// An authority, and names that lead to the public address.
pub(crate) struct House {
    pub(crate) ca: Ca,
    pub(crate) dns: Dns,
}

impl House {
    pub(crate) fn new() -> House {
        let names = ["good.test", "other.test", "www.good.test"];
        let dns = names
            .iter()
            .fold(Dns::start(), |dns, name| dns.name(name, &[PUBLIC]));
        House {
            ca: Ca::new("Origins"),
            dns,
        }
    }

    /// Trusts the authority alone.
    pub(crate) fn setup(&self) -> Setup {
        let setup = Setup::open()
            .resolver(&self.dns)
            .config("upstream_system_roots: false\n");
        let file = setup.file("upstream.pem", &self.ca.pem());
        setup.option("--upstream-ca-file", file)
    }

    pub(crate) fn proxy(&self) -> Proxy {
        self.setup().start()
    }

    /// What an origin under these names presents.
    pub(crate) fn server(&self, names: &[&str]) -> Server {
        self.server_of(names, Key::P256, ANY)
    }

    fn server_of(
        &self,
        names: &[&str],
        key: Key,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Server {
        let leaf = Leaf {
            dns: names,
            key,
            ..Leaf::server()
        };
        let issued = self.ca.issue(&leaf);
        Server::new(&issued.chain, &issued.key, versions)
    }

    /// An origin under the good name that says this.
    pub(crate) fn fixed(&self, body: &'static str) -> Origin {
        Origin::https(&self.server(&["good.test"]), move |_, wire| {
            let _ = wire.try_send(ok(body));
            Next::Keep
        })
    }
}

/// Waits for so many lines whose message has these words.
pub(crate) fn told(proxy: &Proxy, words: &str, count: usize) -> Vec<LogLine> {
    eventually(words, || {
        let has = |line: &LogLine| line.find("msg").is_some_and(|message| message.contains(words));
        let lines: Vec<LogLine> = proxy.log_lines().into_iter().filter(has).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// The URL of a path at an origin under a name.
pub(crate) fn url(origin: &Origin, host: &str, path: &str) -> String {
    format!("https://{host}:{}{path}", origin.address().port())
}

fn an_https_uri_is_fetched_over_tls_in_both_versions() {
    let house = House::new();
    let proxy = house.proxy();
    for (versions, spoken) in [
        (TLS_1_2, ProtocolVersion::TLSv1_2),
        (TLS_1_3, ProtocolVersion::TLSv1_3),
    ] {
        let server = house.server_of(&["good.test"], Key::P256, versions);
        let origin = Origin::sealed(&server, move |mut wire| {
            let request = wire.take_request().expect("a request");
            let host = request.fields.get("host").unwrap_or_default();
            let said = format!("{:?} {} {host}", wire.version, request.target);
            let _ = wire.try_send(ok(&said));
            wire.drain();
        });
        let response = proxy.ask(get(&url(&origin, "good.test", "/a?b")));
        let port = origin.address().port();
        assert_eq!(response.text(), format!("{spoken:?} /a?b good.test:{port}"));
    }
    let line = proxy
        .await_lines("CANONICAL-PROXY-DECISION", 2)
        .pop()
        .expect("a line");
    assert_eq!((line.get("allow"), line.find("error")), ("true", None));
}

fn keys_of_every_kind_are_verified() {
    let house = House::new();
    let proxy = house.proxy();
    for key in [Key::P256, Key::P521, Key::Rsa, Key::Ed25519] {
        let server = house.server_of(&["good.test"], key, ANY);
        let origin = Origin::https(&server, |_, wire| {
            let _ = wire.try_send(ok("signed"));
            Next::Close
        });
        let response = proxy.ask(get(&url(&origin, "good.test", "/")));
        assert_eq!(response.text(), "signed", "{key:?}");
    }
}

fn the_targets_name_is_verified_be_it_a_name_or_an_address() {
    let house = House::new();
    let proxy = house.proxy();
    let origin = Origin::https(&house.server(&["*.good.test", "good.test", PUBLIC]), |_, wire| {
        let _ = wire.try_send(ok("named"));
        Next::Keep
    });
    for host in ["good.test", "WWW.Good.test", PUBLIC] {
        // What the Host field says is not what is asked for.
        let ask = request("GET", &url(&origin, host, "/"), "").replace("Host: ", "Host: x");
        assert_eq!(proxy.ask(ask).text(), "named", "{host}");
    }
}

fn bodies_of_every_framing_pass_both_ways() {
    let house = House::new();
    let origin = Origin::https(&house.server(&["good.test"]), |request, wire| {
        let body = [b"echo ", request.body.as_slice()].concat();
        let bytes = match request.target.as_str() {
            "/chunked" => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                [head, chunked(&body, 3).as_slice()].concat()
            }
            "/trailer" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n"
                .to_vec(),
            _ => answer("200 OK", "Connection: keep-alive\r\n", &body),
        };
        let _ = wire.try_send(bytes);
        Next::Keep
    });
    let proxy = house.proxy();
    let mut client = proxy.client();
    let of = |path: &str| url(&origin, "good.test", path);
    client.send(request("POST", &of("/length"), "Content-Length: 4\r\n") + "body");
    assert_eq!(client.response().text(), "echo body");
    let lines = "Transfer-Encoding: chunked\r\n";
    client.send(request("PUT", &of("/chunked"), lines) + "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "echo abcd");
    client.send(get(&of("/trailer")));
    assert_eq!(client.response().text(), "ab");
    let lines = "Content-Length: 2\r\nExpect: 100-continue\r\n";
    client.send(request("POST", &of("/late"), lines) + "hi");
    let mut response = client.response();
    while response.status == 100 {
        response = client.response();
    }
    assert_eq!(response.text(), "echo hi");
    assert_eq!(origin.accepted(), 1, "one connection for all");
}

fn large_bodies_pass_both_ways_at_once() {
    const BYTES: usize = 20 << 20;
    let (house, arrived) = (House::new(), origin::Signal::new());
    let all = arrived.clone();
    let origin = Origin::sealed(&house.server(&["good.test"]), move |mut wire| {
        wire.take_head().expect("a head");
        let mut twin = wire.twin();
        let sending = thread::spawn(move || {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
            let _ = twin.try_send(head);
            let _ = twin.try_send(pattern(BYTES, 7));
        });
        let body = wire.take(BYTES).expect("all of it");
        assert_same_bytes(&body, &pattern(BYTES, 3));
        sending.join().expect("all was sent");
        // The last of it may come behind the end of the response.
        all.raise();
        wire.drain();
    });
    let proxy = house.proxy();
    let mut client = proxy.client();
    let lines = format!("Content-Length: {BYTES}\r\n");
    client.send(request("POST", &url(&origin, "good.test", "/"), &lines));
    let mut twin = client.twin();
    let sending = thread::spawn(move || twin.send(pattern(BYTES, 3)));
    let response = client.response();
    assert_same_bytes(&response.body, &pattern(BYTES, 7));
    sending.join().expect("all was taken");
    assert!(arrived.wait(), "the request's body never arrived whole");
}

fn a_body_that_ends_with_its_connection_ends_by_a_notice() {
    let house = House::new();
    let origin = Origin::sealed(&house.server(&["good.test"]), |mut wire| {
        let request = wire.take_request().expect("a request");
        let _ = wire.try_send("HTTP/1.1 200 OK\r\n\r\nall of it");
        match request.target.as_str() {
            "/whole" => drop(wire),
            _ => wire.cut(),
        }
    });
    let proxy = house.proxy();
    let asked = |path: &str| {
        let mut client = proxy.client();
        client.send(get(&url(&origin, "good.test", path)));
        client.drain()
    };
    let (bytes, end) = asked("/whole");
    assert!(bytes.ends_with(b"all of it") && end == End::Eof, "{end:?}");
    // Nobody may take it for complete (RFC 9112, 9.8).
    assert_eq!(asked("/cut").1, End::Reset);
}

fn connections_are_kept_and_never_mixed_with_plain_ones() {
    let house = House::new();
    let proxy = house.proxy();
    let origin = house.fixed("sealed");
    for _ in 0..3 {
        let response = proxy.ask(get(&url(&origin, "good.test", "/")));
        assert_eq!(response.text(), "sealed");
    }
    assert_eq!((origin.accepted(), origin.requests().len()), (1, 3));
    // The same port in the clear: the kept connection must not be taken, and an origin of TLS answers by an alert.
    let plain = url(&origin, "good.test", "/").replace("https:", "http:");
    assert_eq!(proxy.ask(get(&plain)).status, 502);
    assert_eq!((origin.accepted(), origin.requests().len()), (2, 3));
    // Nor is another name's, whose certificate was not looked at.
    let other = proxy.ask(get(&url(&origin, "other.test", "/")));
    assert_eq!(other.status, 502);
    assert_eq!(origin.requests().len(), 3);
}

fn a_connection_in_use_while_the_cas_change_is_kept_for_nobody() {
    let house = House::new();
    let (tell, told_to) = std::sync::mpsc::channel();
    let waits = Mutex::new(told_to);
    let origin = Origin::https(&house.server(&["good.test"]), move |request, wire| {
        if request.target == "/slow" {
            let _ = waits.lock().expect("the channel").recv();
        }
        let _ = wire.try_send(ok("said"));
        Next::Keep
    });
    let setup = house.setup();
    let file = setup.file("upstream.pem", &house.ca.pem());
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(get(&url(&origin, "good.test", "/slow")));
    origin.await_requests(1);
    std::fs::write(&file, Ca::new("Others").pem()).expect("a file");
    proxy.signal(Signal::HUP);
    told(&proxy, "The CAs for origins were read again", 1);
    tell.send(()).expect("an origin");
    assert_eq!(client.response().text(), "said");
    let response = proxy.ask(get(&url(&origin, "good.test", "/")));
    assert_eq!(response.code(), "tls-failed");
}

fn sessions_are_resumed_until_the_cas_change() {
    for versions in [TLS_1_2, TLS_1_3] {
        let house = House::new();
        let server = house.server_of(&["good.test"], Key::P256, versions);
        let origin = Origin::https(&server, |_, wire| {
            let _ = wire.try_send(answer("200 OK", "Connection: close\r\n", b"once"));
            Next::Close
        });
        let setup = house.setup();
        let more = format!("{}{}", house.ca.pem(), Ca::new("Further").pem());
        let file = setup.file("upstream.pem", &house.ca.pem());
        let proxy = setup.start();
        let ask = || proxy.ask(get(&url(&origin, "good.test", "/"))).text();
        let reload = |count: usize| {
            proxy.signal(Signal::HUP);
            told(&proxy, "The CAs for origins were read again", count)
        };
        assert_eq!([ask(), ask()], ["once", "once"]);
        assert!(reload(1)[0].get("msg").contains("1, the same ones"));
        assert_eq!(ask(), "once");
        std::fs::write(&file, more).expect("the file");
        assert!(reload(2)[1].get("msg").contains("2, other ones"));
        assert_eq!(ask(), "once");
        std::fs::write(&file, "nothing").expect("the file");
        proxy.signal(Signal::HUP);
        let refused = told(&proxy, "Nothing was reloaded", 1);
        assert!(refused[0].get("msg").contains("upstream.pem"), "{refused:?}");
        assert_eq!(ask(), "once");
        let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
        assert_eq!(origin.kinds(), [full, resumed, resumed, full, resumed]);
    }
}

fn a_websocket_goes_over_wss() {
    let house = House::new();
    let origin = Origin::sealed(&house.server(&["good.test"]), |mut wire| {
        let request = wire.take_request().expect("a request");
        assert_eq!(request.fields.get("upgrade").as_deref(), Some("websocket"));
        let _ = wire.try_send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        );
        let said = wire.take(5).expect("what the client says");
        let _ = wire.try_send([b"you said ", &said[..]].concat());
        wire.drain();
    });
    let proxy = house.proxy();
    let mut client = proxy.client();
    let target = url(&origin, "good.test", "/chat").replace("https:", "wss:");
    client.send(request(
        "GET",
        &target,
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ));
    let head = client.take_until(b"\r\n\r\n").expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client.expect(b"hello");
    client.send("frame");
    client.expect(b"you said frame");
    client.half_close();
    client.expect_eof();
    assert_eq!(proxy.close_line().get("error"), "");
}

fn an_idempotent_request_is_sent_again_where_a_kept_connection_is_gone() {
    let house = House::new();
    let served = Mutex::new(0);
    let origin = Origin::sealed(&house.server(&["good.test"]), move |mut wire| {
        let nth = {
            let mut served = served.lock().expect("no panic");
            *served += 1;
            *served
        };
        while wire.take_request().is_ok() {
            let _ = wire.try_send(ok("again"));
            // The first connection dies with the second request that it gets.
            if nth == 1 && wire.take_request().is_ok() {
                return wire.reset();
            }
        }
    });
    let proxy = house.proxy();
    for _ in 0..2 {
        assert_eq!(proxy.ask(get(&url(&origin, "good.test", "/"))).text(), "again");
    }
    assert_eq!(origin.accepted(), 2);
}

fn keys_are_renewed_in_between() {
    let house = House::new();
    let origin = Origin::sealed(
        &house.server_of(&["good.test"], Key::P256, TLS_1_3),
        |mut wire| {
            for _ in 0..3 {
                let Ok(request) = wire.take_request() else { return };
                wire.renew_keys();
                let _ = wire.try_send(answer("200 OK", "Connection: keep-alive\r\n", &request.body));
            }
            wire.drain();
        },
    );
    let proxy = house.proxy();
    let mut client = proxy.client();
    for length in [0, 100, 70_000] {
        let lines = format!("Content-Length: {length}\r\n");
        client.send(request("POST", &url(&origin, "good.test", "/"), &lines));
        client.send(pattern(length, 5));
        assert_same_bytes(&client.response().body, &pattern(length, 5));
    }
    assert_eq!(origin.accepted(), 1);
}

fn http_1_1_is_offered() {
    let house = House::new();
    let server = house.server(&["good.test"]).alpn(&[b"h2", b"http/1.1"]);
    let origin = Origin::sealed(&server, |mut wire| {
        let chosen = String::from_utf8(wire.alpn.clone().unwrap_or_default()).expect("a text");
        let _ = wire.take_request();
        let _ = wire.try_send(ok(&chosen));
        wire.drain();
    });
    let response = house.proxy().ask(get(&url(&origin, "good.test", "/")));
    assert_eq!(response.text(), "http/1.1");
}

fn what_is_not_verified_is_warned_of() {
    let house = House::new();
    let origin = Origin::https(&house.server(&["elsewhere.test"]), |_, wire| {
        let _ = wire.try_send(ok("whoever"));
        Next::Keep
    });
    let acl = |skips: bool| {
        format!("version: v1\nservices: []\ndefault:\n  action: open\n  insecure_skip_verify: {skips}\n")
    };
    let setup = Setup::open().resolver(&house.dns).acl(&acl(true));
    let file = setup.file("acl.yaml", &acl(true));
    let proxy = setup.start();
    let ask = || proxy.ask(get(&url(&origin, "good.test", "/")));
    let warning = "insecure_skip_verify is on for the default rule";
    assert_eq!(told(&proxy, warning, 1)[0].get("level"), "warning");
    assert_eq!(ask().text(), "whoever");
    proxy.signal(Signal::HUP);
    told(&proxy, warning, 2);
    std::fs::write(&file, acl(false)).expect("the file");
    proxy.signal(Signal::HUP);
    told(&proxy, "insecure_skip_verify removed", 1);
    // The kept connection was not verified, and is nothing for who asks for more.
    eventually("a refusal", || (ask().status == 502).then_some(()));
    assert_eq!(origin.requests().len(), 1);
}
