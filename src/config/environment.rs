//! The environment: one variable per option, lists separated by commas. The variables are injected.
//!
//! What begins like an option's variable and is none is refused: `SMOKESCREEN_DENY_RANGES` would deny nothing. Left
//! alone is what Kubernetes puts beside a Service whose name begins with "smokescreen".

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::net::NoProxy;
use crate::text::one_line;

use super::error::ConfigError;
use super::nearest::{self, Place};
use super::options::{ENVIRONMENT_PREFIX, options};
use super::source::{Source, Written};

/// The variables of a process. Not to be shown: one of them is the password.
#[derive(Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl FromIterator<(OsString, OsString)> for Environment {
    /// Of a name that is there twice, the first counts, as with getenv(3).
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Environment {
        let mut all = BTreeMap::new();
        for (name, value) in variables {
            all.entry(name).or_insert(value);
        }
        Environment(all)
    }
}

/// The value of one variable; one that is set but empty counts as not set.
pub(super) fn variable(environment: &Environment, name: &str) -> Result<Option<String>, ConfigError> {
    let Some(value) = environment
        .0
        .get(OsStr::new(name))
        .filter(|value| !value.is_empty())
    else {
        return Ok(None);
    };
    match value.to_str() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(ConfigError::new(format!("{name}: the value is not UTF-8 text"))),
    }
}

/// Who goes straight although there is an upstream proxy. It is other programs' variable too: in either case, as Go reads
/// it, and no error where it is no text.
pub(super) fn no_proxy(environment: &Environment) -> NoProxy {
    let mut texts = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .filter_map(|name| variable(environment, name).ok().flatten());
    NoProxy::parse(&texts.next().unwrap_or_default())
}

