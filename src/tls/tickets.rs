//! Tickets by which clients resume their sessions (RFC 8446, 4.6.1; RFC 5077). rustls seals them; here they get an end: 1 h,
//! or earlier, with the certificate that was presented. Nothing is kept for a session: with the keys all tickets are void.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

/// How long a ticket is good for, in seconds.
const LIFETIME_SECONDS: u32 = 3600;

/// The end stands before what a ticket holds, in seconds since 1970.
const END_BYTES: usize = 8;

/// The keys that tickets are sealed with. rustls changes them every six hours; fresh ones forget all sessions.
#[derive(Clone, Debug)]
pub(super) struct Keys(Arc<dyn ProducesTickets>);

impl Keys {
    /// # Errors
    /// In words, where there is no randomness to be had.
    pub(super) fn fresh() -> Result<Keys, String> {
        let made = Ticketer::new().map_err(|error| format!("no keys for tickets can be made: {error}"))?;
        Ok(Keys(made))
    }

    /// Makes tickets that end by then, in seconds since 1970.
    pub(super) fn until(&self, certificate_end: u64) -> Arc<dyn ProducesTickets> {
        Arc::new(Tickets {
            keys: self.clone(),
            certificate_end,
        })
    }
}

#[derive(Debug)]
struct Tickets {
    keys: Keys,
    certificate_end: u64,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let end = self.certificate_end.min(now()? + u64::from(LIFETIME_SECONDS));
        let dated = [end.to_be_bytes().as_slice(), session].concat();
        self.keys.0.encrypt(&dated)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let dated = self.keys.0.decrypt(ticket)?;
        let (end, session) = dated.split_first_chunk::<END_BYTES>()?;
        (u64::from_be_bytes(*end) > now()?).then(|| session.to_vec())
    }
}

/// In seconds since 1970.
fn now() -> Option<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_ends_with_its_certificate_and_with_its_keys() {
        let keys = Keys::fresh().unwrap();
        let ticket = keys.until(u64::MAX).encrypt(b"session").unwrap();
        assert_eq!(keys.until(u64::MAX).decrypt(&ticket).unwrap(), b"session");
        assert_eq!(Keys::fresh().unwrap().until(u64::MAX).decrypt(&ticket), None);
        let late = keys.until(now().unwrap() - 1).encrypt(b"session").unwrap();
        assert_eq!(keys.until(u64::MAX).decrypt(&late), None);
        assert_eq!(keys.until(u64::MAX).decrypt(b"no ticket"), None);
    }
}
