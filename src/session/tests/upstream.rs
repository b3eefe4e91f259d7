//! Requests through an upstream proxy: what it is asked, and what a hostile one can make of its answer.

use std::sync::Arc;

use crate::net::{Host, NoProxy, Peer, ProxyUrl, Trust, Writer};
use crate::policy::acl::Acl;
use crate::policy::{Code, Route, Upstreams};

use super::*;

/// `u:secret`.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n";

const CONNECT: &str = "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";

const ACL: &str = "version: v1\nservices: []\n\
    default: {action: open, upstream_resolves: RESOLVES, allowed_external_proxies: [44.9.9.9, p.test, 10.0.0.1]}\n";

fn through(url: &str) -> Bench {
    with_acl(url, "false")
}

fn with_acl(url: &str, resolves: &str) -> Bench {
    let mut bench = Bench::new();
    let url = ProxyUrl::parse(url, Writer::Operator).unwrap();
    let upstreams = Upstreams::new(Some(url.clone()), Some(url), NoProxy::default());
    let acl = Acl::parse(&ACL.replace("RESOLVES", resolves), &[]).unwrap();
    bench.policy = bench.policy.renewed(Some(acl), None).with_upstreams(upstreams);
    bench
}

/// A tunnel is asked for, and the upstream has the CONNECT.
fn asked() -> Bench {
    let mut bench = through("http://u:secret@127.0.0.1:3128");
    bench.arrive(Side::Client, CONNECT);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench
}

/// The name that is looked up, and its question's number.
fn looked_up(bench: &mut Bench) -> Option<(u32, String)> {
    bench.actions.drain(..).find_map(|action| match action {
        Action::Resolve(seq, name) => Some((seq, name.to_string())),
        _ => None,
    })
}

fn dialled_to(bench: &Bench) -> Vec<String> {
    let lists = bench.actions.iter().filter_map(|action| match action {
        Action::Dial(_, list, _) => Some(list),
        _ => None,
    });
    lists
        .flat_map(|list| list.iter().map(|vetted| vetted.address().to_string()))
        .collect()
}

