//! Walks through a body in chunked coding (RFC 9112, 7.1) without touching the payload: says how many bytes of
//! framing come next and how many of payload. Copies nothing; what to do with a trailer section is `trailers`'.

use crate::text::digits;
use crate::text::slices::within;

use super::scan::{Scan, Scanned};
pub use super::trailers::{rewrite_trailers, rewrite_trailers_without};
use super::{Fault, HeadLimits};

/// Hexadecimal digits of a chunk size, leading zeros included: what 64 bits hold.
const SIZE_DIGITS_MAX: u8 = 16;

/// The largest size: beyond it a signed number would be negative to the next reader.
const SIZE_MAX: u64 = i64::MAX as u64;

/// Bytes of a chunk-size line with its extensions, the CRLF not counted.
const LINE_BYTES_MAX: u16 = 256;

/// A place in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunks(State);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the digits of a size.
    Size { size: u64, digits: u8 },
    /// In the extensions behind it, which are dropped.
    Extension { size: u64, line_bytes: u16 },
    /// Behind the CR of a size line.
    SizeLf { size: u64 },
    /// Behind a payload.
    PayloadCr,
    /// Behind the CR behind a payload.
    PayloadLf,
    /// Behind the last chunk; the section is measured but left where it is.
    Trailers(Scan),
}

/// What comes next in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk {
    /// Not enough bytes to say.
    More,
    /// This many bytes of payload, at least 1: the caller passes them through and then asks again.
    Payload(u64),
    /// The trailer section, this many bytes with its final empty line: 2 when there are no trailers. It ends the
    /// body.
    Trailers(usize),
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks::new()
    }
}

impl Chunks {
    /// The beginning of a body.
    pub fn new() -> Chunks {
        Chunks(State::Size { size: 0, digits: 0 })
    }

    /// Reads framing from the front of `bytes`: how many bytes of it were consumed, and what follows them.
    ///
    /// Consumed bytes must not be shown again. A trailer section is never consumed: as long as the answer is
    /// [`Chunk::More`] without having consumed everything, the rest must be shown again together with what arrives
    /// behind it. The answer doesn't depend on how the bytes were cut into pieces.
    ///
    /// Errors: a size that isn't 1 to 16 hexadecimal digits or is above 2^63-1, white space around it, a size line
    /// beyond 256 bytes, control characters in extensions, a line that doesn't end with CRLF, a payload without CRLF
    /// behind it, and what is refused in a head (see [`Scan`]) in the trailer section.
    pub fn advance(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<(usize, Chunk), Fault> {
        let mut consumed = 0;
        loop {
            if let State::Trailers(scan) = &mut self.0 {
                return match scan.advance(within(bytes, consumed..), limits) {
                    Scanned::More => Ok((consumed, Chunk::More)),
                    Scanned::Head(length) => Ok((consumed, Chunk::Trailers(length))),
                    Scanned::Bad(fault) => Err(fault),
                };
            }
            let Some(&byte) = bytes.get(consumed) else {
                return Ok((consumed, Chunk::More));
            };
            consumed += 1;
            let (next, payload) = self.0.step(byte)?;
            self.0 = next;
            if let Some(length) = payload {
                return Ok((consumed, Chunk::Payload(length)));
            }
        }
    }
}

impl State {
    /// Takes one byte of framing; with the LF that ends a size line also the payload that follows.
    fn step(self, byte: u8) -> Result<(State, Option<u64>), Fault> {
        let next = match (self, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // Behind fifteen digits the shift loses no bit, and behind sixteen comes none.
                let size = (size << 4) | u64::from(digit(byte));
                if digits == SIZE_DIGITS_MAX || size > SIZE_MAX {
                    return Err(Fault::Malformed("a chunk size out of range"));
                }
                State::Size {
                    size,
                    digits: digits + 1,
                }
            }
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeLf { size },
            (
                State::Size {
                    size,
                    digits: digits @ 1..,
                },
                b';',
            ) => State::Extension {
                size,
                line_bytes: u16::from(digits) + 1,
            },
            (State::Size { .. }, _) => return Err(Fault::Malformed("a malformed chunk size")),
            (State::Extension { size, .. }, b'\r') => State::SizeLf { size },
            (State::Extension { size, line_bytes }, b'\t' | b' '..=b'~' | 0x80..) => {
                if line_bytes == LINE_BYTES_MAX {
                    return Err(Fault::Malformed("a chunk extension is too long"));
                }
                State::Extension {
                    size,
                    line_bytes: line_bytes + 1,
                }
            }
            (State::Extension { .. }, _) => return Err(Fault::Malformed("a malformed chunk extension")),
            (State::SizeLf { size: 0 }, b'\n') => State::Trailers(Scan::trailers()),
            (State::SizeLf { size }, b'\n') => return Ok((State::PayloadCr, Some(size))),
            (State::PayloadCr, b'\r') => State::PayloadLf,
            (State::PayloadLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::SizeLf { .. } | State::PayloadCr | State::PayloadLf | State::Trailers(_), _) => {
                return Err(Fault::Malformed("a chunk without CRLF at its end"));
            }
        };
        Ok((next, None))
    }
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20).wrapping_sub(b'a') + 10,
    }
}

/// Appends the line that opens a chunk of `n` bytes, or with 0 the last one; CRLF included, no extensions.
pub fn write_chunk_size(n: u64, out: &mut Vec<u8>) {
    digits::hexadecimal(out, n);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
