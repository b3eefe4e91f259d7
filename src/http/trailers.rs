//! Rewrites the trailer section of a chunked body for the next hop: what may trail passes, the rest goes.

use httparse::{EMPTY_HEADER, Header, Status};

use super::fields::may_trail;
use super::{Fault, HeadLimits, emit, head};

/// Sections with up to this many fields are parsed without an allocation.
const SLOTS_ON_STACK: usize = 16;

/// Appends the trailer fields of `section` that may pass, and the empty line that ends the body.
///
/// `section` is one as [`super::chunked::Chunk::Trailers`] measured it. Fields that concern framing, routing,
/// authentication, request modifiers, response control or the content's format, hop-by-hop fields and this proxy's
/// own are dropped (RFC 9110, 6.5.1). On an error nothing is appended.
///
/// Errors: malformed field lines, more fields than the limits allow.
pub fn rewrite_trailers(section: &[u8], limits: &HeadLimits, out: &mut Vec<u8>) -> Result<(), Fault> {
    rewrite_trailers_without(|_| false, section, limits, out)
}

/// The same, without the fields whose names are meant.
pub fn rewrite_trailers_without(
    drops: impl Fn(&str) -> bool,
    section: &[u8],
    limits: &HeadLimits,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let slots = memchr::memchr_iter(b'\n', section).count().saturating_sub(1);
    if slots > limits.fields_max() {
        Err(Fault::TooLarge("too many fields"))
    } else if slots <= SLOTS_ON_STACK {
        rewrite(section, &mut [EMPTY_HEADER; SLOTS_ON_STACK], drops, out)
    } else {
        rewrite(section, &mut vec![EMPTY_HEADER; slots], drops, out)
    }
}

fn rewrite<'b>(
    section: &'b [u8],
    slots: &mut [Header<'b>],
    drops: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match httparse::parse_headers(section, slots).map_err(head::fault)? {
        Status::Complete((length, fields)) if length == section.len() => {
            for field in fields
                .iter()
                .filter(|field| may_trail(field.name) && !drops(field.name))
            {
                emit::field(out, field.name, field.value);
            }
            out.extend_from_slice(b"\r\n");
            Ok(())
        }
        _ => Err(Fault::Malformed("an incomplete trailer section")),
    }
}
