//! Upgrade (RFC 9110, 7.8) from the proxy's side: what concerns the hop to it is never passed on, a 101 counts only for
//! what was asked for, and a connection that declined is kept for nobody. How bytes flow afterwards:
//! `forward_connections`.

use std::process::Command;

use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::message::{answer, get, ok, request};
use crate::support::origin::{Next, Origin};
use crate::support::program;
use crate::support::proxy::Setup;

cases![
    an_upgrade_of_the_hop_is_never_passed_on,
    what_remains_of_a_list_is_passed_on,
    a_101_for_what_was_not_asked_for_is_502,
    a_connection_that_declined_an_upgrade_is_kept_for_nobody,
    an_origin_can_not_offer_a_protocol_of_the_hop,
    curl_that_offers_h2c_gets_plain_http,
];

/// Agrees to whatever it is asked for, and takes what follows for its own; says `plain` where it is asked for nothing.
fn eager() -> Origin {
    Origin::http(|request, wire| {
        let asked = request.fields.all("upgrade").join(", ");
        if asked.is_empty() {
            let _ = wire.try_send(ok("plain"));
            return Next::Keep;
        }
        let head =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {asked}\r\n\r\n");
        let _ = wire.try_send(head + "switched");
        wire.drain();
        Next::Close
    })
}

/// golang/go#80416, yarp#877, jetty#14730: an origin that agrees to h2c would be told what the client says to the
/// proxy.
fn an_upgrade_of_the_hop_is_never_passed_on() {
    let (proxy, origin) = (Setup::open().start(), eager());
    let mut client = proxy.client();
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.3, HTTP/1.1\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: tls/1.2\r\n",
        "Connection: upgrade\r\nUpgrade: , h2c ,\t,http/3\r\n",
        "Connection: upgrade\r\n",
        "Upgrade: websocket\r\n",
    ] {
        client.send(request("GET", &origin.url("/"), lines));
        assert_eq!(client.response().text(), "plain", "{lines}");
        let seen = origin.last().fields;
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(!seen.has(name), "{lines}: {name} passed");
        }
    }
    client.send(format!(
        "GET {} HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        origin.url("/")
    ));
    assert_eq!(client.response().text(), "plain", "HTTP/1.0 knows no upgrade");
    assert_eq!(
        origin.accepted(),
        1,
        "without an upgrade there is none to decline"
    );
}

fn what_remains_of_a_list_is_passed_on() {
    let proxy = Setup::open().start();
    for (lines, wanted) in [
        ("Upgrade: h2c, websocket\r\n", "websocket"),
        ("Upgrade: WebSocket\r\nUpgrade: TLS/1.3\r\n", "WebSocket"),
        ("Upgrade: SPDY/3.1, http/2.0, tcp\r\n", "SPDY/3.1, tcp"),
    ] {
        let origin = eager();
        let mut client = proxy.client();
        client.send(request(
            "GET",
            &origin.url("/"),
            &format!("Connection: Upgrade\r\n{lines}"),
        ));
        let response = client.response();
        let agreed = response.fields.get("upgrade");
        assert_eq!((response.status, agreed.as_deref()), (101, Some(wanted)));
        client.expect(b"switched");
        assert_eq!(origin.last().fields.all("upgrade"), [wanted]);
    }
}

fn a_101_for_what_was_not_asked_for_is_502() {
    let proxy = Setup::open().start();
    for fields in [
        "Upgrade: h2c\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: chat/2\r\n",
        "Upgrade:\r\n",
        "",
    ] {
        let head = format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{fields}\r\nLEAK");
        let origin = Origin::scripted(head, Next::Keep);
        let lines = "Connection: Upgrade\r\nUpgrade: websocket, chat/1, h2c\r\n";
        let response = proxy.ask(request("GET", &origin.url("/"), lines));
        assert_eq!(response.status, 502, "{fields}");
        assert!(!response.text().contains("LEAK"));
    }
}

/// What nghttpx did behind any pool: it answered, and took the next request for the other protocol.
fn a_connection_that_declined_an_upgrade_is_kept_for_nobody() {
    let proxy = Setup::open().start();
    for status in ["200 OK", "426 Upgrade Required", "404 Not Found"] {
        let origin = Origin::scripted(answer(status, "", b"no"), Next::Keep);
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(request(
                "GET",
                &origin.url("/"),
                "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            ));
            assert_eq!(client.response().text(), "no");
        }
        assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "no");
        assert_eq!(origin.accepted(), 3, "{status}: the connection was used again");
    }
}

fn an_origin_can_not_offer_a_protocol_of_the_hop() {
    let proxy = Setup::open().start();
    let lines = "Connection: Upgrade\r\nUpgrade: h2,h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nUpgrade: h2c\r\n\r\n".to_vec();
    for bytes in [
        answer("200 OK", lines, b"ok"),
        answer("426 Upgrade Required", lines, b"ok"),
        chunked,
    ] {
        let origin = Origin::scripted(bytes, Next::Keep);
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!(response.text(), "ok");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(
                !response.fields.has(name) && !response.trailers.has(name),
                "{name}"
            );
        }
    }
}

fn curl_that_offers_h2c_gets_plain_http() -> Result<(), String> {
    let curl = program::find("curl")?;
    let (proxy, origin) = (Setup::open().start(), eager());
    assert!(origin.authority().starts_with(PUBLIC));
    let mut command = Command::new(curl);
    command.args([
        "-sS",
        "--max-time",
        "12",
        "--http2",
        "-x",
        &format!("http://{}", proxy.address()),
    ]);
    command
        .args([origin.url("/1"), origin.url("/2")])
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    let finished = program::run(&mut command);
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), "plainplain"),
        "{finished:?}"
    );
    Ok(())
}
