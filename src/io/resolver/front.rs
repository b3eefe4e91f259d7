//! The front of the resolver: bounds and shares out the questions, joins those for the same name, keeps answers
//! for a while and lets go of what nobody waits for. Whom to ask and how is the back ends' business.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mio::Registry;

use crate::clock::Instant;
use crate::io::bells::Bells;
use crate::io::token::Ticket;
use crate::net::{ClientKey, LookupFail, LookupFailKind, Name};

use super::back::Back;
use super::cache::Cache;
use super::common::Common;
use super::local::Local;
use super::outcome::{Outcome, QuestionId};
use super::stub::Stub;
use super::system::{Deliver, LookedUp, System};
use super::waiters::Waiters;
use super::{Answer, Asked, News, Settings};

/// How many answers are kept.
const CACHED_MAX: usize = 4096;
/// How long it is remembered that a name has no address.
const ABSENT_TTL: Duration = Duration::from_secs(1);

/// Resolves names for the loop.
pub struct Resolver {
    back: Back,
    local: Local,
    cache: Cache,
    cache_ttl: Duration,
    timeout: Duration,
    waiters: Waiters,
    questions: HashMap<QuestionId, Question>,
    names: HashMap<Arc<str>, QuestionId>,
    next: u64,
    ready: Vec<(Ticket, News)>,
    /// When something was put there last.
    delivered: Option<Instant>,
}

/// A name that is asked for, and who waits for it.
struct Question {
    name: Arc<str>,
    tickets: Vec<Ticket>,
    /// What is known of the answer.
    part: Option<Arc<[IpAddr]>>,
}

impl Resolver {
    /// A resolver whose sockets are registered on `registry` and whose threads call `deliver`. It opens no socket
    /// and starts no thread before it is asked.
    ///
    /// # Errors
    /// When the registry can't be cloned.
    pub fn new(settings: Settings, registry: &Registry, deliver: Deliver) -> io::Result<Resolver> {
        Resolver::of_loop(&Common::new(settings, Bells::of_one()), 0, registry, deliver)
    }

    /// The same for the loop of this number, which shares with the others what it asks by.
    ///
    /// # Errors
    /// When the registry can't be cloned.
    pub fn of_loop(
        common: &Common,
        number: u8,
        registry: &Registry,
        deliver: Deliver,
    ) -> io::Result<Resolver> {
        let local = Local::new(
            common.settings.network,
            Path::new("/etc/hosts"),
            Path::new("/etc/nsswitch.conf"),
        );
        Resolver::with_local(common, number, registry, deliver, local)
    }

    fn with_local(
        common: &Common,
        number: u8,
        registry: &Registry,
        deliver: Deliver,
        local: Local,
    ) -> io::Result<Resolver> {
        let settings = common.settings.clone();
        let back = if settings.servers.is_empty() {
            let threads = Arc::clone(&common.threads);
            Back::System(Box::new(System::new(threads, number, deliver)))
        } else {
            let registry = registry.try_clone()?;
            Back::Stub(Box::new(Stub::new(
                settings.servers,
                settings.network,
                settings.timeout,
                common.turns(number),
                registry,
            )))
        };
        Ok(Resolver {
            back,
            local,
            cache: Cache::new(CACHED_MAX),
            cache_ttl: settings.cache_ttl,
            timeout: settings.timeout,
            waiters: Waiters::new(common.waiting.clone()),
            questions: HashMap::new(),
            names: HashMap::new(),
            next: 0,
            ready: Vec::new(),
            delivered: None,
        })
    }

    /// Asks for a name's addresses. `asker` is on whose account: of the waiting questions one may hold at most a
    /// quarter. A ticket waits for one name at a time; asking again with it cancels what it asked before. It waits
    /// until it is answered or cancelled: whose time is over is the asker's to say.
    pub fn ask(&mut self, ticket: Ticket, name: &Name, asker: IpAddr, now: Instant) -> Asked {
        self.ask_for(ticket, name.as_str(), asker, now)
    }

    fn ask_for(&mut self, ticket: Ticket, name: &str, asker: IpAddr, now: Instant) -> Asked {
        let asker = ClientKey::of(asker);
        self.cancel(ticket);
        if let Some(answer) = self.cache.get(name, now) {
            return Asked::Answered(answer.clone());
        }
        let by_system = matches!(self.back, Back::System(_));
        if let Some(known) = self.local.find(name, by_system, now) {
            return Asked::Answered(Ok(known));
        }
        // Another name than the one that was judged would be looked up.
        if by_system && self.local.is_completed(name, now) {
            return Asked::Answered(self.answer(name, Outcome::Absent).0);
        }
        if !self.waiters.take_place(asker) {
            return Asked::Full;
        }
        let asked = self.names.get(name).copied();
        let id = asked.unwrap_or_else(|| self.new_question(name));
        self.waiters.add(ticket, id, asker, now + self.timeout);
        if let Some(question) = self.questions.get_mut(&id) {
            question.tickets.push(ticket);
            match asked {
                Some(_) => self.back.join(id, asker, now),
                None => self.back.ask(id, &question.name, asker, now),
            }
        }
        self.deliver(now);
        match self.ready.iter().position(|(ready, _)| *ready == ticket) {
            Some(place) => match self.ready.remove(place).1 {
                News::Part(found) => Asked::Partly(found),
                News::Whole(answer) => Asked::Answered(answer),
            },
            None => self.part_of(asked).map_or(Asked::Pending, Asked::Partly),
        }
    }

    /// What is known of the answer to a question that others asked before.
    fn part_of(&self, asked: Option<QuestionId>) -> Option<Arc<[IpAddr]>> {
        self.questions.get(&asked?)?.part.clone()
    }

