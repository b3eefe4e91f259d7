//! How descriptors are shared out. The start itself: `tests/it/startup`; reloads: `start/reload`.

use super::*;

#[test]
fn pipes_leave_descriptors_for_the_rest_of_what_is_reserved() {
    assert_eq!((pipes_max(31), pipes_max(1024), pipes_max(1 << 20)), (0, 32, 64));
    for descriptors in [16, 64, 256, 1024, 2048, 20_000, 1 << 20] {
        let taken = idle_room(descriptors).min(1024) + 2 * pipes_max(descriptors);
        assert!(taken as u64 <= reserved(descriptors), "{descriptors}");
    }
}

#[test]
fn idle_connections_leave_descriptors_for_clients() {
    assert_eq!([16, 64, 1024, 8240].map(idle_room), [0, 2, 122, 1024]);
}
