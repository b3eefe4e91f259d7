//! What a client may do before it says a word, and with its first one.

use super::*;

#[test]
fn the_first_byte_leads_to_a_head_at_once_and_wins_no_time() {
    let mut bench = Bench::new();
    let due = Some(bench.now + Duration::from_secs(30));
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(29);
    bench.arrive(Side::Client, "G");
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
    bench.now += Duration::from_secs(1);
    bench.feed(Input::Expired);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_client_hello_is_answered_as_a_head_that_is_none() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, "\u{16}");
    let answer = bench.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("a TLS handshake where a plain HTTP request"),
        "{answer}"
    );
    assert!(bench.flows.up.rx.is_empty());
}

#[test]
fn a_silent_client_is_let_go_without_a_word() {
    for end in [
        Input::Expired,
        Input::Drain,
        Input::Terminate,
        Input::Broken(Side::Client, reset()),
        Input::Moved,
    ] {
        let mut bench = Bench::new();
        match end {
            Input::Expired => bench.now += Duration::from_secs(30),
            Input::Moved => bench.flows.up.end = End::Reached,
            _ => {}
        }
        bench.feed(end);
        assert!(bench.session.is_done() && bench.flows.down.tx.is_empty());
        assert!(matches!(bench.actions[..], [Action::Close(Close::Orderly)]));
    }
}

/// Bytes and an event that says more may come together.
#[test]
fn an_event_beside_the_first_bytes_is_not_lost() {
    let mut bench = Bench::new();
    bench.flows.up.rx.push(get("").as_bytes());
    bench.feed(Input::Broken(Side::Client, reset()));
    assert!(bench.session.is_done());
    let mut bench = Bench::new();
    bench.flows.up.rx.push(b"GET ");
    bench.feed(Input::Starved);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 503 "));
    let mut bench = Bench::new();
    bench.flows.up.rx.push(b"GET ");
    bench.feed(Input::Drain);
    assert!(!bench.session.is_done(), "its request is under way");
}
