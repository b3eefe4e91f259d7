//! Tickets by which clients resume their sessions (RFC 8446, 4.6.1; RFC 5077). rustls seals them; here they get an end: with
//! the certificates that the proxy and the client presented, and 1 h after the client did so: whoever resumes a session with
//! a certificate gets tickets of that end and no later one. Nothing is kept for a session: with the keys all tickets are void.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

/// How long a ticket is good for, in seconds.
const LIFETIME_SECONDS: u32 = 3600;

/// The end stands before what a ticket holds, in seconds since 1970.
const END_BYTES: usize = 8;

/// What the end begins with where it stands behind a chain: no certificate does.
const END_MARK: &[u8] = b"end ";

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
        let now = now()?;
        let latest = self.certificate_end.min(now + u64::from(LIFETIME_SECONDS));
        let (end, session) = bounded(session, latest)?;
        // Who can't come back with it needs none.
        (end > now).then_some(())?;
        let dated = Zeroizing::new([end.to_be_bytes().as_slice(), &session].concat());
        self.keys.0.encrypt(&dated)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let dated = Zeroizing::new(self.keys.0.decrypt(ticket)?);
        let (end, session) = dated.split_first_chunk::<END_BYTES>()?;
        (u64::from_be_bytes(*end) > now()?).then(|| session.to_vec())
    }
}

/// When a session ends, at the latest by then, and the session with its end in it. Of all that a session holds, rustls hands
/// only the client's chain on to the session that resumes it: so the end stands behind the chain, as if it were one more
/// certificate. Nothing, where the session can't be read.
fn bounded(session: &[u8], latest: u64) -> Option<(u64, Zeroizing<Vec<u8>>)> {
    let mut rest = session;
    if take(&mut rest, 1)? == [1] {
        skip_short(&mut rest)?;
    }
    // Version, suite, secret, whether it is an extended one.
    take(&mut rest, 4)?;
    skip_short(&mut rest)?;
    take(&mut rest, 1)?;
    if take(&mut rest, 1)? != [1] {
        return Some((latest, Zeroizing::new(session.to_vec())));
    }
    let before = session.get(..session.len().checked_sub(rest.len())?)?;
    let mut chain = take_long(&mut rest)?;
    let (mut end, mut kept) = (latest, Vec::new());
    while !chain.is_empty() {
        let certificate = take_long(&mut chain)?;
        if let Some(mark) = certificate.strip_prefix(END_MARK) {
            end = end.min(u64::from_be_bytes(mark.try_into().ok()?));
            continue;
        }
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        end = end.min(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0));
        put_long(&mut kept, certificate)?;
    }
    put_long(&mut kept, &[END_MARK, &end.to_be_bytes()].concat())?;
    let mut bounded = Zeroizing::new(Vec::with_capacity(session.len() + kept.len()));
    bounded.extend_from_slice(before);
    put_long(&mut bounded, &kept)?;
    bounded.extend_from_slice(rest);
    Some((end, bounded))
}

fn take<'s>(rest: &mut &'s [u8], length: usize) -> Option<&'s [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// What has its length before it in one byte.
fn skip_short(rest: &mut &[u8]) -> Option<()> {
    let length = usize::from(*take(rest, 1)?.first()?);
    take(rest, length).map(drop)
}

/// What has its length before it in three bytes.
fn take_long<'s>(rest: &mut &'s [u8]) -> Option<&'s [u8]> {
    let length = take(rest, 3)?
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    take(rest, length)
}

fn put_long(into: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let length = u32::try_from(bytes.len()).ok()?.to_be_bytes();
    let (0, length) = length.split_first().map(|(first, rest)| (*first, rest))? else {
        return None;
    };
    into.extend_from_slice(length);
    into.extend_from_slice(bytes);
    Some(())
}

/// In seconds since 1970.
fn now() -> Option<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// A session as rustls writes it down, of a client with this chain.
#[cfg(test)]
pub(super) fn session(chain: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut session = vec![1, 1, b'n', 3, 4, 0x13, 1, 2, 7, 7, 1, u8::from(!chain.is_empty())];
    let mut certificates = Vec::new();
    for certificate in chain {
        put_long(&mut certificates, certificate.as_ref()).unwrap();
    }
    if !chain.is_empty() {
        put_long(&mut session, &certificates).unwrap();
    }
    session.extend([0; 15]);
    session
}

#[cfg(test)]
mod tests {
    use crate::tls::pem;
    use crate::tls::testing::{Ca, Leaf};

    use super::*;

    const NOBODY: [&[u8]; 0] = [];

    #[test]
    fn a_ticket_ends_with_its_certificate_and_with_its_keys() {
        let keys = Keys::fresh().unwrap();
        let session = session(&NOBODY);
        let ticket = keys.until(u64::MAX).encrypt(&session).unwrap();
        assert_eq!(keys.until(u64::MAX).decrypt(&ticket).unwrap(), session);
        assert_eq!(Keys::fresh().unwrap().until(u64::MAX).decrypt(&ticket), None);
        assert_eq!(keys.until(now().unwrap() - 1).encrypt(&session), None);
        assert_eq!(keys.until(u64::MAX).decrypt(b"no ticket"), None);
        let dated = [0_u64.to_be_bytes().as_slice(), &session].concat();
        let late = keys.0.encrypt(&dated).unwrap();
        assert_eq!(keys.until(u64::MAX).decrypt(&late), None);
        assert!(keys.until(u64::MAX).encrypt(&session[..20]).is_some());
        assert_eq!(keys.until(u64::MAX).encrypt(&session[..9]), None);
    }

    #[test]
    fn a_ticket_ends_with_what_the_client_presented_and_passes_its_end_on() {
        let ca = Ca::new("Root");
        let chain = |years| {
            let leaf = Leaf {
                years,
                ..Leaf::client("web")
            };
            let (leaf, issuer) = (ca.issue(&leaf).chain, ca.below("Below", 9).pem());
            pem::certificates(format!("{leaf}{issuer}").as_bytes()).unwrap()
        };
        let in_2040 = 2_208_988_800;
        let presented = session(&chain((2020, 2041)));
        assert_eq!(bounded(&presented, u64::MAX).unwrap().0, in_2040, "the issuer's");
        let expired = session(&chain((2020, 2021)));
        assert_eq!(bounded(&expired, u64::MAX).unwrap().0, 1_609_459_200);
        // Whoever resumes it later has no longer time.
        let (end, first) = bounded(&presented, in_2040 - 5).unwrap();
        assert_eq!(end, in_2040 - 5);
        let (end, second) = bounded(&first, in_2040).unwrap();
        assert_eq!((end, &second), (in_2040 - 5, &first));
        assert_eq!(second.len(), presented.len() + 3 + END_MARK.len() + END_BYTES);
        assert_eq!(bounded(&session(&[b"no certificate"]), in_2040), None);
    }
}
