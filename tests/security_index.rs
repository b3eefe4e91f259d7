//! Holds SECURITY.md to the tests that it names: each `file::function` must be a function of a test in that file, or
//! in one below a folder of that name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::path::{Path, PathBuf};

/// Every `file::function` in backticks; what else stands there has a space, a capital or no `::`.
fn named(document: &str) -> Vec<(String, String)> {
    let quoted = document.split('`').skip(1).step_by(2);
    let plain = |text: &&str| {
        text.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'/' | b':'))
    };
    quoted
        .filter(plain)
        .filter_map(|text| text.split_once("::"))
        .filter(|(file, function)| !file.is_empty() && function.contains('_'))
        .map(|(file, function)| (file.to_owned(), function.to_owned()))
        .collect()
}

/// All sources, by their path without `src/` or `tests/`.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests"] {
        collect(&root.join(folder), &root.join(folder), &mut sources);
    }
    sources
}

fn collect(base: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(base, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
            sources.push((name, std::fs::read_to_string(&path).expect("a source")));
        }
    }
}

/// Is the file meant by this name: itself, its tests beside it, or one in the folder of that name?
fn is_meant(path: &str, file: &str) -> bool {
    let rest = path.strip_prefix(file);
    rest.is_some_and(|rest| rest == ".rs" || rest == "_tests.rs" || rest.starts_with('/'))
}

fn missing(document: &str, sources: &[(String, String)]) -> Vec<String> {
    let is_there = |(file, function): &(String, String)| {
        let line = format!("fn {function}(");
        sources
            .iter()
            .any(|(path, source)| is_meant(path, file) && source.contains(&line))
    };
    let gone = named(document).into_iter().filter(|test| !is_there(test));
    gone.map(|(file, function)| format!("{file}::{function}"))
        .collect()
}

#[test]
fn every_test_that_security_md_names_is_there() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md");
    let document = std::fs::read_to_string(path).expect("SECURITY.md");
    assert!(
        named(&document).len() > 100,
        "the names are not where they are expected"
    );
    let missing = missing(&document, &sources());
    assert!(missing.is_empty(), "not there: {missing:#?}");
}

/// A check that cannot fail is none.
#[test]
fn a_name_that_is_not_there_is_found() {
    let sources = sources();
    let document =
        "`it/address::no_such_case`, `net::no_bytes_panic`, `src/policy/mod.rs`, `Allow: Default`, `::/96`";
    assert_eq!(missing(document, &sources), ["it/address::no_such_case"]);
    assert_eq!(
        missing("`policy/acl::no_bytes_panic`", &sources).len(),
        1,
        "another file's"
    );
}
