//! The role that a client's certificate names, end to end: by which of its names, what the ACL makes of it, what a password
//! is beside it. Who is refused in the handshake: `mtls`.

use rustls::HandshakeKind;

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::pki::{Issued, Leaf};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::site::{Site, reload, rewrite};
use crate::support::tls::{Client, TLS_1_2, TLS_1_3};

cases![
    the_common_name_names_the_role,
    the_first_uri_names_the_role_whole,
    the_first_dns_name_names_the_role,
    without_the_wanted_name_there_is_no_role,
    the_password_is_asked_for_beside_a_certificate,
    a_certificate_identifies_without_a_password,
    a_session_keeps_its_role,
    an_acl_that_is_reloaded_counts_for_open_connections_too,
];

/// Lets this role out, and nobody else.
fn acl(role: &str) -> String {
    format!(
        "version: v1\nservices:\n  - {{name: \"{role}\", project: web, action: open}}\n\
         default: {{project: others, action: enforce, allowed_domains: []}}\n"
    )
}

/// A proxy whose clients' certificates name roles by this, where `role` is the one that may go out.
fn proxy(site: &Site, role_from: &str, role: &str) -> Proxy {
    let setup = Setup::bare();
    let bundle = setup.file("server.pem", &site.server().bundle());
    let authority = setup.file("clients.pem", &site.clients.pem());
    let yaml =
        format!("tls:\n  cert_file: {bundle}\n  client_ca_files: [{authority}]\n  role_from: {role_from}\n");
    setup.config(&yaml).acl(&acl(role)).start()
}

/// What a client with this certificate gets: the status, the code, and the role in the log.
#[track_caller]
fn asked(site: &Site, proxy: &Proxy, identity: &Issued) -> Vec<(u16, String, String)> {
    let origin = Origin::fixed("out");
    let before = proxy
        .log_lines()
        .iter()
        .filter(|line| line.says("CANONICAL-PROXY-DECISION"))
        .count();
    let mut answers = Vec::new();
    for versions in [TLS_1_2, TLS_1_3] {
        let identity = (identity.chain.as_str(), identity.key.as_str());
        let client = Client::new(&site.servers.pem(), versions, Some(identity));
        let mut wire = client.connect(proxy.address());
        wire.send(get(&origin.url("/")));
        let response = wire.response();
        answers.push((
            response.status,
            response.fields.get("x-smokescreen-code").unwrap_or_default(),
        ));
    }
    let lines = proxy
        .await_lines("CANONICAL-PROXY-DECISION", before + 2)
        .split_off(before);
    let with_role = |((status, code), line): ((u16, String), _)| {
        let line: crate::support::log_line::LogLine = line;
        (status, code, line.get("role").to_owned())
    };
    answers.into_iter().zip(lines).map(with_role).collect()
}

#[track_caller]
fn assert_is(site: &Site, proxy: &Proxy, leaf: &Leaf<'_>, status: u16, code: &str, role: &str) {
    for answer in asked(site, proxy, &site.clients.issue(leaf)) {
        assert_eq!(answer, (status, code.to_owned(), role.to_owned()), "{leaf:?}");
    }
}

fn the_common_name_names_the_role() {
    let site = Site::new();
    let proxy = proxy(&site, "cn", "crawler");
    assert_is(&site, &proxy, &Leaf::client("crawler"), 200, "", "crawler");
    for other in ["Crawler", "crawler ", "crawlers", "authed"] {
        assert_is(&site, &proxy, &Leaf::client(other), 407, "default-rule", other);
    }
}

const SPIFFE: &str = "spiffe://example.org/ns/jobs/sa/crawler";

fn the_first_uri_names_the_role_whole() {
    let site = Site::new();
    let proxy = proxy(&site, "san_uri", SPIFFE);
    let named = |uris| Leaf {
        uris,
        ..Leaf::client("cn")
    };
    assert_is(&site, &proxy, &named(&[SPIFFE]), 200, "", SPIFFE);
    assert_is(
        &site,
        &proxy,
        &named(&[SPIFFE, "spiffe://example.org/other"]),
        200,
        "",
        SPIFFE,
    );
    let other = "spiffe://example.org/ns/jobs/sa/crawler2";
    assert_is(
        &site,
        &proxy,
        &named(&[other, SPIFFE]),
        407,
        "default-rule",
        other,
    );
    assert_is(&site, &proxy, &Leaf::client(SPIFFE), 407, "role-unknown", "");
}

