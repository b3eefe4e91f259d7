//! The strict host parser: dotted quad, bracketed IPv6 or DNS name, and nothing between them.
//! Splits no authority (that is [`super::Target`]) and judges no address (that is `policy/ranges`).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::label::{is_label, is_number};
use super::{Host, Name, TargetError};

/// Longest host that is looked at, in bytes. A name of 253 octets can't be written longer in UTF-8 unless
/// several code points fold into one.
const HOST_BYTES_MAX: usize = 1024;
/// Longest name in text form, without the trailing dot (RFC 1035, section 2.3.4: 255 octets on the wire).
const NAME_BYTES_MAX: usize = 253;

const MISSING: TargetError = TargetError("host is missing");
const TOO_LONG: TargetError = TargetError("host is too long");
const NOT_A_NAME: TargetError = TargetError("host is not a valid DNS name");
const NUMBER: TargetError = TargetError("host is a number but not four decimal octets without leading zeros");
const IGNORABLE: TargetError = TargetError("host contains invisible characters");
const INTERNATIONAL: TargetError = TargetError("host is not a valid internationalised name");
pub(super) const NOT_IPV6: TargetError = TargetError("host is not an IPv6 address in brackets without zone");

/// What UTS-46 must not let through: every ASCII character but letters, digits, `-`, `.` and `_`.
/// That is STD3 with `_`, which names in use do have.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// Default_Ignorable_Code_Point of Unicode, first and last of each range, without U+200C and U+200D, which
/// IDNA judges by their context. UTS-46 maps most of them to nothing, so that two spellings that look alike
/// would be one name; no honest client sends them.
const IGNORABLES: [(char, char); 18] = [
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200B}'),
    ('\u{200E}', '\u{200F}'),
    ('\u{202A}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFF8}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// Parses a host; see [`Host::parse`].
pub(super) fn parse(host: &str) -> Result<Host, TargetError> {
    if host.is_empty() {
        return Err(MISSING);
    }
    if host.len() > HOST_BYTES_MAX {
        return Err(TOO_LONG);
    }
    if let Some(rest) = host.strip_prefix('[') {
        return bracketed(rest).map(Host::Addr);
    }
    // std takes exactly four decimal octets, and none with a leading zero (CVE-2021-29922).
    if let Ok(addr) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Addr(addr.into()));
    }
    name(host).map(Host::Name)
}

/// The address after an opening bracket. std's parser knows neither zones nor `IPvFuture`.
fn bracketed(rest: &str) -> Result<IpAddr, TargetError> {
    let text = rest.strip_suffix(']').ok_or(NOT_IPV6)?;
    let addr: Ipv6Addr = text.parse().map_err(|_| NOT_IPV6)?;
    // A mapped address is the IPv4 address: else `[::ffff:192.0.2.1]` would pass a host rule for 192.0.2.1.
    Ok(IpAddr::V6(addr).to_canonical())
}

fn name(host: &str) -> Result<Name, TargetError> {
    let normal: Cow<'_, str> = if !host.is_ascii() || host.split('.').any(is_a_label) {
        mapped(host)?
    } else if host.bytes().any(|b| b.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    };
    let name = normal.strip_suffix('.').unwrap_or(&normal);
    if name.len() > NAME_BYTES_MAX {
        return Err(TOO_LONG);
    }
    if !name.split('.').all(is_normal_label) {
        return Err(NOT_A_NAME);
    }
    if name.rsplit('.').next().is_none_or(is_number) {
        return Err(NUMBER);
    }
    Ok(Name::new(name))
}

/// The ToASCII form of UTS-46 (non-transitional), punycode validated, one trailing dot possibly left.
fn mapped(host: &str) -> Result<Cow<'_, str>, TargetError> {
    if host.chars().any(is_ignorable) {
        return Err(IGNORABLE);
    }
    let ascii = to_ascii(host)?;
    // What we resolve and send on must mean the same to the next one who parses it.
    if to_ascii(&ascii)? != ascii {
        Err(INTERNATIONAL)
    } else {
        Ok(ascii)
    }
}

fn is_ignorable(c: char) -> bool {
    !c.is_ascii()
        && IGNORABLES
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
}

fn to_ascii(host: &str) -> Result<Cow<'_, str>, TargetError> {
    // Third and fourth position may be hyphens: names in use have them (`r3---sn-...`).
    Uts46::new()
        .to_ascii(
            host.as_bytes(),
            DENIED,
            Hyphens::CheckFirstLast,
            DnsLength::VerifyAllowRootDot,
        )
        .map_err(|_| INTERNATIONAL)
}

/// Does the label have the prefix of an A-label (RFC 5890, section 2.3.2.1), rightly or not?
fn is_a_label(label: &str) -> bool {
    label
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
}

/// A label of a normalised host name, which is in lower case.
fn is_normal_label(label: &str) -> bool {
    is_label(label)
        // Punycode of what looks like punycode: UTS-46 (4.1, criterion 4) has it that there is none.
        && !label.starts_with("xn--xn--")
        && !label.bytes().any(|b| b.is_ascii_uppercase())
}
