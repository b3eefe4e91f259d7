//! The one option table: every flag, environment variable and YAML key, with limits, default and meaning.
//! Nothing here reads or checks a value; a row is a fact, the other files of this room act on it.

use super::options::{Group, OptionRow, Places, SwitchedOnBy};
use super::values::{Kind, SizeRange};

/// A row, abbreviated because the table is read as a table.
const fn row(flag: &'static str, kind: Kind, meaning: &'static str) -> OptionRow {
    OptionRow::new(flag, kind, meaning)
}

/// Any number from 0; the upper limit keeps sums of a few of them far from overflow.
const COUNT: Kind = Kind::Count {
    min: 0,
    max: u32::MAX as u64,
};

const HEAD_BYTES: SizeRange = SizeRange {
    min: 1 << 10,
    max: 16 << 20,
};

/// The whole table, in the order of `--help`.
pub static GROUPS: &[Group] = &[
    Group {
        title: "General",
        rows: GENERAL,
    },
    Group {
        title: "Listening",
        rows: LISTENING,
    },
    Group {
        title: "Time limits",
        rows: TIME_LIMITS,
    },
    Group {
        title: "Who is asking",
        rows: IDENTIFICATION,
    },
    Group {
        title: "Where it may go",
        rows: DESTINATIONS,
    },
    Group {
        title: "Names",
        rows: NAMES,
    },
    Group {
        title: "Upstreams and interception",
        rows: UPSTREAMS,
    },
    Group {
        title: "Limits",
        rows: LIMITS,
    },
    Group {
        title: "Logs and metrics",
        rows: OBSERVATION,
    },
    Group {
        title: "Process",
        rows: PROCESS,
    },
];

const GENERAL: &[OptionRow] = &[
    row("help", Kind::Switch, "print this text and exit")
        .short_is("h")
        .default_is("false")
        .only(Places::FlagOnly),
    row("version", Kind::Switch, "print the version and exit")
        .short_is("v")
        .default_is("false")
        .only(Places::FlagOnly),
    row(
        "print-config",
        Kind::Switch,
        "check everything, print the effective configuration as YAML and exit; needs no password",
    )
    .default_is("false")
    .only(Places::FlagOnly),
    row(
        "config-file",
        Kind::Path,
        "YAML file with options; unknown keys are errors",
    )
    .only(Places::NotInFile),
];

const LISTENING: &[OptionRow] = &[
    row("listen-ip", Kind::ListenHost, "address or host name to listen on")
        .key_is("ip")
        .default_note("any, IPv6 and IPv4"),
    row(
        "listen-port",
        Kind::Port,
        "port to listen on; 0 = any free one, the start line says which",
    )
    .key_is("port")
    .default_is("4750"),
    row(
        "proxy-protocol",
        Kind::Switch,
        "require a PROXY protocol header (v1 or v2) on every connection",
    )
    .key_is("support_proxy_protocol")
    .default_is("false")
    .not_built(SwitchedOnBy::True),
    row(
        "proxy-protocol-from",
        Kind::Cidr,
        "who may send a PROXY protocol header; repeatable",
    )
    .repeatable()
    .default_note("any, with a warning")
    .not_built(SwitchedOnBy::Presence),
];

const TIME_LIMITS: &[OptionRow] = &[
    row(
        "timeout",
        Kind::Duration,
        "longest wait for a connection to a destination; 0 = the kernel's limit",
    )
    .key_is("connect_timeout")
    .default_is("10s"),
    row(
        "dns-timeout",
        Kind::PositiveDuration,
        "longest wait for the resolver",
    )
    .default_is("5s"),
    row(
        "idle-timeout",
        Kind::Duration,
        "a tunnel without a byte either way ends after this; caps client keep-alive (60s) too; 0 = never",
    )
    .default_is("1h"),
    row(
        "exit-timeout",
        Kind::Duration,
        "at shutdown, how long open tunnels may go on",
    )
    .default_is("300s"),
    row(
        "drain-delay",
        Kind::Duration,
        "at shutdown, time between \"not ready\" and closing the listener",
    )
    .default_is("0"),
    row(
        "read-header-timeout",
        Kind::PositiveDuration,
        "longest time a client may take for a request's head",
    )
    .default_is("30s"),
    row(
        "read-timeout",
        Kind::Duration,
        "longest pause while reading a body; 0 = no limit",
    )
    .default_is("0"),
    row(
        "write-timeout",
        Kind::Duration,
        "longest pause while writing; 0 = no limit",
    )
    .default_is("0"),
];

