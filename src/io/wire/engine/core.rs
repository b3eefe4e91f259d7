//! rustls's unbuffered connection, made to go on with whatever it is given: one loop over the states it may be in. Keeps
//! what it has to say for itself, and notes its end and its failure. Touches no wire.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, HandshakeKind, ProtocolVersion, ServerConfig};

use crate::net::Peer;
use crate::tls::{Client, Failure};

use super::outbox::Outbox;

/// What writes while the connection lets it.
pub(super) trait Traffic {
    /// Seals a text into the room; gives how much that is.
    fn encrypt(&mut self, text: &[u8], room: &mut [u8]) -> Result<usize, EncryptError>;
    /// Seals the notice of the end, likewise.
    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Traffic for WriteTraffic<'_, D> {
    fn encrypt(&mut self, text: &[u8], room: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::encrypt(self, text, room)
    }

    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::queue_close_notify(self, room)
    }
}

/// rustls's connection, as either end.
enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl Connection {
    fn common(&self) -> &CommonState {
        match self {
            Connection::Server(connection) => connection,
            Connection::Client(connection) => connection,
        }
    }
}

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
    connection: Option<Connection>,
    /// Words its failure, for whoever it concerns.
    failure_of: fn(&rustls::Error) -> Failure,
    /// Sealed, and not with the wire below yet.
    pub(super) outbox: Outbox,
    /// It is to leave by itself. Otherwise it may wait for what is written next: tickets, and answers to updates of keys.
    pub(super) is_due: bool,
    /// The peer's close_notify came.
    pub(super) heard_end: bool,
    /// In words, why the connection is of no use any more.
    pub(super) failure: Option<Failure>,
}

impl Core {
    /// As a server, whose failures are worded by this.
    ///
    /// # Errors
    /// rustls's, where there is no randomness to be had.
    pub(super) fn server(
        config: &Arc<ServerConfig>,
        failure_of: fn(&rustls::Error) -> Failure,
    ) -> Result<Core, rustls::Error> {
        let connection = UnbufferedServerConnection::new(Arc::clone(config))?;
        Ok(Core::over(Connection::Server(connection), failure_of))
    }

    /// As a client that asks for this peer.
    ///
    /// # Errors
    /// Likewise; or no certificate can be for the peer's name.
    pub(super) fn client(client: &Client, peer: &Peer) -> Result<Core, Failure> {
        let connection = Connection::Client(client.connection(peer)?);
        Ok(Core::over(connection, Failure::of_server))
    }

    fn over(connection: Connection, failure_of: fn(&rustls::Error) -> Failure) -> Core {
        Core {
            connection: Some(connection),
            failure_of,
            outbox: Outbox::default(),
            is_due: false,
            heard_end: false,
            failure: None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.common().is_some_and(CommonState::is_handshaking)
    }

    /// Did it go on with a session that was made before?
    pub(super) fn is_resumed(&self) -> bool {
        let kind = self.common().and_then(CommonState::handshake_kind);
        kind == Some(HandshakeKind::Resumed)
    }

    fn common(&self) -> Option<&CommonState> {
        self.connection.as_ref().map(Connection::common)
    }

    /// Did it answer a hello, and not just by asking for another?
    pub(super) fn has_answered(&self) -> bool {
        let Some(connection) = self.common() else {
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
        self.common()
            .and_then(CommonState::peer_certificates)
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
        write: impl FnOnce(&mut dyn Traffic, &mut Outbox) -> T,
    ) -> Stop<T> {
        let (mut used, mut write) = (0, Some(write));
        let stop = loop {
            let connection = match &mut self.connection {
                // Behind a failure there may be an alert to be had, and no more: rustls panics if it meets what failed again.
                Some(connection) if self.failure.is_none() || connection.common().wants_write() => connection,
                _ => {
                    self.connection = None;
                    break Stop::Failed;
                }
            };
            let left = sealed.get_mut(used..).unwrap_or_default();
            let mut step = Step {
                outbox: &mut self.outbox,
                take: &mut take,
                write: &mut write,
            };
            let (discard, stepped) = match connection {
                Connection::Server(connection) => step.take_in(connection.process_tls_records(left)),
                Connection::Client(connection) => step.take_in(connection.process_tls_records(left)),
            };
            used += discard;
            match stepped {
                Stepped::On => {}
                Stepped::Said => self.is_due |= !self.says_asides(),
                Stepped::HeardEnd => self.heard_end = true,
                Stepped::Failed(error) => self.note_failure(&error),
                Stepped::Stopped(stop) => break stop,
            }
        };
        sealed.drain(..used.min(sealed.len()));
        stop
    }

    /// It is of no use any more, for this reason.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.connection = None;
    }

    fn note_failure(&mut self, error: &rustls::Error) {
        self.failure = Some((self.failure_of)(error));
    }

    /// Is what it says for itself nothing that the peer waits for?
    fn says_asides(&self) -> bool {
        let version = self.common().and_then(CommonState::protocol_version);
        version == Some(ProtocolVersion::TLSv1_3) && !self.is_handshaking() && self.failure.is_none()
    }
}

/// What a look at what came leads to.
enum Stepped<T> {
    /// There may be more to do.
    On,
    /// It has something to say for itself, and that was appended.
    Said,
    /// The peer's close_notify came.
    HeardEnd,
    Failed(rustls::Error),
    Stopped(Stop<T>),
}

/// What a step works with.
struct Step<'a, R, W> {
    outbox: &'a mut Outbox,
    take: &'a mut R,
    write: &'a mut Option<W>,
}

impl<R: FnMut(&[u8]) -> bool, W> Step<'_, R, W> {
    /// How many bytes were used up, and what came of it.
    fn take_in<T, D>(&mut self, status: UnbufferedStatus<'_, '_, D>) -> (usize, Stepped<T>)
    where
        W: FnOnce(&mut dyn Traffic, &mut Outbox) -> T,
    {
        let UnbufferedStatus { mut discard, state } = status;
        let stepped = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut goes_on = true;
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    goes_on = (self.take)(record.payload);
                }
                match goes_on {
                    true => Stepped::On,
                    false => Stepped::Stopped(Stop::Full),
                }
            }
            Ok(ConnectionState::EncodeTlsData(encode)) => {
                append_said(encode, self.outbox);
                Stepped::Said
            }
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                transmit.done();
                Stepped::On
            }
            Ok(ConnectionState::PeerClosed) => Stepped::HeardEnd,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => match self.write.take() {
                Some(write) => Stepped::Stopped(Stop::Wrote(write(&mut traffic, self.outbox))),
                None => Stepped::Stopped(Stop::Waits),
            },
            Ok(_) => Stepped::Stopped(Stop::Waits),
            Err(error) => Stepped::Failed(error),
        };
        (discard, stepped)
    }
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

fn append_said<D>(mut encode: EncodeTlsData<'_, D>, outbox: &mut Outbox) {
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = encode.encode(&mut [])
    else {
        return;
    };
    let encoded = encode.encode(outbox.room(required_size));
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    outbox.fill(encoded.unwrap_or(0));
}
