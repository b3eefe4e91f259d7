//! What is asked: a URL as a client would have the proxy fetch it, and for whom. Judges nothing.

use crate::http::Version;
use crate::http::head::RequestHead;
use crate::http::target::{self, Form};
use crate::net::{Scheme, Target};
use crate::policy::{Ask, Role};

/// A request that might be sent.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// As it was written.
    pub(super) url: String,
    pub(super) role: Role,
    pub(super) target: Target,
    /// The scheme of what is forwarded; none: CONNECT.
    scheme: Option<Scheme>,
}

impl Question {
    /// Reads a URL, or `HOST:PORT`, by the rules of serving: what is malformed there is so here.
    pub(super) fn parse(url: &str, role: Role) -> Result<Question, String> {
        let refused = |why: &str| format!("'{}' can't be checked: {why}", without_user(url));
        let (scheme, authority) = match url.contains("://") {
            false => (None, url.as_bytes()),
            true => absolute(url).map_err(refused)?,
        };
        let default_port = scheme.map(Scheme::default_port);
        let target = Target::parse(authority, default_port).map_err(|error| match (scheme, error.0) {
            (None, "port is missing") => refused("write http://HOST/, https://HOST/ or HOST:PORT"),
            (_, why) => refused(why),
        })?;
        Ok(Question {
            url: url.to_owned(),
            role,
            target,
            // Clients ask for a tunnel to what they speak TLS to.
            scheme: scheme.filter(|scheme| *scheme == Scheme::Http),
        })
    }

    /// What the ACL is asked.
    pub(super) fn ask(&self) -> Ask<'static> {
        Ask {
            scheme: self.scheme,
            external_proxy: None,
            is_inside: false,
        }
    }
}

fn absolute(url: &str) -> Result<(Option<Scheme>, &[u8]), &'static str> {
    let head = RequestHead {
        method: "GET",
        target: url.as_bytes(),
        version: Version::Http11,
        fields: Default::default(),
    };
    match target::form(&head) {
        Ok(Form::Absolute {
            scheme: Some(scheme),
            authority,
            ..
        }) => Ok((Some(scheme), authority)),
        Ok(_) => Err("only http and https URLs and HOST:PORT are proxied"),
        Err(_) => Err("it is no URL with a host"),
    }
}

/// A URL as it may be shown: what stands before an @ may be a password.
fn without_user(url: &str) -> String {
    let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    shown.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(String, u16, Option<Scheme>), String> {
        let question = Question::parse(url, Role::Missing)?;
        Ok((
            question.target.host.to_string(),
            question.target.port,
            question.scheme,
        ))
    }

    #[test]
    fn what_is_forwarded_has_a_scheme_and_the_rest_is_a_tunnel() {
        for (url, host, port, scheme) in [
            ("http://A.test/x?y#z", "a.test", 80, Some(Scheme::Http)),
            ("ws://a.test:81", "a.test", 81, Some(Scheme::Http)),
            ("https://a.test", "a.test", 443, None),
            ("wss://[::1]:8443/", "[::1]", 8443, None),
            ("a.test:22", "a.test", 22, None),
            ("10.0.0.1:443", "10.0.0.1", 443, None),
        ] {
            assert_eq!(parsed(url), Ok((host.to_owned(), port, scheme)), "{url}");
        }
    }

    #[test]
    fn what_the_proxy_would_not_read_is_refused_and_no_password_shown() {
        for (url, word) in [
            ("a.test", "https://HOST/"),
            ("ftp://a.test/", "only http"),
            ("http:///x", "no URL"),
            ("http://u:secret@a.test/", "user information"),
            ("http://0x7f.1/", "number"),
            ("http://a.test:0/", "port"),
            ("", "host"),
            ("http://a b/", "no URL"),
        ] {
            let error = parsed(url).unwrap_err();
            assert!(
                error.contains(word) && !error.contains("secret"),
                "{url}: {error}"
            );
        }
    }
}
