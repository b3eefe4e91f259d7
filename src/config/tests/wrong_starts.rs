//! Tables of wrong starts and of the words that their errors must have, as far as it can be told without a socket.

use crate::tls::RoleFrom;

use super::*;

/// Whatever the words are, they must be in the error.
fn refused_with(flags: &[&str], file: &str, words: &[&str]) {
    let error = refused(flags, &[], file);
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn bad_values_of_flags() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--deny-range", "10.0.0.0/33"], &["--deny-range", "10.0.0.0/33"]),
        (&["--deny-range", "10.0.0.1"], &["10.0.0.1"]),
        (&["--allow-range", "nonsense"], &["nonsense"]),
        (&["--allow-range", "::/129"], &["::/129"]),
        (&["--deny-address", "10.0.0.300"], &["10.0.0.300"]),
        (&["--deny-address", "10.0.0.1:http"], &["http"]),
        (&["--allow-address", "example.com:80"], &["example.com"]),
        (&["--resolver-address", "127.0.0.1"], &["127.0.0.1", "IP:PORT"]),
        (&["--timeout", "soon"], &["timeout", "soon"]),
        (&["--dns-timeout", "5"], &["dns-timeout", "units"]),
        (
            &["--dns-timeout", "0"],
            &["dns-timeout", "at most 876000h, more than 0"],
        ),
        (&["--timeout", "5"], &["--timeout", "at most 876000h, or 0"]),
        (&["--timeout", "-1s"], &["--timeout"]),
        (&["--stats-socket-file-mode", "999"], &["999", "777"]),
        (&["--max-request-rate", "-1"], &["rate"]),
        (&["--max-concurrent-requests", "-1"], &["concurrent"]),
        (
            &["--max-request-rate", "10", "--max-request-burst", "10"],
            &["--max-request-burst", "exceed"],
        ),
        (
            &["--max-request-rate", "10", "--max-request-burst", "5"],
            &["burst"],
        ),
        (
            &["--max-request-rate", "10.5", "--max-request-burst", "10"],
            &["burst"],
        ),
        (
            &["--max-concurrent-requests", "many"],
            &["max-concurrent-requests", "many"],
        ),
        (
            &["--tls-server-bundle-file", "/nonexistent.pem"],
            &["--tls-server-bundle-file", "/nonexistent.pem"],
        ),
        (
            &["--config-file", "/nonexistent.yaml"],
            &["--config-file", "/nonexistent.yaml"],
        ),
        (
            &["--egress-acl-file", "/nonexistent-acl.yaml"],
            &["/nonexistent-acl.yaml"],
        ),
        (
            &["--disable-acl-policy-action", "yolo"],
            &["yolo", "open, report, enforce"],
        ),
        (&["--listen-port", "65536"], &["--listen-port", "65535"]),
        (&["--listen-port", "99999"], &["port"]),
        (&["--listen-port", "-1"], &["port"]),
        (&["--listen-port", "http"], &["port"]),
        (&["--listen-ip", "999.1.1.1"], &["--listen-ip", "999.1.1.1"]),
        (&["--no-such-flag"], &["no-such-flag"]),
        (
            &["--acl-file", "/a"],
            &["--acl-file", "did you mean --egress-acl-file?"],
        ),
        (
            &["-deny-ranges=::/0"],
            &["--deny-ranges", "did you mean --deny-range?"],
        ),
        (
            &["--proxy-password=x"],
            &["--proxy-password", "the environment variable PROXY_PASSWORD?"],
        ),
        (&["stray"], &["unexpected argument 'stray'"]),
        (&["--listen-port"], &["--listen-port"]),
        (
            &["--proxy-protocol-from", "10.0.0.0/8"],
            &["--proxy-protocol-from: --proxy-protocol is needed too"],
        ),
        (
            &["--proxy-protocol", "--proxy-protocol-from", "10.0.0.1"],
            &["--proxy-protocol-from", "10.0.0.1"],
        ),
        (
            &["--verify-sni", "maybe"],
            &["--verify-sni", "off, report, enforce"],
        ),
        (&["--workers", "0"], &["--workers", "from 1"]),
        (
            &["--nat64-prefix", "64:ff9b::/95"],
            &["--nat64-prefix", "64:ff9b::/95", "/32, /40, /48, /56, /64 or /96"],
        ),
        (
            &["--nat64-prefix", "64:ff9b::/96", "--nat64-prefix", "64:ff9b::/96"],
            &["--nat64-prefix: the prefix 64:ff9b::/96 stands here a second time; once is enough"],
        ),
        (
            &["--nat64-prefix=2001:db8::/32", "--nat64-prefix=2001:db8:122::/48"],
            &[
                "--nat64-prefix: the prefixes 2001:db8::/32 and 2001:db8:122::/48 overlap; accepted are those that do not",
            ],
        ),
        (
            &["--nat64-prefix", "10.0.0.0/32"],
            &["--nat64-prefix: \"10.0.0.0/32\" is not valid; accepted is an IPv6 prefix of /32"],
        ),
        (
            &["--nat64-prefix", "64:ff9b::1/96"],
            &[
                "--nat64-prefix: \"64:ff9b::1/96\" is not valid",
                "nothing set behind it",
            ],
        ),
        (&["--sni-ports", "443,https"], &["--sni-ports", "from 1 to 65535"]),
        (&["--ech", "perhaps"], &["--ech", "allow, deny"]),
    ];
    for (flags, words) in cases {
        refused_with(flags, "", words);
    }
}

