//! TLS to clients, as seen by one that does it right: what is spoken, with which keys. Ends and cuts: `tls_ends`; who does it
//! wrong: `tls_stalls`; who comes back: `tls_sessions`; other people's programs: `tls_programs`.

use rustls::{AlertDescription, Error, ProtocolVersion};

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{answer, connect, get, request};
use crate::support::openssl::OpenSsl;
use crate::support::origin::{Next, Origin};
use crate::support::pki::Leaf;
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::site::{Site, await_failures};
use crate::support::tls::{ANY, Client, TLS_1_2, TLS_1_3, Tls};
use crate::support::{assert_same_bytes, pattern};

cases![
    requests_and_tunnels_work_in_both_versions,
    keys_of_every_kind_and_format_are_taken,
    a_key_may_be_in_a_file_of_its_own,
    the_environment_names_files_too,
    issuers_behind_the_certificate_are_sent_along,
    the_password_works_inside,
    plain_http_on_the_port_is_told_what_to_do,
    a_handshake_on_a_plain_port_is_a_400,
    large_bodies_pass_both_ways,
    requests_behind_each_other_on_one_connection,
    a_balancers_header_comes_before_the_handshake,
    http_1_1_is_chosen_where_protocols_are_offered,
    a_client_of_http_2_alone_is_told_by_an_alert,
];

/// Opens a tunnel through TLS.
#[track_caller]
pub(crate) fn tunnel(client: &Client, proxy: &Proxy, authority: &str) -> Tls {
    let mut tunnel = client.connect(proxy.address());
    tunnel.send(connect(authority));
    let response = tunnel.response_to("CONNECT");
    assert_eq!(response.status, 200, "CONNECT {authority}: {}", response.text());
    tunnel
}

#[track_caller]
fn assert_works(client: &Client, proxy: &Proxy) {
    let (plain, echo) = (Origin::fixed("over TLS"), Origin::echo());
    let mut wire = client.connect(proxy.address());
    wire.send(get(&plain.url("/")));
    assert_eq!(wire.response().text(), "over TLS");
    wire.send(connect(&echo.authority()));
    assert_eq!(wire.response_to("CONNECT").status, 200);
    wire.send("ping");
    wire.expect(b"ping");
    wire.half_close();
    wire.expect_eof();
}

fn requests_and_tunnels_work_in_both_versions() {
    let site = Site::new();
    let proxy = site.open();
    for (versions, spoken) in [
        (TLS_1_2, ProtocolVersion::TLSv1_2),
        (TLS_1_3, ProtocolVersion::TLSv1_3),
        (ANY, ProtocolVersion::TLSv1_3),
    ] {
        let client = Client::new(&site.servers.pem(), versions, None);
        assert_eq!(client.connect(proxy.address()).version, spoken);
        assert_works(&client, &proxy);
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 3);
    for line in lines {
        assert_eq!(
            (line.get("bytes_in"), line.get("bytes_out"), line.get("error")),
            ("4", "4", ""),
            "the text is counted, not what travels"
        );
    }
}

fn keys_of_every_kind_and_format_are_taken() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let names = "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n";
    openssl.make("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key");
    openssl.make("rsa -in rsa.key -traditional -out rsa-pkcs1.key");
    openssl.make("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key");
    // As it comes out of this command: a block of parameters first.
    openssl.make("ecparam -name prime256v1 -genkey -out ec-sec1.key");
    openssl.make("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec384.key");
    openssl.make("genpkey -algorithm ED25519 -out ed25519.key");
    for (name, kind) in [
        ("rsa", "BEGIN PRIVATE KEY"),
        ("rsa-pkcs1", "BEGIN RSA PRIVATE KEY"),
        ("ec", "BEGIN PRIVATE KEY"),
        ("ec-sec1", "BEGIN EC PARAMETERS"),
        ("ec384", "BEGIN PRIVATE KEY"),
        ("ed25519", "BEGIN PRIVATE KEY"),
    ] {
        let key = openssl.read(&format!("{name}.key"));
        assert!(key.contains(kind), "{name}: {key}");
        openssl.issue(name, "localhost", names);
        let bundle = openssl.write("bundle.pem", &(openssl.read(&format!("{name}.pem")) + &key));
        let proxy = Setup::open().option("--tls-server-bundle-file", bundle).start();
        for versions in [TLS_1_2, TLS_1_3] {
            assert_works(&Client::new(&openssl.read("ca.pem"), versions, None), &proxy);
        }
    }
    Ok(())
}

fn a_key_may_be_in_a_file_of_its_own() {
    let (site, setup) = (Site::new(), Setup::open());
    let server = site.server();
    let (certificate, key) = (
        setup.file("certificate.pem", &server.chain),
        setup.file("key.pem", &server.key),
    );
    let yaml = format!("tls:\n  cert_file: {certificate}\n  key_file: {key}\n");
    assert_works(&site.client(), &setup.config(&yaml).start());
}

fn the_environment_names_files_too() {
    let (site, setup) = (Site::new(), Setup::open());
    let bundle = setup.file("bundle.pem", &site.server().bundle());
    let proxy = setup.env("SMOKESCREEN_TLS_SERVER_BUNDLE_FILE", &bundle).start();
    assert_works(&site.client(), &proxy);
}

