//! What a request that asks how the proxy is gets: a page, or an answer of a line at once. Who may see what is decided
//! here; what stands on the pages is not.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::flow::Gate;
use crate::http::head::{self, RequestHead};
use crate::http::page::{self, Brief};
use crate::http::{Fault, Version, accept, fields};
use crate::text::slices::within;

use super::at::At;
use super::front::Surface;
use super::then::Then;
use super::words::{Admin, Page};

/// What the answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Page(Page),
    Brief(Brief),
}

/// How it is to be given.
struct Asked {
    answer: Answer,
    version: Version,
    head_only: bool,
}

/// Answers the complete head that stands there in `up.rx`, which is consumed. The connection ends behind the answer.
pub(super) fn verdict(place: Range<usize>, surface: Surface, at: &mut At<'_, '_>) -> Then {
    at.flows.up.gate = Gate::Pass(0);
    let bytes = within(at.flows.up.rx.as_slice(), place.clone());
    let is_near = surface == Surface::Tunnels || at.shared.client.ip().is_loopback();
    let admin = at.cx.admin;
    let asked = head::with_request(bytes, &at.cx.settings.head, |parsed| match parsed {
        Ok(head) => Asked {
            answer: answer(&head, surface, is_near, admin),
            version: head.version,
            head_only: head.method == "HEAD",
        },
        Err(fault) => Asked {
            answer: Answer::Brief(match fault {
                Fault::Malformed(reason) => page::malformed(reason),
                Fault::TooLarge(reason) => page::too_large(reason),
            }),
            version: Version::Http11,
            head_only: false,
        },
    });
    at.flows.up.rx.consume(place.end);
    match asked.answer {
        Answer::Page(page) => Then::Show(page, asked.version, asked.head_only),
        Answer::Brief(brief) => {
            page::brief(brief, asked.head_only, at.flows.down.tx.writer());
            Then::Linger
        }
    }
}

fn answer(head: &RequestHead<'_>, surface: Surface, is_near: bool, admin: &Admin) -> Answer {
    let found = match surface {
        Surface::Tunnels => Answer::Page(Page::Connections),
        Surface::Port => resource(head, admin),
    };
    match found {
        Answer::Brief(page::NOT_FOUND) => found,
        _ if !matches!(head.method, "GET" | "HEAD") => Answer::Brief(page::NOT_ALLOWED),
        Answer::Page(Page::Home | Page::State | Page::Tunnels | Page::Refusals) => {
            if !is_near && !admin.is_open {
                Answer::Brief(page::FAR)
            } else if !is_addressed_directly(head) {
                Answer::Brief(page::MISDIRECTED)
            } else {
                found
            }
        }
        _ => found,
    }
}

fn resource(head: &RequestHead<'_>, admin: &Admin) -> Answer {
    let path = path(head.target);
    if path == admin.metrics_path.as_bytes() {
        return Answer::Page(Page::Metrics);
    }
    match path {
        b"/healthz" => Answer::Brief(page::HEALTHY),
        b"/readyz" if admin.is_leaving => Answer::Brief(page::draining(admin.listeners)),
        b"/readyz" => Answer::Brief(page::READY),
        b"/" if accept::prefers_json(head.fields) => Answer::Page(Page::State),
        b"/" => Answer::Page(Page::Home),
        b"/tunnels" => Answer::Page(Page::Tunnels),
        b"/refusals" => Answer::Page(Page::Refusals),
        _ => Answer::Brief(page::NOT_FOUND),
    }
}

/// The path of a request-target in origin form or, as servers must take it too (RFC 9112, 3.2.2), absolute form.
fn path(target: &[u8]) -> &[u8] {
    let target = match target.strip_prefix(b"http://") {
        Some(rest) => match memchr::memchr2(b'/', b'?', rest) {
            Some(at) if rest.get(at) == Some(&b'/') => rest.get(at..).unwrap_or_default(),
            _ => b"/",
        },
        None => target,
    };
    match memchr::memchr(b'?', target) {
        Some(at) => target.get(..at).unwrap_or_default(),
        None => target,
    }
}

