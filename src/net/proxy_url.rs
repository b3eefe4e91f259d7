//! The URL of a proxy: which one is meant, and the credentials that it is given. Syntax only; whether it may be used is
//! for `policy` to say, and nobody connects to it here.

use std::fmt;

use zeroize::Zeroizing;

use super::{Host, Scheme, Target};

/// What stands for credentials where a URL is shown.
const MASK: &str = "***";

/// Who wrote a URL: what may stand in it beside scheme, host and port depends on that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// The operator, in an option: `http[s]://[USER:PASSWORD@]HOST[:PORT][/]`, all of it printable ASCII and the scheme in
    /// lower case. A password may be written as it is, whatever is in it: the last `@` ends it.
    Operator,
    /// A client, in a field of its request. The scheme has no case, the host may be spelled in UTF-8, path, query and
    /// fragment may follow; user information is what RFC 3986, section 3.2.1, makes of it. What two parsers could read
    /// differently is refused, or it might pass as its harmless reading.
    Client,
}

/// A proxy, as a URL names it. Its credentials are never shown, and wiped from memory with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    scheme: Scheme,
    host: Host,
    /// The scheme's where none is written.
    port: u16,
    /// The user information as it is written, percent-encoding and all.
    credentials: Option<Zeroizing<String>>,
}

impl ProxyUrl {
    /// Reads a URL; `None` for what is none of a proxy. Who asks knows best what to say of it: it may hold a password, and
    /// so may any part of it.
    pub fn parse(url: &str, writer: Writer) -> Option<ProxyUrl> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme_of(scheme, writer)?;
        let authority_bytes = match writer {
            Writer::Operator => rest.strip_suffix('/').unwrap_or(rest).len(),
            Writer::Client => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        };
        let (authority, tail) = rest.split_at_checked(authority_bytes)?;
        if !tail.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return None;
        }
        let (credentials, host_port) = match authority.rsplit_once('@') {
            Some((credentials, host_port)) => (Some(credentials), host_port),
            None => (None, authority),
        };
        let fits = match writer {
            Writer::Operator => {
                authority.bytes().all(|byte| byte.is_ascii_graphic()) && !host_port.ends_with(':')
            }
            Writer::Client => credentials.unwrap_or_default().bytes().all(is_user_info),
        };
        if !fits {
            return None;
        }
        let Target { host, port, .. } =
            Target::parse(host_port.as_bytes(), Some(scheme.default_port())).ok()?;
        Some(ProxyUrl {
            scheme,
            host,
            port,
            credentials: credentials.map(|credentials| Zeroizing::new(credentials.to_owned())),
        })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The proxy's host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The proxy's port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `USER:PASSWORD` as the proxy is to be told, percent-encoding resolved (RFC 3986, section 2.1) where it is one; none
    /// where the URL has no user information, or an empty one. A user without a password has an empty one.
    pub fn user_and_password(&self) -> Option<Zeroizing<Vec<u8>>> {
        let written = self
            .credentials
            .as_deref()
            .filter(|written| !written.is_empty())?;
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let mut told = Zeroizing::new(Vec::with_capacity(written.len() + 1));
        let mut rest = written.as_bytes();
        while let [first, behind @ ..] = rest {
            let encoded = match behind {
                [high, low, behind @ ..] if *first == b'%' => octet(*high, *low).map(|octet| (octet, behind)),
                _ => None,
            };
            let (octet, behind) = encoded.unwrap_or((*first, behind));
            told.push(octet);
            rest = behind;
        }
        if !written.contains(':') {
            told.push(b':');
        }
        Some(told)
    }
}

/// What two hexadecimal digits stand for.
fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn scheme_of(scheme: &str, writer: Writer) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|known| match writer {
            Writer::Operator => scheme == known.as_str(),
            Writer::Client => scheme.eq_ignore_ascii_case(known.as_str()),
        })
}

/// No `@`, `\` or bracket, behind which some parsers see the host end or begin.
fn is_user_info(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}