fn issuers_behind_the_certificate_are_sent_along() {
    let (site, setup) = (Site::new(), Setup::open());
    let below = site.servers.below("Below", 7);
    let bundle = setup.file("bundle.pem", &below.issue(&Leaf::server()).bundle());
    let proxy = setup.option("--tls-server-bundle-file", bundle).start();
    // The client knows the root alone.
    assert_works(&site.client(), &proxy);
}

fn the_password_works_inside() {
    let site = Site::new();
    let (proxy, origin) = (site.sealed(Setup::locked()).start(), Origin::fixed("in"));
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/")));
    assert_eq!(wire.response().status, 407);
    wire.send(request("GET", &origin.url("/"), &(basic("u", PASSWORD) + "\r\n")));
    assert_eq!(wire.response().text(), "in");
    let line = proxy.await_lines("CANONICAL-PROXY-DECISION", 2).remove(1);
    assert_eq!(
        (line.get("role"), line.get("inbound_remote_addr")),
        ("authed", wire.from.to_string().as_str())
    );
}

fn plain_http_on_the_port_is_told_what_to_do() {
    let site = Site::new();
    let proxy = site.open();
    for bytes in [
        get("http://x.test/"),
        connect("x.test:443"),
        "S".to_owned(),
        "\u{1}".to_owned(),
    ] {
        let mut client = proxy.client();
        client.send(&bytes);
        let response = client.response();
        assert_eq!((response.status, response.closes()), (400, true), "{bytes:?}");
        assert!(
            response
                .text()
                .contains("this port speaks TLS: give the proxy's address as https://"),
            "{}",
            response.text()
        );
        client.expect_gone();
    }
    let mut lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    assert_eq!(lines.remove(0).get("code"), "malformed-request");
}

fn a_handshake_on_a_plain_port_is_a_400() {
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(Site::new().client().hello());
    let response = client.response();
    assert_eq!(response.status, 400);
    assert!(response.text().contains("TLS handshake"), "{}", response.text());
    client.expect_gone();
}

fn large_bodies_pass_both_ways() {
    let site = Site::new();
    let body = pattern(3 << 20, 5);
    let wanted = body.clone();
    let origin = Origin::http(move |seen, wire| {
        assert_same_bytes(&seen.body, &wanted);
        let _ = wire.try_send(answer("200 OK", "", &seen.body));
        Next::Keep
    });
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let mut wire = Client::new(&site.servers.pem(), versions, None).connect(proxy.address());
        for _ in 0..2 {
            wire.send(request(
                "POST",
                &origin.url("/"),
                &format!("Content-Length: {}\r\n", body.len()),
            ));
            wire.send(&body);
            assert_same_bytes(&wire.response_to("POST").body, &body);
        }
    }
}

fn requests_behind_each_other_on_one_connection() {
    let site = Site::new();
    let (proxy, origin) = (site.open(), Origin::fixed("one of many"));
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/")).repeat(50));
    for _ in 0..50 {
        assert_eq!(wire.response().text(), "one of many");
    }
}

fn a_balancers_header_comes_before_the_handshake() {
    let (site, origin) = (Site::new(), Origin::fixed("behind a balancer"));
    let setup = site.sealed(Setup::open()).arg("--proxy-protocol");
    let proxy = setup.option("--proxy-protocol-from", "127.0.0.1/32").start();
    let line = &b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 4750\r\n"[..];
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\xc6\x33\x64\x01\x0f\xa0\x12\x8e\x04\0\0";
    for header in [line, binary] {
        let connected = site.client().connect_through(proxy.address(), |mut stream| {
            for byte in header {
                std::io::Write::write_all(&mut stream, &[*byte]).expect("sent");
            }
            stream
        });
        let mut wire = connected.unwrap_or_else(|error| panic!("handshake: {error}"));
        wire.send(get(&origin.url("/")));
        assert_eq!(wire.response().text(), "behind a balancer");
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_eq!(line.get("source_addr"), "192.0.2.7:4000");
    }
    // Without one a hello is nothing.
    assert!(site.client().try_connect(proxy.address()).is_err());
}

fn http_1_1_is_chosen_where_protocols_are_offered() {
    let site = Site::new();
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None);
        for offered in [&[&b"http/1.1"[..]][..], &[b"h2", b"http/1.1"]] {
            let client = client.alpn(offered);
            assert_eq!(
                client.connect(proxy.address()).alpn.as_deref(),
                Some(&b"http/1.1"[..])
            );
            assert_works(&client, &proxy);
        }
        assert_eq!(client.connect(proxy.address()).alpn, None);
    }
}

fn a_client_of_http_2_alone_is_told_by_an_alert() {
    let site = Site::new();
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None).alpn(&[b"h2"]);
        let refused = client.try_connect(proxy.address()).err();
        assert_eq!(
            refused,
            Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol))
        );
    }
    for line in await_failures(&proxy, 2) {
        assert!(
            line.contains("level=warning") && line.contains("let it speak HTTP/1.1"),
            "{line}"
        );
    }
}
