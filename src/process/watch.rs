//! `--watch`: whether the files that a reload reads are others than when they were read last. Reads none: that is `files`.
//!
//! Each is asked for by stat(2), again and again, rather than inotify(7) for events: those name a directory's entries and not
//! what a chain of symbolic links leads to (a Kubernetes volume exchanges a link two levels above the file), are not there
//! on NFS and other network file systems for what another machine does, and get lost with a mount that is laid over. What
//! changed in place, by rename, by a link or by a mount shows in a stat alike. It costs some system calls a second, on a
//! thread of its own: where a server does not answer, nobody waits but that thread.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use mio::Waker;

use crate::io::inbox::{Inbox, Outbox, inbox};
use crate::lock::unpoisoned;

/// Between two looks. What is to be read must be the same in two of them, lest half a file is: so that it is read after two
/// at the latest, and in force within 2 s.
const INTERVAL: Duration = Duration::from_millis(700);

/// After so many looks in a row at which something was different, half a minute, an operator is told.
const RESTLESS_LOOKS: u32 = 43;

/// For stat(2) and a line of the log.
const STACK_BYTES: usize = 256 * 1024;

/// Which file it is, and which content of it. The time of the last change of the inode is among it: it tells of what a
/// change of the rights made readable, and cannot be set back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// One for each path; none where nothing is there, or nobody can tell.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// The files, and as which they were read last.
pub(super) struct Watched {
    /// Those that the configuration names.
    named: Vec<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: Stamps,
    /// Those that files name themselves, as they were when the reading began that is to say whether they still do.
    former: Stamps,
}

/// What a look comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    /// All are as they were read, or missing.
    Same,
    /// One is another, and still changes.
    Changes,
    /// One is another, and all have come to rest.
    Changed,
}

impl Watched {
    /// These files, which are about to be read.
    pub(super) fn new(named: Vec<PathBuf>) -> Watched {
        let read = named.iter().map(|path| (path.clone(), stamp(path))).collect();
        let state = State {
            read,
            former: Stamps::new(),
        };
        Watched {
            named,
            state: Mutex::new(state),
        }
    }

    /// They are about to be read again, for whatever reason: that need not be done another time.
    pub(super) fn note_reading(&self) {
        let mut former = self.look();
        let named = self.named.iter();
        let read = named
            .filter_map(|path| former.remove_entry(path))
            .collect::<Stamps>();
        *self.lock() = State { read, former };
    }

    /// This file is about to be read too, for one of the others names it.
    pub(super) fn note_reading_of(&self, path: &Path) {
        let known = self.lock().former.remove(path);
        // Not under the lock, for who is asked may not answer for long.
        let stamp = known.unwrap_or_else(|| stamp(path));
        self.lock().read.entry(path.to_owned()).or_insert(stamp);
    }

    fn look(&self) -> Stamps {
        let paths: Vec<PathBuf> = self.lock().read.keys().cloned().collect();
        paths
            .into_iter()
            .map(|path| {
                let stamp = stamp(&path);
                (path, stamp)
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    /// What has become of them; `before` is what they were at the last look, and becomes what they are.
    fn compare(&self, before: &mut Stamps) -> Seen {
        let now = self.look();
        let rests = *before == now;
        before.clone_from(&now);
        if self.first_changed(&now).is_none() {
            return Seen::Same;
        }
        if !rests {
            return Seen::Changes;
        }
        // Whether it can be read or not: it is told of once.
        for (path, read) in &mut self.lock().read {
            if let Some(now) = now.get(path) {
                *read = *now;
            }
        }
        Seen::Changed
    }

    /// The first that is there, and another than was read.
    fn first_changed(&self, now: &Stamps) -> Option<PathBuf> {
        let state = self.lock();
        let is_another = |(path, read): &(&PathBuf, &Option<Stamp>)| {
            now.get(*path).is_some_and(|now| now.is_some() && now != *read)
        };
        state.read.iter().find(is_another).map(|(path, _)| path.clone())
    }

    /// Looks at them from time to time, until the process is gone.
    fn go_on(&self, outbox: &Outbox<()>, ends: &Receiver<Infallible>) {
        let (mut before, mut restless) = (self.look(), 0_u32);
        while ends.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            match self.compare(&mut before) {
                Seen::Same => restless = 0,
                Seen::Changes => restless = restless.saturating_add(1),
                Seen::Changed => {
                    restless = 0;
                    outbox.send(());
                }
            }
            if restless == RESTLESS_LOOKS {
                let which = self.first_changed(&before).map(|path| path.display().to_string());
                log::warn!(
                    "Nothing is reloaded (--watch), as the files have kept changing for half a minute, among them {}: \
                     write another file and rename it",
                    which.unwrap_or_default()
                );
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// A thread that watches them.
pub(super) struct Watch {
    inbox: Inbox<()>,
    /// With it the thread ends.
    #[expect(dead_code, reason = "heard when it is dropped")]
    end: Sender<Infallible>,
}

impl Watch {
    /// Begins to watch. `waker` is called when they changed.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn begin(watched: &Arc<Watched>, waker: Arc<Waker>) -> io::Result<Watch> {
        let ((outbox, inbox), (end, ends)) = (inbox(waker), channel());
        let watched = Arc::clone(watched);
        thread::Builder::new()
            .name("watch".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || watched.go_on(&outbox, &ends))?;
        Ok(Watch { inbox, end })
    }

    /// Did they change since this was asked last?
    pub(super) fn is_changed(&self) -> bool {
        !self.inbox.take().is_empty()
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
