//! An option together with the type of its value: a name that is misspelt or a value of another type does not compile.
//! Says how a row is written in `table`, and what a value becomes; which values count is `settings`' business.
//!
//! Every option begins as one that may be absent, an `Opt<Option<T>>`. A default makes it an `Opt<T>`, being repeatable
//! an `Opt<Vec<T>>`.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::ProxyUrl;
use crate::policy::SourceRole;
use crate::policy::ranges::{Nat64Prefix, PlacedRule};

use super::row::{OptionRow, Places};
use super::source::Given;
use super::values::{Kind, SizeRange, Value};
use super::words::Word;

/// A row of the option table whose values are of this type.
#[derive(Debug)]
pub struct Opt<T> {
    pub(super) row: OptionRow,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Opt<T> {
    fn clone(&self) -> Opt<T> {
        *self
    }
}

impl<T> Copy for Opt<T> {}

/// How long something may take; none is without limit, which people write as 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TimeLimit(pub(super) Option<Duration>);

/// Makes the functions that rows of one kind begin with.
macro_rules! kinds {
    ($($name:ident: $kind:expr => $type:ty;)+) => {
        $(pub(super) const fn $name(flag: &'static str, meaning: &'static str) -> Opt<$type> {
            Opt::of(OptionRow::new(flag, $kind, meaning))
        })+
    };
}

/// Upper limit of a number that needs none: sums of a few stay far from overflow.
const COUNT_MAX: u64 = u32::MAX as u64;

kinds! {
    switch: Kind::Switch => Option<bool>;
    duration: Kind::Duration => Option<Duration>;
    time_limit: Kind::Duration => Option<TimeLimit>;
    positive_duration: Kind::PositiveDuration => Option<Duration>;
    port: Kind::Port => Option<u16>;
    ports: Kind::Ports => Option<Box<[u16]>>;
    count: Kind::Count { min: 0, max: COUNT_MAX } => Option<usize>;
    fraction: Kind::Fraction => Option<f64>;
    listen_host: Kind::ListenHost => Option<String>;
    socket_address: Kind::SocketAddress => Option<SocketAddr>;
    address_rule: Kind::Address => Option<PlacedRule>;
    range_rule: Kind::Cidr => Option<PlacedRule>;
    nat64_prefix: Kind::Nat64Prefix => Option<Nat64Prefix>;
    file: Kind::File => Option<PathBuf>;
    path: Kind::Path => Option<PathBuf>;
    text: Kind::Text => Option<String>;
    file_mode: Kind::FileMode => Option<u32>;
    proxy_url: Kind::ProxyUrl => Option<ProxyUrl>;
    url_path: Kind::UrlPath => Option<String>;
    source_roles: Kind::SourceRoles => Vec<SourceRole>;
}

pub(super) const fn count_from(
    min: u64,
    max: u64,
    flag: &'static str,
    meaning: &'static str,
) -> Opt<Option<usize>> {
    Opt::of(OptionRow::new(flag, Kind::Count { min, max }, meaning))
}

pub(super) const fn bytes(range: SizeRange, flag: &'static str, meaning: &'static str) -> Opt<Option<usize>> {
    Opt::of(OptionRow::new(flag, Kind::Bytes(range), meaning))
}

/// One of the words that stand for a value of the type.
pub(super) const fn choice<W: Word>(flag: &'static str, meaning: &'static str) -> Opt<Option<W>> {
    Opt::of(OptionRow::new(flag, Kind::Choice(W::WORDS), meaning))
}

impl<T> Opt<T> {
    const fn of(row: OptionRow) -> Opt<T> {
        Opt {
            row,
            value: PhantomData,
        }
    }

    /// The row, for whoever asks what is said of the option.
    pub const fn row(&self) -> &OptionRow {
        &self.row
    }

    /// Is it this option's row?
    pub(super) fn is(&self, row: &OptionRow) -> bool {
        self.row.name() == row.name()
    }

    pub(super) const fn key_is(self, yaml_key: &'static str) -> Opt<T> {
        Opt::of(OptionRow { yaml_key, ..self.row })
    }

    /// Only the file knows it, by the name that was given for a flag.
    pub(super) const fn in_file_only(self) -> Opt<T> {
        Opt::of(OptionRow {
            flag: "",
            yaml_key: self.row.flag,
            places: Places::FileOnly,
            ..self.row
        })
    }

    pub(super) const fn short_is(self, short: &'static str) -> Opt<T> {
        Opt::of(OptionRow { short, ..self.row })
    }

    pub(super) const fn default_note(self, default_note: &'static str) -> Opt<T> {
        Opt::of(OptionRow {
            default_note,
            ..self.row
        })
    }

    pub(super) const fn placeholder_is(self, placeholder: &'static str) -> Opt<T> {
        Opt::of(OptionRow {
            placeholder,
            ..self.row
        })
    }

    pub(super) const fn only(self, places: Places) -> Opt<T> {
        Opt::of(OptionRow { places, ..self.row })
    }

    pub(super) const fn not_built(self) -> Opt<T> {
        Opt::of(OptionRow {
            not_built: true,
            ..self.row
        })
    }
}

impl<T> Opt<Option<T>> {
    /// From now on it always has a value.
    pub(super) const fn default_is(self, default: &'static str) -> Opt<T> {
        Opt::of(OptionRow { default, ..self.row })
    }

    /// It may be given several times.
    pub(super) const fn repeatable(self) -> Opt<Vec<T>> {
        Opt::of(OptionRow {
            repeatable: true,
            ..self.row
        })
    }
}

/// What a value of an option becomes.
pub(super) trait FromGiven: Sized {
    /// None where the value is of another kind; the functions above let no such option be made.
    fn from_given(given: &Given) -> Option<Self>;
}

/// Makes the types of those values that need no more than to be taken out.
macro_rules! taken_out {
    ($($pattern:pat => $value:expr, $type:ty;)+) => {
        $(impl FromGiven for $type {
            fn from_given(given: &Given) -> Option<$type> {
                match &given.value {
                    $pattern => $value,
                    _ => None,
                }
            }
        })+
    };
}

taken_out! {
    Value::Switch(on) => Some(*on), bool;
    Value::Duration(duration) => Some(*duration), Duration;
    Value::Duration(limit) => Some(TimeLimit(Some(*limit).filter(|limit| !limit.is_zero()))), TimeLimit;
    Value::Number(number) => u16::try_from(*number).ok(), u16;
    Value::Number(number) => u32::try_from(*number).ok(), u32;
    Value::Number(number) => usize::try_from(*number).ok(), usize;
    Value::Fraction(number) => Some(*number), f64;
    Value::Socket(address) => Some(*address), SocketAddr;
    Value::SourceRole(source) => Some(source.clone()), SourceRole;
    Value::Nat64Prefix(prefix) => Some(*prefix), Nat64Prefix;
    Value::ProxyUrl(url) => Some(url.clone()), ProxyUrl;
    Value::Ports(ports) => Some(ports.clone()), Box<[u16]>;
    Value::Text(text) => Some(text.clone()), String;
    Value::Text(path) => Some(PathBuf::from(path)), PathBuf;
}

impl FromGiven for PlacedRule {
    fn from_given(given: &Given) -> Option<PlacedRule> {
        match given.value {
            Value::Rule(rule) => Some(rule.at(given.source.place())),
            _ => None,
        }
    }
}

impl<W: Word> FromGiven for W {
    fn from_given(given: &Given) -> Option<W> {
        W::from_word(&given.text)
    }
}
