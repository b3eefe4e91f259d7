//! The program under test: how it is started, what it says on stderr, how it ends.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::eventually;
use super::log_line::{self, LogLine};
use super::program::{self, Finished};
use super::wire::Wire;

/// Proxies take their ports from below those that the kernel hands out, which the namespace has for them alone: one
/// denies its own port on every address of the machine, so no origin may come to have it too.
static NEXT_PORT: AtomicU16 = AtomicU16::new(10_000);

thread_local! {
    /// How many loops the proxies of this thread's case have, where the case does not say.
    static LOOPS: Cell<Option<u8>> = const { Cell::new(None) };
}

/// Does this with proxies that have so many loops.
#[allow(dead_code, reason = "for tests/it")]
pub(crate) fn with_loops<R>(loops: u8, run: impl FnOnce() -> R) -> R {
    LOOPS.set(Some(loops));
    let result = run();
    LOOPS.set(None);
    result
}

const BINARY: &str = env!("CARGO_BIN_EXE_smokescreen");
/// A password with everything that a careless split would stumble over.
pub(crate) const PASSWORD: &str = "s3cr3t: pa55%word";

/// A proxy to be started: arguments, environment, files.
pub(crate) struct Setup {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
    listen_ip: &'static str,
    descriptors: Option<u32>,
    covers: Vec<(String, String)>,
    steps: Vec<String>,
    input: Option<OwnedFd>,
    port: Option<u16>,
    lines_max: usize,
}

impl Setup {
    /// Nothing but the listening address.
    pub(crate) fn bare() -> Setup {
        let folder = tempfile::tempdir().expect("a folder");
        Setup {
            arguments: Vec::new(),
            environment: Vec::new(),
            folder,
            listen_ip: "127.0.0.1",
            descriptors: None,
            covers: Vec::new(),
            steps: Vec::new(),
            input: None,
            port: None,
            lines_max: usize::MAX,
        }
    }

    /// Clients need not say who they are, and there is no ACL: only addresses are judged.
    pub(crate) fn open() -> Setup {
        Setup::bare().arg("--allow-missing-role")
    }

    /// Clients need [`PASSWORD`].
    pub(crate) fn locked() -> Setup {
        Setup::bare().env("PROXY_PASSWORD", PASSWORD)
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Setup {
        self.arguments.push(argument.into());
        self
    }

    /// Adds an option and its value.
    pub(crate) fn option(self, flag: &str, value: impl Into<String>) -> Setup {
        self.arg(flag).arg(value)
    }

    /// Adds an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Resolves names with this server.
    pub(crate) fn resolver(self, dns: &super::dns::Dns) -> Setup {
        let authority = dns.authority();
        self.option("--resolver-address", authority)
    }

    /// Writes an ACL file and names it.
    pub(crate) fn acl(self, yaml: &str) -> Setup {
        let path = self.file("acl.yaml", yaml);
        self.option("--egress-acl-file", path)
    }

    /// Writes a configuration file and names it.
    pub(crate) fn config(self, yaml: &str) -> Setup {
        let path = self.file("config.yaml", yaml);
        self.option("--config-file", path)
    }

    /// Writes a file into the proxy's folder and says where.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.to_str().expect("a plain path").to_owned()
    }

    /// Listens elsewhere.
    pub(crate) fn listen(mut self, ip: &'static str) -> Setup {
        self.listen_ip = ip;
        self
    }

    /// Limits the descriptors that the proxy may have open.
    pub(crate) fn descriptors(mut self, limit: u32) -> Setup {
        self.descriptors = Some(limit);
        self
    }

    /// Covers a file in /etc, for this proxy alone.
    pub(crate) fn etc(mut self, name: &str, content: &str) -> Setup {
        let cover = self.file(name, content);
        self.covers.push((cover, format!("/etc/{name}")));
        self
    }

    /// Has the shell that becomes the proxy do this before.
    #[allow(dead_code, reason = "for tests/it")]
    pub(crate) fn step(mut self, command: &str) -> Setup {
        self.steps.push(command.to_owned());
        self
    }

    /// Gives the proxy, and the shell before it, this as standard input.
    #[allow(dead_code, reason = "for tests/it")]
    pub(crate) fn input(mut self, descriptor: impl Into<OwnedFd>) -> Setup {
        self.input = Some(descriptor.into());
        self
    }

