//! For how long a connection can be counted on that its origin keeps open while nobody uses it. When such a
//! connection is used, and by whom, is not known here.

use std::time::Duration;

use crate::clock::Instant;

/// What a lease is taken for where the origin announces nothing, or more: no origin's own limit is far above.
const SECONDS_MAX: u8 = 91;

/// So long before the announced end nothing is sent any more: what leaves then would meet the origin's close.
const MARGIN: Duration = Duration::from_secs(1);

/// A request that can't be sent twice finds no fault with a connection that was idle for less than this.
const FRESH_TIME: Duration = Duration::from_secs(1);

/// Who is still there so long after it was idle keeps connections. Some close behind each response and don't announce it,
/// as tinyproxy 1.11 does where an origin's response had no `close` to pass on: their close is on its way for the time
/// that their thread needs to come to it.
const PERSISTS_AFTER: Duration = Duration::from_millis(100);

/// The time that an origin gives an idle connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    since: Instant,
    idle_since: Instant,
    seconds: u8,
    use_before: UseBefore,
}

/// What a connection carried before it was idle, and what that says of its origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UseBefore {
    /// Nothing: no response is behind which its origin might close it, and nothing is known of the origin.
    None,
    /// A response, which may have been the last.
    Answered,
    /// A response that shows that the origin keeps connections: it says so, or it is not the first.
    Kept,
}

impl Lease {
    /// One that the origin counts from `since` on: when its response began, for what it wrote behind that may have
    /// waited in buffers while its clock ran. `announced` are the seconds of `Keep-Alive: timeout=`: who names them keeps
    /// connections, and so does who says `keep-alive`, or has answered before on this one (`keeps`).
    pub fn new(since: Instant, idle_since: Instant, announced: Option<u64>, keeps: bool) -> Lease {
        let seconds = announced.and_then(|seconds| u8::try_from(seconds).ok());
        Lease {
            since,
            idle_since,
            seconds: seconds.map_or(SECONDS_MAX, |seconds| seconds.min(SECONDS_MAX)),
            use_before: match keeps || announced.is_some() {
                true => UseBefore::Kept,
                false => UseBefore::Answered,
            },
        }
    }

    /// That of a connection which carried nothing yet.
    pub fn unused(since: Instant) -> Lease {
        Lease {
            use_before: UseBefore::None,
            ..Lease::new(since, since, None, false)
        }
    }

    /// Did it carry nothing yet?
    pub fn is_unused(&self) -> bool {
        self.use_before == UseBefore::None
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// From then on no request may use the connection.
    pub fn end(&self) -> Instant {
        self.since + self.time().saturating_sub(MARGIN)
    }

    /// Does this connection show that its origin keeps connections, before it was idle for any time?
    pub fn shows_persistence_at_once(&self) -> bool {
        self.use_before == UseBefore::Kept
    }

    /// Does it show so by then?
    pub fn shows_persistence(&self, now: Instant) -> bool {
        let stays = || now.duration_since(self.idle_since) >= PERSISTS_AFTER;
        self.shows_persistence_at_once() || (self.use_before == UseBefore::Answered && stays())
    }

    /// May a request use it that can't be sent twice? Where a close is on its way already, such a one would be lost: `keeps`
    /// says that others of its origin [showed](Lease::shows_persistence) that none is.
    pub fn is_fresh(&self, now: Instant, keeps: bool) -> bool {
        let idle = now.duration_since(self.since);
        idle < FRESH_TIME
            && idle < self.time() / 2
            && now < self.end()
            && (keeps || self.is_unused() || self.shows_persistence(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it ends and when it is fresh no more, in milliseconds.
    fn limits(announced: Option<u64>) -> (u128, u128) {
        let since = Instant::now();
        let lease = Lease::new(since, since, announced, true);
        let ends = lease.end().duration_since(since).as_millis();
        let fresh = (0..2000).take_while(|ms| lease.is_fresh(since + Duration::from_millis(*ms), false));
        (ends, fresh.count() as u128)
    }

    #[test]
    fn who_announces_answers_again_or_is_still_there_keeps_connections() {
        let since = Instant::now();
        let idle_since = since + Duration::from_millis(300);
        for (lease, shows_from, is_fresh_from) in [
            (Lease::new(since, idle_since, None, false), Some(400), Some(400)),
            (Lease::new(since, idle_since, None, true), Some(0), Some(0)),
            (Lease::new(since, idle_since, Some(5), false), Some(0), Some(0)),
            (Lease::unused(since), None, Some(0)),
        ] {
            let first =
                |is: &dyn Fn(Instant) -> bool| (0..900).find(|ms| is(since + Duration::from_millis(*ms)));
            assert_eq!(first(&|at| lease.shows_persistence(at)), shows_from, "{lease:?}");
            assert_eq!(first(&|at| lease.is_fresh(at, false)), is_fresh_from, "{lease:?}");
            assert_eq!(first(&|at| lease.is_fresh(at, true)), Some(0), "{lease:?}");
        }
    }

    #[test]
    fn a_lease_ends_a_second_early_and_is_fresh_for_one_at_most() {
        for (announced, want) in [
            (None, (90_000, 1000)),
            (Some(0), (0, 0)),
            (Some(1), (0, 0)),
            (Some(2), (1000, 1000)),
            (Some(3), (2000, 1000)),
            (Some(5), (4000, 1000)),
            (Some(90), (89_000, 1000)),
            (Some(91), (90_000, 1000)),
            (Some(255), (90_000, 1000)),
            (Some(256), (90_000, 1000)),
            (Some(u64::MAX), (90_000, 1000)),
        ] {
            assert_eq!(limits(announced), want, "{announced:?}");
        }
    }
}
