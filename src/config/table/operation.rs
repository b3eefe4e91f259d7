//! The options about the program itself: what it prints, how much it takes on, what it tells, how it runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use log::LevelFilter;

use crate::log::Format;

use super::super::row::{OptionRow, Places};
use super::super::typed::{
    Opt, bytes, choice, count, count_from, file_mode, fraction, listen_host, path, port, socket_address,
    switch, text, url_path,
};
use super::super::values::SizeRange;

const HEAD_BYTES: SizeRange = SizeRange {
    min: 1 << 10,
    max: 16 << 20,
};

pub(in crate::config) const HELP: Opt<bool> = switch("help", "print this text and exit")
    .short_is("h")
    .default_is("false")
    .only(Places::FlagOnly);

pub(in crate::config) const VERSION: Opt<bool> = switch("version", "print the version and exit")
    .short_is("v")
    .default_is("false")
    .only(Places::FlagOnly);

pub(in crate::config) const PRINT_CONFIG: Opt<bool> = switch(
    "print-config",
    "check the options, print the effective configuration as YAML and exit; needs no password",
)
.default_is("false")
.only(Places::FlagOnly);

pub(in crate::config) const CONFIG_FILE: Opt<Option<PathBuf>> =
    path("config-file", "YAML file with options; unknown keys are errors").only(Places::NotInFile);

pub(super) const GENERAL: &[OptionRow] = &[HELP.row, VERSION.row, PRINT_CONFIG.row, CONFIG_FILE.row];

pub(in crate::config) const HEAD_BYTES_MAX: Opt<usize> =
    bytes(HEAD_BYTES, "head-bytes-max", "largest head of a message").default_is("128KiB");

pub(in crate::config) const HEAD_FIELDS_MAX: Opt<usize> =
    count_from(1, 1024, "head-fields-max", "most header fields of a message").default_is("256");

pub(in crate::config) const MAX_CONNECTIONS: Opt<usize> = count(
    "max-connections",
    "most client connections at a time; 0 = from the descriptor limit",
)
.default_is("0");

pub(in crate::config) const MAX_CONNECTIONS_PER_CLIENT: Opt<usize> = count(
    "max-connections-per-client",
    "most connections of one client (IPv6: of its /64) at a time; 0 = unlimited",
)
.default_is("0");

pub(in crate::config) const MAX_CONCURRENT_REQUESTS: Opt<usize> = count(
    "max-concurrent-requests",
    "most requests at a time, tunnels only until they are open; 0 = unlimited",
)
.default_is("0");

pub(in crate::config) const MAX_REQUEST_RATE: Opt<f64> =
    fraction("max-request-rate", "requests per second; 0 = unlimited")
        .placeholder_is("RATE")
        .default_is("0");

pub(in crate::config) const MAX_REQUEST_BURST: Opt<usize> = count(
    "max-request-burst",
    "requests at once after a quiet time; 0 = twice the rate",
)
.default_is("0");

pub(in crate::config) const MAX_CONCURRENT_CONNECT_TUNNELS: Opt<usize> = count(
    "max-concurrent-connect-tunnels",
    "most tunnels at a time; 0 = unlimited",
)
.default_is("0");

/// Idle connections to origins that are kept.
pub const TRANSPORT_MAX_IDLE_CONNS: Opt<usize> = count(
    "transport-max-idle-conns",
    "most kept-alive connections to origins; fewer where descriptors are few",
)
.default_is("1024");

pub(in crate::config) const TRANSPORT_MAX_IDLE_CONNS_PER_HOST: Opt<usize> = count(
    "transport-max-idle-conns-per-host",
    "most kept-alive connections to one origin",
)
.default_is("512");

pub(super) const LIMITS: &[OptionRow] = &[
    HEAD_BYTES_MAX.row,
    HEAD_FIELDS_MAX.row,
    MAX_CONNECTIONS.row,
    MAX_CONNECTIONS_PER_CLIENT.row,
    MAX_CONCURRENT_REQUESTS.row,
    MAX_REQUEST_RATE.row,
    MAX_REQUEST_BURST.row,
    MAX_CONCURRENT_CONNECT_TUNNELS.row,
    TRANSPORT_MAX_IDLE_CONNS.row,
    TRANSPORT_MAX_IDLE_CONNS_PER_HOST.row,
];

