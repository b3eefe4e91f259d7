//! The statistics socket and `top`, which asks it.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rustix::process::Signal as Sig;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::case::cases;
use crate::support::origin::Origin;
use crate::support::program::{self, Finished, Running};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{DEADLINE, eventually};

cases![
    the_socket_lists_tunnels_in_the_references_words,
    its_mode_is_as_asked_and_the_file_goes_with_the_process,
    a_socket_that_cannot_be_made_ends_the_start,
    instances_with_one_number_and_directory_leave_each_other_alone,
    a_list_of_many_tunnels_is_whole,
    top_shows_a_table_once,
    top_says_1_where_no_proxy_answers,
    top_refreshes_until_nobody_reads_it_or_it_is_interrupted,
    top_waits_for_no_proxy_that_stands_still,
];

fn start(folder: &Path) -> Proxy {
    Setup::open()
        .option("--allow-range", "127.0.0.0/8")
        .option("--stats-socket-dir", folder.to_str().unwrap())
        .start()
}

fn socket(folder: &Path, proxy: &Proxy) -> PathBuf {
    folder.join(format!("track-{}.sock", proxy.pid().as_raw_nonzero()))
}

/// Head and body of the answer to this.
fn ask(socket: &Path, request: &str) -> (String, String) {
    use std::io::Write as _;
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn list(socket: &Path) -> String {
    ask(socket, "GET / HTTP/1.0\r\n\r\n").1
}

fn the_socket_lists_tunnels_in_the_references_words() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(folder.path());
    let socket = socket(folder.path(), &proxy);
    assert_eq!(list(&socket), "[\n]\n");
    let origin = Origin::echo();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("12345");
    tunnel.expect(b"12345");
    let text = eventually("the bytes", || {
        let text = list(&socket);
        text.contains("\"bytesIn\":5,\"bytesOut\":5").then_some(text)
    });
    let authority = origin.authority();
    let start =
        format!("[\n{{\"role\":\"\",\"rhost\":\"{authority}\",\"raddr\":\"{authority}\",\"created\":\"20");
    assert!(text.starts_with(&start), "{text}");
    assert!(
        text.contains("\"secondsSinceLastActivity\":") && text.ends_with("\"proxyType\":\"connect\"}\n]\n"),
        "{text}"
    );
    let (head, body) = ask(&socket, "GET /any?path HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("application/json"),
        "{head}"
    );
    assert!(
        head.contains("Transfer-Encoding: chunked") && body.ends_with("\r\n0\r\n\r\n"),
        "{body}"
    );
    assert!(
        ask(&socket, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
            .0
            .starts_with("HTTP/1.1 405 ")
    );
    assert_eq!(ask(&socket, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").1, "");
    drop(tunnel);
    eventually("the end", || (list(&socket) == "[\n]\n").then_some(()));
}

fn its_mode_is_as_asked_and_the_file_goes_with_the_process() {
    for mode in ["700", "0660", "777"] {
        let folder = tempfile::tempdir().unwrap();
        // What a process that was killed left does not matter.
        drop(UnixListener::bind(folder.path().join("track-1.sock")).unwrap());
        let mut proxy = Setup::open()
            .option("--stats-socket-dir", folder.path().to_str().unwrap())
            .option("--stats-socket-file-mode", mode)
            .start();
        let socket = socket(folder.path(), &proxy);
        let permissions = std::fs::metadata(&socket).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, u32::from_str_radix(mode, 8).unwrap());
        proxy.signal(Sig::TERM);
        assert_eq!(proxy.wait().code(), Some(0));
        assert!(!socket.exists());
    }
}

fn a_socket_that_cannot_be_made_ends_the_start() {
    let finished = Setup::open()
        .option("--listen-port", "0")
        .option("--stats-socket-dir", "/nonexistent/folder")
        .run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("/nonexistent/folder/track-"),
        "{}",
        finished.stderr
    );
}

/// As in containers, each of which has its own process 1.
fn instances_with_one_number_and_directory_leave_each_other_alone() {
    let folder = tempfile::tempdir().unwrap();
    let one = start(folder.path());
    let first = socket(folder.path(), &one);
    // The name of the next process is not known before: the shell that becomes it gives it the one that is there.
    let dir = folder.path().to_str().unwrap();
    let file = first.to_str().unwrap();
    let mut other = Setup::open()
        .option("--stats-socket-dir", dir)
        .step(&format!("ln {file} {dir}/track-$$.sock"))
        .start();
    let own = socket(folder.path(), &other);
    let beside = own.with_file_name(format!("track-{}-2.sock", other.pid().as_raw_nonzero()));
    let origin = Origin::echo();
    let _tunnel = one.tunnel(&origin.authority());
    eventually("the one's", || list(&own).contains("\"rhost\"").then_some(()));
    assert_eq!(list(&beside), "[\n]\n");
    other.signal(Sig::TERM);
    assert_eq!(other.wait().code(), Some(0));
    assert!(own.exists() && !beside.exists());
    assert!(list(&first).contains("\"rhost\""));
}

fn a_list_of_many_tunnels_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(folder.path());
    let origin = Origin::echo();
    let tunnels: Vec<_> = (0..150).map(|_| proxy.tunnel(&origin.authority())).collect();
    let text = list(&socket(folder.path(), &proxy));
    assert!(text.len() > 16 * 1024, "more than one part");
    assert_eq!(text.matches("{\"role\":").count(), tunnels.len());
    assert_eq!(text.matches("},\n{").count(), tunnels.len() - 1);
    proxy.assert_serves();
}

