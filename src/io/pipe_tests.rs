//! The pool's bounds and what is worth a pipe. How bytes pass through one is `pump_tests`, `tests/sim` and `tests/it`.

use super::*;

fn pipes(max: usize) -> Pipes {
    Pipes::new(max, Worth::default())
}

fn client(last: u8) -> ClientKey {
    ClientKey::of([10, 0, 0, last].into())
}

#[test]
fn one_client_leaves_the_last_quarter_to_the_others() {
    let now = Instant::now();
    let mut pipes = pipes(8);
    let mut held: Vec<_> = std::iter::from_fn(|| pipes.take(client(1), now)).collect();
    assert_eq!(held.len(), 6);
    let others: Vec<_> = (2..5).map(|other| pipes.take(client(other), now)).collect();
    assert!(others[0].is_some() && others[1].is_some() && others[2].is_none());
    pipes.put(held.pop().unwrap());
    assert!(pipes.take(client(1), now).is_none() && pipes.take(client(9), now).is_some());
}

#[test]
fn no_more_pipes_than_allowed() {
    let now = Instant::now();
    let mut pipes = pipes(2);
    let (first, second) = (
        pipes.take(client(1), now).unwrap(),
        pipes.take(client(2), now).unwrap(),
    );
    assert!(pipes.take(client(3), now).is_none() && pipes.in_use() == 2);
    drop(first);
    assert_eq!(pipes.in_use(), 1, "a pipe that is dropped makes room");
    pipes.put(second);
    assert_eq!((pipes.in_use(), pipes.close_idle()), (0, 1));
}

#[test]
fn an_empty_pipe_is_used_again_and_one_with_bytes_is_not() {
    let now = Instant::now();
    let mut pipes = pipes(1);
    let pipe = pipes.take(client(1), now).unwrap();
    let input = std::os::fd::AsRawFd::as_raw_fd(&pipe.input);
    pipes.put(pipe);
    let mut pipe = pipes.take(client(1), now).unwrap();
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&pipe.input), input);
    pipe.bytes = 1;
    pipes.put(pipe);
    assert_eq!((pipes.in_use(), pipes.close_idle()), (0, 0));
}

#[test]
fn pieces_are_large_only_where_few_share_the_loop_and_few_pipes_are_in_use() {
    let now = Instant::now();
    let mut pipes = pipes(FEW_PIPES + 1);
    pipes.share_among(FEW_CONNECTIONS + 1);
    assert_eq!(pipes.piece_bytes(), PIECE_BYTES);
    pipes.share_among(FEW_CONNECTIONS);
    let mut taken: Vec<_> = (0..=16)
        .filter_map(|other| pipes.take(client(other), now))
        .take(FEW_PIPES)
        .collect();
    assert_eq!(pipes.piece_bytes(), LARGE_PIECE_BYTES);
    taken.extend(pipes.take(client(99), now));
    assert_eq!(
        (pipes.in_use(), pipes.piece_bytes()),
        (FEW_PIPES + 1, PIECE_BYTES)
    );
}

#[test]
fn after_a_refusal_everything_is_copied_for_a_while() {
    let now = Instant::now();
    let mut pipes = pipes(9);
    let pipe = pipes.take(client(1), now).unwrap();
    pipes.put(pipe);
    pipes.refuse(now);
    assert!(pipes.take(client(1), now).is_none());
    assert!(pipes.take(client(1), now + REFUSED_PAUSE).is_some());
}

fn flow(gate: Gate, pace: Pace) -> Flow {
    let mut flow = Flow::new(gate, Instant::now());
    flow.pace = pace;
    flow
}

#[test]
fn bulk_and_long_bodies_are_worth_a_pipe() {
    let worth = Worth::default();
    let covers = |gate, pace| worth.covers(&flow(gate, pace));
    let (short, long) = (Gate::Pass(worth.body_bytes - 1), Gate::Pass(worth.body_bytes));
    assert!(covers(long, Pace::Unknown) && !covers(short, Pace::Unknown));
    assert!(!covers(long, Pace::Slow), "it was tried");
    assert!(covers(short, Pace::Bulk) && covers(Gate::Open, Pace::Bulk));
    assert!(!covers(Gate::Open, Pace::Unknown));
    assert!(!covers(Gate::Hold, Pace::Bulk) && !covers(Gate::Pass(0), Pace::Bulk));
}

#[test]
fn one_large_piece_after_another_is_bulk() {
    let worth = Worth::default();
    let mut flow = flow(Gate::Open, Pace::Unknown);
    let mut paces = Vec::new();
    for n in [worth.read_bytes, 64, worth.read_bytes, worth.read_bytes] {
        flow.pace = worth.after_read(&flow, n);
        paces.push(flow.pace);
    }
    assert_eq!(paces, [Pace::Brisk, Pace::Slow, Pace::Brisk, Pace::Bulk]);
    assert_eq!(worth.after_splice(&flow, worth.splice_bytes), Pace::Bulk);
    assert_eq!(worth.after_splice(&flow, worth.splice_bytes - 1), Pace::Slow);
    flow.gate = Gate::Hold;
    assert_eq!(
        worth.after_read(&flow, 1),
        Pace::Unknown,
        "the next message may be long"
    );
}
