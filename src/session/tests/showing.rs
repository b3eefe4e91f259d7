//! Pages: how long a client may take to read one.

use super::*;

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.session = Session::admin(SocketAddr::from(([127, 0, 0, 1], 5)), Surface::Port, bench.now);
    bench.arrive(Side::Client, "GET /tunnels HTTP/1.1\r\nHost: localhost\r\n\r\n");
    bench.leave(Side::Client);
    bench
}

/// The client takes nothing of what it gets from now on for so long; is the page given up?
fn stands_still(bench: &mut Bench, seconds: u64) -> bool {
    bench.feed(Input::Shown(b"part", Some(1)));
    bench.now += Duration::from_secs(seconds);
    bench.feed(Input::Expired);
    let aborts = |action: &Action| matches!(action, Action::Close(Close::Abort));
    bench.actions.iter().any(aborts)
}

#[test]
fn a_client_that_reads_on_has_time_and_one_that_does_not_has_little() {
    let mut slow = bench();
    for _ in 0..10 {
        assert!(!stands_still(&mut slow, 29));
        slow.flows.down.touched = slow.now;
        slow.leave(Side::Client);
    }
    // It took 290 s by now.
    assert!(stands_still(&mut slow, 10), "however slowly");
    assert!(stands_still(&mut bench(), 30));
}
