//! Who comes back with a session, and what a reload means for certificates, tickets and open connections.

use std::time::{Duration, Instant};

use rustls::{AlertDescription, Error, HandshakeKind};

use crate::support::case::cases;
use crate::support::message::{connect, get};
use crate::support::openssl::OpenSsl;
use crate::support::origin::Origin;
use crate::support::pki::{Ca, Issued, Leaf};
use crate::support::program;
use crate::support::proxy::{Proxy, Setup};
use crate::support::site::{Site, await_failures, reload, rewrite};
use crate::support::tls::{ANY, Client, TLS_1_2, TLS_1_3, Tls};
use crate::support::wire::End;
use crate::tls::tunnel;

cases![
    a_session_is_resumed_in_both_versions,
    who_resumes_is_who_it_was,
    a_client_that_is_revoked_can_not_come_back_with_its_session,
    other_authorities_void_all_sessions,
    who_comes_back_when_its_certificate_has_ended_is_judged_anew,
    another_certificate_of_the_proxy_voids_none,
    s_client_resumes_and_is_refused_when_it_is_revoked,
    no_early_data_is_offered_and_none_is_taken,
    a_new_certificate_is_for_new_connections,
    a_broken_file_changes_nothing_and_is_named,
    an_expired_list_is_warned_about_at_start_and_at_reload,
    what_a_list_does_not_cover_is_warned_about,
];

const RESUMED: HandshakeKind = HandshakeKind::Resumed;

/// Connects and asks for something: with the answer comes the ticket.
#[track_caller]
fn visit(client: &Client, proxy: &Proxy, origin: &Origin) -> HandshakeKind {
    let mut wire = client.connect(proxy.address());
    wire.send(get(&origin.url("/")));
    assert_eq!(wire.response().text(), "visited");
    wire.kind
}

/// A client refused for its certificate: the alert, whichever half of the handshake it came in.
#[track_caller]
pub(crate) fn refusal(client: &Client, proxy: &Proxy) -> AlertDescription {
    let error = match client.try_connect(proxy.address()) {
        Err(error) => error,
        Ok(mut wire) => {
            let (text, end) = wire.drain();
            assert_eq!((text.as_slice(), end), (&b""[..], End::Reset));
            wire.failure().expect("an alert")
        }
    };
    match error {
        Error::AlertReceived(alert) => alert,
        other => panic!("no alert: {other}"),
    }
}

fn versions_of(site: &Site, identity: Option<&Issued>) -> [Client; 2] {
    [TLS_1_2, TLS_1_3].map(|versions| {
        let identity = identity.map(|issued| (issued.chain.as_str(), issued.key.as_str()));
        Client::new(&site.servers.pem(), versions, identity)
    })
}

fn a_session_is_resumed_in_both_versions() {
    let (site, origin, echo) = (Site::new(), Origin::fixed("visited"), Origin::echo());
    let proxy = site.open();
    for client in versions_of(&site, None) {
        assert_ne!(visit(&client, &proxy, &origin), RESUMED);
        for _ in 0..3 {
            assert_eq!(visit(&client, &proxy, &origin), RESUMED);
        }
        let mut wire = tunnel(&client, &proxy, &echo.authority());
        assert_eq!(wire.kind, RESUMED);
        wire.half_close();
        wire.expect_eof();
    }
}

fn who_resumes_is_who_it_was() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let proxy = site.mutual(Setup::open()).start();
    let leaf = Leaf {
        unit: "crawlers",
        ..Leaf::client("crawler")
    };
    let identity = site.clients.issue(&leaf);
    for client in versions_of(&site, Some(&identity)) {
        assert_ne!(visit(&client, &proxy, &origin), RESUMED);
        assert_eq!(visit(&client, &proxy, &origin), RESUMED);
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 4) {
        assert_eq!(
            (
                line.get("src_host_common_name"),
                line.get("src_host_organization_unit"),
                line.get("inbound_remote_x509_cn"),
                line.get("inbound_remote_x509_ou"),
            ),
            ("crawler", "crawlers", "crawler", "crawlers")
        );
    }
}

