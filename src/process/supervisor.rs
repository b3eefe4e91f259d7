//! What whoever supervises the process (systemd) is told, and when: that it is ready, reloads, stops, is alive, and how it
//! goes. Decides nothing else, and nothing waits for it.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::clock::Instant;
use crate::io::notify::{Keep, Notifier};
use crate::io::told::Told;

/// How often it is told how it goes, where that has changed.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// When what did not get through is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// However impatient the supervisor, the loop has other things to do.
const ALIVE_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The same failure is told of once for as long as it goes on.
const QUIET_MIN: Duration = Duration::from_secs(3600);

/// What a supervisor says of itself in our environment.
#[derive(Default)]
pub(super) struct Terms {
    notify_socket: Option<OsString>,
    watchdog_usec: Option<OsString>,
    watchdog_pid: Option<OsString>,
}

impl Terms {
    /// Those of this process.
    pub(super) fn of_process() -> Terms {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Terms {
            notify_socket: variable("NOTIFY_SOCKET"),
            watchdog_usec: variable("WATCHDOG_USEC"),
            watchdog_pid: variable("WATCHDOG_PID"),
        }
    }

    /// How often a sign of life is due: twice in the time after which we count as dead (sd_watchdog_enabled(3)).
    fn alive_interval(&self) -> Option<Duration> {
        let number = |value: &OsString| value.to_str().and_then(|text| text.parse::<u64>().ok());
        let is_meant = |pid: &OsString| number(pid) == Some(u64::from(std::process::id()));
        if !self.watchdog_pid.as_ref().is_none_or(is_meant) {
            return None;
        }
        let limit = self.watchdog_usec.as_ref().and_then(number)?;
        Some(Duration::from_micros(limit / 2).max(ALIVE_INTERVAL_MIN))
    }
}

/// Whoever supervises the process, if anybody does.
pub(super) struct Supervisor(Option<Present>);

struct Present {
    notifier: Notifier,
    /// How often it wants a sign of life, and when the next one is due.
    alive: Option<(Duration, Instant)>,
    status: String,
    status_at: Instant,
    retry_at: Option<Instant>,
    state: State,
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Ready,
    Reloading,
    Stopping,
}

impl Supervisor {
    /// The one of these terms. Warns where it can't be reached: it may never count us as started.
    pub(super) fn by(terms: &Terms, now: Instant) -> Supervisor {
        let Some(name) = &terms.notify_socket else {
            return Supervisor(None);
        };
        match Notifier::to(name) {
            Ok(notifier) => Supervisor(Some(Present {
                notifier,
                alive: terms.alive_interval().map(|interval| (interval, now + interval)),
                status: String::new(),
                status_at: now,
                retry_at: None,
                state: State::Ready,
                told: Told::new(QUIET_MIN),
            })),
            Err(error) => {
                log::warn!(
                    "The supervisor can't be reached at NOTIFY_SOCKET={}: {error}",
                    name.display()
                );
                Supervisor(None)
            }
        }
    }

    /// The listeners are open.
    pub(super) fn ready(&mut self, now: Instant) {
        self.say("READY=1", now);
    }

    /// Files are to be read again. On the way out that concerns nobody any more.
    pub(super) fn reloading(&mut self, now: Instant) {
        if let Some(present) = self.0.as_mut().filter(|present| present.state != State::Stopping) {
            present.state = State::Reloading;
            let time = clock_gettime(ClockId::Monotonic);
            let microseconds = i128::from(time.tv_sec) * 1_000_000 + i128::from(time.tv_nsec) / 1_000;
            present.say(format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"), now);
        }
    }

    /// No reload is under way.
    pub(super) fn reloaded(&mut self, now: Instant) {
        if let Some(present) = self
            .0
            .as_mut()
            .filter(|present| present.state == State::Reloading)
        {
            present.state = State::Ready;
            present.say("READY=1".into(), now);
        }
    }

    /// The way out has begun.
    pub(super) fn stopping(&mut self, now: Instant) {
        if let Some(present) = self.0.as_mut().filter(|present| present.state != State::Stopping) {
            present.state = State::Stopping;
            // It stands with the state, which people look at right now.
            present.status_at = now;
            present.say("STOPPING=1".into(), now);
        }
    }

    /// How often it wants to know that all loops are alive.
    pub(super) fn alive_interval(&self) -> Option<Duration> {
        let (interval, _) = self.0.as_ref()?.alive?;
        Some(interval)
    }

    /// Says what is due by now: a sign of life, unless a loop showed none, how it goes (where anybody wants to know), and what
    /// was kept.
    pub(super) fn tell(&mut self, now: Instant, is_alive: bool, status: impl FnOnce() -> String) {
        let Some(present) = &mut self.0 else { return };
        if present.retry_at.take_if(|at| *at <= now).is_some() {
            let result = present.notifier.say_rest();
            present.note(result.map(|()| true), now);
        }
        if is_alive {
            present.give_sign(now);
        } else {
            present.withhold_sign(now);
        }
        if present.status_at <= now {
            present.status_at = now + STATUS_INTERVAL;
            let status = status();
            if status != present.status {
                let result = present.notifier.say(format!("STATUS={status}"), Keep::Latest);
                present.note(result, now);
                present.status = status;
            }
        }
    }

    /// When [`Supervisor::tell`] has something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let present = self.0.as_ref()?;
        let alive = present.alive.map(|(_, at)| at);
        let others = alive.into_iter().chain(present.retry_at);
        others.chain([present.status_at]).min()
    }

    fn say(&mut self, message: &str, now: Instant) {
        if let Some(present) = &mut self.0 {
            present.say(message.to_owned(), now);
        }
    }
}

impl Present {
    fn say(&mut self, message: String, now: Instant) {
        let result = self.notifier.say(message, Keep::Always);
        self.note(result, now);
    }

    /// Gives a sign of life, if it is time to; where there was no room for it, soon again.
    fn give_sign(&mut self, now: Instant) {
        let Some((interval, _)) = self.alive.filter(|(_, at)| *at <= now) else {
            return;
        };
        let result = self.notifier.say("WATCHDOG=1".into(), Keep::Never);
        let next = match result {
            Ok(false) => interval.min(RETRY_INTERVAL),
            _ => interval,
        };
        self.alive = Some((interval, now + next));
        self.note(result, now);
    }

    /// Gives no sign of life, but sees soon whether it is time to again.
    fn withhold_sign(&mut self, now: Instant) {
        if let Some((interval, at)) = &mut self.alive
            && *at <= now
        {
            *at = now + RETRY_INTERVAL.min(*interval);
        }
    }

    fn note(&mut self, result: io::Result<bool>, now: Instant) {
        if self.notifier.has_rest() && self.retry_at.is_none() {
            self.retry_at = Some(now + RETRY_INTERVAL);
        }
        if let Err(error) = result
            && self.told.is_news(&error.to_string(), now)
        {
            log::warn!("The supervisor can't be told: {error}");
        }
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
