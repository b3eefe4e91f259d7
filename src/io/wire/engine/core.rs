//! rustls's unbuffered connection, made to go on with whatever it is given: one loop over the states it may be in. Keeps
//! what it has to say for itself, and notes its end and its failure. Touches no wire.

use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{HandshakeKind, ProtocolVersion};

use crate::tls;

use super::outbox::Outbox;

/// What writes while the connection lets it.
pub(super) type Traffic<'c> = WriteTraffic<'c, ServerConnectionData>;

/// So much is said of a failure.
const FAILURE_CHARS_MAX: usize = 200;

/// Why a connection went no further.
pub(super) enum Stop<T> {
    /// Whoever takes its text takes no more.
    Full,
    /// It could write, and nothing was left to be opened.
    Wrote(T),
    /// It can't write: the handshake waits for the peer, or both ends are said.
    Waits,
    /// See [`Core::failure`].
    Failed,
}

/// A connection and what it says.
pub(super) struct Core {
    /// None behind a failure: it may keep much of what it failed at.
    connection: Option<UnbufferedServerConnection>,
    /// Sealed, and not with the wire below yet.
    pub(super) outbox: Outbox,
    /// It is to leave by itself. Otherwise it may wait for what is written next: tickets, and answers to updates of keys.
    pub(super) is_due: bool,
    /// The peer's close_notify came.
    pub(super) heard_end: bool,
    /// In words, why the connection is of no use any more.
    pub(super) failure: Option<String>,
}

impl Core {
    pub(super) fn new(connection: UnbufferedServerConnection) -> Core {
        Core {
            connection: Some(connection),
            outbox: Outbox::default(),
            is_due: false,
            heard_end: false,
            failure: None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.is_handshaking())
    }

    /// Did it answer a hello, and not just by asking for another?
    pub(super) fn has_answered(&self) -> bool {
        let Some(connection) = &self.connection else {
            return false;
        };
        match connection.handshake_kind() {
            Some(HandshakeKind::Full | HandshakeKind::Resumed) => true,
            // It keeps this name when the second hello is answered, by a key share of ours.
            Some(HandshakeKind::FullWithHelloRetryRequest) => {
                connection.negotiated_key_exchange_group().is_some()
            }
            None => false,
        }
    }

    /// What the peer presented itself with, leaf first, also where a session was resumed.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let connection = self.connection.as_ref();
        connection
            .and_then(|connection| connection.peer_certificates())
            .unwrap_or_default()
    }

    /// Goes on until nothing more can be made of `sealed`, from which all that was used up is taken. `take` gets each
    /// record's text, and says whether it takes another; `write` is called where the connection can write, once, and gets
    /// the outbox: what is sealed must leave in the order in which it was.
    ///
    /// It must be given the very bytes it was given before and did not use up: it may have begun with them.
    pub(super) fn go_on<T>(
        &mut self,
        sealed: &mut Vec<u8>,
        mut take: impl FnMut(&[u8]) -> bool,
        write: impl FnOnce(&mut Traffic<'_>, &mut Outbox) -> T,
    ) -> Stop<T> {
        let mut used = 0;
        let stop = loop {
            let connection = match &mut self.connection {
                // Behind a failure there may be an alert to be had, and no more: rustls panics if it meets what failed again.
                Some(connection) if self.failure.is_none() || connection.wants_write() => connection,
                _ => {
                    self.connection = None;
                    break Stop::Failed;
                }
            };
            let left = sealed.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = connection.process_tls_records(left);
            let mut has_said = false;
            let stop = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut goes_on = true;
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        goes_on = take(record.payload);
                    }
                    (!goes_on).then_some(Stop::Full)
                }
                Ok(ConnectionState::EncodeTlsData(encode)) => {
                    append_said(encode, &mut self.outbox);
                    has_said = true;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(transmit)) => {
                    transmit.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.heard_end = true;
                    None
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    used += discard;
                    break Stop::Wrote(write(&mut traffic, &mut self.outbox));
                }
                Ok(_) => Some(Stop::Waits),
                Err(error) => {
                    self.failure = Some(shortened(&tls::words(&error)));
                    None
                }
            };
            used += discard;
            self.is_due |= has_said && !self.says_asides();
            if let Some(stop) = stop {
                break stop;
            }
        };
        sealed.drain(..used.min(sealed.len()));
        stop
    }

    /// It is of no use any more, for this reason.
    pub(super) fn fail(&mut self, words: &str) {
        self.failure = Some(shortened(words));
        self.connection = None;
    }

    /// Is what it says for itself nothing that the peer waits for?
    fn says_asides(&self) -> bool {
        let connection = self.connection.as_ref();
        let version = connection.and_then(|connection| connection.protocol_version());
        version == Some(ProtocolVersion::TLSv1_3) && !self.is_handshaking() && self.failure.is_none()
    }
}

/// A peer may have a hand in how long an error is.
fn shortened(words: &str) -> String {
    words.chars().take(FAILURE_CHARS_MAX).collect()
}

/// Appends what `seal` writes into room of so many bytes, or of as many as it says it needs.
pub(super) fn append_sealed(
    into: &mut Outbox,
    bytes_max: usize,
    mut seal: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), EncryptError> {
    let mut room_bytes = bytes_max;
    loop {
        match seal(into.room(room_bytes)) {
            Ok(sealed_bytes) => {
                into.fill(sealed_bytes);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > room_bytes =>
            {
                room_bytes = required_size;
            }
            Err(error) => return Err(error),
        }
    }
}

fn append_said(mut encode: EncodeTlsData<'_, ServerConnectionData>, outbox: &mut Outbox) {
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = encode.encode(&mut [])
    else {
        return;
    };
    let encoded = encode.encode(outbox.room(required_size));
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    outbox.fill(encoded.unwrap_or(0));
}
