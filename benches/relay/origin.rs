//! The origins: threads that send much, echo, or answer requests. What they send is known to whoever reads it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What [`bulk`] sends for each byte it gets.
pub(crate) const BULK_BYTES: usize = 64 << 20;

/// Length of [`pattern`]: no multiple of it is a power of two, so bytes in the wrong place show.
const PATTERN_BYTES: usize = 251 * 1024;

/// Connections that are served at a time.
const THREADS: usize = 128;

/// Listens on a free port of 127.0.0.1 and lets `serve` have each connection.
pub(crate) fn spawn(serve: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a listener"));
    for _ in 0..THREADS {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // Clients come and go; what they miss they notice themselves.
                let _ = stream.set_nodelay(true).and_then(|()| serve(stream));
            }
        });
    }
    listener.local_addr().expect("an address")
}

/// Bytes in no regular order, the same each time.
pub(crate) fn pattern() -> Vec<u8> {
    let step = |seed: &mut u32| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(seed.to_be_bytes()[0])
    };
    (0..PATTERN_BYTES).scan(1, |seed, _| step(seed)).collect()
}

/// Panics unless `bytes` are what [`bulk`] sends from this position on.
pub(crate) fn check(pattern: &[u8], position: usize, bytes: &[u8]) {
    let (mut position, mut rest) = (position, bytes);
    while !rest.is_empty() {
        let expected = &pattern[position % pattern.len()..];
        let (now, later) = rest.split_at(rest.len().min(expected.len()));
        assert!(now == &expected[..now.len()], "wrong bytes behind {position}");
        (position, rest) = (position + now.len(), later);
    }
}

/// Sends [`BULK_BYTES`] of the repeated pattern for each byte.
pub(crate) fn bulk(mut stream: TcpStream) -> io::Result<()> {
    let pattern = pattern();
    while stream.read(&mut [0])? > 0 {
        let mut left = BULK_BYTES;
        while left > 0 {
            let length = left.min(pattern.len());
            stream.write_all(&pattern[..length])?;
            left -= length;
        }
    }
    Ok(())
}

/// Sends back what it gets.
pub(crate) fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// The content of [`http`]'s responses.
pub(crate) fn body() -> Vec<u8> {
    pattern()[..1024].to_vec()
}

/// Answers requests without a body, one after the other.
pub(crate) fn http(mut stream: TcpStream) -> io::Result<()> {
    let mut response =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1024\r\n\r\n".to_vec();
    response.extend(body());
    let (mut buffer, mut filled) = ([0; 4096], 0);
    loop {
        match stream.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            length => filled += length,
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            assert!(
                buffer.starts_with(b"GET /1k HTTP/1.1\r\n"),
                "an unexpected request"
            );
            stream.write_all(&response)?;
            filled = 0;
        }
    }
}
