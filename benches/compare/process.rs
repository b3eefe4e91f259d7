//! A proxy as a process: pinned to a processor, waited for, stopped with all its descendants. Knows no proxy.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tempfile::TempDir;

use crate::usage::{descendants, threads};

/// Longest time until a proxy has to accept connections.
const START: Duration = Duration::from_secs(15);
/// Longest time it has for a stop in good order.
const STOP: Duration = Duration::from_secs(2);

/// A running proxy. Dropping it ends it and what it started, and removes its folder.
pub(crate) struct Process {
    child: Child,
    /// Where it accepts connections.
    pub(crate) address: SocketAddr,
    /// Its configuration and its logs.
    pub(crate) folder: TempDir,
}

impl Process {
    /// Starts `command`, which has to listen on `address`, on the processor for proxies, and waits until it does.
    /// Its output goes into files in `folder`.
    pub(crate) fn start(
        mut command: Command,
        address: SocketAddr,
        folder: TempDir,
    ) -> Result<Process, String> {
        let file = |name: &str| File::create(folder.path().join(name)).map_err(|error| error.to_string());
        command
            .stdin(Stdio::null())
            .stdout(file("stdout")?)
            .stderr(file("stderr")?);
        pin(PROXY);
        let child = command.spawn();
        pin(GENERATOR);
        let child = child.map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        let mut process = Process {
            child,
            address,
            folder,
        };
        process.wait()?;
        process.pin_all();
        Ok(process)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self) -> Result<(), String> {
        let until = Instant::now() + START;
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}: {}", self.last_words()));
            }
            if Instant::now() > until {
                return Err(format!("does not listen: {}", self.last_words()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Some choose processors themselves, against what they were started with.
    fn pin_all(&self) {
        let Some(set) = set_of(PROXY) else { return };
        for thread in descendants(self.id()).into_iter().flat_map(threads) {
            let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
            // It may be gone already.
            let _ = sched_setaffinity(thread, &set);
        }
    }

    /// The end of what it printed.
    fn last_words(&self) -> String {
        let read = |name| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        let text = [read("stdout"), read("stderr")].concat();
        let text = String::from_utf8_lossy(&text).replace('\n', " / ");
        text.char_indices()
            .rev()
            .nth(300)
            .map_or(text.as_str(), |(at, _)| &text[at..])
            .to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = descendants(self.child.id());
        let signal = |signal| {
            for pid in &family {
                if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                    // It may be gone already.
                    let _ = kill_process(pid, signal);
                }
            }
        };
        signal(Signal::TERM);
        let until = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        if !matches!(self.child.try_wait(), Ok(None)) && family.len() == 1 {
            return;
        }
        // The parent first: until it is waited for its id can't be another's.
        let _ = self.child.kill();
        signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An address of 127.0.0.1 whose port nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Which of the processors: the first is the proxies', the second the generator's.
pub(crate) const PROXY: usize = 0;
pub(crate) const GENERATOR: usize = 1;

/// Pins this thread, and so what it starts, to one of the first two processors it may use. Without a second one it
/// does nothing and says so.
pub(crate) fn pin(which: usize) -> bool {
    set_of(which).is_some_and(|set| sched_setaffinity(None, &set).is_ok())
}

/// The processor that `which` stands for; `None` where there is only one.
fn set_of(which: usize) -> Option<CpuSet> {
    // The allowed ones must be read before the first pinning.
    static ALLOWED: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    let allowed = ALLOWED.get_or_init(|| {
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU).filter(|n| set.is_set(*n)).collect()
    });
    let processor = allowed.get(which).filter(|_| allowed.len() > 1)?;
    let mut set = CpuSet::new();
    set.set(*processor);
    Some(set)
}
