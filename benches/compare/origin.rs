//! The origin's end of a connection: answers requests, echoes, or sends in bulk, and checks what comes. Accepts no
//! connections.

use crate::generator::{Next, Shared};
use crate::message;
use crate::socket::Socket;
use crate::work::Stream;

/// One connection that a proxy made, beside its socket.
pub(crate) enum Origin {
    /// Nothing has come yet.
    New,
    /// Plain requests; what is there of a head.
    Http(Vec<u8>),
    /// A tunnel; the position in the pattern that comes next.
    Tunnel { stream: Stream, position: u64 },
}

impl Origin {
    /// These bytes came.
    pub(crate) fn bytes(
        &mut self,
        bytes: &[u8],
        socket: &mut Socket,
        shared: &mut Shared,
    ) -> Result<Next, String> {
        if let Origin::New = self {
            *self = match bytes.first().copied().and_then(Stream::of) {
                Some(stream) => {
                    socket.switch(shared.pattern.clone(), stream.start(), stream.start());
                    Origin::Tunnel {
                        stream,
                        position: stream.start(),
                    }
                }
                None => {
                    socket.switch(shared.response.clone(), 0, 0);
                    Origin::Http(Vec::new())
                }
            };
        }
        match self {
            Origin::New => Ok(Next::Keep),
            Origin::Http(head) => http(head, bytes, socket),
            Origin::Tunnel { position, .. } => {
                if !shared.pattern.holds(*position, bytes) {
                    return Err(format!(
                        "the origin got wrong bytes behind {position} of a tunnel"
                    ));
                }
                Ok(self.advance(bytes.len(), socket, shared))
            }
        }
    }

    /// So many bytes of a tunnel came.
    pub(crate) fn advance(&mut self, length: usize, socket: &mut Socket, shared: &mut Shared) -> Next {
        if let Origin::Tunnel { stream, position } = self {
            *position += length as u64;
            match stream {
                Stream::Echo => socket.goal = *position,
                Stream::Download | Stream::Both if shared.stopping => {}
                Stream::Download | Stream::Both => socket.goal = u64::MAX / 2,
            }
            if *stream == Stream::Both {
                shared.tally.bulk_bytes += length as u64;
                shared.balance.received_up += length as u64;
            }
        }
        Next::Keep
    }

    /// Whether it goes on until it is stopped.
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(
            self,
            Origin::Tunnel {
                stream: Stream::Download | Stream::Both,
                ..
            }
        )
    }
}

fn http(head: &mut Vec<u8>, mut bytes: &[u8], socket: &mut Socket) -> Result<Next, String> {
    while !bytes.is_empty() {
        let Some(used) = message::collect(head, bytes)? else {
            break;
        };
        message::request(head)?;
        head.clear();
        socket.goal += socket.source.length();
        bytes = &bytes[used..];
    }
    Ok(Next::Keep)
}
