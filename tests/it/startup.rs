//! Start: what is refused and in which words, exit codes, help, version, the effective configuration.

use std::net::TcpListener;

use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::message::get;
use crate::support::origin::Origin;
use crate::support::program::Finished;
use crate::support::proxy::{PASSWORD, Setup};

cases![
    a_missing_password_exits_2_and_names_the_alternatives,
    an_empty_password_is_a_missing_one,
    a_missing_password_leaves_the_port_closed,
    a_password_file_is_a_password,
    a_busy_port_exits_1_and_names_the_address,
    help_lists_every_option_on_stdout,
    version_is_one_line_on_stdout,
    unknown_flags_and_arguments_exit_2,
    values_out_of_range_exit_2_and_name_the_option,
    files_that_cannot_be_read_exit_2_and_are_named,
    configuration_errors_name_file_line_and_key,
    acl_errors_name_file_and_culprit,
    a_typo_in_an_acl_key_is_an_error,
    features_that_are_not_built_are_refused_by_name,
    print_config_shows_the_effective_configuration_without_secrets,
    flags_beat_environment_beats_file,
    lists_of_several_levels_add_up,
    single_dash_long_flags_work,
    the_start_line_names_what_matters,
    a_start_without_an_acl_is_warned_about,
    errors_are_one_line,
];

/// Fails unless the start was refused in one line that has all the words.
#[track_caller]
fn refused(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    let said = finished.stderr.to_lowercase();
    for word in words {
        assert!(
            said.contains(&word.to_lowercase()),
            "{word:?} is not in {:?}",
            finished.stderr
        );
    }
    assert_eq!(
        finished.stderr.trim_end().lines().count(),
        1,
        "{:?}",
        finished.stderr
    );
}

fn a_missing_password_exits_2_and_names_the_alternatives() {
    let finished = Setup::bare().run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("missing environment variable: PROXY_PASSWORD"),
        "{}",
        finished.stderr
    );
    for word in ["--allow-missing-role", "users", "CA"] {
        assert!(
            finished.stderr.contains(word),
            "{word} is not in {}",
            finished.stderr
        );
    }
}

fn an_empty_password_is_a_missing_one() {
    let finished = Setup::bare().env("PROXY_PASSWORD", "").run();
    refused(&finished, 2, &["missing environment variable: PROXY_PASSWORD"]);
}

fn a_missing_password_leaves_the_port_closed() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = reserved.local_addr().expect("its address").port();
    let finished = Setup::bare()
        .option("--listen-ip", "127.0.0.1")
        .option("--listen-port", port.to_string())
        .run();
    refused(&finished, 2, &["PROXY_PASSWORD"]);
}

fn a_password_file_is_a_password() {
    let setup = Setup::bare();
    let path = setup.file("password", &format!("{PASSWORD}\n"));
    let proxy = setup.env("PROXY_PASSWORD_FILE", &path).start();
    let origin = Origin::fixed("in");
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 407);
    let lines = format!("{}\r\n", crate::auth::basic("any", PASSWORD));
    assert_eq!(
        proxy
            .ask(crate::support::message::request("GET", &origin.url("/"), &lines))
            .status,
        200
    );
}

fn a_busy_port_exits_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let setup = Setup::open()
        .option("--listen-ip", "127.0.0.1")
        .option("--listen-port", address.port().to_string());
    let finished = setup.run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = finished.stderr.to_lowercase();
    assert!(
        said.contains(&address.to_string()) && said.contains("in use"),
        "{said}"
    );
}

