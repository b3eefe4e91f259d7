//! What flags, environment, file and defaults come to: every value understood, and for each option those that count.
//!
//! Precedence is flag, environment, file, default; the values of a repeatable option add up. A value that does not
//! count must still be valid: an error that only shows once a flag is taken away helps nobody.

use std::collections::HashMap;

use super::environment::{self, Environment};
use super::error::{ConfigError, quoted};
use super::file::{self, FileContent};
use super::options::{OptionRow, options};
use super::source::{Given, Source, Written};
use super::table::operation::CONFIG_FILE;
use super::typed::{FromGiven, Opt};

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
            .find(|written| CONFIG_FILE.is(written.row));
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
        let mut below: HashMap<&'static str, (bool, Vec<Given>)> = HashMap::new();
        for written in level {
            let row = written.row;
            let (adds_up, values) = below.entry(row.name()).or_default();
            *adds_up = row.repeatable;
            values.push(understand(written)?);
        }
        for (name, (adds_up, values)) in below {
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
    pub(super) fn all(&self, row: &OptionRow) -> &[Given] {
        self.by_name.get(row.name()).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that is not repeatable.
    pub(super) fn one(&self, row: &OptionRow) -> Option<&Given> {
        self.all(row).first()
    }

    /// Is there a value, be it the default?
    pub(super) fn is_given(&self, row: &OptionRow) -> bool {
        !self.all(row).is_empty()
    }

    /// The value of an option that has a default.
    pub(super) fn value<T: FromGiven>(&self, option: Opt<T>) -> Result<T, ConfigError> {
        let value = self.one(&option.row).and_then(T::from_given);
        value.ok_or_else(|| table_error(&option.row))
    }

    /// The value of an option that may be absent.
    pub(super) fn optional<T: FromGiven>(&self, option: Opt<Option<T>>) -> Result<Option<T>, ConfigError> {
        let value = self.one(&option.row).map(T::from_given);
        value
            .map(|value| value.ok_or_else(|| table_error(&option.row)))
            .transpose()
    }

    /// The values of an option that is repeatable.
    pub(super) fn list<T: FromGiven>(&self, option: Opt<Vec<T>>) -> Result<Vec<T>, ConfigError> {
        let values = self.all(&option.row).iter().map(T::from_given);
        values
            .map(|value| value.ok_or_else(|| table_error(&option.row)))
            .collect()
    }
}

/// What a value was understood as is not what the row's type is made from. Loud, because a silent zero would be a limit
/// switched off; any test that starts a proxy sees it.
fn table_error(row: &OptionRow) -> ConfigError {
    ConfigError::new(format!(
        "the value of {} is of another type than the option",
        row.label()
    ))
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
