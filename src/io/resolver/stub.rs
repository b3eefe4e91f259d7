//! Our own stub resolver (RFC 1034, 5.3.1), for when servers are configured: the two record types of a name, asked for
//! side by side where sockets suffice. How one of them is pursued is `leg`'s business; waiting clients, the hosts file
//! and caching are the front's.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::Registry;

use crate::clock::Instant;
use crate::io::token::Source;
use crate::net::ClientKey;

use super::common::Turns;
use super::ending::{Combined, Ending, combine};
use super::leg::{Leg, Net, Progress, ROUNDS};
use super::reply::Kind;
use super::wire::MESSAGE_MAX;
use super::{Network, Outcome, QuestionId};

/// The longest one try may take.
const TRY_TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// How long IPv6 is waited for before IPv4's addresses are told of (RFC 8305, 3). The other way round they are at once.
const AAAA_GRACE: Duration = Duration::from_millis(50);
/// How long the rest of an answer is still worth having when nobody waits for it any more.
const REST_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the configured servers.
pub(super) struct Stub {
    net: Net,
    network: Network,
    timeout: Duration,
    /// The slots of legs that wait for a socket, and those of other loops.
    queue: Turns,
    /// A socket came free outside of a turn.
    has_freed: bool,
    questions: HashMap<QuestionId, Question>,
    /// Those of which one family is there and the other is waited for.
    halves: BTreeSet<QuestionId>,
    /// Legs by the slot their sockets are registered under.
    legs: Vec<Option<Leg>>,
    /// When each of them wants to be woken.
    deadlines: BTreeSet<(Instant, u32)>,
    free: Vec<u32>,
    /// Slots that stopped reading because others want their turn too.
    unread: Vec<u32>,
    last_turn: Option<Instant>,
    outcomes: Vec<(QuestionId, Outcome)>,
    scratch: Box<[u8]>,
}

/// One name on its way.
struct Question {
    slots: Vec<u32>,
    endings: Vec<(Kind, Ending)>,
    /// When the answer is whole, whatever is missing.
    until: Option<Instant>,
    /// When the family that is there is told of without the other.
    grace: Option<Instant>,
}

impl Question {
    /// The addresses that are there.
    fn found(&self) -> Vec<IpAddr> {
        let endings = self.endings.iter().map(|(_, ending)| match ending {
            Ending::Found(addresses, _) => addresses.as_slice(),
            Ending::Absent | Ending::Failed(_) => &[],
        });
        endings.flatten().copied().collect()
    }
}