    /// Listens on this port, which another proxy has or had.
    #[allow(dead_code, reason = "for tests/it")]
    pub(crate) fn port(mut self, port: u16) -> Setup {
        self.port = Some(port);
        self
    }

    /// Keeps only the first lines of the log; the rest is counted.
    #[allow(dead_code, reason = "for tests/attacks")]
    pub(crate) fn keep_lines(mut self, count: usize) -> Setup {
        self.lines_max = count;
        self
    }

    /// The command, without a listening address.
    fn command(&self) -> Command {
        let mounts = self.covers.iter();
        let mut steps: Vec<String> = mounts
            .map(|(cover, path)| format!("mount --bind {cover} {path}"))
            .collect();
        steps.extend(self.descriptors.map(|limit| format!("ulimit -n {limit}")));
        steps.extend(self.steps.iter().cloned());
        steps.push("exec \"$0\" \"$@\"".to_owned());
        let mut command = match (self.covers.is_empty(), steps.len()) {
            (true, 1) => Command::new(BINARY),
            (true, _) => Command::new("sh"),
            (false, _) => Command::new("unshare"),
        };
        if !self.covers.is_empty() {
            command.args(["-m", "sh"]);
        }
        if steps.len() > 1 {
            command.args(["-c", &steps.join(" && "), BINARY]);
        }
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(loops) = LOOPS.get() {
            command.env("SMOKESCREEN_WORKERS", loops.to_string());
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let input = self.input.as_ref();
        let input = input.map(|input| input.try_clone().expect("a descriptor"));
        command
            .current_dir(self.folder.path())
            .stdin(input.map_or_else(Stdio::null, Stdio::from));
        command
    }

    /// Runs to the end exactly as set up, without a listening address; for what must not start.
    pub(crate) fn run(&self) -> Finished {
        program::run_with_its_input(&mut self.command())
    }

    /// Starts, and waits for the start line.
    #[track_caller]
    pub(crate) fn start(self) -> Proxy {
        let mut command = self.command();
        let port = self.port;
        let port = port
            .unwrap_or_else(|| NEXT_PORT.fetch_add(1, Ordering::Relaxed))
            .to_string();
        command.args(["--listen-ip", self.listen_ip, "--listen-port", &port]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the proxy");
        let log = Arc::new(Log::default());
        let pipe = child.stderr.take().expect("its stderr");
        let shared = Arc::clone(&log);
        let lines_max = self.lines_max;
        thread::spawn(move || shared.gather(pipe, lines_max));
        let mut proxy = Proxy {
            child,
            log,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: self.folder,
        };
        let ip: IpAddr = self.listen_ip.parse().expect("an address");
        let port = eventually("the start line", || {
            let lines = proxy.log.lines();
            if let Some(status) = proxy.child.try_wait().expect("its status") {
                panic!("the proxy ended with {status}: {lines:#?}");
            }
            lines
                .iter()
                .find_map(|line| listening_port(line, ip, &self.arguments))
        });
        proxy.address = SocketAddr::new(ip, port);
        proxy
    }
}

/// The port in a line that names the listening address; addresses that the arguments name are others'.
fn listening_port(line: &str, ip: IpAddr, arguments: &[String]) -> Option<u16> {
    let words = line.split([' ', '=', '"', ',', '\'']);
    let mut addresses = words.filter(|word| !arguments.iter().any(|argument| argument == word));
    addresses
        .find_map(|word| word.parse::<SocketAddr>().ok().filter(|found| found.ip() == ip))
        .map(|found| found.port())
}

/// How the log's reader behaves; anything else is reading on.
const PAUSE: u8 = 1;
const CLOSE: u8 = 2;

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    line_count: AtomicU64,
    byte_count: AtomicU64,
    mode: AtomicU8,
}

impl Log {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn gather(&self, pipe: ChildStderr, lines_max: usize) {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let count = self.line_count.fetch_add(1, Ordering::SeqCst);
            self.byte_count.fetch_add(line.len() as u64, Ordering::SeqCst);
            if usize::try_from(count).is_ok_and(|count| count < lines_max) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                self.lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(text);
            }
            line.clear();
            while self.mode.load(Ordering::SeqCst) == PAUSE {
                thread::park_timeout(std::time::Duration::from_millis(20));
            }
            if self.mode.load(Ordering::SeqCst) == CLOSE {
                return;
            }
        }
    }
}

