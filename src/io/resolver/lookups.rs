//! The resolver of serving for whoever may wait: one name at a time, to the end. Keeps nothing for later and judges no
//! address.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Waker};

use crate::clock::Instant;
use crate::io::inbox::{Inbox, inbox};
use crate::io::token::{ConnId, Source, Ticket};
use crate::net::{LookupFail, LookupFailKind, Name};

use super::{Answer, Asked, LookedUp, News, Resolver, Settings};

/// The resolver's sockets at a time, and the waker.
const EVENTS_MAX: usize = 16;

/// Who asks: nobody else does.
const ASKER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Looks names up, and waits.
pub struct Lookups {
    poll: Poll,
    events: Events,
    inbox: Inbox<LookedUp>,
    resolver: Resolver,
    timeout: Duration,
    seq: u32,
}

impl Lookups {
    /// Opens no socket and starts no thread before a name is asked for.
    ///
    /// # Errors
    /// The poll's.
    pub fn new(settings: Settings) -> io::Result<Lookups> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Source::Waker.token())?;
        let (outbox, inbox) = inbox(Arc::new(waker));
        let timeout = settings.timeout;
        let deliver = Arc::new(move |looked_up| outbox.send(looked_up));
        Ok(Lookups {
            resolver: Resolver::new(settings, poll.registry(), deliver)?,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            inbox,
            timeout,
            seq: 0,
        })
    }

    /// The addresses of a name, as serving would find them within its time.
    pub fn look_up(&mut self, name: &Name) -> Answer {
        self.seq = self.seq.wrapping_add(1);
        let conn = ConnId {
            index: 0,
            generation: 0,
        };
        let ticket = Ticket { conn, seq: self.seq };
        let until = Instant::now() + self.timeout;
        let part = match self.resolver.ask(ticket, name, ASKER, Instant::now()) {
            Asked::Answered(answer) => return answer,
            Asked::Partly(found) => Some(found),
            Asked::Pending => None,
            Asked::Full => return Err(fail(LookupFailKind::Overloaded, name, "too many lookups")),
        };
        self.wait(ticket, part, until, name)
    }

    fn wait(
        &mut self,
        ticket: Ticket,
        mut part: Option<Arc<[IpAddr]>>,
        until: Instant,
        name: &Name,
    ) -> Answer {
        loop {
            for (of, news) in self.resolver.answers() {
                match news {
                    News::Whole(answer) if of == ticket => return answer,
                    News::Part(found) if of == ticket => part = Some(found),
                    News::Whole(_) | News::Part(_) => {}
                }
            }
            let now = Instant::now();
            if until <= now {
                self.resolver.cancel(ticket);
                // One family's addresses are enough to go on with.
                return part.ok_or_else(|| fail(LookupFailKind::TimedOut, name, "i/o timeout"));
            }
            if let Err(error) = self.turn(until.duration_since(now)) {
                return Err(fail(LookupFailKind::Failed, name, &error.to_string()));
            }
        }
    }

    /// Waits until something happens, but not for longer than this, and passes it on.
    fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let now = Instant::now();
        let due = self.resolver.deadline();
        let wait = due.map_or(longest, |due| due.duration_since(now).min(longest));
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        for event in &self.events {
            if let Some(Source::Resolver(slot)) = Source::of(event.token()) {
                self.resolver.on_event(slot, now);
            }
        }
        for looked_up in self.inbox.take() {
            self.resolver.on_looked_up(looked_up, now);
        }
        if self.resolver.deadline().is_some_and(|due| due <= now) {
            self.resolver.on_deadline(now);
        }
        Ok(())
    }
}

fn fail(kind: LookupFailKind, name: &Name, why: &str) -> LookupFail {
    LookupFail {
        kind,
        text: format!("lookup {name}: {why}").into(),
    }
}
