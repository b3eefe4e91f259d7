//! What the resolvers of all loops share: threads or sockets, who may have one, and how many may wait. Questions and answers
//! are each loop's own.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::io::bells::Bells;
use crate::lock::unpoisoned;
use crate::net::ClientKey;

use super::Settings;
use super::queue::Queue;
use super::system::{Lookup, Threads, system_lookup};
use super::waiters::Places;

/// What the resolvers of a process share.
#[derive(Clone)]
pub struct Common {
    pub(super) settings: Settings,
    /// For those who wait.
    pub(super) waiting: Places,
    pub(super) threads: Arc<Threads>,
    sockets: Arc<Mutex<Queue<Leg>>>,
    bells: Bells,
}

/// A question to a server, by its loop's number and its slot there.
type Leg = (u8, u32);

impl Common {
    /// Opens no socket and starts no thread before something is asked. The loops have these bells.
    pub fn new(settings: Settings, bells: Bells) -> Common {
        let lookup = system_lookup(settings.network);
        Common::with_lookup(settings, bells, lookup)
    }

    pub(super) fn with_lookup(settings: Settings, bells: Bells, lookup: Lookup) -> Common {
        Common {
            waiting: Places::new(settings.queue_max),
            threads: Arc::new(Threads::new(settings.places, lookup)),
            sockets: Arc::new(Mutex::new(Queue::new(settings.places))),
            settings,
            bells,
        }
    }

    /// The turns of the loop with this number.
    pub(super) fn turns(&self, number: u8) -> Turns {
        Turns {
            sockets: Arc::clone(&self.sockets),
            bells: self.bells.for_loop(number),
            number,
        }
    }
}

/// Whose turn it is to have a socket, among the questions of all loops.
pub(super) struct Turns {
    sockets: Arc<Mutex<Queue<Leg>>>,
    bells: Bells,
    number: u8,
}

impl Turns {
    /// Does none wait, of any loop?
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// See [`Queue::push`].
    pub(super) fn push(&self, slot: u32, client: ClientKey) {
        self.lock().push((self.number, slot), client);
    }

    /// See [`Queue::join`].
    pub(super) fn join(&self, slot: u32, client: ClientKey) {
        self.lock().join((self.number, slot), client);
    }

    /// See [`Queue::remove`].
    pub(super) fn remove(&self, slot: u32) {
        self.lock().remove((self.number, slot));
    }

    /// A socket is closed. [`Turns::next`] must follow, now or in the loop's next turn.
    pub(super) fn give_back(&self, client: ClientKey) {
        self.lock().give_back(client);
    }

    /// Gives a socket to the question whose turn it is, if it is this loop's; another's loop is woken for it.
    pub(super) fn next(&self) -> Option<(u32, ClientKey)> {
        let mut queue = self.lock();
        match queue.first() {
            Some(((number, _), _)) if number == self.number => {
                let ((_, slot), client) = queue.next()?;
                Some((slot, client))
            }
            first => {
                // Under the lock: whoever gives one back from now on rings.
                self.bells.wait();
                if let Some(((number, _), _)) = first {
                    self.bells.ring_for(number);
                }
                None
            }
        }
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Queue<Leg>> {
        unpoisoned(self.sockets.lock())
    }
}
