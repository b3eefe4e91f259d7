//! The whole way from the three places to a [`Config`], driven by the option table where that is possible.

use crate::policy::Place;

use super::options::{Kind, OptionRow, Places, options};
use super::settings::Settings;
use super::*;

mod table;
mod wrong_starts;

const PASSWORD: (&str, &str) = ("PROXY_PASSWORD", "hunter2");

/// Flags, environment and (if not empty) a file called `cfgfile.yaml`.
fn start_with(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Start, String> {
    let directory = tempfile::tempdir().unwrap();
    let arguments = arguments(flags, &directory, file);
    from_process(&arguments, &environment(variables)).map_err(|error| error.to_string())
}

/// The settings, before anything is checked that takes more than one value.
fn settings_with(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let arguments = arguments(flags, &directory, file);
    flags::read(&arguments)
        .and_then(|flags| Settings::collect(flags, &environment(variables)))
        .map_err(|error| error.to_string())
}

fn arguments(flags: &[&str], directory: &tempfile::TempDir, file: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    if !file.is_empty() {
        let path = directory.path().join("cfgfile.yaml");
        std::fs::write(&path, file).unwrap();
        arguments.extend(["--config-file".into(), path.into()]);
    }
    arguments
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
    pairs.collect()
}

/// The configuration, with a password set.
fn config(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Config {
    let variables = [variables, &[PASSWORD]].concat();
    match start_with(flags, &variables, file) {
        Ok(Start::Run(config)) => *config,
        other => panic!("no configuration: {other:?}"),
    }
}

/// The error, with a password set. Always one line.
fn refused(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    let variables = [variables, &[PASSWORD]].concat();
    match start_with(flags, &variables, file) {
        Err(error) => {
            assert!(!error.contains('\n'), "{error}");
            error
        }
        Ok(start) => panic!("accepted: {start:?}"),
    }
}

fn printed(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    match start_with(flags, variables, file) {
        Ok(Start::Print(text)) => text,
        other => panic!("nothing printed: {other:?}"),
    }
}

#[test]
fn the_defaults() {
    let config = config(&[], &[], "");
    let seconds = Duration::from_secs;
    assert_eq!((config.listen_ip, config.listen_port), (None, 4750));
    assert_eq!(
        (config.connect_timeout, config.dns_timeout),
        (Some(seconds(10)), seconds(10))
    );
    assert_eq!(
        (config.idle_timeout, config.exit_timeout),
        (Some(seconds(3600)), seconds(300))
    );
    assert_eq!(
        (config.drain_delay, config.read_header_timeout),
        (seconds(0), seconds(30))
    );
    assert_eq!((config.read_timeout, config.write_timeout), (None, None));
    assert_eq!((config.head_bytes_max, config.head_fields_max), (128 * 1024, 256));
    assert!(config.deny.is_empty() && config.allow.is_empty());
    assert!(!config.unsafe_allow_private_ranges && !config.allow_missing_role);
    assert_eq!(config.acl, AclSource::BuiltIn);
    assert!(config.disable_acl_policy_actions.is_empty());
    assert_eq!(
        (
            config.deny_message_extra.as_str(),
            config.deny_status,
            config.deny_explicit
        ),
        ("", 407, true)
    );
    assert_eq!(
        (config.resolver_addresses, config.network),
        (vec![], Network::Any)
    );
    assert_eq!((config.dns_cache_ttl, config.max_connections), (seconds(5), 0));
    assert_eq!(
        (
            config.transport_max_idle_conns,
            config.transport_max_idle_conns_per_host
        ),
        (1024, 512)
    );
    assert_eq!(
        (config.log_format, config.log_levels),
        (Format::Text, Levels::default())
    );
    assert!(config.password.unwrap().accepts(b"Basic eDpodW50ZXIy"));
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let environment = [("SMOKESCREEN_LISTEN_PORT", "2")];
    assert_eq!(
        config(&["--listen-port", "1"], &environment, "port: 3\n").listen_port,
        1
    );
    assert_eq!(config(&[], &environment, "port: 3\n").listen_port, 2);
    assert_eq!(config(&[], &[], "port: 3\n").listen_port, 3);
    assert_eq!(
        config(&[], &[("SMOKESCREEN_LISTEN_PORT", "")], "port: 3\n").listen_port,
        3
    );
}

#[test]
fn a_switch_can_be_switched_off_again() {
    let on = [("SMOKESCREEN_UNSAFE_ALLOW_PRIVATE_RANGES", "true")];
    assert!(config(&[], &on, "").unsafe_allow_private_ranges);
    assert!(!config(&["--unsafe-allow-private-ranges=false"], &on, "").unsafe_allow_private_ranges);
    let off = [("SMOKESCREEN_WATCH", "0")];
    assert!(
        !config(&[], &off, "watch: true\n").allow_missing_role,
        "what is overridden switches nothing on"
    );
}

#[test]
fn an_overridden_value_must_be_valid_all_the_same() {
    assert!(refused(&["--listen-port", "1"], &[], "port: abc\n").contains("abc"));
}

#[test]
fn repeatable_options_add_up() {
    let config = config(
        &[
            "--deny-range",
            "10.0.0.0/8",
            "--deny-range",
            "11.0.0.0/8",
            "--resolver-address",
            "127.0.0.1:53",
        ],
        &[
            ("SMOKESCREEN_DENY_RANGE", "12.0.0.0/8,13.0.0.0/8"),
            ("SMOKESCREEN_RESOLVER_ADDRESS", "[::1]:54"),
        ],
        "deny_addresses: [14.0.0.1]\ndeny_ranges: [14.0.0.0/8]\nresolver_addresses: ['127.0.0.1:55']\nallow_addresses: [1.2.3.4, '1.2.3.4:5']\n",
    );
    let shown = |rules: &[PlacedRule]| -> Vec<String> {
        let with_place = |placed: &PlacedRule| {
            let place = placed.place.to_string();
            let place = place.rsplit('/').next().unwrap_or_default();
            format!("{} {place}", placed.rule)
        };
        rules.iter().map(with_place).collect()
    };
    assert_eq!(
        shown(&config.deny),
        [
            "10.0.0.0/8 --deny-range",
            "11.0.0.0/8 --deny-range",
            "12.0.0.0/8 SMOKESCREEN_DENY_RANGE",
            "13.0.0.0/8 SMOKESCREEN_DENY_RANGE",
            "14.0.0.0/8 cfgfile.yaml:2",
            "14.0.0.1 cfgfile.yaml:1"
        ]
    );
    assert_eq!(
        shown(&config.allow),
        ["1.2.3.4 cfgfile.yaml:4", "1.2.3.4:5 cfgfile.yaml:4"]
    );
    let ports: Vec<u16> = config.resolver_addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [53, 54, 55], "in order of precedence");
}

#[test]
fn the_config_file_may_be_named_by_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    std::fs::write(&path, "port: 3\n").unwrap();
    let config = config(&[], &[("SMOKESCREEN_CONFIG_FILE", path.to_str().unwrap())], "");
    assert_eq!(config.listen_port, 3);
}

