//! Our own stub resolver (RFC 1034, 5.3.1), for when servers are configured: hosts file, search list, and the
//! two record types of a name asked for side by side. How one of them is pursued is `leg`'s business; waiting
//! clients, sharing and caching are the front's.

use super::ending::{Combined, Ending, Failure, combine};
use super::hosts::Hosts;
use super::leg::{Leg, Net, Progress, ROUNDS};
use super::message::Kind;
use super::search::Search;
use super::watched::Watched;
use super::wire::MESSAGE_MAX;
use super::{Network, Outcome, QuestionId};
use crate::io::token::Source;
use mio::Registry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest one try may take.
const TRY_TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// How long the other family is waited for when IPv4 is there (RFC 8305, 3).
const AAAA_GRACE: Duration = Duration::from_millis(50);
/// The same when IPv6 is there: without IPv4 a machine that has only that could reach nothing.
const A_GRACE: Duration = Duration::from_secs(1);

/// Asks the configured servers.
pub(super) struct Stub {
    net: Net,
    network: Network,
    timeout: Duration,
    hosts: Watched<Hosts>,
    search: Watched<Search>,
    questions: HashMap<QuestionId, Question>,
    /// Legs by the slot their sockets are registered under.
    legs: Vec<Option<Leg>>,
    free: Vec<u32>,
    /// Slots that stopped reading because others want their turn too.
    unread: Vec<u32>,
    last_turn: Option<Instant>,
    outcomes: Vec<(QuestionId, Outcome)>,
    scratch: Box<[u8]>,
}

/// One name on its way.
struct Question {
    candidates: VecDeque<Box<str>>,
    slots: Vec<u32>,
    endings: Vec<(Kind, Ending)>,
    until: Instant,
    grace: Option<Instant>,
    /// What went wrong with an earlier candidate: then the name can't be called unknown.
    failure: Option<Failure>,
}

impl Stub {
    /// A stub for at least one server. `hosts` and `search` are where hosts(5) and resolv.conf(5) are.
    pub(super) fn new(
        servers: Vec<SocketAddr>,
        network: Network,
        timeout: Duration,
        registry: Registry,
        hosts: &Path,
        search: &Path,
    ) -> Stub {
        let tries = u32::try_from(servers.len() * ROUNDS).unwrap_or(u32::MAX).max(1);
        let try_timeout = TRY_TIMEOUT_MAX.min(timeout / tries);
        Stub {
            net: Net {
                servers,
                registry,
                try_timeout,
            },
            network,
            timeout,
            hosts: Watched::new(hosts, Hosts::parse),
            search: Watched::new(search, Search::parse),
            questions: HashMap::new(),
            legs: Vec::new(),
            free: Vec::new(),
            unread: Vec::new(),
            last_turn: None,
            outcomes: Vec::new(),
            scratch: vec![0; MESSAGE_MAX].into_boxed_slice(),
        }
    }

    /// What needs no asking: the names of the hosts file.
    pub(super) fn known(&mut self, name: &str, now: Instant) -> Vec<IpAddr> {
        self.hosts.get(now).find(name, self.network)
    }

    /// Asks for `name`. The outcome comes out of [`Stub::outcomes`], possibly at once.
    pub(super) fn ask(&mut self, id: QuestionId, name: &str, now: Instant) {
        let question = Question {
            candidates: self.search.get(now).candidates(name).into(),
            slots: Vec::new(),
            endings: Vec::new(),
            until: now + self.timeout,
            grace: None,
            failure: None,
        };
        self.questions.insert(id, question);
        self.ask_next_candidate(id, now);
    }

    /// Nobody waits for this question any more.
    pub(super) fn forget(&mut self, id: QuestionId) {
        if let Some(question) = self.questions.remove(&id) {
            self.close(&question.slots);
        }
    }

    /// A socket of ours became ready. An event for a socket that is gone finds nothing to read.
    pub(super) fn on_event(&mut self, slot: u32, now: Instant) {
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let progress = leg.on_ready(&self.net, &mut self.scratch, now);
        self.last_turn = Some(now);
        self.settle(slot, progress, now);
    }

