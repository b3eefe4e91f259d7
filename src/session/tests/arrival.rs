//! What a client may do before it says a word, and with its first one.

use super::*;

#[test]
fn the_first_byte_leads_to_a_head_at_once_and_wins_no_time() {
    let mut bench = Bench::new();
    let due = Some(bench.now + Duration::from_secs(30));
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(29);
    bench.arrive(Side::Client, "G");
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(1);
    bench.feed(Input::Expired);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_client_hello_is_answered_as_a_head_that_is_none() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "\u{16}");
    let answer = bench.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("a TLS handshake where a plain HTTP request"),
        "{answer}"
    );
    assert!(bench.flows.up.rx.is_empty());
}

#[test]
fn a_silent_client_is_let_go_without_a_word() {
    for end in [
        Input::Expired,
        Input::Drain,
        Input::Terminate,
        Input::Broken(Side::Client, &reset()),
        Input::Moved,
    ] {
        let mut bench = Bench::new();
        match end {
            Input::Expired => bench.now += Duration::from_secs(30),
            Input::Drain => bench.now += Duration::from_secs(2),
            Input::Moved => bench.flows.up.end = End::Reached,
            _ => {}
        }
        bench.feed(end);
        assert!(bench.session.is_done() && bench.flows.down.tx.is_empty());
        assert!(matches!(bench.actions[..], [Action::Close(Close::Orderly)]));
    }
}

/// Bytes and an event that says more may come together.
#[test]
fn an_event_beside_the_first_bytes_is_not_lost() {
    let mut bench = Bench::new();
    bench.flows.up.rx.push(get("").as_bytes());
    bench.feed(Input::Broken(Side::Client, &reset()));
    assert!(bench.session.is_done());
    let mut bench = Bench::new();
    bench.flows.up.rx.push(b"GET ");
    bench.feed(Input::Starved(Side::Client));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 503 "));
    let mut bench = Bench::new();
    bench.flows.up.rx.push(b"GET ");
    bench.feed(Input::Drain);
    assert!(!bench.session.is_done(), "its request is under way");
}

/// Whose connection the header says it is, behind a balancer at 127.0.0.1.
const NAMED: &str = "192.0.2.7:4000";

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 4750\r\n";

const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\xc6\x33\x64\x01\x0f\xa0\x12\x8e\x04\0\0";

/// One that awaits a header.
fn behind_a_balancer() -> Bench {
    let mut bench = Bench::new();
    bench.settings.proxy_protocol = true;
    bench
}

impl Bench {
    /// Each piece arrives by itself.
    fn arrive_in(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.flows.up.rx.push(piece);
            self.feed(Input::Moved);
        }
    }

    /// The record's line, if there is one; what else is wanted stays.
    fn line(&mut self) -> Option<Box<outcome::Record>> {
        let place = self
            .actions
            .iter()
            .position(|action| matches!(action, Action::Log(_)))?;
        match self.actions.remove(place) {
            Action::Log(record) => Some(record),
            _ => None,
        }
    }

    #[track_caller]
    fn assert_closed_in_silence(&self) {
        assert!(self.session.is_done() && self.flows.down.tx.is_empty());
        assert!(matches!(self.actions[..], [Action::Close(Close::Orderly)]));
    }
}

#[test]
fn the_header_says_whose_connection_it_is_however_it_is_cut() {
    for header in [LINE, BINARY] {
        let all = [header, get("x").as_bytes()].concat();
        for cut in 0..all.len() {
            let mut bench = behind_a_balancer();
            bench.arrive_in(&[&all[..cut], &all[cut..]]);
            assert!(bench.dials());
            assert_eq!(bench.session.client().to_string(), NAMED);
            assert_eq!(bench.session.source(), Some([192, 0, 2, 7].into()));
            bench.dialled(false);
            let sent = bench.leave(Side::Origin);
            assert!(sent.starts_with("GET /x HTTP/1.1\r\n"), "{sent}");
            assert!(
                bench.actions.iter().all(
                    |action| !matches!(action, Action::Log(record) if record.client.to_string() != NAMED)
                )
            );
        }
    }
}

#[test]
fn who_names_nobody_keeps_the_address_and_gets_no_role_by_it() {
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut bench = behind_a_balancer();
        let own = bench.session.client();
        bench.arrive_in(&[header, b"GET "]);
        assert_eq!((bench.session.client(), bench.session.source()), (own, None));
    }
    assert_eq!(Bench::new().session.source(), Some([127, 0, 0, 1].into()));
}