/// Does the client call us by an address, or `localhost`? A name that somebody else owns may have come to mean us only now,
/// so that a browser takes his page's scripts for ours.
fn is_addressed_directly(head: &RequestHead<'_>) -> bool {
    let Some(host) = fields::field(head.fields, "host")
        .next()
        .and_then(|host| str::from_utf8(host).ok())
    else {
        return false;
    };
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let (name, port) = match host.find(':') {
        Some(at) => host.split_at(at),
        None => (host, ""),
    };
    let is_own = name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok();
    is_own && is_port(port)
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;

    fn asked(request: &str, is_near: bool, admin: &Admin) -> Answer {
        head::with_request(request.as_bytes(), &HeadLimits::default(), |head| {
            answer(&head.unwrap(), Surface::Port, is_near, admin)
        })
    }

    fn admin() -> Admin {
        Admin {
            metrics_path: "/m".into(),
            ..Admin::default()
        }
    }

    #[test]
    fn each_path_has_its_page() {
        let admin = admin();
        for (path, answer) in [
            ("/m", Answer::Page(Page::Metrics)),
            ("/m?x=/", Answer::Page(Page::Metrics)),
            ("http://h.test/m", Answer::Page(Page::Metrics)),
            ("http://127.0.0.1?x=/m", Answer::Page(Page::Home)),
            ("/metrics", Answer::Brief(page::NOT_FOUND)),
            ("/M", Answer::Brief(page::NOT_FOUND)),
            ("/healthz", Answer::Brief(page::HEALTHY)),
            ("/readyz", Answer::Brief(page::READY)),
            ("/", Answer::Page(Page::Home)),
            ("/tunnels", Answer::Page(Page::Tunnels)),
            ("/refusals?", Answer::Page(Page::Refusals)),
            ("/tunnels/", Answer::Brief(page::NOT_FOUND)),
            ("*", Answer::Brief(page::NOT_FOUND)),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n");
            assert_eq!(asked(&request, true, &admin), answer, "{path}");
        }
        let json = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
        assert_eq!(asked(json, true, &admin), Answer::Page(Page::State));
        let leaving = Admin {
            is_leaving: true,
            listeners: 2,
            ..admin
        };
        let readyz = "GET /readyz HTTP/1.1\r\n\r\n";
        assert_eq!(asked(readyz, false, &leaving), Answer::Brief(page::draining(2)));
    }

    #[test]
    fn pages_for_people_are_for_those_who_are_near_and_call_us_by_address() {
        let (closed, open) = (
            admin(),
            Admin {
                is_open: true,
                ..admin()
            },
        );
        for path in ["/", "/tunnels", "/refusals"] {
            let request = |host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            for (host, is_own) in [
                ("127.0.0.1", true),
                ("127.0.0.1:9810", true),
                ("[::1]:9810", true),
                ("[2a00::1]", true),
                ("LocalHost:1", true),
                ("44.1.2.3:80", true),
                ("evil.test", false),
                ("localhost.evil.test:80", false),
                ("127.0.0.1.evil.test", false),
                ("::1", false),
                ("[::1]x", false),
                ("2130706433", false),
                ("", false),
            ] {
                let near = asked(&request(host), true, &closed);
                let misdirected = near == Answer::Brief(page::MISDIRECTED);
                assert_eq!(!misdirected, is_own, "{path} {host}");
                assert_eq!(asked(&request(host), false, &open), near);
                assert_eq!(asked(&request(host), false, &closed), Answer::Brief(page::FAR));
            }
            let none = format!("GET {path} HTTP/1.0\r\n\r\n");
            assert_eq!(asked(&none, true, &closed), Answer::Brief(page::MISDIRECTED));
        }
        let scrape = "GET /m HTTP/1.1\r\nHost: proxy.internal:9810\r\n\r\n";
        assert_eq!(asked(scrape, false, &closed), Answer::Page(Page::Metrics));
    }

    #[test]
    fn only_get_and_head_are_allowed_and_only_where_something_is() {
        for method in ["POST", "OPTIONS", "CONNECT", "get", "TRACE"] {
            for (path, answer) in [
                ("/m", page::NOT_ALLOWED),
                ("/healthz", page::NOT_ALLOWED),
                ("/", page::NOT_ALLOWED),
                ("/x", page::NOT_FOUND),
            ] {
                let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                assert_eq!(
                    asked(&request, true, &admin()),
                    Answer::Brief(answer),
                    "{method} {path}"
                );
            }
        }
        let head = "HEAD /m HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assert_eq!(asked(head, true, &admin()), Answer::Page(Page::Metrics));
    }
}
