//! Heads and their judgement: who waits, who is refused, what is kept and said of it.

use super::*;

#[test]
fn a_client_that_reads_no_answers_is_not_read_either() {
    let denied = "GET http://10.0.0.1/ HTTP/1.1\r\n\r\n";
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &denied.repeat(3));
    assert!(!bench.flows.up.wants_bytes());
    for _ in 0..3 {
        assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    }
    assert!(bench.flows.up.rx.is_empty() && bench.flows.up.wants_bytes());
}

#[test]
fn a_refused_head_request_gets_no_content() {
    for request in [
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD http:/// HTTP/1.1\r\n\r\n",
        "HEAD http://a/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "HEAD http://a@b/ HTTP/1.1\r\n\r\n",
    ] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, request);
        let answer = bench.leave(Side::Client);
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_refused_stranger_has_ten_seconds_from_its_last_refusal_and_a_byte_wins_it_none() {
    let mut bench = Bench::new();
    bench.policy = policy(Password::new("secret"));
    bench.arrive(Side::Client, &get(""));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    let due = Some(bench.now + Duration::from_secs(10));
    bench.now += Duration::from_secs(9);
    bench.arrive(Side::Client, "GET ");
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(1);
    bench.feed(Input::Expired);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 408 "));
    // It reads no more: of its ten seconds for that nothing moves the end either.
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "nonsense\r\n\r\n");
    let due = Some(bench.now + Duration::from_secs(10));
    bench.now += Duration::from_secs(9);
    bench.flows.down.touched = bench.now;
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(1);
    bench.feed(Input::Expired);
    assert!(bench.session.is_done());
}

#[test]
fn who_said_who_it_is_once_is_no_stranger_any_more() {
    let mut bench = Bench::new();
    bench.policy = policy(Password::new("secret"));
    assert!(bench.session.is_stranger());
    let known = "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\nX-Smokescreen-Trace-ID: t\r\n\r\n";
    bench.arrive(Side::Client, &format!("GET http://10.0.0.1/ HTTP/1.1\r\n{known}"));
    assert!(
        bench.leave(Side::Client).starts_with("HTTP/1.1 407 "),
        "by its address"
    );
    assert!(!bench.session.is_stranger());
    for _ in 0..20 {
        bench.arrive(Side::Client, &get(""));
        assert!(!bench.leave(Side::Client).contains("Connection: close"));
    }
    assert!(!bench.session.is_stranger());
    let idle = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(idle, Some(bench.now + Duration::from_secs(60)));
}

#[test]
fn what_a_stranger_sends_as_trace_id_is_not_kept() {
    let mut bench = Bench::new();
    bench.policy = policy(Password::new("secret"));
    let traced = |more: &str| format!("GET {URL} HTTP/1.1\r\nX-Smokescreen-Trace-ID: t\r\n{more}\r\n");
    let known = "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\nX-Upstream-Https-Proxy: a\r\n";
    for (more, kept) in [
        ("", ""),
        ("Proxy-Authorization: x\r\n", ""),
        (known, "t"),
        ("", "t"),
    ] {
        bench.arrive(Side::Client, &traced(more));
        bench.leave(Side::Client);
        let record = bench.actions.drain(..).find_map(|action| match action {
            Action::Log(record) => Some(record),
            _ => None,
        });
        assert_eq!(record.unwrap().trace_id(), kept.as_bytes(), "{more}");
    }
}

#[test]
fn wrong_credentials_are_refused_so_often_and_right_and_missing_ones_as_ever() {
    let mut bench = Bench::new();
    bench.policy = policy(Password::new("secret"));
    let ask = |bench: &mut Bench, credentials: &str| {
        bench.session = Session::new(SocketAddr::from(([127, 0, 0, 1], 5)), bench.now);
        bench.flows = Flows::new(bench.now);
        bench.actions.clear();
        bench.arrive(
            Side::Client,
            &format!("GET http://10.0.0.1/ HTTP/1.1\r\n{credentials}\r\n"),
        );
        bench.leave(Side::Client)
    };
    let (wrong, right) = (
        "Proxy-Authorization: Basic eDp5\r\n",
        "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n",
    );
    for _ in 0..2_000 {
        assert!(ask(&mut bench, "").starts_with("HTTP/1.1 407 "));
    }
    for _ in 0..1_000 {
        assert!(ask(&mut bench, wrong).starts_with("HTTP/1.1 407 "));
    }
    let answer = ask(&mut bench, wrong);
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    for line in ["Retry-After: 1", "Connection: close"] {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
    }
    assert!(!answer.contains("Proxy-Authenticate"), "{answer}");
    assert!(ask(&mut bench, "").contains("Proxy-Authenticate"));
    assert!(
        ask(&mut bench, right).contains("10.0.0.1"),
        "denied for its address"
    );
    bench.now += Duration::from_secs(1);
    let passed = (0..200).filter(|_| ask(&mut bench, wrong).starts_with("HTTP/1.1 407 "));
    assert_eq!(passed.count(), 100);
}

