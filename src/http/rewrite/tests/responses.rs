//! What reaches the client of an origin's response, byte for byte: fields, framing, reasons, interim ones.

use super::*;

#[test]
fn response_fields_pass_but_for_the_hops() {
    let lines = [
        "Set-Cookie: a=1; Path=/",
        "Set-Cookie: b=2",
        "Content-Type: text/x; charset=q",
        "Server: s",
        "X-Empty: ",
        "WWW-Authenticate: Basic realm=x",
        "Content-Encoding: br",
        "Trailer: X-T",
        "Alt-Svc: h3",
        "Host: odd",
    ];
    let mut with_hops = vec![
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=1",
        "Upgrade: h2c",
        "TE: x",
    ];
    with_hops.extend(lines);
    assert_eq!(answered("204 No Content", &with_hops, PLAN), lines);
}

/// Reference issues #9 and #85: nobody but us says what X-Smokescreen-Error says.
#[test]
fn issues_9_and_85_origin_sends_x_smokescreen_error() {
    let lines = [
        "X-Smokescreen-Error: forged",
        "x-smokescreen-error: again",
        "X-Smokescreen-New: x",
        "X-Ok: 1",
    ];
    assert_eq!(answered("204 No Content", &lines, PLAN), ["X-Ok: 1"]);
}

/// privoxy CVE-2013-2503: an origin doesn't get to ask for the proxy's credentials; its 407 itself passes.
#[test]
fn cve_2013_2503_origin_sends_407() {
    let lines = [
        "Proxy-Authenticate: Basic realm=\"x\"",
        "proxy-support: S",
        "Proxy-Connection: close",
        "Content-Length: 4",
    ];
    assert_eq!(
        answered("407 Proxy Authentication Required", &lines, PLAN),
        ["Content-Length: 4"]
    );
}

#[test]
fn response_framing_fits_the_client() {
    let old = ResponsePlan {
        version_client: Version::Http10,
        client_persists: false,
        ..PLAN
    };
    let head = ResponsePlan {
        request_is_head: true,
        ..PLAN
    };
    let length = &["content-length: 05"][..];
    let chunked = &["transfer-encoding: Chunked"][..];
    for (status, lines, plan, want) in [
        ("200 OK", length, PLAN, &["Content-Length: 5"][..]),
        ("200 OK", chunked, PLAN, &["Transfer-Encoding: chunked"]),
        (
            "200 OK",
            &[],
            ResponsePlan {
                client_persists: false,
                ..PLAN
            },
            &["Connection: close"],
        ),
        ("200 OK", length, old, &["Content-Length: 5", "Connection: close"]),
        ("200 OK", chunked, old, &["Connection: close"]),
        (
            "200 OK",
            length,
            ResponsePlan {
                client_persists: true,
                ..old
            },
            &["Content-Length: 5", "Connection: keep-alive"],
        ),
        ("200 OK", length, head, &["Content-Length: 5"]),
        ("200 OK", chunked, head, &["Transfer-Encoding: chunked"]),
        (
            "200 OK",
            chunked,
            ResponsePlan {
                request_is_head: true,
                ..old
            },
            &["Connection: close"],
        ),
        ("200 OK", &[], head, &[]),
        ("304 Not Modified", length, PLAN, &["Content-Length: 5"]),
        ("304 Not Modified", chunked, PLAN, &[]),
        ("304 Not Modified", chunked, head, &[]),
        ("204 No Content", length, PLAN, &[]),
        ("204 No Content", chunked, head, &[]),
        ("999 ", &["Content-Length: 0"], PLAN, &["Content-Length: 0"]),
    ] {
        assert_eq!(answered(status, lines, plan), want, "{status} {lines:?} {plan:?}");
    }
}

#[test]
fn interim_and_switching_responses() {
    let mut out = Vec::new();
    let lines = ["Link: </x>", "Connection: X-Hop", "X-Hop: 1", "Content-Length: 3"];
    testing::response(with_lines("HTTP/1.0 103 Early Hints", &lines), |head| {
        interim(head, &mut out)
    })
    .unwrap();
    assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    let lines = [
        "Upgrade: websocket",
        "Connection: upgrade",
        "Sec-WebSocket-Accept: x",
        "Content-Length: 3",
    ];
    let plan = ResponsePlan {
        upgrade: true,
        client_persists: false,
        ..PLAN
    };
    let want = [
        "Sec-WebSocket-Accept: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ];
    assert_eq!(answered("101 Switching Protocols", &lines, plan), want);
    let not_asked = ResponsePlan {
        upgrade: false,
        ..plan
    };
    assert_eq!(
        answered("101 Switching Protocols", &lines, not_asked),
        ["Sec-WebSocket-Accept: x"]
    );
}

#[test]
fn reasons_pass_as_they_are() {
    let mut out = Vec::new();
    let plan = ResponsePlan {
        body: Body::UntilClose,
        ..PLAN
    };
    testing::response(b"HTTP/1.0 418 I'm \xe9\t\r\nA: b\r\n\r\n", |head| {
        response(head, &plan, &mut out)
    })
    .unwrap();
    assert_eq!(out, b"HTTP/1.1 418 I'm \xe9\t\r\nA: b\r\n\r\n");
    out.clear();
    testing::response("HTTP/1.1 200\r\n\r\n", |head| response(head, &plan, &mut out)).unwrap();
    assert_eq!(out, b"HTTP/1.1 200 \r\n\r\n");
}