/// A running proxy; dropping it kills it.
pub(crate) struct Proxy {
    child: Child,
    log: Arc<Log>,
    address: SocketAddr,
    #[expect(dead_code, reason = "deletes the files at the end")]
    folder: tempfile::TempDir,
}

impl Proxy {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects as a client.
    #[track_caller]
    pub(crate) fn client(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Sends bytes on a fresh connection and reads one response.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> super::message::Response {
        let mut client = self.client();
        client.send(bytes.as_ref());
        let method = bytes
            .as_ref()
            .split(|byte| *byte == b' ')
            .next()
            .unwrap_or_default();
        client.response_to(&String::from_utf8_lossy(method))
    }

    /// Opens a tunnel; the case fails when it is refused.
    #[track_caller]
    pub(crate) fn tunnel(&self, authority: &str) -> Wire {
        let mut client = self.client();
        client.send(super::message::connect(authority));
        let response = client.response_to("CONNECT");
        assert_eq!(response.status, 200, "CONNECT {authority}: {}", response.text());
        client
    }

    /// Everything on stderr so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// How many lines and bytes came on stderr so far, kept or not.
    #[allow(dead_code, reason = "for tests/attacks")]
    pub(crate) fn log_volume(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (read(&self.log.line_count), read(&self.log.byte_count))
    }

    /// Every line so far, parsed.
    #[track_caller]
    pub(crate) fn log_lines(&self) -> Vec<LogLine> {
        self.log()
            .iter()
            .map(|line| log_line::parse(line).expect("a well-formed line"))
            .collect()
    }

    /// Waits until there are so many lines with this message.
    #[track_caller]
    pub(crate) fn await_lines(&self, message: &str, count: usize) -> Vec<LogLine> {
        let found = || {
            let mut lines = self.log_lines();
            lines.retain(|line| line.says(message));
            (lines.len() >= count).then_some(lines)
        };
        eventually(message, found)
    }

    /// Waits until the lines of the start and of all answers so far are there: lines come in order, but gather for
    /// some milliseconds first. Adds a refused request of its own.
    #[track_caller]
    pub(crate) fn settle_log(&self) {
        let marker = "10.255.255.254:9";
        self.ask(super::message::connect(marker));
        let there = || self.log().iter().any(|line| line.contains(marker)).then_some(());
        eventually("the marker's line", there);
    }

    /// Waits for the line about the only request.
    #[track_caller]
    pub(crate) fn decision(&self) -> LogLine {
        self.await_lines("CANONICAL-PROXY-DECISION", 1).remove(0)
    }

    /// Waits for the line about the only tunnel's end.
    #[track_caller]
    pub(crate) fn close_line(&self) -> LogLine {
        self.await_lines("CANONICAL-PROXY-CN-CLOSE", 1).remove(0)
    }

    /// Stops reading its stderr, so that the pipe fills up.
    pub(crate) fn stall_log(&self) {
        self.log.mode.store(PAUSE, Ordering::SeqCst);
    }

    /// Closes its stderr's other end (once the next line has come).
    pub(crate) fn close_log(&self) {
        self.log.mode.store(CLOSE, Ordering::SeqCst);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("kill");
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// A file of its folder in /proc.
    fn proc(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The memory it has in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a VmRSS line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many descriptors it has open.
    pub(crate) fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("its descriptors")
            .count()
    }

    /// Processor time used so far, in clock ticks (hundredths of a second).
    pub(crate) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let (_, after) = stat.rsplit_once(')').expect("a process name");
        let numbers = after.split_whitespace().skip(11).take(2);
        numbers
            .map(|number| number.parse::<u64>().expect("a number"))
            .sum()
    }

    /// Is it running?
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }

    /// Waits for its own end and says how it ended.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        program::wait(&mut self.child)
    }

    /// Fails unless an unrelated request still works.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let origin = super::origin::Origin::fixed("still here");
        let response = self.ask(super::message::get(&origin.url("/")));
        assert_eq!((response.status, response.text().as_str()), (200, "still here"));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let lines = self.log();
            let last = lines.len().saturating_sub(20);
            eprintln!("the proxy's last words:\n{}", lines[last..].join("\n"));
        }
    }
}
