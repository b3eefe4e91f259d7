//! One session over bare flows: no wires, a clock that stands still. What the simulation reaches by luck alone.

use super::*;
use crate::net::IoFailKind;
use crate::policy::auth::Password;
use crate::policy::ranges::Ranges;
use crate::policy::{Network, PolicyParts};

const URL: &str = "http://44.1.2.3/";

/// With a password, who does not give it is refused.
fn policy(password: Option<Password>) -> Policy {
    Policy::new(PolicyParts {
        acl: None,
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        allow_missing_role: password.is_none(),
        password,
        network: Network::Any,
    })
}

struct Bench {
    session: Session,
    flows: Flows,
    policy: Policy,
    settings: Settings,
    ids: id::Ids,
    guesses: Rates,
    spares: Spares,
    now: Instant,
    actions: Vec<Action>,
}

impl Bench {
    fn new() -> Bench {
        let now = Instant::now();
        Bench {
            session: Session::new(SocketAddr::from(([127, 0, 0, 1], 5)), now),
            flows: Flows::new(now),
            policy: policy(None),
            settings: Settings {
                head: HeadLimits::default(),
                read_header_timeout: Duration::from_secs(30),
                dns_timeout: Duration::from_secs(5),
                connect_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(3600),
                read_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                deny_style: crate::session::refusal::DenyStyle {
                    status: 407,
                    explicit: true,
                },
                deny_message_extra: String::new(),
            },
            ids: id::Ids::new([0; 3], 0, 0),
            guesses: Rates::of_strangers(now),
            spares: Spares::default(),
            now,
            actions: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        let cx = &mut Cx {
            now: self.now,
            wall: SystemTime::UNIX_EPOCH,
            policy: &self.policy,
            settings: &self.settings,
            ids: &mut self.ids,
            guesses: &mut self.guesses,
            spares: &mut self.spares,
            is_local: &|_| true,
            actions: &mut self.actions,
        };
        self.session.advance(input, &mut self.flows, cx);
    }

    /// Bytes arrive from that side.
    fn arrive(&mut self, side: Side, bytes: &str) {
        self.flows.from(side).rx.push(bytes.as_bytes());
        self.feed(Input::Moved);
    }

    /// What may leave for that side leaves.
    fn leave(&mut self, side: Side) -> String {
        let flow = self.flows.to(side);
        let mut left = String::from_utf8_lossy(flow.tx.as_slice()).into_owned();
        flow.tx.clear();
        let passable = flow.passable();
        left += &String::from_utf8_lossy(flow.rx.as_slice().get(..passable).unwrap());
        flow.rx.consume(passable);
        flow.count_passed(passable);
        if flow.end_is_due() {
            flow.end = End::Passed;
        }
        self.feed(Input::Moved);
        left
    }

    /// The dial that is asked for succeeds.
    fn dialled(&mut self, reused: bool) {
        let seq = self
            .actions
            .drain(..)
            .find_map(|action| match action {
                Action::Dial(seq, ..) => Some(seq),
                _ => None,
            })
            .unwrap();
        let remote = SocketAddr::from(([44, 1, 2, 3], 80));
        let dialled = Dialled {
            remote,
            local: None,
            reused,
            private: false,
        };
        self.feed(Input::Dialled(seq, Ok(dialled)));
    }

    fn unwritable(&mut self, side: Side) {
        self.feed(Input::Unwritable(side, reset()));
    }

    /// The last record that was logged.
    fn logged(&mut self) -> Box<outcome::Record> {
        let mut logged = self.actions.drain(..).filter_map(|action| match action {
            Action::Log(record) => Some(record),
            _ => None,
        });
        logged.next_back().unwrap()
    }
}

fn reset() -> IoFail {
    IoFail {
        kind: IoFailKind::Reset,
        text: "broken pipe".into(),
    }
}

fn get(path: &str) -> String {
    format!("GET {URL}{path} HTTP/1.1\r\n\r\n")
}

#[test]
fn a_pooled_connection_that_takes_no_head_loses_no_pipelined_request() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &(get("1") + &get("2")));
    bench.dialled(true);
    bench.unwritable(Side::Origin);
    bench.flows.down.end = End::Reached;
    bench.feed(Input::Moved);
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET /1 "));
    bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 204 "));
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET /2 "));
}

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
fn what_is_left_of_a_request_is_read_behind_an_answer_that_ended_by_close() {
    let mut bench = Bench::new();
    let request = format!("POST {URL} HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    bench.arrive(Side::Client, &request);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(Side::Client, "def");
    bench.flows.down.end = End::Announced;
    bench.unwritable(Side::Origin);
    bench.arrive(Side::Origin, "HTTP/1.1 413 Too Large\r\n\r\nno");
    bench.flows.down.end = End::Reached;
    assert!(bench.leave(Side::Client).ends_with("\r\n\r\nno"));
    assert!(bench.flows.up.wants_bytes());
    bench.arrive(Side::Client, "ghi");
    assert!(bench.flows.up.rx.is_empty());
    bench.flows.up.end = End::Reached;
    bench.feed(Input::Moved);
    assert!(bench.session.is_done());
}

#[test]
fn no_answer_of_ours_lands_in_the_middle_of_a_response() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get(""));
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(
        Side::Origin,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
    );
    let begun = bench.leave(Side::Client);
    assert!(begun.starts_with("HTTP/1.1 200 ") && begun.ends_with("1\r\na\r\n"));
    bench.feed(Input::Starved);
    assert_eq!(bench.leave(Side::Client), "");
    assert!(
        bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::DropOrigin))
    );
}

