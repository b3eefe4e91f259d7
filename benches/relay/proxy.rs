//! The proxy as a process: started with some arguments, killed at the end. Knows no protocol.

#[path = "../common/program.rs"]
mod program;

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use self::program::program;

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
        let mut command = Command::new(program());
        command.env_clear();
        Proxy::spawn(command, arguments)
    }

    /// The same, started by another program such as valgrind, and with the password that [`super::client`] gives.
    #[allow(dead_code, reason = "one bench needs it")]
    pub(crate) fn start_under(starter: &[&str], arguments: &[&str]) -> Proxy {
        let mut command = Command::new(starter[0]);
        command
            .args(&starter[1..])
            .arg(program())
            .env("PROXY_PASSWORD", "secret");
        Proxy::spawn(command, arguments)
    }

    /// Lets it read its files again.
    #[allow(dead_code, reason = "one bench needs it")]
    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("to send a signal");
    }

    /// Lets it end in good order.
    #[allow(dead_code, reason = "one bench needs it")]
    pub(crate) fn terminate(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("to send a signal");
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "{status}");
    }

    fn spawn(mut command: Command, arguments: &[&str]) -> Proxy {
        command
            .args(["--listen-ip", "127.0.0.1", "--listen-port", "0"])
            .args(arguments)
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
