//! A judge that has to wait: answers that come at once, late, twice, or never.

use std::sync::Arc;

use crate::policy::{Question, Unable, Verified, Verify};

use super::*;

/// Says that `Basic right` is.
struct Right;

impl Verify for Right {
    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        Ok((field == b"Basic right").then(|| "right".into()))
    }
}

/// An answer that was right once.
fn yes() -> Verified {
    Bench::asking("right").asks().1.answer().unwrap()
}

fn request(word: &str) -> String {
    format!("GET {URL} HTTP/1.1\r\nProxy-Authorization: Basic {word}\r\n\r\n")
}

impl Bench {
    /// One whose policy has to ask, and a request with these credentials, behind an empty line.
    fn asking(word: &str) -> Bench {
        let mut bench = Bench::new();
        let policy = policy(Password::new("another"));
        bench.policy = policy.verified_by(Arc::new(Right));
        bench.arrive(Side::Client, &("\r\n".to_owned() + &request(word)));
        bench
    }

    /// What it asks, and the number to answer with.
    #[track_caller]
    fn asks(&mut self) -> (u32, Question) {
        match self.actions.pop() {
            Some(Action::Ask(seq, question)) => (seq, question),
            other => panic!("{other:?}"),
        }
    }

    /// The answer comes.
    fn answer(&mut self) -> u32 {
        let (seq, question) = self.asks();
        self.feed(Input::Verified(seq, question.answer().as_ref()));
        seq
    }
}

#[test]
fn the_head_stays_where_it_is_until_the_answer_is_there_and_nothing_is_read() {
    let mut bench = Bench::asking("right");
    let held = bench.flows.up.rx.len();
    assert!(held > 0 && !bench.flows.up.wants_bytes() && bench.session.is_stranger());
    bench.feed(Input::Moved);
    assert_eq!((bench.flows.up.rx.len(), bench.actions.len()), (held, 1));
    bench.answer();
    assert!(bench.flows.up.rx.is_empty() && !bench.session.is_stranger());
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn wrong_credentials_are_refused_when_that_is_known() {
    let mut bench = Bench::asking("wrong");
    assert_eq!(bench.leave(Side::Client), "");
    bench.answer();
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    assert_eq!(bench.logged().code, Some(crate::policy::Code::CredentialsWrong));
}

/// An answer is good for one request, whoever sends the next.
#[test]
fn an_answer_counts_once_and_for_the_request_that_it_was_asked_about() {
    let mut bench = Bench::asking("right");
    let seq = bench.answer();
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(Side::Client, &request("wrong"));
    bench.feed(Input::Verified(seq, Some(&yes())));
    bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
    bench.feed(Input::Verified(seq, Some(&yes())));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 204 "));
    // The next request is asked about anew; the old answer, told again, is none to that.
    let (next, question) = bench.asks();
    assert_ne!(next, seq);
    bench.feed(Input::Verified(seq, Some(&yes())));
    assert_eq!(bench.leave(Side::Client), "");
    bench.feed(Input::Verified(next, question.answer().as_ref()));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    bench.feed(Input::Verified(next, Some(&yes())));
    assert!(!bench.dials());
}

#[test]
fn an_answer_that_never_comes_ends_in_503_and_one_that_comes_then_is_stale() {
    let mut bench = Bench::asking("right");
    let (seq, _) = bench.asks();
    let due = bench.session.deadline(&bench.flows, &bench.settings).unwrap();
    bench.now = due - Duration::from_millis(1);
    bench.feed(Input::Expired);
    assert!(bench.actions.is_empty());
    bench.now = due;
    bench.feed(Input::Expired);
    assert!(matches!(bench.actions.first(), Some(Action::Cancel)));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 503 "));
    bench.feed(Input::Verified(seq, Some(&yes())));
    assert!(!bench.dials());
}

/// As a reload brings one while the answer is on its way.
#[test]
fn another_policy_asks_anew() {
    let mut bench = Bench::asking("right");
    let (seq, question) = bench.asks();
    bench.policy = policy(Password::new("another")).verified_by(Arc::new(Right));
    bench.feed(Input::Verified(seq, question.answer().as_ref()));
    assert!(bench.session.is_stranger() && !bench.flows.up.rx.is_empty());
    bench.answer();
    assert!(!bench.session.is_stranger());
}

#[test]
fn who_closed_its_half_is_not_waited_for_long() {
    let mut bench = Bench::asking("right");
    let (_, question) = bench.asks();
    bench.flows.up.end = End::Announced;
    bench.feed(Input::Moved);
    assert!(question.is_wanted() && !bench.session.is_done());
    bench.now = bench.session.deadline(&bench.flows, &bench.settings).unwrap();
    bench.feed(Input::Expired);
    assert!(!question.is_wanted() && bench.session.is_done());
}

#[test]
fn a_question_is_wanted_for_as_long_as_the_request_waits() {
    let mut bench = Bench::asking("right");
    let (_, question) = bench.asks();
    assert!(question.is_wanted());
    bench.feed(Input::Broken(Side::Client, &reset()));
    assert!(!question.is_wanted());
}

#[test]
fn where_nobody_is_free_to_find_out_the_client_is_told_at_once() {
    let mut bench = Bench::asking("right");
    let (seq, _) = bench.asks();
    bench.feed(Input::Verified(seq, None));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 503 "));
}

#[test]
fn who_goes_away_meanwhile_is_not_waited_for() {
    for input in [
        Input::Broken(Side::Client, &reset()),
        Input::Terminate,
        Input::Starved(Side::Client),
    ] {
        let starved = matches!(input, Input::Starved(_));
        let mut bench = Bench::asking("right");
        bench.actions.clear();
        bench.feed(input);
        assert!(matches!(bench.actions.first(), Some(Action::Cancel)));
        assert_eq!(bench.session.is_done(), !starved);
    }
}
