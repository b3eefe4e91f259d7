//! When a reload reads, and what becomes of it; what it reads is `files_tests`'.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};

use mio::{Events, Poll, Token};

use crate::policy::{Policy, PolicyParts};
use crate::tls::{Client, ClientParts};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Trusts no CA.
fn nobody() -> Arc<Client> {
    let client = Client::new(ClientParts::default(), SystemTime::now(), &mut Vec::new());
    Arc::new(client.unwrap())
}

/// A reload whose readings begin when they like, and end as they are told.
struct House {
    poll: Poll,
    reload: Reload,
    present: InForce,
    begun: Receiver<()>,
    end: Option<Sender<Result<(), String>>>,
}

impl House {
    fn new() -> House {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (begins, begun) = mpsc::channel();
        let (end, ends) = mpsc::channel::<Result<(), String>>();
        let channels = Mutex::new((begins, ends));
        let read: Read = Arc::new(move |present| {
            let channels = channels.lock().unwrap();
            channels.0.send(()).unwrap();
            channels.1.recv().expect("on purpose").map(|()| Fresh {
                in_force: InForce {
                    policy: Arc::new(present.policy.renewed(None, None)),
                    tls: None,
                    trust: nobody(),
                    mitm: None,
                },
                layout: None,
                lines: Vec::new(),
            })
        });
        let policy = Policy::new(PolicyParts::without_rules());
        House {
            poll,
            reload: Reload::new(read, waker),
            present: InForce {
                policy: Arc::new(policy),
                tls: None,
                trust: nobody(),
                mitm: None,
            },
            begun,
            end: Some(end),
        }
    }

    fn ask(&mut self) {
        self.reload.ask(&self.present);
    }

    fn begins(&self) {
        self.begun.recv_timeout(LONG).unwrap();
    }

    fn ends(&self, how: Result<(), String>) {
        self.end.as_ref().unwrap().send(how).unwrap();
    }

    /// Waits until a reading is done. Was there another policy?
    fn is_replaced(&mut self) -> bool {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(LONG)).unwrap();
        assert!(!events.is_empty(), "nothing was read");
        let Some(next) = self.reload.take(&self.present) else {
            return false;
        };
        assert!(self.begun.try_recv().is_err(), "a third policy is read");
        let old = std::mem::replace(&mut self.present, next.in_force);
        self.reload.replaced(old, &self.present);
        true
    }
}

#[test]
fn what_is_asked_for_while_a_reading_is_under_way_is_one_more_afterwards() {
    let mut house = House::new();
    house.ask();
    house.begins();
    house.ask();
    house.ask();
    house.ends(Ok(()));
    assert!(house.is_replaced());
    house.begins();
    house.ends(Ok(()));
    assert!(house.is_replaced() && !house.reload.is_under_way);
    house.ask();
    house.begins();
    assert!(house.begun.try_recv().is_err());
}

#[test]
fn what_fails_or_panics_leaves_the_policy_and_hinders_no_other_reading() {
    let mut house = House::new();
    house.ask();
    house.begins();
    house.ends(Err("no such file".to_owned()));
    assert!(!house.is_replaced());
    house.ask();
    house.begins();
    house.ask();
    // What it waits for will never come: that is a panic.
    house.end = None;
    assert!(!house.is_replaced() && !house.is_replaced() && !house.reload.is_under_way);
}

#[test]
fn an_old_policy_is_freed_on_the_thread() {
    let mut house = House::new();
    let old = InForce {
        policy: Arc::new(house.present.policy.renewed(None, None)),
        ..house.present.clone()
    };
    let witness = Arc::downgrade(&old.policy);
    house.reload.replaced(old, &house.present);
    let start = std::time::Instant::now();
    while witness.upgrade().is_some() {
        assert!(start.elapsed() < LONG, "it stays");
        std::thread::yield_now();
    }
}