fn top(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smokescreen"));
    program::run(command.env_clear().arg("top").args(arguments))
}

fn top_shows_a_table_once() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(folder.path());
    let origin = Origin::echo();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("12345");
    tunnel.expect(b"12345");
    let dir = folder.path().to_str().unwrap();
    let file = socket(folder.path(), &proxy);
    // Newer, and left by one that was killed.
    drop(UnixListener::bind(folder.path().join("track-1.sock")).unwrap());
    for arguments in [
        &["--once", "--stats-socket-dir", dir][..],
        &["--socket", file.to_str().unwrap(), "--once"],
    ] {
        let finished = top(arguments);
        let text = finished.text();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            text.starts_with("1 tunnels, 0 B/s\n") && text.contains(&origin.authority()),
            "{text}"
        );
        assert!(text.contains("(none)") && text.contains(" 5 B "), "{text}");
    }
}

fn top_says_1_where_no_proxy_answers() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(top(&["--once"]).code, Some(1));
    assert_eq!(top(&["--once", "--stats-socket-dir", dir]).code, Some(1));
    let stale = folder.path().join("track-1.sock");
    drop(UnixListener::bind(&stale).unwrap());
    let finished = top(&["--once", "--stats-socket-dir", dir]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("track-1.sock"), "{}", finished.stderr);
    for wrong in [&["--no-such-flag"][..], &["stray"], &["--once=1"], &["--socket"]] {
        let finished = top(wrong);
        assert_eq!(finished.code, Some(2), "{wrong:?}: {}", finished.stderr);
    }
    let help = top(&["--help"]);
    assert!(help.code == Some(0) && help.text().contains("--once"));
}

/// `top` as it goes on, and its output as that comes.
struct Live {
    running: Running,
    out: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Live {
    fn start(socket: &Path) -> Live {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smokescreen"));
        command.env_clear().arg("top").arg("--socket").arg(socket);
        let mut child = program::spawn(&mut command);
        let mut pipe = child.stdout.take().expect("its output");
        let (tell, out) = mpsc::sync_channel(1);
        // Ends when nobody listens any more, and closes the pipe with that.
        thread::spawn(move || {
            let mut piece = vec![0; 65536];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                if tell.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Live {
            running: Running(child),
            out,
            seen: String::new(),
        }
    }

    /// Waits for a screen that begins like this, from now on.
    #[track_caller]
    fn await_screen(&mut self, start: &str) {
        let start = format!("\u{1b}[H\u{1b}[2J{start}");
        let end = Instant::now() + DEADLINE;
        while !self.seen.contains(&start) {
            assert!(Instant::now() < end, "no {start:?} in {:?}", self.seen);
            if let Ok(piece) = self.out.recv_timeout(DEADLINE) {
                self.seen.push_str(&String::from_utf8(piece).expect("a text"));
            }
        }
        self.seen.clear();
    }
}

fn top_refreshes_until_nobody_reads_it_or_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(folder.path());
    let socket = socket(folder.path(), &proxy);
    let origin = Origin::echo();
    for is_interrupted in [true, false] {
        let mut live = Live::start(&socket);
        live.await_screen("0 tunnels, 0 B/s\n");
        let tunnel = proxy.tunnel(&origin.authority());
        live.await_screen("1 tunnels, ");
        drop(tunnel);
        live.await_screen("0 tunnels, ");
        let Live { mut running, out, .. } = live;
        if is_interrupted {
            let pid = rustix::process::Pid::from_child(&running.0);
            rustix::process::kill_process(pid, Sig::INT).unwrap();
            assert_eq!(program::wait(&mut running.0).signal(), Some(Sig::INT.as_raw()));
        } else {
            drop(out);
            assert_eq!(program::wait(&mut running.0).code(), Some(0));
        }
    }
}

fn top_waits_for_no_proxy_that_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = start(folder.path());
    let socket = socket(folder.path(), &proxy);
    let file = socket.to_str().unwrap();
    let mut live = Live::start(&socket);
    live.await_screen("0 tunnels, ");
    proxy.signal(Sig::STOP);
    live.await_screen(&format!("no answer at {file}: it took longer than 5 s\n"));
    let said = format!("smokescreen: no proxy answers at {file}: it took longer than 5 s\n");
    let finished = top(&["--once", "--socket", file]);
    assert_eq!((finished.code, finished.stderr), (Some(1), said.clone()));
    // Nor where not even a connection is to be had.
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&SockAddr::unix(&socket).unwrap()) {
            Ok(()) => waiting.push(client),
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let finished = top(&["--once", "--socket", file]);
    assert_eq!((finished.code, finished.stderr), (Some(1), said));
    drop(waiting);
    proxy.signal(Sig::CONT);
    live.await_screen("0 tunnels, ");
    proxy.signal(Sig::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(program::wait(&mut live.running.0).code(), Some(1));
}
