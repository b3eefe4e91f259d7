//! What would let a request out, for each code, in words for people: the option or entry, and whether using it would be
//! wise. Said where nothing more exact is known (`acl/grounds`, `ranges/grounds`). Decides nothing.

use super::Code;

/// One for each code.
const HINTS: &[(Code, &str)] = &[
    (
        Code::CredentialsMissing,
        "the proxy's password, as in http://any:PASSWORD@PROXY, or a user's name and password",
    ),
    (
        Code::CredentialsWrong,
        "the password that PROXY_PASSWORD holds, or a user's of --users-file",
    ),
    (Code::RoleUnknown, "roles_by_source, or --allow-missing-role"),
    (
        Code::RateLimited,
        "the right password, or a higher --max-request-rate",
    ),
    (
        Code::NotInAllowedDomains,
        "the host in allowed_domains of the role's service",
    ),
    (
        Code::DefaultRule,
        "a service named after the role, or the host in allowed_domains of the default rule",
    ),
    (
        Code::GlobalDenyList,
        "allowed_domains of the role's service, which goes before global_deny_list; unwise where the list guards others",
    ),
    (Code::NoRule, "a service named after the role, or a default rule"),
    (
        Code::ExternalProxyDenied,
        "leave the field X-Upstream-Https-Proxy out, or list the proxy in allowed_external_proxies",
    ),
    (Code::NotAvailable, "take the host out of mitm_domains"),
    (
        Code::SelfConnection,
        "nothing does, for it is the proxy itself: ask for something else",
    ),
    (
        Code::NotGlobalUnicast,
        "--allow-address would let it out and is unwise: a metadata service hands out the machine's credentials, and \
         loopback is the machine itself",
    ),
    (
        Code::PrivateRange,
        "allow_private of the role's service, or --allow-address; unwise where users choose URLs: it is an internal address",
    ),
    (
        Code::CgnatRange,
        "allow_private of the role's service, or --allow-address; unwise where users choose URLs: it is an internal address",
    ),
    (
        Code::Ipv6Embedding,
        "the IPv4 address that it stands for, or --nat64-prefix where the network has that translator",
    ),
    (
        Code::SpecialPurposeRange,
        "--allow-address; unwise for what a cloud answers at (168.63.129.16), and seldom right for the rest",
    ),
    (
        Code::UserConfigured,
        "--allow-address or --allow-range, which go before --deny-address and --deny-range",
    ),
    (Code::NoUsableAddress, "--network ip"),
    (
        Code::DnsFailed,
        "a name that exists, or name servers that know it (--resolver-address)",
    ),
    (
        Code::DnsTimeout,
        "name servers that answer (--resolver-address), or a longer --dns-timeout",
    ),
    (
        Code::ConnectFailed,
        "an origin that listens at that port, and no firewall between",
    ),
    (
        Code::ConnectTimeout,
        "an origin that answers, or a longer --timeout",
    ),
    (
        Code::TlsFailed,
        "a certificate that is right for the host; one of a CA of your own takes --upstream-ca-file",
    ),
    (
        Code::MitmFailed,
        "a CA that has not expired (--mitm-ca-cert-file), or the host out of mitm_domains",
    ),
    (
        Code::UpstreamRefused,
        "an upstream proxy that lets it out, or the host in NO_PROXY, which goes past it",
    ),
    (
        Code::WayChanged,
        "another tunnel: the ACL has this host leave by another upstream, by none, or looked into, and what is open can't be moved",
    ),
    (
        Code::SniMismatch,
        "a TLS hello for the host of CONNECT, or the name inside in allowed_domains; verify_sni: report would let it out and \
         is unwise: tunnels then carry what no rule allows",
    ),
    (
        Code::OriginClosed,
        "an origin that answers: this one closed its connection",
    ),
    (Code::OriginTimeout, "an origin that answers: this one was silent"),
    (Code::MalformedResponse, "an origin whose answers are HTTP"),
    (
        Code::Overloaded,
        "a second's patience; if it lasts, a higher --max-concurrent-requests, or more descriptors",
    ),
    (
        Code::TunnelsLimited,
        "a higher --max-concurrent-connect-tunnels, or tunnels in limits of the role's service",
    ),
    (
        Code::QuotaExhausted,
        "the next day (UTC), or a higher bytes_per_day in limits of the role's service",
    ),
    (
        Code::MalformedRequest,
        "a request as HTTP has it; with --proxy-protocol, a PROXY header before it",
    ),
    (
        Code::NotAProxyRequest,
        "this address as the client's HTTP proxy, not as its server",
    ),
    (
        Code::Misdirected,
        "a CONNECT of its own for that host: a tunnel that is intercepted leads to one host",
    ),
    (Code::SchemeUnsupported, "an http or https URI, or CONNECT"),
    (Code::MethodNotAllowed, "leave the field Max-Forwards out"),
    (
        Code::HeadTooLarge,
        "less in the request's fields, or a higher --head-bytes-max or --head-fields-max",
    ),
    (
        Code::HeadTooSlow,
        "a faster client, or a longer --read-header-timeout",
    ),
    (Code::BodyTooSlow, "a faster client, or a longer --read-timeout"),
];

impl Code {
    /// What would let out what this code stops, in general: the option or entry, and where it would be unwise.
    pub fn hint(self) -> &'static str {
        let found = HINTS.iter().find(|(code, _)| *code == self);
        found.map_or("", |(_, hint)| hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_hint_in_one_line() {
        for code in Code::ALL {
            let count = HINTS.iter().filter(|(other, _)| other == code).count();
            assert_eq!(count, 1, "{code}");
            let hint = code.hint();
            assert!(
                !hint.is_empty() && hint.len() <= 220 && !hint.contains('\n'),
                "{code}"
            );
            assert!(
                hint.is_ascii() && !hint.contains("  ") && !hint.ends_with('.'),
                "{code}: {hint}"
            );
        }
    }

    #[test]
    fn what_is_inside_is_never_recommended() {
        for code in [
            Code::NotGlobalUnicast,
            Code::PrivateRange,
            Code::CgnatRange,
            Code::SpecialPurposeRange,
        ] {
            assert!(code.hint().contains("unwise"), "{code}");
        }
        assert!(Code::NotGlobalUnicast.hint().contains("metadata"));
    }
}