#[test]
fn a_malformed_trailer_does_not_leave_the_last_chunk_behind() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get(""));
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(
        Side::Origin,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX Y: z\r\n\r\n",
    );
    let begun = bench.leave(Side::Client);
    assert!(begun.ends_with("\r\n\r\n1\r\na\r\n"), "{begun}");
}

#[test]
fn a_half_closed_tunnel_gets_its_time_from_the_half_close_on() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
    bench.dialled(false);
    bench.leave(Side::Client);
    bench.now += Duration::from_secs(600);
    bench.flows.up.end = End::Passed;
    bench.feed(Input::Moved);
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(60)));
    bench.now += Duration::from_secs(30);
    bench.flows.down.touched = bench.now;
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(60)));
}

#[test]
fn a_tunnel_that_ended_in_order_names_no_error_of_its_last_word() {
    let tunnel = || {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
        bench.dialled(false);
        bench.leave(Side::Client);
        bench
    };
    let unwritable = Input::Unwritable;
    type Failed = fn(Side, IoFail) -> Input<'static>;
    for (end, side, failed, said, error) in [
        (End::Passed, Side::Origin, unwritable as Failed, "bye", None),
        (End::Passed, Side::Origin, unwritable, "", None),
        (End::Announced, Side::Origin, unwritable, "bye", None),
        (End::Passed, Side::Client, Input::Broken, "", None),
        // What the client says is lost with it.
        (
            End::Passed,
            Side::Client,
            Input::Broken,
            "bye",
            Some("connection reset by peer"),
        ),
        (
            End::Reached,
            Side::Client,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (
            End::Open,
            Side::Client,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (
            End::Open,
            Side::Origin,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (End::Open, Side::Origin, unwritable, "bye", Some("broken pipe")),
    ] {
        let mut bench = tunnel();
        bench.flows.down.end = end;
        bench.feed(Input::Moved);
        bench.arrive(Side::Client, said);
        bench.feed(failed(side, reset()));
        if !bench.session.is_done() {
            bench.flows.down.end = End::Reached;
            bench.leave(Side::Client);
        }
        let record = bench.logged();
        assert!(record.end().is_some());
        assert_eq!(record.error.as_deref(), error, "{end:?} {side:?} {said}");
    }
}

#[test]
fn a_short_idle_timeout_is_for_tunnels_and_cuts_no_exchange() {
    let mut bench = Bench::new();
    bench.settings.idle_timeout = Duration::from_secs(30);
    bench.arrive(Side::Client, &get("slow"));
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    assert_eq!(bench.leave(Side::Client), "");
    bench.flows.down.touched = bench.now;
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    bench.leave(Side::Client);
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    bench.arrive(Side::Origin, "b");
    assert_eq!(bench.leave(Side::Client), "b");
    // It is not without a limit either.
    bench.arrive(Side::Client, &get("never"));
    bench.dialled(false);
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(3600)));
}

#[test]
fn a_lookup_out_of_time_is_cancelled_and_an_answer_after_that_is_stale() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "GET http://a.test/ HTTP/1.1\r\n\r\n");
    let due = bench.now + bench.settings.dns_timeout;
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
    bench.now = due;
    bench.feed(Input::Expired);
    assert!(
        bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::Cancel))
    );
    bench.feed(Input::Resolved(1, Ok(&[IpAddr::from([44, 1, 2, 3])])));
    let answer = bench.leave(Side::Client);
    let words = "Timed out resolving remote hostname: lookup a.test: i/o timeout";
    assert!(
        answer.starts_with("HTTP/1.1 504 ") && answer.contains(words),
        "{answer}"
    );
}

