//! Properties of every row of the option table.

use super::*;

/// A valid value that differs from the row's default, and one that no row of the kind takes.
fn samples(kind: Kind) -> (String, &'static str) {
    let (good, bad) = match kind {
        Kind::Switch => ("true", "perhaps"),
        Kind::Duration | Kind::PositiveDuration => ("1h2m3.5s", "soon"),
        Kind::Port => ("1234", "65536"),
        Kind::Ports => ("443,9443", "443,0"),
        Kind::Count { .. } => ("77", "many"),
        Kind::Bytes(_) => ("33KiB", "33KB"),
        Kind::Fraction => ("2.5", "-1"),
        Kind::ListenHost => ("fly-local-6pn", "999.1.1.1"),
        Kind::SocketAddress => ("[::1]:53", "127.0.0.1"),
        Kind::Address => ("10.0.0.1:443", "10.0.0.300"),
        Kind::Cidr => ("10.0.0.0/8", "10.0.0.0/33"),
        Kind::Nat64Prefix => ("64:ff9b::/96", "64:ff9b::/95"),
        Kind::File | Kind::Path => ("/nonexistent/a b", ""),
        Kind::Choice(words) => return (words.last().unwrap().to_string(), "yolo"),
        Kind::Text => ("some text", "bad\u{7}text"),
        Kind::FileMode => ("0660", "999"),
        Kind::ProxyUrl => ("http://proxy.example:3128", "ftp://proxy"),
        Kind::UrlPath => ("/m", "m"),
        Kind::SourceRoles => ("10.0.0.0/8: web", "web: web"),
    };
    (good.to_owned(), bad)
}

fn flag(row: &OptionRow, value: &str) -> String {
    format!("--{}={value}", row.flag)
}

/// The file that gives one value to the row.
fn yaml(row: &OptionRow, value: &str) -> String {
    let quoted = format!("\"{}\"", value.replace('\u{7}', "\\a"));
    let value = match row.kind {
        Kind::SourceRoles => {
            let (cidr, role) = value.split_once(": ").unwrap();
            format!("[{{cidr: {cidr}, role: {role}}}]")
        }
        _ if row.repeatable => format!("[{quoted}]"),
        _ => quoted,
    };
    match row.key().split_once('.') {
        Some((mapping, key)) => format!("{mapping}: {{{key}: {value}}}\n"),
        None => format!("{}: {value}\n", row.key()),
    }
}

/// The value of the row that counts, without where it comes from.
fn value_of(row: &OptionRow, settings: Result<Settings, String>) -> Vec<String> {
    let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", row.label()));
    settings
        .all(row)
        .iter()
        .map(|given| format!("{:?}", given.value))
        .collect()
}

#[test]
fn names_are_unique_and_well_formed() {
    let mut seen = std::collections::HashSet::new();
    for row in options() {
        for name in [
            Some(row.name().to_owned()),
            (!row.short.is_empty()).then(|| row.short.to_owned()),
            row.has_environment().then(|| row.environment()),
            (row.has_key() && row.key() != row.name()).then(|| row.key()),
        ] {
            assert!(
                name.as_ref().is_none_or(|name| seen.insert(name.clone())),
                "{name:?} twice"
            );
        }
        assert_eq!(
            row.flag.is_empty(),
            row.places == Places::FileOnly,
            "{}",
            row.label()
        );
        assert!(
            row.flag
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
        );
        assert!(row.short.len() <= 1 && row.flag.len() != 1);
        assert!(!row.meaning.is_empty() && !row.meaning.contains('\n'));
    }
}

#[test]
fn defaults_are_valid_and_switch_nothing_on() {
    for row in options().filter(|row| !row.default.is_empty()) {
        assert!(
            row.kind.parse(row.default).is_some(),
            "{}: {}",
            row.label(),
            row.default
        );
        assert!(
            !row.repeatable,
            "{}: a default would be added to what is given",
            row.label()
        );
    }
    config(&[], &[], "");
}

