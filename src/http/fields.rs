//! Looks into the fields of a head: values by name, members of lists, and which fields belong to one hop only.

use std::ops::Deref;

use arrayvec::ArrayVec;
use httparse::Header;

use crate::text::slices::until;

/// How many options the Connection fields of a head may list together; real ones list three at most.
pub(super) const CONNECTION_OPTIONS_MAX: usize = 32;

/// The field lines of a head, in order, and a mark of each name among them: of the names that are asked for most are absent,
/// and that costs one look.
#[derive(Clone, Copy, Default, Debug)]
pub struct Fields<'a> {
    lines: &'a [Header<'a>],
    marks: u64,
}

impl<'a> Fields<'a> {
    /// Of these lines.
    pub(super) fn of(lines: &'a [Header<'a>]) -> Fields<'a> {
        let marks = lines.iter().fold(0, |marks, line| marks | mark(line.name));
        Fields { lines, marks }
    }

    /// All lines, if one of them may have that name; or else none.
    #[inline]
    fn with(self, name: &str) -> &'a [Header<'a>] {
        if self.marks & mark(name) == 0 {
            &[]
        } else {
            self.lines
        }
    }
}

impl<'a> Deref for Fields<'a> {
    type Target = [Header<'a>];

    fn deref(&self) -> &[Header<'a>] {
        self.lines
    }
}

/// One of 64 bits, the same for each spelling of a name. Length and first letter tell most of the usual names apart.
#[inline]
fn mark(name: &str) -> u64 {
    let first = name.as_bytes().first().map_or(0, |byte| usize::from(byte | 0x20));
    1 << ((31 * name.len() + first) % 64)
}

/// The values of all fields called `name` (in any case), in order, without the white space around them.
#[inline]
pub fn field<'a>(fields: Fields<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .with(name)
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| trim(field.value))
}

/// Does any field called `name` list `token`? Both are compared without case (RFC 9110, 5.6.1).
pub fn lists_token(fields: Fields<'_>, name: &str, token: &str) -> bool {
    field(fields, name)
        .any(|value| members(value).any(|member| member.eq_ignore_ascii_case(token.as_bytes())))
}

/// The members of a comma-separated list, trimmed; empty ones are left out.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}

/// Credentials, or one of a list of challenges, by NTLM or Negotiate: these authenticate the connection, not the
/// request (RFC 4559 section 6). Commas in quoted parameters are not minded: a false alarm costs a connection.
pub fn is_connection_based(value: &[u8]) -> bool {
    value.split(|&b| b == b',').any(|challenge| {
        let scheme = until(challenge.trim_ascii(), |&b| b == b' ');
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}

/// Cuts optional white space (SP and HTAB, nothing else) off both ends.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The names that a head's Connection fields list: those fields are for this hop only.
pub(super) struct Named<'a>(ArrayVec<&'a [u8], CONNECTION_OPTIONS_MAX>);

impl<'a> Named<'a> {
    /// Collects them. A head with more than [`CONNECTION_OPTIONS_MAX`] was refused when it was parsed.
    // In its place from the start: it is large.
    #[inline]
    pub(super) fn by(fields: Fields<'a>) -> Named<'a> {
        if fields.with("connection").is_empty() {
            return Named(ArrayVec::new_const());
        }
        let options = field(fields, "connection").flat_map(members);
        // These two are not names of fields: leaving them out keeps the common head's list empty.
        let options = options.filter(|option| {
            !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive")
        });
        Named(options.take(CONNECTION_OPTIONS_MAX).collect())
    }

    /// Is the field called `name` among them?
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What is ours, the hop's, or written anew by us; such a field is never copied to the next hop, in either direction.
///
/// Hop-by-hop fields (RFC 9110, 7.6.1), framing, everything called `Proxy` (httpoxy) or `Proxy-*` (credentials and
/// challenges), and this proxy's own. Upgrade is here too: who forwards an upgrade writes it himself; and
/// HTTP2-Settings, which concerns the hop to us also where Connection forgets to name it.
pub(super) fn stays_here(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is("te") => true,
        5 if is("proxy") => true,
        7 if is("upgrade") => true,
        10 if is("connection") || is("keep-alive") => true,
        14 if is("content-length") || is("http2-settings") => true,
        17 if is("transfer-encoding") => true,
        22 if is("x-upstream-https-proxy") => true,
        _ => starts(name, "proxy-") || starts(name, "x-smokescreen-"),
    }
}

/// May a field called `name` stand in a trailer section that we pass on? RFC 9110, 6.5.1: nothing that concerns
/// framing, routing, authentication, request modifiers, response control or the content's format, for a recipient
/// that merges trailers into the head would be misled.
pub(super) fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 30] = [
        "host",
        "trailer",
        "via",
        "forwarded",
        "expect",
        "max-forwards",
        "range",
        "cache-control",
        "pragma",
        "authorization",
        "www-authenticate",
        "authentication-info",
        "cookie",
        "set-cookie",
        "origin",
        "strict-transport-security",
        "age",
        "date",
        "expires",
        "location",
        "refresh",
        "retry-after",
        "vary",
        "warning",
        "content-encoding",
        "content-type",
        "content-range",
        "content-disposition",
        "content-location",
        "content-security-policy",
    ];
    !stays_here(name)
        && !starts(name, "if-")
        && !starts(name, "access-control-")
        && !starts(name, "x-forwarded-")
        && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}

