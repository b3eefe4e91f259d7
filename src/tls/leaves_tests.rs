use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::tls::mint::tests::{file, host};
use crate::tls::testing::Ca;

use super::*;

fn leaves(ca: &Ca) -> Leaves {
    let (certificate, key) = (file("ca.pem", &ca.pem()), file("ca.key", &ca.key_pem()));
    Leaves::new(certificate, key, SystemTime::now(), &mut Vec::new()).unwrap()
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

#[test]
fn one_leaf_is_made_for_all_who_ask() {
    let (leaves, told, now) = (leaves(&Ca::new("Own")), Told::default(), SystemTime::now());
    let good = host("good.test");
    assert!(matches!(leaves.ask(&good, now, told.waiter()), Asked::Mint));
    assert!(matches!(leaves.ask(&good, now, told.waiter()), Asked::Waits));
    assert!(matches!(
        leaves.ask(&host("b.test"), now, told.waiter()),
        Asked::Mint
    ));
    assert_eq!(told.counts(), [0, 0]);
    leaves.mint(&good, now);
    assert_eq!(told.counts(), [2, 2]);
    let Asked::Ready(first) = leaves.ask(&good, now, told.waiter()) else {
        panic!("it was made")
    };
    leaves.give_up(&host("b.test"), "too much other work waits");
    assert_eq!(told.counts(), [3, 2]);
    assert!(
        matches!(leaves.ask(&host("b.test"), now, told.waiter()), Asked::Mint),
        "again"
    );
    // It is renewed long before its end.
    let later = now + Duration::from_secs(13 * 60 * 60);
    assert!(matches!(leaves.ask(&good, later, told.waiter()), Asked::Mint));
    leaves.mint(&good, later);
    let Asked::Ready(second) = leaves.ask(&good, later, told.waiter()) else {
        panic!("it was renewed")
    };
    assert!(!Arc::ptr_eq(&first, &second));
}

#[test]
fn leaves_are_bounded_and_the_first_goes() {
    let (leaves, told, now) = (leaves(&Ca::new("Own")), Told::default(), SystemTime::now());
    let nth = |nth: usize| host(&format!("h{nth}.test"));
    for number in 0..=LEAVES_MAX {
        assert!(matches!(
            leaves.ask(&nth(number), now, told.waiter()),
            Asked::Mint
        ));
        leaves.mint(&nth(number), now);
    }
    let state = leaves.lock();
    assert_eq!((state.ready.len(), state.order.len()), (LEAVES_MAX, LEAVES_MAX));
    assert!(state.pending.is_empty());
    drop(state);
    assert!(matches!(leaves.ask(&nth(0), now, told.waiter()), Asked::Mint));
    assert!(matches!(leaves.ask(&nth(1), now, told.waiter()), Asked::Ready(_)));
}

#[test]
fn a_ca_is_the_same_by_its_files() {
    let (own, other) = (Ca::new("Own"), Ca::new("Own"));
    assert!(leaves(&own).signs_as(&leaves(&own)));
    assert!(!leaves(&own).signs_as(&leaves(&other)));
}
