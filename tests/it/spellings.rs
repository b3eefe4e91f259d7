//! Requests that mean what they say, however they spell it: what other proxies refuse or rewrite passes here as it
//! came, and what is addressed to an intermediary is answered by it.

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{Framing, get, request};
use crate::support::origin::Origin;
use crate::support::proxy::Setup;
use crate::support::{PUBLIC, PUBLIC_6};

cases![
    an_empty_port_is_the_default_one,
    ws_in_absolute_form_is_http_and_wss_is_https,
    bytes_beyond_ascii_in_a_target_pass_untouched,
    host_is_spelled_as_the_target_spells_it,
    chunk_sizes_may_be_padded,
    max_forwards_is_counted_down,
    max_forwards_of_0_ends_here,
    max_forwards_is_read_after_credentials_and_acl,
    max_forwards_that_is_no_number_is_refused,
];

/// serenity PR#2312: `http://host:/` (RFC 3986, 3.2.3). Port 80 is nobody's here: the refused dial tells it.
fn an_empty_port_is_the_default_one() {
    let proxy = Setup::open().start();
    for url in [
        format!("http://{PUBLIC}:/"),
        format!("http://[{PUBLIC_6}]:?q"),
        format!("ws://{PUBLIC}:"),
    ] {
        let response = proxy.ask(get(&url));
        assert_eq!(response.status, 502, "{url}: {}", response.text());
        assert!(
            response.text().contains(":80: connection refused"),
            "{}",
            response.text()
        );
    }
    for authority in [format!("{PUBLIC}:"), format!("[{PUBLIC_6}]:")] {
        let response = proxy.ask(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ));
        assert_eq!(response.status, 400, "a tunnel has no default port");
    }
    for url in ["http://:/", "http://:80/", "http://a::/"] {
        assert_eq!(proxy.ask(get(url)).status, 400, "{url}");
    }
}

/// As aiohttp asks for a WebSocket.
fn ws_in_absolute_form_is_http_and_wss_is_https() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("in"));
    for scheme in ["ws", "WS"] {
        let response = proxy.ask(get(&origin.url("/chat").replace("http", scheme)));
        assert_eq!(response.text(), "in", "{scheme}");
        assert_eq!(origin.last().target, "/chat");
    }
    let closing = Origin::raw(drop);
    for scheme in ["wss", "https"] {
        let response = proxy.ask(get(&closing.url("/").replace("http", scheme)));
        assert_eq!((response.status, response.code().as_str()), (502, "tls-failed"));
    }
    assert_eq!(
        proxy.ask(get("ws://127.0.0.1/")).status,
        407,
        "it is judged like any other"
    );
}

/// mitmproxy#2272: a path in Latin-1, in UTF-8, in neither.
fn bytes_beyond_ascii_in_a_target_pass_untouched() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    let every: Vec<u8> = (0x80..=0xff).collect();
    for path in [
        &b"/caf\xe9?q=\xfc"[..],
        "/café?q=☃".as_bytes(),
        b"/\xff\xfe\xc0\xaf",
        b"/\x80",
        &[b"/", &every[..]].concat(),
    ] {
        let url = origin.url("");
        client.send([b"GET ", url.as_bytes(), path, b" HTTP/1.1\r\n\r\n"].concat());
        assert_eq!(client.response().text(), "ok");
        let sent = origin.last().raw;
        assert!(
            sent.starts_with(&[b"GET ", path, b" HTTP/1.1\r\n"].concat()),
            "{sent:?}"
        );
    }
    // Nothing else gets in with them, and the host is as strict as before.
    for byte in (0..=b' ').chain([0x7f]) {
        let url = origin.url("/\u{e9}");
        let response = proxy.ask([b"GET ", url.as_bytes(), &[byte, b'x'], b" HTTP/1.1\r\n\r\n"].concat());
        assert_eq!(response.status, 400, "{byte}");
    }
    for host in [&b"caf\xe9.test"[..], b"a\xff.test", b"\xc0\xae.test"] {
        let response = proxy.ask([b"GET http://", host, b"/ HTTP/1.1\r\n\r\n"].concat());
        assert_eq!(response.status, 400);
    }
    assert_eq!(origin.requests().len(), 5);
}

