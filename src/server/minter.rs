//! The loop's threads for the certificates of intercepted tunnels, which take a signature of the CA's each. Which there are
//! already, and who else waits for one, is known to `tls::Leaves`, which all loops share.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::io::token::Ticket;
use crate::io::told::Told;
use crate::io::work::{Settings, Workers};
use crate::net::Host;
use crate::tls::{Asked, Leaves, Minted};

/// A signature of RSA with 4,096 bits takes 5 ms: two threads make 400 a second.
const THREADS_MAX: usize = 2;

/// Hosts that wait for theirs; who comes then is told to come again.
const WAITING_MAX: usize = 256;

/// rcgen and aws-lc keep their large parts on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// So long a thread without work stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// That a host gets none is said anew when all did for so long.
const QUIET_MIN: Duration = Duration::from_secs(10);

/// Has certificates made, where there is a CA.
pub struct Minter {
    leaves: Option<Arc<Leaves>>,
    workers: Workers,
    deliver: Arc<dyn Fn(Ticket, Minted) + Send + Sync>,
    told: Told,
}

impl Minter {
    /// `deliver` gets each answer that is not given at once, on one of the threads, and must not block.
    pub fn new(leaves: Option<Arc<Leaves>>, deliver: Arc<dyn Fn(Ticket, Minted) + Send + Sync>) -> Minter {
        let workers = Workers::new(Settings {
            name: "mint",
            threads_max: THREADS_MAX,
            waiting_max: WAITING_MAX,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        Minter {
            leaves,
            workers,
            deliver,
            told: Told::new(QUIET_MIN),
        }
    }

    /// From now on this CA signs.
    pub(super) fn sign_with(&mut self, leaves: Arc<Leaves>) {
        self.leaves = Some(leaves);
    }

    /// The certificate for this host, if it is there; else it is delivered.
    pub(super) fn ask(&mut self, ticket: Ticket, host: &Host, wall: SystemTime) -> Option<Minted> {
        let Some(leaves) = &self.leaves else {
            debug_assert!(false, "tunnels are intercepted without a CA");
            return Some(Err("there is no CA".into()));
        };
        let deliver = Arc::clone(&self.deliver);
        match leaves.ask(host, wall, Box::new(move |minted| deliver(ticket, minted))) {
            Asked::Ready(leaf) => return Some(Ok(leaf)),
            Asked::Waits => {}
            Asked::Mint => {
                let (made, lost) = (Arc::clone(leaves), Arc::clone(leaves));
                let (host, lost_host) = (host.clone(), host.clone());
                let job = move || made.mint(&host, wall);
                self.workers.submit(job, move |result| {
                    if let Err(why) = result {
                        lost.give_up(&lost_host, &why.to_string());
                    }
                });
            }
        }
        None
    }

    /// Says why there is none, unless that was said a moment ago.
    pub(super) fn note(&mut self, minted: &Minted, now: Instant) {
        if let Err(why) = minted {
            let what = format!("A tunnel could not be intercepted: {why}");
            if self.told.is_news(&what, now) {
                log::error!("{what}");
            }
        }
    }
}
