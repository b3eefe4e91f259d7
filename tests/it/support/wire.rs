//! One end of a TCP connection with a read buffer: the raw client, and an origin's side of a connection.
//! Methods that panic are for cases; those that return `Result` are for the threads of an origin.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::DEADLINE;
use super::message::{self, Fields, Framing, Head, Request, Response};

/// Why no more bytes came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An orderly end (FIN).
    Eof,
    /// A reset (RST).
    Reset,
    /// Nothing for the whole deadline.
    Silence,
    /// Bytes that no strict reader accepts.
    Nonsense(String),
}

/// A connected socket and what was read from it but not yet asked for.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Wraps an accepted connection.
    pub(crate) fn new(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        stream.set_nodelay(true).expect("no delay");
        Wire {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Connects.
    pub(crate) fn connect(to: SocketAddr) -> Wire {
        Wire::new(
            TcpStream::connect_timeout(&to, DEADLINE)
                .unwrap_or_else(|error| panic!("connect to {to}: {error}")),
        )
    }

    /// Connects from another address of this machine.
    pub(crate) fn connect_from(from: &str, to: SocketAddr) -> Wire {
        let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        let from: std::net::IpAddr = from.parse().expect("an address");
        socket.bind(&SocketAddr::new(from, 0).into()).expect("bind");
        socket
            .connect(&to.into())
            .unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        Wire::new(socket.into())
    }

    /// The socket alone, of which nothing was read beyond what was asked for.
    #[allow(dead_code, reason = "for tests/it")]
    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.buffer.is_empty(), "more was read");
        self.stream
    }

    /// The socket itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Another handle to the same socket, for a second thread; it has a buffer of its own.
    pub(crate) fn twin(&self) -> Wire {
        Wire {
            stream: self.stream.try_clone().expect("a second handle"),
            buffer: Vec::new(),
        }
    }

    /// How long reads wait from now on.
    pub(crate) fn patience(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a read timeout");
    }

    /// Sends everything.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("send");
    }

    /// Sends everything, or says that the peer is gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends FIN; reading goes on. A peer that has reset the connection by then needs none.
    pub(crate) fn half_close(&self) {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {}
            done => done.expect("shutdown"),
        }
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }

    /// Reads once more into the buffer.
    pub(crate) fn fill(&mut self) -> Result<(), End> {
        let mut chunk = [0u8; 65536];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(End::Eof),
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(End::Silence),
                    _ => return Err(End::Reset),
                },
            }
        }
    }

    /// Takes everything up to and including `mark`.
    pub(crate) fn take_until(&mut self, mark: &[u8]) -> Result<Vec<u8>, End> {
        let mut searched = 0;
        loop {
            let from = searched.min(self.buffer.len());
            if let Some(at) = self.buffer[from..]
                .windows(mark.len())
                .position(|window| window == mark)
            {
                let rest = self.buffer.split_off(from + at + mark.len());
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            searched = self.buffer.len().saturating_sub(mark.len() - 1);
            self.fill()?;
        }
    }

    /// How many bytes were read but not taken.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Takes exactly so many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<Vec<u8>, End> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Takes everything until the connection ends, and how it ended.
    pub(crate) fn drain(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.fill() {
                return (std::mem::take(&mut self.buffer), end);
            }
        }
    }

    /// Reads one head.
    pub(crate) fn take_head(&mut self) -> Result<Head, End> {
        let raw = self.take_until(b"\r\n\r\n")?;
        message::head(&raw).map_err(End::Nonsense)
    }

    fn take_chunk_size(&mut self) -> Result<usize, End> {
        let line = self.take_until(b"\r\n")?;
        let digits = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(End::Nonsense(format!("chunk size {digits:?}")));
        }
        usize::from_str_radix(&digits, 16).map_err(|error| End::Nonsense(error.to_string()))
    }

    /// Reads a chunked body into `body`, so that a cut one can still be looked at.
    fn take_chunks(&mut self, body: &mut Vec<u8>) -> Result<Fields, End> {
        loop {
            let size = self.take_chunk_size()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err(End::Nonsense("no line end after a chunk".to_owned()));
            }
        }
        let mut lines = Vec::new();
        loop {
            let mut line = self.take_until(b"\r\n")?;
            line.truncate(line.len() - 2);
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        message::fields(&lines).map_err(End::Nonsense)
    }

    fn take_body(&mut self, framing: Framing, body: &mut Vec<u8>) -> Result<Fields, End> {
        match framing {
            Framing::None => Ok(Fields::default()),
            Framing::Chunked => self.take_chunks(body),
            Framing::UntilClose => match self.drain() {
                (bytes, End::Eof) => {
                    *body = bytes;
                    Ok(Fields::default())
                }
                (bytes, end) => {
                    *body = bytes;
                    Err(end)
                }
            },
            Framing::Length(length) => {
                while self.buffer.len() < length {
                    if let Err(end) = self.fill() {
                        *body = std::mem::take(&mut self.buffer);
                        return Err(end);
                    }
                }
                *body = self.take(length)?;
                Ok(Fields::default())
            }
        }
    }

    /// Reads one request strictly.
    pub(crate) fn take_request(&mut self) -> Result<Request, End> {
        let head = self.take_head()?;
        let parts: Vec<&str> = head.start.split(' ').collect();
        let [method, target, version] = parts.as_slice() else {
            return Err(End::Nonsense(format!("request line {:?}", head.start)));
        };
        let framing = message::framing(&head.fields, Framing::None).map_err(End::Nonsense)?;
        let mut body = Vec::new();
        let trailers = self.take_body(framing, &mut body)?;
        let (method, target, version) = ((*method).to_owned(), (*target).to_owned(), (*version).to_owned());
        Ok(Request {
            method,
            target,
            version,
            fields: head.fields,
            raw: head.raw,
            body,
            framing,
            trailers,
        })
    }

    /// Reads one final response strictly. The request's method tells whether there is a body.
    pub(crate) fn try_response(&mut self, method: &str) -> Result<Response, End> {
        let mut interim = Vec::new();
        let (head, status) = loop {
            let head = self.take_head()?;
            let code = head
                .start
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
            let status = code.ok_or_else(|| End::Nonsense(format!("status line {:?}", head.start)))?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
            } else {
                break (head, status);
            }
        };
        let bodyless = method == "HEAD" || status == 204 || status == 304 || status == 101;
        let framing = message::framing(&head.fields, Framing::UntilClose).map_err(End::Nonsense)?;
        let tunnel = method == "CONNECT" && status / 100 == 2;
        let framing = if bodyless || tunnel {
            Framing::None
        } else {
            framing
        };
        let mut body = Vec::new();
        let end = self.take_body(framing, &mut body);
        let whole = end.is_ok();
        let trailers = match end {
            Err(End::Nonsense(why)) => return Err(End::Nonsense(why)),
            other => other.unwrap_or_default(),
        };
        Ok(Response {
            status,
            start: head.start,
            fields: head.fields,
            body,
            framing,
            trailers,
            interim,
            whole,
        })
    }

    /// Reads one final response; anything else fails the case.
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Like [`Wire::response`], for a request of another method.
    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|end| {
            panic!(
                "no response: {end:?}, after {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        })
    }

    /// Reads exactly these bytes.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &[u8]) {
        match self.take(wanted.len()) {
            Ok(got) => super::assert_same_bytes(&got, wanted),
            Err(end) => panic!("{end:?} after {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// Expects an orderly end with nothing before it.
    #[track_caller]
    pub(crate) fn expect_eof(&mut self) {
        let (rest, end) = self.drain();
        assert_eq!((String::from_utf8_lossy(&rest), end), ("".into(), End::Eof));
    }

    /// Expects a reset with nothing before it.
    #[track_caller]
    pub(crate) fn expect_reset(&mut self) {
        let (rest, end) = self.drain();
        assert_eq!((String::from_utf8_lossy(&rest), end), ("".into(), End::Reset));
    }

    /// Expects the connection to end, either way, with nothing before it.
    #[track_caller]
    pub(crate) fn expect_gone(&mut self) {
        let (rest, end) = self.drain();
        assert!(
            rest.is_empty() && end != End::Silence,
            "{:?} then {end:?}",
            String::from_utf8_lossy(&rest)
        );
    }
}