fn a_client_that_is_revoked_can_not_come_back_with_its_session() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let setup = site.revoking(Setup::open(), &[99]);
    let list = setup.file("revoked.pem", &site.clients.crl(&[99], (2020, 2040)));
    let proxy = setup.start();
    let (gone, stays) = (
        site.clients.issue(&Leaf {
            serial: 5,
            ..Leaf::client("gone")
        }),
        site.clients.issue(&Leaf {
            serial: 6,
            ..Leaf::client("stays")
        }),
    );
    let (gone, stays) = (versions_of(&site, Some(&gone)), versions_of(&site, Some(&stays)));
    for client in gone.iter().chain(&stays) {
        visit(client, &proxy, &origin);
        assert_eq!(visit(client, &proxy, &origin), RESUMED);
    }
    rewrite(&list, &site.clients.crl(&[99, 5], (2021, 2040)));
    reload(&proxy);
    for client in &gone {
        assert_eq!(refusal(client, &proxy), AlertDescription::CertificateRevoked);
    }
    for client in &stays {
        assert_ne!(visit(client, &proxy, &origin), RESUMED, "all tickets are void");
        assert_eq!(visit(client, &proxy, &origin), RESUMED);
    }
    for line in await_failures(&proxy, 2) {
        assert!(line.contains("revoked"), "{line}");
    }
}

fn other_authorities_void_all_sessions() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let setup = site.mutual(Setup::open());
    let authorities = setup.file("clients.pem", &site.clients.pem());
    let proxy = setup.start();
    let identity = site.clients.issue(&Leaf::client("client"));
    let clients = versions_of(&site, Some(&identity));
    for client in &clients {
        visit(client, &proxy, &origin);
        assert_eq!(visit(client, &proxy, &origin), RESUMED);
    }
    rewrite(&authorities, &(site.clients.pem() + &Ca::new("Another").pem()));
    reload(&proxy);
    for client in &clients {
        assert_ne!(visit(client, &proxy, &origin), RESUMED);
    }
    rewrite(&authorities, &Ca::new("Yet another").pem());
    reload(&proxy);
    for client in &clients {
        assert_eq!(refusal(client, &proxy), AlertDescription::UnknownCA);
    }
}

/// Its ticket would be good for an hour.
fn who_comes_back_when_its_certificate_has_ended_is_judged_anew() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let proxy = site.mutual(Setup::open()).start();
    let lasts = Duration::from_secs(14);
    let identity = site.clients.issue(&Leaf {
        ends_in: Some(lasts),
        ..Leaf::client("short")
    });
    let issued = Instant::now();
    let clients = versions_of(&site, Some(&identity));
    for client in &clients {
        assert_ne!(visit(client, &proxy, &origin), RESUMED);
        assert_eq!(visit(client, &proxy, &origin), RESUMED);
    }
    // A certificate is valid until the end of its last second.
    std::thread::sleep((issued + lasts + Duration::from_secs(1)).saturating_duration_since(Instant::now()));
    for client in &clients {
        assert_eq!(refusal(client, &proxy), AlertDescription::CertificateExpired);
    }
    for line in await_failures(&proxy, 2) {
        assert!(line.contains("the client's certificate has expired,"), "{line}");
    }
}

fn another_certificate_of_the_proxy_voids_none() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let setup = site.revoking(Setup::open(), &[99]);
    let bundle = setup.file("server.pem", &site.server().bundle());
    let proxy = setup.start();
    let identity = site.clients.issue(&Leaf::client("client"));
    let clients = versions_of(&site, Some(&identity));
    for client in &clients {
        visit(client, &proxy, &origin);
    }
    rewrite(&bundle, &site.server().bundle());
    reload(&proxy);
    for client in &clients {
        assert_eq!(visit(client, &proxy, &origin), RESUMED);
    }
}

/// s_client, with a request on its input, until the server ends.
fn s_client(openssl: &OpenSsl, proxy: &Proxy, arguments: &str, origin: &Origin) -> program::Finished {
    let mut command = openssl.command(&format!(
        "s_client -connect {} -servername localhost -CAfile servers.pem -cert client.pem -key client.key -ign_eof {arguments}",
        proxy.address()
    ));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        origin.url("/"),
        origin.authority()
    );
    program::run_fed(&mut command, &request)
}

