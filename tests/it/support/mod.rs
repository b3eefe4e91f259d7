//! What the cases share: the namespace, the proxy under test, raw peers on both sides, a name server.

pub(crate) mod case;
pub(crate) mod dns;
pub(crate) mod log_line;
pub(crate) mod message;
pub(crate) mod namespace;
pub(crate) mod netlink;
pub(crate) mod openssl;
pub(crate) mod origin;
#[path = "../../pki/mod.rs"]
pub(crate) mod pki;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod wire;

use std::time::{Duration, Instant};

/// Globally reachable addresses that the namespace has on its loopback.
pub(crate) const PUBLIC: &str = "44.1.2.3";
/// A second one.
pub(crate) const PUBLIC_B: &str = "44.1.2.4";
/// A third one.
pub(crate) const PUBLIC_C: &str = "44.1.2.5";
/// One of the other family.
pub(crate) const PUBLIC_6: &str = "2a00:1111:2222::1";
/// An address of RFC 1918 that is really there, so that only a rule can keep the proxy from it.
pub(crate) const PRIVATE: &str = "10.1.2.3";

/// How long a case waits for what must happen before it fails. Never how long something takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What happens at once may take this long on a busy machine. A timer that a case rules out is set far beyond it.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(30);

/// Polls until `probe` answers; panics with `what` when the deadline has passed.
pub(crate) fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, probe)
}

/// Like [`eventually`], with a limit of the case's own.
pub(crate) fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How often a pattern comes round: prime, so that no two pieces of a power of two are alike.
const PERIOD: usize = 65_521;

/// Bytes that depend on their position, so that a lost, doubled or swapped part shows. They are computed once a
/// period, which then bears its number, and copied: 100 MiB must not be a matter of seconds.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut period = Vec::with_capacity(PERIOD + 8);
    while period.len() < PERIOD.min(length) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        period.extend_from_slice(&state.to_le_bytes());
    }
    period.truncate(PERIOD);
    let mut bytes = Vec::with_capacity(length + PERIOD);
    for number in 0u64.. {
        if bytes.len() >= length {
            break;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&period);
        for (byte, mark) in bytes[start..].iter_mut().zip(number.to_le_bytes()) {
            *byte ^= mark;
        }
    }
    bytes.truncate(length);
    bytes
}

/// Compares big byte strings without printing them.
pub(crate) fn assert_same_bytes(got: &[u8], wanted: &[u8]) {
    if got != wanted {
        let first = got.iter().zip(wanted).position(|(a, b)| a != b);
        panic!(
            "{} bytes instead of {}; the first difference is at {first:?}",
            got.len(),
            wanted.len()
        );
    }
}
