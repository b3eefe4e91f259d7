//! Answers that may be given again: bounded in number and, by the caller, in time. Asks nobody anything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Instant;

use super::Answer;

/// Answers by name, each until its time has passed.
pub(super) struct Cache {
    answers: HashMap<Arc<str>, Entry>,
    /// The same entries by the time they end; the number tells apart those that end together.
    ends: BTreeMap<(Instant, u64), Arc<str>>,
    next: u64,
    names_max: usize,
}

struct Entry {
    answer: Answer,
    end: (Instant, u64),
}

impl Cache {
    /// An empty cache for at most `names_max` names.
    pub(super) fn new(names_max: usize) -> Cache {
        Cache {
            answers: HashMap::new(),
            ends: BTreeMap::new(),
            next: 0,
            names_max,
        }
    }

    /// The answer for `name`, unless its time has passed.
    pub(super) fn get(&self, name: &str, now: Instant) -> Option<&Answer> {
        self.answers
            .get(name)
            .filter(|entry| now < entry.end.0)
            .map(|entry| &entry.answer)
    }

    /// Keeps an answer until `end`. When there is no room, the one that would end first makes some.
    pub(super) fn put(&mut self, name: Arc<str>, answer: Answer, end: Instant, now: Instant) {
        if end <= now || self.names_max == 0 {
            return;
        }
        self.remove(&name);
        self.drop_ended(now);
        while self.answers.len() >= self.names_max {
            let Some((_, first)) = self.ends.pop_first() else {
                break;
            };
            self.answers.remove(&first);
        }
        let end = (end, self.next);
        self.next = self.next.wrapping_add(1);
        self.ends.insert(end, Arc::clone(&name));
        self.answers.insert(name, Entry { answer, end });
    }

    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.answers.remove(name) {
            self.ends.remove(&entry.end);
        }
    }

    fn drop_ended(&mut self, now: Instant) {
        while let Some(first) = self.ends.first_entry() {
            if first.key().0 > now {
                break;
            }
            let name = first.remove();
            self.answers.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    fn answer(last: u8) -> Answer {
        Ok(Arc::from([IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))]))
    }

    #[test]
    fn an_answer_lasts_as_long_as_it_may() {
        let now = Instant::now();
        let mut cache = Cache::new(4);
        cache.put("a.test".into(), answer(1), now + Duration::from_secs(5), now);
        assert_eq!(
            cache.get("a.test", now + Duration::from_millis(4999)),
            Some(&answer(1))
        );
        assert_eq!(cache.get("a.test", now + Duration::from_secs(5)), None);
        assert_eq!(cache.get("b.test", now), None);
    }

    #[test]
    fn an_answer_without_time_is_not_kept() {
        let now = Instant::now();
        let mut cache = Cache::new(4);
        cache.put("a.test".into(), answer(1), now, now);
        assert_eq!(cache.get("a.test", now), None);
    }

    #[test]
    fn a_newer_answer_replaces_the_older() {
        let now = Instant::now();
        let mut cache = Cache::new(4);
        cache.put("a.test".into(), answer(1), now + Duration::from_secs(5), now);
        cache.put("a.test".into(), answer(2), now + Duration::from_secs(1), now);
        assert_eq!(cache.get("a.test", now), Some(&answer(2)));
        assert_eq!(cache.get("a.test", now + Duration::from_secs(2)), None);
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let now = Instant::now();
        let mut cache = Cache::new(3);
        for n in 0..100u8 {
            let end = now + Duration::from_secs(5) + Duration::from_millis(n.into());
            cache.put(format!("{n}.test").into(), answer(n), end, now);
            assert!(cache.answers.len() <= 3 && cache.ends.len() == cache.answers.len());
        }
        assert_eq!(cache.get("0.test", now), None);
        assert_eq!(cache.get("99.test", now), Some(&answer(99)));
    }

    #[test]
    fn what_has_ended_makes_room_before_what_has_not() {
        let now = Instant::now();
        let mut cache = Cache::new(2);
        cache.put("old.test".into(), answer(1), now + Duration::from_secs(1), now);
        cache.put("new.test".into(), answer(2), now + Duration::from_secs(9), now);
        let later = now + Duration::from_secs(2);
        cache.put(
            "third.test".into(),
            answer(3),
            later + Duration::from_secs(1),
            later,
        );
        assert_eq!(cache.get("new.test", later), Some(&answer(2)));
        assert_eq!(cache.get("third.test", later), Some(&answer(3)));
        assert_eq!(cache.answers.len(), 2);
    }
}
