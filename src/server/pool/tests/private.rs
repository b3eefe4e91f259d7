//! Connections that are bound to a client: by whom they are found, and by whom they are not.

use super::*;

#[test]
fn a_private_connection_stays_private_behind_later_requests() {
    let mut pool = Pool::new(10, 10, Instant::now());
    let (key, addresses) = (key("a.test", "r"), vetted("44.1.1.1:80"));
    pool.park(key.clone(), private(taken(1, "44.1.1.1:80")));
    let again = take(&mut pool, &key, &addresses, CLIENT).unwrap();
    pool.park(key.clone(), again);
    assert_eq!(take(&mut pool, &key, &addresses, OTHER_CLIENT), None);
    assert!(take(&mut pool, &key, &addresses, CLIENT).is_some());
}

#[test]
fn a_client_comes_back_to_its_own_connection_though_others_parked_later() {
    let mut pool = Pool::new(10, 10, Instant::now());
    let (key, addresses) = (key("a.test", "r"), vetted("44.1.1.1:80"));
    pool.park(key.clone(), private(taken(1, "44.1.1.1:80")));
    pool.park(key.clone(), taken(2, "44.1.1.1:80"));
    let mut wire_of = |asker: ConnId| take(&mut pool, &key, &addresses, asker).map(|taken| taken.wire);
    assert_eq!(wire_of(CLIENT), Some(wire(1)));
    assert_eq!(wire_of(CLIENT), Some(wire(2)));
}

#[test]
fn a_private_connection_is_for_its_client_alone() {
    let mut pool = Pool::new(10, 10, Instant::now());
    pool.park(key("a.test", "r"), private(taken(1, "44.1.1.1:80")));
    assert_eq!(
        take(
            &mut pool,
            &key("a.test", "r"),
            &vetted("44.1.1.1:80"),
            OTHER_CLIENT
        ),
        None
    );
    assert_eq!(pool.drop_private(OTHER_CLIENT), vec![]);
    assert_eq!(pool.drop_private(CLIENT), vec![wire(1)]);
    assert!(pool.is_empty());
}