/// minio#9169, serenity PR#2312: SigV4 signs Host, letter by letter.
fn host_is_spelled_as_the_target_spells_it() {
    let dns = Dns::start()
        .name("my-bucket.example.test", &[PUBLIC])
        .name("xn--bcher-kva.test", &[PUBLIC]);
    let (proxy, origin) = (Setup::open().resolver(&dns).start(), Origin::fixed("ok"));
    let port = origin.address().port();
    for (written, sent) in [
        ("My-Bucket.Example.TEST", "My-Bucket.Example.TEST"),
        ("my-bucket.example.test.", "my-bucket.example.test."),
        ("XN--bcher-KVA.test", "XN--bcher-KVA.test"),
        ("B\u{fc}cher.Test", "xn--bcher-kva.test"),
        ("\u{ff22}\u{fc}cher\u{3002}test", "xn--bcher-kva.test"),
        (PUBLIC, PUBLIC),
        (&format!("[::ffff:{PUBLIC}]"), PUBLIC),
    ] {
        let response = proxy.ask(get(&origin.url_at(written, "/")));
        assert_eq!(response.text(), "ok", "{written}");
        assert_eq!(
            origin.last().fields.all("host"),
            [format!("{sent}:{port}")],
            "{written}"
        );
    }
    // The default port is left out, and no spelling of it is kept.
    assert_eq!(proxy.ask(get("http://MY-bucket.example.test:00080/")).status, 502);
}

/// http-parser PR#483.
fn chunk_sizes_may_be_padded() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let head = request("POST", &origin.url("/"), "Transfer-Encoding: chunked\r\n");
    let response = proxy.ask(head + "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n");
    assert_eq!(response.text(), "ok");
    let seen = origin.last();
    assert_eq!(
        (seen.body.as_slice(), seen.framing),
        (&b"abc"[..], Framing::Chunked)
    );
}

/// zoxy#240.
fn max_forwards_is_counted_down() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for (method, value, sent) in [
        ("OPTIONS", "1", "0"),
        ("OPTIONS", "5", "4"),
        ("TRACE", "0010", "9"),
        ("GET", "0", "0"),
        ("POST", "x", "x"),
    ] {
        let lines = format!("Max-Forwards: {value}\r\nContent-Length: 0\r\n");
        assert_eq!(proxy.ask(request(method, &origin.url("/"), &lines)).status, 200);
        let seen = origin.last();
        assert_eq!(seen.fields.all("max-forwards"), [sent], "{method} {value}");
        assert_eq!(seen.method, method);
    }
}

fn max_forwards_of_0_ends_here() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    let lines = "Max-Forwards: 0\r\nCookie: sekrit\r\n";
    for url in [
        origin.url("/"),
        origin.url(""),
        "http://nobody.looks.this.up.test/".to_owned(),
    ] {
        client.send(request("OPTIONS", &url, lines));
        let response = client.response();
        assert_eq!((response.status, response.framing), (200, Framing::Length(0)));
        assert!(response.fields.has("allow") && !response.closes(), "{response:?}");
        assert!(!response.fields.has("x-smokescreen-error"), "{response:?}");
    }
    client.send(request("TRACE", &origin.url("/"), lines));
    let response = client.response();
    assert_eq!(response.status, 405);
    assert!(
        response
            .fields
            .get("allow")
            .is_some_and(|allow| !allow.contains("TRACE"))
    );
    assert!(!format!("{response:?}").contains("sekrit"));
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().text(), "ok", "the connection goes on");
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 5);
    for (line, status) in lines.iter().zip(["200", "200", "200", "405"]) {
        assert_eq!((line.get("allow"), line.get("status_code")), ("true", status));
    }
    assert_eq!(origin.requests().len(), 1);
}

fn max_forwards_is_read_after_credentials_and_acl() {
    let acl = "version: v1\nservices:\n  - {name: authed, project: p, action: enforce, allowed_domains: [a.test]}\n";
    let proxy = Setup::bare().env("PROXY_PASSWORD", "secret").acl(acl).start();
    for value in ["0", "x", "5"] {
        let lines = format!("Max-Forwards: {value}\r\n");
        let response = proxy.ask(request("OPTIONS", "http://a.test/", &lines));
        assert_eq!(
            (response.status, response.fields.has("proxy-authenticate")),
            (407, true)
        );
        let lines = format!("Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n{lines}");
        let response = proxy.ask(request("TRACE", "http://b.test/", &lines));
        assert_eq!(
            (response.status, response.fields.has("proxy-authenticate")),
            (407, false)
        );
    }
}

fn max_forwards_that_is_no_number_is_refused() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for value in [
        "",
        "-1",
        "+1",
        "1, 1",
        "1.5",
        "0x1",
        "two",
        "18446744073709551616",
        "1\r\nMax-Forwards: 1",
    ] {
        for method in ["OPTIONS", "TRACE"] {
            let lines = format!("Max-Forwards: {value}\r\n");
            assert_eq!(
                proxy.ask(request(method, &origin.url("/"), &lines)).status,
                400,
                "{value}"
            );
        }
    }
    assert!(origin.requests().is_empty());
}
