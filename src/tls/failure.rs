//! Why a TLS connection came to nothing: a kind for programs, and words for a person. What the words are is `words`'s
//! business, and `origin_words`'s.

use std::error::Error;
use std::fmt;

use rustls::Error as TlsError;

use crate::net::TlsFault;

use super::{origin_words, words};

/// So much is said of a failure.
const WORDS_CHARS_MAX: usize = 300;

/// A failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Of which kind.
    pub fault: TlsFault,
    /// In one line of printable characters, at most 300.
    pub words: Box<str>,
}

impl Failure {
    fn new(fault: TlsFault, words: &str) -> Failure {
        Failure {
            fault,
            words: shown(words),
        }
    }

    /// What came is not as it should be.
    pub fn protocol(words: &str) -> Failure {
        Failure::new(TlsFault::Protocol, words)
    }

    /// The peer's certificate is not believed.
    pub fn certificate(words: impl AsRef<str>) -> Failure {
        Failure::new(TlsFault::Certificate, words.as_ref())
    }

    /// Of a connection with a client.
    pub fn of_client(error: &TlsError) -> Failure {
        Failure::new(fault(error), &words::words(error))
    }

    /// Of a connection with a client inside of an intercepted tunnel.
    pub fn inside(error: &TlsError) -> Failure {
        Failure::new(fault(error), &words::inside(error))
    }

    /// Of a connection with a server.
    pub fn of_server(error: &TlsError) -> Failure {
        Failure::new(fault(error), &origin_words::words(error))
    }
}

fn fault(error: &TlsError) -> TlsFault {
    match error {
        TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented => TlsFault::Certificate,
        TlsError::AlertReceived(_) => TlsFault::Alert,
        _ => TlsFault::Protocol,
    }
}

/// A peer may have a hand in what is said and how long it is.
fn shown(words: &str) -> Box<str> {
    let printable = |letter: char| if letter.is_control() { '?' } else { letter };
    let words: String = words.chars().take(WORDS_CHARS_MAX).map(printable).collect();
    words.into()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Failure {}
