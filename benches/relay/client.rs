//! The client's side of one connection, through the proxy or past it.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// `user:secret`. A proxy without a password doesn't mind.
const CREDENTIALS: &str = "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";

/// How to reach the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// Without a proxy.
    Direct,
    /// Through the proxy at this address.
    Through(SocketAddr),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Direct => "direct",
            Way::Through(_) => "proxied",
        })
    }
}

impl Way {
    /// Connects to the proxy or to the origin.
    pub(crate) fn connect(self, origin: SocketAddr) -> TcpStream {
        let first = match self {
            Way::Direct => origin,
            Way::Through(proxy) => proxy,
        };
        let stream = TcpStream::connect(first).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        stream
    }

    /// Connects, and asks for a tunnel where there is a proxy.
    pub(crate) fn ask(self, origin: SocketAddr) -> TcpStream {
        let mut stream = self.connect(origin);
        if let Way::Through(_) = self {
            let head = format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n{CREDENTIALS}\r\n");
            stream.write_all(head.as_bytes()).expect("to ask");
        }
        stream
    }

    /// Waits for the tunnel that was asked for. The origin doesn't speak first.
    pub(crate) fn open(self, stream: &mut TcpStream) {
        if let Way::Through(_) = self {
            let mut answer = [0; 1024];
            let mut filled = 0;
            while !answer[..filled].ends_with(b"\r\n\r\n") {
                let length = stream.read(&mut answer[filled..]).expect("an answer");
                assert!(length > 0, "{}", String::from_utf8_lossy(&answer[..filled]));
                filled += length;
            }
            assert!(
                answer.starts_with(b"HTTP/1.1 200 "),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    }

    /// Connects, and opens a tunnel where there is a proxy.
    pub(crate) fn tunnel(self, origin: SocketAddr) -> TcpStream {
        let mut stream = self.ask(origin);
        self.open(&mut stream);
        stream
    }

    /// Connect, CONNECT, a message there and back, close in good order.
    pub(crate) fn echo(self, origin: SocketAddr, message: &[u8]) {
        let mut stream = self.tunnel(origin);
        send_last(&mut stream, message);
        expect_last(stream, message);
    }

    /// The head of a request for the origin's 1 KiB.
    pub(crate) fn get(self, origin: SocketAddr) -> String {
        let (target, credentials) = match self {
            Way::Direct => ("/1k".to_owned(), ""),
            Way::Through(_) => (format!("http://{origin}/1k"), CREDENTIALS),
        };
        format!(
            "GET {target} HTTP/1.1\r\nHost: {origin}\r\nUser-Agent: bench\r\nAccept: */*\r\n{credentials}\r\n"
        )
    }
}

/// Sends a message behind which nothing follows.
pub(crate) fn send_last(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).expect("to send");
    stream.shutdown(Shutdown::Write).expect("to half-close");
}

/// Waits for this message, and for the end behind it.
pub(crate) fn expect_last(mut stream: TcpStream, message: &[u8]) {
    let mut echo = Vec::with_capacity(message.len() + 1);
    stream.read_to_end(&mut echo).expect("the echo");
    assert!(echo == message, "the echo differs: {} bytes", echo.len());
}

/// Asks once, looks at the response closely, and returns all of it: those that follow must be the same.
pub(crate) fn first_response(stream: &mut TcpStream, head: &str, body: &[u8]) -> Vec<u8> {
    stream.write_all(head.as_bytes()).expect("to ask");
    let mut response = Vec::new();
    while !response.ends_with(body) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        response.extend(byte);
    }
    assert!(
        response.starts_with(b"HTTP/1.1 200 OK\r\n"),
        "{}",
        String::from_utf8_lossy(&response)
    );
    let content = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    assert!(&response[content + 4..] == body, "the content differs");
    response
}
