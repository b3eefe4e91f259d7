//! The options about clients: where they connect, how long they may take, and who they are.

use std::path::PathBuf;
use std::time::Duration;

use crate::policy::SourceRole;
use crate::policy::ranges::PlacedRule;
use crate::tls::RoleFrom;

use super::super::row::OptionRow;
use super::super::typed::{
    Opt, TimeLimit, choice, duration, file, listen_host, port, positive_duration, range_rule, source_roles,
    switch, time_limit,
};

pub(in crate::config) const LISTEN_IP: Opt<Option<String>> =
    listen_host("listen-ip", "address or host name to listen on")
        .key_is("ip")
        .default_note("any, IPv6 and IPv4");

pub(in crate::config) const LISTEN_PORT: Opt<u16> = port(
    "listen-port",
    "port to listen on; 0 = any free one, the start line says which",
)
.key_is("port")
.default_is("4750");

pub(in crate::config) const REUSE_PORT: Opt<bool> = switch(
    "reuse-port",
    "let another instance listen on the same port too (SO_REUSEPORT)",
)
.default_is("false");

pub(in crate::config) const PROXY_PROTOCOL: Opt<bool> = switch(
    "proxy-protocol",
    "require a PROXY protocol header (v1 or v2) on every connection",
)
.key_is("support_proxy_protocol")
.default_is("false");

pub(in crate::config) const PROXY_PROTOCOL_FROM: Opt<Vec<PlacedRule>> = range_rule(
    "proxy-protocol-from",
    "who may connect with --proxy-protocol, by its own address; others are closed; repeatable",
)
.repeatable()
.default_note("any, with a warning");

pub(super) const LISTENING: &[OptionRow] = &[
    LISTEN_IP.row,
    LISTEN_PORT.row,
    REUSE_PORT.row,
    PROXY_PROTOCOL.row,
    PROXY_PROTOCOL_FROM.row,
];

pub(in crate::config) const TIMEOUT: Opt<TimeLimit> = time_limit(
    "timeout",
    "longest wait for a connection to a destination, TLS included; 0 = the kernel's limit",
)
.key_is("connect_timeout")
.default_is("10s");

pub(in crate::config) const DNS_TIMEOUT: Opt<Duration> = positive_duration(
    "dns-timeout",
    "longest wait for the resolver; the system's waits 5s for a silent first server",
)
.default_is("10s");

pub(in crate::config) const IDLE_TIMEOUT: Opt<TimeLimit> = time_limit(
    "idle-timeout",
    "a tunnel without a byte either way ends after this; caps client keep-alive (60s) too; 0 = never",
)
.default_is("1h");

pub(in crate::config) const EXIT_TIMEOUT: Opt<Duration> =
    duration("exit-timeout", "at shutdown, how long open tunnels may go on").default_is("300s");

pub(in crate::config) const DRAIN_DELAY: Opt<Duration> = duration(
    "drain-delay",
    "at shutdown, time between \"not ready\" and closing the listener",
)
.default_is("0");

pub(in crate::config) const READ_HEADER_TIMEOUT: Opt<Duration> = positive_duration(
    "read-header-timeout",
    "longest time a client may take for a request's head",
)
.default_is("30s");

pub(in crate::config) const READ_TIMEOUT: Opt<TimeLimit> =
    time_limit("read-timeout", "longest pause while reading a body; 0 = no limit").default_is("0");

pub(in crate::config) const WRITE_TIMEOUT: Opt<TimeLimit> =
    time_limit("write-timeout", "longest pause while writing; 0 = no limit").default_is("0");

pub(super) const TIME_LIMITS: &[OptionRow] = &[
    TIMEOUT.row,
    DNS_TIMEOUT.row,
    IDLE_TIMEOUT.row,
    EXIT_TIMEOUT.row,
    DRAIN_DELAY.row,
    READ_HEADER_TIMEOUT.row,
    READ_TIMEOUT.row,
    WRITE_TIMEOUT.row,
];

pub(in crate::config) const ALLOW_MISSING_ROLE: Opt<bool> = switch(
    "allow-missing-role",
    "serve clients without credentials too, under the ACL's default rule",
)
.default_is("false");

pub(in crate::config) const TLS_SERVER_BUNDLE_FILE: Opt<Option<PathBuf>> = file(
    "tls-server-bundle-file",
    "PEM file with certificate and key: TLS to clients",
)
.key_is("tls.cert_file");

pub(in crate::config) const TLS_KEY_FILE: Opt<Option<PathBuf>> = file(
    "tls.key_file",
    "PEM file with the key, where it is not in tls.cert_file",
)
.in_file_only();

pub(in crate::config) const TLS_CLIENT_CA_FILE: Opt<Vec<PathBuf>> = file(
    "tls-client-ca-file",
    "PEM file with CAs that client certificates are verified against; repeatable",
)
.key_is("tls.client_ca_files")
.repeatable();

pub(in crate::config) const TLS_CRL_FILE: Opt<Vec<PathBuf>> = file(
    "tls-crl-file",
    "file with revoked client certificates; repeatable",
)
.key_is("tls.crl_files")
.repeatable();

pub(in crate::config) const TLS_ROLE_FROM: Opt<Option<RoleFrom>> = choice(
    "tls.role_from",
    "the part of a client certificate that names the role",
)
.in_file_only()
.default_note("cn");

pub(in crate::config) const USERS_FILE: Opt<Option<PathBuf>> =
    file("users-file", "file with user names and password hashes");

pub(in crate::config) const ROLES_BY_SOURCE: Opt<Vec<SourceRole>> = source_roles(
    "roles_by_source",
    "roles of client addresses or ranges; the longest prefix counts",
)
.in_file_only();

pub(super) const IDENTIFICATION: &[OptionRow] = &[
    ALLOW_MISSING_ROLE.row,
    TLS_SERVER_BUNDLE_FILE.row,
    TLS_KEY_FILE.row,
    TLS_CLIENT_CA_FILE.row,
    TLS_CRL_FILE.row,
    TLS_ROLE_FROM.row,
    USERS_FILE.row,
    ROLES_BY_SOURCE.row,
];
