//! The system's own resolver: `getaddrinfo` on worker threads. What has not reached a thread waits here, where
//! it can be taken back; what has can't be, and holds its thread for as long as the system likes, on the account of the
//! client that it took it for. The threads are the process's: the loops' questions wait for them in one queue.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};

use crate::io::work::{self, Lost, Workers};
use crate::lock::unpoisoned;
use crate::net::ClientKey;
use crate::net::label::is_number;
use crate::text::errno;

use super::queue::Queue;
use super::{Found, Network, Outcome, QuestionId};

/// What is called on a thread: a name in, an outcome out.
pub(super) type Lookup = Arc<dyn Fn(&str) -> Outcome + Send + Sync>;

/// How many addresses are kept; the rest is cut off.
const ADDRESSES_MAX: usize = 128;
/// glibc: the name has addresses, but none of the family that was asked for.
const EAI_ADDRFAMILY: i32 = -9;

/// What a thread found out, and to which question.
pub struct LookedUp {
    id: QuestionId,
    outcome: Outcome,
}

/// Where it goes: to the loop, which passes it to [`super::Resolver::on_looked_up`].
pub type Deliver = Arc<dyn Fn(LookedUp) + Send + Sync>;

/// Enough for `getaddrinfo` with the name service modules that libc loads; a default stack is 2 MiB.
const STACK_BYTES: usize = 512 * 1024;

/// Where names are looked up, more will be.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A question of the loop with this number.
type Asked = (u8, QuestionId);

/// The threads, and whose turn it is to have one.
pub(super) struct Threads {
    workers: Workers,
    lookup: Lookup,
    state: Mutex<State>,
}

struct State {
    queue: Queue<Asked>,
    /// The names of those in the queue, and where what is found out goes to.
    waiting: HashMap<Asked, (Arc<str>, Deliver)>,
    /// Those that had their turn, and whose outcomes their loops have not taken yet.
    running: HashSet<Asked>,
}

/// A question whose turn it is.
struct Turn {
    asked: Asked,
    client: ClientKey,
    name: Arc<str>,
    deliver: Deliver,
}

impl Threads {
    /// At most `places` questions are asked at a time.
    pub(super) fn new(places: usize, lookup: Lookup) -> Threads {
        let places = places.max(1);
        Threads {
            workers: Workers::new(work::Settings {
                name: "resolver",
                threads_max: places,
                // As many as there are threads: each has one between its answer and its next job.
                waiting_max: places,
                stack_bytes: STACK_BYTES,
                idle_timeout: IDLE_TIMEOUT,
            }),
            lookup,
            state: Mutex::new(State {
                queue: Queue::new(places),
                waiting: HashMap::new(),
                running: HashSet::new(),
            }),
        }
    }

    /// Gives threads to those whose turn it is.
    fn dispatch(self: &Arc<Threads>) {
        // Never under the lock: a job that can't be taken is answered at once.
        while let Some(turn) = self.next() {
            let Turn {
                asked,
                client,
                name,
                deliver,
            } = turn;
            let lookup = Arc::clone(&self.lookup);
            // Jobs that wait must not keep the threads that they wait for.
            let threads = Arc::downgrade(self);
            self.workers.submit(
                move || lookup(&name),
                move |result| {
                    let threads = threads.upgrade();
                    if let Some(threads) = &threads {
                        threads.lock().queue.give_back(client);
                    }
                    let was_taken = !matches!(result, Err(Lost::Full | Lost::NoThread));
                    let outcome = result.unwrap_or_else(|_| Outcome::Failed(": resolver failed".into()));
                    let (_, id) = asked;
                    deliver(LookedUp { id, outcome });
                    // Who submitted one that was not taken goes on with the next by itself.
                    if let Some(threads) = threads.filter(|_| was_taken) {
                        threads.dispatch();
                    }
                },
            );
        }
    }