const IDENTIFICATION: &[OptionRow] = &[
    row(
        "allow-missing-role",
        Kind::Switch,
        "serve clients without credentials too, under the ACL's default rule",
    )
    .default_is("false"),
    row(
        "tls-server-bundle-file",
        Kind::File,
        "PEM file with certificate and key: TLS to clients",
    )
    .key_is("tls.cert_file")
    .not_built(SwitchedOnBy::Presence),
    OptionRow::in_file(
        "tls.key_file",
        Kind::File,
        "PEM file with the key, where it is not in tls.cert_file",
    )
    .not_built(SwitchedOnBy::Presence),
    row(
        "tls-client-ca-file",
        Kind::File,
        "PEM file with CAs that client certificates are verified against; repeatable",
    )
    .key_is("tls.client_ca_files")
    .repeatable()
    .not_built(SwitchedOnBy::Presence),
    row(
        "tls-crl-file",
        Kind::File,
        "file with revoked client certificates; repeatable",
    )
    .key_is("tls.crl_files")
    .repeatable()
    .not_built(SwitchedOnBy::Presence),
    OptionRow::in_file(
        "tls.role_from",
        Kind::Choice(&["cn"]),
        "the part of a client certificate that names the role",
    )
    .not_built(SwitchedOnBy::Presence),
    row(
        "users-file",
        Kind::File,
        "file with user names and password hashes",
    )
    .not_built(SwitchedOnBy::Presence),
    OptionRow::in_file(
        "roles_by_source",
        Kind::SourceRoles,
        "mapping of client addresses or ranges to roles",
    )
    .not_built(SwitchedOnBy::Presence),
];

const DESTINATIONS: &[OptionRow] = &[
    row("deny-range", Kind::Cidr, "addresses to deny; repeatable")
        .key_is("deny_ranges")
        .repeatable(),
    row(
        "allow-range",
        Kind::Cidr,
        "addresses to allow, whatever else denies them; repeatable",
    )
    .key_is("allow_ranges")
    .repeatable(),
    row(
        "deny-address",
        Kind::Address,
        "address to deny, at one port or all; repeatable",
    )
    .key_is("deny_addresses")
    .repeatable(),
    row(
        "allow-address",
        Kind::Address,
        "address to allow, at one port or all; repeatable",
    )
    .key_is("allow_addresses")
    .repeatable(),
    row(
        "unsafe-allow-private-ranges",
        Kind::Switch,
        "allow private and other special-purpose addresses",
    )
    .default_is("false"),
    row(
        "egress-acl-file",
        Kind::File,
        "YAML file that says which role may reach which hosts",
    )
    .key_is("acl_file")
    .default_note("with a password: the built-in acl.yaml; otherwise none, every host is allowed"),
    row(
        "disable-acl-policy-action",
        Kind::Choice(&["open", "report", "enforce"]),
        "refuse ACLs that use this action; repeatable",
    )
    .key_is("disable_acl_policy_actions")
    .repeatable(),
    row(
        "additional-error-message-on-deny",
        Kind::Text,
        "text that follows every error of ours",
    )
    .key_is("deny_message_extra"),
    row(
        "deny-status",
        Kind::Choice(&["407", "403"]),
        "status of a denied request",
    )
    .placeholder_is("CODE")
    .default_is("407"),
];

const NAMES: &[OptionRow] = &[
    row(
        "resolver-address",
        Kind::SocketAddress,
        "DNS server to ask instead of the system's; repeatable, asked in order",
    )
    .key_is("resolver_addresses")
    .repeatable()
    .default_note("the system's resolver"),
    row(
        "network",
        Kind::Choice(&["ip", "ip4", "ip6"]),
        "address families to connect to, literals too",
    )
    .default_is("ip"),
    row(
        "dns-cache-ttl",
        Kind::Duration,
        "longest time an answer is reused; 0 = never",
    )
    .default_is("5s"),
];

const UPSTREAMS: &[OptionRow] = &[
    row(
        "upstream-http-proxy-addr",
        Kind::ProxyUrl,
        "proxy to send http requests through",
    )
    .not_built(SwitchedOnBy::Presence),
    row(
        "upstream-https-proxy-addr",
        Kind::ProxyUrl,
        "proxy to send tunnels through",
    )
    .not_built(SwitchedOnBy::Presence),
    row(
        "upstream-ca-file",
        Kind::File,
        "PEM file with CAs that origins and upstream proxies are verified against",
    )
    .default_note("the system's CAs")
    .not_built(SwitchedOnBy::Presence),
    row(
        "mitm-ca-cert-file",
        Kind::File,
        "PEM file with the CA certificate that signs for intercepted hosts",
    )
    .not_built(SwitchedOnBy::Presence),
    row("mitm-ca-key-file", Kind::File, "PEM file with that CA's key").not_built(SwitchedOnBy::Presence),
    // The default becomes `report` together with the feature: until then it would refuse every start.
    row(
        "verify-sni",
        Kind::Choice(&["off", "report", "enforce"]),
        "compare a tunnel's TLS server name with the host asked for",
    )
    .default_is("off")
    .not_built(SwitchedOnBy::NotOff),
];

