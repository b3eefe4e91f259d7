//! That each question is answered once, and whose turn it is: with a verifier whose work begins and ends as it is told.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::io::token::ConnId;
use crate::policy::{
    Asker, AtOnce, Credentials, Interest, Policy, PolicyParts, Unable, Unidentified, Verify,
};

use super::super::orders::ORDERS_MAX;
use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Says whose turn it is, and works until it is told to go on. A field's first letter is its subject.
struct Told {
    begins: Mutex<Sender<String>>,
    go_on: Mutex<Receiver<()>>,
}

impl Verify for Told {
    fn at_once(&self, field: &[u8]) -> AtOnce {
        AtOnce::Unknown(field[0].into())
    }

    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        let word = String::from_utf8_lossy(field).into_owned();
        self.begins.lock().unwrap().send(word.clone()).unwrap();
        assert_ne!(word, "bomb");
        if word == "unable" {
            return Err(Unable);
        }
        if word.starts_with("quick") {
            return Ok(None);
        }
        self.go_on.lock().unwrap().recv().unwrap();
        Ok(None)
    }
}

struct House {
    answers: Receiver<Answered>,
    verifiers: Verifiers,
    policy: Policy,
    begun: Receiver<String>,
    go_on: Sender<()>,
    asked: u32,
}

fn client(last: u8) -> ClientKey {
    ClientKey::of(IpAddr::from([192, 0, 2, last]))
}

impl House {
    fn new(processors: usize) -> House {
        let (sender, answers) = mpsc::channel();
        let deliver = move |answered| sender.send(answered).unwrap();
        let (begins, begun) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel();
        let told = Told {
            begins: Mutex::new(begins),
            go_on: Mutex::new(goes_on),
        };
        House {
            answers,
            verifiers: VerifierThreads::new(processors).for_loop(Arc::new(deliver)),
            policy: Policy::new(PolicyParts::without_rules()).verified_by(Arc::new(told)),
            begun,
            go_on,
            asked: 0,
        }
    }

    /// Asks; whoever drops what comes back has gone away.
    fn ask(&mut self, last: u8, word: &str) -> Arc<Interest> {
        let asker = Asker {
            address: Some([192, 0, 2, last].into()),
            certificate: None,
        };
        let given = Credentials::Given(word.as_bytes());
        let question = match self.policy.authenticate(given, None, &asker) {
            Err(Unidentified::Asks(question)) => question,
            other => panic!("{other:?}"),
        };
        let interest = question.interest();
        let conn = ConnId {
            index: 3,
            generation: 4,
        };
        let ticket = Ticket {
            conn,
            seq: self.asked,
        };
        self.asked += 1;
        self.verifiers.ask(ticket, client(last), question);
        interest
    }

    /// The next answer; what begins for it has begun, or is about to.
    fn answer(&mut self) -> Answered {
        self.answers.recv_timeout(LONG).unwrap()
    }

    fn at_work(&self) -> usize {
        self.verifiers.desk.lock().at_work.len()
    }

    /// The work that has begun next.
    #[track_caller]
    fn begins(&self) -> String {
        self.begun.recv_timeout(LONG).unwrap()
    }

    /// One piece of the work ends, and what begins for it.
    fn ends(&mut self) {
        self.go_on.send(()).unwrap();
        self.answer();
    }

    #[track_caller]
    fn is_idle(&self) {
        let state = self.verifiers.desk.lock();
        assert!(state.orders.is_unused() && state.at_work.is_empty());
    }
}

#[test]
fn each_question_is_answered_also_by_one_that_panics_or_is_unable() {
    let mut house = House::new(2);
    for (seq, word, found_out) in [
        (0, "quick", true),
        (1, "bomb", false),
        (2, "unable", false),
        (3, "quick", true),
    ] {
        let _waits = house.ask(1, word);
        let answered = house.answer();
        assert_eq!(answered.ticket.seq, seq);
        assert_eq!(answered.verified.is_some(), found_out, "{word}");
    }
    house.is_idle();
}

#[test]
fn half_of_the_processors_and_a_quarter_of_those_for_a_client() {
    for (processors, expected) in [(0, 2), (1, 2), (2, 2), (4, 2), (8, 4), (16, 8), (128, 8)] {
        assert_eq!(threads(processors), expected);
    }
    // Eight threads: two of them for one client.
    let mut house = House::new(16);
    let _waits: Vec<_> = ["a", "b", "c"].map(|word| house.ask(1, word)).into();
    let mut begun = [house.begins(), house.begins()];
    begun.sort();
    assert_eq!(begun, ["a", "b"]);
    assert_eq!(house.at_work(), 2);
    for _ in 0..3 {
        house.ends();
    }
    assert_eq!(house.begins(), "c");
    house.is_idle();
}