    /// Time passed.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        for slot in std::mem::take(&mut self.unread) {
            self.on_event(slot, now);
        }
        for slot in self.slots_due(now) {
            // The slot may be another leg's by now.
            let Some(leg) = leg_at(&mut self.legs, slot).filter(|leg| leg.deadline() <= now) else {
                continue;
            };
            let progress = leg.on_deadline(&self.net, now);
            self.settle(slot, progress, now);
        }
        let graceless = self
            .questions
            .iter()
            .filter(|(_, question)| question.grace.is_some_and(|at| at <= now));
        let graceless: Vec<QuestionId> = graceless.map(|(id, _)| *id).collect();
        for id in graceless {
            self.conclude(id, now);
        }
    }

    /// When [`Stub::on_deadline`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let at_once = self.last_turn.filter(|_| !self.unread.is_empty());
        let legs = self.legs.iter().flatten().map(Leg::deadline);
        let graces = self.questions.values().filter_map(|question| question.grace);
        legs.chain(graces).chain(at_once).min()
    }

    /// The outcomes since the last call.
    pub(super) fn outcomes(&mut self) -> Vec<(QuestionId, Outcome)> {
        std::mem::take(&mut self.outcomes)
    }

    /// How many sockets are open.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.legs.iter().flatten().count()
    }

    fn slots_due(&self, now: Instant) -> Vec<u32> {
        let due = self
            .legs
            .iter()
            .zip(0..)
            .filter(|(leg, _)| leg.as_ref().is_some_and(|leg| leg.deadline() <= now));
        due.map(|(_, slot)| slot).collect()
    }

    fn ask_next_candidate(&mut self, id: QuestionId, now: Instant) {
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        let Some(name) = question.candidates.pop_front() else {
            return;
        };
        let until = question.until;
        let mut started = Vec::new();
        for &kind in super::kinds(self.network) {
            let slot = self.take_slot();
            let leg = Leg::new(id, kind, &name, until, Source::Resolver(slot).token());
            if let Some(place) = usize::try_from(slot)
                .ok()
                .and_then(|slot| self.legs.get_mut(slot))
            {
                *place = Some(leg);
            }
            started.push(slot);
        }
        if let Some(question) = self.questions.get_mut(&id) {
            question.slots.clone_from(&started);
        }
        for slot in started {
            let Some(leg) = leg_at(&mut self.legs, slot) else {
                continue;
            };
            let progress = leg.start(&self.net, now);
            self.settle(slot, progress, now);
        }
    }

    fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.legs.push(None);
            // The front's bound on questions is far below this.
            u32::try_from(self.legs.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn close(&mut self, slots: &[u32]) {
        for &slot in slots {
            let place = usize::try_from(slot)
                .ok()
                .and_then(|slot| self.legs.get_mut(slot));
            if place.is_some_and(|place| place.take().is_some()) {
                self.free.push(slot);
                self.unread.retain(|&unread| unread != slot);
            }
        }
    }

    /// Takes in what became of a leg; when both record types are settled, so is the candidate.
    fn settle(&mut self, slot: u32, progress: Progress, now: Instant) {
        let ending = match progress {
            Progress::Waiting => return,
            Progress::Unread => {
                if !self.unread.contains(&slot) {
                    self.unread.push(slot);
                }
                return;
            }
            Progress::Done(ending) => ending,
        };
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let (id, kind) = (leg.question, leg.kind);
        self.close(&[slot]);
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        question.slots.retain(|&open| open != slot);
        if matches!(ending, Ending::Found(..)) && !question.slots.is_empty() {
            let grace = if kind == Kind::A { AAAA_GRACE } else { A_GRACE };
            question.grace = Some(question.until.min(now + grace));
        }
        question.endings.push((kind, ending));
        if question.slots.is_empty() {
            self.conclude(id, now);
        }
    }

    /// Makes one of what the record types came to, and reports it or goes on to the next candidate.
    fn conclude(&mut self, id: QuestionId, now: Instant) {
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        let unfinished = std::mem::take(&mut question.slots);
        question.grace = None;
        let endings = std::mem::take(&mut question.endings);
        let outcome = match combine(endings, !unfinished.is_empty()) {
            Combined::Found(found) => Some(Outcome::Found(found)),
            Combined::Failed(failure) if failure.timed_out || question.candidates.is_empty() => {
                Some(failure.into_outcome())
            }
            Combined::Failed(failure) => {
                question.failure = Some(failure);
                None
            }
            Combined::Absent if question.candidates.is_empty() => Some(
                question
                    .failure
                    .take()
                    .map_or(Outcome::Absent, Failure::into_outcome),
            ),
            Combined::Absent => None,
        };
        self.close(&unfinished);
        match outcome {
            Some(outcome) => {
                self.questions.remove(&id);
                self.outcomes.push((id, outcome));
            }
            None => self.ask_next_candidate(id, now),
        }
    }
}

fn leg_at(legs: &mut [Option<Leg>], slot: u32) -> Option<&mut Leg> {
    legs.get_mut(usize::try_from(slot).ok()?)?.as_mut()
}
