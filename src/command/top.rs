//! `top`: which tunnels move how much, by the statistics socket of a running proxy. Shows what it is told; what a proxy has
//! to say is `stats`' business.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::{self, Environment, OwnFlag};

use super::table::{self, Shown};
use super::{Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "top",
    arguments: "[--once] [--socket FILE]",
    summary: "Shows the tunnels of a running proxy by their rate, and totals by role.",
    text: "\
Each 2 s until it is interrupted or nobody reads it any more; with --once one table, for the second in which it was asked.
Asks the statistics socket, and waits 5 s at most for an answer: later on it shows that there is none, and goes on.
Exits with 1 where no proxy answers, or the one that did has ended.
",
    own: &[
        OwnFlag {
            name: "once",
            placeholder: "",
            meaning: "print one table and exit",
        },
        OwnFlag {
            name: "socket",
            placeholder: "FILE",
            meaning: "the socket; else the newest track-*.sock in --stats-socket-dir at which a proxy answers",
        },
    ],
    run,
};

/// Between two tables,
const INTERVAL: Duration = Duration::from_secs(2);

/// and where there is but one, between the two looks that a rate takes.
const ONCE_INTERVAL: Duration = Duration::from_secs(1);

/// How long a proxy may take to answer, connecting and reading all of it included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer: 100,000 tunnels with names of 300 bytes, and more.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Read at once.
const PIECE_BYTES: usize = 64 << 10;

/// A tunnel as the socket tells of it, in the reference's words.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Deserialize)]
pub(super) struct Told {
    pub(super) role: String,
    pub(super) rhost: String,
    pub(super) raddr: String,
    pub(super) created: String,
    #[serde(rename = "bytesIn")]
    pub(super) bytes_in: u64,
    #[serde(rename = "bytesOut")]
    pub(super) bytes_out: u64,
}

/// What tells a tunnel apart from others.
type Key = (String, String, String);

impl Told {
    fn key(&self) -> Key {
        (self.rhost.clone(), self.raddr.clone(), self.created.clone())
    }

    fn bytes(&self) -> u64 {
        self.bytes_in.saturating_add(self.bytes_out)
    }
}

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let line = match config::command_line(COMMAND.own, arguments, environment) {
        Ok(Some(line)) => line,
        Ok(None) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    let folder = match line.no_more().and_then(|()| line.stats_folder()) {
        Ok(folder) => folder,
        Err(error) => return fail(&error.to_string(), 2),
    };
    let paths = match line.own("socket") {
        Some(path) => Ok(vec![PathBuf::from(path)]),
        None => newest_first(folder.as_deref()),
    };
    let watched = paths.and_then(|paths| {
        let (path, first) = answering(&paths)?;
        watch(path, &first, line.own("once").is_some()).map_err(|error| no_answer(path, &error))
    });
    match watched {
        Ok(()) => 0,
        Err(why) => fail(&why, 1),
    }
}

fn no_answer(path: &Path, error: &io::Error) -> String {
    format!("no proxy answers at {}: {error}", path.display())
}

/// The first of these sockets at which a proxy answers, and the answer.
///
/// # Errors
/// Why the first does not, where none does.
fn answering(paths: &[PathBuf]) -> Result<(&Path, Vec<Told>), String> {
    let mut why = None;
    for path in paths {
        match ask(path) {
            Ok(tunnels) => return Ok((path, tunnels)),
            Err(error) => why = why.or_else(|| Some(no_answer(path, &error))),
        }
    }
    Err(why.unwrap_or_else(|| "no proxy to ask".to_owned()))
}

/// The sockets there, the one that was made last first.
///
/// # Errors
/// Where there is none.
fn newest_first(folder: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    let folder = folder.ok_or("no proxy to ask: --stats-socket-dir or --socket says where its socket is")?;
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let sockets = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let metadata = entry.metadata().ok()?;
        let is_one =
            name.starts_with("track-") && name.ends_with(".sock") && metadata.file_type().is_socket();
        is_one
            .then(|| Some((metadata.modified().ok()?, entry.path())))
            .flatten()
    });
    let mut sockets: Vec<_> = sockets.collect();
    if sockets.is_empty() {
        return Err(format!(
            "no proxy to ask: there is no track-*.sock in {}",
            folder.display()
        ));
    }
    sockets.sort_by(|one, other| other.cmp(one));
    Ok(sockets.into_iter().map(|(_, path)| path).collect())
}

