//! What an option's value looks like: one parser per kind, and the words that say what is accepted. Pure: it
//! looks at text only; whether a file is there is asked in `checks`.

mod address;
mod duration;
mod size;

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::{ProxyUrl, Writer};
use crate::policy::SourceRole;
use crate::policy::ranges::{NAT64_ACCEPTED, Nat64Prefix, Rule};

pub use self::size::SizeRange;

/// Longest free text, in bytes: it is repeated in every error answer.
const TEXT_BYTES_MAX: usize = 4096;

/// Highest request rate per second: beyond it the limit means nothing.
const FRACTION_MAX: f64 = 1e9;

/// The kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// On or off; as a flag it needs no value.
    Switch,
    /// A span of time in Go's syntax, 0 to 100 years.
    Duration,
    /// The same, but not 0: what has no end would hold a connection for ever.
    PositiveDuration,
    /// A TCP port, 0 to 65535.
    Port,
    /// One or more ports from 1, separated by commas; a list in the file.
    Ports,
    /// A whole number.
    Count {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// A number of bytes, `KiB` and `MiB` allowed.
    Bytes(SizeRange),
    /// A number that may have a fraction, from 0.
    Fraction,
    /// An IP address (IPv6 with or without brackets) or a host name.
    ListenHost,
    /// `IP:PORT`, port 1 to 65535.
    SocketAddress,
    /// `IP` or `IP:PORT`.
    Address,
    /// An address range.
    Cidr,
    /// An IPv6 prefix that IPv4 addresses are embedded behind (RFC 6052).
    Nat64Prefix,
    /// A file that must be readable.
    File,
    /// A path that is not looked at here.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Anything printable.
    Text,
    /// Permissions of a file, octal.
    FileMode,
    /// The URL of an upstream proxy; may hold a password, so it is never repeated in full.
    ProxyUrl,
    /// The path of a URL.
    UrlPath,
    /// One entry of a list of client ranges and their roles: `CIDR: ROLE`, as the file's reader joins them.
    SourceRoles,
}

/// A value that was understood.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Switch(bool),
    Duration(Duration),
    Number(u64),
    Fraction(f64),
    Socket(SocketAddr),
    Rule(Rule),
    SourceRole(SourceRole),
    Nat64Prefix(Nat64Prefix),
    ProxyUrl(ProxyUrl),
    Ports(Box<[u16]>),
    Text(String),
}

