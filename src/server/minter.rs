//! The process's threads for the certificates of intercepted tunnels, which take a signature of the CA's each, and whose turn it
//! is: of the clients that wait, the one that has fewest under way. Which certificates there are already, and who else waits
//! for one, is known to `tls::Leaves`, which all loops share.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::io::token::Ticket;
use crate::io::told::Told;
use crate::io::work::{Lost, Settings, Workers};
use crate::lock::unpoisoned;
use crate::net::{ClientKey, Host};
use crate::tls::{Asked, Leaves, Minted, Order, Unmade};

use super::orders::{ORDERS_MAX, Orders, Turn};

/// A signature of RSA with 4,096 bits takes 5 ms: two threads make 400 a second.
const THREADS_MAX: usize = 2;

/// rcgen and aws-lc keep their large parts on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// So long a thread without work stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// That a host gets none is said anew when all did for so long.
const QUIET_MIN: Duration = Duration::from_secs(10);

/// What gets each of a loop's answers that is not given at once, on one of the threads or on the loop's; it must not block.
pub type Deliver = Arc<dyn Fn(Ticket, Minted) + Send + Sync>;

/// Has certificates made for a loop, where there is a CA.
pub struct Minter {
    leaves: Option<Arc<Leaves>>,
    threads: MintThreads,
    deliver: Deliver,
}

/// The threads, and who waits for them, at whichever loop.
#[derive(Clone)]
pub struct MintThreads {
    workers: Arc<Workers>,
    /// Those that wait: the threads take from them.
    orders: Arc<Mutex<Orders<Order>>>,
    /// What was said of hosts that get none.
    told: Arc<Mutex<Told>>,
}

impl Default for MintThreads {
    /// None runs before something is to be made.
    fn default() -> MintThreads {
        let workers = Workers::new(Settings {
            name: "mint",
            threads_max: THREADS_MAX,
            // One for each order.
            waiting_max: ORDERS_MAX,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        MintThreads {
            workers: Arc::new(workers),
            orders: Arc::default(),
            told: Arc::new(Mutex::new(Told::new(QUIET_MIN))),
        }
    }
}

impl MintThreads {
    /// What has certificates made of this CA for a loop that gets its answers so.
    pub fn for_loop(&self, leaves: Option<Arc<Leaves>>, deliver: Deliver) -> Minter {
        Minter {
            leaves,
            threads: self.clone(),
            deliver,
        }
    }
}

impl Minter {
    /// From now on this CA signs.
    pub(super) fn sign_with(&mut self, leaves: Arc<Leaves>) {
        self.leaves = Some(leaves);
    }

    /// The certificate for this host, if it is there; else it is delivered.
    pub(super) fn ask(
        &self,
        ticket: Ticket,
        client: ClientKey,
        host: &Host,
        wall: SystemTime,
    ) -> Option<Minted> {
        let Some(leaves) = &self.leaves else {
            debug_assert!(false, "tunnels are intercepted without a CA");
            return Some(Err(Unmade::Impossible("there is no CA".into())));
        };
        let deliver = Arc::clone(&self.deliver);
        match leaves.ask(host, wall, Box::new(move |minted| deliver(ticket, minted))) {
            Asked::Ready(leaf) => return Some(Ok(leaf)),
            // Its turn comes as soon as it is either's.
            Asked::Waits => lock(&self.threads.orders).join(client, |order| order.host() == host),
            Asked::Mint(order) => self.order(client, order, wall),
        }
        None
    }

    fn order(&self, client: ClientKey, order: Order, wall: SystemTime) {
        let refused = lock(&self.threads.orders).push(client, order);
        if let Err(order) = refused {
            return order.give_up("too many others wait for one");
        }
        let (orders, left) = (Arc::clone(&self.threads.orders), Arc::clone(&self.threads.orders));
        let job = move || {
            let next = lock(&orders).next();
            if let Some((turn, order)) = next {
                let _under_way = UnderWay { orders, turn };
                order.carry_out(wall);
            }
        };
        // Where there is no thread for it, there is one too few for those that wait.
        self.threads.workers.submit(job, move |done| {
            if let Err(why @ (Lost::Full | Lost::NoThread)) = done {
                let next = lock(&left).next();
                if let Some((turn, order)) = next {
                    lock(&left).note_done(turn);
                    order.give_up(&why.to_string());
                }
            }
        });
    }

    /// Says why there is none, unless that was said a moment ago.
    pub(super) fn note(&self, minted: &Minted, now: Instant) {
        if let Err(why) = minted {
            let what = format!("A tunnel could not be intercepted: {why}");
            if lock(&self.threads.told).is_news(&what, now) {
                log::error!("{what}");
            }
        }
    }
}

/// No order is carried out under the lock, so a poisoned lock still guards a whole state.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(shared.lock())
}

/// An order that is carried out, however that ends.
struct UnderWay {
    orders: Arc<Mutex<Orders<Order>>>,
    turn: Turn,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.orders).note_done(self.turn);
    }
}
