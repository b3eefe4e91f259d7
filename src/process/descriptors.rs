//! How the descriptors of the process are shared out, so that what each part may hold at most never comes to more than
//! there are. Nothing is opened here.

/// What is always there or comes for a moment: standard streams, log, polls, signals, listener, a file that is read
/// again, and some that were inherited.
const OWN: u64 = 16;

/// What each loop beside the first has: its poll, thrice, what wakes it, its listener, and that one's spare.
const EACH_LOOP: u64 = 6;

/// Pipes for bulk, two descriptors each. A direction holds one only while bytes wait in it for a slow receiver.
const PIPES_MAX: u64 = 64;

/// What lookups may hold.
const LOOKUPS_MIN: u64 = 4;
const LOOKUPS_MAX: u64 = 128;

/// Attempts beside the first of a dial (RFC 8305): most end within a moment.
const SECOND_ATTEMPTS_MIN: u64 = 2;
const SECOND_ATTEMPTS_MAX: u64 = 512;

/// What one of the system's resolver holds at most: glibc keeps a socket for each of three silent name servers, and has
/// another for TCP.
const SYSTEM_LOOKUP: u64 = 4;

/// Lookups at a time at most, however many descriptors there are.
const LOOKUP_PLACES_MAX: u64 = 32;

/// More connections than this are not derived from a descriptor limit, however high.
const CONNECTIONS_MAX: u64 = 1_000_000;

/// The parts of a limit: a sixteenth each for pipes, lookups and second attempts, within bounds; the rest is for clients
/// and their origins, two for each client. Idle upstream connections have what nobody uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptors {
    limit: u64,
    /// Who asks how the proxy is has so many, if there are so many.
    for_admin: u64,
    /// Loops, at least one.
    loops: u64,
}

impl Descriptors {
    /// Parts of this limit (`RLIMIT_NOFILE`).
    pub(super) fn of(limit: u64) -> Descriptors {
        Descriptors {
            limit,
            for_admin: 0,
            loops: 1,
        }
    }

    /// The same, shared by so many loops.
    #[must_use]
    pub(super) fn for_loops(self, loops: usize) -> Descriptors {
        let loops = u64::try_from(loops).unwrap_or(u64::MAX).max(1);
        Descriptors { loops, ..self }
    }

    /// The same, with so many, or an eighth of all if that is less, for who asks how the proxy is.
    #[must_use]
    pub(super) fn without(self, for_admin: u64) -> Descriptors {
        Descriptors {
            for_admin: for_admin.min(self.limit / 8),
            ..self
        }
    }

    /// The limit.
    pub(super) fn limit(self) -> u64 {
        self.limit
    }

    /// What who asks how the proxy is may have.
    pub(super) fn for_admin(self) -> u64 {
        self.for_admin
    }

    /// Pipes at most, in all loops together.
    pub(super) fn pipes(self) -> usize {
        whole((self.limit / 32).min(PIPES_MAX))
    }

    /// Lookups at a time, if each may hold so many descriptors.
    fn lookups_of(self, each: u64) -> usize {
        whole((self.lookups() / each).clamp(1, LOOKUP_PLACES_MAX))
    }

    /// Threads for the system's resolver.
    pub(super) fn lookup_threads(self) -> usize {
        self.lookups_of(SYSTEM_LOOKUP)
    }

    /// Sockets of our own resolver.
    pub(super) fn lookup_sockets(self) -> usize {
        self.lookups_of(1)
    }

    /// Attempts beside the first of a dial.
    pub(super) fn second_attempts(self) -> usize {
        whole(self.second())
    }

    /// Sockets that carry traffic: clients', origins', those of dials, idle ones.
    pub(super) fn wires(self) -> usize {
        let others = self.own() + self.for_admin + 2 * self.pipes() as u64 + self.lookups();
        whole(self.limit.saturating_sub(others))
    }

    fn own(self) -> u64 {
        OWN + (self.loops - 1).saturating_mul(EACH_LOOP)
    }

    /// Clients, with an origin each.
    pub(super) fn connections(self) -> usize {
        let for_pairs = (self.wires() as u64).saturating_sub(self.second());
        whole((for_pairs / 2).clamp(1, CONNECTIONS_MAX))
    }

    fn lookups(self) -> u64 {
        (self.limit / 16).clamp(LOOKUPS_MIN, LOOKUPS_MAX)
    }

    fn second(self) -> u64 {
        (self.limit / 16).clamp(SECOND_ATTEMPTS_MIN, SECOND_ATTEMPTS_MAX)
    }
}

fn whole(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn some_limits_and_what_they_come_to() {
        let of = |limit| {
            let parts = Descriptors::of(limit);
            [
                parts.connections(),
                parts.second_attempts(),
                parts.lookup_threads(),
                parts.lookup_sockets(),
                parts.pipes(),
            ]
        };
        assert_eq!(of(32), [4, 2, 1, 4, 1]);
        assert_eq!(of(256), [96, 16, 4, 16, 8]);
        assert_eq!(of(1024), [408, 64, 16, 32, 32]);
        assert_eq!(of(20_000), [9_608, 512, 32, 32, 64]);
        assert_eq!(of(u64::MAX), [1_000_000, 512, 32, 32, 64]);
    }

    proptest! {
        #[test]
        fn all_parts_at_their_most_are_within_the_limit(
            limit in 32_u64..1 << 21, admin in 0_u64..80, loops in 1_usize..64
        ) {
            let loops = loops.min(whole(1 + limit / 256));
            let parts = Descriptors::of(limit).without(admin).for_loops(loops);
            let pairs = 2 * parts.connections() as u64;
            let lookups = (SYSTEM_LOOKUP * parts.lookup_threads() as u64).max(parts.lookup_sockets() as u64);
            let others = parts.own() + parts.for_admin + 2 * parts.pipes() as u64 + lookups + parts.second_attempts() as u64;
            prop_assert!(pairs + others <= limit);
            prop_assert!(pairs + parts.second_attempts() as u64 <= parts.wires() as u64);
            prop_assert!(parts.connections() as u64 >= limit / 8 || limit < 256);
        }
    }
}
