//! The options about clients: where they connect, how long they may take, and who they are.

use super::super::options::{OptionRow, SwitchedOnBy};
use super::super::values::Kind;
use super::row;

pub(super) const LISTENING: &[OptionRow] = &[
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
        "reuse-port",
        Kind::Switch,
        "let another instance listen on the same port too (SO_REUSEPORT)",
    )
    .default_is("false")
    .not_built(SwitchedOnBy::True),
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

pub(super) const TIME_LIMITS: &[OptionRow] = &[
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
        "longest wait for the resolver; the system's waits 5s for a silent first server",
    )
    .default_is("10s"),
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

pub(super) const IDENTIFICATION: &[OptionRow] = &[
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
        Kind::Choice(&["cn", "san_uri", "san_dns"]),
        "the part of a client certificate that names the role",
    )
    .default_note("cn")
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
        "roles of client addresses or ranges; the longest prefix counts",
    )
    .not_built(SwitchedOnBy::Presence),
];
