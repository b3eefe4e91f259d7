//! The queue and its thread, against sinks that stall, refuse, tear and close.

use std::io::ErrorKind;
use std::sync::mpsc;

use crate::clock::Instant;

use super::super::sink::PIPE_WRITE_LENGTH_MAX;
use super::*;

/// Longer than anything takes that is not stuck.
pub(super) const LONG: Duration = Duration::from_secs(60);
const PIPE: Batching = Batching {
    write_length_max: PIPE_WRITE_LENGTH_MAX,
    quiet_time: Duration::from_millis(1),
};

/// What a sink does with one write: takes this many bytes, or fails.
type Answer = Result<usize, ErrorKind>;

/// Tells of every write what was taken, and behaves as scripted; after the script it takes everything.
struct Scripted {
    answers: std::vec::IntoIter<Answer>,
    taken: mpsc::Sender<Vec<u8>>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.answers.next().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
        self.taken.send(bytes[..length].to_vec()).unwrap();
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes nothing until its gate is dropped.
struct Stalled {
    gate: mpsc::Receiver<()>,
    taken: mpsc::Sender<Vec<u8>>,
}

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.gate.recv();
        self.taken.send(bytes.to_vec()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn notice(count: u64, out: &mut Vec<u8>) {
    writeln!(out, "dropped {count}").unwrap();
}

pub(super) fn scripted(answers: Vec<Answer>, batching: Batching) -> (Queue, mpsc::Receiver<Vec<u8>>) {
    let (taken, writes) = mpsc::channel();
    let answers = answers.into_iter();
    (
        Queue::start(Scripted { answers, taken }, batching, notice).unwrap(),
        writes,
    )
}

pub(super) fn stalled(batching: Batching) -> (Queue, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
    let (open, gate) = mpsc::channel();
    let (taken, writes) = mpsc::channel();
    let queue = Queue::start(Stalled { gate, taken }, batching, notice).unwrap();
    // The first line is in the thread's hand before the test goes on.
    queue.push(b"first\n");
    until(&queue, |waiting| waiting.lines_in_hand > 0);
    (queue, open, writes)
}

/// Goes on when the thread has got so far.
pub(super) fn until(queue: &Queue, reached: impl Fn(&Waiting) -> bool) {
    let begin = Instant::now();
    while !reached(&queue.0.lock()) {
        assert!(begin.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

fn text(writes: &mpsc::Receiver<Vec<u8>>) -> String {
    String::from_utf8(writes.try_iter().flatten().collect()).unwrap()
}

fn dropped(queue: &Queue) -> u64 {
    queue.0.dropped.load(Ordering::Relaxed)
}

#[test]
fn one_write_per_line_when_idle() {
    let (queue, writes) = scripted(vec![], PIPE);
    for line in ["one\n", "two\n"] {
        queue.push(line.as_bytes());
        assert!(queue.flush(LONG));
        assert_eq!(writes.try_iter().collect::<Vec<_>>(), [line.as_bytes()]);
    }
}

#[test]
fn batches_are_whole_lines_that_a_pipe_takes_whole() {
    let (queue, open, writes) = stalled(PIPE);
    let lines: Vec<String> = (0..200).map(|n| format!("{n} {}\n", "x".repeat(n * 7))).collect();
    for line in &lines {
        queue.push(line.as_bytes());
    }
    let long = format!("{}\n", "y".repeat(3 * PIPE_WRITE_LENGTH_MAX));
    queue.push(long.as_bytes());
    drop(open);
    assert!(queue.flush(LONG));
    let written: Vec<Vec<u8>> = writes.try_iter().collect();
    for write in &written {
        assert!(
            write.len() <= PIPE_WRITE_LENGTH_MAX || write == long.as_bytes(),
            "{}",
            write.len()
        );
        assert_eq!(write.last(), Some(&b'\n'));
    }
    assert!(written.len() < lines.len());
    assert_eq!(
        written.concat(),
        format!("first\n{}{long}", lines.concat()).into_bytes()
    );
}

#[test]
fn a_stalled_sink_stalls_nobody_and_the_loss_is_told() {
    let (queue, open, writes) = stalled(PIPE);
    for _ in 0..LINES_MAX + 100 {
        queue.push(b"x\n");
    }
    assert_eq!(dropped(&queue), 101);
    assert!(!queue.flush(Duration::from_millis(10)));
    drop(open);
    assert!(queue.flush(LONG));
    assert!(text(&writes).ends_with("x\ndropped 101\n"));
    assert_eq!(dropped(&queue), 101);
}

#[test]
fn bytes_are_bounded_too_and_the_room_is_given_back() {
    let (queue, open, writes) = stalled(PIPE);
    let line = [vec![b'x'; BYTES_MAX / 4 - 1], vec![b'\n']].concat();
    for _ in 0..6 {
        queue.push(&line);
    }
    queue.push(&vec![b'\n'; BYTES_MAX + 1]);
    assert_eq!(dropped(&queue), 4);
    queue.push(b"small\n");
    drop(open);
    assert!(queue.flush(LONG));
    let text = text(&writes);
    assert_eq!(text.len(), 6 + 3 * line.len() + 6 + "dropped 4\n".len());
    assert!(text.ends_with("\nsmall\ndropped 4\n"));
    until(&queue, |waiting| {
        waiting.thread == Thread::Idle && waiting.bytes.capacity() <= CAPACITY_KEPT
    });
}

#[test]
fn a_non_blocking_sink_is_tried_again() {
    let again = Err(ErrorKind::WouldBlock);
    let answers = vec![again, again, Ok(2), again, Err(ErrorKind::Interrupted), Ok(1)];
    let (queue, writes) = scripted(answers, PIPE);
    queue.push(b"a line\n");
    assert!(queue.flush(LONG));
    assert_eq!(text(&writes), "a line\n");
    assert_eq!(dropped(&queue), 0);
}

#[test]
fn a_closed_pipe_ends_nothing_and_is_told_of_when_it_is_back() {
    let (queue, writes) = scripted(vec![Err(ErrorKind::BrokenPipe); 3], PIPE);
    for line in [b"1\n", b"2\n", b"3\n"] {
        queue.push(line);
        assert!(queue.flush(LONG));
    }
    assert_eq!(dropped(&queue), 3);
    assert_eq!(text(&writes), "");
    queue.push(b"4\n");
    assert!(queue.flush(LONG));
    assert_eq!(text(&writes), "4\ndropped 3\n");
}

#[test]
fn a_torn_line_takes_no_other_with_it() {
    let (queue, writes) = scripted(vec![Ok(3), Err(ErrorKind::StorageFull)], PIPE);
    queue.push(b"torn line\n");
    assert!(queue.flush(LONG));
    queue.push(b"whole\n");
    assert!(queue.flush(LONG));
    assert_eq!(text(&writes), "tor\nwhole\ndropped 1\n");
}

#[test]
fn a_real_pipe_that_closes() {
    let (reader, sink) = io::pipe().unwrap();
    let queue = Queue::start(sink, PIPE, notice).unwrap();
    drop(reader);
    queue.push(b"lost\n");
    assert!(queue.flush(LONG));
    assert_eq!(dropped(&queue), 1);
}

#[test]
fn many_threads_lose_nothing() {
    let (queue, writes) = scripted(vec![], PIPE);
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let queue = queue.clone();
            scope.spawn(move || (0..500).for_each(|n| queue.push(format!("{name} {n}\n").as_bytes())));
        }
    });
    assert!(queue.flush(LONG));
    let text = text(&writes);
    assert_eq!(text.lines().count(), 2000);
    for name in ["a", "b", "c", "d"] {
        let of_one = text.lines().filter(|line| line.starts_with(name));
        assert!(of_one.eq((0..500).map(|n| format!("{name} {n}"))));
    }
}
