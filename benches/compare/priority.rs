//! Lets the bench run before whatever else the machine does, while it runs. Measures nothing.

use std::fs;

use rustix::process::{getpriority_process, setpriority_process};

/// The scheduler weighs sessions first (`man 7 sched`, autogroup): without it a bench beside a compiler in another
/// terminal gets half a processor whatever its own priority is.
const SESSION: &str = "/proc/self/autogroup";
const HIGHEST: i32 = -20;

/// The session's and the process's priority as they were; dropping it restores them.
pub(crate) struct Priority {
    session: Option<i32>,
    process: Option<i32>,
}

impl Priority {
    /// Takes the highest priority for this session, and for this process and what it starts from now on, as far as
    /// that is permitted.
    pub(crate) fn raise() -> Priority {
        let text = fs::read_to_string(SESSION).unwrap_or_default();
        let session = text.split_whitespace().last().and_then(|nice| nice.parse().ok());
        let process = getpriority_process(None).ok();
        Priority {
            session: session.filter(|_| fs::write(SESSION, HIGHEST.to_string()).is_ok()),
            process: process.filter(|_| setpriority_process(None, HIGHEST).is_ok()),
        }
    }

    /// Whether anything of it was permitted.
    pub(crate) fn is_raised(&self) -> bool {
        self.session.is_some() || self.process.is_some()
    }
}

impl Drop for Priority {
    fn drop(&mut self) {
        // What could be raised can be lowered.
        if let Some(nice) = self.session {
            let _ = fs::write(SESSION, nice.to_string());
        }
        if let Some(nice) = self.process {
            let _ = setpriority_process(None, nice);
        }
    }
}
