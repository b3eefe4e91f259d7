//! What is looked up and vetted before an upstream proxy is dialled: the target, the upstream, one that the client
//! names. Which addresses are denied is `policy`'s.

use super::*;

/// The name that is looked up, and its question's number.
fn looked_up(bench: &mut Bench) -> Option<(u32, String)> {
    bench.actions.drain(..).find_map(|action| match action {
        Action::Resolve(seq, name) => Some((seq, name.to_string())),
        _ => None,
    })
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
