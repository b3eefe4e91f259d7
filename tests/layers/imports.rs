//! The order of imports: `std`, other crates, `crate`, then `super` and `self`; a blank line between these groups, and
//! none inside. Looks at declarations that are not indented.

use super::scan::Source;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Group {
    Standard,
    External,
    Crate,
    Near,
}

/// The first lines, from 1, of the imports that stand where they should not.
pub(crate) fn misplaced(source: &Source) -> Vec<usize> {
    let lines: Vec<&str> = source.text().lines().collect();
    let mut found = Vec::new();
    // Where the import before ended, and its group.
    let mut before: Option<(usize, Group)> = None;
    for (at, line) in lines.iter().enumerate() {
        let Some(path) = imported(line).filter(|path| path.contains("::")) else {
            continue;
        };
        let end = (at..lines.len())
            .find(|end| lines[*end].ends_with(';'))
            .unwrap_or(at);
        let group = group(path, &lines);
        let is_misplaced = before.is_some_and(|(last, previous)| {
            let between = &lines[last + 1..at];
            let is_next = between.iter().all(|line| line.is_empty());
            group < previous || is_next && between.is_empty() != (group == previous)
        });
        if is_misplaced {
            found.push(at + 1);
        }
        before = Some((end, group));
    }
    found
}

/// What a line imports, if it begins an import.
fn imported(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    line.strip_prefix("use ")
}

fn group(path: &str, lines: &[&str]) -> Group {
    let first = path.split("::").next().unwrap_or_default();
    let is_child = || {
        let declared = format!("mod {first};");
        lines
            .iter()
            .any(|line| !line.starts_with([' ', '/']) && line.ends_with(&declared))
    };
    match first {
        "std" | "core" | "alloc" => Group::Standard,
        "crate" | "smokescreen" => Group::Crate,
        "super" | "self" => Group::Near,
        // A child's path needs no `self`, but reads as a crate's then.
        _ if is_child() => Group::Near,
        _ => Group::External,
    }
}

/// A check that cannot fail is none.
#[test]
fn planted_disorder_is_found() {
    let found = |text: &str| misplaced(&Source::new("src/room/file.rs", text));
    let good = "//! x\n\nmod child;\n\nuse std::io;\n\npub use ::log::{\n    Level,\n    Log,\n};\nuse mio::Poll;\n\n\
                pub(crate) use crate::net::Name;\n\nuse self::child::A;\nuse super::B;\n\nfn f() {\n    use std::fmt;\n}\n";
    assert!(found(good).is_empty());
    for (right, wrong) in [
        ("use std::io;\n\n", "use std::io;\n"),
        ("use self::child::A;\n", "use self::child::A;\n\n"),
        ("use mio::Poll;", "use super::Poll;"),
        ("use self::child::A;\nuse super::B;", "use super::B;\nuse std::A;"),
        ("use mio::Poll;", "use child::Poll;"),
    ] {
        assert!(good.contains(right));
        assert!(!found(&good.replace(right, wrong)).is_empty(), "{wrong}");
    }
}