const LIMITS: &[OptionRow] = &[
    row(
        "head-bytes-max",
        Kind::Bytes(HEAD_BYTES),
        "largest head of a message",
    )
    .default_is("128KiB"),
    row(
        "head-fields-max",
        Kind::Count { min: 1, max: 4096 },
        "most header fields of a message",
    )
    .default_is("256"),
    row(
        "max-connections",
        COUNT,
        "most client connections at a time; 0 = from the descriptor limit",
    )
    .default_is("0"),
    row(
        "max-connections-per-client",
        COUNT,
        "most connections of one client address; 0 = unlimited",
    )
    .default_is("0")
    .not_built(SwitchedOnBy::MoreThan(0)),
    row(
        "max-concurrent-requests",
        COUNT,
        "most requests at a time; 0 = unlimited",
    )
    .default_is("0")
    .not_built(SwitchedOnBy::MoreThan(0)),
    row(
        "max-request-rate",
        Kind::Fraction,
        "requests per second; 0 = unlimited",
    )
    .placeholder_is("RATE")
    .default_is("0")
    .not_built(SwitchedOnBy::MoreThan(0)),
    row(
        "max-request-burst",
        COUNT,
        "requests at once beyond the rate; 0 = twice the rate",
    )
    .default_is("0")
    .not_built(SwitchedOnBy::MoreThan(0)),
    row(
        "max-concurrent-connect-tunnels",
        COUNT,
        "most tunnels at a time; 0 = unlimited",
    )
    .default_is("0")
    .not_built(SwitchedOnBy::MoreThan(0)),
    row(
        "transport-max-idle-conns",
        COUNT,
        "most kept-alive connections to origins",
    )
    .default_is("100"),
    row(
        "transport-max-idle-conns-per-host",
        COUNT,
        "most kept-alive connections to one origin",
    )
    .default_is("8"),
];

const OBSERVATION: &[OptionRow] = &[
    row(
        "log-format",
        Kind::Choice(&["text", "json"]),
        "form of the log lines",
    )
    .default_is("text"),
    row(
        "log-level",
        Kind::Choice(&["off", "error", "warn", "warning", "info", "debug", "trace"]),
        "least important lines to log",
    )
    .placeholder_is("LEVEL")
    .default_note("what RUST_LOG says, else info"),
    row("time-connect", Kind::Switch, "measure the time of each connect")
        .default_is("false")
        .not_built(SwitchedOnBy::True),
    row(
        "expose-prometheus-metrics",
        Kind::Switch,
        "serve metrics, /healthz and /readyz",
    )
    .default_is("false")
    .not_built(SwitchedOnBy::True),
    row("prometheus-endpoint", Kind::UrlPath, "path of the metrics").default_is("/metrics"),
    row(
        "prometheus-listen-ip",
        Kind::ListenHost,
        "address to serve metrics on",
    )
    .default_is("0.0.0.0"),
    row("prometheus-port", Kind::Port, "port to serve metrics on").default_is("9810"),
    row(
        "statsd-address",
        Kind::SocketAddress,
        "StatsD server to send metrics to",
    )
    .not_built(SwitchedOnBy::Presence),
    row(
        "stats-socket-dir",
        Kind::Path,
        "directory for a socket that answers with statistics",
    )
    .placeholder_is("DIR")
    .not_built(SwitchedOnBy::Presence),
    row(
        "stats-socket-file-mode",
        Kind::FileMode,
        "permissions of that socket, octal",
    )
    .default_is("700"),
];

const PROCESS: &[OptionRow] = &[
    row(
        "workers",
        Kind::Count { min: 1, max: 1024 },
        "number of event loops",
    )
    .default_is("1")
    .not_built(SwitchedOnBy::MoreThan(1)),
    row("watch", Kind::Switch, "reload files when they change")
        .default_is("false")
        .not_built(SwitchedOnBy::True),
    row(
        "recheck-tunnels",
        Kind::Switch,
        "end tunnels that a reloaded ACL no longer allows",
    )
    .default_is("false")
    .not_built(SwitchedOnBy::True),
    row("user", Kind::Text, "user to become once the ports are open")
        .placeholder_is("NAME")
        .not_built(SwitchedOnBy::Presence),
    // Accepted although there is no sandbox yet: it switches nothing on.
    row("no-sandbox", Kind::Switch, "do without the sandbox").default_is("false"),
];
