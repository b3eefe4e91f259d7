//! The four forms, and URIs that other parsers split differently.

use proptest::prelude::*;

use super::super::Version;
use super::super::fields::Fields;
use super::*;

fn of<'b>(method: &'b str, target: &'b [u8]) -> Result<Form<'b>, Fault> {
    form(&RequestHead {
        method,
        target,
        version: Version::Http11,
        fields: Fields::default(),
    })
}

fn split(target: &str) -> Result<(Option<Scheme>, &str, &str), Fault> {
    match of("GET", target.as_bytes())? {
        Form::Absolute {
            scheme,
            authority,
            path_and_query,
        } => Ok((
            scheme,
            str::from_utf8(authority).unwrap(),
            str::from_utf8(path_and_query).unwrap(),
        )),
        other => panic!("{target}: {other:?}"),
    }
}

#[test]
fn absolute_uris_split_where_the_rfc_says() {
    const HTTP: Option<Scheme> = Some(Scheme::Http);
    const HTTPS: Option<Scheme> = Some(Scheme::Https);
    for (target, want) in [
        ("http://h/p?q=1", (HTTP, "h", "/p?q=1")),
        ("http://h", (HTTP, "h", "")),
        ("http://h?x=1", (HTTP, "h", "?x=1")),
        ("http://h#f", (HTTP, "h", "")),
        ("http://h/p#f", (HTTP, "h", "/p")),
        ("http://h/p?q#f?g#h", (HTTP, "h", "/p?q")),
        ("https://h:8443/", (HTTPS, "h:8443", "/")),
        ("http://[2001:db8::1]:80/x", (HTTP, "[2001:db8::1]:80", "/x")),
        (
            "http://h//a/../%2e/é;b=c:d@e",
            (HTTP, "h", "//a/../%2e/é;b=c:d@e"),
        ),
        ("http://h/?u=http://x/y?z", (HTTP, "h", "/?u=http://x/y?z")),
        ("ftp://h/x", (None, "h", "/x")),
        ("gopher://h:70/1", (None, "h:70", "/1")),
        ("urn:isbn:1", (None, "", "")),
        ("file:///etc/passwd", (None, "", "/etc/passwd")),
        ("cache_object://h/", (None, "", "")),
    ] {
        if target.starts_with("cache_object") {
            assert_eq!(split(target), Err(NOT_ABSOLUTE), "`_` is in no scheme");
        } else {
            assert_eq!(split(target), Ok(want), "{target}");
        }
    }
}

/// CVE-2026-40280: the scheme has no case.
#[test]
fn cve_2026_40280_upper_case_scheme() {
    assert_eq!(split("HTTP://h/"), Ok((Some(Scheme::Http), "h", "/")));
    assert_eq!(split("hTTpS://h/"), Ok((Some(Scheme::Https), "h", "/")));
}

/// aiohttp asks a proxy so for a WebSocket without TLS.
#[test]
fn ws_is_http_and_wss_is_https() {
    for scheme in ["ws", "WS", "wS"] {
        assert_eq!(
            split(&format!("{scheme}://h:81/c")),
            Ok((Some(Scheme::Http), "h:81", "/c"))
        );
        assert_eq!(
            split(&format!("{scheme}s://h/c")),
            Ok((Some(Scheme::Https), "h", "/c"))
        );
    }
    for target in ["ws:/h/", "wss:", "ws"] {
        assert_eq!(of("GET", target.as_bytes()), Err(NOT_ABSOLUTE), "{target}");
    }
    assert!(split("ws://").is_err() && split("wsx://h/").unwrap().0.is_none());
}

