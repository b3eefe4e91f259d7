//! What no value shows alone: options that need each other, files that must be readable, and features that are not
//! built yet. In this order, so that a mistake is named before a missing feature is.

use std::collections::HashSet;
use std::fs::{self, File};

use crate::policy::ranges::Nat64Prefix;

use super::error::{ConfigError, quoted};
use super::options::{OptionRow, options};
use super::settings::Settings;
use super::source::{Given, Source};
use super::table::clients::{
    PROXY_PROTOCOL, PROXY_PROTOCOL_FROM, ROLES_BY_SOURCE, TLS_CLIENT_CA_FILE, TLS_CRL_FILE, TLS_KEY_FILE,
    TLS_ROLE_FROM, TLS_SERVER_BUNDLE_FILE,
};
use super::table::destinations::{MITM_CA_CERT_FILE, MITM_CA_KEY_FILE, NAT64_PREFIX};
use super::table::operation::{ADMIN_STATUS, EXPOSE_PROMETHEUS_METRICS, MAX_REQUEST_BURST, MAX_REQUEST_RATE};
use super::values::{Kind, Value};

/// Checks everything that takes more than one value to see.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    both_or_none(settings, MITM_CA_CERT_FILE.row(), MITM_CA_KEY_FILE.row())?;
    tls_has_a_certificate(settings)?;
    senders_send_something(settings)?;
    burst_exceeds_rate(settings)?;
    sources_are_distinct(settings)?;
    nat64_prefixes_are_apart(settings)?;
    senders_of_sources_are_known(settings)?;
    for row in options().filter(|row| row.kind == Kind::File) {
        settings.all(row).iter().try_for_each(readable)?;
    }
    for row in options() {
        settings.all(row).iter().try_for_each(|given| built(row, given))?;
    }
    Ok(())
}

/// A sentence for each option that does nothing without another, which is not there.
///
/// # Errors
/// The table's.
pub(super) fn idle(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let (status, metrics) = (ADMIN_STATUS.row(), EXPOSE_PROMETHEUS_METRICS.row());
    let (burst, rate) = (MAX_REQUEST_BURST.row(), MAX_REQUEST_RATE.row());
    let cases = [
        (
            status,
            metrics,
            settings.value(ADMIN_STATUS)? && !settings.value(EXPOSE_PROMETHEUS_METRICS)?,
        ),
        (
            burst,
            rate,
            settings.value(MAX_REQUEST_BURST)? > 0 && settings.value(MAX_REQUEST_RATE)? <= 0.0,
        ),
    ];
    let idle = cases.into_iter().filter(|(.., is_idle)| *is_idle);
    let sentences = idle.filter_map(|(option, other, _)| {
        let source = &settings.one(option)?.source;
        Some(format!(
            "{source} has no effect without {}",
            source.spelling_of(other)
        ))
    });
    Ok(sentences.collect())
}

fn both_or_none(settings: &Settings, one: &OptionRow, other: &OptionRow) -> Result<(), ConfigError> {
    needs(settings, one, other)?;
    needs(settings, other, one)
}

fn needs(settings: &Settings, one: &OptionRow, other: &OptionRow) -> Result<(), ConfigError> {
    match (settings.one(one), settings.is_given(other)) {
        (Some(given), false) => Err(ConfigError::at(
            &given.source,
            format!("{} is needed too", given.source.spelling_of(other)),
        )),
        _ => Ok(()),
    }
}

fn tls_has_a_certificate(settings: &Settings) -> Result<(), ConfigError> {
    let certificate = TLS_SERVER_BUNDLE_FILE.row();
    for one in [
        TLS_KEY_FILE.row(),
        TLS_CLIENT_CA_FILE.row(),
        TLS_CRL_FILE.row(),
        TLS_ROLE_FROM.row(),
    ] {
        needs(settings, one, certificate)?;
    }
    for one in [TLS_CRL_FILE.row(), TLS_ROLE_FROM.row()] {
        needs(settings, one, TLS_CLIENT_CA_FILE.row())?;
    }
    match &settings.tls_at {
        Some(at) if !settings.is_given(certificate) => {
            Err(ConfigError::new(format!("{at}: cert_file is missing")))
        }
        _ => Ok(()),
    }
}