pub(in crate::config) const LOG_FORMAT: Opt<Format> =
    choice("log-format", "form of the log lines").default_is("text");

pub(in crate::config) const LOG_LEVEL: Opt<Option<LevelFilter>> =
    choice("log-level", "least important lines to log")
        .placeholder_is("LEVEL")
        .default_note("a level in RUST_LOG, else info");

pub(in crate::config) const LOG_PREFIX: Opt<Option<bool>> = switch(
    "log-prefix",
    "begin each log line with its priority, <3> to <7>, for journald",
)
.default_note("on where journald reads standard error (JOURNAL_STREAM)");

pub(in crate::config) const TIME_CONNECT: Opt<bool> =
    switch("time-connect", "measure the time of each connect").default_is("false");

pub(in crate::config) const EXPOSE_PROMETHEUS_METRICS: Opt<bool> =
    switch("expose-prometheus-metrics", "serve metrics, /healthz and /readyz").default_is("false");

pub(in crate::config) const PROMETHEUS_ENDPOINT: Opt<String> =
    url_path("prometheus-endpoint", "path of the metrics").default_is("/metrics");

pub(in crate::config) const PROMETHEUS_LISTEN_IP: Opt<String> =
    listen_host("prometheus-listen-ip", "address to serve metrics on").default_is("0.0.0.0");

pub(in crate::config) const PROMETHEUS_PORT: Opt<u16> =
    port("prometheus-port", "port to serve metrics on").default_is("9810");

pub(in crate::config) const ADMIN_STATUS: Opt<bool> = switch(
    "admin-status",
    "show the status pages of that port to clients that are not on loopback too",
)
.default_is("false");

pub(in crate::config) const STATSD_ADDRESS: Opt<Option<SocketAddr>> =
    socket_address("statsd-address", "StatsD server to send metrics to");

pub(in crate::config) const STATS_SOCKET_DIR: Opt<Option<PathBuf>> = path(
    "stats-socket-dir",
    "directory for a socket that answers with statistics",
)
.placeholder_is("DIR");

pub(in crate::config) const STATS_SOCKET_FILE_MODE: Opt<u32> =
    file_mode("stats-socket-file-mode", "permissions of that socket, octal").default_is("700");

pub(super) const OBSERVATION: &[OptionRow] = &[
    LOG_FORMAT.row,
    LOG_LEVEL.row,
    LOG_PREFIX.row,
    TIME_CONNECT.row,
    EXPOSE_PROMETHEUS_METRICS.row,
    PROMETHEUS_ENDPOINT.row,
    PROMETHEUS_LISTEN_IP.row,
    PROMETHEUS_PORT.row,
    ADMIN_STATUS.row,
    STATSD_ADDRESS.row,
    STATS_SOCKET_DIR.row,
    STATS_SOCKET_FILE_MODE.row,
];

pub(in crate::config) const WORKERS: Opt<usize> =
    count_from(1, 256, "workers", "number of event loops").default_is("1");

pub(in crate::config) const WATCH: Opt<bool> =
    switch("watch", "reload files when they change").default_is("false");

pub(in crate::config) const RECHECK_TUNNELS: Opt<bool> = switch(
    "recheck-tunnels",
    "end tunnels that a reloaded ACL no longer allows",
)
.default_is("false");

pub(in crate::config) const USER: Opt<Option<String>> =
    text("user", "user to become once the ports are open")
        .placeholder_is("NAME")
        .not_built();

// Accepted although there is no sandbox yet: it switches nothing on.
pub(in crate::config) const NO_SANDBOX: Opt<bool> =
    switch("no-sandbox", "do without the sandbox").default_is("false");

pub(super) const PROCESS: &[OptionRow] = &[
    WORKERS.row,
    WATCH.row,
    RECHECK_TUNNELS.row,
    USER.row,
    NO_SANDBOX.row,
];
