//! A glob and the ports it is for, `*.example.com:443,8000-8999`, as it stands in a list. Matches nothing by itself.

use std::fmt;
use std::net::Ipv6Addr;

use crate::policy::ports::{self, Ports};

use super::Glob;

/// An entry of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// The hosts.
    pub glob: Glob,
    /// The ports, where it names some.
    pub ports: Option<Ports>,
}

impl Pattern {
    /// Reads `GLOB` or `GLOB:PORTS`, the latter ports and ranges of them, separated by commas. An IPv6 address has to stand
    /// in brackets where ports follow.
    ///
    /// # Errors
    /// One line that quotes it: see [`Glob::parse`] and [`Ports::parse`].
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let Some((glob, ports)) = split(text) else {
            return Ok(Pattern {
                glob: Glob::parse(text)?,
                ports: None,
            });
        };
        let glob = Glob::before(glob, &format!(":{ports}"))?;
        if ports.is_empty() {
            return Err(format!(
                "domain glob '{text}' ends before its ports; {}",
                ports::ACCEPTED
            ));
        }
        match Ports::parse(ports.split(',')) {
            Ok(ports) => Ok(Pattern {
                glob,
                ports: Some(ports),
            }),
            Err(reason) => Err(format!("domain glob '{text}': {reason}")),
        }
    }
}

/// What stands before and behind the colon of ports. A URL's and an address's colons are none.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('[') {
        let (address, ports) = text.split_at(text.find(']')? + 1);
        return Some((address, ports.strip_prefix(':')?));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    text.split_once(':')
        .filter(|(_, ports)| !ports.contains([':', '/', '@', '[', ']']))
}

impl From<Glob> for Pattern {
    fn from(glob: Glob) -> Pattern {
        Pattern { glob, ports: None }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.glob, &self.ports) {
            (glob, None) => write!(f, "{glob}"),
            (Glob::Address(address), Some(ports)) if address.is_ipv6() => write!(f, "[{address}]:{ports}"),
            (glob, Some(ports)) => write!(f, "{glob}:{ports}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_back_as_written() {
        for text in [
            "github.com:22",
            "*.example.com:443,8000-8999",
            "10.0.0.1:22",
            "[2001:db8::1]:443",
            "2001:db8::1:443",
            "xn--bcher-kva.test:8443,443",
            "localhost:1-65535",
        ] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
        let bare = Pattern::parse("2001:db8::1:443").unwrap();
        assert_eq!(bare.ports, None, "without brackets it is all address");
        assert_eq!(
            Pattern::parse("[2001:DB8::1]").unwrap().to_string(),
            "2001:db8::1"
        );
        let mapped = Pattern::parse("[::ffff:10.0.0.1]:22").unwrap();
        assert_eq!(mapped.to_string(), "10.0.0.1:22");
    }

    #[test]
    fn what_is_no_pattern_is_quoted_whole() {
        for (text, said) in [
            ("github.com:", "'github.com:' ends before its ports"),
            (
                "github.com:http",
                "'http' is no port; accepted are ports from 1 to 65535",
            ),
            ("github.com:0", "'0' is no port"),
            ("github.com:65536", "'65536' is no port"),
            ("github.com:22, 443", "' 443' is no port"),
            (
                "github.com:443-22",
                "the range '443-22' goes down; write '22-443'",
            ),
            ("github.com:22,22", "port 22 is listed twice"),
            ("github.com:22,", "'' is no port"),
            ("GitHub.com:22", "write 'github.com:22'"),
            ("*.éxample.com:22", "write '*.xn--xample-9ua.com:22'"),
            ("*:443", "'*:443' would match everything"),
            ("*.:443", "'*.:443' would match everything"),
            (
                "api.*.test:443",
                "'api.*.test:443': `*` is accepted only as the whole first label",
            ),
            (
                "*.10.0.0.1:443",
                "'*.10.0.0.1:443': `*.` can't stand before an address",
            ),
            ("10.0.0.0/8:443", "'10.0.0.0/8:443' is an address range"),
            (":443", "an empty domain glob"),
            ("[2001:db8::1]443", "is no host"),
            ("[2001:db8::1]:", "ends before its ports"),
            ("0x7f.1:80", "'0x7f.1:80' is no host"),
            ("a..b:80", "'a..b:80' is no host"),
            ("https://Example.com:8443/", "write 'example.com:8443'"),
            ("example.com:443/path", "write 'example.com:443'"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
