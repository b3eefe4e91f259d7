//! Requests and responses: second attempts, answers in the wrong place, how long one may take.

use super::*;

#[test]
fn a_pooled_connection_that_takes_no_head_loses_no_pipelined_request() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &(get("1") + &get("2")));
    bench.dialled(true);
    bench.unwritable(Side::Origin);
    bench.flows.down.note_end();
    bench.feed(Input::Moved);
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET /1 "));
    bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 204 "));
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET /2 "));
}

#[test]
fn what_is_left_of_a_request_is_read_behind_an_answer_that_ended_by_close() {
    let mut bench = Bench::new();
    let request = format!("POST {URL} HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    bench.arrive(Side::Client, &request);
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench.arrive(Side::Client, "def");
    bench.flows.down.end = End::Announced;
    bench.unwritable(Side::Origin);
    bench.arrive(Side::Origin, "HTTP/1.1 413 Too Large\r\n\r\nno");
    bench.flows.down.note_end();
    assert!(bench.leave(Side::Client).ends_with("\r\n\r\nno"));
    assert!(bench.flows.up.wants_bytes());
    bench.arrive(Side::Client, "ghi");
    assert!(bench.flows.up.rx.is_empty());
    bench.flows.up.end = End::Reached;
    bench.feed(Input::Moved);
    assert!(bench.session.is_done());
}

#[test]
fn no_answer_of_ours_lands_in_the_middle_of_a_response() {
    let mut bench = Bench::new();
    bench.send("");
    bench.arrive(
        Side::Origin,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
    );
    let begun = bench.leave(Side::Client);
    assert!(begun.starts_with("HTTP/1.1 200 ") && begun.ends_with("1\r\na\r\n"));
    bench.feed(Input::Starved(Side::Client));
    assert_eq!(bench.leave(Side::Client), "");
    assert!(
        bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::DropOrigin))
    );
}

#[test]
fn a_malformed_trailer_does_not_leave_the_last_chunk_behind() {
    let mut bench = Bench::new();
    bench.send("");
    bench.arrive(
        Side::Origin,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX Y: z\r\n\r\n",
    );
    let begun = bench.leave(Side::Client);
    assert!(begun.ends_with("\r\n\r\n1\r\na\r\n"), "{begun}");
}

#[test]
fn a_short_idle_timeout_is_for_tunnels_and_cuts_no_exchange() {
    let mut bench = Bench::new();
    bench.settings.idle_timeout = Some(Duration::from_secs(30));
    bench.send("slow");
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    assert_eq!(bench.leave(Side::Client), "");
    bench.flows.down.touched = bench.now;
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    bench.leave(Side::Client);
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    bench.arrive(Side::Origin, "b");
    assert_eq!(bench.leave(Side::Client), "b");
    // It is not without a limit either.
    bench.arrive(Side::Client, &get("never"));
    bench.dialled(false);
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(3600)));
}

#[test]
fn the_end_of_a_chunked_response_may_leave_as_slowly_as_the_rest() {
    let mut bench = Bench::new();
    bench.send("1");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    bench.arrive(Side::Origin, &format!("{head}5\r\nhello\r\n0\r\n\r\n"));
    // Everything waits for a client that does something else.
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    assert!(!bench.session.is_done());
    assert!(
        bench
            .leave(Side::Client)
            .ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    );
    // Its origin has not kept the connection for so long.
    assert!(matches!(bench.actions.last(), Some(Action::DropOrigin)));
    let idle = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(idle, Some(bench.now + Duration::from_secs(60)));
}

#[test]
fn a_response_is_over_when_its_end_has_left_the_wire() {
    let mut bench = Bench::new();
    bench.send("1");
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    // All of it passes the gate, and stays in the wire.
    bench.flows.down.note_under(500);
    assert!(bench.leave(Side::Client).ends_with("hello"));
    bench.now += Duration::from_secs(600);
    bench.feed(Input::Expired);
    assert!(!bench.session.is_done());
    bench.flows.down.note_under(0);
    bench.feed(Input::Moved);
    bench.arrive(Side::Client, &get("2"));
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).starts_with("GET /2 "));
}