#[test]
fn what_is_no_header_ends_the_connection_with_one_line() {
    for begin in [
        &b"PROXY TCP4 192.0.2.7 198.51.100.1 04000 4750\r\n"[..],
        b"PROXY / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\x16\x03\x01",
        b"\0",
    ] {
        let mut bench = behind_a_balancer();
        bench.arrive_in(&[begin]);
        let record = bench.line().unwrap();
        assert!(record.by_stranger && !record.allow && record.status_code.is_none());
        assert_eq!(record.code, Some(outcome::Code::MalformedRequest));
        let why = &record.decision_reason;
        assert!(
            why.starts_with("PROXY protocol header expected (--proxy-protocol): "),
            "{why}"
        );
        assert_eq!(record.client.to_string(), "127.0.0.1:5");
        bench.assert_closed_in_silence();
    }
}

#[test]
fn a_request_in_its_place_is_told_what_is_missing() {
    let mut bench = behind_a_balancer();
    bench.arrive(Side::Client, "G");
    let answer = bench.leave(Side::Client);
    let expected =
        "PROXY protocol header expected (--proxy-protocol): the connection begins with something else.";
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains(expected),
        "{answer}"
    );
    assert_eq!(bench.line().unwrap().status_code, Some(400));
    let mut bench = behind_a_balancer();
    bench.arrive_in(&[LINE, LINE]);
    let answer = bench.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 400 "),
        "one header, then a request: {answer}"
    );
}

#[test]
fn the_time_for_the_header_is_that_of_the_first_head() {
    let mut bench = behind_a_balancer();
    let due = Some(bench.now + Duration::from_secs(30));
    bench.now += Duration::from_secs(29);
    bench.arrive_in(&[&LINE[..9]]);
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.feed(Input::Expired);
    assert!(!bench.session.is_done(), "it is not due");
    let mut whole = behind_a_balancer();
    whole.arrive_in(&[LINE]);
    assert_eq!(
        whole.session.deadline(&whole.flows, &whole.settings),
        Some(whole.now + Duration::from_secs(30))
    );
    bench.now += Duration::from_secs(1);
    bench.feed(Input::Expired);
    assert!(
        bench
            .line()
            .unwrap()
            .decision_reason
            .ends_with("it did not arrive in time.")
    );
    bench.assert_closed_in_silence();
    whole.now += Duration::from_secs(30);
    whole.feed(Input::Expired);
    whole.assert_closed_in_silence();
}

#[test]
fn who_goes_within_the_header_is_let_go() {
    // Silent, as some health checks; behind a header, as others; and in the midst of one.
    for (begin, has_line) in [(&b""[..], false), (LINE, false), (&LINE[..20], true)] {
        let mut bench = behind_a_balancer();
        bench.arrive_in(&[begin]);
        bench.flows.up.end = End::Reached;
        bench.feed(Input::Moved);
        assert_eq!(bench.line().is_some(), has_line, "{}", begin.escape_ascii());
        bench.assert_closed_in_silence();
    }
    for input in [
        Input::Terminate,
        Input::Starved(Side::Client),
        Input::Broken(Side::Client, &reset()),
    ] {
        let mut bench = behind_a_balancer();
        bench.arrive_in(&[&LINE[..20]]);
        bench.feed(input);
        bench.assert_closed_in_silence();
    }
    let mut bench = behind_a_balancer();
    bench.now += Duration::from_secs(2);
    bench.feed(Input::Drain);
    bench.assert_closed_in_silence();
    let mut bench = behind_a_balancer();
    bench.arrive_in(&[&LINE[..20]]);
    bench.feed(Input::Drain);
    assert!(!bench.session.is_done(), "its request is under way");
}

#[test]
fn where_no_header_is_due_one_is_no_request() {
    let mut bench = Bench::new();
    bench.arrive_in(&[LINE]);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 400 "));
    assert_eq!(bench.session.client().to_string(), "127.0.0.1:5");
}

