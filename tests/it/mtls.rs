//! Clients that say who they are by a certificate: what is asked of them, who is refused in the handshake and how he is
//! told, what the log shows of them. Who comes back with a session: `tls_sessions`.

use rustls::AlertDescription;

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{connect, get, request};
use crate::support::openssl::OpenSsl;
use crate::support::origin::Origin;
use crate::support::pki::{Ca, Issued, Key, Leaf};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::site::{Site, await_failures, settle};
use crate::support::tls::{Client, TLS_1_2, TLS_1_3};
use crate::tls::tunnel;
use crate::tls_sessions::refusal;

use rcgen::ExtendedKeyUsagePurpose as Usage;

cases![
    without_a_certificate_the_password_is_asked_for,
    the_log_says_whom_a_certificate_names,
    a_certificate_without_names_is_no_name,
    names_can_not_forge_lines,
    a_chain_with_an_authority_between_is_verified,
    any_of_several_authorities_is_enough,
    who_is_refused_in_the_handshake_is_told_why,
    a_revoked_authority_between_is_refused,
    certificates_of_version_1_are_refused_with_the_cure,
    a_certificate_that_nobody_can_read_is_refused_with_an_alert,
    a_certificate_whose_names_nobody_can_read_names_nobody,
    a_list_of_users_certificates_alone_revokes_those,
    an_rsa_certificate_works_too,
    a_proxy_without_client_authorities_asks_for_no_certificate,
];

const VERSIONS: [&[&rustls::SupportedProtocolVersion]; 2] = [TLS_1_2, TLS_1_3];

fn clients(site: &Site, identity: &Issued) -> [Client; 2] {
    let identity = (identity.chain.as_str(), identity.key.as_str());
    VERSIONS.map(|versions| Client::new(&site.servers.pem(), versions, Some(identity)))
}

#[track_caller]
fn assert_serves(client: &Client, proxy: &Proxy) {
    let origin = Origin::fixed("in");
    let mut wire = client.connect(proxy.address());
    wire.send(get(&origin.url("/")));
    assert_eq!(wire.response().text(), "in");
}

/// Refused in both versions: with this alert, and a line each with these words.
#[track_caller]
fn assert_refused(site: &Site, setup: Setup, identity: &Issued, alert: AlertDescription, words: &str) {
    let proxy = setup.start();
    for client in clients(site, identity) {
        assert_eq!(refusal(&client, &proxy), alert, "{words}");
    }
    for line in await_failures(&proxy, 2) {
        assert!(
            line.contains("level=warning") && line.contains(words) && line.contains("client 127.0.0.1:"),
            "{words:?} is not in {line}"
        );
    }
    // Who gives none is served all the same.
    assert_serves(&site.client(), &proxy);
}

fn without_a_certificate_the_password_is_asked_for() {
    let site = Site::new();
    let (proxy, origin) = (site.mutual(Setup::locked()).start(), Origin::fixed("in"));
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/")));
    let response = wire.response();
    assert_eq!(
        (response.status, response.fields.has("proxy-authenticate")),
        (407, true)
    );
    wire.send(request("GET", &origin.url("/"), &(basic("u", PASSWORD) + "\r\n")));
    assert_eq!(wire.response().text(), "in");
    let line = proxy.await_lines("CANONICAL-PROXY-DECISION", 2).remove(1);
    assert_eq!(
        (
            line.get("role"),
            line.get("src_host_common_name"),
            line.get("src_host_organization_unit"),
            line.find("inbound_remote_x509_cn"),
        ),
        ("authed", "unknown", "unknown", None)
    );
}

fn the_log_says_whom_a_certificate_names() {
    let (site, echo) = (Site::new(), Origin::echo());
    let proxy = site.mutual(Setup::open()).start();
    let leaf = Leaf {
        unit: "web hooks",
        ..Leaf::client("hooks.example")
    };
    for client in clients(&site, &site.clients.issue(&leaf)) {
        let mut wire = tunnel(&client, &proxy, &echo.authority());
        wire.send("ping");
        wire.expect(b"ping");
        wire.half_close();
        wire.expect_eof();
        let mut denied = client.connect(proxy.address());
        denied.send(connect("127.0.0.1:1"));
        assert_eq!(denied.response_to("POST").status, 407);
    }
    let decisions = proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    let closes = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2);
    for line in decisions.iter().chain(&closes) {
        assert_eq!(
            (
                line.get("inbound_remote_x509_cn"),
                line.get("inbound_remote_x509_ou")
            ),
            ("hooks.example", "web hooks"),
            "{line:?}"
        );
    }
    for line in decisions {
        assert_eq!(
            (
                line.get("src_host_common_name"),
                line.get("src_host_organization_unit")
            ),
            ("hooks.example", "web hooks")
        );
    }
}

