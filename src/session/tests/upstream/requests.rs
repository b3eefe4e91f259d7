//! What an upstream proxy is asked, in which form, and after whom the connection is secured to. What it says to that is
//! in `answers`.

use std::sync::Arc;

use crate::policy::Route;

use super::*;

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