fn the_first_dns_name_names_the_role() {
    let site = Site::new();
    let proxy = proxy(&site, "san_dns", "crawler.jobs.example");
    let named = |dns| Leaf {
        dns,
        uris: &[SPIFFE],
        ..Leaf::client("cn")
    };
    assert_is(
        &site,
        &proxy,
        &named(&["crawler.jobs.example"]),
        200,
        "",
        "crawler.jobs.example",
    );
    assert_is(
        &site,
        &proxy,
        &named(&["other.jobs.example", "crawler.jobs.example"]),
        407,
        "default-rule",
        "other.jobs.example",
    );
    assert_is(
        &site,
        &proxy,
        &Leaf::client("crawler.jobs.example"),
        407,
        "role-unknown",
        "",
    );
}

fn without_the_wanted_name_there_is_no_role() {
    let site = Site::new();
    for role_from in ["cn", "san_uri", "san_dns"] {
        let proxy = proxy(&site, role_from, "crawler");
        let leaf = match role_from {
            "cn" => Leaf {
                uris: &["crawler"],
                ..Leaf::client("")
            },
            _ => Leaf::client("crawler"),
        };
        assert_is(&site, &proxy, &leaf, 407, "role-unknown", "");
        let mut wire = site.client().connect(proxy.address());
        wire.send(get("http://x.test/"));
        let response = wire.response();
        // No credentials are asked for, so none would help.
        assert_eq!(
            (response.status, response.fields.has("proxy-authenticate")),
            (407, false),
            "without a certificate"
        );
    }
}

fn the_password_is_asked_for_beside_a_certificate() {
    let site = Site::new();
    let proxy = site.mutual(Setup::locked()).acl(&acl("crawler")).start();
    let origin = Origin::fixed("out");
    let client = site.client_with(&site.clients.issue(&Leaf::client("crawler")));
    let mut wire = client.connect(proxy.address());
    for (lines, status) in [
        (String::new(), 407),
        (basic("u", "wrong") + "\r\n", 407),
        // Then it is the certificate that names the role.
        (basic("u", PASSWORD) + "\r\n", 200),
    ] {
        wire.send(request("GET", &origin.url("/"), &lines));
        assert_eq!(wire.response().status, status);
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 3);
    assert_eq!(lines[2].get("role"), "crawler");
}

fn a_certificate_identifies_without_a_password() {
    let site = Site::new();
    let proxy = site.mutual(Setup::bare()).start();
    let origin = Origin::echo();
    let client = site.client_with(&site.clients.issue(&Leaf::client("crawler")));
    let mut wire = client.connect(proxy.address());
    wire.send(connect(&origin.authority()));
    assert_eq!(wire.response_to("CONNECT").status, 200);
    wire.send("ping");
    wire.expect(b"ping");
    wire.half_close();
    wire.expect_eof();
    for line in [proxy.decision(), proxy.close_line()] {
        assert_eq!(line.get("role"), "crawler");
    }
}

fn a_session_keeps_its_role() {
    let site = Site::new();
    let proxy = proxy(&site, "san_uri", SPIFFE);
    let origin = Origin::fixed("out");
    let identity = site.clients.issue(&Leaf {
        uris: &[SPIFFE],
        ..Leaf::client("cn")
    });
    for versions in [TLS_1_2, TLS_1_3] {
        let identity = (identity.chain.as_str(), identity.key.as_str());
        let client = Client::new(&site.servers.pem(), versions, Some(identity));
        for nth in 0..2 {
            let mut wire = client.connect(proxy.address());
            assert_eq!(wire.kind == HandshakeKind::Resumed, nth > 0);
            wire.send(get(&origin.url("/")));
            assert_eq!(wire.response().status, 200);
        }
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 4) {
        assert_eq!(line.get("role"), SPIFFE);
    }
}

/// A connection keeps whom it belongs to; what he may do is asked at each request.
fn an_acl_that_is_reloaded_counts_for_open_connections_too() {
    let (site, origin) = (Site::new(), Origin::fixed("out"));
    let setup = site.mutual(Setup::bare());
    let list = setup.file("acl.yaml", &acl("crawler"));
    let proxy = setup.option("--egress-acl-file", list.as_str()).start();
    let client = site.client_with(&site.clients.issue(&Leaf::client("crawler")));
    let mut wire = client.connect(proxy.address());
    for (role, status) in [("crawler", 200), ("somebody else", 407), ("crawler", 200)] {
        rewrite(&list, &acl(role));
        reload(&proxy);
        wire.send(get(&origin.url("/")));
        assert_eq!(wire.response().status, status);
    }
}
