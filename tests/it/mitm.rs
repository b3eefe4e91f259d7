//! Intercepted tunnels: what a client gets in one, and what its origin. Who breaks something is `mitm_faults`, secrets are
//! `mitm_secrets`, other people's programs `mitm_programs`.

use rustls::ProtocolVersion;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{get, ok};
use crate::support::origin::{Next, Origin};
use crate::support::pki::{Ca, Leaf};
use crate::support::proxy::{Proxy, Setup};
use crate::support::tls::{ANY, Client, Server, TLS_1_2, TLS_1_3, Tls};
use crate::support::{PUBLIC, eventually};

cases![
    a_get_inside_is_forwarded_with_the_added_headers,
    the_certificate_is_for_the_host_asked_for_whatever_the_client_names,
    both_versions_are_spoken_and_http_1_1_is_agreed_on,
    a_connection_inside_is_kept_and_so_is_the_origins,
];

/// Two authorities: the origins', whom the proxy trusts, and the proxy's own, whom its clients trust.
pub(crate) struct House {
    pub(crate) origins: Ca,
    pub(crate) own: Ca,
    pub(crate) dns: Dns,
}

/// Whose names lead to the public address.
pub(crate) const NAMES: [&str; 4] = ["good.test", "www.good.test", "other.test", "plain.test"];

/// An ACL whose `mitm_domains` are these, beside a host that is let out as it is.
pub(crate) fn acl(mitm_domains: &str) -> String {
    format!(
        "version: v1\nservices: []\ndefault:\n  project: all\n  action: enforce\n  \
         allowed_domains: [good.test, '*.good.test', plain.test, other.test, {PUBLIC}]\n  mitm_domains:\n{mitm_domains}"
    )
}

/// One entry, with a header.
pub(crate) const GOOD: &str = "  - domain: good.test\n    add_headers: {X-Key: s3cret}\n";

impl House {
    pub(crate) fn new() -> House {
        House {
            origins: Ca::new("Origins"),
            own: Ca::new("Own"),
            dns: NAMES
                .iter()
                .fold(Dns::start(), |dns, name| dns.name(name, &[PUBLIC])),
        }
    }

    /// A proxy that trusts the origins' authority alone, has the other one, and this ACL.
    pub(crate) fn setup(&self, acl: &str) -> Setup {
        let setup = self.unprepared().acl(acl);
        let (certificate, key) = (
            setup.file("mitm.pem", &self.own.pem()),
            setup.file("mitm.key", &self.own.key_pem()),
        );
        setup
            .option("--mitm-ca-cert-file", certificate)
            .option("--mitm-ca-key-file", key)
    }

    /// The same without an authority and an ACL.
    pub(crate) fn unprepared(&self) -> Setup {
        let setup = Setup::open()
            .resolver(&self.dns)
            .config("upstream_system_roots: false\n");
        let file = setup.file("upstream.pem", &self.origins.pem());
        setup.option("--upstream-ca-file", file)
    }

    pub(crate) fn proxy(&self, mitm_domains: &str) -> Proxy {
        self.setup(&acl(mitm_domains)).start()
    }

    /// What an origin presents, under all names.
    pub(crate) fn server(&self) -> Server {
        self.server_as(&[&NAMES[..], &[PUBLIC]].concat())
    }

    /// The same under these.
    pub(crate) fn server_as(&self, names: &[&str]) -> Server {
        let leaf = Leaf {
            dns: names,
            ..Leaf::server()
        };
        let issued = self.origins.issue(&leaf);
        Server::new(&issued.chain, &issued.key, ANY)
    }

    /// An origin that says this.
    pub(crate) fn fixed(&self, body: &'static str) -> Origin {
        Origin::https(&self.server(), move |_, wire| {
            let _ = wire.try_send(ok(body));
            Next::Keep
        })
    }

    /// A client that trusts the proxy's authority alone, so that nothing that is not intercepted can be spoken to.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.own.pem(), ANY, None).named("good.test")
    }

    /// In a tunnel to a host at that origin.
    #[track_caller]
    pub(crate) fn inside(&self, proxy: &Proxy, host: &str, origin: &Origin) -> Tls {
        inside(
            &self.client().named(host.trim_matches(['[', ']'])),
            proxy,
            &at(host, origin),
        )
    }
}

/// A host at an origin's port.
pub(crate) fn at(host: &str, origin: &Origin) -> String {
    format!("{host}:{}", origin.address().port())
}

/// A client in its tunnel.
#[track_caller]
pub(crate) fn inside(client: &Client, proxy: &Proxy, authority: &str) -> Tls {
    try_inside(client, proxy, authority).unwrap_or_else(|error| panic!("in a tunnel to {authority}: {error}"))
}