#[test]
fn a_dial_out_of_time_says_that_more_than_one_address_was_tried() {
    for (found, words) in [
        (vec![[44, 1, 2, 3]], "dial tcp 44.1.2.3:80: no answer within 10s"),
        (
            vec![[44, 1, 2, 3], [44, 1, 2, 4], [44, 1, 2, 5]],
            "dial tcp 44.1.2.3:80 and 2 more: no connection within 10s",
        ),
    ] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "GET http://a.test/ HTTP/1.1\r\n\r\n");
        let found: Vec<IpAddr> = found.into_iter().map(IpAddr::from).collect();
        bench.feed(Input::Resolved(1, Ok(&found)));
        bench.now += Duration::from_secs(10);
        bench.feed(Input::Expired);
        let answer = bench.leave(Side::Client);
        assert!(
            answer.starts_with("HTTP/1.1 504 ") && answer.contains(words),
            "{answer}"
        );
    }
}

const FIRST: [&str; 5] = ["44.1.2.3", "44.1.2.4", "44.1.2.5", "44.1.2.6", "44.1.2.7"];
const LATE: [&str; 2] = ["2a00::1", "2a00::2"];

fn ips(all: &[&str]) -> Vec<IpAddr> {
    all.iter().map(|address| address.parse().unwrap()).collect()
}

impl Bench {
    /// The addresses of the last dial or join, with the dial's number.
    fn last_dialled(&mut self) -> Option<(Option<u32>, Vec<IpAddr>)> {
        let plain = |list: &VettedList| list.iter().map(|vetted| vetted.address().ip()).collect();
        let last = self.actions.iter().rev().find_map(|action| match action {
            Action::Dial(seq, list, _) => Some((Some(*seq), plain(list))),
            Action::Join(list) => Some((None, plain(list))),
            _ => None,
        });
        self.actions.clear();
        last
    }

    fn dial_fails(&mut self, seq: u32, address: &str) {
        let fail = IoFail {
            kind: IoFailKind::Refused,
            text: "connection refused".into(),
        };
        let address = SocketAddr::new(address.parse().unwrap(), 80);
        self.feed(Input::Dialled(seq, Err(DialFail { address, fail })));
    }

    /// A lookup of which one family is there, and is dialled.
    fn with_one_family() -> Bench {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "CONNECT a.test:80 HTTP/1.1\r\n\r\n");
        bench.feed(Input::Partly(1, &ips(&FIRST)));
        // Room is left for the other family.
        assert_eq!(bench.last_dialled(), Some((Some(1), ips(&FIRST[..4]))));
        bench
    }
}

#[test]
fn a_late_family_joins_the_dial_that_runs() {
    let mut bench = Bench::with_one_family();
    let whole = ips(&[LATE[0], FIRST[0], LATE[1], FIRST[1], FIRST[2], FIRST[3], FIRST[4]]);
    bench.feed(Input::Resolved(1, Ok(&whole)));
    assert_eq!(
        bench.last_dialled(),
        Some((None, ips(&[LATE[0], LATE[1], FIRST[4]])))
    );
    // Once more changes nothing.
    bench.feed(Input::Resolved(1, Ok(&whole)));
    assert_eq!(bench.last_dialled(), None);
    bench.dial_fails(1, FIRST[0]);
    assert!(
        bench
            .leave(Side::Client)
            .contains("dial tcp 44.1.2.3:80: connection refused")
    );
}