fn help_lists_every_option_on_stdout() {
    const OPTIONS: &str = "help version config-file listen-ip listen-port timeout dns-timeout idle-timeout exit-timeout \
        drain-delay read-header-timeout read-timeout write-timeout head-bytes-max head-fields-max proxy-protocol \
        proxy-protocol-from deny-range allow-range deny-address allow-address unsafe-allow-private-ranges \
        egress-acl-file disable-acl-policy-action additional-error-message-on-deny deny-status deny-style resolver-address \
        network dns-cache-ttl allow-missing-role tls-server-bundle-file tls-client-ca-file tls-crl-file \
        upstream-http-proxy-addr upstream-https-proxy-addr upstream-ca-file mitm-ca-cert-file mitm-ca-key-file \
        users-file verify-sni expose-prometheus-metrics prometheus-endpoint prometheus-listen-ip prometheus-port \
        statsd-address stats-socket-dir stats-socket-file-mode max-concurrent-requests max-request-rate \
        max-request-burst max-concurrent-connect-tunnels max-connections max-connections-per-client \
        transport-max-idle-conns transport-max-idle-conns-per-host time-connect log-format log-level workers watch \
        recheck-tunnels user no-sandbox print-config";
    for flag in ["--help", "-help"] {
        let finished = Setup::bare().arg(flag).run();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
        let text = finished.text();
        let missing: Vec<&str> = OPTIONS
            .split_whitespace()
            .filter(|option| !text.contains(&format!("--{option}")))
            .collect();
        assert!(missing.is_empty(), "--help does not list {missing:?}");
    }
}

fn version_is_one_line_on_stdout() {
    for flag in ["--version", "-v"] {
        let finished = Setup::bare().arg(flag).run();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
        assert_eq!(finished.text().lines().count(), 1);
        assert!(finished.text().contains(env!("CARGO_PKG_VERSION")) && finished.text().contains("version"));
    }
}

fn unknown_flags_and_arguments_exit_2() {
    refused(&Setup::open().arg("--no-such-flag").run(), 2, &["no-such-flag"]);
    refused(&Setup::open().arg("stray").run(), 2, &["stray"]);
    refused(&Setup::open().arg("--listen-port").run(), 2, &["listen-port"]);
    refused(
        &Setup::open().env("SMOKESCREEN_LISTEN_PORT", "many").run(),
        2,
        &["SMOKESCREEN_LISTEN_PORT", "many"],
    );
}

fn values_out_of_range_exit_2_and_name_the_option() {
    let table: &[(&str, &str)] = &[
        ("--listen-port", "65536"),
        ("--listen-port", "-1"),
        ("--listen-port", "http"),
        ("--listen-ip", "999.1.1.1"),
        ("--timeout", "soon"),
        ("--timeout", "5"),
        ("--timeout", "-1s"),
        ("--dns-timeout", "5"),
        ("--idle-timeout", "1y"),
        ("--deny-range", "10.0.0.0/33"),
        ("--deny-range", "10.0.0.1"),
        ("--allow-range", "::/129"),
        ("--allow-range", "nonsense"),
        ("--deny-address", "10.0.0.300"),
        ("--deny-address", "10.0.0.1:http"),
        ("--allow-address", "example.com:80"),
        ("--allow-address", "0177.0.0.1"),
        ("--resolver-address", "127.0.0.1"),
        ("--resolver-address", "localhost:53"),
        ("--network", "ipx"),
        ("--deny-status", "200"),
        ("--deny-status", "teapot"),
        ("--deny-style", "polite"),
        ("--verify-sni", "maybe"),
        ("--log-format", "xml"),
        ("--stats-socket-file-mode", "999"),
        ("--max-request-rate", "-1"),
        ("--max-concurrent-requests", "-1"),
        ("--max-concurrent-requests", "many"),
        ("--head-bytes-max", "lots"),
        ("--workers", "0"),
        ("--disable-acl-policy-action", "yolo"),
    ];
    for (flag, value) in table {
        let finished = Setup::open().arg(format!("{flag}={value}")).run();
        refused(&finished, 2, &[flag.trim_start_matches('-'), value]);
    }
    let burst = Setup::open()
        .option("--max-request-rate", "10")
        .option("--max-request-burst", "10")
        .run();
    refused(&burst, 2, &["burst"]);
}