/// Asks for every option's variable, and refuses what looks like one.
pub(super) fn read(environment: &Environment) -> Result<Vec<Written>, ConfigError> {
    refuse_unknown(environment)?;
    let mut all = Vec::new();
    for row in options().filter(|row| row.has_environment()) {
        let name = row.environment();
        let Some(value) = variable(environment, &name)? else {
            continue;
        };
        if is_of_a_service(&name, OsStr::new(&value)) {
            continue;
        }
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

fn refuse_unknown(environment: &Environment) -> Result<(), ConfigError> {
    for (name, value) in &environment.0 {
        if !name.as_encoded_bytes().starts_with(ENVIRONMENT_PREFIX.as_bytes()) {
            continue;
        }
        let shown = name.to_string_lossy();
        let is_option = options().any(|row| row.has_environment() && *row.environment() == *shown);
        if is_option || is_of_a_service(&shown, value) {
            continue;
        }
        let hint = match nearest::hint(Place::Environment, &shown) {
            Some(hint) => format!(": {hint}"),
            None => "; --help lists all options".to_owned(),
        };
        return Err(ConfigError::new(format!(
            "{}: no option has this environment variable{hint}",
            one_line::without_controls(&shown)
        )));
    }
    Ok(())
}

/// Is it one of those that Kubernetes sets for a Service (`FOO_SERVICE_HOST`, `FOO_SERVICE_PORT[_NAME]`,
/// `FOO_PORT=tcp://...`, `FOO_PORT_80_TCP[_ADDR]`)? The third may have the very name of an option.
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    let is_url = || {
        let value = value.as_encoded_bytes();
        [b"tcp://".as_slice(), b"udp://", b"sctp://"]
            .iter()
            .any(|scheme| value.starts_with(scheme))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url())
        || name
            .match_indices("_PORT_")
            .any(|(at, word)| is_port_and_protocol(name.get(at + word.len()..).unwrap_or_default()))
}

/// `80_TCP`, and what begins so.
fn is_port_and_protocol(text: &str) -> bool {
    let mut words = text.split('_');
    let is_port = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    words.next().is_some_and(is_port) && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
        pairs.collect()
    }

    fn texts(variables: &[(&str, &str)]) -> Vec<String> {
        let all = read(&environment(variables)).unwrap();
        all.into_iter()
            .map(|written| format!("{}={}", written.row.flag, written.text))
            .collect()
    }

    fn refused(name: OsString) -> String {
        let variables = [(name, OsString::from("x"))];
        match read(&variables.into_iter().collect()) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(
            texts(&[("SMOKESCREEN_DENY_RANGE", "10.0.0.0/8, ::/0,")]),
            ["deny-range=10.0.0.0/8", "deny-range=::/0"]
        );
    }

    #[test]
    fn texts_are_not_split_and_empty_means_unset() {
        let name = "SMOKESCREEN_ADDITIONAL_ERROR_MESSAGE_ON_DENY";
        assert_eq!(
            texts(&[(name, "a, b")]),
            ["additional-error-message-on-deny=a, b"]
        );
        assert!(texts(&[(name, ""), ("SMOKESCREEN_DENY_RANGE", "")]).is_empty());
    }

    #[test]
    fn no_proxy_is_read_in_either_case() {
        for (variables, list) in [
            (&[][..], ""),
            (&[("NO_PROXY", "a.test"), ("no_proxy", "b.test")], "a.test"),
            (&[("NO_PROXY", ""), ("no_proxy", "b.test")], "b.test"),
        ] {
            assert_eq!(no_proxy(&environment(variables)), NoProxy::parse(list));
        }
    }

    #[test]
    fn of_two_values_the_first_counts() {
        let twice = [("SMOKESCREEN_TIMEOUT", "1s"), ("SMOKESCREEN_TIMEOUT", "2s")];
        assert_eq!(texts(&twice), ["timeout=1s"]);
    }

    #[test]
    fn a_variable_that_is_no_option_is_refused_with_the_nearest_name() {
        for (name, words) in [
            ("SMOKESCREEN_DENY_RANGES", "did you mean SMOKESCREEN_DENY_RANGE?"),
            (
                "SMOKESCREEN_ACL_FILE",
                "did you mean SMOKESCREEN_EGRESS_ACL_FILE?",
            ),
            ("SMOKESCREEN_PORT", "did you mean SMOKESCREEN_LISTEN_PORT?"),
            ("SMOKESCREEN_TIMEOUTS", "did you mean SMOKESCREEN_TIMEOUT?"),
            (
                "SMOKESCREEN_IDLE_TIMOUT",
                "did you mean SMOKESCREEN_IDLE_TIMEOUT?",
            ),
            ("SMOKESCREEN_deny_range", "did you mean SMOKESCREEN_DENY_RANGE?"),
            ("SMOKESCREEN_PASSWORD", "did you mean PROXY_PASSWORD?"),
            ("SMOKESCREEN_PROXY_PASSWORD", "did you mean PROXY_PASSWORD?"),
            (
                "SMOKESCREEN_PROXY_PASSWORD_FILE",
                "did you mean PROXY_PASSWORD_FILE?",
            ),
            ("SMOKESCREEN_PRINT_CONFIG", "did you mean --print-config?"),
            (
                "SMOKESCREEN_ROLES_BY_SOURCE",
                "did you mean the key roles_by_source of --config-file?",
            ),
            ("SMOKESCREEN_QQQQ", "--help lists all options"),
            ("SMOKESCREEN_", "--help lists all options"),
            (
                "SMOKESCREEN_LISTEN_PORT_",
                "did you mean SMOKESCREEN_LISTEN_PORT?",
            ),
        ] {
            let error = refused(name.into());
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert!(error.contains(words), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_and_values_that_are_no_text_are_not_overlooked() {
        use std::os::unix::ffi::OsStringExt;
        let error = refused(OsString::from_vec(b"SMOKESCREEN_DENY\n_RANGE\xff".to_vec()));
        assert!(error.starts_with("SMOKESCREEN_DENY\\n_RANGE"), "{error}");
        let value = (
            OsString::from("SMOKESCREEN_DENY_RANGE"),
            OsString::from_vec(vec![0xff]),
        );
        let error = read(&[value].into_iter().collect()).unwrap_err().to_string();
        assert!(error.starts_with("SMOKESCREEN_DENY_RANGE: "), "{error}");
        let others = (OsString::from_vec(b"OTHER\xff".to_vec()), OsString::from("x"));
        assert!(read(&[others].into_iter().collect()).unwrap().is_empty());
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_left_alone() {
        assert!(
            texts(&[
                ("SMOKESCREEN_SERVICE_HOST", "10.0.0.11"),
                ("SMOKESCREEN_SERVICE_PORT", "4750"),
                ("SMOKESCREEN_SERVICE_PORT_HTTP_PROXY", "4750"),
                ("SMOKESCREEN_PORT", "tcp://10.0.0.11:4750"),
                ("SMOKESCREEN_PORT_4750_TCP", "tcp://10.0.0.11:4750"),
                ("SMOKESCREEN_PORT_4750_TCP_PROTO", "tcp"),
                ("SMOKESCREEN_PORT_4750_UDP_ADDR", "10.0.0.11"),
                ("SMOKESCREEN_PORT_1_SCTP_PORT", "1"),
                ("SMOKESCREEN_METRICS_SERVICE_HOST", "10.0.0.12"),
                ("SMOKESCREEN_METRICS_PORT_9810_TCP_ADDR", "10.0.0.12"),
                // Of Services called smokescreen-prometheus and smokescreen-listen: options' names.
                ("SMOKESCREEN_PROMETHEUS_PORT", "tcp://10.0.0.13:9810"),
                ("SMOKESCREEN_LISTEN_PORT", "udp://10.0.0.14:1"),
                ("SMOKESCREEN", "x"),
                ("PROXY_PASSWORD", "x"),
                ("smokescreen_deny_ranges", "x"),
            ])
            .is_empty()
        );
        assert_eq!(
            texts(&[("SMOKESCREEN_PROMETHEUS_PORT", "9811")]),
            ["prometheus-port=9811"]
        );
        for name in [
            "SMOKESCREEN_PORT_TCP",
            "SMOKESCREEN_PORT_80X_TCP",
            "SMOKESCREEN_PORT_80_HTTP",
            "SMOKESCREEN_SERVICE",
            "SMOKESCREEN_SERVICE_PORTS",
        ] {
            refused(name.into());
        }
    }
}