/// The files that [`s_client`] takes.
fn prepare(openssl: &OpenSsl, site: &Site) {
    let client = site.clients.issue(&Leaf {
        serial: 5,
        ..Leaf::client("client")
    });
    openssl.write("servers.pem", &site.servers.pem());
    openssl.write("client.pem", &client.chain);
    openssl.write("client.key", &client.key);
}

fn s_client_resumes_and_is_refused_when_it_is_revoked() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    prepare(&openssl, &site);
    let setup = site.revoking(Setup::open(), &[99]);
    let list = setup.file("revoked.pem", &site.clients.crl(&[99], (2020, 2040)));
    let proxy = setup.start();
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client(
            &openssl,
            &proxy,
            &format!("{version} -sess_out session{version}"),
            &origin,
        );
        assert!(
            first.text().contains("New, TLSv1") && first.text().contains("visited"),
            "{first:?}"
        );
        let second = s_client(
            &openssl,
            &proxy,
            &format!("{version} -sess_in session{version}"),
            &origin,
        );
        assert!(
            second.text().contains("Reused, TLSv1") && second.text().contains("visited"),
            "{second:?}"
        );
    }
    rewrite(&list, &site.clients.crl(&[99, 5], (2021, 2040)));
    reload(&proxy);
    for version in ["-tls1_2", "-tls1_3"] {
        let third = s_client(
            &openssl,
            &proxy,
            &format!("{version} -sess_in session{version}"),
            &origin,
        );
        assert!(
            !third.text().contains("visited") && third.stderr.contains("certificate revoked"),
            "{third:?}"
        );
    }
    Ok(())
}

fn no_early_data_is_offered_and_none_is_taken() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    prepare(&openssl, &site);
    let proxy = site.mutual(Setup::open()).start();
    let first = s_client(&openssl, &proxy, "-tls1_3 -sess_out session", &origin);
    assert!(first.text().contains("Max Early Data: 0"), "{first:?}");
    // A client that sends some all the same: rustls's own does so only where it was offered, openssl refuses to.
    openssl.write("early", &get(&origin.url("/early")));
    let early = s_client(
        &openssl,
        &proxy,
        "-tls1_3 -sess_in session -early_data early",
        &origin,
    );
    assert!(
        early.text().contains("Early data was not sent") || early.text().contains("Early data was rejected"),
        "{early:?}"
    );
    assert!(origin.requests().iter().all(|seen| seen.target == "/"));
    proxy_goes_on(&site, &proxy, &origin);
    Ok(())
}

#[track_caller]
fn proxy_goes_on(site: &Site, proxy: &Proxy, origin: &Origin) {
    visit(&site.client(), proxy, origin);
}

fn a_new_certificate_is_for_new_connections() {
    let (site, origin) = (Site::new(), Origin::echo());
    let setup = site.sealed(Setup::open());
    let (old, new) = (site.server(), site.server());
    let bundle = setup.file("server.pem", &old.bundle());
    let proxy = setup.start();
    let is_certified_by = |wire: &Tls, issued: &Issued| issued.chain == pem(&wire.certificate);
    let mut before = tunnel(&site.client(), &proxy, &origin.authority());
    assert!(is_certified_by(&before, &old));
    rewrite(&bundle, &new.bundle());
    let lines = reload(&proxy);
    assert!(lines[0].contains("level=info"), "{lines:?}");
    let mut after = tunnel(&site.client(), &proxy, &origin.authority());
    assert!(is_certified_by(&after, &new));
    for wire in [&mut before, &mut after] {
        wire.send("ping");
        wire.expect(b"ping");
        wire.half_close();
        wire.expect_eof();
    }
}

/// A certificate as rcgen writes it.
fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\r\n{}\r\n-----END CERTIFICATE-----\r\n",
        lines.join("\r\n")
    )
    .replace("\r\n", "\n")
}