#[test]
fn a_tunnel_is_asked_for_by_a_connect_of_ours() {
    let mut bench = through("http://u:secret@127.0.0.1:3128");
    bench.arrive(
        Side::Client,
        "CONNECT 44.1.2.3:443 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\nX-A: b\r\n\r\nearly",
    );
    assert_eq!(dialled_to(&bench), ["127.0.0.1:3128"]);
    bench.dialled(false);
    let want = format!("CONNECT 44.1.2.3:443 HTTP/1.1\r\nHost: 44.1.2.3:443\r\n{AUTHORIZATION}\r\n");
    assert_eq!(bench.leave(Side::Origin), want);
    assert_eq!(bench.leave(Side::Client), "");
    bench.arrive(
        Side::Origin,
        "HTTP/1.0 200 Fine\r\nContent-Length: 7\r\nX-B: c\r\n\r\nhello",
    );
    // Nothing of its head passes, and all of what is behind it.
    assert_eq!(
        bench.leave(Side::Client),
        "HTTP/1.1 200 Connection established\r\n\r\nhello"
    );
    assert_eq!(bench.leave(Side::Origin), "early");
    assert!(bench.session.is_tunnel());
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
fn a_plain_request_is_asked_for_in_absolute_form() {
    for (target, line, host) in [
        (
            "http://44.1.2.3/a?b",
            "GET http://44.1.2.3/a?b HTTP/1.1",
            "44.1.2.3",
        ),
        (
            "http://44.1.2.3:8080",
            "GET http://44.1.2.3:8080/ HTTP/1.1",
            "44.1.2.3:8080",
        ),
        (
            "http://44.1.2.3:80/?q#f",
            "GET http://44.1.2.3/?q HTTP/1.1",
            "44.1.2.3",
        ),
        ("ws://44.1.2.3/a", "GET http://44.1.2.3/a HTTP/1.1", "44.1.2.3"),
    ] {
        let mut bench = through("http://u:secret@127.0.0.1:3128");
        bench.arrive(
            Side::Client,
            &format!(
                "GET {target} HTTP/1.1\r\nHost: other.test\r\nProxy-Authorization: Basic eDp5\r\nX: y\r\n\r\n"
            ),
        );
        assert_eq!(dialled_to(&bench), ["127.0.0.1:3128"]);
        bench.dialled(false);
        let want = format!("{line}\r\nHost: {host}\r\nX: y\r\n{AUTHORIZATION}\r\n");
        assert_eq!(bench.leave(Side::Origin), want);
        bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert!(bench.leave(Side::Client).ends_with("\r\n\r\nhi"));
        // It is kept for whatever this role asks of that upstream.
        let parked = bench.actions.iter().find_map(|action| match action {
            Action::Park(key, ..) => Some((key.host.to_string(), key.port, key.route.is_trusted())),
            _ => None,
        });
        assert_eq!(parked, Some(("127.0.0.1".to_owned(), 3128, true)));
    }
    let mut bench = through("http://127.0.0.1:3128");
    bench.arrive(Side::Client, "OPTIONS http://44.1.2.3 HTTP/1.1\r\n\r\n");
    bench.dialled(false);
    assert_eq!(
        bench.leave(Side::Origin),
        "OPTIONS http://44.1.2.3 HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n"
    );
}

/// Its credentials are nowhere but where they are configured, or in what is under way.
#[test]
fn no_spare_box_holds_an_upstream() {
    let mut bench = through("http://u:secret@127.0.0.1:3128");
    for _ in 0..2 {
        bench.arrive(Side::Client, "GET http://44.1.2.3/ HTTP/1.1\r\n\r\n");
        bench.dialled(false);
        bench.leave(Side::Origin);
        bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        bench.leave(Side::Client);
        let mut parked = bench.actions.drain(..).filter_map(|action| match action {
            Action::Park(key, ..) => Some(key.route),
            _ => None,
        });
        let Some(Route::Through(upstream)) = parked.next() else {
            panic!("it is not kept");
        };
        drop(parked);
        assert_eq!(Arc::strong_count(&upstream), 2, "the policy's, and this one");
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

#[test]
fn the_target_is_looked_up_and_vetted_before_the_upstream_is() {
    let ask = "CONNECT a.test:443 HTTP/1.1\r\n\r\n";
    let (public, private) = (IpAddr::from([44, 1, 2, 3]), IpAddr::from([10, 0, 0, 1]));
    let mut bench = through("http://proxy.test:3128");
    bench.arrive(Side::Client, ask);
    let (seq, name) = looked_up(&mut bench).unwrap();
    assert_eq!(name, "a.test");
    // Some of its addresses do not do: the upstream may choose among all.
    bench.feed(Input::Partly(seq, &[public]));
    assert!(!bench.dials() && looked_up(&mut bench).is_none());
    bench.now += Duration::from_millis(30);
    bench.feed(Input::Resolved(seq, Ok(&[public])));
    let (seq, name) = looked_up(&mut bench).unwrap();
    assert_eq!(name, "proxy.test");
    bench.now += Duration::from_millis(12);
    bench.feed(Input::Resolved(seq, Ok(&[private])));
    assert_eq!(dialled_to(&bench), ["10.0.0.1:3128"]);
    bench.dialled(false);
    // By name, for it is to be looked up there.
    assert_eq!(
        bench.leave(Side::Origin),
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"
    );
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(bench.logged().dns_lookup_time, Some(outcome::Micros::new(42_000)));

    for found in [&[private][..], &[public, private]] {
        let mut bench = through("http://127.0.0.1:3128");
        bench.arrive(Side::Client, ask);
        let (seq, _) = looked_up(&mut bench).unwrap();
        bench.feed(Input::Resolved(seq, Ok(found)));
        assert!(!bench.dials());
        let answer = bench.leave(Side::Client);
        assert!(
            answer.starts_with("HTTP/1.1 407 Request rejected by proxy (private-range)"),
            "{answer}"
        );
    }
    let mut bench = through("http://127.0.0.1:3128");
    bench.arrive(Side::Client, "CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n");
    assert!(bench.leave(Side::Client).contains("private-range"));
}

#[test]
fn where_the_upstream_resolves_nobody_else_does() {
    let mut bench = with_acl("http://127.0.0.1:3128", "true");
    bench.arrive(Side::Client, "CONNECT db.corp:443 HTTP/1.1\r\n\r\n");
    assert_eq!(dialled_to(&bench), ["127.0.0.1:3128"]);
    let mut bench = with_acl("http://127.0.0.1:3128", "true");
    bench.arrive(Side::Client, "CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n");
    assert!(
        bench.leave(Side::Client).contains("private-range"),
        "an address needs no lookup"
    );
}

#[test]
fn lookups_of_an_upstream_that_fail_name_it() {
    let fail = crate::net::LookupFail {
        kind: crate::net::LookupFailKind::Failed,
        text: "lookup proxy.test: no such host".into(),
    };
    let ours = IpAddr::from([127, 0, 0, 1]);
    for (answer, words, code) in [
        (
            Err(&fail),
            "upstream proxy http://proxy.test:4750: lookup proxy.test: no such host",
            Code::DnsFailed,
        ),
        (
            Ok(&[ours][..]),
            "upstream proxy http://proxy.test:4750 is 127.0.0.1:4750, where this proxy listens itself",
            Code::SelfConnection,
        ),
    ] {
        let mut bench = through("http://proxy.test:4750");
        bench.arrive(Side::Client, CONNECT);
        let (seq, _) = looked_up(&mut bench).unwrap();
        bench.feed(Input::Resolved(seq, answer));
        let answer = bench.leave(Side::Client);
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains(words),
            "{answer}"
        );
        assert_eq!(bench.logged().code, Some(code));
    }
    let mut bench = through("http://proxy.test:4750");
    bench.arrive(Side::Client, CONNECT);
    bench.now += Duration::from_secs(5);
    bench.feed(Input::Expired);
    let answer = bench.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 504 ")
            && answer.contains("upstream proxy http://proxy.test:4750: lookup proxy.test: i/o timeout"),
        "{answer}"
    );
}

#[test]
fn a_proxy_that_the_client_names_is_vetted() {
    let asks = |url: &str| format!("CONNECT 44.1.2.3:443 HTTP/1.1\r\nX-Upstream-Https-Proxy: {url}\r\n\r\n");
    let mut bench = through("http://127.0.0.1:3128");
    bench.arrive(Side::Client, &asks("http://me:mine@44.9.9.9:8080/"));
    assert_eq!(dialled_to(&bench), ["44.9.9.9:8080"]);
    bench.dialled(false);
    let sent = bench.leave(Side::Origin);
    assert!(
        sent.contains("Proxy-Authorization: Basic bWU6bWluZQ==\r\n") && !sent.contains("X-Upstream"),
        "{sent}"
    );
    for (url, code) in [
        ("http://10.0.0.1", "private-range"),
        ("http://44.8.8.8", "external-proxy-denied"),
        ("nonsense", "external-proxy-denied"),
    ] {
        let mut bench = through("http://127.0.0.1:3128");
        bench.arrive(Side::Client, &asks(url));
        let answer = bench.leave(Side::Client);
        assert!(
            answer.starts_with("HTTP/1.1 407 ") && answer.contains(code),
            "{answer}"
        );
        assert!(!bench.dials());
    }
    // Without an ACL nothing lists it.
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &asks("http://44.9.9.9"));
    let answer = bench.leave(Side::Client);
    assert!(
        answer.contains("(external-proxy-denied)")
            && answer.contains("connect proxy host not allowed in rule"),
        "{answer}"
    );
}

