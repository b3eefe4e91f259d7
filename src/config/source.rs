//! Where a value was given: flag, environment, file or nowhere (default). Only names places; it reads none.

use std::fmt;
use std::sync::Arc;

use crate::policy::Place;
use crate::yaml::Position;

use super::row::OptionRow;
use super::values::Value;

/// Where one value of an option comes from. Displayed as the user spelled the option there.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// On the command line.
    Flag(&'static OptionRow),
    /// In the environment.
    Environment(&'static OptionRow),
    /// In the file named by `--config-file`.
    File {
        file: Arc<str>,
        at: Position,
        row: &'static OptionRow,
    },
    /// Nowhere: the table's default.
    Default(&'static OptionRow),
}

impl Source {
    /// For rules, which keep it while the program runs.
    pub(super) fn place(&self) -> Place {
        match self {
            Source::File { file, at, .. } => Place::in_file(file.clone(), at.line),
            Source::Flag(_) | Source::Environment(_) | Source::Default(_) => Place::option(&self.to_string()),
        }
    }

    /// How another option is spelled in the same place; for "needs X too".
    pub(super) fn spelling_of(&self, other: &OptionRow) -> String {
        match self {
            Source::File { .. } => other.key(),
            Source::Environment(_) => other.environment(),
            Source::Flag(_) | Source::Default(_) => other.label(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(row) | Source::Default(row) => f.write_str(&row.label()),
            Source::Environment(row) => f.write_str(&row.environment()),
            Source::File { file, at, row } => write!(f, "{file}: {at}: {}", row.key()),
        }
    }
}

/// One value as it was written, not yet understood.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The option it belongs to.
    pub(super) row: &'static OptionRow,
    /// The text; `true` for a switch that was merely named.
    pub(super) text: String,
    /// Where it stands.
    pub(super) source: Source,
}

/// One value as it was written and understood.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// As it was written.
    pub(super) text: String,
    /// As it was understood.
    pub(super) value: Value,
    /// Where it was written.
    pub(super) source: Source,
}
