//! Lookups and dials, and addresses that come one family after the other.

use crate::policy::Place;
use crate::policy::ranges::Rule;

use super::*;

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
        self.feed(Input::Dialled(seq, Err(&DialFail { address, fail })));
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
        bench.now += bench.settings.connect_timeout.unwrap();
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
        answered: false,
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
fn the_time_before_a_dial_and_what_let_its_address_through_are_noted() {
    for (allow, by_rule) in [(None, false), (Some("44.1.0.0/16"), true)] {
        let mut bench = Bench::new();
        let allow = allow.map(|range| Rule::range(range).unwrap().at(Place::option("--allow-range")));
        bench.policy = Policy::new(PolicyParts {
            ranges: Ranges::new(allow.into_iter().collect(), Vec::new(), false, Vec::new()),
            ..PolicyParts::without_rules()
        });
        bench.arrive(Side::Client, "CONNECT a.test:443 HTTP/1.1\r\n\r\n");
        bench.now += Duration::from_millis(70);
        bench.feed(Input::Resolved(1, Ok(&["44.1.2.3".parse().unwrap()])));
        bench.now += Duration::from_millis(500);
        bench.feed(Input::Terminate);
        let record = bench.logged();
        assert_eq!(record.dialled_after, Some(Duration::from_millis(70).into()));
        assert_eq!((record.by_rule, record.outbound_remote), (Some(by_rule), None));
    }
}
