//! Whose place a further one gets who asks how the proxy is, when all places are taken. Nobody is ended here.
//!
//! Who reads an answer keeps its place from others of its address: forty scrapes at a time from one machine are all whole.
//! Against other addresses nobody has more than its share: the address that has most connections gives one up.

use std::cmp::Reverse;
use std::time::Duration;

use crate::clock::Instant;
use crate::net::ClientKey;

/// One who takes nothing of its answer for so long stalls,
const STALL_MIN: Duration = Duration::from_secs(1);

/// and one that has not read it within this counts as if it did, whatever it takes: a scrape has as long, as a rule.
const READ_MAX: Duration = Duration::from_secs(10);

/// What would be lost with a connection; the least last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Loss {
    /// An answer that is being read, or a request that may just be coming.
    Answer,
    /// One that stands still.
    Stalled,
    /// Nothing was asked.
    Nothing,
}

/// One who has a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Whose it is.
    pub(super) client: ClientKey,
    /// When it was taken.
    pub(super) since: Instant,
    /// When something last moved.
    pub(super) touched: Instant,
    /// The request is still to come.
    pub(super) awaits_head: bool,
    /// All of the answer is with the kernel, which sends it also when we are done with it.
    pub(super) is_answered: bool,
}

impl Place {
    fn loss(&self, now: Instant) -> Loss {
        match self.awaits_head {
            true if self.touched < now => Loss::Nothing,
            false if self.touched + STALL_MIN <= now || self.since + READ_MAX <= now => Loss::Stalled,
            _ => Loss::Answer,
        }
    }
}

/// Which of these gives way to a further one of this address, by its number in their order, in which they came. None where
/// each of them reads and the further one's address has most: it is turned away.
pub(super) fn yields(places: &[Place], newcomer: ClientKey, now: Instant) -> Option<usize> {
    if let Some(at) = places.iter().position(|place| place.is_answered) {
        return Some(at);
    }
    let count = |client: ClientKey| {
        let same = places.iter().filter(|place| place.client == client).count();
        same + usize::from(client == newcomer)
    };
    // Of equals the one that came first.
    let numbered = places.iter().enumerate().rev();
    let (at, place) =
        numbered.max_by_key(|(_, place)| (count(place.client), place.loss(now), Reverse(place.touched)))?;
    let is_kept = place.client == newcomer && place.loss(now) == Loss::Answer;
    (!is_kept).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Scene {
        now: Instant,
        places: Vec<Place>,
    }

    fn client(name: u8) -> ClientKey {
        ClientKey::of(IpAddr::from([10, 0, 0, name]))
    }

    impl Scene {
        fn new() -> Scene {
            Scene {
                now: Instant::now() + 100 * SECOND,
                places: Vec::new(),
            }
        }

        /// So many of one address that took something of their answers this long ago.
        fn readers(mut self, name: u8, count: usize, quiet: Duration) -> Scene {
            let place = Place {
                client: client(name),
                since: self.now - quiet - SECOND,
                touched: self.now - quiet,
                awaits_head: false,
                is_answered: false,
            };
            self.places.extend(vec![place; count]);
            self
        }

        fn silent(mut self, name: u8, count: usize, quiet: Duration) -> Scene {
            self = self.readers(name, count, quiet);
            let from = self.places.len() - count;
            self.places[from..]
                .iter_mut()
                .for_each(|place| place.awaits_head = true);
            self
        }

        fn yields(&self, name: u8) -> Option<usize> {
            yields(&self.places, client(name), self.now)
        }
    }

    const AT_ONCE: Duration = Duration::from_millis(1);

    #[test]
    fn who_asked_nothing_gives_way_before_who_reads_the_longest_silent_first() {
        let scene = Scene::new()
            .readers(1, 40, AT_ONCE)
            .silent(1, 10, AT_ONCE)
            .silent(1, 10, SECOND)
            .readers(1, 4, 5 * SECOND);
        assert_eq!(scene.yields(1), Some(50));
        assert_eq!(scene.yields(2), Some(50));
    }

    #[test]
    fn who_reads_keeps_its_place_from_its_own_address_and_no_other() {
        let scene = Scene::new().readers(1, 60, AT_ONCE).readers(2, 4, AT_ONCE);
        assert_eq!(scene.yields(1), None);
        assert_eq!(scene.yields(2), Some(0), "of the address that has most");
        assert_eq!(scene.yields(3), Some(0));
        let one_each = (1..=64).fold(Scene::new(), |scene, name| scene.readers(name, 1, AT_ONCE));
        assert_eq!(one_each.yields(7), None, "it would be the second of its address");
        assert_eq!(one_each.yields(100), Some(0));
    }

    #[test]
    fn who_stalls_or_takes_too_long_gives_way_to_anybody() {
        let scene = Scene::new()
            .readers(1, 30, AT_ONCE)
            .readers(1, 1, SECOND)
            .readers(1, 33, AT_ONCE);
        assert_eq!(scene.yields(1), Some(30));
        let mut drips = Scene::new().readers(1, 64, AT_ONCE);
        drips.places[9].since = drips.now - READ_MAX;
        assert_eq!(drips.yields(1), Some(9));
    }

    #[test]
    fn who_came_only_now_is_no_silent_one() {
        let scene = Scene::new().silent(1, 64, Duration::ZERO);
        assert_eq!(scene.yields(1), None);
    }

    #[test]
    fn who_was_answered_goes_first_of_all() {
        let mut scene = Scene::new().silent(1, 60, SECOND).readers(2, 4, AT_ONCE);
        scene.places[62].is_answered = true;
        assert_eq!(scene.yields(1), Some(62));
    }

    #[test]
    fn a_crowd_of_one_address_takes_no_place_of_anothers() {
        let scene = Scene::new()
            .silent(1, 1, SECOND)
            .readers(2, 1, 20 * SECOND)
            .silent(3, 62, AT_ONCE);
        assert_eq!(scene.yields(3), Some(2));
    }
}