#[test]
fn flag_environment_and_file_agree() {
    for row in options().filter(|row| row.places == Places::Everywhere) {
        let (good, _) = samples(row.kind);
        let by_flag = value_of(row, settings_with(&[&flag(row, &good)], &[], ""));
        let by_environment = value_of(row, settings_with(&[], &[(&row.environment(), &good)], ""));
        let by_file = value_of(row, settings_with(&[], &[], &yaml(row, &good)));
        assert_eq!(by_flag.len(), 1, "{}", row.label());
        assert_eq!(by_flag, by_environment, "{}", row.label());
        assert_eq!(by_flag, by_file, "{}", row.label());
        let default = value_of(row, settings_with(&[], &[], ""));
        assert_ne!(
            by_flag,
            default,
            "{}: the sample should differ from the default",
            row.label()
        );
    }
}

#[test]
fn a_bad_value_is_refused_by_name_in_every_place() {
    for row in options() {
        let (_, bad) = samples(row.kind);
        if row.has_flag() {
            let error = refused_settings(&[&flag(row, bad)], &[], "");
            assert!(error.starts_with(&format!("--{}: ", row.flag)), "{error}");
        }
        if row.has_environment() && !bad.is_empty() {
            let error = refused_settings(&[], &[(&row.environment(), bad)], "");
            assert!(error.starts_with(&format!("{}: ", row.environment())), "{error}");
        }
        if row.has_key() {
            let error = refused_settings(&[], &[], &yaml(row, bad));
            let place = format!(": {}: ", row.key());
            assert!(
                error.contains("cfgfile.yaml: line 1, column ") && error.contains(&place),
                "{error}"
            );
            assert!(error.contains("accepted is"), "{error}");
        }
    }
}

fn refused_settings(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    match settings_with(flags, variables, file) {
        Err(error) => error,
        Ok(_) => panic!("accepted: {flags:?} {variables:?} {file}"),
    }
}

/// A value that would switch the row's feature on; files are given one that is there.
fn switching_on(row: &OptionRow, file: &str) -> String {
    match row.kind {
        Kind::File => file.to_owned(),
        kind => samples(kind).0,
    }
}

#[test]
fn what_is_not_built_is_refused_by_name_and_only_when_switched_on() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for row in options().filter(|row| row.has_flag() && row.not_built) {
        let given = flag(row, &switching_on(row, file));
        let flags = [given.as_str()];
        let error = refused(&flags, &[], "");
        assert!(error.ends_with(": not available in this version"), "{error}");
        assert!(error.starts_with(&format!("--{}", row.flag)), "{error}");
        if !row.default.is_empty() {
            config(&[&flag(row, row.default)], &[], "");
        }
    }
}

#[test]
fn what_is_built_is_accepted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for row in options().filter(|row| row.places == Places::Everywhere && !row.not_built) {
        let given = flag(row, &switching_on(row, file));
        let bundle = ["--tls-server-bundle-file", file];
        let needed: &[&[&str]] = match row.flag {
            "tls-client-ca-file" => &[&bundle],
            "tls-crl-file" => &[&bundle, &["--tls-client-ca-file", file]],
            "proxy-protocol-from" => &[&["--proxy-protocol"]],
            "mitm-ca-cert-file" => &[&["--mitm-ca-key-file", file]],
            "mitm-ca-key-file" => &[&["--mitm-ca-cert-file", file]],
            _ => &[],
        };
        config(&[&[given.as_str()], needed.concat().as_slice()].concat(), &[], "");
    }
}

#[test]
fn keys_and_variables_that_files_in_use_have() {
    for (flag, key) in [
        ("listen-ip", "ip"),
        ("listen-port", "port"),
        ("timeout", "connect_timeout"),
        ("dns-timeout", "dns_timeout"),
        ("proxy-protocol", "support_proxy_protocol"),
        ("deny-range", "deny_ranges"),
        ("allow-address", "allow_addresses"),
        ("egress-acl-file", "acl_file"),
        ("disable-acl-policy-action", "disable_acl_policy_actions"),
        ("additional-error-message-on-deny", "deny_message_extra"),
        ("resolver-address", "resolver_addresses"),
        ("tls-server-bundle-file", "tls.cert_file"),
        ("tls-client-ca-file", "tls.client_ca_files"),
        ("tls-crl-file", "tls.crl_files"),
        ("nat64-prefix", "nat64_prefixes"),
        ("sni-ports", "sni_ports"),
        ("upstream_system_roots", "upstream_system_roots"),
        ("roles_by_source", "roles_by_source"),
    ] {
        assert_eq!(options::option(flag).unwrap().key(), key);
    }
    assert_eq!(
        options::option("deny-range").unwrap().environment(),
        "SMOKESCREEN_DENY_RANGE"
    );
}