#[test]
fn a_lost_dial_waits_for_the_family_that_is_still_looked_up() {
    let mut bench = Bench::with_one_family();
    bench.dial_fails(1, FIRST[0]);
    assert_eq!(bench.leave(Side::Client), "");
    let whole = ips(&[LATE[0], FIRST[0], FIRST[1], FIRST[2], FIRST[3]]);
    bench.feed(Input::Resolved(1, Ok(&whole)));
    assert_eq!(bench.last_dialled(), Some((Some(2), ips(&LATE[..1]))));
    // An answer to the dial before is stale, and what failed first is named.
    bench.dial_fails(1, FIRST[1]);
    assert_eq!(bench.leave(Side::Client), "");
    bench.dial_fails(2, LATE[0]);
    assert!(
        bench
            .leave(Side::Client)
            .contains("dial tcp 44.1.2.3:80: connection refused")
    );
}

#[test]
fn a_lost_dial_waits_no_longer_than_the_lookup_may_take() {
    for says_no_more in [false, true] {
        let mut bench = Bench::with_one_family();
        bench.dial_fails(1, FIRST[0]);
        if says_no_more {
            bench.feed(Input::Resolved(1, Ok(&ips(&FIRST[..4]))));
        } else {
            let due = bench.now + bench.settings.dns_timeout;
            assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
            bench.now = due;
            bench.feed(Input::Expired);
        }
        let answer = bench.leave(Side::Client);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(
            bench
                .actions
                .iter()
                .any(|action| matches!(action, Action::Cancel))
        );
    }
}

#[test]
fn a_dial_that_was_lost_before_its_time_is_over_says_so() {
    for late_family in [false, true] {
        let mut bench = Bench::with_one_family();
        bench.settings.dns_timeout = Duration::from_secs(60);
        bench.dial_fails(1, FIRST[0]);
        if late_family {
            bench.feed(Input::Resolved(1, Ok(&ips(&[FIRST[0], LATE[0]]))));
        }
        bench.now += bench.settings.connect_timeout;
        bench.feed(Input::Expired);
        let answer = bench.leave(Side::Client);
        let words = "dial tcp 44.1.2.3:80: connection refused";
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains(words),
            "{answer}"
        );
    }
}

#[test]
fn a_won_dial_ends_the_lookup_of_the_other_family() {
    let mut bench = Bench::with_one_family();
    let dialled = Dialled {
        remote: SocketAddr::new(FIRST[0].parse().unwrap(), 80),
        local: None,
        reused: false,
        private: false,
    };
    bench.feed(Input::Dialled(1, Ok(dialled)));
    assert!(bench.session.is_tunnel());
    assert!(matches!(bench.actions[0], Action::Cancel));
    bench.actions.clear();
    bench.feed(Input::Resolved(1, Ok(&ips(&LATE))));
    assert!(bench.actions.is_empty() && bench.session.is_tunnel());
}

#[test]
fn what_is_denied_of_one_family_waits_for_the_other() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "CONNECT a.test:80 HTTP/1.1\r\n\r\n");
    bench.actions.clear();
    bench.feed(Input::Partly(1, &ips(&["fd00::1"])));
    assert!(bench.actions.is_empty() && bench.leave(Side::Client).is_empty());
    bench.feed(Input::Resolved(1, Ok(&ips(&["fd00::1", "44.1.2.3"]))));
    assert_eq!(bench.last_dialled(), Some((Some(2), ips(&["44.1.2.3"]))));
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
fn the_end_of_a_chunked_response_may_leave_as_slowly_as_the_rest() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get("1"));
    bench.dialled(false);
    bench.leave(Side::Origin);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    bench.arrive(Side::Origin, &format!("{head}5\r\nhello\r\n0\r\n\r\n"));
    // Everything waits for a client that does something else.
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    assert!(!bench.session.is_done());
    assert!(
        bench
            .leave(Side::Client)
            .ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    );
    // Its origin has not kept the connection for so long.
    assert!(matches!(bench.actions.last(), Some(Action::DropOrigin)));
    let idle = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(idle, Some(bench.now + Duration::from_secs(60)));
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
        assert_eq!(&*record.unwrap().trace_id, kept.as_bytes(), "{more}");
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