fn a_certificate_without_names_is_no_name() {
    let site = Site::new();
    let proxy = site.mutual(Setup::open()).start();
    let leaf = Leaf {
        dns: &["somebody.example"],
        ..Leaf::client("")
    };
    assert_serves(&site.client_with(&site.clients.issue(&leaf)), &proxy);
    let line = proxy.decision();
    assert_eq!(
        (
            line.get("src_host_common_name"),
            line.get("src_host_organization_unit")
        ),
        ("unknown", "unknown")
    );
}

/// Whoever may sign is trusted, but what an operator lets others ask for is not.
fn names_can_not_forge_lines() {
    let site = Site::new();
    let proxy = site.mutual(Setup::open()).start();
    let name = "a\" allow=true\nlevel=info msg=forged \u{1b}[2J";
    let unit = "u".repeat(3_000);
    let leaf = Leaf {
        unit: &unit,
        ..Leaf::client(name)
    };
    assert_serves(&site.client_with(&site.clients.issue(&leaf)), &proxy);
    let line = proxy.decision();
    assert_eq!(line.get("src_host_common_name"), name);
    assert!(
        !proxy
            .log()
            .iter()
            .any(|line| line.starts_with("level=info msg=forged"))
    );
    settle(&proxy);
    let longest = proxy.log().iter().map(String::len).max();
    assert!(longest.is_some_and(|bytes| bytes < 8_000), "{longest:?}");
}

fn a_chain_with_an_authority_between_is_verified() {
    let site = Site::new();
    let proxy = site.mutual(Setup::open()).start();
    let below = site.clients.below("Below", 7).below("Further below", 8);
    for client in clients(&site, &below.issue(&Leaf::client("deep"))) {
        assert_serves(&client, &proxy);
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_eq!(line.get("inbound_remote_x509_cn"), "deep");
    }
}

fn any_of_several_authorities_is_enough() {
    let (site, setup) = (Site::new(), Setup::open());
    let (second, third) = (Ca::new("Second"), Ca::new("Third"));
    // Two in one file, one in another.
    let both = setup.file("both.pem", &(site.clients.pem() + &second.pem()));
    let one = setup.file("one.pem", &third.pem());
    let setup = site.sealed(setup).option("--tls-client-ca-file", both);
    let proxy = setup.option("--tls-client-ca-file", one).start();
    for ca in [&site.clients, &second, &third] {
        assert_serves(&site.client_with(&ca.issue(&Leaf::client("any"))), &proxy);
    }
}

fn who_is_refused_in_the_handshake_is_told_why() {
    let site = Site::new();
    let plain = || site.mutual(Setup::open());
    let own = |leaf: Leaf<'_>| site.clients.issue(&leaf);
    let client = || Leaf::client("c");
    for (setup, identity, alert, words) in [
        (
            plain(),
            own(Leaf {
                years: (2020, 2021),
                ..client()
            }),
            AlertDescription::CertificateExpired,
            "the client's certificate has expired",
        ),
        (
            plain(),
            own(Leaf {
                years: (2090, 2091),
                ..client()
            }),
            AlertDescription::CertificateExpired,
            "is not valid yet: compare the clocks",
        ),
        (
            plain(),
            Ca::new("Elsewhere").issue(&client()),
            AlertDescription::UnknownCA,
            "is signed by none of the client CAs (--tls-client-ca-file)",
        ),
        (
            plain(),
            // The proxy's own authority is none for clients.
            site.servers.issue(&client()),
            AlertDescription::UnknownCA,
            "is signed by none of the client CAs",
        ),
        (
            plain(),
            own(Leaf {
                usage: Some(Usage::ServerAuth),
                ..client()
            }),
            AlertDescription::UnsupportedCertificate,
            "extendedKeyUsage lacks clientAuth",
        ),
        (
            site.revoking(Setup::open(), &[5]),
            own(Leaf {
                serial: 5,
                ..client()
            }),
            AlertDescription::CertificateRevoked,
            "is revoked",
        ),
        (
            plain(),
            own(Leaf {
                is_ca: true,
                ..client()
            }),
            AlertDescription::CertificateUnknown,
            "is a CA's (basicConstraints CA:TRUE): issue one for the client itself",
        ),
        (
            plain(),
            // A name of an authority that is trusted, and another's signature.
            Ca::new("Clients").issue(&client()),
            AlertDescription::DecryptError,
            "is not signed with the key of the client CA that it names",
        ),
    ] {
        assert_refused(&site, setup, &identity, alert, words);
    }
}

