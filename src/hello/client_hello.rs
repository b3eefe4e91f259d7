//! A TLS ClientHello as data: which server it names, and whether it hides one (RFC 8446, 4.1.2 and 5.1; RFC 6066, 3;
//! RFC 9849). It may be cut into records in any way. Judges no name, and reads nothing behind the hello.
//!
//! Read strictly: what one server might read otherwise than another is malformed, never a guess. So the hello ends with
//! its record, no extension comes twice, every length is exact, and a name is printable ASCII.

use std::borrow::Cow;
use std::ops::Range;

use arrayvec::ArrayVec;

use crate::text::slices::within;

/// What TLS begins with: the type of a record that holds handshake messages (RFC 8446, 5.1).
pub const HANDSHAKE_RECORD: u8 = 0x16;

/// So many bytes are looked at, the records' headers among them. Real ones have 200 to 2,000.
pub const HELLO_BYTES_MAX: usize = 16 * 1024;

/// The header of a record: type, version, length.
const RECORD_HEADER_BYTES: usize = 5;

/// The header of a handshake message: type and length.
const MESSAGE_HEADER_BYTES: usize = 4;

const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// More extensions than any client sends; each is compared with those before it.
const EXTENSIONS_MAX: usize = 128;

/// Longest name: that of a host (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;

const SHORT: &str = "a part that is longer than what it is in";

/// What the first bytes of a connection are, the first of them being [`HANDSHAKE_RECORD`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read<'a> {
    /// The beginning of a hello: with fewer bytes than so many in all it says no more.
    NeedMore(usize),
    /// A whole one.
    Hello(ClientHello<'a>),
    /// None, or one that not everybody reads alike: one reason.
    Malformed(&'static str),
}

/// What a hello says of the server that it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientHello<'a> {
    /// Its name.
    pub name: ServerName<'a>,
    /// There is an `encrypted_client_hello` extension, which may hide another name, or hold nothing (GREASE).
    pub has_ech: bool,
}

/// The server's name: printable ASCII, 1 to 255 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerName<'a> {
    /// There is none.
    Absent,
    /// This one.
    One(Cow<'a, [u8]>),
    /// This one, and others.
    Several(Cow<'a, [u8]>),
}

/// Reads the hello at the beginning of what was received.
pub fn read(received: &[u8]) -> Read<'_> {
    match message(received) {
        Err(unread) => unread,
        Ok(Cow::Borrowed(message)) => match parse(message) {
            Ok(found) => found.hello(|name| Cow::Borrowed(within(message, name))),
            Err(reason) => Read::Malformed(reason),
        },
        Ok(Cow::Owned(message)) => match parse(&message) {
            Ok(found) => found.hello(|name| Cow::Owned(within(&message, name).to_vec())),
            Err(reason) => Read::Malformed(reason),
        },
    }
}

/// The first handshake message, out of the records that hold it, its header included.
fn message(received: &[u8]) -> Result<Cow<'_, [u8]>, Read<'static>> {
    let mut message = Cow::Borrowed(&[][..]);
    let mut begin = 0;
    loop {
        let end = record_end(received, begin)?;
        let Some(fragment) = received.get(begin + RECORD_HEADER_BYTES..end) else {
            return Err(Read::NeedMore(end));
        };
        match begin {
            0 => message = Cow::Borrowed(fragment),
            _ => message.to_mut().extend_from_slice(fragment),
        }
        if let Some(&[kind, high, middle, low]) = message.first_chunk::<MESSAGE_HEADER_BYTES>() {
            if kind != CLIENT_HELLO {
                return Err(Read::Malformed("a handshake message other than a ClientHello"));
            }
            let body_bytes = u32::from_be_bytes([0, high, middle, low]) as usize;
            let missing_bytes = (MESSAGE_HEADER_BYTES + body_bytes).checked_sub(message.len());
            match missing_bytes {
                Some(0) => return Ok(message),
                Some(missing_bytes)
                    if missing_bytes + RECORD_HEADER_BYTES > HELLO_BYTES_MAX - end.min(HELLO_BYTES_MAX) =>
                {
                    return Err(TOO_LONG);
                }
                Some(_) => {}
                None => return Err(Read::Malformed("bytes behind the ClientHello in its record")),
            }
        }
        begin = end;
    }
}

const TOO_LONG: Read<'_> = Read::Malformed("a ClientHello of more than 16 KiB");

