//! The port where it can be asked how the proxy is, while another instance has it: when it is tried again, and what is said
//! of it. Takes nobody in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Instant;
use crate::io::listener::{Acceptor, Place};
use crate::io::told::Told;

/// How often it is tried.
const TRY_INTERVAL: Duration = Duration::from_secs(1);

/// The same reason is told of once for as long as it goes on.
const QUIET_MIN: Duration = Duration::from_secs(3600);

/// A port that was busy.
#[derive(Debug)]
pub(super) struct Awaited {
    place: Place,
    /// Why it could not be had at first.
    busy: io::Error,
    try_at: Instant,
    told: Told,
}

impl Awaited {
    /// This one, which could not be had just now.
    pub(super) fn new(place: Place, busy: io::Error, now: Instant) -> Awaited {
        let mut told = Told::new(QUIET_MIN);
        told.is_news(&busy.to_string(), now);
        Awaited {
            place,
            busy,
            try_at: now + TRY_INTERVAL,
            told,
        }
    }

    /// Its number.
    pub(super) fn port(&self) -> u16 {
        self.place.port()
    }

    /// Says that it is waited for.
    pub(super) fn say(&self) {
        log::warn!(
            "Metrics and health are served once the instance that has their port has ended; it is tried each second: {}",
            self.busy
        );
    }

    /// When it is to be tried again.
    pub(super) fn deadline(&self) -> Instant {
        self.try_at
    }

    /// Tries it, if it is time to. A further reason why it can't be had is told of.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Acceptor, SocketAddr)> {
        if now < self.try_at {
            return None;
        }
        self.try_at = now + TRY_INTERVAL;
        match self.place.bind().and_then(Acceptor::new) {
            Ok(acceptor) => {
                let address = acceptor.local_addr();
                Some((acceptor, address))
            }
            Err(error) => {
                if self.told.is_news(&error.to_string(), now) {
                    log::warn!("Metrics and health are still not served: {error}");
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn it_is_tried_each_second_and_taken_when_it_is_free() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let place = Place::find(Some("127.0.0.1"), port).unwrap();
        let busy = place.bind().unwrap_err();
        let start = Instant::now();
        let mut awaited = Awaited::new(place, busy, start);
        assert_eq!((awaited.port(), awaited.deadline()), (port, start + TRY_INTERVAL));
        assert!(awaited.take(start + TRY_INTERVAL).is_none(), "busy");
        assert_eq!(awaited.deadline(), start + 2 * TRY_INTERVAL);
        drop(other);
        assert!(awaited.take(start + TRY_INTERVAL).is_none(), "not yet");
        let (_acceptor, address) = awaited.take(start + 2 * TRY_INTERVAL).unwrap();
        assert_eq!(address.port(), port);
    }
}
