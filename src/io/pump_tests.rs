//! One direction over real connections, copied and spliced: bytes, gates, ends, failures.

use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::flow::Buf;
use crate::flow::Pace;
use crate::io::pipe::Worth;
use crate::io::wire::Transport;
use crate::io::wire::testing::stubs;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection: the peer's end and ours.
fn connection() -> (TcpStream, Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (peer, Transport::plain(mio::net::TcpStream::from_std(ours)))
}

/// Waits until so many bytes can be read.
fn arrived(source: &mut Transport, bytes: usize) {
    let socket = socket2::SockRef::from(&*source.tcp());
    let mut room = vec![MaybeUninit::uninit(); bytes];
    let begin = Instant::now();
    while !matches!(socket.peek(&mut room), Ok(n) if n == bytes) {
        assert!(begin.elapsed() < PATIENCE, "it does not arrive");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A direction between two connections.
struct Direction {
    sender: TcpStream,
    source: Transport,
    destination: Transport,
    receiver: TcpStream,
    flow: Flow,
    pipe: Option<Box<Pipe>>,
    pipes: Pipes,
    scratch: Buf,
    now: Instant,
    spliced: bool,
    urgent: bool,
}

fn direction(gate: Gate, pipes_max: usize) -> Direction {
    let ((sender, source), (receiver, destination)) = (connection(), connection());
    let now = Instant::now();
    Direction {
        sender,
        source,
        destination,
        receiver,
        flow: Flow::new(gate, now),
        pipe: None,
        pipes: Pipes::new(pipes_max, Worth::default()),
        scratch: Vec::with_capacity(64 * 1024).into(),
        now,
        spliced: false,
        urgent: false,
    }
}

impl Direction {
    /// Moves what can be moved; tells what failed.
    fn run(&mut self) -> Option<IoFail> {
        let mut from = Ready {
            readable: true,
            urgent: self.urgent,
            ..Ready::default()
        };
        let mut to = Ready {
            writable: true,
            ..Ready::default()
        };
        loop {
            let pipe = self.pipe.as_deref_mut();
            let drained = drain(&mut self.destination, &mut to, &mut self.flow, pipe, self.now);
            if self.flow.rx.is_empty() {
                self.flow.rx.swap_memory(&mut self.scratch);
            }
            let bypass = Bypass {
                pipe: &mut self.pipe,
                pipes: &mut self.pipes,
                client: CLIENT,
                is_open: true,
            };
            let filled = fill(
                &mut self.source,
                &mut from,
                &mut self.flow,
                bypass,
                true,
                self.now,
            );
            self.spliced |= matches!(self.flow.below(), Below::Pipe(_));
            for pumped in [drained, filled] {
                if let Pumped::Failed(fail) = pumped {
                    return Some(fail);
                }
            }
            let over = !from.readable || !self.flow.wants_bytes();
            if over && (!to.writable || !self.flow.has_unsent() && !self.flow.end_is_due()) {
                return None;
            }
        }
    }

    fn arrived(&mut self, bytes: usize) {
        arrived(&mut self.source, bytes);
    }

    /// Runs until what is waited for has happened.
    fn run_until(&mut self, has_happened: impl Fn(&Direction) -> bool) {
        let begin = Instant::now();
        while !has_happened(self) {
            assert!(begin.elapsed() < PATIENCE, "it does not happen");
            std::thread::sleep(Duration::from_millis(1));
            assert!(self.run().is_none());
        }
    }

    /// Sends `bytes` in pieces while reading in pieces of `read_bytes`; returns what arrived, which should be
    /// `expected` bytes: for those it waits, and for a moment longer.
    fn carry(&mut self, bytes: &[u8], read_bytes: usize, expected: usize) -> Vec<u8> {
        let (mut sent, mut got, mut quiet) = (0, Vec::new(), 0);
        let mut room = vec![0; read_bytes];
        let begin = Instant::now();
        while quiet < 50 {
            assert!(begin.elapsed() < PATIENCE, "{} of {expected} bytes", got.len());
            let end = bytes.len().min(sent + 7 + sent * 31 % 400_000);
            match self.sender.write(&bytes[sent..end]) {
                Ok(n) => sent += n,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(self.run().is_none());
            match self.receiver.read(&mut room) {
                Ok(n) if n > 0 => {
                    got.extend_from_slice(&room[..n]);
                    quiet = 0;
                }
                _ if sent == bytes.len() => {
                    std::thread::sleep(Duration::from_millis(1));
                    quiet += usize::from(got.len() >= expected);
                }
                _ => {}
            }
        }
        got
    }
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0])
        .collect()
}

#[test]
fn bulk_arrives_in_order_and_its_end_behind_it() {
    for (pipes_max, read_bytes) in [(0, 1 << 20), (1, 1 << 20), (1, 20_000)] {
        let mut direction = direction(Gate::Open, pipes_max);
        let bytes = pattern(9_000_000);
        let got = direction.carry(&bytes, read_bytes, bytes.len());
        assert!(got == bytes, "{} of {} bytes", got.len(), bytes.len());
        assert_eq!(direction.spliced, pipes_max > 0);
        assert_eq!(direction.flow.moved_bytes, 9_000_000);
        direction.sender.shutdown(std::net::Shutdown::Write).unwrap();
        direction.run_until(|direction| direction.flow.end == End::Passed);
        direction.receiver.set_nonblocking(false).unwrap();
        assert_eq!(direction.receiver.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn no_byte_behind_the_gate_is_spliced() {
    for n in [300_000, 1 << 20, (1 << 20) + 1] {
        let mut direction = direction(Gate::Pass(n as u64), 1);
        let bytes = pattern(2_000_000);
        let got = direction.carry(&bytes, 1 << 20, n);
        assert!(direction.spliced);
        assert_eq!((got.len(), direction.flow.moved_bytes), (n, n as u64));
        assert_eq!(direction.flow.gate, Gate::Pass(0));
        assert!(
            direction.flow.rx.is_empty(),
            "what comes behind stays in the socket"
        );
        direction.flow.gate = Gate::Pass(2_000_000 - n as u64);
        let rest = direction.carry(&[], 1 << 20, bytes.len() - n);
        assert!([got, rest].concat() == bytes);
    }
}

#[test]
fn small_messages_are_copied() {
    let mut direction = direction(Gate::Open, 1);
    for _ in 0..20 {
        assert_eq!(direction.sender.write(&[1; 64]).unwrap(), 64);
        direction.arrived(64);
        assert!(direction.run().is_none());
    }
    assert!(!direction.spliced && direction.pipe.is_none());
}

#[test]
fn bytes_behind_an_urgent_mark_are_read() {
    for gate in [Gate::Open, Gate::Pass(300_000)] {
        let mut direction = direction(gate, 1);
        direction.pipes.worth.splice_bytes = 0;
        (&direction.sender).write_all(b"abc").unwrap();
        socket2::SockRef::from(&direction.sender)
            .send_out_of_band(b"!")
            .unwrap();
        (&direction.sender).write_all(b"def").unwrap();
        // Nothing tells when what is behind the mark has arrived.
        std::thread::sleep(Duration::from_millis(200));
        direction.urgent = true;
        assert!(direction.run().is_none());
        let mut got = [0; 6];
        direction.receiver.set_nonblocking(false).unwrap();
        direction.receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        direction.receiver.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"abcdef");
    }
}

/// The poll has not told of the mark yet: everything came while the direction was at work.
#[test]
fn an_urgent_mark_before_the_end_is_not_taken_for_the_end() {
    let mut direction = direction(Gate::Pass(300_000), 1);
    direction.pipes.worth.splice_bytes = 0;
    (&direction.sender).write_all(b"abc").unwrap();
    socket2::SockRef::from(&direction.sender)
        .send_out_of_band(b"!")
        .unwrap();
    (&direction.sender).write_all(b"def").unwrap();
    direction.sender.shutdown(std::net::Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(direction.run().is_none() && direction.spliced);
    assert_eq!((direction.flow.moved_bytes, direction.flow.end), (6, End::Open));
    // Now it does.
    assert!(direction.run().is_none());
    assert_eq!(direction.flow.end, End::Reached);
}

/// A wire of a system that knows splice(2) but does not let us.
struct Unspliced(Transport);

impl Wire for Unspliced {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read(into)
    }
    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.0.write(first, second)
    }
    fn hangup(&mut self) -> io::Result<()> {
        self.0.hangup()
    }
    fn abort(&mut self) {
        self.0.abort();
    }
    fn has_news(&mut self) -> bool {
        self.0.has_news()
    }
    fn take_error(&mut self) -> Option<io::Error> {
        self.0.take_error()
    }
    fn short_read_means_drained(&self) -> bool {
        true
    }
    fn can_splice(&self) -> bool {
        true
    }
}

#[test]
fn where_splicing_is_refused_bytes_are_copied_and_it_is_not_tried_again_at_once() {
    let (mut sender, source) = connection();
    let (mut source, now) = (Unspliced(source), Instant::now());
    let (mut pipe, mut pipes) = (None, Pipes::new(1, Worth::default()));
    let mut flow = Flow::new(Gate::Pass(1_000_000), now);
    let mut ready = Ready {
        readable: true,
        ..Ready::default()
    };
    sender.write_all(b"abc").unwrap();
    arrived(&mut source.0, 3);
    let bypass = Bypass {
        pipe: &mut pipe,
        pipes: &mut pipes,
        client: CLIENT,
        is_open: true,
    };
    let filled = fill(&mut source, &mut ready, &mut flow, bypass, true, now);
    assert!(matches!(filled, Pumped::Moved(3)) && flow.rx.as_slice() == b"abc");
    assert!(pipe.is_none() && pipes.take(ClientKey::of(CLIENT), now).is_none());
}

#[test]
fn a_reset_amid_bulk_is_told() {
    let mut direction = direction(Gate::Pass(10_000_000), 1);
    let bytes = pattern(200_000);
    assert!(direction.carry(&bytes, 1 << 20, bytes.len()) == bytes && direction.spliced);
    socket2::SockRef::from(&direction.sender)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    direction.sender = connection().0;
    let begin = Instant::now();
    let fail = loop {
        if let Some(fail) = direction.run() {
            break fail;
        }
        assert!(begin.elapsed() < PATIENCE, "no reset");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(fail.kind, IoFailKind::Reset);
}

#[test]
fn a_receiver_that_is_gone_is_told() {
    let mut direction = direction(Gate::Pass(10_000_000), 1);
    direction.receiver = connection().0;
    let bytes = pattern(500_000);
    let begin = Instant::now();
    let fail = loop {
        let _ = direction.sender.write(&bytes);
        std::thread::sleep(Duration::from_millis(1));
        let fail = direction.run();
        if fail.is_some() || begin.elapsed() > PATIENCE {
            break fail;
        }
    };
    assert_eq!(fail.unwrap().kind, IoFailKind::Reset);
}

#[test]
fn bytes_that_were_given_up_are_not_taken_for_others() {
    let mut direction = direction(Gate::Pass(300_000), 2);
    let mut ready = Ready {
        readable: true,
        ..Ready::default()
    };
    let mut refill = |direction: &mut Direction, byte: u8| {
        assert_eq!(direction.sender.write(&[byte; 1000]).unwrap(), 1000);
        direction.arrived(1000);
        let bypass = Bypass {
            pipe: &mut direction.pipe,
            pipes: &mut direction.pipes,
            client: CLIENT,
            is_open: true,
        };
        ready.readable = true;
        direction.flow.pace = Pace::Unknown;
        let filled = fill(
            &mut direction.source,
            &mut ready,
            &mut direction.flow,
            bypass,
            true,
            direction.now,
        );
        assert!(matches!(filled, Pumped::Piped) && direction.flow.below() == Below::Pipe(1000));
    };
    refill(&mut direction, 1);
    direction.flow.drop_unsent();
    refill(&mut direction, 2);
    assert!(direction.run().is_none());
    let mut got = [0; 4096];
    direction.receiver.set_nonblocking(false).unwrap();
    assert_eq!(direction.receiver.read(&mut got).unwrap(), 1000);
    assert!(got[..1000] == [2; 1000]);
}

/// A wire in its handshake: it has a word of its own to say first, and takes `takes` bytes meanwhile.
struct Shaking {
    hello_bytes: u32,
    takes: usize,
    taken: u32,
}

impl Wire for Shaking {
    fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
    fn write(&mut self, first: &[u8], _: &[u8]) -> io::Result<usize> {
        match first.len().min(self.takes) {
            0 => Err(ErrorKind::WouldBlock.into()),
            n => {
                self.takes -= n;
                self.taken += u32::try_from(n).unwrap();
                Ok(n)
            }
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.hello_bytes = 0;
        match self.taken {
            0 => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
    fn under(&self) -> u32 {
        self.hello_bytes + self.taken
    }
    stubs!(false, false);
}

#[test]
fn a_handshake_begins_though_what_is_written_has_to_wait_for_it() {
    for takes in [0, 2, 4] {
        let now = Instant::now();
        let mut wire = Shaking {
            hello_bytes: 5,
            takes,
            taken: 0,
        };
        let mut ready = Ready {
            writable: true,
            ..Ready::default()
        };
        let mut flow = Flow::new(Gate::Open, now);
        flow.tx.push(b"head");
        for _ in 0..8 {
            drain(&mut wire, &mut ready, &mut flow, None, now);
        }
        // Only reading helps now.
        assert_eq!((wire.hello_bytes, ready.writable), (0, false), "{takes}");
        assert_eq!((wire.taken as usize, flow.tx.len()), (takes, 4 - takes));
    }
}
