//! The environment: one variable per option, lists separated by commas. The lookup is injected.
//!
//! Variables that are no option's are not complained about: orchestrators put `SMOKESCREEN_SERVICE_HOST` and the
//! like beside a service of that name.

use std::ffi::OsString;

use super::error::ConfigError;
use super::options::options;
use super::source::{Source, Written};

/// How the environment is asked: a name, and the value if the variable is set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The value of one variable; one that is set but empty counts as not set.
pub(super) fn variable(environment: Lookup<'_>, name: &str) -> Result<Option<String>, ConfigError> {
    let Some(value) = environment(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.into_string() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(ConfigError::new(format!("{name}: the value is not UTF-8 text"))),
    }
}

/// Asks for every option's variable.
pub(super) fn read(environment: Lookup<'_>) -> Result<Vec<Written>, ConfigError> {
    let mut all = Vec::new();
    for row in options().filter(|row| row.has_environment()) {
        let Some(value) = variable(environment, &row.environment())? else {
            continue;
        };
        let written = |text: &str| Written {
            row,
            text: text.to_owned(),
            source: Source::Environment(row),
        };
        if row.repeatable {
            all.extend(
                value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(written),
            );
        } else {
            all.push(written(&value));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_separated_by_commas() {
        let environment = |name: &str| (name == "SMOKESCREEN_DENY_RANGE").then(|| "10.0.0.0/8, ::/0,".into());
        let all = read(&environment).unwrap();
        assert_eq!(
            all.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(),
            ["10.0.0.0/8", "::/0"]
        );
        assert!(all.iter().all(|w| w.row.flag == "deny-range"));
    }

    #[test]
    fn texts_are_not_split_and_empty_means_unset() {
        let text =
            |name: &str| (name == "SMOKESCREEN_ADDITIONAL_ERROR_MESSAGE_ON_DENY").then(|| "a, b".into());
        assert_eq!(read(&text).unwrap()[0].text, "a, b");
        assert!(read(&|_| Some(OsString::new())).unwrap().is_empty());
    }

    #[test]
    fn help_and_version_are_not_asked_for() {
        let asked = std::cell::RefCell::new(Vec::new());
        read(&|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .unwrap();
        let asked = asked.into_inner();
        assert!(asked.contains(&"SMOKESCREEN_CONFIG_FILE".to_owned()));
        for name in [
            "SMOKESCREEN_HELP",
            "SMOKESCREEN_VERSION",
            "SMOKESCREEN_PRINT_CONFIG",
            "SMOKESCREEN_",
        ] {
            assert!(!asked.contains(&name.to_owned()), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_not_overlooked() {
        use std::os::unix::ffi::OsStringExt;
        let environment =
            |name: &str| (name == "SMOKESCREEN_DENY_RANGE").then(|| OsString::from_vec(vec![0xff]));
        assert!(
            read(&environment)
                .unwrap_err()
                .to_string()
                .starts_with("SMOKESCREEN_DENY_RANGE: ")
        );
    }
}