/// The same, or why not.
#[track_caller]
pub(crate) fn try_inside(client: &Client, proxy: &Proxy, authority: &str) -> Result<Tls, rustls::Error> {
    client.over(proxy.tunnel(authority).into_stream(), |stream| stream)
}

/// A request as an origin gets it: a path, and fields as whole lines.
pub(crate) fn of_path(method: &str, path: &str, host: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}

fn a_get_inside_is_forwarded_with_the_added_headers() {
    let (house, host) = (House::new(), "good.test");
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("intercepted"));
    let mut client = house.inside(&proxy, host, &origin);
    let authority = at(host, &origin);
    client.send(of_path("GET", "/a?b=c#d", &authority, "X-Own: 1\r\n"));
    assert_eq!(client.response().text(), "intercepted");
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a?b=c"));
    assert_eq!(seen.fields.get("x-key").as_deref(), Some("s3cret"));
    assert_eq!(seen.fields.get("x-own").as_deref(), Some("1"));
    assert_eq!(seen.fields.get("host"), Some(authority.clone()));
    assert_eq!(
        origin.accepted(),
        1,
        "the connection that was verified carries the request"
    );
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.get("proxy_type"),
                line.get("requested_host"),
                line.get("allow"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("connect", authority.as_str(), "true"),
            ("http", authority.as_str(), "true")
        ]
    );
    drop(client);
    let end = proxy.close_line();
    assert_eq!((end.get("proxy_type"), end.get("error")), ("connect", ""));
    assert_eq!(end.get("id"), lines[0].get("id"));
    assert!(!proxy.log().join("\n").contains("s3cret"));
    // What is not listed is a tunnel as any.
    let outside = Client::new(&house.origins.pem(), ANY, None).named("plain.test");
    let mut client = inside(&outside, &proxy, &at("plain.test", &origin));
    client.send(of_path("GET", "/", "plain.test", ""));
    assert_eq!(client.response().text(), "intercepted");
    assert_eq!(origin.last().fields.get("x-key"), None);
    // Nor is a request in absolute form.
    let response = proxy.ask(get(&format!("https://{authority}/")));
    assert_eq!(response.text(), "intercepted");
    assert_eq!(origin.last().fields.get("x-key"), None);
}

fn the_certificate_is_for_the_host_asked_for_whatever_the_client_names() {
    let house = House::new();
    let entries = format!("{GOOD}  - domain: '*.good.test'\n  - domain: {PUBLIC}\n");
    let (proxy, origin) = (house.proxy(&entries), house.fixed("x"));
    for host in ["good.test", "www.good.test", PUBLIC] {
        // rustls names no server where that is an address.
        let mut client = house.inside(&proxy, host, &origin);
        client.send(of_path("GET", "/", &at(host, &origin), ""));
        assert_eq!(client.response().text(), "x", "{host}");
    }
    let misnamed = house.client().named("www.good.test");
    let error = try_inside(&misnamed, &proxy, &at("good.test", &origin))
        .err()
        .expect("no handshake");
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

fn both_versions_are_spoken_and_http_1_1_is_agreed_on() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let authority = at("good.test", &origin);
    for (versions, spoken) in [
        (TLS_1_2, ProtocolVersion::TLSv1_2),
        (TLS_1_3, ProtocolVersion::TLSv1_3),
    ] {
        let client = Client::new(&house.own.pem(), versions, None).named("good.test");
        for (offered, agreed) in [
            (&[][..], None),
            (&[&b"h2"[..], b"http/1.1"], Some(b"http/1.1".to_vec())),
        ] {
            let mut inside = inside(&client.alpn(offered), &proxy, &authority);
            assert_eq!((inside.version, inside.alpn.clone()), (spoken, agreed));
            inside.send(of_path("GET", "/", &authority, ""));
            assert_eq!(inside.response().text(), "x");
        }
    }
}

fn a_connection_inside_is_kept_and_so_is_the_origins() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let authority = at("good.test", &origin);
    let mut client = house.inside(&proxy, "good.test", &origin);
    for _ in 0..3 {
        client.send(of_path("GET", "/", &authority, ""));
        assert_eq!(client.response().text(), "x");
    }
    assert_eq!(origin.accepted(), 1);
    // The next tunnel makes sure of its origin anew, and its first request takes what is there.
    let mut other = house.inside(&proxy, "good.test", &origin);
    other.send(of_path("GET", "/", &authority, "Connection: close\r\n"));
    let response = other.response();
    assert!(response.closes(), "{response:?}");
    other.expect_eof();
    assert_eq!(origin.accepted(), 2);
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 6);
    assert!(lines.iter().all(|line| line.get("allow") == "true"));
    eventually("a close line", || {
        let closed = |line: &crate::support::log_line::LogLine| line.says("CANONICAL-PROXY-CN-CLOSE");
        proxy.log_lines().iter().any(closed).then_some(())
    });
}
