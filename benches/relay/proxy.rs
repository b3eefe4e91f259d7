//! The proxy as a process: started with some arguments, killed at the end. Knows no protocol.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running proxy; dropping it kills it.
pub(crate) struct Proxy {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From before it was started until it said so.
    pub(crate) listening_after: Duration,
}

impl Proxy {
    /// Starts it on a free port of 127.0.0.1 and waits for its start line. All further lines are read, so that it
    /// never waits for us, and forgotten.
    pub(crate) fn start(arguments: &[&str]) -> Proxy {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smokescreen"));
        command
            .args(["--listen-ip", "127.0.0.1", "--listen-port", "0"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("the proxy");
        let mut log = BufReader::new(child.stderr.take().expect("its stderr"));
        let (mut lines, mut address) = (String::new(), None);
        while address.is_none() {
            let length = log.read_line(&mut lines).expect("a line");
            assert!(length > 0, "the proxy ended: {lines}");
            address = listening_address(&lines);
        }
        let listening_after = started.elapsed();
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        Proxy {
            child,
            address: address.expect("an address"),
            listening_after,
        }
    }
}

fn listening_address(lines: &str) -> Option<SocketAddr> {
    let (_, rest) = lines.split_once("listens on ")?;
    rest.split(',').next()?.parse().ok()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Nothing is left to be done where it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
