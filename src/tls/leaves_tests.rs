use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::tls::mint::tests::{file, host};
use crate::tls::testing::Ca;

use super::*;

fn leaves(ca: &Ca) -> Arc<Leaves> {
    let (certificate, key) = (file("ca.pem", &ca.pem()), file("ca.key", &ca.key_pem()));
    Arc::new(Leaves::new(certificate, key, SystemTime::now(), &mut Vec::new()).unwrap())
}

/// Counts those who were told, and of these those who got a leaf.
#[derive(Clone, Default)]
struct Told(Arc<[AtomicUsize; 2]>);

impl Told {
    fn waiter(&self) -> Waiter {
        let told = self.clone();
        Box::new(move |minted| {
            told.0[0].fetch_add(1, Ordering::SeqCst);
            told.0[1].fetch_add(usize::from(minted.is_ok()), Ordering::SeqCst);
        })
    }

    fn counts(&self) -> [usize; 2] {
        self.0.each_ref().map(|count| count.load(Ordering::SeqCst))
    }
}

fn order(leaves: &Arc<Leaves>, of: &str, now: SystemTime, told: &Told) -> Order {
    match leaves.ask(&host(of), now, told.waiter()) {
        Asked::Mint(order) => order,
        Asked::Ready(_) => panic!("{of} is there"),
        Asked::Waits => panic!("{of} is being made"),
    }
}

#[test]
fn one_leaf_is_made_for_all_who_ask() {
    let (leaves, told, now) = (leaves(&Ca::new("Own")), Told::default(), SystemTime::now());
    let good = host("good.test");
    let first = order(&leaves, "good.test", now, &told);
    assert_eq!(*first.host(), good);
    assert!(matches!(leaves.ask(&good, now, told.waiter()), Asked::Waits));
    let other = order(&leaves, "b.test", now, &told);
    assert_eq!(told.counts(), [0, 0]);
    first.carry_out(now);
    assert_eq!(told.counts(), [2, 2]);
    let Asked::Ready(first) = leaves.ask(&good, now, told.waiter()) else {
        panic!("it was made")
    };
    other.give_up("too much other work waits");
    assert_eq!(told.counts(), [3, 2]);
    // It is renewed long before its end.
    let later = now + Duration::from_secs(13 * 60 * 60);
    order(&leaves, "good.test", later, &told).carry_out(later);
    let Asked::Ready(second) = leaves.ask(&good, later, told.waiter()) else {
        panic!("it was renewed")
    };
    assert!(!Arc::ptr_eq(&first, &second));
}

#[test]
fn nobody_waits_for_what_was_forgotten() {
    let (leaves, told, now) = (leaves(&Ca::new("Own")), Told::default(), SystemTime::now());
    drop(order(&leaves, "a.test", now, &told));
    assert_eq!(told.counts(), [1, 0]);
    order(&leaves, "a.test", now, &told).carry_out(now);
    assert_eq!(told.counts(), [2, 1]);
    // Nor is another's told by one that was carried out in vain.
    let late = now + Duration::from_secs(40 * 365 * 24 * 60 * 60);
    order(&leaves, "a.test", late, &told).carry_out(late);
    assert_eq!(told.counts(), [3, 1]);
    let expired = leaves.authority.mint(&host("a.test"), late);
    assert!(expired.unwrap_err().contains("has expired"));
}

#[test]
fn leaves_are_bounded_and_the_one_goes_that_nobody_asked_for_the_longest() {
    let (leaves, told, now) = (leaves(&Ca::new("Own")), Told::default(), SystemTime::now());
    let nth = |nth: usize| format!("h{nth}.test");
    let is_ready = |of: &str| match leaves.ask(&host(of), now, told.waiter()) {
        Asked::Ready(_) => true,
        Asked::Mint(_) | Asked::Waits => false,
    };
    for number in 0..LEAVES_MAX {
        order(&leaves, &nth(number), now, &told).carry_out(now);
    }
    assert!(is_ready(&nth(0)), "so that the next is the oldest");
    order(&leaves, "more.test", now, &told).carry_out(now);
    {
        let state = leaves.lock();
        assert_eq!((state.ready.len(), state.pending.len()), (LEAVES_MAX, 0));
    }
    assert!(is_ready("more.test") && is_ready(&nth(0)) && is_ready(&nth(2)));
    assert!(!is_ready(&nth(1)));
}

#[test]
fn a_ca_is_the_same_by_its_files() {
    let (own, other) = (Ca::new("Own"), Ca::new("Own"));
    assert!(leaves(&own).signs_as(&leaves(&own)));
    assert!(!leaves(&own).signs_as(&leaves(&other)));
}