    /// The connection lost interest. Its share is free again, and a question that nobody else waits for is
    /// dropped.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.ready.retain(|(ready, _)| *ready != ticket);
        if let Some(id) = self.waiters.remove(ticket) {
            self.leave(id, ticket);
        }
    }

    /// The event source `Source::Resolver(slot)` became ready.
    pub fn on_event(&mut self, slot: u32, now: Instant) {
        self.back.on_event(slot, now);
        self.deliver(now);
    }

    /// One of the resolver's threads delivered this.
    pub fn on_looked_up(&mut self, looked_up: LookedUp, now: Instant) {
        self.back.on_looked_up(looked_up);
        self.deliver(now);
    }

    /// The loop was woken: something that another one had may have come free.
    pub fn on_wake(&mut self, now: Instant) {
        self.back.on_wake(now);
        self.deliver(now);
    }

    /// [`Resolver::deadline`] has passed.
    pub fn on_deadline(&mut self, now: Instant) {
        self.back.on_deadline(now);
        self.deliver(now);
    }

    /// When [`Resolver::on_deadline`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        // One client's question may have told others' answers.
        let at_once = self.delivered.filter(|_| !self.ready.is_empty());
        at_once.or_else(|| self.back.deadline())
    }

    /// The answers since the last call, each once, and of each question in order. To be taken after every call of the
    /// above but `cancel`.
    pub fn answers(&mut self) -> impl Iterator<Item = (Ticket, News)> {
        self.ready.drain(..)
    }

    /// Is there any?
    pub fn has_answers(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many wait for an answer.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.waiters.len()
    }

    fn new_question(&mut self, name: &str) -> QuestionId {
        let id = QuestionId(self.next);
        self.next = self.next.wrapping_add(1);
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name), id);
        self.questions.insert(
            id,
            Question {
                name,
                tickets: Vec::new(),
                part: None,
            },
        );
        id
    }

    /// A ticket waits no more. The question goes with the last one, unless a thread is stuck with it, or only the rest
    /// of its answer is missing: then it stays, and who asks for that name next joins it.
    fn leave(&mut self, id: QuestionId, ticket: Ticket) {
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        question.tickets.retain(|waiting| *waiting != ticket);
        if question.tickets.is_empty() && !self.back.forget(id) {
            self.names.remove(&question.name);
            self.questions.remove(&id);
        }
    }

    /// Passes the back end's outcomes on to all who wait for them, and keeps what may be kept.
    fn deliver(&mut self, now: Instant) {
        self.delivered = Some(now);
        loop {
            let outcomes = self.back.outcomes();
            if outcomes.is_empty() {
                return;
            }
            for (id, outcome) in outcomes {
                self.deliver_one(id, outcome, now);
            }
            // Asking again may have failed on the spot. It doesn't time out on the spot, so this ends.
        }
    }

    fn deliver_one(&mut self, id: QuestionId, outcome: Outcome, now: Instant) {
        if let Outcome::Part(found) = outcome {
            return self.deliver_part(id, found.into());
        }
        let Some(mut question) = self.questions.remove(&id) else {
            return;
        };
        let late = self.not_yet_expired(&outcome, &mut question, now);
        let (answer, ttl) = self.answer(&question.name, outcome);
        for ticket in question.tickets.drain(..) {
            self.waiters.remove(ticket);
            self.ready.push((ticket, News::Whole(answer.clone())));
        }
        let Some(client) = late.first().and_then(|&ticket| self.waiters.asker(ticket)) else {
            self.names.remove(&question.name);
            self.cache.put(question.name, answer, now + ttl, now);
            return;
        };
        self.back.ask(id, &question.name, client, now);
        question.tickets = late;
        self.questions.insert(id, question);
    }

    fn deliver_part(&mut self, id: QuestionId, found: Arc<[IpAddr]>) {
        if let Some(question) = self.questions.get_mut(&id) {
            let tickets = question.tickets.iter();
            self.ready
                .extend(tickets.map(|&ticket| (ticket, News::Part(Arc::clone(&found)))));
            question.part = Some(found);
        }
    }

    /// Who joined late has time left when a question times out; for them it is asked again.
    fn not_yet_expired(&self, outcome: &Outcome, question: &mut Question, now: Instant) -> Vec<Ticket> {
        if !matches!(outcome, Outcome::TimedOut(_)) {
            return Vec::new();
        }
        let waits = |ticket: &Ticket| self.waiters.until(*ticket).is_some_and(|until| until > now);
        let (late, expired) = question.tickets.drain(..).partition(waits);
        question.tickets = expired;
        late
    }

    /// The answer that an outcome is, and for how long it may be given again.
    fn answer(&self, name: &str, outcome: Outcome) -> (Answer, Duration) {
        let fail = |kind, text: &str| {
            Err(LookupFail {
                kind,
                text: format!("lookup {name}{text}").into(),
            })
        };
        match outcome {
            Outcome::Found(found) if !found.addresses.is_empty() => (
                Ok(found.addresses.into()),
                found.ttl.map_or(self.cache_ttl, |ttl| ttl.min(self.cache_ttl)),
            ),
            Outcome::Part(_) | Outcome::Found(_) | Outcome::Absent => (
                fail(LookupFailKind::Failed, ": no such host"),
                ABSENT_TTL.min(self.cache_ttl),
            ),
            Outcome::Failed(text) => (fail(LookupFailKind::Failed, &text), Duration::ZERO),
            Outcome::TimedOut(text) => (fail(LookupFailKind::TimedOut, &text), Duration::ZERO),
        }
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
