//! The system's own resolver: `getaddrinfo` on worker threads. What has not reached a thread waits here, where
//! it can be taken back; what has can't be, and holds its thread for as long as the system likes, on the account of the
//! client that it took it for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};

use crate::io::work::{self, Workers};
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

/// Asks the system, one thread for each question.
pub(super) struct System {
    workers: Workers,
    lookup: Lookup,
    deliver: Deliver,
    queue: Queue<QuestionId>,
    /// The names of those in the queue.
    waiting: HashMap<QuestionId, Arc<str>>,
    /// What the threads are at, and on whose account.
    running: HashMap<QuestionId, ClientKey>,
    outcomes: Vec<(QuestionId, Outcome)>,
}

impl System {
    /// At most `places` questions are asked at a time.
    pub(super) fn new(places: usize, lookup: Lookup, deliver: Deliver) -> System {
        let places = places.max(1);
        System {
            workers: Workers::new(work::Settings {
                name: "resolver",
                threads_max: places,
                // As many as there are threads: each has one between its answer and its next job.
                waiting_max: places,
                stack_bytes: STACK_BYTES,
                idle_timeout: IDLE_TIMEOUT,
            }),
            lookup,
            deliver,
            queue: Queue::new(places),
            waiting: HashMap::new(),
            running: HashMap::new(),
            outcomes: Vec::new(),
        }
    }

    /// Asks for `name` on this client's account, as soon as a thread is free and it is the client's turn.
    pub(super) fn ask(&mut self, id: QuestionId, name: Arc<str>, client: ClientKey) {
        self.waiting.insert(id, name);
        self.queue.push(id, client);
        self.dispatch();
    }

    /// Another client waits for this question too.
    pub(super) fn join(&mut self, id: QuestionId, client: ClientKey) {
        self.queue.join(id, client);
        self.dispatch();
    }

    /// Nobody waits for this question any more. True if a thread is at it nevertheless: its outcome will come.
    pub(super) fn forget(&mut self, id: QuestionId) -> bool {
        if self.waiting.remove(&id).is_some() {
            self.queue.remove(id);
        }
        self.running.contains_key(&id)
    }

    /// A thread is done.
    pub(super) fn on_looked_up(&mut self, looked_up: LookedUp) {
        let LookedUp { id, outcome } = looked_up;
        if let Some(client) = self.running.remove(&id) {
            self.queue.give_back(client);
        }
        self.outcomes.push((id, outcome));
        self.dispatch();
    }

    /// The outcomes since the last call.
    pub(super) fn outcomes(&mut self) -> Vec<(QuestionId, Outcome)> {
        std::mem::take(&mut self.outcomes)
    }

    fn dispatch(&mut self) {
        while let Some((id, client)) = self.queue.next() {
            self.running.insert(id, client);
            let name = self.waiting.remove(&id).unwrap_or_default();
            let lookup = Arc::clone(&self.lookup);
            let deliver = Arc::clone(&self.deliver);
            self.workers.submit(
                move || lookup(&name),
                move |result| {
                    let outcome = result.unwrap_or_else(|_| Outcome::Failed(": resolver failed".into()));
                    deliver(LookedUp { id, outcome });
                },
            );
        }
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