fn a_revoked_authority_between_is_refused() {
    let site = Site::new();
    let below = site.clients.below("Below", 7);
    let identity = below.issue(&Leaf::client("c"));
    // The list of the leaf's own issuer says nothing; that of the issuer's issuer does.
    let setup = site.revoking(Setup::open(), &[7]);
    assert_refused(
        &site,
        setup,
        &identity,
        AlertDescription::CertificateRevoked,
        "is revoked, or that of one of its issuers is",
    );
    let setup = site.revoking(Setup::open(), &[6]);
    let list = setup.file("below.pem", &below.crl(&[2], (2020, 2040)));
    assert_refused(
        &site,
        setup.option("--tls-crl-file", list),
        &identity,
        AlertDescription::CertificateRevoked,
        "is revoked",
    );
    let setup = site.revoking(Setup::open(), &[6]);
    let list = setup.file("below.pem", &below.crl(&[3], (2020, 2040)));
    let proxy = setup.option("--tls-crl-file", list).start();
    for client in clients(&site, &identity) {
        assert_serves(&client, &proxy);
    }
}

fn certificates_of_version_1_are_refused_with_the_cure() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    openssl.make("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key");
    openssl.issue("old", "old", "");
    let shown = openssl.make("x509 -in old.pem -noout -text");
    if !shown.text().contains("Version: 1 ") {
        return Err("this openssl makes no certificates of version 1".to_owned());
    }
    let (site, setup) = (Site::new(), Setup::open());
    let authority = setup.file("authority.pem", &openssl.read("ca.pem"));
    let setup = site.sealed(setup).option("--tls-client-ca-file", authority);
    let identity = Issued {
        chain: openssl.read("old.pem"),
        key: openssl.read("old.key"),
        serial: 0,
    };
    assert_refused(
        &site,
        setup,
        &identity,
        AlertDescription::CertificateUnknown,
        "is of X.509 version 1: issue it as version 3 (openssl x509 -req with -extfile)",
    );
    Ok(())
}

/// Leaf or issuer, before anybody looks for who signed it.
fn a_certificate_that_nobody_can_read_is_refused_with_an_alert() {
    let site = Site::new();
    let good = site.clients.issue(&Leaf::client("odd.example"));
    // Its version is no number.
    let odd = site
        .clients
        .altered(&good, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x04\x01\x02");
    let behind = Issued {
        chain: good.chain.clone() + &odd.chain,
        ..good
    };
    for identity in [odd, behind] {
        assert_refused(
            &site,
            site.mutual(Setup::open()),
            &identity,
            AlertDescription::BadCertificate,
            "the client's certificate can't be read",
        );
    }
}

/// Of the subject webpki reads nothing. Here what should be a set (RFC 5280, 4.1.2.4) is a sequence.
fn a_certificate_whose_names_nobody_can_read_names_nobody() {
    let site = Site::new();
    let proxy = site.mutual(Setup::open()).start();
    let good = site.clients.issue(&Leaf::client("odd.example"));
    let name = b"\x31\x14\x30\x12\x06\x03\x55\x04\x03\x0c\x0bodd.example";
    let odd = [&[0x30], &name[1..]].concat();
    assert_serves(
        &site.client_with(&site.clients.altered(&good, name, &odd)),
        &proxy,
    );
    assert_eq!(proxy.decision().get("src_host_common_name"), "unknown");
}

/// onlyContainsUserCerts (RFC 5280, 5.2.5).
fn a_list_of_users_certificates_alone_revokes_those() {
    let site = Site::new();
    let setup = || {
        let setup = site.mutual(Setup::open());
        let list = setup.file("users.pem", &site.clients.user_crl(&[5]));
        setup.option("--tls-crl-file", list)
    };
    let revoked = site.clients.issue(&Leaf {
        serial: 5,
        ..Leaf::client("c")
    });
    assert_refused(
        &site,
        setup(),
        &revoked,
        AlertDescription::CertificateRevoked,
        "is revoked",
    );
    let proxy = setup().start();
    for client in clients(&site, &site.clients.issue(&Leaf::client("c"))) {
        assert_serves(&client, &proxy);
    }
    settle(&proxy);
    let warned = |line: &&String| line.contains("covers only part") && line.contains("users.pem");
    assert_eq!(proxy.log().iter().filter(warned).count(), 1, "{:#?}", proxy.log());
}

fn an_rsa_certificate_works_too() {
    let site = Site::new();
    let proxy = site.mutual(Setup::open()).start();
    let leaf = Leaf {
        key: Key::Rsa,
        ..Leaf::client("rsa")
    };
    for client in clients(&site, &site.clients.issue(&leaf)) {
        assert_serves(&client, &proxy);
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_eq!(line.get("inbound_remote_x509_cn"), "rsa");
    }
}

fn a_proxy_without_client_authorities_asks_for_no_certificate() {
    let site = Site::new();
    let proxy = site.open();
    // Nobody would verify it.
    for client in clients(&site, &Ca::new("Elsewhere").issue(&Leaf::client("c"))) {
        assert_serves(&client, &proxy);
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_eq!(line.find("inbound_remote_x509_cn"), None);
    }
}
