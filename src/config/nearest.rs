//! Which accepted name somebody meant who wrote another: the same option as it is spelled elsewhere, what another
//! proxy calls it, or the name that looks most like it. It only words a hint; nothing is accepted because of it.

use crate::text::nearest::nearest;

use super::options::{ENVIRONMENT_PREFIX, OptionRow, options};
use super::row::{PASSWORD, PASSWORD_FILE};
use super::table::clients::{ALLOW_MISSING_ROLE, EXIT_TIMEOUT, LISTEN_IP};
use super::table::destinations::{
    EGRESS_ACL_FILE, RESOLVER_ADDRESS, UNSAFE_ALLOW_PRIVATE_RANGES, UPSTREAM_HTTP_PROXY_ADDR,
    UPSTREAM_HTTPS_PROXY_ADDR,
};
use super::table::operation::{CONFIG_FILE, LOG_LEVEL, MAX_CONNECTIONS, PROMETHEUS_PORT};

/// Where the name stands, and in whose spelling the hint is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In the configuration file.
    File,
}

/// What other versions, wrappers and proxies call an option (flags without dashes), in plain spelling.
const ALIASES: &[(&str, &OptionRow)] = &[
    ("acl", &EGRESS_ACL_FILE.row),
    ("allow-missing-credentials", &ALLOW_MISSING_ROLE.row),
    ("bind", &LISTEN_IP.row),
    ("config", &CONFIG_FILE.row),
    (
        "danger-allow-access-to-private-ranges",
        &UNSAFE_ALLOW_PRIVATE_RANGES.row,
    ),
    ("dns", &RESOLVER_ADDRESS.row),
    ("dns-resolver", &RESOLVER_ADDRESS.row),
    ("dns-server", &RESOLVER_ADDRESS.row),
    ("host", &LISTEN_IP.row),
    ("https-proxy", &UPSTREAM_HTTPS_PROXY_ADDR.row),
    ("http-proxy", &UPSTREAM_HTTP_PROXY_ADDR.row),
    ("listen", &LISTEN_IP.row),
    ("listen-addr", &LISTEN_IP.row),
    ("listen-address", &LISTEN_IP.row),
    ("max-conns", &MAX_CONNECTIONS.row),
    ("metrics-port", &PROMETHEUS_PORT.row),
    ("nameserver", &RESOLVER_ADDRESS.row),
    ("resolver", &RESOLVER_ADDRESS.row),
    ("shutdown-timeout", &EXIT_TIMEOUT.row),
    ("verbose", &LOG_LEVEL.row),
];

/// What the password is called by those who look for it among the options.
const PASSWORDS: &[(&str, &str)] = &[
    ("auth", PASSWORD),
    ("password", PASSWORD),
    ("password-file", PASSWORD_FILE),
    ("proxy-auth", PASSWORD),
    ("proxy-password", PASSWORD),
    ("proxy-password-file", PASSWORD_FILE),
];