/// Whom the connection is to be secured to now.
fn secured_to(bench: &mut Bench) -> Option<String> {
    bench.actions.drain(..).find_map(|action| match action {
        Action::SecureOrigin(Peer {
            host: Host::Addr(address),
            trust,
        }) => {
            assert_eq!(trust, Trust::Verified);
            Some(address.to_string())
        }
        _ => None,
    })
}

/// The upstream is known before it is asked for anything, and the target before that is.
#[test]
fn each_end_is_secured_before_it_is_told_anything() {
    let connect = format!("CONNECT 44.1.2.3:443 HTTP/1.1\r\nHost: 44.1.2.3:443\r\n{AUTHORIZATION}\r\n");
    let https = "GET https://44.1.2.3/x HTTP/1.1\r\n\r\n";
    for (upstream, asked, chains, secures) in [
        ("http", https, true, &["44.1.2.3"][..]),
        ("https", https, true, &["127.0.0.1", "44.1.2.3"]),
        ("https", CONNECT, true, &["127.0.0.1"]),
        (
            "https",
            "GET http://44.1.2.3/x HTTP/1.1\r\n\r\n",
            false,
            &["127.0.0.1"],
        ),
    ] {
        let mut bench = through(&format!("{upstream}://u:secret@127.0.0.1:3128"));
        bench.arrive(Side::Client, asked);
        bench.dialled(false);
        let mut secured = Vec::new();
        let mut secure = |bench: &mut Bench| {
            if let Some(whom) = secured_to(bench) {
                assert_eq!(bench.leave(Side::Origin), "", "{upstream} {asked}");
                secured.push(whom);
                bench.feed(Input::Secured(Side::Origin, None));
            }
        };
        secure(&mut bench);
        if chains {
            assert_eq!(bench.leave(Side::Origin), connect);
            bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\n\r\n");
        }
        secure(&mut bench);
        assert_eq!(secured, secures, "{upstream} {asked}");
        let told = bench.leave(Side::Origin);
        match asked {
            CONNECT => assert!(bench.session.is_tunnel() && told.is_empty()),
            _ if chains => assert_eq!(told, "GET /x HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n"),
            _ => assert!(
                told.starts_with("GET http://44.1.2.3/x ") && told.contains(AUTHORIZATION),
                "{told}"
            ),
        }
    }
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

/// Whoever answers a TRACE says what it got, and that would come to the client.
#[test]
fn a_trace_tells_no_client_the_credentials() {
    for (upstream, ends) in [
        ("http://u:secret@127.0.0.1:3128", true),
        ("http://127.0.0.1:3128", false),
    ] {
        let mut bench = through(upstream);
        bench.arrive(
            Side::Client,
            "TRACE http://44.1.2.3/ HTTP/1.1\r\nMax-Forwards: 1\r\n\r\n",
        );
        assert_eq!(dialled_to(&bench).is_empty(), ends, "{upstream}");
    }
}

#[test]
fn the_host_is_passed_on_as_it_was_judged() {
    let mut bench = with_acl("http://127.0.0.1:3128", "true");
    bench.arrive(Side::Client, "GET http://EXAMPLE.test.:8080/x HTTP/1.1\r\n\r\n");
    bench.dialled(false);
    let told = bench.leave(Side::Origin);
    assert!(
        told.starts_with("GET http://example.test:8080/x HTTP/1.1\r\n"),
        "{told}"
    );
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