/// Shows a table each time, until nobody reads it.
///
/// # Errors
/// The proxy has ended; with `once`, any reason why there is no answer.
fn watch(path: &Path, first: &[Told], once: bool) -> io::Result<()> {
    let (mut before, mut asked) = (by_key(first), Instant::now());
    loop {
        thread::sleep(if once { ONCE_INTERVAL } else { INTERVAL });
        let text = match ask(path) {
            Ok(tunnels) => {
                let (passed, now) = (asked.elapsed(), Instant::now());
                let text = table::text(&rated(&tunnels, &before, passed));
                (before, asked) = (by_key(&tunnels), now);
                text
            }
            // It is there, and may come back.
            Err(error) if !once && error.kind() == ErrorKind::TimedOut => {
                format!("no answer at {}: {error}\n", path.display())
            }
            Err(error) => return Err(error),
        };
        if once {
            print(&text);
            return Ok(());
        }
        // Home, and nothing left of the table before.
        if !print(&format!("\u{1b}[H\u{1b}[2J{text}")) {
            return Ok(());
        }
    }
}

fn by_key(tunnels: &[Told]) -> HashMap<Key, u64> {
    tunnels
        .iter()
        .map(|tunnel| (tunnel.key(), tunnel.bytes()))
        .collect()
}

/// Each with what moved since. A tunnel that was not there began meanwhile.
fn rated<'t>(tunnels: &'t [Told], before: &HashMap<Key, u64>, passed: Duration) -> Vec<Shown<'t>> {
    let seconds = passed.as_secs_f64().max(0.001);
    let rate = |tunnel: &Told| {
        let moved = tunnel
            .bytes()
            .saturating_sub(before.get(&tunnel.key()).copied().unwrap_or_default());
        moved as f64 / seconds
    };
    let shown = tunnels.iter().map(|tunnel| Shown {
        role: &tunnel.role,
        host: &tunnel.rhost,
        bytes_in: tunnel.bytes_in,
        bytes_out: tunnel.bytes_out,
        rate: rate(tunnel),
    });
    shown.collect()
}

/// What the socket says now.
fn ask(path: &Path) -> io::Result<Vec<Told>> {
    let answer = answer(path).map_err(|error| match error.kind() {
        // As which a limit of a socket's shows (socket(7), SO_RCVTIMEO).
        ErrorKind::WouldBlock | ErrorKind::TimedOut => timed_out(),
        _ => error,
    })?;
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    let body = memchr::memmem::find(&answer, b"\r\n\r\n").and_then(|at| answer.get(at + 4..));
    let body = body.filter(|_| answer.starts_with(b"HTTP/1.1 200 "));
    let body = body.ok_or_else(|| wrong("the answer is no list of tunnels".into()))?;
    serde_json::from_slice(body).map_err(|error| wrong(format!("the list of tunnels: {error}")))
}

fn timed_out() -> io::Error {
    let why = format!("it took longer than {} s", TIMEOUT.as_secs());
    io::Error::new(ErrorKind::TimedOut, why)
}

/// All bytes of the answer.
fn answer(path: &Path) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    let left = || {
        let left = TIMEOUT.checked_sub(began.elapsed());
        left.filter(|left| !left.is_zero()).ok_or_else(timed_out)
    };
    let mut socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Also of connecting, which waits where the queue is full (unix(7)).
    socket.set_write_timeout(Some(left()?))?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let (mut answer, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    while answer.len() < ANSWER_BYTES_MAX {
        socket.set_read_timeout(Some(left()?))?;
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend(piece.iter().take(length)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_moved_since_the_look_before() {
        let told = |host: &str, bytes_in| Told {
            role: "r".into(),
            rhost: host.into(),
            raddr: "1.2.3.4:5".into(),
            created: "then".into(),
            bytes_in,
            bytes_out: 10,
        };
        let before = by_key(&[told("a", 100), told("gone", 5)]);
        let now = [told("a", 1100), told("new", 490)];
        let rated = rated(&now, &before, Duration::from_secs(2));
        let rates: Vec<_> = rated.iter().map(|shown| (shown.host, shown.rate)).collect();
        assert_eq!(rates, [("a", 500.0), ("new", 250.0)]);
    }

    #[test]
    fn sockets_are_asked_from_the_newest_on_and_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(newest_first(None).unwrap_err().contains("--stats-socket-dir"));
        fs::write(path("track-1.sock"), "").unwrap();
        let none = newest_first(Some(folder.path())).unwrap_err();
        assert!(none.contains("no track-*.sock"), "{none}");
        for name in ["track-3.sock", "track-2.sock"] {
            drop(std::os::unix::net::UnixListener::bind(path(name)).unwrap());
            thread::sleep(Duration::from_millis(20));
        }
        let found = newest_first(Some(folder.path())).unwrap();
        assert_eq!(found, [path("track-2.sock"), path("track-3.sock")]);
        let why = answering(&found).unwrap_err();
        assert!(why.contains("track-2.sock"), "{why}");
    }
}