#[test]
fn bad_files() {
    let cases: &[(&str, &[&str])] = &[
        (
            "no_such_key: 1\n",
            &["line 1, column 1: unknown key \"no_such_key\""],
        ),
        ("ip: [unclosed\n", &["YAML"]),
        (
            "listen_port: 1\n",
            &["line 1, column 1: unknown key \"listen_port\": did you mean port?"],
        ),
        (
            "proxy_password: x\n",
            &["proxy_password", "the environment variable PROXY_PASSWORD?"],
        ),
        ("tls: {certfile: a}\n", &["did you mean tls.cert_file?"]),
        ("port: abc\n", &["line 1, column 7: port: \"abc\""]),
        ("port: 70000\n", &["port", "70000"]),
        ("idle_timeout: soon\n", &["idle_timeout", "soon"]),
        ("deny_ranges: ['10.0.0.0/99']\n", &["10.0.0.0/99"]),
        ("allow_ranges: ['x']\n", &["allow_ranges", "\"x\""]),
        ("allow_addresses: ['1.2.3']\n", &["1.2.3"]),
        ("network: ipx\n", &["ipx", "ip, ip4, ip6"]),
        ("tls: {}\n", &["line 1, column 1: tls: cert_file is missing"]),
        ("tls: {client_ca_files: [/nope.pem]}\n", &["cert_file"]),
        ("tls: {cert_file: /nope.pem}\n", &["tls.cert_file", "/nope.pem"]),
        ("mitm_ca_key_file: /k.pem\n", &["mitm_ca_cert_file is needed too"]),
        ("mitm_ca_cert_file: /k.pem\n", &["mitm_ca_key_file is needed too"]),
        (
            "max_request_rate: 10\nmax_request_burst: 10\n",
            &["line 2", "max_request_burst", "exceed"],
        ),
        ("acl_file: /nope-acl.yaml\n", &["acl_file", "/nope-acl.yaml"]),
        (
            "ip: 127.0.0.1\nip: 127.0.0.2\n",
            &["line 2, column 1", "`ip`", "first on line 1"],
        ),
        (
            "support_proxy_protocol: false\nproxy_protocol_from: [10.0.0.0/8]\n",
            &[
                "line 2",
                "proxy_protocol_from: support_proxy_protocol is needed too",
            ],
        ),
        (
            "support_proxy_protocol: true\nroles_by_source: [{cidr: 10.0.0.0/8, role: web}]\n",
            &[
                "line 2, column 19: roles_by_source: with --proxy-protocol, --proxy-protocol-from is needed too",
            ],
        ),
        (
            "roles_by_source:\n- {cidr: 10.0.0.1, role: a}\n- {cidr: 10.0.0.1/32, role: b}\n",
            &["line 3, column 3: roles_by_source: the range \"10.0.0.1/32\" stands here a second time"],
        ),
        (
            "roles_by_source: [{cidr: '::ffff:10.0.0.1', role: a}]\n",
            &["roles_by_source", "IPv4 not written as IPv6"],
        ),
        (
            "nat64_prefixes: ['64:ff9b::/96', '64:ff9b::/64']\n",
            &["nat64_prefixes: the prefixes 64:ff9b::/96 and 64:ff9b::/64 overlap"],
        ),
        (
            "tls: {role_from: dn}\n",
            &["tls.role_from", "cn, san_uri, san_dns"],
        ),
        ("user: nobody\n", &["user: not available"]),
    ];
    for (file, words) in cases {
        refused_with(&[], file, &[words, &["cfgfile.yaml: line "][..]].concat());
    }
}

#[test]
fn a_variable_that_is_no_option() {
    let error = refused(&[], &[("SMOKESCREEN_DENY_RANGES", "10.0.0.0/8")], "");
    assert_eq!(
        error,
        "SMOKESCREEN_DENY_RANGES: no option has this environment variable: did you mean SMOKESCREEN_DENY_RANGE?"
    );
}

#[test]
fn a_flag_can_complete_what_the_file_began() {
    let bundle = tempfile::NamedTempFile::new().unwrap();
    let path = bundle.path().to_str().unwrap();
    let config = config(&["--tls-server-bundle-file", path], &[], "tls: {}\n");
    assert_eq!(config.tls.unwrap().bundle, bundle.path());
}

#[test]
fn a_missing_feature_is_named_before_a_missing_password() {
    let error = start_with(&["--user=nobody"], &[], "").unwrap_err();
    assert_eq!(error, "--user: not available in this version");
}

