//! The options about the program itself: what it prints, how much it takes on, what it tells, how it runs.

use super::super::options::{OptionRow, Places, SwitchedOnBy};
use super::super::values::{Kind, SizeRange};
use super::row;

/// Any number from 0; the upper limit keeps sums of a few of them far from overflow.
const COUNT: Kind = Kind::Count {
    min: 0,
    max: u32::MAX as u64,
};

const HEAD_BYTES: SizeRange = SizeRange {
    min: 1 << 10,
    max: 16 << 20,
};

pub(super) const GENERAL: &[OptionRow] = &[
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
        "check the options, print the effective configuration as YAML and exit; needs no password",
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

pub(super) const LIMITS: &[OptionRow] = &[
    row(
        "head-bytes-max",
        Kind::Bytes(HEAD_BYTES),
        "largest head of a message",
    )
    .default_is("128KiB"),
    row(
        "head-fields-max",
        Kind::Count { min: 1, max: 1024 },
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
        "most kept-alive connections to origins; fewer where descriptors are few",
    )
    .default_is("1024"),
    row(
        "transport-max-idle-conns-per-host",
        COUNT,
        "most kept-alive connections to one origin",
    )
    .default_is("512"),
];

pub(super) const OBSERVATION: &[OptionRow] = &[
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
    .default_note("a level in RUST_LOG, else info"),
    // The default becomes "on under systemd" together with the feature: until then it would refuse every start there.
    row(
        "log-prefix",
        Kind::Switch,
        "begin each log line with its priority, <3> to <7>, for journald",
    )
    .default_is("false")
    .not_built(SwitchedOnBy::True),
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
        "admin-status",
        Kind::Switch,
        "show the status pages of that port to clients that are not on loopback too",
    )
    .default_is("false")
    .not_built(SwitchedOnBy::True),
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

pub(super) const PROCESS: &[OptionRow] = &[
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
