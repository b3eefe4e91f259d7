//! What an upstream proxy, a hostile one too, can make of its answer or of its silence, and what the client is told
//! then. What it is asked is in `requests`.

use super::*;

/// A tunnel is asked for, and the upstream has the CONNECT.
fn asked() -> Bench {
    let mut bench = through("http://u:secret@127.0.0.1:3128");
    bench.arrive(Side::Client, CONNECT);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench
}

#[test]
fn its_head_may_come_in_any_pieces_and_behind_interim_ones() {
    for status in [200, 204, 299] {
        let answer = format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 {status} \r\nTransfer-Encoding: chunked\r\n\r\nx"
        );
        let mut bench = asked();
        for byte in answer.chars() {
            assert!(!bench.session.is_tunnel());
            assert_eq!(bench.leave(Side::Client), "");
            bench.arrive(Side::Origin, &byte.to_string());
            if bench.session.is_tunnel() {
                break;
            }
        }
        bench.arrive(Side::Origin, "x");
        assert_eq!(
            bench.leave(Side::Client),
            "HTTP/1.1 200 Connection established\r\n\r\nx",
            "{status}"
        );
    }
}

/// The status of our answer, what it says, and its code.
fn answered(bench: &mut Bench) -> (u16, String, Option<Code>) {
    let answer = bench.leave(Side::Client);
    let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap();
    assert!(!answer.contains("secret") && !answer.contains("dTpz"), "{answer}");
    assert!(
        bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::DropOrigin)),
        "it is kept"
    );
    assert!(bench.flows.down.rx.is_empty() && !bench.session.is_tunnel());
    let record = bench.logged();
    assert!(record.allow && record.outbound_remote.is_some());
    (status, answer, record.code)
}

#[test]
fn what_it_refuses_is_told_in_our_words() {
    for (line, shown) in [
        ("HTTP/1.1 403 Forbidden", "HTTP/1.1 403 Forbidden"),
        (
            "HTTP/1.1 407 Proxy Authentication Required",
            "HTTP/1.1 407 Proxy Authentication Required",
        ),
        ("HTTP/1.0 503", "HTTP/1.0 503"),
        ("HTTP/1.1 302 Found", "HTTP/1.1 302 Found"),
        ("HTTP/1.1 999 <b>\u{e9}", "HTTP/1.1 999 <b>\\u{e9}"),
    ] {
        let mut bench = asked();
        let fields =
            "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 5\r\nX-Smokescreen-Code: forged\r\n";
        bench.arrive(Side::Origin, &format!("{line}\r\n{fields}\r\nhello"));
        let (status, answer, code) = answered(&mut bench);
        assert_eq!((status, code), (502, Some(Code::UpstreamRefused)), "{answer}");
        let text = format!("Refused by upstream proxy http://127.0.0.1:3128: {shown}\n");
        assert!(answer.ends_with(&text), "{answer}");
        assert!(
            answer.contains("error=destination_unavailable; details=\"upstream-refused\""),
            "{answer}"
        );
        for hidden in ["Authenticate", "forged", "hello"] {
            assert!(!answer.contains(hidden), "{answer}");
        }
    }
    let mut bench = asked();
    bench.arrive(
        Side::Origin,
        &format!("HTTP/1.1 500 {}\r\n\r\n", "\u{1f4a9}".repeat(5000)),
    );
    assert!(answered(&mut bench).1.len() < 2500);
}

#[test]
fn an_answer_that_is_none_is_told_as_such() {
    let garbage = [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
        "HTTP/2 200\r\n\r\n".to_owned(),
        "HTTP/1.1 099 x\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\nA: b\n\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(33),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(300)),
        format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(200_000)),
    ];
    for text in garbage {
        let mut bench = asked();
        bench.arrive(Side::Origin, &text);
        let (status, answer, code) = answered(&mut bench);
        assert_eq!(
            (status, code),
            (502, Some(Code::MalformedResponse)),
            "{text:.40} {answer}"
        );
        let words = "Malformed response from upstream proxy http://127.0.0.1:3128: ";
        assert!(answer.contains(words), "{answer}");
    }
}