#[test]
fn words_become_their_types() {
    let config = config(
        &[
            "--network=ip6",
            "--log-format=json",
            "--log-level=warning",
            "--deny-status=403",
            "--deny-style=reference",
            "--disable-acl-policy-action=report",
            "--disable-acl-policy-action=open",
            "--listen-ip=[::1]",
        ],
        &[],
        "",
    );
    assert_eq!((config.network, config.log_format), (Network::V6, Format::Json));
    assert_eq!(
        (config.log_levels, config.deny_status, config.deny_explicit),
        (Levels::all(log::LevelFilter::Warn), 403, false)
    );
    assert_eq!(config.disable_acl_policy_actions, [Action::Report, Action::Open]);
    assert_eq!(config.listen_ip.as_deref(), Some("::1"));
}

#[test]
fn the_ambient_log_level_counts_only_where_none_is_given() {
    let levels = |flags: &[&str], ambient: &str| config(flags, &[("RUST_LOG", ambient)], "").log_levels;
    assert_eq!(levels(&[], "debug"), Levels::all(log::LevelFilter::Debug));
    assert_eq!(
        levels(&["--log-level=error"], "debug"),
        Levels::all(log::LevelFilter::Error)
    );
    assert_eq!(levels(&[], "hyper=debug"), Levels::default());
    assert_eq!(
        levels(&["--log-level=off"], ""),
        Levels::all(log::LevelFilter::Off)
    );
}

#[test]
fn the_acl_is_built_in_only_with_a_password() {
    let Ok(Start::Run(config)) = start_with(&["--allow-missing-role"], &[], "") else {
        panic!()
    };
    assert_eq!(
        (config.acl.clone(), config.password.is_none()),
        (AclSource::Absent, true)
    );
    let acl = tempfile::NamedTempFile::new().unwrap();
    let path = acl.path().to_str().unwrap();
    let config = self::config(&["--egress-acl-file", path], &[], "");
    assert_eq!(config.acl, AclSource::File(path.into()));
}

#[test]
fn each_way_to_a_role_is_identification_and_only_the_password_brings_an_acl() {
    let users = tempfile::NamedTempFile::new().unwrap();
    let path = users.path().to_str().unwrap();
    let config = self::config(&["--users-file", path], &[("PROXY_PASSWORD", "")], "");
    assert_eq!(config.users_file.as_deref(), Some(users.path()));
    assert_eq!(config.acl, AclSource::Absent);
    let file = "roles_by_source: [{cidr: 10.1.0.0/16, role: ci}, {cidr: '::1', role: local}]\n";
    let config = self::config(&[], &[("PROXY_PASSWORD", "")], file);
    let sources: Vec<String> = config
        .roles_by_source
        .iter()
        .map(|source| format!("{} {}", source.range, source.role))
        .collect();
    assert_eq!(sources, ["10.1.0.0/16 ci", "::1 local"]);
    assert_eq!(config.acl, AclSource::Absent);
    let config = self::config(&["--users-file", path], &[], file);
    assert!(config.password.is_some() && config.acl == AclSource::BuiltIn);
    assert!(start_with(&[], &[], "roles_by_source: []\n").is_err());
}

