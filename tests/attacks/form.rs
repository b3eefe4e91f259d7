//! The two forms of the attacks, and which core is whose.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::support::proxy::Proxy;

/// How thoroughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Minutes, by hand, on a quiet machine: latencies are asserted.
    Full,
    /// Seconds, beside whatever else runs.
    Short,
}

impl Form {
    /// What the environment asks for.
    pub(crate) fn get() -> Form {
        match std::env::var("ATTACKS").as_deref() {
            Ok("full") => Form::Full,
            _ => Form::Short,
        }
    }

    pub(crate) fn is_full(self) -> bool {
        self == Form::Full
    }

    /// One of two values.
    pub(crate) fn pick<T>(self, full: T, short: T) -> T {
        match self {
            Form::Full => full,
            Form::Short => short,
        }
    }

    /// How long the honest are measured before the attack.
    pub(crate) fn before(self) -> Duration {
        self.pick(Duration::from_secs(4), Duration::from_millis(300))
    }

    /// How long the attack has to unfold.
    pub(crate) fn unfolding(self) -> Duration {
        self.pick(Duration::from_secs(2), Duration::from_millis(400))
    }

    /// How long the honest are measured under the attack.
    pub(crate) fn during(self) -> Duration {
        self.pick(Duration::from_secs(8), Duration::from_secs(1))
    }
}

/// Attackers and honest clients are many sockets in one process, and in the full form stay off the proxy's core.
pub(crate) fn prepare() {
    let hard = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: hard,
        maximum: hard,
    };
    let _ = setrlimit(Resource::Nofile, all);
    if let Some((_, ours)) = cores() {
        sched_setaffinity(None, &only(ours)).expect("a core for the clients");
    }
}

/// Gives the proxy its own core, in the full form; threads that it starts later inherit that.
pub(crate) fn pin(proxy: &Proxy) {
    let Some((core, _)) = cores() else { return };
    let tasks = format!("/proc/{}/task", proxy.pid().as_raw_nonzero());
    for task in std::fs::read_dir(tasks).expect("its threads").flatten() {
        let id = task.file_name().to_string_lossy().parse().ok();
        let thread = id.and_then(Pid::from_raw);
        let _ = thread.map(|thread| sched_setaffinity(Some(thread), &only(core)));
    }
}

/// The attackers' threads take what the honest leave: their core is shared, and what is measured is the proxy.
pub(crate) fn step_back() {
    let _ = setpriority_process(None, 19);
}

/// The proxy's core and everybody else's.
fn cores() -> Option<(usize, usize)> {
    static CORES: std::sync::OnceLock<Option<(usize, usize)>> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| {
        let allowed = sched_getaffinity(None).ok()?;
        let mut ours = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let pair = (ours.next()?, ours.next()?);
        Form::get().is_full().then_some(pair)
    })
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