fn a_broken_file_changes_nothing_and_is_named() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let setup = site.revoking(Setup::open(), &[5]);
    let good = [
        ("server.pem", site.server().bundle()),
        ("clients.pem", site.clients.pem()),
        ("revoked.pem", site.clients.crl(&[5], (2020, 2040))),
    ];
    let paths = good.clone().map(|(name, content)| setup.file(name, &content));
    let proxy = setup.start();
    let revoked = site.client_with(&site.clients.issue(&Leaf {
        serial: 5,
        ..Leaf::client("gone")
    }));
    let fresh = site.server();
    for (path, (name, content)) in paths.iter().zip(&good) {
        for bad in ["", "-----BEGIN CERTIFICATE-----\n", &content[..content.len() / 2]] {
            // What is right beside it must not count either.
            rewrite(&paths[0], &fresh.bundle());
            rewrite(path, bad);
            let lines = reload(&proxy);
            let line = &lines[0];
            assert!(
                line.contains("level=error") && line.contains("Nothing was reloaded") && line.contains(path),
                "{name}: {line}"
            );
            let wire = site.client().connect(proxy.address());
            assert_ne!(pem(&wire.certificate), fresh.chain, "{name}");
            assert_eq!(refusal(&revoked, &proxy), AlertDescription::CertificateRevoked);
            visit(&site.client(), &proxy, &origin);
        }
        rewrite(path, content);
    }
    std::fs::remove_file(&paths[0]).expect("gone");
    assert!(reload(&proxy)[0].contains(&paths[0]));
    rewrite(&paths[0], &fresh.bundle());
    reload(&proxy);
    assert_eq!(
        pem(&site.client().connect(proxy.address()).certificate),
        fresh.chain
    );
}

#[track_caller]
fn warnings(lines: &[String], words: &str) -> usize {
    let found = lines
        .iter()
        .filter(|line| line.contains("level=warning") && line.contains(words));
    found.count()
}

fn an_expired_list_is_warned_about_at_start_and_at_reload() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let setup = site.revoking(Setup::open(), &[5]);
    let list = setup.file("revoked.pem", &site.clients.crl(&[5], (2020, 2021)));
    let proxy = setup.start();
    crate::support::site::settle(&proxy);
    assert_eq!(
        warnings(&proxy.log(), "has expired: it is still enforced"),
        1,
        "{:#?}",
        proxy.log()
    );
    let gone = site.clients.issue(&Leaf {
        serial: 5,
        ..Leaf::client("gone")
    });
    for client in versions_of(&site, Some(&gone)) {
        assert_eq!(refusal(&client, &proxy), AlertDescription::CertificateRevoked);
    }
    for client in versions_of(&site, Some(&site.clients.issue(&Leaf::client("stays")))) {
        visit(&client, &proxy, &origin);
    }
    assert_eq!(warnings(&reload(&proxy), "has expired: it is still enforced"), 1);
    rewrite(&list, &site.clients.crl(&[5], (2020, 2040)));
    assert_eq!(warnings(&reload(&proxy), "has expired"), 0);
}

fn what_a_list_does_not_cover_is_warned_about() {
    let (site, origin) = (Site::new(), Origin::fixed("visited"));
    let (covered, other) = (Ca::new("Covered"), Ca::new("Unknown"));
    let setup = site.mutual(Setup::open());
    setup.file("clients.pem", &(site.clients.pem() + &covered.pem()));
    let lists = setup.file(
        "revoked.pem",
        &(covered.crl(&[5], (2020, 2040)) + &other.crl(&[5], (2020, 2040))),
    );
    let proxy = setup.option("--tls-crl-file", lists).start();
    crate::support::site::settle(&proxy);
    let log = proxy.log();
    assert_eq!(warnings(&log, "is of none of the client CAs"), 1, "{log:#?}");
    assert_eq!(
        warnings(&log, "No revocation list is there of the client CA"),
        1,
        "{log:#?}"
    );
    let leaf = Leaf {
        serial: 5,
        ..Leaf::client("same number")
    };
    let served = Client::new(&site.servers.pem(), ANY, None);
    visit(&served, &proxy, &origin);
    visit(&site.client_with(&site.clients.issue(&leaf)), &proxy, &origin);
    let refused = site.client_with(&covered.issue(&leaf));
    assert_eq!(refusal(&refused, &proxy), AlertDescription::CertificateRevoked);
    let mut wire = site
        .client_with(&site.clients.issue(&leaf))
        .connect(proxy.address());
    wire.send(connect("127.0.0.1:1"));
    assert_eq!(wire.response_to("POST").status, 407);
}
