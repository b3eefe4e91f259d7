//! The system's resolver, played by functions that answer, hang or panic as told.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::io::resolver::outcome::Found;

use super::*;

fn found(all: &[&str]) -> Outcome {
    Outcome::Found(Found {
        addresses: addresses(all),
        ttl: None,
    })
}

/// A lookup that tells which name it is at, and ends when told what the outcome is.
fn told() -> (Lookup, Receiver<String>, Sender<Outcome>) {
    let (started, starts) = channel();
    let (tell, outcomes) = channel();
    let (started, outcomes) = (Mutex::new(started), Mutex::new(outcomes));
    let lookup: Lookup = Arc::new(move |name| {
        started.lock().unwrap().send(name.to_owned()).unwrap();
        let outcome = outcomes.lock().unwrap().recv();
        outcome.unwrap_or_else(|_| Outcome::Failed(": over".into()))
    });
    (lookup, starts, tell)
}

fn start(starts: &Receiver<String>) -> String {
    starts.recv_timeout(PATIENCE).expect("no lookup")
}

#[test]
fn answers_come_back_through_the_waker_and_are_kept_for_the_configured_time() {
    let lookup: Lookup = Arc::new(|name| match name {
        "a.test" => found(&["192.0.2.1", "2001:db8::1"]),
        "empty.test" => found(&[]),
        "again.test" => Outcome::Failed(": temporary failure in name resolution".into()),
        _ => Outcome::Absent,
    });
    let mut bench = Bench::with_lookup(settings(&[]), lookup);
    assert_eq!(
        bench.resolve("a.test"),
        Ok(addresses(&["192.0.2.1", "2001:db8::1"]))
    );
    bench.pass(Duration::from_millis(4500));
    assert!(matches!(bench.ask(1, "a.test"), Asked::Answered(Ok(_))));
    bench.pass(Duration::from_millis(500));
    assert_eq!(
        bench.resolve("a.test"),
        Ok(addresses(&["192.0.2.1", "2001:db8::1"]))
    );
    assert_eq!(
        bench.resolve("gone.test"),
        Err(("lookup gone.test: no such host".into(), false))
    );
    assert!(matches!(bench.ask(1, "gone.test"), Asked::Answered(Err(_))));
    assert_eq!(
        bench.resolve("empty.test"),
        Err(("lookup empty.test: no such host".into(), false))
    );
    let text = String::from("lookup again.test: temporary failure in name resolution");
    assert_eq!(bench.resolve("again.test"), Err((text, false)));
    assert_eq!(bench.ask(1, "again.test"), Asked::Pending);
}

#[test]
fn a_stuck_lookup_holds_a_thread_and_no_one_else() {
    let (lookup, starts, tell) = told();
    let mut bench = Bench::with_lookup(
        Settings {
            places: 3,
            ..settings(&[])
        },
        lookup,
    );
    for (seq, name) in [(1, "a.test"), (2, "b.test"), (3, "c.test")] {
        assert_eq!(bench.ask(seq, name), Asked::Pending);
    }
    let mut stuck = [start(&starts), start(&starts)];
    stuck.sort();
    assert_eq!(stuck, ["a.test", "b.test"]);
    // All three give up; the third was never asked and never will be.
    for seq in 1..=3 {
        bench.resolver.cancel(ticket(seq));
    }
    assert_eq!((bench.resolver.in_flight(), bench.resolver.deadline()), (0, None));
    // Who asks for a stuck name joins it and takes no further thread.
    assert_eq!(bench.ask(4, "a.test"), Asked::Pending);
    assert_eq!(bench.ask(5, "d.test"), Asked::Pending);
    tell.send(found(&["192.0.2.1"])).unwrap();
    tell.send(found(&["192.0.2.1"])).unwrap();
    tell.send(found(&["192.0.2.1"])).unwrap();
    let mut answered: Vec<u32> = bench
        .wait_all(2)
        .into_iter()
        .map(|(ticket, _)| ticket.seq)
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, [4, 5]);
    assert_eq!(start(&starts), "d.test");
    assert!(starts.try_recv().is_err());
}