impl Stub {
    /// A stub for at least one server, whose sockets have their turns from there.
    pub(super) fn new(
        servers: Vec<SocketAddr>,
        network: Network,
        timeout: Duration,
        queue: Turns,
        registry: Registry,
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
            queue,
            has_freed: false,
            questions: HashMap::new(),
            halves: BTreeSet::new(),
            legs: Vec::new(),
            deadlines: BTreeSet::new(),
            free: Vec::new(),
            unread: Vec::new(),
            last_turn: None,
            outcomes: Vec::new(),
            scratch: vec![0; MESSAGE_MAX].into_boxed_slice(),
        }
    }

    /// Asks for `name` on this client's account. The outcome comes out of [`Stub::outcomes`], possibly at once.
    pub(super) fn ask(&mut self, id: QuestionId, name: &str, client: ClientKey, now: Instant) {
        let until = now + self.timeout;
        let mut slots = Vec::new();
        for &kind in super::kinds(self.network) {
            let slot = self.take_slot();
            let leg = Leg::new(id, kind, name, until, Source::Resolver(slot).token());
            self.deadlines.insert((leg.deadline(), slot));
            if let Some(place) = usize::try_from(slot)
                .ok()
                .and_then(|slot| self.legs.get_mut(slot))
            {
                *place = Some(leg);
            }
            slots.push(slot);
            self.queue.push(slot, client);
        }
        let question = Question {
            slots,
            endings: Vec::new(),
            until: None,
            grace: None,
        };
        self.questions.insert(id, question);
        self.start_waiting(now);
    }

    /// Another client waits for this question too.
    pub(super) fn join(&mut self, id: QuestionId, client: ClientKey, now: Instant) {
        if let Some(question) = self.questions.get_mut(&id) {
            question.until = None;
            for &slot in &question.slots {
                self.queue.join(slot, client);
            }
        }
        self.start_waiting(now);
    }

    /// Nobody waits for this question any more. True if one family's addresses were told of: then its outcome will
    /// come, and the rest is waited for a little longer, so that the answer can be kept whole; but not where somebody
    /// waits for its socket.
    pub(super) fn forget(&mut self, id: QuestionId) -> bool {
        let is_told = |question: &Question| question.grace.is_none() && !question.endings.is_empty();
        if let Some(question) = self.questions.get_mut(&id)
            && is_told(question)
            && question
                .endings
                .iter()
                .any(|(_, ending)| matches!(ending, Ending::Found(..)))
        {
            question.until = self.last_turn.map(|now| now + REST_TIMEOUT);
            self.has_freed |= !self.queue.is_empty();
            return true;
        }
        if let Some(question) = self.remove_question(id) {
            self.close(&question.slots);
            // Whose turn it is now is told from the next turn on, where an outcome can be told too.
            self.has_freed = !self.queue.is_empty();
        }
        false
    }

    /// A socket of ours became ready. An event for a socket that is gone finds nothing to read.
    pub(super) fn on_event(&mut self, slot: u32, now: Instant) {
        self.step(slot, now, |leg, net, scratch| leg.on_ready(net, scratch, now));
        self.start_waiting(now);
    }

    /// Time passed.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        for slot in std::mem::take(&mut self.unread) {
            self.on_event(slot, now);
        }
        for slot in self.slots_due(now) {
            // The slot may be another leg's by now.
            if leg_at(&mut self.legs, slot).is_some_and(|leg| leg.deadline() <= now) {
                self.step(slot, now, |leg, net, _| leg.on_deadline(net, now));
            }
        }
        let mut over = Vec::new();
        for &id in &self.halves {
            let Some(question) = self.questions.get_mut(&id) else {
                continue;
            };
            if question.grace.take_if(|at| *at <= now).is_some() {
                self.outcomes.push((id, Outcome::Part(question.found())));
            }
            if question.until.is_some_and(|at| at <= now) {
                over.push(id);
            }
        }
        for id in over {
            self.conclude(id);
        }
        self.start_waiting(now);
    }

    /// Something may have come free that another loop had.
    pub(super) fn on_wake(&mut self, now: Instant) {
        if !self.legs.is_empty() {
            self.start_waiting(now);
        }
    }

    /// When [`Stub::on_deadline`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let at_once = self
            .last_turn
            .filter(|_| self.has_freed || !self.unread.is_empty());
        let legs = self.deadlines.first().map(|&(at, _)| at).into_iter();
        let halves = self.halves.iter().filter_map(|id| self.questions.get(id));
        let graces = halves.flat_map(|question| question.grace.into_iter().chain(question.until));
        legs.chain(graces).chain(at_once).min()
    }

    /// The outcomes since the last call.
    pub(super) fn outcomes(&mut self) -> Vec<(QuestionId, Outcome)> {
        std::mem::take(&mut self.outcomes)
    }

    /// How many sockets are open.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.legs
            .iter()
            .flatten()
            .filter(|leg| leg.payer.is_some())
            .count()
    }

    fn slots_due(&self, now: Instant) -> Vec<u32> {
        let due = self.deadlines.range(..=(now, u32::MAX));
        due.map(|&(_, slot)| slot).collect()
    }

    /// Gives the sockets that are free to those whose turn it is; where they don't suffice, those too on which nobody
    /// waits for the rest of an answer.
    fn start_waiting(&mut self, now: Instant) {
        self.last_turn = Some(now);
        self.has_freed = false;
        self.start_next(now);
        if self.queue.is_empty() {
            return;
        }
        let unwanted = |id: &&QuestionId| {
            let question = self.questions.get(id);
            question.is_some_and(|question| question.until.is_some())
        };
        let unwanted: Vec<QuestionId> = self.halves.iter().filter(unwanted).copied().collect();
        if !unwanted.is_empty() {
            unwanted.into_iter().for_each(|id| self.conclude(id));
            self.start_next(now);
        }
    }

    fn start_next(&mut self, now: Instant) {
        // Bounded: each round takes one out of the queue, and none comes in.
        while let Some((slot, client)) = self.queue.next() {
            if leg_at(&mut self.legs, slot).is_none() {
                self.queue.give_back(client);
            }
            self.step(slot, now, |leg, net, _| leg.start(client, net, now));
        }
    }

    /// Lets a leg do something, if it is there.
    fn step(&mut self, slot: u32, now: Instant, step: impl FnOnce(&mut Leg, &Net, &mut [u8]) -> Progress) {
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let before = leg.deadline();
        let progress = step(leg, &self.net, &mut self.scratch);
        if leg.deadline() != before {
            self.deadlines.remove(&(before, slot));
            self.deadlines.insert((leg.deadline(), slot));
        }
        self.settle(slot, progress, now);
    }

    fn remove_question(&mut self, id: QuestionId) -> Option<Question> {
        self.halves.remove(&id);
        self.questions.remove(&id)
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
            let Some(leg) = place.and_then(Option::take) else {
                continue;
            };
            self.deadlines.remove(&(leg.deadline(), slot));
            match leg.payer {
                Some(client) => self.queue.give_back(client),
                None => self.queue.remove(slot),
            }
            self.free.push(slot);
            self.unread.retain(|&unread| unread != slot);
        }
    }

    /// Takes in what became of a leg; when both record types are settled, so is the question.
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
        let is_found = matches!(ending, Ending::Found(..));
        question.endings.push((kind, ending));
        self.halves.insert(id);
        match (question.slots.is_empty(), kind) {
            (true, _) => self.conclude(id),
            (false, Kind::A) if is_found => question.grace = Some(now + AAAA_GRACE),
            (false, Kind::Aaaa) if is_found => self.outcomes.push((id, Outcome::Part(question.found()))),
            (false, _) => {}
        }
    }

    /// Makes one of what the record types came to, and reports it.
    fn conclude(&mut self, id: QuestionId) {
        let Some(question) = self.remove_question(id) else {
            return;
        };
        self.close(&question.slots);
        let outcome = match combine(question.endings, !question.slots.is_empty()) {
            Combined::Found(found) => Outcome::Found(found),
            Combined::Failed(failure) => failure.into_outcome(),
            Combined::Absent => Outcome::Absent,
        };
        self.outcomes.push((id, outcome));
    }
}

impl Drop for Stub {
    /// The loop has ended: its sockets may be others'.
    fn drop(&mut self) {
        let slots = (0..).take(self.legs.len());
        self.close(&slots.collect::<Vec<u32>>());
        let next = self.queue.next();
        debug_assert!(next.is_none(), "a closed leg has its turn");
    }
}

fn leg_at(legs: &mut [Option<Leg>], slot: u32) -> Option<&mut Leg> {
    legs.get_mut(usize::try_from(slot).ok()?)?.as_mut()
}
