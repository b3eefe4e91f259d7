//! A client: asks, checks every answer, and asks again. Opens no connections.

use std::time::Instant;

use crate::generator::{Next, Shared};
use crate::message::{self, Response};
use crate::socket::Socket;
use crate::work::{Stream, Work};

/// One client's connection, beside its socket.
pub(crate) struct Client {
    pub(crate) work: Work,
    /// When the current unit began.
    since: Instant,
    phase: Phase,
    /// Responses that came over this connection.
    served: u64,
}

enum Phase {
    /// Waits for the answer to CONNECT.
    Connect(Vec<u8>),
    /// Waits for a request that arrives.
    Resting,
    /// Waits for a response's head.
    Head(Vec<u8>),
    /// In a response's body.
    Body { response: Response, received: u64 },
    /// In a tunnel; the position in the pattern that comes next.
    Stream { position: u64 },
}

impl Client {
    /// A client whose first unit began at `since`; queues what it sends first.
    pub(crate) fn new(work: Work, since: Instant, socket: &mut Socket, shared: &Shared) -> Client {
        let mut client = Client {
            work,
            since,
            phase: Phase::Head(Vec::new()),
            served: 0,
        };
        match (work.stream(), &shared.connect) {
            (None, _) => socket.switch(shared.request.clone(), 0, shared.request.length()),
            (Some(_), Some(head)) => {
                socket.switch(head.clone(), 0, head.length());
                client.phase = Phase::Connect(Vec::new());
            }
            (Some(stream), None) => client.open(stream, socket, shared),
        }
        client
    }

    /// Whether it goes on until it is stopped.
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(
            (&self.phase, self.work),
            (Phase::Stream { .. }, Work::Download | Work::Both)
        )
    }

    /// Whether it sends in bulk.
    pub(crate) fn is_both(&self) -> bool {
        self.is_bulk() && self.work == Work::Both
    }

    /// The tunnel is there.
    fn open(&mut self, stream: Stream, socket: &mut Socket, shared: &Shared) {
        let start = stream.start();
        self.phase = Phase::Stream { position: start };
        socket.switch(shared.pattern.clone(), start, start + self.work.message_bytes());
    }

    /// These bytes came.
    pub(crate) fn bytes(
        &mut self,
        mut bytes: &[u8],
        socket: &mut Socket,
        shared: &mut Shared,
    ) -> Result<Next, String> {
        while !bytes.is_empty() {
            match &mut self.phase {
                Phase::Connect(head) => {
                    let Some(used) = message::collect(head, bytes)? else {
                        break;
                    };
                    message::response(head)?;
                    let stream = self.work.stream().ok_or("no tunnel was asked for")?;
                    self.open(stream, socket, shared);
                    bytes = &bytes[used..];
                }
                Phase::Resting => return Err("an answer that nobody asked for".to_owned()),
                Phase::Head(head) => {
                    let Some(used) = message::collect(head, bytes)? else {
                        break;
                    };
                    let response = message::response(head)?;
                    self.phase = Phase::Body {
                        response,
                        received: 0,
                    };
                    bytes = &bytes[used..];
                }
                Phase::Body { response, received } => {
                    if !shared.pattern.holds(*received, bytes) {
                        return Err(format!("wrong bytes behind {received} of a body"));
                    }
                    *received += bytes.len() as u64;
                    shared.tally.body_bytes += bytes.len() as u64;
                    let (response, received) = (*response, *received);
                    return self.responded(response, received, socket, shared);
                }
                Phase::Stream { position } => {
                    if !shared.pattern.holds(*position, bytes) {
                        return Err(format!("wrong bytes behind {position} of a tunnel"));
                    }
                    return Ok(self.advance(bytes.len(), socket, shared));
                }
            }
        }
        Ok(Next::Keep)
    }

    /// So much of a body is there.
    fn responded(
        &mut self,
        response: Response,
        received: u64,
        socket: &mut Socket,
        shared: &mut Shared,
    ) -> Result<Next, String> {
        let Work::Get { bytes } = self.work else {
            return Err("no request was made".to_owned());
        };
        let expected = bytes as u64;
        if response.length.is_some_and(|length| length != expected) || received > expected {
            return Err(format!(
                "a body of {received} bytes, {:?} announced",
                response.length
            ));
        }
        if received < expected || response.length.is_none() {
            return Ok(Next::Keep);
        }
        shared.unit(self.work, self.since);
        self.served += 1;
        if response.close {
            return Ok(Next::Done);
        }
        if shared.has_arrivals {
            self.phase = Phase::Resting;
            return Ok(Next::Rest);
        }
        self.ask(Instant::now(), socket, shared);
        Ok(Next::Keep)
    }

    /// The next request, which arrived at `since`, on a connection that served one before.
    pub(crate) fn ask(&mut self, since: Instant, socket: &mut Socket, shared: &Shared) {
        self.phase = Phase::Head(Vec::new());
        self.since = since;
        socket.goal += shared.request.length();
    }

    /// So many bytes of a tunnel came.
    pub(crate) fn advance(&mut self, length: usize, socket: &mut Socket, shared: &mut Shared) -> Next {
        let Phase::Stream { position } = &mut self.phase else {
            return Next::Keep;
        };
        *position += length as u64;
        let position = *position;
        match self.work {
            Work::Download | Work::Both => {
                shared.tally.bulk_bytes += length as u64;
                shared.balance.received_down += length as u64;
            }
            Work::PingPong if position == socket.goal => {
                shared.unit(self.work, self.since);
                if shared.stopping {
                    return Next::Done;
                }
                self.since = Instant::now();
                socket.goal += self.work.message_bytes();
            }
            Work::Exchange if position == socket.goal => {
                shared.unit(self.work, self.since);
                return Next::Done;
            }
            Work::Idle if position == socket.goal => {
                shared.unit(self.work, self.since);
            }
            _ => {}
        }
        Next::Keep
    }

    /// The other end has nothing more to say.
    pub(crate) fn end(&mut self, shared: &mut Shared) -> Result<Next, String> {
        match (&self.phase, self.work) {
            (Phase::Body { response, received }, Work::Get { bytes })
                if response.length.is_none() && *received == bytes as u64 =>
            {
                shared.unit(self.work, self.since);
                Ok(Next::Done)
            }
            // It was kept alive, and then no longer: it may.
            (Phase::Resting, _) => Ok(Next::Done),
            (Phase::Head(head), _) if head.is_empty() && self.served > 0 => Ok(Next::Lost(self.since)),
            (Phase::Stream { .. }, Work::Download | Work::Both) if shared.stopping => Ok(Next::Done),
            _ => Err("the connection ended early".to_owned()),
        }
    }
}
