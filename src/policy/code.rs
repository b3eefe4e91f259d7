//! The stable names of what an answer of ours is due to: one [`Code`] for each cause, in one list for all rooms.
//! What a code means to people stands in docs/denied.md; which answer has which is decided where the cause is found.

use std::fmt;

/// Makes the enum, its list and its texts from one table, so that none of them can lack a row.
macro_rules! codes {
    ($($(#[$meaning:meta])+ $code:ident = $text:literal,)+) => {
        /// Why we answer a request ourselves: what scripts, alerts and people match on. Never renamed.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code {
            $($(#[$meaning])+ $code,)+
        }

        impl Code {
            /// Every code, in the order of docs/denied.md.
            pub const ALL: &'static [Code] = &[$(Code::$code),+];

            /// As it stands in answers and logs: lower case, digits and hyphens, 32 bytes at most.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => $text,)+
                }
            }
        }
    };
}

codes! {
    /// Credentials are required, and there were none.
    CredentialsMissing = "credentials-missing",
    /// The credentials are not right, or there were several.
    CredentialsWrong = "credentials-wrong",
    /// No credentials are asked for, and nothing else names a role.
    RoleUnknown = "role-unknown",
    /// Too many attempts in too short a time.
    RateLimited = "rate-limited",
    /// The role's rule enforces, and the host is not in its `allowed_domains`.
    NotInAllowedDomains = "not-in-allowed-domains",
    /// The default rule denies the host.
    DefaultRule = "default-rule",
    /// The host is in `global_deny_list`.
    GlobalDenyList = "global-deny-list",
    /// No service is named after the role, and there is no default rule.
    NoRule = "no-rule",
    /// The client asked for a proxy that is not in `allowed_external_proxies`.
    ExternalProxyDenied = "external-proxy-denied",
    /// The ACL asks for what this version does not have.
    NotAvailable = "not-available",
    /// The address is this proxy's own.
    SelfConnection = "self-connection",
    /// Unspecified, loopback, link-local (metadata services too), multicast or broadcast.
    NotGlobalUnicast = "not-global-unicast",
    /// RFC 1918 and fc00::/7.
    PrivateRange = "private-range",
    /// 100.64.0.0/10.
    CgnatRange = "cgnat-range",
    /// NAT64, 6to4 or Teredo.
    Ipv6Embedding = "ipv6-embedding",
    /// Another range that is not globally reachable.
    SpecialPurposeRange = "special-purpose-range",
    /// A deny rule of the operator's names the address.
    UserConfigured = "user-configured",
    /// The name has no address of the families that are dialled.
    NoUsableAddress = "no-usable-address",
    /// The policy has another way to the host than an open tunnel takes: through another upstream, through none, or looked into.
    WayChanged = "way-changed",
    /// What is inside of the tunnel names another server, or none that could be read.
    SniMismatch = "sni-mismatch",
    /// No address was found.
    DnsFailed = "dns-failed",
    /// Nobody answered the lookup in time.
    DnsTimeout = "dns-timeout",
    /// No address could be reached.
    ConnectFailed = "connect-failed",
    /// No connection came about in time.
    ConnectTimeout = "connect-timeout",
    /// TLS with the origin failed.
    TlsFailed = "tls-failed",
    /// A tunnel is to be intercepted, and the CA signs nothing for its host.
    MitmFailed = "mitm-failed",
    /// The origin closed its connection without an answer.
    OriginClosed = "origin-closed",
    /// The upstream proxy would not let it out.
    UpstreamRefused = "upstream-refused",
    /// The origin did not answer in time.
    OriginTimeout = "origin-timeout",
    /// The origin's answer is not HTTP.
    MalformedResponse = "malformed-response",
    /// There is no room here.
    Overloaded = "overloaded",
    /// As many tunnels are open as may be.
    TunnelsLimited = "tunnels-limited",
    /// The role's bytes of the day are used up.
    QuotaExhausted = "quota-exhausted",
    /// The request is not HTTP.
    MalformedRequest = "malformed-request",
    /// A request for a server, not for a proxy.
    NotAProxyRequest = "not-a-proxy-request",
    /// Inside of an intercepted tunnel, for another host than the tunnel's.
    Misdirected = "misdirected-request",
    /// A URI that is neither `http` nor `https`.
    SchemeUnsupported = "scheme-unsupported",
    /// TRACE that Max-Forwards has end here.
    MethodNotAllowed = "method-not-allowed",
    /// The head exceeds a limit.
    HeadTooLarge = "head-too-large",
    /// The head did not arrive in time.
    HeadTooSlow = "head-too-slow",
    /// The body stood still for too long.
    BodyTooSlow = "body-too-slow",
}

impl Code {
    /// Is it the address that is denied, whatever name led there?
    pub fn is_of_addresses(self) -> bool {
        matches!(
            self,
            Code::SelfConnection
                | Code::NotGlobalUnicast
                | Code::PrivateRange
                | Code::CgnatRange
                | Code::Ipv6Embedding
                | Code::SpecialPurposeRange
                | Code::UserConfigured
                | Code::NoUsableAddress
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