/// Where the record ends that begins there.
fn record_end(received: &[u8], begin: usize) -> Result<usize, Read<'static>> {
    let payload_begin = begin + RECORD_HEADER_BYTES;
    if payload_begin >= HELLO_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let header = received.get(begin..payload_begin);
    let Some(&[kind, major, _, high, low]) = header.and_then(|header| header.first_chunk()) else {
        return Err(Read::NeedMore(payload_begin));
    };
    let end = payload_begin + usize::from(u16::from_be_bytes([high, low]));
    match (kind, major) {
        (HANDSHAKE_RECORD, 3) if end == payload_begin => Err(Read::Malformed("an empty record")),
        (HANDSHAKE_RECORD, 3) if end > HELLO_BYTES_MAX => Err(TOO_LONG),
        (HANDSHAKE_RECORD, 3) => Ok(end),
        (HANDSHAKE_RECORD, _) => Err(Read::Malformed("a record of no version of TLS")),
        _ => Err(Read::Malformed("a record of another type within the ClientHello")),
    }
}

/// What was found in a message, the name by its place.
struct Found {
    names: usize,
    first: Range<usize>,
    has_ech: bool,
}

impl Found {
    fn hello<'a>(self, name: impl FnOnce(Range<usize>) -> Cow<'a, [u8]>) -> Read<'a> {
        Read::Hello(ClientHello {
            name: match self.names {
                0 => ServerName::Absent,
                1 => ServerName::One(name(self.first)),
                _ => ServerName::Several(name(self.first)),
            },
            has_ech: self.has_ech,
        })
    }
}

fn parse(message: &[u8]) -> Result<Found, &'static str> {
    let mut found = Found {
        names: 0,
        first: 0..0,
        has_ech: false,
    };
    let mut hello = Parts::behind(message, MESSAGE_HEADER_BYTES);
    if hello.u16()? >> 8 != 3 {
        return Err("a ClientHello of no version of TLS");
    }
    let _random = hello.take(32)?;
    if hello.vector_u8()?.len() > 32 {
        return Err("a session id of more than 32 bytes");
    }
    let suites = hello.vector_u16()?.len();
    if suites == 0 || suites % 2 != 0 {
        return Err("no list of cipher suites");
    }
    if hello.vector_u8()?.is_empty() {
        return Err("no compression methods");
    }
    if hello.is_empty() {
        return Ok(found);
    }
    let mut extensions = hello.vector_u16()?;
    if !hello.is_empty() {
        return Err("bytes behind the extensions");
    }
    let mut seen = ArrayVec::<u16, EXTENSIONS_MAX>::new();
    while !extensions.is_empty() {
        let (kind, content) = (extensions.u16()?, extensions.vector_u16()?);
        if seen.contains(&kind) {
            return Err("an extension that comes twice");
        }
        seen.try_push(kind).map_err(|_| "more than 128 extensions")?;
        match kind {
            SERVER_NAME => names(content, &mut found)?,
            ENCRYPTED_CLIENT_HELLO => found.has_ech = true,
            _ => {}
        }
    }
    Ok(found)
}

/// Reads the list of a `server_name` extension.
fn names(mut content: Parts<'_>, found: &mut Found) -> Result<(), &'static str> {
    let mut list = content.vector_u16()?;
    if !content.is_empty() || list.is_empty() {
        return Err("a server_name extension that is no list of names");
    }
    while !list.is_empty() {
        // Where a name of another type ends is known to nobody (RFC 6066, 3).
        if list.u8()? != HOST_NAME {
            return Err("a server name that is no host's");
        }
        let name = list.vector_u16()?;
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.rest.iter().all(u8::is_ascii_graphic) {
            return Err("a server name that no host has");
        }
        if found.names == 0 {
            found.first = name.place..name.place + name.len();
        }
        found.names += 1;
    }
    Ok(())
}

/// What is left of a message or a part of it, and where in the message that begins.
struct Parts<'a> {
    rest: &'a [u8],
    place: usize,
}

impl<'a> Parts<'a> {
    fn behind(message: &'a [u8], place: usize) -> Parts<'a> {
        Parts {
            rest: message.get(place..).unwrap_or_default(),
            place,
        }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn len(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, count: usize) -> Result<Parts<'a>, &'static str> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(SHORT)?;
        let place = self.place;
        *self = Parts {
            rest,
            place: place + count,
        };
        Ok(Parts { rest: taken, place })
    }

    fn u8(&mut self) -> Result<u8, &'static str> {
        self.take(1)?.rest.first().copied().ok_or(SHORT)
    }

    fn u16(&mut self) -> Result<u16, &'static str> {
        let bytes = self.take(2)?.rest.first_chunk().ok_or(SHORT)?;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// A part whose length stands before it in one byte.
    fn vector_u8(&mut self) -> Result<Parts<'a>, &'static str> {
        let count = self.u8()?;
        self.take(count.into())
    }

    /// The same, in two bytes.
    fn vector_u16(&mut self) -> Result<Parts<'a>, &'static str> {
        let count = self.u16()?;
        self.take(count.into())
    }
}

#[cfg(test)]
#[path = "client_hello_tests.rs"]
mod tests;
