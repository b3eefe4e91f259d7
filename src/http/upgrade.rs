//! Changing the protocol of a connection (RFC 9110, 7.8): which protocols of a request its origin is asked for, and
//! whether a 101 agrees on one of them. When to switch is the session's.

use crate::text::slices::until;
use crate::text::token::is_token;

use super::Version;
use super::fields::{field, lists_token, members};
use super::head::{RequestHead, ResponseHead};

/// Protocols of a request that are passed on; real ones ask for one.
const PROTOCOLS_MAX: usize = 16;

/// Longest one that is, in bytes.
const PROTOCOL_BYTES_MAX: usize = 64;

/// The protocols that the origin is to be asked for, as one list; empty: there is no upgrade.
///
/// Those of the Upgrade fields but for HTTP, h2c and TLS, which concern the connection to us: an origin that agreed to
/// one would go on to read what the client says to the proxy. HTTP/1.0 can't ask for any, nor can a request whose
/// Connection field doesn't say so.
pub fn asked(head: &RequestHead<'_>) -> Box<[u8]> {
    let mut fields = field(head.fields, "upgrade").peekable();
    if fields.peek().is_none()
        || head.version == Version::Http10
        || !lists_token(head.fields, "connection", "upgrade")
    {
        return Box::default();
    }
    let passing = fields.flat_map(members).filter(|protocol| passes(protocol));
    passing
        .take(PROTOCOLS_MAX)
        .collect::<Vec<_>>()
        .join(&b", "[..])
        .into()
}

/// Does a 101 agree on protocols that were `asked` for, and on no other?
pub fn agrees(head: &ResponseHead<'_>, asked: &[u8]) -> bool {
    let mut agreed = field(head.fields, "upgrade").flat_map(members).peekable();
    agreed.peek().is_some() && agreed.all(|protocol| members(asked).any(|asked| is_met(asked, protocol)))
}

/// Is it one protocol, and none that concerns this hop? Drafts of those (`h2c-14`, `HTTP-draft-09/2.0`) do too.
fn passes(protocol: &[u8]) -> bool {
    let (name, version) = parts(protocol);
    let family = until(name, |&byte| byte == b'-');
    protocol.len() <= PROTOCOL_BYTES_MAX
        && is_token(name)
        && version.is_none_or(is_token)
        && !["http", "h2", "h2c", "tls"]
            .iter()
            .any(|ours| family.eq_ignore_ascii_case(ours.as_bytes()))
}

/// Names are compared without case; a version that only one side gives is that side's choice.
fn is_met(asked: &[u8], agreed: &[u8]) -> bool {
    let ((asked, asked_version), (agreed, agreed_version)) = (parts(asked), parts(agreed));
    asked.eq_ignore_ascii_case(agreed)
        && asked_version
            .zip(agreed_version)
            .is_none_or(|(asked, agreed)| asked == agreed)
}

/// `protocol-name ["/" protocol-version]`
fn parts(protocol: &[u8]) -> (&[u8], Option<&[u8]>) {
    let name = until(protocol, |&byte| byte == b'/');
    (name, protocol.get(name.len() + 1..))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, get, with_lines};
    use super::*;

    fn asked_by(version: &str, lines: &[&str]) -> String {
        let asked = testing::request(get(version, lines), asked).unwrap();
        String::from_utf8(asked.into()).unwrap()
    }

    fn passed(upgrade: &str) -> String {
        asked_by(
            "HTTP/1.1",
            &["Connection: Upgrade", &format!("Upgrade: {upgrade}")],
        )
    }

    fn agreed(asked: &str, lines: &[&str]) -> bool {
        let head = with_lines("HTTP/1.1 101 Switching Protocols", lines);
        testing::response(head, |head| agrees(head, asked.as_bytes())).unwrap()
    }

    #[test]
    fn upgrade_of_the_hop_is_never_asked_for() {
        for protocol in [
            "h2c",
            "H2C",
            "h2",
            "h2c/1",
            "h2c-14",
            "HTTP/2.0",
            "http/3",
            "HTTP",
            "Http/1.1",
            "TLS/1.3",
            "tls/1.0",
            "TLS",
            "HTTP-draft-09/2.0",
        ] {
            for list in [
                protocol.to_owned(),
                format!("{protocol},{protocol}"),
                format!(" , {protocol}\t,, "),
            ] {
                assert_eq!(passed(&list), "", "{list}");
            }
            for list in [
                format!("{protocol}, websocket"),
                format!("websocket,{protocol}"),
                format!("{protocol} ,websocket\t, {protocol}"),
            ] {
                assert_eq!(passed(&list), "websocket", "{list}");
            }
        }
        let several = [
            "Upgrade: h2c",
            "Connection: x, upgrade",
            "upgrade: a/1, TLS/1.2",
            "UPGRADE: b",
        ];
        assert_eq!(asked_by("HTTP/1.1", &several), "a/1, b");
    }

    #[test]
    fn other_protocols_are_asked_for_as_they_were_written() {
        for protocol in [
            "websocket",
            "WebSocket",
            "SPDY/3.1",
            "tcp",
            "connect-udp",
            "IRC/6.9",
            "xh2c",
            "tlsx",
        ] {
            assert_eq!(passed(protocol), protocol);
        }
        for no_protocol in [
            "h2c;q=1",
            "\"h2c\"",
            "a b",
            "a/b/c",
            "a/",
            "/1",
            "\u{e9}",
            &"a".repeat(65),
        ] {
            assert_eq!(passed(no_protocol), "", "{no_protocol}");
        }
        assert_eq!(passed(&"a,".repeat(100)), ["a"; 16].join(", "));
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_fields_and_by_http_1_1() {
        for (version, lines, want) in [
            (
                "HTTP/1.1",
                &["Connection: keep-alive, UPGRADE", "Upgrade: x"][..],
                "x",
            ),
            ("HTTP/1.0", &["Connection: upgrade", "Upgrade: x"], ""),
            ("HTTP/1.1", &["Upgrade: x"], ""),
            ("HTTP/1.1", &["Connection: upgrade"], ""),
            ("HTTP/1.1", &["Connection: upgrade", "Upgrade:"], ""),
            ("HTTP/1.1", &["Connection: no-upgrade", "Upgrade: x"], ""),
        ] {
            assert_eq!(asked_by(version, lines), want, "{version} {lines:?}");
        }
    }

    #[test]
    fn only_what_was_asked_for_can_be_agreed_on() {
        for (asked, answered, want) in [
            ("websocket", "websocket", true),
            ("websocket", "WebSocket", true),
            ("a/1, b", "B", true),
            ("a/1, b", "b,, a/1", true),
            ("a/1", "a", true),
            ("a", "a/7", true),
            ("a/1", "a/2", false),
            ("a/x", "a/X", false),
            ("websocket", "h2c", false),
            ("websocket", "websocket, h2c", false),
            ("websocket", "", false),
            ("websocket", "websocke", false),
            ("", "x", false),
            ("", "", false),
        ] {
            assert_eq!(
                agreed(asked, &[&format!("Upgrade: {answered}")]),
                want,
                "{asked} {answered}"
            );
        }
        assert!(!agreed("websocket", &["Connection: Upgrade"]));
        assert!(!agreed("websocket", &["Upgrade: websocket", "Upgrade: TLS/1.3"]));
    }
}
