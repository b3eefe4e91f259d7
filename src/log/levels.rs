//! Which lines are important enough. Reads the words; the filtering is `env_logger`'s.

use ::log::LevelFilter;

/// The name of our targets, in `RUST_LOG` and for the filter.
pub(super) const OURS: &str = "smokescreen";

/// The least important lines that are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Levels {
    /// Of this program, decisions included.
    pub ours: LevelFilter,
    /// Of the crates that it uses.
    pub others: LevelFilter,
}

impl Default for Levels {
    fn default() -> Levels {
        Levels::all(LevelFilter::Info)
    }
}

impl Levels {
    /// One level for everything.
    pub fn all(level: LevelFilter) -> Levels {
        Levels {
            ours: level,
            others: level,
        }
    }

    /// What `RUST_LOG` says of this program: a level alone, or `smokescreen=LEVEL`, which is the stronger; of several
    /// in a list the last. Nothing else counts, and neither does `off`: a variable that was set for another program
    /// must not empty the audit log.
    pub fn ambient(text: &str) -> Option<Levels> {
        let (mut bare, mut named) = (None, None);
        for directive in text.split(',') {
            match directive.split_once('=') {
                None => bare = level(directive).or(bare),
                Some((target, word)) if target.trim() == OURS => named = level(word).or(named),
                Some(_) => {}
            }
        }
        let ours = named.or(bare)?;
        Some(Levels {
            ours,
            others: bare.unwrap_or(LevelFilter::Info.min(ours)),
        })
    }
}

fn level(word: &str) -> Option<LevelFilter> {
    let level = word.trim().parse().ok();
    level.filter(|level| *level != LevelFilter::Off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_others_does_not_count() {
        for text in [
            "",
            " ",
            "off",
            "OFF",
            "hyper=debug",
            "hyper",
            "hyper=off,tokio=trace",
            "smokescreen=off",
            "smokescreen",
            "smokescreen=",
            "smokescreen=loud",
            "smokescreen::server=debug",
            "smokescreen_client=debug",
            "xsmokescreen=debug",
            "info/^nothing$",
            "=debug",
            "nonsense,,=,off",
            "3",
        ] {
            assert_eq!(Levels::ambient(text), None, "{text}");
        }
    }

    #[test]
    fn a_level_alone_or_ours_counts() {
        use LevelFilter::{Debug, Error, Info, Trace, Warn};
        for (text, ours, others) in [
            ("debug", Debug, Debug),
            (" WARN ", Warn, Warn),
            ("error", Error, Error),
            ("smokescreen=trace", Trace, Info),
            ("smokescreen=warn", Warn, Warn),
            ("hyper=off, smokescreen = debug", Debug, Info),
            ("hyper=trace,debug", Debug, Debug),
            ("warn,smokescreen=debug", Debug, Warn),
            ("smokescreen=debug,warn", Debug, Warn),
            ("smokescreen=debug,smokescreen=error", Error, Error),
            ("smokescreen=debug,off", Debug, Info),
        ] {
            assert_eq!(Levels::ambient(text), Some(Levels { ours, others }), "{text}");
        }
    }
}
