//! The options about destinations: which are allowed, how names are resolved, and what stands in between.

use super::super::options::{OptionRow, SwitchedOnBy};
use super::super::values::Kind;
use super::row;

pub(super) const DESTINATIONS: &[OptionRow] = &[
    row("deny-range", Kind::Cidr, "addresses to deny; repeatable")
        .key_is("deny_ranges")
        .repeatable(),
    row(
        "allow-range",
        Kind::Cidr,
        "addresses to allow, whatever denies them but for our own listener; repeatable",
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
        "treat private addresses (RFC 1918, fc00::/7) as public; loopback and link-local stay denied",
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
    row(
        "deny-style",
        Kind::Choice(&["explicit", "reference"]),
        "whether the status line of a denied request says why (docs/denied.md)",
    )
    .default_is("explicit"),
    row(
        "nat64-prefix",
        Kind::Nat64Prefix,
        "prefix of a NAT64: an address inside is judged by the IPv4 address it carries; repeatable",
    )
    .key_is("nat64_prefixes")
    .repeatable()
    .not_built(SwitchedOnBy::Presence),
];

pub(super) const NAMES: &[OptionRow] = &[
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

pub(super) const UPSTREAMS: &[OptionRow] = &[
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
    OptionRow::in_file(
        "upstream_system_roots",
        Kind::Switch,
        "trust the system's CAs beside those of upstream_ca_file; false = those alone",
    )
    .default_is("true")
    .not_built(SwitchedOnBy::False),
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
    .not_built(SwitchedOnBy::OtherThan("off")),
    // Accepted although nothing looks at server names yet: it switches nothing on.
    row(
        "sni-ports",
        Kind::Ports,
        "ports of tunnels whose TLS server name is looked at, separated by commas",
    )
    .default_is("443,8443"),
    row(
        "ech",
        Kind::Choice(&["allow", "deny"]),
        "whether a tunnel may hide its TLS server name (Encrypted Client Hello)",
    )
    .default_is("allow")
    .not_built(SwitchedOnBy::OtherThan("allow")),
];
