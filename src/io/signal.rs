//! Signals as events of the poll. Says what is wished (drain, reload, nothing), not what to do about it.

use std::io;

use mio::{Interest, Registry};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0;

use super::token::Source;

/// What a signal wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGTERM, SIGINT or SIGUSR2: shut down; the second one, at once.
    Drain,
    /// SIGHUP: read the files again.
    Reload,
    /// SIGUSR1: nothing. Uncaught it would end the process.
    Nothing,
}

/// The process's signals, from the moment this exists: they end it no more.
pub struct Signals(v1_0::Signals);

impl Signals {
    /// Catches the signals and registers them under [`Source::Signals`].
    ///
    /// # Errors
    /// When there is no descriptor left for the pipe behind it, or the poll refuses it.
    pub fn new(registry: &Registry) -> io::Result<Signals> {
        let mut signals = v1_0::Signals::new([SIGTERM, SIGINT, SIGUSR2, SIGHUP, SIGUSR1])?;
        registry.register(&mut signals, Source::Signals.token(), Interest::READABLE)?;
        Ok(Signals(signals))
    }

    /// The signals since the last time. The same signal sent twice in between counts once, as with the kernel's own
    /// pending signals; two different ones that wish the same count twice.
    pub fn drain(&mut self) -> impl Iterator<Item = Signal> + '_ {
        self.0.pending().map(|number| match number {
            SIGHUP => Signal::Reload,
            SIGUSR1 => Signal::Nothing,
            _ => Signal::Drain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use signal_hook::low_level::raise;
    use std::time::Duration;

    /// All in one test: signals belong to the process, and tests share one.
    #[test]
    fn each_signal_is_an_event_and_a_wish() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(8);
        let mut signals = Signals::new(poll.registry()).unwrap();
        assert_eq!(signals.drain().count(), 0);

        for (number, wish) in [
            (SIGTERM, Signal::Drain),
            (SIGINT, Signal::Drain),
            (SIGUSR2, Signal::Drain),
            (SIGHUP, Signal::Reload),
            (SIGUSR1, Signal::Nothing),
            (SIGTERM, Signal::Drain),
        ] {
            raise(number).unwrap();
            while let Err(error) = poll.poll(&mut events, Some(Duration::from_secs(10))) {
                assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            }
            assert!(
                events
                    .iter()
                    .all(|event| Source::of(event.token()) == Some(Source::Signals))
            );
            assert_eq!(events.iter().count(), 1);
            assert_eq!(signals.drain().collect::<Vec<_>>(), [wish]);
        }

        raise(SIGTERM).unwrap();
        raise(SIGHUP).unwrap();
        raise(SIGINT).unwrap();
        let mut wishes: Vec<Signal> = signals.drain().collect();
        wishes.sort_by_key(|wish| *wish == Signal::Reload);
        assert_eq!(wishes, [Signal::Drain, Signal::Drain, Signal::Reload]);
    }
}