/// Squid SQUID-2004:1 and the Go URL advisories: whatever could be read as a second host stays in the authority,
/// where the target's parser refuses it.
#[test]
fn parser_splits_leave_the_doubt_in_the_authority() {
    for (target, authority) in [
        ("http://allowed@evil/", "allowed@evil"),
        ("http://evil\\@allowed/", "evil\\@allowed"),
        ("http://allowed\\.evil/x", "allowed\\.evil"),
        ("http://evil%00.allowed/", "evil%00.allowed"),
        ("http://[::1%25.example.com]:80/", "[::1%25.example.com]:80"),
        ("http://h:+443/", "h:+443"),
        ("http://a:b:c/", "a:b:c"),
    ] {
        assert_eq!(split(target).unwrap().1, authority);
    }
    assert_eq!(
        split("http://evil#.allowed/").unwrap(),
        (Some(Scheme::Http), "evil", "")
    );
    assert_eq!(
        split("http://evil?.allowed/").unwrap(),
        (Some(Scheme::Http), "evil", "?.allowed/")
    );
}

#[test]
fn not_absolute() {
    for target in [
        "foo",
        "h/p",
        "://h/",
        "1http://h/",
        "http:/h/",
        "http:h",
        "https:",
        "*",
        "?",
        "#",
        "h\u{e9}:x",
        "",
    ] {
        assert_eq!(of("GET", target.as_bytes()), Err(NOT_ABSOLUTE), "{target}");
    }
    for target in ["http://", "http:///p", "https://?q", "HTTP://#"] {
        assert_eq!(
            split(target),
            Err(Fault::Malformed("the request target has no host")),
            "{target}"
        );
    }
    for target in [
        "http://h/a b",
        "http://h/\t",
        "http://h/\r\nX: y",
        "http://h/\0",
        "http://h\x7f/",
        "/ ",
    ] {
        assert_eq!(
            of("GET", target.as_bytes()),
            Err(Fault::Malformed("a malformed request target")),
            "{target:?}"
        );
        assert_eq!(
            of("CONNECT", target.as_bytes()),
            Err(Fault::Malformed("a malformed request target"))
        );
    }
}

#[test]
fn origin_and_asterisk_forms() {
    assert_eq!(of("GET", b"/x"), Ok(Form::Origin));
    assert_eq!(of("GET", b"//h/x"), Ok(Form::Origin));
    assert_eq!(of("OPTIONS", b"*"), Ok(Form::Asterisk));
    assert_eq!(of("GET", b"*"), Err(NOT_ABSOLUTE));
}

#[test]
fn connect_takes_an_authority_only() {
    for target in ["h:443", "h", "[::1]:443", "u@h:443", "h:0"] {
        assert_eq!(
            of("CONNECT", target.as_bytes()),
            Ok(Form::Connect {
                authority: target.as_bytes()
            })
        );
    }
    for target in [
        "http://h:443/",
        "http://h:443",
        "/h:443",
        "h:443/",
        "h:443?x",
        "h:443#x",
        "*",
        "",
        "evil\\@h:443",
    ] {
        assert_eq!(
            of("CONNECT", target.as_bytes()),
            Err(NOT_AN_AUTHORITY),
            "{target}"
        );
    }
    assert!(matches!(
        of("connect", b"h:443"),
        Ok(Form::Absolute { scheme: None, .. })
    ));
}

proptest! {
    /// What comes out are the parts of what went in: nothing is decoded, moved or left out but the fragment.
    #[test]
    fn the_parts_are_the_whole(text in "[hH]ttps?://[a-z0-9.:@\\[\\]%]{0,9}[/?#]?[!-~]{0,12}|[!-~]{0,24}") {
        if let Ok(Form::Absolute { scheme: Some(_), authority, path_and_query }) =
            of("GET", text.as_bytes())
        {
            let scheme = text.split("://").next().unwrap();
            let whole = [scheme.as_bytes(), b"://", authority, path_and_query].concat();
            prop_assert_eq!(&whole[..], text.split('#').next().unwrap().as_bytes());
            prop_assert!(!authority.is_empty() && !authority.iter().any(|byte| b"/?#".contains(byte)));
            prop_assert!(path_and_query.is_empty() || b"/?".contains(&path_and_query[0]));
        }
    }
}
