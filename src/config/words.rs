//! Options that are one of a few words: the words, and what each stands for. A row of the table takes its words from
//! here, so that it can list none that nobody understands.

use log::LevelFilter;

use crate::log::Format;
use crate::net::Network;
use crate::policy::VerifySni;
use crate::policy::acl::Action;
use crate::tls::RoleFrom;

/// A type that words stand for.
pub(super) trait Word: Copy + Sized {
    /// The words.
    const WORDS: &'static [&'static str];

    /// What one stands for; none for other words.
    fn from_word(word: &str) -> Option<Self>;
}

/// Makes a type's words and what they stand for from one list.
macro_rules! words {
    ($($type:ty: $($word:literal => $value:expr),+;)+) => {
        $(impl Word for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn from_word(word: &str) -> Option<$type> {
                match word {
                    $($word => Some($value),)+
                    _ => None,
                }
            }
        })+
    };
}

/// The status of a denied request.
#[derive(Clone, Copy, Debug)]
pub(super) struct DenyStatus(pub(super) u16);

/// Does the status line of a denied request say why?
#[derive(Clone, Copy, Debug)]
pub(super) struct DenyStyle {
    pub(super) is_explicit: bool,
}

/// What is thought of hellos that may hide a server name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ech {
    pub(super) is_denied: bool,
}

words! {
    Network: "ip" => Network::Any, "ip4" => Network::V4, "ip6" => Network::V6;
    Format: "text" => Format::Text, "json" => Format::Json;
    Action: "open" => Action::Open, "report" => Action::Report, "enforce" => Action::Enforce;
    RoleFrom: "cn" => RoleFrom::CommonName, "san_uri" => RoleFrom::Uri, "san_dns" => RoleFrom::Dns;
    DenyStatus: "407" => DenyStatus(407), "403" => DenyStatus(403);
    DenyStyle: "explicit" => DenyStyle { is_explicit: true }, "reference" => DenyStyle { is_explicit: false };
    VerifySni: "off" => VerifySni::Off, "report" => VerifySni::Report, "enforce" => VerifySni::Enforce;
    Ech: "allow" => Ech { is_denied: false }, "deny" => Ech { is_denied: true };
    // `warning` is logrus' word, `warn` the log crate's.
    LevelFilter: "off" => LevelFilter::Off, "error" => LevelFilter::Error, "warn" => LevelFilter::Warn,
        "warning" => LevelFilter::Warn, "info" => LevelFilter::Info, "debug" => LevelFilter::Debug,
        "trace" => LevelFilter::Trace;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_other_rooms_are_these() {
        for word in Network::WORDS {
            assert_eq!(Network::from_word(word).map(Network::as_str), Some(*word));
        }
        for word in VerifySni::WORDS {
            assert_eq!(VerifySni::from_word(word).map(VerifySni::as_str), Some(*word));
        }
        for word in Action::WORDS {
            assert_eq!(Action::from_word(word).map(Action::as_str), Some(*word));
            assert_eq!(word.parse().ok(), Action::from_word(word));
        }
    }

    #[test]
    fn other_words_stand_for_nothing() {
        assert!(LevelFilter::from_word("Info").is_none() && LevelFilter::from_word("").is_none());
    }
}