#[test]
fn an_acl_that_is_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    refused_with(&["--egress-acl-file", path], "", &[path, "directory"]);
}

#[test]
fn the_sample_file_is_accepted() {
    let config = config(
        &[],
        &[],
        "ip: 127.0.0.1\ndeny_ranges: [9.9.9.0/24]\nallow_ranges:\n- 10.9.0.0/16\ndeny_addresses: [8.8.4.4, '8.8.8.8:443']\n\
         allow_addresses: ['127.0.0.1:8123']\nsupport_proxy_protocol: false\ndeny_message_extra: extra words\n\
         network: ip4\nconnect_timeout: 2s\nidle_timeout: 30s\nexit_timeout: 5s\nread_header_timeout: 10s\n\
         read_timeout: 30s\nwrite_timeout: 30s\ntransport_max_idle_conns: 5\ntransport_max_idle_conns_per_host: 2\n\
         time_connect: false\nmax_concurrent_requests: 0\nmax_request_rate: 0\nmax_request_burst: 0\n\
         max_concurrent_connect_tunnels: 0\nunsafe_allow_private_ranges: false\nstats_socket_file_mode: '200'\n\
         dns_timeout: 3s\n",
    );
    assert_eq!(
        (config.deny.len(), config.deny_message_extra.as_str()),
        (3, "extra words")
    );
    assert_eq!(
        (config.network, config.dns_timeout),
        (Network::V4, Duration::from_secs(3))
    );
}

#[test]
fn what_switches_nothing_on_is_accepted() {
    config(
        &["--reuse-port=false", "--sni-ports=443", "--ech=allow"],
        &[("SMOKESCREEN_ADMIN_STATUS", "false")],
        "upstream_system_roots: false\nsni_ports: [443, 8443]\nnat64_prefixes: []\nroles_by_source: []\n",
    );
}

#[test]
fn the_parts_of_a_certificate_that_name_a_role() {
    let bundle = tempfile::NamedTempFile::new().unwrap();
    let path = bundle.path().to_str().unwrap();
    for (part, role_from) in [
        ("cn", RoleFrom::CommonName),
        ("san_uri", RoleFrom::Uri),
        ("san_dns", RoleFrom::Dns),
    ] {
        let file = format!("tls: {{cert_file: {path}, client_ca_files: [{path}], role_from: {part}}}\n");
        assert_eq!(config(&[], &[], &file).tls.unwrap().role_from, role_from);
    }
    let without = [
        ("role_from: cn", "tls.role_from"),
        ("crl_files: [/dev/null]", "tls.crl_files"),
    ];
    for (key, name) in without {
        let file = format!("tls: {{cert_file: {path}, {key}}}\n");
        refused_with(&[], &file, &[name, "tls.client_ca_files is needed too"]);
    }
}

#[test]
fn go_durations_as_flags() {
    for duration in ["1m30s", "1.5s", "1500ms", "100000000ns", "2h45m", "250us"] {
        config(
            &[
                &format!("--dns-timeout={duration}"),
                &format!("--timeout={duration}"),
            ],
            &[],
            "",
        );
    }
    for none in ["0", "0s", "+0", "0.1ns"] {
        let flags = [
            format!("--timeout={none}"),
            format!("--idle-timeout={none}"),
            format!("--read-timeout={none}"),
            format!("--write-timeout={none}"),
        ];
        let config = config(&flags.each_ref().map(String::as_str), &[], "");
        let limits = [
            config.connect_timeout,
            config.idle_timeout,
            config.read_timeout,
            config.write_timeout,
        ];
        assert_eq!(limits, [None; 4], "{none}");
    }
}

#[test]
fn modes_of_the_statistics_socket() {
    for mode in ["700", "600", "0660", "777"] {
        config(&["--stats-socket-file-mode", mode], &[], "");
    }
}

#[test]
fn a_prefix_is_known_whatever_else_is_wrong() {
    let asked = |flags: &[&str], variables: &[(&str, &str)]| {
        let directory = tempfile::tempdir().unwrap();
        log_prefix(&arguments(flags, &directory, ""), &environment(variables))
    };
    let variable = ("SMOKESCREEN_LOG_PREFIX", "true");
    assert_eq!(asked(&[], &[]), None);
    assert_eq!(asked(&["--log-prefix", "--listen-port", "x"], &[]), Some(true));
    assert_eq!(asked(&["--log-prefix=false"], &[variable]), Some(false));
    assert_eq!(asked(&["--no-such-flag"], &[variable]), Some(true));
    assert_eq!(asked(&["--log-prefix=perhaps"], &[]), None);
}

#[test]
fn a_prefix_is_left_to_standard_error_where_nothing_is_said() {
    assert_eq!(config(&[], &[], "").log_prefix, None);
    assert_eq!(config(&[], &[], "log_prefix: false\n").log_prefix, Some(false));
    assert_eq!(config(&["--log-prefix"], &[], "").log_prefix, Some(true));
}
