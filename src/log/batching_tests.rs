//! When the thread writes: when it is called, all that is there, and never twice for one call; urgent lines uncalled. A
//! quiet time of an hour stands for "later", so that nothing depends on how long anything takes.

use std::sync::mpsc::Receiver;

use super::tests::{LONG, scripted, stalled, until};
use super::*;

const HOUR: Batching = Batching {
    write_length_max: 64 << 10,
    quiet_time: Duration::from_secs(3600),
};

/// A queue whose thread has written a first line and now sleeps.
fn asleep(batching: Batching) -> (Queue, Receiver<Vec<u8>>) {
    let (queue, writes) = scripted(vec![], batching);
    queue.push(b"first\n");
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"first\n");
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    (queue, writes)
}

fn put(queue: &Queue, count: usize) {
    (0..count).for_each(|_| queue.put(b"line\n"));
}

fn thread(queue: &Queue) -> Thread {
    queue.0.lock().thread
}

#[test]
fn lines_that_were_only_put_leave_in_one_write_when_called_for() {
    let (queue, writes) = asleep(HOUR);
    put(&queue, 100);
    // Nobody has woken the thread.
    assert_eq!(thread(&queue), Thread::Idle);
    assert!(writes.try_recv().is_err());
    queue.call();
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"line\n".repeat(100));
}

#[test]
fn lines_that_were_only_put_leave_in_one_write_when_flushed() {
    let (queue, writes) = asleep(HOUR);
    put(&queue, 100);
    assert!(queue.flush(LONG));
    assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"line\n".repeat(100)]);
}

/// The loop may be asleep, and another thread's line can't wait until it wakes.
#[test]
fn a_line_that_is_pushed_takes_those_before_it_along() {
    let (queue, writes) = asleep(HOUR);
    put(&queue, 2);
    let other = queue.clone();
    thread::spawn(move || other.push(b"pushed\n")).join().unwrap();
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"line\nline\npushed\n");
}

#[test]
fn a_call_for_nothing_wakes_nobody() {
    let (queue, _writes) = asleep(HOUR);
    queue.call();
    assert_eq!(thread(&queue), Thread::Idle);
}

#[test]
fn flush_with_nothing_waiting_returns() {
    let (queue, writes) = asleep(HOUR);
    assert!(queue.flush(LONG));
    assert_eq!(thread(&queue), Thread::Idle);
    assert!(writes.try_recv().is_err());
}

/// Else it would write one line after the other for as long as there are some.
#[test]
fn what_was_only_put_while_the_thread_wrote_waits_for_a_call() {
    let (queue, open, writes) = stalled(HOUR);
    put(&queue, 2);
    drop(open);
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"first\n"]);
    queue.call();
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"line\nline\n");
}

#[test]
fn who_calls_while_the_thread_writes_need_not_call_again() {
    let (queue, open, writes) = stalled(HOUR);
    put(&queue, 2);
    queue.call();
    drop(open);
    until(&queue, |waiting| waiting.thread == Thread::Idle);
    assert_eq!(
        writes.try_iter().collect::<Vec<_>>(),
        [b"first\n".as_slice(), b"line\nline\n"]
    );
}

/// Not even for whoever put them: a queue that is half full may be full before he calls.
#[test]
fn lines_of_half_a_queue_wait_for_no_call() {
    let (queue, writes) = asleep(HOUR);
    put(&queue, LINES_MAX / 2 - 1);
    assert_eq!(thread(&queue), Thread::Idle);
    assert!(writes.try_recv().is_err());
    put(&queue, 1);
    let written = writes.recv_timeout(LONG).unwrap();
    assert_eq!(written, b"line\n".repeat(LINES_MAX / 2));
}

#[test]
fn bytes_of_half_a_queue_wait_for_no_call() {
    let (queue, writes) = asleep(HOUR);
    let line = [vec![b'x'; BYTES_MAX / 4 - 1], vec![b'\n']].concat();
    queue.put(&line);
    assert_eq!(thread(&queue), Thread::Idle);
    assert!(writes.try_recv().is_err());
    queue.put(&line);
    for _ in 0..2 {
        assert_eq!(writes.recv_timeout(LONG).unwrap(), line);
    }
}

#[test]
fn what_became_urgent_while_the_thread_wrote_waits_for_no_call() {
    let (queue, open, writes) = stalled(HOUR);
    put(&queue, LINES_MAX / 2);
    drop(open);
    assert_eq!(writes.recv_timeout(LONG).unwrap(), b"first\n");
    assert_eq!(
        writes.recv_timeout(LONG).unwrap(),
        b"line\n".repeat(LINES_MAX / 2)
    );
}

#[test]
fn a_burst_beyond_half_the_queue_loses_nothing() {
    let (queue, writes) = asleep(HOUR);
    for _ in 0..20 {
        put(&queue, LINES_MAX / 2);
        until(&queue, |waiting| waiting.is_empty());
    }
    assert_eq!(queue.0.dropped.load(Ordering::Relaxed), 0);
    assert_eq!(
        writes.try_iter().map(|write| write.len()).sum::<usize>(),
        20 * LINES_MAX / 2 * 5
    );
}

const HALF: Batching = Batching {
    write_length_max: BYTES_MAX,
    ..HOUR
};

fn half() -> Vec<u8> {
    [vec![b'x'; BYTES_MAX / 2 - 1], vec![b'\n']].concat()
}

#[test]
fn the_room_stays_under_steady_load() {
    let (queue, writes) = asleep(HALF);
    for round in 0..4 {
        until(&queue, |waiting| waiting.thread == Thread::Idle);
        // Two buffers take turns; each has grown once.
        let kept = queue.0.lock().bytes.capacity();
        assert!(round < 2 || kept >= BYTES_MAX / 2, "{kept}");
        queue.put(&half());
        assert_eq!(writes.recv_timeout(LONG).unwrap().len(), BYTES_MAX / 2);
    }
}

#[test]
fn the_room_is_given_back_after_a_quiet_time() {
    let (queue, writes) = asleep(Batching {
        quiet_time: Duration::from_millis(1),
        ..HALF
    });
    for _ in 0..2 {
        queue.put(&half());
        assert_eq!(writes.recv_timeout(LONG).unwrap().len(), BYTES_MAX / 2);
    }
    let has_little =
        |waiting: &Waiting| waiting.thread == Thread::Idle && waiting.bytes.capacity() <= CAPACITY_KEPT;
    until(&queue, has_little);
    // The thread's hand is what the next lines but one wait in.
    queue.push(b"line\n");
    until(&queue, has_little);
}

#[test]
fn the_writing_thread_never_waits_for_itself() {
    let (queue, open, _writes) = stalled(HOUR);
    let of_that_name = thread::Builder::new().name(THREAD_NAME.into());
    let flushed = of_that_name.spawn(move || queue.flush(Duration::MAX)).unwrap();
    assert!(!flushed.join().unwrap());
    drop(open);
}