impl Kind {
    /// What the value is called in `--help`; empty for a switch.
    pub(super) const fn placeholder(self) -> &'static str {
        match self {
            Kind::Switch => "",
            Kind::Duration | Kind::PositiveDuration => "DURATION",
            Kind::Port => "PORT",
            Kind::Ports => "PORT[,...]",
            Kind::Count { .. } => "N",
            Kind::Bytes(_) => "BYTES",
            Kind::Fraction => "NUMBER",
            Kind::ListenHost => "IP",
            Kind::SocketAddress => "IP:PORT",
            Kind::Address => "IP[:PORT]",
            Kind::Cidr | Kind::Nat64Prefix => "CIDR",
            Kind::File | Kind::Path => "FILE",
            Kind::Choice(_) => "WORD",
            Kind::Text => "TEXT",
            Kind::FileMode => "MODE",
            Kind::ProxyUrl => "URL",
            Kind::UrlPath => "PATH",
            Kind::SourceRoles => "[{cidr, role}]",
        }
    }

    /// What is accepted, in words that complete "accepted is ...".
    pub(super) fn accepts(self) -> String {
        match self {
            Kind::Switch => "true or false".into(),
            Kind::Duration => format!("{}, or 0", duration::ACCEPTED),
            Kind::PositiveDuration => format!("{}, more than 0", duration::ACCEPTED),
            Kind::Port => "a port from 0 to 65535".into(),
            Kind::Ports => "ports from 1 to 65535, separated by commas".into(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Bytes(range) => range.accepts(),
            Kind::Fraction => "a number from 0 to 1000000000, with or without a decimal point".into(),
            Kind::ListenHost => "an IP address or a host name".into(),
            Kind::SocketAddress => {
                "IP:PORT such as 127.0.0.1:53 or [::1]:53, the port from 1 to 65535".into()
            }
            Kind::Address => {
                "IP or IP:PORT such as 10.0.0.1, 10.0.0.1:443 or [::1]:443, the port from 1 to 65535".into()
            }
            Kind::Cidr => "an address range such as 10.0.0.0/8 or fc00::/7".into(),
            Kind::Nat64Prefix => NAT64_ACCEPTED.into(),
            Kind::File | Kind::Path => "a path".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Text => format!("text without control characters, at most {TEXT_BYTES_MAX} bytes"),
            Kind::FileMode => "an octal mode from 0 to 777".into(),
            Kind::ProxyUrl => "http://HOST:PORT or https://HOST:PORT".into(),
            Kind::UrlPath => "a path that begins with / and holds no space, ? or #".into(),
            Kind::SourceRoles => {
                "a client's address or range (IPv4 not written as IPv6), and a role of 1 to 256 bytes".into()
            }
        }
    }

    /// Reads a value; `None` if it is none of this kind.
    pub(super) fn parse(self, text: &str) -> Option<Value> {
        match self {
            Kind::Switch => switch(text).map(Value::Switch),
            Kind::Duration => duration::parse(text).map(Value::Duration),
            Kind::PositiveDuration => duration::parse(text)
                .filter(|limit| !limit.is_zero())
                .map(Value::Duration),
            Kind::Port => size::whole(text, 0, 65535).map(Value::Number),
            Kind::Count { min, max } => size::whole(text, min, max).map(Value::Number),
            Kind::Bytes(range) => range.parse(text).map(Value::Number),
            Kind::Fraction => fraction(text).map(Value::Fraction),
            Kind::ListenHost => address::listen_host(text).map(Value::Text),
            Kind::SocketAddress => address::socket(text).map(Value::Socket),
            Kind::Address => Rule::address(text).map(Value::Rule),
            Kind::Cidr => Rule::range(text).map(Value::Rule),
            Kind::Ports => ports(text).map(Value::Ports),
            Kind::Nat64Prefix => Nat64Prefix::parse(text).map(Value::Nat64Prefix),
            Kind::SourceRoles => address::source_role(text).map(Value::SourceRole),
            Kind::ProxyUrl => ProxyUrl::parse(text, Writer::Operator).map(Value::ProxyUrl),
            Kind::File | Kind::Path => is_path(text).then(|| Value::Text(text.to_owned())),
            Kind::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Kind::Text => is_text(text).then(|| Value::Text(text.to_owned())),
            Kind::FileMode => file_mode(text).map(Value::Number),
            Kind::UrlPath => is_url_path(text).then(|| Value::Text(text.to_owned())),
        }
    }

    /// May hold a password: the value is masked wherever it would be shown.
    pub(super) fn is_secret(self) -> bool {
        self == Kind::ProxyUrl
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn fraction(text: &str) -> Option<f64> {
    // Not all that f64 parses: no sign, exponent, `inf` or `nan`.
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| *number <= FRACTION_MAX)
}

fn ports(text: &str) -> Option<Box<[u16]>> {
    let port = |text: &str| u16::try_from(size::whole(text.trim(), 1, 65535)?).ok();
    text.split(',').map(port).collect()
}

fn file_mode(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    u64::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

fn is_text(text: &str) -> bool {
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.len() <= TEXT_BYTES_MAX && text.chars().all(printable)
}

fn is_url_path(text: &str) -> bool {
    text.starts_with('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: Kind, texts: &[&str]) {
        for text in texts {
            assert_eq!(kind.parse(text), None, "{text:?} as {kind:?}");
        }
    }

    #[test]
    fn switches_are_true_or_false() {
        for (text, on) in [
            ("true", true),
            ("1", true),
            ("TRUE", true),
            ("false", false),
            ("0", false),
        ] {
            assert_eq!(Kind::Switch.parse(text), Some(Value::Switch(on)), "{text}");
        }
        refused(Kind::Switch, &["", "yes", "on", "2", "-1", " true"]);
    }

    #[test]
    fn fractions_have_neither_sign_nor_exponent() {
        assert_eq!(Kind::Fraction.parse("0"), Some(Value::Fraction(0.0)));
        assert_eq!(Kind::Fraction.parse("2.5"), Some(Value::Fraction(2.5)));
        refused(
            Kind::Fraction,
            &["", ".", "-1", "+1", "1e3", "inf", "NaN", "1.2.3", "1000000001"],
        );
    }

    #[test]
    fn ports_are_at_least_one() {
        for text in ["443", "443,8443", "443, 8443", "1,65535"] {
            assert!(Kind::Ports.parse(text).is_some(), "{text}");
        }
        refused(
            Kind::Ports,
            &["", ",", "443,", "0", "65536", "https", "443-445", "-1"],
        );
    }

    #[test]
    fn file_modes_are_octal() {
        for (text, mode) in [("700", 0o700), ("0660", 0o660), ("777", 0o777), ("0", 0)] {
            assert_eq!(Kind::FileMode.parse(text), Some(Value::Number(mode)), "{text}");
        }
        refused(Kind::FileMode, &["", "999", "1777", "-7", "+7", "0o700", "rwx"]);
    }

    #[test]
    fn texts_have_no_control_characters() {
        assert!(Kind::Text.parse("ask #security\nor wait").is_some());
        refused(
            Kind::Text,
            &["a\rb", "a\0b", "\u{1b}[31m", &"x".repeat(TEXT_BYTES_MAX + 1)],
        );
    }

    #[test]
    fn url_paths_begin_with_a_slash() {
        assert!(Kind::UrlPath.parse("/metrics").is_some());
        refused(Kind::UrlPath, &["", "metrics", "/a b", "/a?b", "/a#b", "/é"]);
    }

    #[test]
    fn a_positive_duration_is_not_zero() {
        assert!(Kind::PositiveDuration.parse("1ns").is_some());
        refused(Kind::PositiveDuration, &["0", "0s", "0.1ns"]);
    }

    #[test]
    fn ports_and_counts_have_limits() {
        assert_eq!(Kind::Port.parse("65535"), Some(Value::Number(65535)));
        refused(
            Kind::Port,
            &["65536", "99999", "-1", "http", "", "+80", "0x50", "80 "],
        );
        refused(
            Kind::Count { min: 1, max: 5 },
            &["0", "6", "many", "18446744073709551616"],
        );
    }
}