/// envoy PR#39283, node#8436: whose names are never answered waits for his own, not the others for him.
#[test]
fn slow_names_of_one_client_do_not_use_up_the_threads() {
    let (hold, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let lookup: Lookup = Arc::new(move |name| {
        if name.starts_with("slow") {
            let _ = held.lock().unwrap().recv();
        }
        found(&["192.0.2.1"])
    });
    let settings = Settings {
        places: 8,
        ..settings(&[])
    };
    let mut bench = Bench::with_lookup(settings, lookup);
    // What is cancelled holds its thread all the same, so it counts.
    for seq in 0..16 {
        assert_eq!(bench.ask(seq, &format!("slow{seq}.test")), Asked::Pending);
    }
    for seq in 0..8 {
        bench.resolver.cancel(ticket(seq));
    }
    for seq in 100..120 {
        let (name, now) = (format!("a{seq}.test"), bench.now());
        let other = client(2 + u8::try_from(seq % 3).unwrap());
        assert_eq!(
            bench.resolver.ask_for(ticket(seq), &name, other, now),
            Asked::Pending
        );
        assert_eq!(bench.wait(seq), Ok(addresses(&["192.0.2.1"])));
    }
    // A name that waits for its client's turn is looked up on another's who asks for it too.
    let now = bench.now();
    assert_eq!(bench.ask(130, "fast.test"), Asked::Pending);
    assert_eq!(
        bench.resolver.ask_for(ticket(131), "fast.test", client(9), now),
        Asked::Pending
    );
    let mut both: Vec<u32> = bench
        .wait_all(2)
        .into_iter()
        .map(|(ticket, _)| ticket.seq)
        .collect();
    both.sort_unstable();
    assert_eq!(both, [130, 131]);
    drop(hold);
}

#[test]
fn a_cancelled_question_is_not_asked_and_an_abandoned_answer_is_kept() {
    let (lookup, starts, tell) = told();
    let mut bench = Bench::with_lookup(
        Settings {
            places: 1,
            ..settings(&[])
        },
        lookup,
    );
    for (seq, name) in [(1, "a.test"), (2, "b.test"), (3, "c.test")] {
        assert_eq!(bench.ask(seq, name), Asked::Pending);
    }
    assert_eq!(start(&starts), "a.test");
    bench.resolver.cancel(ticket(1));
    bench.resolver.cancel(ticket(2));
    assert_eq!(bench.resolver.in_flight(), 1);
    tell.send(found(&["192.0.2.1"])).unwrap();
    tell.send(found(&["192.0.2.3"])).unwrap();
    assert_eq!(bench.wait(3), Ok(addresses(&["192.0.2.3"])));
    assert_eq!(start(&starts), "c.test");
    assert!(starts.try_recv().is_err());
    assert!(matches!(bench.ask(4, "a.test"), Asked::Answered(Ok(_))));
    assert!(bench.resolver.questions.is_empty() && bench.resolver.names.is_empty());
}

#[test]
fn a_lookup_that_panics_is_a_failure_and_nothing_else() {
    let lookup: Lookup = Arc::new(|name| match name {
        "a.test" => panic!("on purpose"),
        _ => found(&["192.0.2.1"]),
    });
    let mut bench = Bench::with_lookup(
        Settings {
            places: 1,
            ..settings(&[])
        },
        lookup,
    );
    assert_eq!(
        bench.resolve("a.test"),
        Err(("lookup a.test: resolver failed".into(), false))
    );
    assert_eq!(bench.resolve("b.test"), Ok(addresses(&["192.0.2.1"])));
}

#[test]
fn the_real_one_starts_no_thread_before_it_is_asked() {
    let poll = Poll::new().unwrap();
    let deliver: Deliver = Arc::new(|_| panic!("a thread was started"));
    let resolver = Resolver::new(settings(&[]), poll.registry(), deliver).unwrap();
    assert_eq!((resolver.in_flight(), resolver.deadline()), (0, None));
}

/// The threads are the process's: a client that holds them in one loop waits in another, and who has none does not.
#[test]
fn two_loops_share_the_threads_and_their_turns() {
    let (lookup, starts, tell) = told();
    let settings = Settings {
        places: 4,
        ..settings(&[])
    };
    let common = Common::with_lookup(settings, Bells::of_one(), lookup);
    let (mut first, mut second) = (Bench::of_loop(&common, 0), Bench::of_loop(&common, 1));
    for (seq, name) in [(1, "a.test"), (2, "b.test"), (3, "c.test")] {
        assert_eq!(first.ask(seq, name), Asked::Pending);
        start(&starts);
    }
    assert_eq!(second.ask(1, "d.test"), Asked::Pending);
    assert!(starts.try_recv().is_err(), "the last quarter is for others");
    let now = second.now();
    let other = second.resolver.ask_for(ticket(2), "e.test", client(2), now);
    assert_eq!((other, start(&starts)), (Asked::Pending, "e.test".into()));
    // What ends in one loop lets the other's go on, and the outcome goes where it was asked for.
    for _ in 0..5 {
        tell.send(found(&["192.0.2.1"])).unwrap();
    }
    assert_eq!(start(&starts), "d.test");
    assert_eq!((first.wait_all(3).len(), second.wait_all(2).len()), (3, 2));
}

#[test]
fn a_loop_that_ends_leaves_its_turns_to_the_others() {
    let (lookup, starts, tell) = told();
    let settings = Settings {
        places: 1,
        ..settings(&[])
    };
    let common = Common::with_lookup(settings, Bells::of_one(), lookup);
    let (mut first, mut second) = (Bench::of_loop(&common, 0), Bench::of_loop(&common, 1));
    assert_eq!(first.ask(1, "a.test"), Asked::Pending);
    assert_eq!(start(&starts), "a.test");
    assert_eq!(first.ask(2, "b.test"), Asked::Pending);
    assert_eq!(second.ask(1, "c.test"), Asked::Pending);
    drop(first);
    tell.send(found(&["192.0.2.1"])).unwrap();
    tell.send(found(&["192.0.2.3"])).unwrap();
    assert_eq!(start(&starts), "c.test");
    assert_eq!(second.wait(1), Ok(addresses(&["192.0.2.3"])));
}