/// The URL in normal form, always with its port; of credentials only that there are some.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        if self.credentials.is_some() {
            write!(f, "{MASK}@")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// As it is shown: a derived one would show the password.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str, writer: Writer) -> Option<String> {
        ProxyUrl::parse(url, writer).map(|url| url.to_string())
    }

    /// As the operator's and as a client's.
    fn both(url: &str) -> [Option<String>; 2] {
        [shown(url, Writer::Operator), shown(url, Writer::Client)]
    }

    #[test]
    fn what_both_may_write() {
        for (url, normal) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("http://Proxy.EXAMPLE./", "http://proxy.example:80"),
            ("http://10.0.0.1", "http://10.0.0.1:80"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            ("https://[::1]", "https://[::1]:443"),
            ("http://user:pass@10.0.0.1:3128/", "http://***@10.0.0.1:3128"),
            ("http://@a.test", "http://***@a.test:80"),
        ] {
            assert_eq!(
                both(url),
                [Some(normal.to_owned()), Some(normal.to_owned())],
                "{url}"
            );
        }
    }

    #[test]
    fn what_neither_may_write() {
        for url in [
            "",
            "proxy.example:3128",
            "//proxy.example",
            "ftp://a",
            "socks5://a",
            "http:a",
            "http://",
            "http:///",
            "http://user@",
            "http://a:0",
            "http://a:b",
            "http://a:+1",
            "http://a:65536",
            "http://a b",
            "http://a b@c",
            "http://[::1",
            "http://::1",
            "http://[fe80::1%2]:80",
            "http://0177.0.0.1",
            "http://a/\u{e9}",
        ] {
            assert_eq!(both(url), [None, None], "{url}");
        }
    }

    #[test]
    fn what_only_the_operator_may_write() {
        for url in [
            "http://user:p@ss@proxy:3128",
            "http://user:p/ss?#@proxy:3128",
            "http://user:\\[]@proxy:3128/",
        ] {
            let normal = Some("http://***@proxy:3128".to_owned());
            assert_eq!(both(url), [normal, shown("", Writer::Client)], "{url}");
        }
    }

    #[test]
    fn what_only_a_client_may_write() {
        for url in [
            "HTTP://proxy",
            "http://proxy:",
            "http://proxy/path?query#fragment",
            "http://\u{ff50}roxy",
        ] {
            assert_eq!(both(url), [None, Some("http://proxy:80".to_owned())], "{url}");
        }
    }

    #[test]
    fn an_authority_ends_earlier_where_a_client_writes() {
        for url in [
            "http://proxy?@other",
            "http://proxy/@other",
            "http://proxy#@other",
        ] {
            let [operator, client] = both(url);
            assert_eq!(operator.as_deref(), Some("http://***@other:80"), "{url}");
            assert_eq!(client.as_deref(), Some("http://proxy:80"), "{url}");
        }
    }

    #[test]
    fn credentials_are_told_without_their_encoding() {
        for (user_info, told) in [
            ("user:pass@", Some("user:pass")),
            ("user@", Some("user:")),
            (":pass@", Some(":pass")),
            ("u%40b:p%3a%2Fx@", Some("u@b:p:/x")),
            ("u:100%@", Some("u:100%")),
            ("u:%zz%4@", Some("u:%zz%4")),
            ("a%3Ab@", Some("a:b:")),
            ("@", None),
            ("", None),
        ] {
            let url = ProxyUrl::parse(&format!("http://{user_info}proxy"), Writer::Operator).unwrap();
            let told = told.map(|told| Zeroizing::new(told.as_bytes().to_vec()));
            assert_eq!(url.user_and_password(), told, "{user_info}");
        }
    }

    #[test]
    fn credentials_show_nowhere() {
        let url = ProxyUrl::parse("http://user:hunter2@proxy", Writer::Operator).unwrap();
        for shown in [format!("{url:?}"), format!("{url:#?}"), url.to_string()] {
            assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
        }
        assert_eq!(
            url.credentials.as_deref().map(String::as_str),
            Some("user:hunter2")
        );
    }
}
