//! The options about destinations: which are allowed, how names are resolved, and what stands in between.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::{Network, ProxyUrl};
use crate::policy::VerifySni;
use crate::policy::acl::Action;
use crate::policy::ranges::{Nat64Prefix, PlacedRule};

use super::super::row::OptionRow;
use super::super::typed::{
    Opt, address_rule, choice, duration, file, nat64_prefix, ports, proxy_url, range_rule, socket_address,
    switch, text,
};
use super::super::words::{DenyStatus, DenyStyle, Ech};

pub(in crate::config) const DENY_RANGE: Opt<Vec<PlacedRule>> =
    range_rule("deny-range", "addresses to deny; repeatable")
        .key_is("deny_ranges")
        .repeatable();

pub(in crate::config) const ALLOW_RANGE: Opt<Vec<PlacedRule>> = range_rule(
    "allow-range",
    "addresses to allow, whatever denies them but for our own listener; repeatable",
)
.key_is("allow_ranges")
.repeatable();

pub(in crate::config) const DENY_ADDRESS: Opt<Vec<PlacedRule>> =
    address_rule("deny-address", "address to deny, at one port or all; repeatable")
        .key_is("deny_addresses")
        .repeatable();

pub(in crate::config) const ALLOW_ADDRESS: Opt<Vec<PlacedRule>> = address_rule(
    "allow-address",
    "address to allow, at one port or all; repeatable",
)
.key_is("allow_addresses")
.repeatable();

pub(in crate::config) const UNSAFE_ALLOW_PRIVATE_RANGES: Opt<bool> = switch(
    "unsafe-allow-private-ranges",
    "treat private addresses (RFC 1918, fc00::/7) as public; loopback and link-local stay denied",
)
.default_is("false");

pub(in crate::config) const EGRESS_ACL_FILE: Opt<Option<PathBuf>> = file(
    "egress-acl-file",
    "YAML file that says which role may reach which hosts",
)
.key_is("acl_file")
.default_note("with a password: the built-in acl.yaml; otherwise none, every host is allowed");

pub(in crate::config) const DISABLE_ACL_POLICY_ACTION: Opt<Vec<Action>> = choice(
    "disable-acl-policy-action",
    "refuse ACLs that use this action; repeatable",
)
.key_is("disable_acl_policy_actions")
.repeatable();

pub(in crate::config) const ADDITIONAL_ERROR_MESSAGE_ON_DENY: Opt<Option<String>> = text(
    "additional-error-message-on-deny",
    "text that follows every error of ours",
)
.key_is("deny_message_extra");

pub(in crate::config) const DENY_STATUS: Opt<DenyStatus> =
    choice("deny-status", "status of a denied request")
        .placeholder_is("CODE")
        .default_is("407");

pub(in crate::config) const DENY_STYLE: Opt<DenyStyle> = choice(
    "deny-style",
    "whether the status line of a denied request says why (docs/denied.md)",
)
.default_is("explicit");

pub(in crate::config) const NAT64_PREFIX: Opt<Vec<Nat64Prefix>> = nat64_prefix(
    "nat64-prefix",
    "prefix of a NAT64: an address inside is judged by the IPv4 address it carries; repeatable",
)
.key_is("nat64_prefixes")
.repeatable();

pub(super) const DESTINATIONS: &[OptionRow] = &[
    DENY_RANGE.row,
    ALLOW_RANGE.row,
    DENY_ADDRESS.row,
    ALLOW_ADDRESS.row,
    UNSAFE_ALLOW_PRIVATE_RANGES.row,
    EGRESS_ACL_FILE.row,
    DISABLE_ACL_POLICY_ACTION.row,
    ADDITIONAL_ERROR_MESSAGE_ON_DENY.row,
    DENY_STATUS.row,
    DENY_STYLE.row,
    NAT64_PREFIX.row,
];

pub(in crate::config) const RESOLVER_ADDRESS: Opt<Vec<SocketAddr>> = socket_address(
    "resolver-address",
    "DNS server to ask instead of the system's; repeatable, asked in order",
)
.key_is("resolver_addresses")
.repeatable()
.default_note("the system's resolver");

pub(in crate::config) const NETWORK: Opt<Network> =
    choice("network", "address families to connect to, literals too").default_is("ip");

pub(in crate::config) const DNS_CACHE_TTL: Opt<Duration> =
    duration("dns-cache-ttl", "longest time an answer is reused; 0 = never").default_is("5s");

pub(super) const NAMES: &[OptionRow] = &[RESOLVER_ADDRESS.row, NETWORK.row, DNS_CACHE_TTL.row];

pub(in crate::config) const UPSTREAM_HTTP_PROXY_ADDR: Opt<Option<ProxyUrl>> =
    proxy_url("upstream-http-proxy-addr", "proxy to send http requests through");

pub(in crate::config) const UPSTREAM_HTTPS_PROXY_ADDR: Opt<Option<ProxyUrl>> =
    proxy_url("upstream-https-proxy-addr", "proxy to send tunnels through");

pub(in crate::config) const UPSTREAM_CA_FILE: Opt<Option<PathBuf>> = file(
    "upstream-ca-file",
    "PEM file with CAs that origins and upstream proxies are verified against",
)
.default_note("the system's CAs alone");

pub(in crate::config) const UPSTREAM_SYSTEM_ROOTS: Opt<bool> = switch(
    "upstream_system_roots",
    "trust the system's CAs beside those of upstream_ca_file; false = those alone",
)
.in_file_only()
.default_is("true");

pub(in crate::config) const MITM_CA_CERT_FILE: Opt<Option<PathBuf>> = file(
    "mitm-ca-cert-file",
    "PEM file with the CA certificate that signs for intercepted hosts",
);

pub(in crate::config) const MITM_CA_KEY_FILE: Opt<Option<PathBuf>> =
    file("mitm-ca-key-file", "PEM file with that CA's key");

pub(in crate::config) const VERIFY_SNI: Opt<VerifySni> = choice(
    "verify-sni",
    "compare a tunnel's TLS server name with the host asked for",
)
.default_is("report");

pub(in crate::config) const SNI_PORTS: Opt<Box<[u16]>> = ports(
    "sni-ports",
    "ports whose tunnels must begin with TLS, separated by commas; at others a server name is looked at where there is TLS",
)
.default_is("443,8443");

pub(in crate::config) const ECH: Opt<Ech> = choice(
    "ech",
    "whether a tunnel may hide its TLS server name (Encrypted Client Hello)",
)
.default_is("allow");

pub(super) const UPSTREAMS: &[OptionRow] = &[
    UPSTREAM_HTTP_PROXY_ADDR.row,
    UPSTREAM_HTTPS_PROXY_ADDR.row,
    UPSTREAM_CA_FILE.row,
    UPSTREAM_SYSTEM_ROOTS.row,
    MITM_CA_CERT_FILE.row,
    MITM_CA_KEY_FILE.row,
    VERIFY_SNI.row,
    SNI_PORTS.row,
    ECH.row,
];