/// A download takes long: its head is of no use any more.
#[test]
fn a_head_is_kept_for_a_second_attempt_only_until_an_answer_comes() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get("/"));
    bench.dialled(true);
    bench.leave(Side::Origin);
    assert!(bench.session.held_bytes() > 0);
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(bench.session.held_bytes(), 0);
}

/// Whatever it said, it has taken the request.
#[test]
fn what_an_interim_response_answered_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get("/"));
    bench.dialled(true);
    bench.leave(Side::Origin);
    bench.arrive(Side::Origin, "HTTP/1.1 103 Early Hints\r\n\r\n");
    bench.flows.down.note_end();
    bench.feed(Input::Moved);
    assert!(!bench.dials());
    assert!(bench.leave(Side::Client).contains("HTTP/1.1 502 "));
}

/// Where memory is short a large head is not held, and so not sent twice; a small one is.
#[test]
fn without_room_to_spare_a_large_head_is_given_up() {
    for (path_bytes, kept) in [(100, true), (8000, false)] {
        let mut bench = Bench::new();
        bench.has_room_to_spare = false;
        bench.arrive(Side::Client, &get(&"x".repeat(path_bytes)));
        bench.dialled(true);
        bench.leave(Side::Origin);
        assert_eq!(bench.session.held_bytes() > 0, kept);
    }
}

/// A request whose body has begun, by each framing: its first part, the rest, and what leaves for the rest.
const UPLOADS: [(&str, &str, &str); 2] = [
    ("Content-Length: 6\r\n\r\nabc", "def", "def"),
    (
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "3\r\ndef\r\n0\r\n\r\n",
        "3\r\ndef\r\n0\r\n\r\n",
    ),
];

/// Whole responses, and whether the client's connection goes on behind them.
const ANSWERS: [(&str, bool); 4] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        true,
    ),
    ("HTTP/1.1 204 No Content\r\n\r\n", true),
    (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        false,
    ),
];

/// A POST has begun so, and has reached its origin.
fn posted(begun: &str) -> Bench {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &format!("POST {URL} {begun}"));
    bench.dialled(false);
    bench.leave(Side::Origin);
    bench
}

/// The request has begun and is answered, which the client reads.
fn answered_early(begun: &str, answer: &str) -> Bench {
    let mut bench = posted(&format!("HTTP/1.1\r\n{begun}"));
    bench.arrive(Side::Origin, answer);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 20"));
    bench
}

fn has(bench: &Bench, is: impl Fn(&Action) -> bool) -> bool {
    bench.actions.iter().any(is)
}

#[test]
fn an_origin_that_answered_early_gets_the_rest() {
    for (begun, rest, leaves) in UPLOADS {
        for (answer, persists) in ANSWERS {
            let mut bench = answered_early(begun, answer);
            assert!(!has(&bench, |action| matches!(action, Action::DropOrigin)));
            assert!(!has(&bench, |action| matches!(action, Action::Hangup(_))));
            bench.arrive(Side::Client, &(rest.to_owned() + &get("2")));
            assert_eq!(bench.leave(Side::Origin), leaves, "{answer}");
            // Nobody knows what it took the rest for.
            assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
            assert!(!has(&bench, |action| matches!(action, Action::Park(..))));
            if persists {
                bench.dialled(false);
                assert!(bench.leave(Side::Origin).starts_with("GET /2 "), "{answer}");
            }
        }
    }
}

/// All of the request was read, and the answer comes before all of it has left.
fn answered_before_the_last_bytes_left(head: &str, body: &str) -> Bench {
    let mut bench = posted(&format!("HTTP/1.1\r\n{head}\r\n\r\n"));
    bench.arrive(Side::Client, body);
    bench.arrive(Side::Origin, ANSWERS[0].0);
    assert!(bench.leave(Side::Client).ends_with("ok"));
    assert!(!has(&bench, |action| matches!(action, Action::DropOrigin)));
    bench
}