/// A list of who may send headers that nobody asks for would keep nobody out.
fn senders_send_something(settings: &Settings) -> Result<(), ConfigError> {
    match settings.one(PROXY_PROTOCOL_FROM.row()) {
        Some(given) if !settings.value(PROXY_PROTOCOL)? => Err(ConfigError::at(
            &given.source,
            format!("{} is needed too", given.source.spelling_of(PROXY_PROTOCOL.row())),
        )),
        _ => Ok(()),
    }
}

/// A burst at or below the rate would be no burst. Zero stands for twice the rate.
fn burst_exceeds_rate(settings: &Settings) -> Result<(), ConfigError> {
    let (Some(burst), Some(rate)) = (
        settings.one(MAX_REQUEST_BURST.row()),
        settings.one(MAX_REQUEST_RATE.row()),
    ) else {
        return Ok(());
    };
    let requests = settings.value(MAX_REQUEST_BURST)? as f64;
    let per_second = settings.value(MAX_REQUEST_RATE)?;
    if requests > 0.0 && requests <= per_second {
        return Err(ConfigError::at(
            &burst.source,
            format!(
                "the burst {} must exceed the rate {}",
                quoted(&burst.text),
                quoted(&rate.text)
            ),
        ));
    }
    Ok(())
}

/// Of two roles for one range none could be told to be the right one.
fn sources_are_distinct(settings: &Settings) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    for given in settings.all(ROLES_BY_SOURCE.row()) {
        if let Value::SourceRole(source) = &given.value
            && !seen.insert(source.range)
        {
            let (range, _) = given.text.split_once(": ").unwrap_or_default();
            let words = format!("the range {} stands here a second time", quoted(range));
            return Err(ConfigError::at(&given.source, words));
        }
    }
    Ok(())
}

/// What an address carries must not depend on which prefix is looked at first.
fn nat64_prefixes_are_apart(settings: &Settings) -> Result<(), ConfigError> {
    let mut seen: Vec<&Nat64Prefix> = Vec::new();
    for given in settings.all(NAT64_PREFIX.row()) {
        let Value::Nat64Prefix(prefix) = &given.value else {
            continue;
        };
        if let Some(other) = seen.iter().find(|other| other.overlaps(prefix)) {
            let words = match *other == prefix {
                true => format!("the prefix {prefix} stands here a second time; once is enough"),
                false => format!("the prefixes {other} and {prefix} overlap; accepted are those that do not"),
            };
            return Err(ConfigError::at(&given.source, words));
        }
        seen.push(prefix);
    }
    Ok(())
}

/// Whoever may send a PROXY header may claim any address, and its role with it.
fn senders_of_sources_are_known(settings: &Settings) -> Result<(), ConfigError> {
    let with_headers = settings.value(PROXY_PROTOCOL)?;
    match settings.one(ROLES_BY_SOURCE.row()) {
        Some(given) if with_headers && !settings.is_given(PROXY_PROTOCOL_FROM.row()) => {
            let (option, from) = (PROXY_PROTOCOL.row().label(), PROXY_PROTOCOL_FROM.row().label());
            let words = format!("with {option}, {from} is needed too: anybody else could claim any address");
            Err(ConfigError::at(&given.source, words))
        }
        _ => Ok(()),
    }
}

/// A file that cannot be read is named before anything is bound.
fn readable(given: &Given) -> Result<(), ConfigError> {
    let path = &given.text;
    let refuse = |why: String| ConfigError::at(&given.source, format!("cannot read {}: {why}", quoted(path)));
    let metadata = fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
    if metadata.is_dir() {
        return Err(refuse("it is a directory, a file is expected".to_owned()));
    }
    // Opening a pipe would wait for its writer, and take away what only the real reader may have.
    if metadata.is_file() {
        File::open(path).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// Refuses a value that asks for something this version cannot do.
fn built(row: &OptionRow, given: &Given) -> Result<(), ConfigError> {
    // A default never asks for anything.
    if row.not_built && !matches!(given.source, Source::Default(_)) {
        return Err(ConfigError::at(&given.source, "not available in this version"));
    }
    Ok(())
}
