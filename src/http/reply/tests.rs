//! The exact bytes of our answers.

use super::*;

const DENIED: Reply<'_> = Reply {
    status: 407,
    reason: "Request rejected by proxy (no-rule)",
    code: "no-rule",
    error_type: "http_request_denied",
    id: "9m4e2mr0ui3e8a215n4g",
    text: "Egress proxying is denied to host 'h:81': rule has enforce policy.",
    extra_message: "",
    json: None,
    cause: Cause::Policy,
    retry_seconds: 1,
    close: false,
    head_only: false,
    keep_alive_10: false,
};

fn written(answer: Reply<'_>) -> String {
    let mut out = b">".to_vec();
    reply(&answer, &mut out);
    String::from_utf8(out).unwrap()[1..].to_owned()
}

#[test]
fn a_denial() {
    let want = "HTTP/1.1 407 Request rejected by proxy (no-rule)\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        X-Content-Type-Options: nosniff\r\n\
        Content-Length: 67\r\n\
        X-Smokescreen-Error: Egress proxying is denied to host 'h:81': rule has enforce policy.\r\n\
        X-Smokescreen-Code: no-rule\r\n\
        X-Smokescreen-Request-Id: 9m4e2mr0ui3e8a215n4g\r\n\
        Proxy-Status: smokescreen; error=http_request_denied; details=\"no-rule\"\r\n\
        \r\n\
        Egress proxying is denied to host 'h:81': rule has enforce policy.\n";
    assert_eq!(written(DENIED), want);
    let head = written(Reply {
        head_only: true,
        ..DENIED
    });
    assert_eq!(
        want.strip_prefix(&head),
        want.split_once("\r\n\r\n").map(|(_, body)| body)
    );
}

#[test]
fn only_what_is_asked_for_is_said() {
    let fields = [
        "Proxy-Authenticate: Basic realm=\"smokescreen\", charset=\"UTF-8\"",
        "Retry-After: 1",
        "Connection: close",
        "Connection: keep-alive",
    ];
    for (answer, want) in [
        (DENIED, [false, false, false, false]),
        (
            Reply {
                cause: Cause::Credentials,
                ..DENIED
            },
            [true, false, false, false],
        ),
        (
            Reply {
                cause: Cause::Role,
                ..DENIED
            },
            [false, false, false, false],
        ),
        (
            Reply {
                cause: Cause::Capacity,
                ..DENIED
            },
            [false, true, false, false],
        ),
        (
            Reply {
                close: true,
                ..DENIED
            },
            [false, false, true, false],
        ),
        (
            Reply {
                keep_alive_10: true,
                ..DENIED
            },
            [false, false, false, true],
        ),
        (
            Reply {
                close: true,
                keep_alive_10: true,
                ..DENIED
            },
            [false, false, true, false],
        ),
    ] {
        let head = written(answer);
        assert_eq!(
            fields.map(|field| head.contains(&format!("\r\n{field}\r\n"))),
            want,
            "{answer:?}"
        );
    }
}

#[test]
fn the_operators_words_follow_after_an_empty_line() {
    let answer = written(Reply {
        text: "no.",
        extra_message: "see é\nwiki",
        ..DENIED
    });
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "no.\n\nsee é\nwiki\n");
    assert!(
        head.contains("\r\nX-Smokescreen-Error: no. see \\u{e9} wiki\r\n"),
        "{head}"
    );
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
}

#[test]
fn no_text_breaks_out_of_its_line() {
    for text in ["a\r\nEvil: 1\r\n\r\nx", "\n\r \t", "a\0\x1b[31m\x7f", "é☃"] {
        let answer = written(Reply {
            reason: text,
            text,
            extra_message: text,
            ..DENIED
        });
        let head = answer.split_once("\r\n\r\n").unwrap().0;
        assert_eq!(head.lines().count(), 8, "{text:?}");
        let printable = head
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
        assert!(printable && !head.contains("\nEvil"), "{head:?}");
    }
}

/// Whatever a request or a configuration holds stays inside its string.
#[test]
fn json_says_the_same_and_more() {
    let facts = Facts {
        host: "h\"\\\r\n\u{2028}é:81",
        role: "ci",
        rule: "a \"b\".yaml:7",
        hint: "",
    };
    let want = "{\"error\": \"no.\\n\\nsee \\u00e9\\nwiki\", \"code\": \"no-rule\", \
        \"host\": \"h\\\"\\\\\\u000d\\n\\u2028\\u00e9:81\", \"role\": \"ci\", \
        \"id\": \"9m4e2mr0ui3e8a215n4g\", \"rule\": \"a \\\"b\\\".yaml:7\", \"hint\": \"\"}\n";
    let answer = Reply {
        text: "no.",
        extra_message: "see é\nwiki",
        json: Some(facts),
        ..DENIED
    };
    let (head, body) = answer_parts(&answer);
    assert_eq!(body, want);
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", want.len())));
    assert!(
        head.contains("\r\nX-Smokescreen-Error: no. see \\u{e9} wiki\r\n"),
        "{head}"
    );
    let head_only = Reply {
        head_only: true,
        ..answer
    };
    assert_eq!(answer_parts(&head_only), (head, String::new()));
}

#[test]
fn a_long_host_is_cut_in_json_too() {
    let host = "é".repeat(10_000);
    let facts = Facts {
        host: &host,
        role: "",
        rule: "",
        hint: "",
    };
    let json = Some(facts);
    let (_, body) = answer_parts(&Reply { json, ..DENIED });
    assert!(
        body.contains(&format!("\"host\": \"{}\", ", "\\u00e9".repeat(127))),
        "{body}"
    );
}

fn answer_parts(answer: &Reply<'_>) -> (String, String) {
    let answer = written(*answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Go CVE-2026-42507 (GO-2026-5039): line breaks and escape sequences in a host.
#[test]
fn go_2026_5039_hosts_are_escaped() {
    for (host, want) in [
        ("example.com:443", "example.com:443"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("a'b\"c\\d", "a\\'b\\\"c\\\\d"),
        ("a\r\n\tb\x1b[m\0\x7f", "a\\r\\n\\tb\\u{1b}[m\\u{0}\\u{7f}"),
        ("bücher.example", "b\\u{fc}cher.example"),
        ("", ""),
    ] {
        assert_eq!(escape_host(host), want);
    }
}

#[test]
fn long_hosts_are_cut() {
    assert_eq!(escape_host(&"a".repeat(255)), "a".repeat(255));
    assert_eq!(escape_host(&"a".repeat(256)), "a".repeat(255) + "...");
    assert_eq!(
        escape_host(&("a".repeat(250) + "é☃")),
        "a".repeat(250) + "...",
        "an escape is not cut in two"
    );
    assert!(escape_host(&"\u{10ffff}".repeat(10_000)).len() <= 258);
}

#[test]
fn options_are_answered_with_an_empty_body() {
    for (close, keep_alive_10, connection) in [
        (false, false, ""),
        (true, false, "Connection: close\r\n"),
        (false, true, "Connection: keep-alive\r\n"),
    ] {
        let mut out = Vec::new();
        options(close, keep_alive_10, &mut out);
        let allow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT\r\n";
        let want = format!("HTTP/1.1 200 OK\r\n{allow}Content-Length: 0\r\n{connection}\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}

#[test]
fn a_405_says_what_is_allowed() {
    let answer = written(Reply {
        status: METHOD_NOT_ALLOWED,
        ..DENIED
    });
    assert!(answer.contains("\r\nAllow: GET, HEAD, "), "{answer}");
    assert!(!written(DENIED).contains("Allow"));
}
