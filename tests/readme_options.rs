//! Holds the option tables of docs/options.md equal to the option table of the code, and the metrics of docs/operating.md to
//! the code's. On a mismatch the expected text is
//! printed: paste it between the markers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use smokescreen::config::options::{GROUPS, Kind, OptionRow};
use smokescreen::stats::FAMILIES;

const BEGIN: &str = "<!-- options: held by tests/readme_options.rs -->\n";
const END: &str = "<!-- end of options -->";

/// All groups of the option table as Markdown.
fn markdown() -> String {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("\n**{}**\n\n", group.title));
        text.push_str("| option | default | what it does |\n|---|---|---|\n");
        for row in group.rows {
            text.push_str(&line(row));
        }
    }
    text.push('\n');
    text
}

fn line(row: &OptionRow) -> String {
    let short = match row.short {
        "" => String::new(),
        short => format!(", `-{short}`"),
    };
    let placeholder = match row.placeholder {
        "" => String::new(),
        placeholder => format!(" {placeholder}"),
    };
    let key = match row.has_key() && row.has_flag() && row.key() != row.flag.replace('-', "_") {
        true => format!("; file: `{}`", row.key()),
        false => String::new(),
    };
    let place = if row.has_flag() { "" } else { "; only in the file" };
    let words = match row.kind {
        Kind::Choice(words) => format!("; one of {}", words.join(", ")),
        _ => String::new(),
    };
    let meaning = match row.not_built {
        true => format!("*not available yet*: {}", row.meaning),
        false => row.meaning.to_owned(),
    };
    format!(
        "| `{}{placeholder}`{short} | {} | {meaning}{words}{key}{place} |\n",
        row.label(),
        default(row)
    )
}

fn default(row: &OptionRow) -> String {
    match (row.default_note, row.default) {
        ("", "") => "none".to_owned(),
        ("", "false") => "off".to_owned(),
        ("", value) => format!("`{value}`"),
        (note, _) => note.to_owned(),
    }
}

#[test]
fn the_readme_lists_the_options_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md");
    let readme = std::fs::read_to_string(path).expect("docs/options.md");
    let (_, rest) = readme.split_once(BEGIN).expect("the marker before the options");
    let (found, _) = rest.split_once(END).expect("the marker behind the options");
    let expected = markdown();
    if found != expected {
        panic!(
            "docs/options.md lists other options than the code; expected between the markers:\n{expected}"
        );
    }
}

const METRICS_BEGIN: &str = "<!-- metrics: held by tests/readme_options.rs -->\n";
const METRICS_END: &str = "<!-- end of metrics -->";

/// All metrics as Markdown.
fn metrics() -> String {
    let mut text = String::from("\n| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let labels = match family.labels {
            [] => String::new(),
            labels => format!("`{}`", labels.join("`, `")),
        };
        text.push_str(&format!(
            "| `{}` | {} | {labels} | {} |\n",
            family.prometheus_name(),
            family.prometheus_kind(),
            family.help
        ));
    }
    text.push('\n');
    text
}

#[test]
fn the_operators_page_lists_the_metrics_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(path).expect("docs/operating.md");
    let (_, rest) = page
        .split_once(METRICS_BEGIN)
        .expect("the marker before the metrics");
    let (found, _) = rest
        .split_once(METRICS_END)
        .expect("the marker behind the metrics");
    let expected = metrics();
    if found != expected {
        panic!(
            "docs/operating.md lists other metrics than the code; expected between the markers:\n{expected}"
        );
    }
}
