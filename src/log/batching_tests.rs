//! When the thread writes: a first line at once, those behind it together, urgent ones without rest. A window of an
//! hour stands for "later", so that nothing depends on how long anything takes.

use std::sync::mpsc::Receiver;

use super::tests::{LONG, scripted, stalled, until};
use super::*;

const HOUR: Batching = Batching {
    window: Duration::from_secs(3600),
    write_length_max: 64 << 10,
};

/// A queue whose thread has written a first line and now rests for an hour.
fn resting() -> (Queue, Receiver<Vec<u8>>) {
    let (queue, writes) = scripted(vec![], HOUR);
    queue.push(b"first\n");
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"first\n");
    until(&queue, |waiting| waiting.thread == Thread::Resting);
    (queue, writes)
}

fn push(queue: &Queue, count: usize) {
    (0..count).for_each(|_| queue.push(b"line\n"));
}

fn thread(queue: &Queue) -> Thread {
    queue.0.lock().thread
}

#[test]
fn lines_within_a_window_leave_in_one_write_when_flushed() {
    let (queue, writes) = resting();
    push(&queue, 100);
    // Nobody has woken the thread.
    assert_eq!(thread(&queue), Thread::Resting);
    assert!(writes.try_recv().is_err());
    assert!(queue.flush(LONG));
    assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"line\n".repeat(100)]);
}

#[test]
fn flush_with_nothing_waiting_returns_and_the_next_line_leaves_at_once() {
    let (queue, writes) = resting();
    assert!(queue.flush(LONG));
    // What cut the rest short has ended it: the thread is idle again or rests, and flush wakes it from both.
    queue.push(b"second\n");
    assert!(queue.flush(LONG));
    assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"second\n"]);
}

#[test]
fn lines_of_half_a_queue_cut_the_rest_short() {
    let (queue, writes) = resting();
    push(&queue, LINES_MAX / 2 - 1);
    assert_eq!(thread(&queue), Thread::Resting);
    assert!(writes.try_recv().is_err());
    push(&queue, 1);
    let written = writes.recv_timeout(LONG).unwrap();
    assert_eq!(written, b"line\n".repeat(LINES_MAX / 2));
}

/// Whoever put it goes on first.
#[test]
fn a_line_that_was_only_put_waits_for_the_call() {
    let (queue, writes) = scripted(vec![], HOUR);
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    (0..2).for_each(|_| queue.put(b"line\n"));
    assert_eq!(thread(&queue), Thread::Idle);
    assert!(writes.try_recv().is_err());
    queue.call();
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"line\nline\n");
}

/// Not even for whoever put it: a queue that is half full may be full before he calls.
#[test]
fn half_a_queue_that_was_only_put_does_not_wait() {
    let (queue, writes) = scripted(vec![], HOUR);
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    (0..LINES_MAX / 2).for_each(|_| queue.put(b"line\n"));
    let written = writes.recv_timeout(LONG).unwrap();
    assert_eq!(written, b"line\n".repeat(LINES_MAX / 2));
}

#[test]
fn bytes_of_half_a_queue_cut_the_rest_short() {
    let (queue, writes) = resting();
    let line = [vec![b'x'; BYTES_MAX / 4 - 1], vec![b'\n']].concat();
    queue.push(&line);
    assert_eq!(thread(&queue), Thread::Resting);
    assert!(writes.try_recv().is_err());
    queue.push(&line);
    for _ in 0..2 {
        assert_eq!(writes.recv_timeout(LONG).unwrap(), line);
    }
}

#[test]
fn what_became_urgent_while_the_thread_wrote_is_written_without_rest() {
    let (queue, open, writes) = stalled(HOUR);
    push(&queue, LINES_MAX / 2);
    drop(open);
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"first\n");
    assert_eq!(
        writes.recv_timeout(LONG).unwrap(),
        b"line\n".repeat(LINES_MAX / 2)
    );
}

#[test]
fn a_burst_beyond_half_the_queue_loses_nothing() {
    let (queue, writes) = resting();
    for _ in 0..20 {
        push(&queue, LINES_MAX / 2);
        until(&queue, |waiting| waiting.is_empty());
    }
    assert_eq!(queue.0.dropped.load(Ordering::Relaxed), 0);
    assert_eq!(
        writes.try_iter().map(|write| write.len()).sum::<usize>(),
        20 * LINES_MAX / 2 * 5
    );
}

#[test]
fn after_a_quiet_window_a_line_is_written_at_once() {
    let (queue, writes) = scripted(
        vec![],
        Batching {
            window: Duration::ZERO,
            ..HOUR
        },
    );
    for _ in 0..3 {
        until(&queue, |waiting| waiting.thread == Thread::Idle);
        push(&queue, 1);
        assert_eq!(writes.recv_timeout(LONG).unwrap(), b"line\n");
    }
}

#[test]
fn a_window_that_ends_is_enough() {
    let (queue, writes) = scripted(
        vec![],
        Batching {
            window: Duration::from_millis(1),
            ..HOUR
        },
    );
    // Whatever the thread is doing as each line comes, it is written without a flush.
    let mut length = 0;
    for _ in 0..100 {
        push(&queue, 1);
        length += writes.recv_timeout(LONG).unwrap().len();
    }
    assert_eq!(length, 500);
}

#[test]
fn the_room_stays_under_steady_load_and_is_given_back_after_it() {
    let (queue, writes) = resting();
    let batch = [vec![b'x'; BYTES_MAX / 2 - 1], vec![b'\n']].concat();
    for round in 0..4 {
        until(&queue, |waiting| waiting.thread == Thread::Resting);
        // Two buffers take turns; each has grown once.
        let kept = queue.0.lock().bytes.capacity();
        assert!(round < 2 || kept >= BYTES_MAX / 2, "{kept}");
        queue.push(&batch);
        assert_eq!(writes.recv_timeout(LONG).unwrap().len(), batch.len());
    }
    assert!(queue.flush(LONG));
    // No rest follows a flush.
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    assert!(queue.0.lock().bytes.capacity() <= CAPACITY_KEPT);
}

#[test]
fn the_writing_thread_never_waits_for_itself() {
    let (queue, open, _writes) = stalled(HOUR);
    let of_that_name = thread::Builder::new().name(THREAD_NAME.into());
    let flushed = of_that_name.spawn(move || queue.flush(Duration::MAX)).unwrap();
    assert!(!flushed.join().unwrap());
    drop(open);
}