/// Its time for a head would be longer, and where it is shorter, nothing is said.
#[test]
fn where_tls_is_spoken_the_wait_for_the_first_byte_is_the_handshakes() {
    for (head_seconds, seconds, says) in [(30, 10, true), (5, 5, false)] {
        let mut bench = Bench::new();
        bench.settings.takes_tls = true;
        bench.settings.read_header_timeout = Duration::from_secs(head_seconds);
        let due = bench.now + Duration::from_secs(seconds);
        assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
        bench.now = due;
        bench.feed(Input::Expired);
        assert!(bench.session.is_done() && bench.flows.down.tx.is_empty());
        let warns = matches!(&bench.actions[0], Action::Warn(_, words) if words.contains("10 s"));
        assert_eq!((warns, bench.actions.len()), (says, 1 + usize::from(says)));
    }
}

/// Before and after what precedes its request: a handshake, a PROXY header.
const PREFACES: [fn(&mut Bench, bool); 2] = [
    |bench, is_done| match is_done {
        false => {
            bench.settings.takes_tls = true;
            bench.arrive(Side::Client, "\u{16}");
            bench.flows.up.rx.clear();
        }
        true => bench.feed(Input::Secured(Side::Client, None)),
    },
    |bench, is_done| match is_done {
        false => {
            bench.settings.proxy_protocol = true;
            bench.arrive_in(&[&LINE[..20]]);
        }
        true => bench.arrive_in(&[&LINE[20..]]),
    },
];

/// Those that the server took last are not to lose a request that comes a round trip behind.
#[test]
fn a_server_that_drains_waits_for_a_request_behind_its_preface() {
    for preface in PREFACES {
        for drains_first in [true, false] {
            let done = || {
                let mut bench = Bench::new();
                preface(&mut bench, false);
                bench.actions.clear();
                if drains_first {
                    bench.feed(Input::Drain);
                }
                preface(&mut bench, true);
                if !drains_first {
                    bench.feed(Input::Drain);
                }
                assert!(!bench.session.is_done() && bench.actions.is_empty());
                bench
            };
            let mut bench = done();
            bench.arrive(Side::Client, "G");
            let of_head = Some(bench.now + Duration::from_secs(30));
            assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), of_head);
            bench.arrive(Side::Client, &get("")[1..]);
            assert!(bench.dials(), "a request in pieces");

            let mut bench = done();
            let due = bench.now + Duration::from_secs(2);
            assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
            bench.now = due;
            bench.feed(Input::Expired);
            bench.assert_closed_in_silence();
        }
    }
}

/// Such a client waited in the kernel's queue when the listener closed, and its first bytes may be a moment behind it.
#[test]
fn a_server_that_drains_waits_for_a_request_of_who_just_connected() {
    for setup in [Bench::new, behind_a_balancer] {
        let mut bench = setup();
        let due = bench.now + Duration::from_secs(2);
        bench.feed(Input::Drain);
        assert!(!bench.session.is_done());
        assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
        bench.now = due;
        bench.feed(Input::Expired);
        bench.assert_closed_in_silence();
    }
    let mut bench = Bench::new();
    bench.feed(Input::Drain);
    bench.arrive(Side::Client, get("").as_str());
    assert!(bench.dials());
}

/// What is silent longer than a round trip is idle.
#[test]
fn a_server_that_drains_does_not_wait_for_who_was_silent_behind_its_preface() {
    for preface in PREFACES {
        let mut bench = Bench::new();
        preface(&mut bench, false);
        preface(&mut bench, true);
        bench.actions.clear();
        bench.now += Duration::from_secs(2);
        bench.feed(Input::Moved);
        assert!(!bench.session.is_done(), "nothing ends it before");
        bench.feed(Input::Drain);
        bench.assert_closed_in_silence();
    }
}

/// Whether it was noticed by reading or by writing.
#[test]
fn a_handshake_that_ends_with_its_client_is_told_of_once() {
    for input in [
        Input::Unwritable(Side::Client, &reset()),
        Input::Broken(Side::Client, &reset()),
    ] {
        let mut bench = Bench::new();
        bench.settings.takes_tls = true;
        bench.arrive(Side::Client, "\u{16}");
        bench.flows.up.rx.clear();
        bench.actions.clear();
        bench.feed(input);
        // What the other direction noticed of the same.
        for late in [Input::Unwritable(Side::Client, &reset()), Input::Terminate] {
            bench.feed(late);
        }
        assert!(bench.session.is_done());
        let said: Vec<&str> = bench
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Warn(_, words) => Some(&**words),
                _ => None,
            })
            .collect();
        assert_eq!(said, ["TLS handshake failed: broken pipe"]);
    }
}