fn files_that_cannot_be_read_exit_2_and_are_named() {
    for flag in ["--config-file", "--egress-acl-file"] {
        refused(
            &Setup::open().option(flag, "/nonexistent.yaml").run(),
            2,
            &["/nonexistent.yaml"],
        );
    }
    refused(
        &Setup::bare().env("PROXY_PASSWORD_FILE", "/nonexistent").run(),
        2,
        &["/nonexistent"],
    );
}

fn configuration_errors_name_file_line_and_key() {
    let table: &[(&str, &[&str])] = &[
        (
            "ip: 127.0.0.1\nno_such_key: 1\n",
            &["config.yaml", "no_such_key", "2"],
        ),
        ("ip: [unclosed\n", &["config.yaml"]),
        ("port: abc\n", &["config.yaml", "port", "abc"]),
        ("port: 70000\n", &["config.yaml", "port", "70000"]),
        ("idle_timeout: soon\n", &["config.yaml", "idle_timeout", "soon"]),
        ("deny_ranges: ['10.0.0.0/99']\n", &["config.yaml", "10.0.0.0/99"]),
        ("deny_ranges: 7\n", &["config.yaml", "deny_ranges"]),
        ("allow_addresses: ['1.2.3']\n", &["config.yaml", "1.2.3"]),
        ("network: ipx\n", &["config.yaml", "ipx"]),
        ("ip: 127.0.0.1\nip: 127.0.0.2\n", &["config.yaml", "ip"]),
        ("acl_file: /nope-acl.yaml\n", &["/nope-acl.yaml"]),
    ];
    for (yaml, words) in table {
        refused(&Setup::open().config(yaml).run(), 2, words);
    }
}

fn acl_errors_name_file_and_culprit() {
    let rule = |domains: &str| {
        format!(
            "version: v1\nservices:\n- {{name: a, project: p, action: enforce, allowed_domains: [{domains}]}}\n"
        )
    };
    let table: &[(String, &[&str])] = &[
        ("version: v1\nservices: [\n".to_owned(), &[]),
        ("services: []\n".to_owned(), &["version"]),
        ("version: v2\nservices: []\n".to_owned(), &["v2"]),
        ("version: v1\n".to_owned(), &["services"]),
        ("version: v1\nservices:\n- {name: a, project: p, action: yolo}\n".to_owned(), &["yolo"]),
        ("version: v1\nservices:\n- {name: a, project: p}\n".to_owned(), &["action"]),
        (
            "version: v1\nservices:\n- {name: dup, project: p, action: open}\n- {name: dup, project: p, action: open}\n".to_owned(),
            &["dup"],
        ),
        (rule("'api.*.example.com'"), &["api.*.example.com"]),
        (rule("'*'"), &["*"]),
        (rule("'*.'"), &["*."]),
        (rule("'*example.com'"), &["*example.com"]),
        (rule("'example.*'"), &["example.*"]),
        (rule("''"), &["empty"]),
        (rule("'Example.com'"), &["Example.com", "example.com"]),
    ];
    for (yaml, words) in table {
        let finished = Setup::open().acl(yaml).run();
        refused(&finished, 2, &[&["acl.yaml"], *words].concat());
    }
}

fn a_typo_in_an_acl_key_is_an_error() {
    for (yaml, key) in [
        (
            "version: v1\nservices: []\ngobal_deny_list: [a.test]\n",
            "gobal_deny_list",
        ),
        (
            "version: v1\nservices:\n- {name: a, project: p, action: open, owner: me}\n",
            "owner",
        ),
        ("version: v1\nservices: []\nservices: []\n", "services"),
    ] {
        refused(&Setup::open().acl(yaml).run(), 2, &["acl.yaml", key]);
    }
}

/// The flags are known from the first version on; one whose feature is missing must never be silently accepted.
fn features_that_are_not_built_are_refused_by_name() {
    let finished = Setup::open().option("--user", "nobody").run();
    refused(&finished, 2, &["user"]);
}

