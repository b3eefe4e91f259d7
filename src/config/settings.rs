//! What flags, environment, file and defaults come to: every value understood, and for each option those that count.
//!
//! Precedence is flag, environment, file, default; the values of a repeatable option add up. A value that does not
//! count must still be valid: an error that only shows once a flag is taken away helps nobody.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::environment::{self, Environment};
use super::error::{ConfigError, quoted};
use super::file::{self, FileContent};
use super::options::{OptionRow, option, options};
use super::source::{Source, Written};
use super::values::Value;
use crate::policy::ranges::PlacedRule;

/// A value that counts.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// As it was written.
    pub(super) text: String,
    /// As it was understood.
    pub(super) value: Value,
    /// Where it was written.
    pub(super) source: Source,
}

/// The values of all options.
#[derive(Debug)]
pub(super) struct Settings {
    by_name: HashMap<&'static str, Vec<Given>>,
    /// Where the file has a mapping `tls`, even an empty one.
    pub(super) tls_at: Option<String>,
}

impl Settings {
    /// Reads environment and file, puts the flags above them, and understands every value.
    pub(super) fn collect(flags: Vec<Written>, environment: &Environment) -> Result<Settings, ConfigError> {
        let variables = environment::read(environment)?;
        let path = flags
            .iter()
            .chain(&variables)
            .find(|written| written.row.flag == "config-file");
        let from_file = match path {
            Some(written) => file::read(&written.text, &written.source)?,
            None => FileContent::default(),
        };
        let mut settings = Settings {
            by_name: HashMap::new(),
            tls_at: from_file.tls_at,
        };
        for level in [flags, variables, from_file.written] {
            settings.add(level)?;
        }
        settings.add_defaults()?;
        Ok(settings)
    }

    /// Adds a level that stands below those already there.
    fn add(&mut self, level: Vec<Written>) -> Result<(), ConfigError> {
        let mut below: HashMap<&'static str, Vec<Given>> = HashMap::new();
        for written in level {
            let row = written.row;
            below.entry(row.name()).or_default().push(understand(written)?);
        }
        for (name, values) in below {
            let adds_up = option(name).is_some_and(|row| row.repeatable);
            let above = self.by_name.entry(name).or_default();
            if adds_up || above.is_empty() {
                above.extend(values);
            }
        }
        Ok(())
    }

    /// The lowest level of all. No repeatable option has a default, so none can be added to what was given.
    fn add_defaults(&mut self) -> Result<(), ConfigError> {
        for row in options().filter(|row| !row.default.is_empty()) {
            self.add(vec![Written {
                row,
                text: row.default.to_owned(),
                source: Source::Default(row),
            }])?;
        }
        Ok(())
    }

    /// The values of an option that count, the most important first.
    pub(super) fn all(&self, name: &str) -> &[Given] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that is not repeatable.
    pub(super) fn one(&self, name: &str) -> Option<&Given> {
        self.all(name).first()
    }

    /// Is there a value, be it the default?
    pub(super) fn is_given(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    pub(super) fn switch(&self, name: &str) -> Result<bool, ConfigError> {
        match self.one(name).map(|given| &given.value) {
            Some(Value::Switch(on)) => Ok(*on),
            None => Ok(false),
            _ => Err(table_error(name, "switch")),
        }
    }

    pub(super) fn duration(&self, name: &str) -> Result<Duration, ConfigError> {
        match self.one(name).map(|given| &given.value) {
            Some(Value::Duration(duration)) => Ok(*duration),
            _ => Err(table_error(name, "duration")),
        }
    }

    /// A number that fits the type asked for.
    pub(super) fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<N, ConfigError> {
        match self.one(name).map(|given| &given.value) {
            Some(Value::Number(number)) => {
                N::try_from(*number).map_err(|_| table_error(name, "number of that size"))
            }
            _ => Err(table_error(name, "number")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.one(name).map(|given| &given.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What the words of an option stand for.
    pub(super) fn words<W: FromStr>(&self, name: &str) -> Result<Vec<W>, ConfigError> {
        let word = |given: &Given| given.text.parse().map_err(|_| table_error(name, "such word"));
        self.all(name).iter().map(word).collect()
    }

    pub(super) fn rules(&self, name: &str) -> Vec<PlacedRule> {
        let rule = |given: &Given| match given.value {
            Value::Rule(rule) => Some(rule.at(given.source.place())),
            _ => None,
        };
        self.all(name).iter().filter_map(rule).collect()
    }

    pub(super) fn sockets(&self, name: &str) -> Vec<SocketAddr> {
        let socket = |given: &Given| match given.value {
            Value::Socket(address) => Some(address),
            _ => None,
        };
        self.all(name).iter().filter_map(socket).collect()
    }
}

/// The code asks for what the table does not hold. Loud, because a silent zero would be a limit switched off; any
/// test that starts a proxy sees it.
fn table_error(name: &str, kind: &str) -> ConfigError {
    ConfigError::new(format!("the option table has no {kind} called {name}"))
}

fn understand(written: Written) -> Result<Given, ConfigError> {
    let Written { row, text, source } = written;
    match row.kind.parse(&text) {
        Some(value) => Ok(Given { text, value, source }),
        None => Err(ConfigError::at(&source, refusal(row, &text))),
    }
}

fn refusal(row: &OptionRow, text: &str) -> String {
    let accepts = row.kind.accepts();
    if row.kind.is_secret() {
        return format!("the value is not valid; accepted is {accepts}");
    }
    format!("{} is not valid; accepted is {accepts}", quoted(text))
}