#[test]
fn one_that_goes_away_or_is_silent_is_named() {
    let mut bench = asked();
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nX: ");
    bench.flows.down.end = End::Reached;
    bench.feed(Input::Moved);
    let (status, answer, code) = answered(&mut bench);
    assert_eq!((status, code), (502, Some(Code::OriginClosed)));
    let words = "Failed to connect to remote host: upstream proxy http://127.0.0.1:3128: it closed the connection without an answer";
    assert!(answer.contains(words), "{answer}");
    let fail = reset();
    for failed in [
        Input::Broken(Side::Origin, &fail),
        Input::Unwritable(Side::Origin, &fail),
    ] {
        let mut bench = asked();
        bench.feed(failed);
        assert_eq!(answered(&mut bench).2, Some(Code::OriginClosed));
    }
    // Whatever dribbles in, the dial's time is all there is.
    let began = Instant::now();
    let mut bench = asked();
    for second in 1..=10 {
        let deadline = bench.session.deadline(&bench.flows, &bench.settings).unwrap();
        assert!(deadline <= began + Duration::from_secs(11));
        bench.now += Duration::from_secs(1);
        bench.arrive(Side::Origin, "HTTP/1.1 100 C\r\n\r\n");
        assert_eq!(bench.leave(Side::Client), "", "after {second} s");
    }
    bench.feed(Input::Expired);
    let (status, answer, code) = answered(&mut bench);
    assert_eq!((status, code), (504, Some(Code::ConnectTimeout)));
    assert!(
        answer.contains("upstream proxy http://127.0.0.1:3128: no answer to CONNECT within 10s"),
        "{answer}"
    );
    let mut bench = asked();
    bench.settings.connect_timeout = None;
    assert!(
        bench.session.deadline(&bench.flows, &bench.settings).is_some(),
        "no limit at all"
    );
    // Nor does anything hang where the client goes or the proxy ends.
    for input in [
        Input::Broken(Side::Client, &reset()),
        Input::Terminate,
        Input::Starved(Side::Origin),
    ] {
        let mut bench = asked();
        bench.feed(input);
        bench.leave(Side::Client);
        assert!(
            matches!(bench.logged().error(), Some(error) if !error.is_empty()),
            "{input:?}"
        );
    }
}

#[test]
fn one_that_is_down_is_named_and_nobody_goes_straight() {
    for ask in [CONNECT, "GET http://44.1.2.3/ HTTP/1.1\r\n\r\n"] {
        let mut bench = through("http://u:secret@127.0.0.1:3128");
        bench.arrive(Side::Client, ask);
        let fail = DialFail {
            address: ([127, 0, 0, 1], 3128).into(),
            fail: reset(),
        };
        bench.feed(Input::Dialled(1, Err(&fail)));
        let answer = bench.leave(Side::Client);
        let words = "Failed to connect to remote host: upstream proxy http://127.0.0.1:3128: dial tcp 127.0.0.1:3128: broken pipe";
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains(words),
            "{answer}"
        );
        assert_eq!(dialled_to(&bench), ["127.0.0.1:3128"]);
    }
}

#[test]
fn a_407_of_its_own_is_no_business_of_the_clients() {
    let ask = "GET http://44.1.2.3/ HTTP/1.1\r\n\r\n";
    let challenge = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";
    let mut bench = through("http://u:secret@127.0.0.1:3128");
    bench.arrive(Side::Client, ask);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(Side::Origin, challenge);
    let (status, answer, code) = answered(&mut bench);
    assert_eq!((status, code), (502, Some(Code::UpstreamRefused)), "{answer}");
    assert!(
        answer.contains("Refused by upstream proxy http://127.0.0.1:3128: HTTP/1.1 407 No"),
        "{answer}"
    );
    // An origin's passes, as ever.
    let mut bench = Bench::new();
    bench.arrive(Side::Client, ask);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(Side::Origin, challenge);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 No"));
}

/// It may have its 200 ready before it is asked: with an engine over the connection the CONNECT would go to the target.
#[test]
fn an_answer_before_the_connect_left_is_malformed() {
    for asked in [CONNECT, "GET https://44.1.2.3/x HTTP/1.1\r\n\r\n"] {
        let mut bench = through("http://u:secret@127.0.0.1:3128");
        bench.arrive(Side::Client, asked);
        bench.dialled(false);
        bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\n\r\n");
        let (status, text, code) = answered(&mut bench);
        assert_eq!((status, code), (502, Some(Code::MalformedResponse)));
        assert!(text.contains("before the request"), "{text}");
    }
}

#[test]
fn a_handshake_that_fails_says_with_whom() {
    for (upstream, whom) in [
        (
            "http",
            "upstream proxy http://127.0.0.1:3128: TLS with 44.1.2.3 at 44.1.2.3:80: no",
        ),
        (
            "https",
            "upstream proxy https://127.0.0.1:3128: TLS with it at 44.1.2.3:80: no",
        ),
    ] {
        let mut bench = through(&format!("{upstream}://u:secret@127.0.0.1:3128"));
        bench.arrive(Side::Client, "GET https://44.1.2.3/x HTTP/1.1\r\n\r\n");
        bench.dialled(false);
        if upstream == "http" {
            bench.leave(Side::Origin);
            bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\n\r\n");
        }
        assert!(secured_to(&mut bench).is_some());
        let fail = IoFail {
            kind: IoFailKind::Tls(crate::net::TlsFault::Certificate),
            text: "no".into(),
        };
        bench.feed(Input::Broken(Side::Origin, &fail));
        let (status, text, code) = answered(&mut bench);
        assert_eq!((status, code), (502, Some(Code::TlsFailed)));
        assert!(text.contains(whom), "{text}");
    }
}