#[test]
fn what_is_read_but_not_yet_written_belongs_to_the_request() {
    for (head, body) in [
        ("Content-Length: 3", "abc"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut bench = answered_before_the_last_bytes_left(head, body);
        assert_eq!(bench.leave(Side::Origin), body);
        assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
        assert!(!has(&bench, |action| matches!(action, Action::Park(..))));
    }
    // What passed the gate is not read again: a client goes on behind it, though the origin takes nothing more.
    let mut bench = answered_before_the_last_bytes_left("Transfer-Encoding: chunked", "0\r\n\r\n");
    bench.now += Duration::from_secs(30);
    bench.feed(Input::Expired);
    assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
    bench.arrive(Side::Client, &get("2"));
    assert!(bench.dials());
}

#[test]
fn where_the_end_alone_shows_how_long_an_answer_was_it_is_shown_at_once() {
    let mut bench = posted("HTTP/1.0\r\nContent-Length: 6\r\n\r\nabc");
    bench.arrive(Side::Origin, ANSWERS[1].0);
    assert!(bench.leave(Side::Client).ends_with("ok"));
    assert!(has(&bench, |action| matches!(
        action,
        Action::Hangup(Side::Client)
    )));
    bench.arrive(Side::Client, "def");
    assert_eq!(bench.leave(Side::Origin), "def");
    assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
}

#[test]
fn nobody_waits_for_the_rest_when_either_side_has_enough() {
    type Ending = fn(&mut Bench);
    // And whether it is the proxy that cut the request, which is said.
    let ends: [(&str, Ending, bool); 6] = [
        (
            "the origin ended",
            |bench| bench.flows.down.end = End::Announced,
            false,
        ),
        (
            "the origin takes no more",
            |bench| bench.unwritable(Side::Origin),
            false,
        ),
        (
            "the origin is gone",
            |bench| bench.feed(Input::Broken(Side::Origin, &reset())),
            false,
        ),
        ("the client ended", |bench| bench.flows.up.note_end(), false),
        (
            "nothing came for half a minute",
            |bench| {
                bench.now += Duration::from_secs(30);
                bench.feed(Input::Expired);
            },
            true,
        ),
        (
            "the rest is none",
            |bench| bench.arrive(Side::Client, "\x01"),
            true,
        ),
    ];
    for (begun, ..) in UPLOADS {
        for (what, end, is_cut) in ends {
            if is_cut && what == "the rest is none" && begun.starts_with("Content-Length") {
                continue;
            }
            let mut bench = answered_early(begun, ANSWERS[0].0);
            let is_over = |bench: &Bench| {
                has(bench, |action| {
                    matches!(action, Action::DropOrigin | Action::Close(_))
                })
            };
            assert!(!is_over(&bench), "{what}");
            end(&mut bench);
            bench.feed(Input::Moved);
            assert!(is_over(&bench), "{what}");
            let says = has(&bench, |action| matches!(action, Action::Cut(_, Side::Client, _)));
            assert_eq!(says, is_cut, "{what}");
        }
    }
}

#[test]
fn who_waited_for_leave_and_was_answered_may_keep_its_body() {
    let chunked = "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    for (expecting, part) in [
        ("Content-Length: 6\r\nExpect: 100-continue\r\n\r\n", "abc"),
        (chunked, "3\r\nabc\r\n"),
    ] {
        let bench = answered_early(expecting, ANSWERS[0].0);
        assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
        // Who didn't wait is served like others.
        let bench = answered_early(&(expecting.to_owned() + part), ANSWERS[0].0);
        assert!(!has(&bench, |action| matches!(action, Action::DropOrigin)));
        // So is who goes on while the answer does.
        let mut bench = posted(&format!("HTTP/1.1\r\n{expecting}"));
        bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        bench.leave(Side::Client);
        bench.arrive(Side::Client, part);
        assert_eq!(bench.leave(Side::Origin), part);
        bench.arrive(Side::Origin, "k");
        assert_eq!(bench.leave(Side::Client), "k");
        assert!(!has(&bench, |action| matches!(action, Action::DropOrigin)));
    }
}
