//! HTTP/1.1 as bytes: heads are found and parsed, bodies are delimited, heads are rewritten for the next hop, our
//! own answers are written. Pure functions over slices; nothing here reads, waits, or decides who may go where.
//!
//! The way of a message: [`head::Scan`] finds the end of the head, [`head::with_request`] or
//! [`head::with_response`] parses it, [`target::form`] says what was asked for, [`framing`] how long the body is,
//! [`chunked::Chunks`] walks through a chunked one, [`rewrite`] writes the head to forward, [`joint`] says which of
//! the two connections can carry another message, and [`upgrade`] which protocol one may change to.
//!
//! Whatever is ambiguous is a [`Fault`]: two parsers that disagree about where a message ends are the root of
//! request smuggling (RFC 9112, 11.2), so the next hop only ever sees one unambiguous form.

pub mod accept;
pub mod chunked;
mod emit;
pub mod fields;
pub mod framing;
pub mod head;
pub mod joint;
mod json;
pub mod max_forwards;
pub mod page;
pub mod reply;
pub mod rewrite;
mod scan;
pub mod target;
#[cfg(test)]
mod testing;
mod trailers;
pub mod upgrade;

/// How large a message head, or a trailer section, may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of a head, from the first byte received to the empty line that ends it.
    pub head_bytes_max: usize,
    /// Field lines of a head; values above [`HeadLimits::FIELDS_CEILING`] count as that.
    pub head_fields_max: usize,
}

impl HeadLimits {
    /// No configuration allows more fields than this.
    pub const FIELDS_CEILING: usize = 1024;

    /// The field limit in force.
    pub(crate) fn fields_max(&self) -> usize {
        self.head_fields_max.min(Self::FIELDS_CEILING)
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits {
            head_bytes_max: 128 * 1024,
            head_fields_max: 256,
        }
    }
}

/// The protocol versions that are spoken; any other is a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, connections close unless both sides ask otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Why a message is refused. The words are ours alone: nothing of the message is echoed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Answered with 400, or 502 when an origin sent it; the reason is one phrase.
    Malformed(&'static str),
    /// Answered with 431, or 502 when an origin sent it.
    TooLarge(&'static str),
}
