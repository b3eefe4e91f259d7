//! One log line, field by field, as text (logrus's TextFormatter without colours) or as a JSON object.
//! Knows nothing of what the fields mean and writes nowhere but into the caller's buffer, and that only UTF-8.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use ::log::Level;
use ipnet::IpNet;

use crate::session::id::Id;
use crate::session::outcome::Field;
use crate::text::digits;
use crate::text::slices::within;

use super::escape::{bare_or_quoted, cut, is_bare, needs_only_quotes, quoted};
use super::time::{Spelling, moment};
use super::{Format, address};

/// Messages are cut to this many bytes.
const MESSAGE_LENGTH_MAX: usize = 8192;

/// The value of one field.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text of our own or of the configuration.
    Text(&'a str),
    /// A word known beforehand that needs no quotes in a text line, nor a look whether it does.
    Word(&'static str),
    /// Words known beforehand that need quotes in a text line, but nothing else.
    Phrase(&'static str),
    /// Bytes from the network.
    Bytes(&'a [u8]),
    /// A count, a port, a status, milliseconds.
    Number(u64),
    /// A length of time, shown as seconds with a fraction.
    Seconds(Duration),
    /// Yes or no.
    Truth(bool),
    /// An address with a port.
    Address(SocketAddr),
    /// An address without one.
    Ip(IpAddr),
    /// A range of addresses.
    Range(IpNet),
    /// A moment, UTC.
    Time(SystemTime),
    /// A request's id.
    Id(Id),
    /// Fields of a message, by name, each with its values.
    Fields(&'a [Field]),
}

/// A field's key with what surrounds it, in both formats; [`key!`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) text: &'static str,
    pub(super) json: &'static str,
}

impl Key {
    #[inline]
    fn of<const JSON: bool>(self) -> &'static str {
        if JSON { self.json } else { self.text }
    }
}

/// The [`Key`] of a name known beforehand: put in a line in one piece.
macro_rules! key {
    ($name:literal) => {
        $crate::log::line::Key {
            text: concat!(" ", $name, "="),
            json: concat!(",\"", $name, "\":"),
        }
    };
}
pub(super) use key;

/// Appends a whole line, without its line feed, to `out`. The fields are sorted by key first; time, level and
/// message come before them.
pub fn line(
    out: &mut Vec<u8>,
    format: Format,
    now: SystemTime,
    level: Level,
    message: &str,
    fields: &mut [(&str, Value<'_>)],
) {
    match format {
        Format::Text => line_in::<false>(out, now, level, message, fields),
        Format::Json => line_in::<true>(out, now, level, message, fields),
    }
}

fn line_in<const JSON: bool>(
    out: &mut Vec<u8>,
    now: SystemTime,
    level: Level,
    message: &str,
    fields: &mut [(&str, Value<'_>)],
) {
    fields.sort_unstable_by_key(|(key, _)| *key);
    let message = Value::Bytes(cut(message.as_bytes(), MESSAGE_LENGTH_MAX));
    let mut line = Line::<JSON>::begin(out, now, level, message);
    for (name, value) in fields {
        line.field_named(name, *value);
    }
    line.end();
}

/// A line being written, as JSON or as text. Which is part of its type: so what stands between the values is copied as what
/// it is, and not as text of some length.
pub(super) struct Line<'o, const JSON: bool> {
    out: &'o mut Vec<u8>,
}

impl<'o, const JSON: bool> Line<'o, JSON> {
    /// Starts a line with its time, level and message.
    pub(super) fn begin(
        out: &'o mut Vec<u8>,
        now: SystemTime,
        level: Level,
        message: Value<'_>,
    ) -> Line<'o, JSON> {
        let [before_time, before_level, after_level] = match JSON {
            false => ["time=\"", "\" level=", ""],
            true => ["{\"time\":\"", "\",\"level\":\"", "\""],
        };
        out.extend_from_slice(before_time.as_bytes());
        moment(out, now, Spelling::Seconds);
        out.extend_from_slice(before_level.as_bytes());
        out.extend_from_slice(level_name(level).as_bytes());
        out.extend_from_slice(after_level.as_bytes());
        let mut line = Line { out };
        line.field(key!("msg"), message);
        line
    }

    /// Adds a field. Each key only once in a line.
    #[inline(always)]
    pub(super) fn field(&mut self, key: Key, value: Value<'_>) {
        self.push(key.of::<JSON>());
        self.value(value);
    }

    /// Adds a field, and says where its value stands, for [`Line::repeat`].
    pub(super) fn field_at(&mut self, key: Key, value: Value<'_>) -> Range<usize> {
        self.push(key.of::<JSON>());
        let start = self.out.len();
        self.value(value);
        start..self.out.len()
    }

    /// Adds a field with the same value as one before it in this line.
    pub(super) fn repeat(&mut self, key: Key, value: Range<usize>) {
        self.push(key.of::<JSON>());
        self.out.extend_from_within(value);
    }

    /// Adds a field whose name is ours and plain ASCII, but not known beforehand.
    fn field_named(&mut self, name: &str, value: Value<'_>) {
        let (before, after) = match JSON {
            false => (" ", "="),
            true => (",\"", "\":"),
        };
        self.push(before);
        self.push(name);
        self.push(after);
        self.value(value);
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Ends the line; its line feed is the writer's.
    pub(super) fn end(self) {
        if JSON {
            self.out.push(b'}');
        }
    }

    /// Of each call the compiler leaves one arm: most name their kind.
    #[inline(always)]
    fn value(&mut self, value: Value<'_>) {
        let out = &mut *self.out;
        match value {
            Value::Text(text) => self.bytes(text.as_bytes()),
            Value::Word(word) if JSON => quoted(out, word.as_bytes()),
            Value::Word(word) => {
                debug_assert!(is_bare(word.as_bytes()), "{word} needs quotes");
                out.extend_from_slice(word.as_bytes());
            }
            Value::Phrase(phrase) => in_quotes(out, |out| {
                debug_assert!(needs_only_quotes(phrase.as_bytes()), "{phrase}");
                out.extend_from_slice(phrase.as_bytes());
            }),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Number(number) => digits::decimal(out, number),
            Value::Seconds(duration) => seconds(out, duration),
            Value::Truth(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
            Value::Address(with_port) => in_quotes(out, |out| address::ip_and_port(out, with_port)),
            Value::Range(range @ IpNet::V4(_)) if !JSON => address::range(out, range),
            Value::Range(range) => in_quotes(out, |out| address::range(out, range)),
            Value::Ip(ip @ IpAddr::V4(_)) if !JSON => address::ip(out, ip),
            Value::Ip(ip) => in_quotes(out, |out| address::ip(out, ip)),
            Value::Time(time) => {
                let spelling = if JSON { Spelling::Nanoseconds } else { Spelling::Go };
                in_quotes(out, |out| moment(out, time, spelling));
            }
            Value::Id(id) if JSON => in_quotes(out, |out| out.extend_from_slice(&id.digits())),
            Value::Id(id) => out.extend_from_slice(&id.digits()),
            Value::Fields(fields) if JSON => object(out, fields),
            Value::Fields(fields) => self.bytes(&map(fields)),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match JSON {
            true => quoted(self.out, bytes),
            false => bare_or_quoted(self.out, bytes),
        }
    }
}

/// Stands for a value that is not to be seen.
const REDACTED: &[u8] = b"[REDACTED]";

/// Fields as Go prints a map of lists, which is how the reference has them; but values that could be taken for more than one,
/// for none, or for one that is not to be seen, are in quotes.
#[cold]
fn map(fields: &[Field]) -> Vec<u8> {
    let of = |(name, values): &Field| {
        let values: Vec<Vec<u8>> = values.iter().map(|value| in_map(value.as_deref())).collect();
        [name.as_bytes(), b":[", &values.join(&b' '), b"]"].concat()
    };
    let fields: Vec<Vec<u8>> = fields.iter().map(of).collect();
    [b"map[", fields.join(&b' ').as_slice(), b"]"].concat()
}

fn in_map(value: Option<&[u8]>) -> Vec<u8> {
    let Some(value) = value else {
        return REDACTED.to_vec();
    };
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"[]\"\\".contains(byte);
    let mut written = Vec::with_capacity(value.len() + 2);
    match !value.is_empty() && value.iter().all(is_plain) {
        true => written.extend_from_slice(value),
        false => quoted(&mut written, value),
    }
    written
}

/// Fields as an object of lists.
#[cold]
fn object(out: &mut Vec<u8>, fields: &[Field]) {
    out.push(b'{');
    for (nth, (name, values)) in fields.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        quoted(out, name.as_bytes());
        out.extend_from_slice(b":[");
        for (nth, value) in values.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            quoted(out, value.as_deref().unwrap_or(REDACTED));
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// Appends a length of time in seconds, with as many digits behind the point as it has.
fn seconds(out: &mut Vec<u8>, duration: Duration) {
    digits::decimal(out, duration.as_secs());
    let fraction: [u8; 9] = digits::padded(duration.subsec_nanos());
    let length = fraction
        .iter()
        .rposition(|&digit| digit != b'0')
        .map_or(0, |at| at + 1);
    if length > 0 {
        out.push(b'.');
        out.extend_from_slice(within(&fraction, ..length));
    }
}

fn in_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// The names logrus gives the levels: `warning`, not `warn`.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn written(format: Format, level: Level, message: &str, fields: &mut [(&str, Value<'_>)]) -> String {
        let mut out = Vec::new();
        line(
            &mut out,
            format,
            UNIX_EPOCH + Duration::from_secs(1_795_368_633),
            level,
            message,
            fields,
        );
        String::from_utf8(out).unwrap()
    }

    fn one_of_each() -> [(&'static str, Value<'static>); 13] {
        [
            ("k", Value::Text("")),
            ("j", Value::Id(Id([0; 12]))),
            ("i", Value::Time(UNIX_EPOCH)),
            ("h", Value::Ip(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]))),
            ("g", Value::Ip(IpAddr::from([10, 0, 0, 1]))),
            (
                "r",
                Value::Range(IpNet::new(IpAddr::from([10, 0, 0, 0]), 8).unwrap()),
            ),
            ("s", Value::Range("fd00::/8".parse().unwrap())),
            ("f", Value::Address(SocketAddr::from(([10, 0, 0, 1], 80)))),
            ("e", Value::Truth(true)),
            ("d", Value::Seconds(Duration::from_micros(1_000_250))),
            ("c", Value::Number(7)),
            ("b", Value::Bytes(b"x y")),
            ("a", Value::Text("bare")),
        ]
    }

    #[test]
    fn text_with_sorted_keys() {
        assert_eq!(
            written(Format::Text, Level::Warn, "two words", &mut one_of_each()),
            "time=\"2026-11-22T17:30:33Z\" level=warning msg=\"two words\" a=bare b=\"x y\" c=7 d=1.00025 e=true \
             f=\"10.0.0.1:80\" g=10.0.0.1 h=\"::1\" i=\"1970-01-01 00:00:00.000000000 +0000 UTC\" \
             j=00000000000000000000 k= r=10.0.0.0/8 s=\"fd00::/8\""
        );
    }

    #[test]
    fn json_with_sorted_keys() {
        assert_eq!(
            written(Format::Json, Level::Error, "two words", &mut one_of_each()),
            "{\"time\":\"2026-11-22T17:30:33Z\",\"level\":\"error\",\"msg\":\"two words\",\"a\":\"bare\",\
             \"b\":\"x y\",\"c\":7,\"d\":1.00025,\"e\":true,\"f\":\"10.0.0.1:80\",\"g\":\"10.0.0.1\",\"h\":\"::1\",\
             \"i\":\"1970-01-01T00:00:00.000000000Z\",\"j\":\"00000000000000000000\",\"k\":\"\",\
             \"r\":\"10.0.0.0/8\",\"s\":\"fd00::/8\"}"
        );
    }

    #[test]
    fn a_message_is_bare_when_it_can_be_and_never_endless() {
        let bare = written(Format::Text, Level::Debug, "bare", &mut []);
        assert_eq!(bare, "time=\"2026-11-22T17:30:33Z\" level=debug msg=bare");
        let long = written(
            Format::Text,
            Level::Trace,
            &"é".repeat(MESSAGE_LENGTH_MAX),
            &mut [],
        );
        assert!(long.len() < MESSAGE_LENGTH_MAX + 60 && long.ends_with("é\""));
    }

    #[test]
    fn seconds_never_have_an_exponent() {
        for (duration, text) in [(Duration::ZERO, "0"), (Duration::from_nanos(1), "0.000000001")] {
            let line = written(
                Format::Text,
                Level::Info,
                "m",
                &mut [("duration", Value::Seconds(duration))],
            );
            assert!(line.ends_with(&format!(" duration={text}")), "{line}");
        }
    }
}