#[test]
fn user_information_is_neither_logged_nor_echoed() {
    let long = format!("GET http://{}:hunter2@h:1/", "b".repeat(2000));
    for asked in [
        "GET http://bob:hunter2@h:1/",
        "GET http://b%40b:x@hunter2@h:1/",
        "GET https://bob:hunter2@h:1/",
        "GET ftp://bob:hunter2@h:1/",
        "CONNECT bob:hunter2@h:1",
        &long,
    ] {
        let mut bench = Bench::new();
        let request = format!("{asked} HTTP/1.1\r\nAccept: application/json\r\n\r\n");
        bench.arrive(Side::Client, &request);
        let answer = bench.leave(Side::Client);
        assert!(
            answer.contains("\"host\": \"h:1\"") && !answer.contains("hunter2"),
            "{answer}"
        );
        assert_eq!(&*bench.logged().requested_host, "h:1");
    }
}

#[test]
fn a_malformed_request_is_logged_with_what_it_asks_for() {
    use outcome::ProxyType::{Connect, Http};
    for (asked, proxy_type) in [
        ("CONNECT h:1 HTTP/1.1\r\nContent-Length: 1", Connect),
        ("CONNECT h:1 HTTP/1.1\r\nContent-Length: x", Connect),
        ("CONNECT h:1 HTTP/1.1\r\nTransfer-Encoding: gzip", Connect),
        ("CONNECT h:1/ HTTP/1.1\r\nA: b", Connect),
        ("CONNECT bob:hunter2@h:1/secret HTTP/1.1\r\nA: b", Connect),
        ("POST http://bob:hunter2@h:1/ HTTP/1.1\r\nContent-Length: x", Http),
    ] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, &format!("{asked}\r\n\r\n"));
        let answer = bench.leave(Side::Client);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let record = bench.logged();
        assert_eq!(
            (&*record.requested_host, record.proxy_type),
            ("h:1", proxy_type),
            "{asked}"
        );
    }
}

#[test]
fn a_head_that_can_not_be_parsed_is_answered_as_its_accept_asks() {
    for (lines, json) in [
        ("Accept: application/json\r\nHost: a\r\nHost: b\r\n\r\n", true),
        (
            "aCCept:image/png\r\nAccept:application/json\r\nBad : x\r\n\r\n",
            true,
        ),
        ("Accept: application/json, text/plain\r\nBad : x\r\n\r\n", false),
        ("Accept: application/json;q=0\r\nBad : x\r\n\r\n", false),
        ("X-Accept: application/json\r\nBad : x\r\n\r\n", false),
        ("Accept : application/json\r\n\r\n", false),
        // Where its scan finds fault, before its end.
        ("Accept: application/json\r\nX: \0", true),
    ] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, &format!("GET http://h/ HTTP/1.1\r\n{lines}"));
        let answer = bench.leave(Side::Client);
        let kind = match json {
            true => "Content-Type: application/json",
            false => "Content-Type: text/plain",
        };
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains(kind),
            "{answer}"
        );
    }
}

#[test]
fn a_client_that_leaves_an_engine_no_room_to_answer_is_not_read() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "GET http://10.0.0.1/");
    assert!(bench.flows.up.wants_bytes());
    bench.flows.down.note_under(24);
    bench.arrive(Side::Client, &"x".repeat(4096));
    assert!(!bench.flows.up.wants_bytes());
    bench.flows.down.note_under(0);
    bench.feed(Input::Moved);
    assert!(bench.flows.up.wants_bytes());
    bench.arrive(Side::Client, " HTTP/1.1\r\n\r\n");
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
}
