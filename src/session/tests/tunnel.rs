//! How tunnels end.

use super::*;

#[test]
fn a_half_closed_tunnel_gets_its_time_from_the_half_close_on() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
    bench.dialled(false);
    bench.leave(Side::Client);
    bench.now += Duration::from_secs(600);
    bench.flows.up.end = End::Passed;
    bench.feed(Input::Moved);
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(60)));
    bench.now += Duration::from_secs(30);
    bench.flows.down.touched = bench.now;
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(60)));
}

#[test]
fn a_tunnel_that_ended_in_order_names_no_error_of_its_last_word() {
    let tunnel = || {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
        bench.dialled(false);
        bench.leave(Side::Client);
        bench
    };
    let (unwritable, fail) = (Input::Unwritable, reset());
    type Failed<'a> = fn(Side, &'a IoFail) -> Input<'a>;
    for (end, side, failed, said, error) in [
        (End::Passed, Side::Origin, unwritable as Failed<'_>, "bye", None),
        (End::Passed, Side::Origin, unwritable, "", None),
        (End::Announced, Side::Origin, unwritable, "bye", None),
        (End::Passed, Side::Client, Input::Broken, "", None),
        // What the client says is lost with it.
        (
            End::Passed,
            Side::Client,
            Input::Broken,
            "bye",
            Some("connection reset by peer"),
        ),
        (
            End::Reached,
            Side::Client,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (
            End::Open,
            Side::Client,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (
            End::Open,
            Side::Origin,
            Input::Broken,
            "",
            Some("connection reset by peer"),
        ),
        (End::Open, Side::Origin, unwritable, "bye", Some("broken pipe")),
    ] {
        let mut bench = tunnel();
        bench.flows.down.end = end;
        bench.feed(Input::Moved);
        bench.arrive(Side::Client, said);
        bench.feed(failed(side, &fail));
        if !bench.session.is_done() {
            bench.flows.down.note_end();
            bench.leave(Side::Client);
        }
        let record = bench.logged();
        assert!(record.end().is_some());
        assert_eq!(record.error(), error, "{end:?} {side:?} {said}");
    }
}

#[test]
fn a_tunnel_ends_when_what_tells_of_its_ends_has_left() {
    let mut bench = Bench::new();
    bench.settings.idle_timeout = None;
    bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
    bench.dialled(false);
    bench.leave(Side::Client);
    for side in [Side::Client, Side::Origin] {
        bench.flows.from(side).end = End::Passed;
        bench.flows.from(side).note_under(24);
        bench.feed(Input::Moved);
    }
    assert!(!bench.session.is_done());
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(60)));
    for side in [Side::Client, Side::Origin] {
        assert!(!bench.session.is_done());
        bench.flows.from(side).note_under(0);
        bench.feed(Input::Moved);
    }
    assert!(matches!(
        bench.actions.last(),
        Some(Action::Close(Close::Orderly))
    ));
    assert_eq!(bench.logged().error(), None);
}

#[test]
fn a_cut_is_passed_on_as_one_though_something_else_ends_the_tunnel() {
    for end in [Input::Expired, Input::Terminate] {
        let mut bench = Bench::new();
        bench.arrive(Side::Client, "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
        bench.dialled(false);
        bench.leave(Side::Client);
        bench.flows.down.end = End::Cut;
        bench.arrive(Side::Origin, "what the client does not take");
        assert!(!bench.session.is_done());
        bench.now += Duration::from_secs(3600);
        bench.feed(end);
        assert!(matches!(bench.actions.last(), Some(Action::Close(Close::Abort))));
    }
}
