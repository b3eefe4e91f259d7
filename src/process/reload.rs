//! A reload: the files are read and compared on a thread of their own, and so is memory given back; the loops only
//! exchange some pointers. What is read is `files`' business.

use std::sync::Arc;
use std::time::Duration;

use mio::Waker;

use crate::io::heap;
use crate::io::inbox::{Inbox, Outbox, inbox};
use crate::io::work::{Settings, Workers};
use crate::server::in_force::InForce;

use super::files::Fresh;

/// Reads the files; the error says why what is in force stays.
pub(super) type Read = Arc<dyn Fn(&InForce) -> Result<Fresh, String> + Send + Sync>;

/// A thread's default. The stack at start is larger, but a file nests no deeper than fits in this.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// The thread ends with its work: what it freed and the allocator keeps for it is given back then.
const IDLE_TIMEOUT: Duration = Duration::ZERO;

/// A reading, and what the one before leaves to be freed.
const WAITING_MAX: usize = 2;

/// Reads again what SIGHUP says has changed, one time after the other.
pub(super) struct Reload {
    read: Read,
    /// One thread, for nothing else: names that nobody answers may hold all the resolver's for minutes.
    workers: Workers,
    outbox: Outbox<Answer>,
    inbox: Inbox<Answer>,
    /// From the reading until the loops have exchanged what they have, so that there are never more than two policies.
    is_under_way: bool,
    /// It was asked for meanwhile: what was read may be older than that.
    again: bool,
}

/// What a reading came to.
type Answer = Result<Fresh, String>;

impl Reload {
    /// Nothing is read yet. `waker` is called when something was.
    pub(super) fn new(read: Read, waker: Arc<Waker>) -> Reload {
        let (outbox, inbox) = inbox(waker);
        Reload {
            read,
            workers: Workers::new(Settings {
                name: "reload",
                threads_max: 1,
                waiting_max: WAITING_MAX,
                stack_bytes: STACK_BYTES,
                idle_timeout: IDLE_TIMEOUT,
            }),
            outbox,
            inbox,
            is_under_way: false,
            again: false,
        }
    }

    /// Reads, or, where a reload is under way, once more when it is over. `present` is in force.
    pub(super) fn ask(&mut self, present: &InForce) {
        if std::mem::replace(&mut self.is_under_way, true) {
            self.again = true;
            return;
        }
        let (read, present, outbox) = (Arc::clone(&self.read), present.clone(), self.outbox.clone());
        let job = move || {
            let answer = read(&present);
            // Reading takes several times what is kept of a long ACL.
            heap::trim();
            answer
        };
        self.workers.submit(job, move |result| {
            outbox.send(result.unwrap_or_else(|lost| Err(lost.to_string())));
        });
    }

    /// What is to be in force from now on, if it was read; says why where it was not. `present` is in force.
    pub(super) fn take(&mut self, present: &InForce) -> Option<Fresh> {
        match self.inbox.take().pop()? {
            Ok(fresh) => Some(fresh),
            Err(why) => {
                log::error!("Nothing was reloaded, what was read before stays in force: {why}");
                self.is_over(present);
                None
            }
        }
    }

    /// What was taken is `present` now, in place of `old`, which is freed: a long ACL takes its time.
    pub(super) fn replaced(&mut self, old: InForce, present: &InForce) {
        let job = move || {
            drop(old);
            heap::trim();
        };
        self.workers.submit(job, |_| {});
        self.is_over(present);
    }

    /// Is there a reading, or one that is not in force yet?
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    fn is_over(&mut self, present: &InForce) {
        self.is_under_way = false;
        if std::mem::take(&mut self.again) {
            self.ask(present);
        }
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