#[test]
fn without_identification_there_is_no_start() {
    let error = start_with(&[], &[], "").unwrap_err();
    for words in [
        "missing environment variable: PROXY_PASSWORD",
        "client CA",
        "users file",
        "roles_by_source",
        "--allow-missing-role",
    ] {
        assert!(error.contains(words), "{error}");
    }
    assert!(
        start_with(&[], &[("PROXY_PASSWORD", "")], "")
            .unwrap_err()
            .contains("PROXY_PASSWORD")
    );
    assert!(
        start_with(&["--timeout", "soon"], &[], "")
            .unwrap_err()
            .contains("--timeout"),
        "values come first"
    );
    assert!(start_with(&[], &[], "allow_missing_role: true\n").is_ok());
}

#[test]
fn the_password_shows_nowhere() {
    let text = printed(&["--print-config"], &[PASSWORD], "");
    assert!(text.contains("# proxy password: set, not shown\n") && !text.contains(PASSWORD.1));
    assert!(!format!("{:?}", config(&[], &[], "")).contains(PASSWORD.1));
    let secret = "http://user:hunter2@proxy bad";
    assert!(!refused(&["--upstream-http-proxy-addr", secret], &[], "").contains(PASSWORD.1));
}

#[test]
fn printing_the_configuration_needs_no_password_but_valid_values() {
    assert!(printed(&["--print-config"], &[], "").contains("# proxy password: not set\n"));
    assert!(refused(&["--print-config", "--timeout=soon"], &[], "").contains("--timeout"));
    assert!(refused(&["--print-config", "--user=nobody"], &[], "").contains("--user: not available"));
}

#[test]
fn help_and_version_need_nothing_else() {
    for (flag, words) in [
        ("--help", "--listen-port PORT"),
        ("-help", "--listen-port"),
        ("-v", "smokescreen version"),
    ] {
        assert!(printed(&[flag], &[("SMOKESCREEN_LISTEN_PORT", "bad")], "no_such_key: 1\n").contains(words));
    }
}

#[test]
fn the_printed_configuration_can_be_loaded_again() {
    let acl = tempfile::NamedTempFile::new().unwrap();
    let flags = [
        "--listen-ip=[::1]",
        "--deny-range=10.0.0.0/8",
        "--deny-address=[::1]:443",
        "--timeout=1m30s",
        "--head-bytes-max=64KiB",
        "--additional-error-message-on-deny=say \"please\": # twice\n\\o/ é",
        "--resolver-address=127.0.0.1:53",
        "--disable-acl-policy-action=open",
        "--network=ip4",
        "--stats-socket-file-mode=0660",
        "--log-level=debug",
        "--max-request-rate=0.0",
        "--egress-acl-file",
        acl.path().to_str().unwrap(),
    ];
    let environment = [
        ("SMOKESCREEN_ALLOW_MISSING_ROLE", "1"),
        ("SMOKESCREEN_DENY_RANGE", "11.0.0.0/8"),
    ];
    let text = printed(
        &[&flags[..], &["--print-config"]].concat(),
        &environment,
        "drain_delay: 5s\n",
    );
    assert!(text.contains("port: 4750  # default\n"), "{text}");
    assert!(text.contains("connect_timeout: 1m30s  # --timeout\n"), "{text}");
    assert!(
        text.contains("allow_missing_role: true  # SMOKESCREEN_ALLOW_MISSING_ROLE\n"),
        "{text}"
    );
    let shown = |mut config: Config| {
        // Where they are written is what differs.
        for placed in config.deny.iter_mut().chain(&mut config.allow) {
            placed.place = Place::option("somewhere");
        }
        format!("{config:?}")
    };
    let before = config(&flags, &environment, "drain_delay: 5s\n");
    let after = config(&[], &[], &text);
    assert_eq!(shown(before), shown(after));
}

#[test]
fn an_option_that_does_nothing_without_another_is_told_of() {
    for (arguments, told) in [
        (
            &["--admin-status"][..],
            "--admin-status has no effect without --expose-prometheus-metrics",
        ),
        (
            &["--max-request-burst", "5"],
            "--max-request-burst has no effect without --max-request-rate",
        ),
        (&["--admin-status", "--expose-prometheus-metrics"], ""),
        (&["--max-request-burst", "5", "--max-request-rate", "2"], ""),
        (&["--max-request-burst", "0", "--admin-status=false"], ""),
    ] {
        assert_eq!(config(arguments, &[], "").idle_options.concat(), told);
    }
}

#[test]
fn what_does_nothing_is_called_as_it_was_written() {
    let variables = [("SMOKESCREEN_ADMIN_STATUS", "true")];
    let config = config(&[], &variables, "max_request_burst: 5\n");
    let [status, burst] = &config.idle_options[..] else {
        panic!("{:?}", config.idle_options);
    };
    assert!(
        status.contains("without SMOKESCREEN_EXPOSE_PROMETHEUS_METRICS"),
        "{status}"
    );
    assert!(burst.contains("without max_request_rate"), "{burst}");
}
