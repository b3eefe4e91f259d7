//! One socket to one DNS server, UDP or TCP. Moves whole messages; what they say is `message`'s business, whom
//! to ask and how long to wait is `leg`'s.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};

/// The longest message, over either transport.
pub(super) const MESSAGE_MAX: usize = 65_535;

/// A socket with a question on it. Dropping closes it, and a closed socket is no longer polled.
pub(super) enum Wire {
    /// A fresh port, connected: the kernel lets in only what comes from the server asked.
    Udp(UdpSocket),
    /// A connection of its own.
    Tcp(Box<Tcp>),
}

/// A question sent over TCP, with lengths in front of the messages (RFC 1035, 4.2.2).
pub(super) struct Tcp {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
}

impl Wire {
    /// Sends a question in a datagram from a port the system draws.
    pub(super) fn udp(
        server: SocketAddr,
        question: &[u8],
        registry: &Registry,
        token: Token,
    ) -> io::Result<Wire> {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(server)?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        match socket.send(question) {
            // No room to send is a datagram lost: the next try makes up for it.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(Wire::Udp(socket)),
        }
    }

    /// Connects to ask over TCP.
    pub(super) fn tcp(
        server: SocketAddr,
        question: &[u8],
        registry: &Registry,
        token: Token,
    ) -> io::Result<Wire> {
        let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut stream = TcpStream::connect(server)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut out = Vec::with_capacity(2 + question.len());
        out.extend(length.to_be_bytes());
        out.extend(question);
        Ok(Wire::Tcp(Box::new(Tcp {
            stream,
            out,
            sent: 0,
            received: Vec::new(),
        })))
    }

    /// The next message, copied to the start of `into` (at least [`MESSAGE_MAX`] bytes); its length.
    ///
    /// # Errors
    /// `WouldBlock` when there is none yet; anything else, and the server can't be reached this way.
    pub(super) fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Udp(socket) => loop {
                match socket.recv(into) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return result,
                }
            },
            Wire::Tcp(tcp) => tcp.receive(into),
        }
    }
}

impl Tcp {
    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The connection is still being made.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(error) => return Err(error),
            }
        }
        loop {
            if let Some(message) = self.whole_message() {
                let room = into.get_mut(..message.len()).ok_or(io::ErrorKind::InvalidData)?;
                room.copy_from_slice(message);
                return Ok(room.len());
            }
            // Bounded: a whole message is at most 65,535 bytes, and after it nothing is read.
            match self.stream.read(into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received.extend(into.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn whole_message(&self) -> Option<&[u8]> {
        let (length, rest) = self.received.split_first_chunk::<2>()?;
        rest.get(..usize::from(u16::from_be_bytes(*length)))
    }
}
