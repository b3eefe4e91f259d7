//! The last word, where the wire keeps some of it.

use super::*;

#[test]
fn the_notice_of_the_end_leaves_before_the_connection_closes() {
    for ended_before in [true, false] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "GET / HTTP/1.1\r\n\r\n");
        if ended_before {
            bench.flows.up.note_end();
        }
        assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 400 "));
        assert!(matches!(bench.actions.last(), Some(Action::Hangup(Side::Client))));
        bench.flows.down.note_under(24);
        bench.flows.up.note_end();
        bench.feed(Input::Moved);
        assert!(!bench.session.is_done());
        bench.flows.down.note_under(0);
        bench.feed(Input::Moved);
        assert!(matches!(
            bench.actions.last(),
            Some(Action::Close(Close::Orderly))
        ));
    }
}

#[test]
fn a_client_has_its_time_to_close_from_when_the_notice_left() {
    let mut bench = Bench::new();
    bench.arrive(
        Side::Client,
        "GET http://10.0.0.1/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    let deadline = |bench: &Bench| bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline(&bench), Some(bench.now + Duration::from_secs(2)));
    bench.flows.down.note_under(24);
    assert_eq!(deadline(&bench), Some(bench.now + Duration::from_secs(60)));
    bench.now += Duration::from_secs(50);
    bench.flows.down.touched = bench.now;
    bench.flows.down.note_under(0);
    assert_eq!(deadline(&bench), Some(bench.now + Duration::from_secs(2)));
}

#[test]
fn a_notice_that_does_not_leave_in_time_is_given_up_by_a_reset() {
    let mut bench = Bench::new();
    bench.arrive(
        Side::Client,
        "GET http://10.0.0.1/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    bench.leave(Side::Client);
    bench.flows.down.note_under(24);
    bench.now += Duration::from_secs(60);
    bench.feed(Input::Expired);
    assert!(matches!(bench.actions.last(), Some(Action::Close(Close::Abort))));
}