fn starts(name: &str, prefix: &str) -> bool {
    name.as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn header<'a>(name: &'a str, value: &'a str) -> Header<'a> {
        Header {
            name,
            value: value.as_bytes(),
        }
    }

    #[test]
    fn fields_are_found_in_any_case_and_trimmed() {
        let fields = [header("X-A", " 1\t"), header("x-b", "2"), header("x-a", "")];
        let fields = Fields::of(&fields);
        assert_eq!(field(fields, "X-a").collect::<Vec<_>>(), [&b"1"[..], b""]);
        assert_eq!(field(fields, "X-").count(), 0);
    }

    /// All names that stay here, but those that only begin with what stays.
    const STAY: [&str; 9] = [
        "te",
        "proxy",
        "upgrade",
        "connection",
        "keep-alive",
        "content-length",
        "http2-settings",
        "transfer-encoding",
        "x-upstream-https-proxy",
    ];

    /// Names that stay here, that are asked for, and others, in any case.
    fn names() -> impl Strategy<Value = String> {
        const OTHERS: [&str; 10] = [
            "proxy-authorization",
            "x-smokescreen-role",
            "host",
            "accept",
            "expect",
            "user-agent",
            "accept-ranges",
            "x-a",
            "x-b",
            "via",
        ];
        let known = proptest::sample::select([STAY.as_slice(), &OTHERS].concat());
        let name = prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[!#-'*+.^-`|~0-9A-Za-z-]{1,24}"];
        (name, any::<u64>()).prop_map(|(name, upper)| {
            let spelled = |(nth, letter): (usize, char)| match upper >> (nth % 64) & 1 {
                0 => letter,
                _ => letter.to_ascii_uppercase(),
            };
            name.chars().enumerate().map(spelled).collect()
        })
    }

    proptest! {
        /// What saves looks hides nothing.
        #[test]
        fn a_name_is_found_and_stays_as_if_all_were_compared(
            lines in proptest::collection::vec(names(), 0..6), wanted in names(),
        ) {
            let headers: Vec<_> = lines.iter().map(|name| header(name, "v")).collect();
            let expected = lines.iter().filter(|name| name.eq_ignore_ascii_case(&wanted)).count();
            prop_assert_eq!(field(Fields::of(&headers), &wanted).count(), expected);
            let lower = wanted.to_ascii_lowercase();
            let stays = STAY.contains(&lower.as_str())
                || lower.starts_with("proxy-")
                || lower.starts_with("x-smokescreen-");
            prop_assert_eq!(stays_here(&wanted), stays);
        }
    }

    #[test]
    fn tokens_are_whole_members() {
        let fields = [
            header("Connection", "a, Close-not ,,\tkeep-alive"),
            header("connection", "UPGRADE"),
        ];
        let fields = Fields::of(&fields);
        assert!(lists_token(fields, "Connection", "keep-alive"));
        assert!(lists_token(fields, "Connection", "upgrade"));
        assert!(!lists_token(fields, "Connection", "close"));
        assert!(!lists_token(fields, "Upgrade", "upgrade"));
    }

    #[test]
    fn connection_based_authentication_is_found_anywhere_in_a_list() {
        for value in [
            "NTLM",
            "negotiate YII=",
            "Basic realm=x, Negotiate",
            "Digest a=b,ntlm abc",
        ] {
            assert!(is_connection_based(value.as_bytes()), "{value}");
        }
        for value in ["Basic bnRsbQ==", "Bearer NTLM", "", "Negotiated"] {
            assert!(!is_connection_based(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_stays_here() {
        for name in [
            "TE",
            "Connection",
            "keep-alive",
            "Transfer-Encoding",
            "CONTENT-LENGTH",
            "Upgrade",
            "HTTP2-Settings",
            "Proxy",
        ] {
            assert!(stays_here(name), "{name}");
        }
        for name in [
            "Proxy-Authorization",
            "proxy-x",
            "X-Smokescreen-Role",
            "X-Upstream-Https-Proxy",
        ] {
            assert!(stays_here(name), "{name}");
        }
        for name in [
            "Host",
            "Trailer",
            "Accept",
            "Proxyy",
            "X-Smokescreen",
            "X-Proxy-Id",
            "Expect",
            "Te-",
            "",
        ] {
            assert!(!stays_here(name), "{name}");
        }
    }

    #[test]
    fn named_ignores_what_names_no_field() {
        let fields = [
            header("Connection", "close, X-Hop, keep-alive"),
            header("CONNECTION", "Foo"),
        ];
        let named = Named::by(Fields::of(&fields));
        assert_eq!(named.0.len(), 2);
        assert!(named.contains("x-hop") && named.contains("FOO") && !named.contains("close"));
    }
}