fn print_config_shows_the_effective_configuration_without_secrets() {
    let setup = Setup::locked()
        .option("--timeout", "3s")
        .env("SMOKESCREEN_DNS_TIMEOUT", "2s")
        .config("idle_timeout: 1m30s\n");
    let finished = setup.arg("--print-config").run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let text = finished.text();
    assert!(!text.contains(PASSWORD) && !finished.stderr.contains(PASSWORD));
    let yaml: serde_yaml::Mapping = serde_yaml::from_str(&text).expect("YAML");
    let value = |key: &str| {
        yaml.get(key)
            .and_then(serde_yaml::Value::as_str)
            .map(str::to_owned)
    };
    assert_eq!(value("connect_timeout").as_deref(), Some("3s"), "{text}");
    assert_eq!(value("dns_timeout").as_deref(), Some("2s"), "{text}");
    assert_eq!(value("idle_timeout").as_deref(), Some("1m30s"), "{text}");
}

fn flags_beat_environment_beats_file() {
    let file = "connect_timeout: 1s\ndns_timeout: 1s\nidle_timeout: 1s\n";
    let setup = Setup::open()
        .config(file)
        .env("SMOKESCREEN_TIMEOUT", "2s")
        .env("SMOKESCREEN_DNS_TIMEOUT", "2s");
    let finished = setup.option("--timeout", "3s").arg("--print-config").run();
    let text = finished.text();
    for line in ["connect_timeout: 3s", "dns_timeout: 2s", "idle_timeout: 1s"] {
        assert!(
            text.lines().any(|found| found.split("  #").next() == Some(line)),
            "{line} is not in {text}"
        );
    }
}

fn lists_of_several_levels_add_up() {
    let setup = Setup::open()
        .config("deny_addresses: ['44.1.2.3']\n")
        .env("SMOKESCREEN_DENY_ADDRESS", "44.1.2.4");
    let proxy = setup.option("--deny-address", "44.1.2.5").start();
    for ip in ["44.1.2.3", "44.1.2.4", "44.1.2.5"] {
        let response = proxy.ask(get(&format!("http://{ip}:9/")));
        assert_eq!(response.status, 407, "{ip}");
        assert!(
            response.text().contains("Deny: User Configured"),
            "{}",
            response.text()
        );
    }
}

fn single_dash_long_flags_work() {
    let proxy = Setup::open().option("-deny-address", PUBLIC).start();
    assert_eq!(proxy.ask(get(&format!("http://{PUBLIC}:9/"))).status, 407);
}

fn the_start_line_names_what_matters() {
    let proxy = Setup::locked().descriptors(500).start();
    let address = proxy.address().to_string();
    proxy.settle_log();
    let lines = proxy.log();
    let line = lines
        .iter()
        .find(|line| line.contains(&address))
        .expect("a line with the address");
    for word in [env!("CARGO_PKG_VERSION"), "500", "password"] {
        assert!(line.contains(word), "{word} is not in {line}");
    }
    assert!(!lines.join("\n").contains(PASSWORD));
}

fn a_start_without_an_acl_is_warned_about() {
    let warned = |setup: Setup| {
        let proxy = setup.start();
        proxy.settle_log();
        let lines = proxy.log_lines();
        lines
            .iter()
            .filter(|line| !line.says("CANONICAL-PROXY-DECISION"))
            .any(|line| line.get("level") == "warning" && format!("{line:?}").to_lowercase().contains("acl"))
    };
    assert!(warned(Setup::open()));
    assert!(!warned(Setup::locked()));
    assert!(!warned(Setup::open().acl(
        "version: v1\nservices: []\ndefault: {project: p, action: open}\n"
    )));
}

fn errors_are_one_line() {
    let finished = Setup::open()
        .option("--egress-acl-file", "/nonexistent\nlevel=info msg=forged")
        .run();
    assert_eq!(
        (finished.code, finished.stderr.trim_end().lines().count()),
        (Some(2), 1),
        "{finished:?}"
    );
}