    fn next(&self) -> Option<Turn> {
        let mut state = self.lock();
        let (asked, client) = state.queue.next()?;
        let Some((name, deliver)) = state.waiting.remove(&asked) else {
            debug_assert!(false, "{asked:?} waits without a name");
            state.queue.give_back(client);
            return None;
        };
        state.running.insert(asked);
        Some(Turn {
            asked,
            client,
            name,
            deliver,
        })
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

/// Asks the system, one thread for each question of a loop.
pub(super) struct System {
    threads: Arc<Threads>,
    /// The loop's.
    number: u8,
    deliver: Deliver,
    outcomes: Vec<(QuestionId, Outcome)>,
}

impl System {
    /// For the loop of this number, which gets by `deliver` what is found out.
    pub(super) fn new(threads: Arc<Threads>, number: u8, deliver: Deliver) -> System {
        System {
            threads,
            number,
            deliver,
            outcomes: Vec::new(),
        }
    }

    /// Asks for `name` on this client's account, as soon as a thread is free and it is the client's turn.
    pub(super) fn ask(&mut self, id: QuestionId, name: Arc<str>, client: ClientKey) {
        let asked = (self.number, id);
        let mut state = self.threads.lock();
        state.waiting.insert(asked, (name, Arc::clone(&self.deliver)));
        state.queue.push(asked, client);
        drop(state);
        self.threads.dispatch();
    }

    /// Another client waits for this question too.
    pub(super) fn join(&mut self, id: QuestionId, client: ClientKey) {
        self.threads.lock().queue.join((self.number, id), client);
        self.threads.dispatch();
    }

    /// Nobody waits for this question any more. True if a thread is at it nevertheless: its outcome will come.
    pub(super) fn forget(&mut self, id: QuestionId) -> bool {
        let asked = (self.number, id);
        let mut state = self.threads.lock();
        if state.waiting.remove(&asked).is_some() {
            state.queue.remove(asked);
        }
        state.running.contains(&asked)
    }

    /// A thread is done.
    pub(super) fn on_looked_up(&mut self, looked_up: LookedUp) {
        let LookedUp { id, outcome } = looked_up;
        self.threads.lock().running.remove(&(self.number, id));
        self.outcomes.push((id, outcome));
    }

    /// The outcomes since the last call.
    pub(super) fn outcomes(&mut self) -> Vec<(QuestionId, Outcome)> {
        std::mem::take(&mut self.outcomes)
    }
}

impl Drop for System {
    /// The loop has ended: what it asked is nobody's any more. Threads that are at it give their places back when they are
    /// done.
    fn drop(&mut self) {
        let mut state = self.threads.lock();
        let is_its = |asked: &Asked| asked.0 == self.number;
        let waiting: Vec<Asked> = state.waiting.keys().copied().filter(is_its).collect();
        for asked in waiting {
            state.waiting.remove(&asked);
            state.queue.remove(asked);
        }
        state.running.retain(|asked| !is_its(asked));
    }
}

/// The real thing: `getaddrinfo` for stream sockets in the wanted families, for the name as it stands: the dot behind
/// it keeps the system from completing it by its search list.
pub(super) fn system_lookup(network: Network) -> Lookup {
    Arc::new(move |name| look_up(name, network))
}

fn look_up(name: &str, network: Network) -> Outcome {
    // getaddrinfo reads `127.1` and `0x7f.1` as addresses. No name like that gets here; if one did, it is none.
    if looks_numeric(name) {
        return Outcome::Absent;
    }
    let address = match network {
        Network::Any => 0,
        Network::V4 => AddrFamily::Inet.into(),
        Network::V6 => AddrFamily::Inet6.into(),
    };
    let hints = AddrInfoHints {
        flags: 0,
        address,
        socktype: SockType::Stream.into(),
        protocol: 0,
    };
    let absolute = format!("{name}.");
    let found = match getaddrinfo(Some(&absolute), None, Some(hints)) {
        Ok(found) => found,
        Err(error) => return failure(&error),
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for info in found.flatten() {
        let address = info.sockaddr.ip();
        if addresses.len() < ADDRESSES_MAX && network.admits(address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        Outcome::Absent
    } else {
        Outcome::Found(Found { addresses, ttl: None })
    }
}

fn failure(error: &LookupError) -> Outcome {
    let words = match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => return Outcome::Absent,
        _ if error.error_num() == EAI_ADDRFAMILY => return Outcome::Absent,
        LookupErrorKind::Again => "temporary failure in name resolution".to_owned(),
        LookupErrorKind::Fail => "server misbehaving".to_owned(),
        LookupErrorKind::Memory => "out of memory".to_owned(),
        LookupErrorKind::System => errno::words(error),
        _ => format!("getaddrinfo failed with code {}", error.error_num()),
    };
    Outcome::Failed(format!(": {words}"))
}

/// Would inet_aton(3) take this for an address? It does when the last part is a number.
fn looks_numeric(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_none_or(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2021_29922_numeric_forms_never_reach_getaddrinfo() {
        let forms = [
            "0x7f.1",
            "127.1",
            "01200034567",
            "012.1.2.3",
            "0127.0.0.1",
            "010.8.8.8",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "127.0.0.1.",
            "",
        ];
        for form in forms {
            assert_eq!(look_up(form, Network::Any), Outcome::Absent, "{form}");
        }
        assert!(!looks_numeric("1.2.3.4.test") && !looks_numeric("x0x1") && !looks_numeric("127-1"));
    }

    #[test]
    fn a_name_with_a_nul_is_no_name_for_c() {
        assert!(matches!(look_up("a\0.test", Network::Any), Outcome::Failed(_)));
    }

    #[test]
    fn errors_are_told_apart() {
        // glibc: EAI_NONAME -2, EAI_AGAIN -3, EAI_FAIL -4, EAI_NODATA -5.
        assert_eq!(failure(&LookupError::new(-2)), Outcome::Absent);
        assert_eq!(failure(&LookupError::new(-5)), Outcome::Absent);
        assert_eq!(failure(&LookupError::new(-9)), Outcome::Absent);
        let again = Outcome::Failed(": temporary failure in name resolution".into());
        assert_eq!(failure(&LookupError::new(-3)), again);
        assert_eq!(
            failure(&LookupError::new(-4)),
            Outcome::Failed(": server misbehaving".into())
        );
    }
}