/// What a name may stand for.
#[derive(Clone, Copy)]
enum Meant {
    Option(&'static OptionRow),
    Variable(&'static str),
}

/// `did you mean NAME?`, in the spelling of the place; nothing where no name comes near.
pub(super) fn hint(place: Place, name: &str) -> Option<String> {
    let name = plain(name);
    let names = || derived().chain(aliases());
    let meant = match names().find(|(known, _)| *known == name) {
        Some((_, meant)) => meant,
        None => nearest(names(), &name)?,
    };
    Some(format!("did you mean {}?", spelled(meant, place)))
}

/// One spelling for all places: lower case, words joined by dashes, without prefix.
fn plain(name: &str) -> String {
    name.strip_prefix(ENVIRONMENT_PREFIX)
        .unwrap_or(name)
        .to_lowercase()
        .replace(['_', '.', ' '], "-")
        .trim_matches('-')
        .to_owned()
}

/// All flags and keys.
fn derived() -> impl Iterator<Item = (String, Meant)> {
    options()
        .flat_map(|row| {
            [
                (plain(row.flag), Meant::Option(row)),
                (plain(&row.key()), Meant::Option(row)),
            ]
        })
        .filter(|(name, _)| !name.is_empty())
}

fn aliases() -> impl Iterator<Item = (String, Meant)> {
    let options = ALIASES.iter().map(|(alias, row)| (*alias, Meant::Option(row)));
    let passwords = PASSWORDS
        .iter()
        .map(|(alias, variable)| (*alias, Meant::Variable(variable)));
    options
        .chain(passwords)
        .map(|(alias, meant)| (alias.to_owned(), meant))
}

fn spelled(meant: Meant, place: Place) -> String {
    let row = match meant {
        Meant::Option(row) => row,
        Meant::Variable(name) if place == Place::Environment => return name.to_owned(),
        Meant::Variable(name) => return format!("the environment variable {name}"),
    };
    match place {
        Place::Environment if row.has_environment() => row.environment(),
        Place::File if row.has_key() => row.key(),
        _ if row.has_flag() => row.label(),
        _ => format!("the key {} of --config-file", row.key()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_stand_for_options_and_are_none() {
        for (alias, row) in ALIASES {
            assert!(options().any(|known| known.name() == row.name()), "{alias}");
            assert!(derived().all(|(known, _)| known != *alias), "{alias}");
            assert_eq!(plain(alias), *alias);
        }
        assert_eq!(aliases().count(), ALIASES.len() + PASSWORDS.len());
    }

    #[test]
    fn every_name_is_found_from_every_other_place() {
        for row in options() {
            for name in [row.label(), row.environment(), row.key()] {
                if plain(&name).is_empty() {
                    continue;
                }
                for place in [Place::Flag, Place::Environment, Place::File] {
                    let meant = hint(place, &name).unwrap_or_else(|| panic!("{name}"));
                    assert_eq!(
                        meant,
                        format!("did you mean {}?", spelled(Meant::Option(row), place)),
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_nearest_name_is_meant() {
        for (place, name, meant) in [
            (Place::Flag, "acl-file", "--egress-acl-file"),
            (Place::Flag, "acl_file", "--egress-acl-file"),
            (Place::Flag, "port", "--listen-port"),
            (Place::Flag, "deny-ranges", "--deny-range"),
            (Place::Flag, "denyrange", "--deny-range"),
            (Place::Flag, "exit-timout", "--exit-timeout"),
            (Place::Flag, "max-conns", "--max-connections"),
            (
                Place::Flag,
                "proxy-password",
                "the environment variable PROXY_PASSWORD",
            ),
            (Place::Flag, "config", "--config-file"),
            (Place::File, "listen_port", "port"),
            (Place::File, "listenPort", "port"),
            (Place::File, "deny_range", "deny_ranges"),
            (Place::File, "egress_acl_file", "acl_file"),
            (Place::File, "timeout", "connect_timeout"),
            (
                Place::File,
                "proxy_password",
                "the environment variable PROXY_PASSWORD",
            ),
            (
                Place::File,
                "PROXY_PASSWORD_FILE",
                "the environment variable PROXY_PASSWORD_FILE",
            ),
            (Place::File, "tls.certfile", "tls.cert_file"),
            (Place::File, "config_file", "--config-file"),
            (Place::File, "SMOKESCREEN_DENY_RANGE", "deny_ranges"),
            (
                Place::File,
                "danger_allow_access_to_private_ranges",
                "unsafe_allow_private_ranges",
            ),
        ] {
            assert_eq!(
                hint(place, name),
                Some(format!("did you mean {meant}?")),
                "{name}"
            );
        }
    }

    #[test]
    fn strangers_get_no_hint() {
        for name in ["", "x", "-", "qqqqqq", "<<", "no-such-flag", "no_such_key", "é"] {
            assert_eq!(hint(Place::Flag, name), None, "{name}");
        }
    }
}
