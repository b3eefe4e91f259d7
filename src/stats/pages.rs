//! The page for people, and how the proxy stands, as JSON, which that page shows. What tunnels and refusals there are it
//! asks for by itself.

use std::io::Write as _;

use crate::text::json;

use super::part::Part;
use super::{Standing, Stats};

/// The page: one file, with its style and its script.
const PAGE: &str = include_str!("page.html");

pub(super) fn home(part: Part<'_>) -> Option<u64> {
    part.out.extend_from_slice(PAGE.as_bytes());
    None
}

pub(super) fn state(stats: &Stats, standing: &Standing, part: Part<'_>) -> Option<u64> {
    let out = part.out;
    let state = match standing.is_leaving {
        true => "draining",
        false => "serving",
    };
    let uptime = standing.wall.duration_since(stats.started).unwrap_or_default();
    let _ = write!(
        out,
        "{{\"version\":\"{}\",\"state\":\"{state}\",\"uptime_s\":{},\"connections_open\":{},\"connections_max\":{},\
         \"tunnels_open\":{},\"requests_concurrent\":{},\"buffered_bytes\":{},\"log_lines_dropped\":{},\
         \"acl_generation\":{},\"policy_sha256\":\"{}\",\"limits\":{{",
        env!("CARGO_PKG_VERSION"),
        uptime.as_secs(),
        standing.connections_open,
        standing.connections_max,
        standing.tunnels_open,
        standing.requests_concurrent,
        standing.buffered_bytes,
        standing.log_lines_dropped,
        stats.policy.generation,
        stats.policy.sha256,
    );
    for (nth, (name, value)) in stats.settings.facts.iter().enumerate() {
        out.extend_from_slice(if nth == 0 { b"" } else { b"," });
        json::string(out, name);
        out.push(b':');
        json::string(out, value);
    }
    out.extend_from_slice(b"}}\n");
    None
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use crate::http::page::PAGE_POLICY;

    use super::*;

    fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
        let (_, rest) = text.split_once(begin).unwrap();
        rest.split_once(end).unwrap().0
    }

    /// What the policy lets run and show is what the page has.
    #[test]
    fn the_pages_policy_names_its_own_script_and_style() {
        for (kind, begin, end) in [
            ("script", "<script>", "</script>"),
            ("style", "<style>", "</style>"),
        ] {
            assert_eq!(PAGE.matches(&begin[..begin.len() - 1]).count(), 1, "{kind}");
            let digest = STANDARD.encode(Sha256::digest(between(PAGE, begin, end)));
            let source = format!("{kind}-src 'sha256-{digest}'");
            assert!(PAGE_POLICY.contains(&source), "PAGE_POLICY needs {source}");
        }
    }

    #[test]
    fn the_page_asks_nobody_else_and_makes_no_markup_of_what_it_is_told() {
        for word in [
            "http:",
            "https:",
            "//cdn",
            "src=",
            "href=",
            "@import",
            "url(",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "style=",
            "onclick=",
            "onload=",
        ] {
            assert!(!PAGE.contains(word), "{word}");
        }
        assert!(PAGE.contains("textContent") && PAGE.contains("viewport") && PAGE.contains("color-scheme"));
        assert!(PAGE.len() < 16 * 1024);
    }
}