#[test]
fn of_one_client_and_name_one_at_a_time() {
    let mut house = House::new(16);
    let _waits: Vec<_> = ["a1", "a2", "b1"].map(|word| house.ask(1, word)).into();
    let mut begun = [house.begins(), house.begins()];
    begun.sort();
    assert_eq!(begun, ["a1", "b1"], "a2 waits for a1");
    let _other = house.ask(2, "a3");
    assert_eq!(house.begins(), "a3", "another client's does not");
    for _ in 0..4 {
        house.ends();
    }
    assert_eq!(house.begins(), "a2");
    house.is_idle();
}

/// However many one asks first, each of the others has the next free thread.
#[test]
fn who_asks_much_waits_for_his_own_questions() {
    let mut house = House::new(2);
    let mut waits: Vec<_> = (0..10).map(|n| house.ask(1, &format!("a{n}"))).collect();
    assert_eq!(house.begins(), "a0");
    assert_eq!(house.at_work(), 1, "the other thread is for others");
    waits.push(house.ask(2, "b0"));
    assert_eq!(house.begins(), "b0");
    waits.extend([house.ask(2, "b1"), house.ask(3, "c0"), house.ask(4, "d0")]);
    for _ in 0..14 {
        house.ends();
    }
    let order: Vec<String> = house.begun.try_iter().collect();
    let place = |word: &str| order.iter().position(|other| other == word).unwrap();
    assert!(
        order.len() == 12 && place("c0") < 4 && place("d0") < 4,
        "{order:?}"
    );
    house.is_idle();
}

#[test]
fn whoever_asks_without_end_leaves_a_quarter_to_the_others_and_is_told_to_come_again() {
    let mut house = House::new(2);
    let holds = u32::try_from(ORDERS_MAX - ORDERS_MAX / 4).unwrap();
    let mut waits: Vec<_> = (0..holds + 9).map(|_| house.ask(1, "a")).collect();
    let refused: Vec<Answered> = (0..9).map(|_| house.answer()).collect();
    for (nth, answered) in (0..).zip(&refused) {
        assert_eq!(answered.ticket.seq, holds + nth);
        assert!(answered.verified.is_none());
    }
    waits.push(house.ask(2, "right"));
    let mut begun = [house.begins(), house.begins()];
    begun.sort();
    assert_eq!(begun, ["a", "right"]);
    waits.clear();
    // Whoever went away leaves a place, also where nobody had a turn meanwhile.
    let _waits = house.ask(1, "quick");
    house.ends();
    house.ends();
    assert!(house.answer().verified.is_some());
    house.is_idle();
}

#[test]
fn who_went_away_costs_no_thread() {
    let mut house = House::new(2);
    let _first = house.ask(1, "a0");
    assert_eq!(house.begins(), "a0");
    drop([house.ask(1, "a1"), house.ask(1, "a2")]);
    let _last = house.ask(1, "a3");
    house.ends();
    assert_eq!(house.begins(), "a3");
    house.ends();
    house.is_idle();
}

/// Two loops have the same threads, and each gets its own answers.
#[test]
fn the_questions_of_two_loops_wait_in_one_order() {
    let mut house = House::new(2);
    let _first = [house.ask(1, "a0"), house.ask(1, "a1")];
    assert_eq!(house.begins(), "a0");
    let (sender, answers) = mpsc::channel();
    let threads = VerifierThreads(Arc::clone(&house.verifiers.desk));
    let other = threads.for_loop(Arc::new(move |answered| sender.send(answered).unwrap()));
    let own = std::mem::replace(&mut house.verifiers, other);
    let _second = [house.ask(2, "b0"), house.ask(1, "a2")];
    assert_eq!(house.begins(), "b0");
    assert_eq!(house.at_work(), 2, "the threads are the same");
    for _ in 0..4 {
        house.go_on.send(()).unwrap();
    }
    let of = |answers: &Receiver<Answered>| {
        let mut seqs = [0; 2].map(|_| answers.recv_timeout(LONG).unwrap().ticket.seq);
        seqs.sort_unstable();
        seqs
    };
    assert_eq!((of(&house.answers), of(&answers)), ([0, 1], [2, 3]));
    house.is_idle();
    drop(own);
}
