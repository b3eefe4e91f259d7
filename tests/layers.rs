//! Holds the house's rules: which room may name which (the table of ARCHITECTURE.md), what the pure half may not
//! touch, who may connect, and how long a file or a function may get. Reads the sources as text; the compiler does the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[path = "layers/circles.rs"]
mod circles;
#[path = "layers/imports.rs"]
mod imports;
#[path = "layers/scan.rs"]
mod scan;

use std::path::{Path, PathBuf};

use scan::Source;

/// The rooms that decide: they are given time, addresses and bytes, and touch nothing themselves.
const PURE: &[&str] = &[
    "net", "text", "lock", "yaml", "hello", "flow", "policy", "http", "session",
];

/// Path beginnings that a pure room may not contain.
const IMPURE: &[&str] = &[
    "mio",
    "socket2",
    "rustix",
    "signal_hook",
    "signal_hook_mio",
    "dns_lookup",
    "env_logger",
    "log",
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "Instant::now",
    "Instant::elapsed",
    "time::Instant::now",
    "clock::Instant::now",
    "SystemTime::now",
    "std::time::Instant::now",
    "crate::clock::Instant::now",
    "std::time::SystemTime::now",
    "std::sync::mpsc",
];

/// Calls that a pure room may not make: they read the clock or write somewhere.
const IMPURE_CALLS: &[&str] = &[
    ".elapsed(",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "thread_local!",
];

/// The only files that may call connect(2): traffic, the name servers from the configuration, commands, which ask the
/// proxy itself, and what asks whether a socket of the file system is another process's.
const MAY_CONNECT: &[&str] = &[
    "src/io/dialer",
    "src/io/resolver",
    "src/io/local_socket.rs",
    "src/command/",
];

/// The files of the two proofs that a dial needs.
const PROOFS: [&str; 2] = ["src/policy/allowed.rs", "src/policy/vetted.rs"];

/// A readable file; tests inside it do not count.
const LINES_MAX: usize = 400;

/// And one function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 60;

/// The crates that one room hides from all others, so that another can take their place.
const HIDDEN: &[(&str, &str)] = &[("serde_yaml", "yaml"), ("saphyr_parser", "yaml")];

/// What is built for production.
fn sources() -> Vec<Source> {
    let mut sources = all_sources();
    sources.retain(|source| !source.is_test());
    sources
}

fn all_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 5, "the sources are not where they are expected");
    let read = |path: &PathBuf| {
        let name = path
            .strip_prefix(root)
            .expect("inside")
            .to_str()
            .expect("a plain name")
            .to_owned();
        Source::new(&name, &std::fs::read_to_string(path).expect("a source"))
    };
    files.iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each room of ARCHITECTURE.md's table and what it may name, the words in backticks of the last column. An arrow with
/// `::` leads to that part of a room only.
fn arrows() -> Vec<(String, Vec<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let document = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    let mut rows = document
        .lines()
        .skip_while(|line| !line.ends_with("| may name |"))
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .map(|line| line.trim_end_matches(" |"))
        .peekable();
    assert!(rows.peek().is_some(), "the table is not where it is expected");
    let quoted =
        |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    rows.map(|row| {
        let (_, may_name) = row.rsplit_once(" | ").expect("three columns");
        (quoted(row).swap_remove(0), quoted(may_name))
    })
    .collect()
}

fn is_covered(path: &str, arrow: &str) -> bool {
    path == arrow || path.starts_with(&format!("{arrow}::"))
}

/// Every place where a room names one that it may not.
fn wrong_arrows(sources: &[Source]) -> Vec<String> {
    let arrows = arrows();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.room() != "lib") {
        let Some((_, allowed)) = arrows.iter().find(|(room, _)| room == source.room()) else {
            wrong.push(format!("{}: no such room in the table", source.name));
            continue;
        };
        for path in source.crate_paths() {
            let first = path.split("::").next().unwrap_or_default();
            let known = first != source.room() && arrows.iter().any(|(room, _)| room == first);
            if known && !allowed.iter().any(|arrow| is_covered(&path, arrow)) {
                wrong.push(format!("{} names crate::{path}", source.name));
            }
        }
    }
    wrong
}

/// Every arrow of the table that no source uses.
fn unused_arrows(sources: &[Source]) -> Vec<String> {
    let is_used = |room: &str, arrow: &str| {
        sources
            .iter()
            .filter(|source| source.room() == room)
            .flat_map(Source::crate_paths)
            .any(|path| is_covered(&path, arrow))
    };
    let mut unused = Vec::new();
    for (room, allowed) in arrows() {
        let idle = allowed.iter().filter(|arrow| !is_used(&room, arrow));
        unused.extend(idle.map(|arrow| format!("{room} names no {arrow}")));
    }
    unused
}

fn impurities(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| PURE.contains(&source.room())) {
        for path in source.paths() {
            // A variable may be called `log`; the crate is only ever named in a path.
            let is_named = |impure: &&str| {
                path == *impure && *impure != "log" || path.starts_with(&format!("{impure}::"))
            };
            if IMPURE.iter().any(is_named) {
                found.push(format!("{} names {path}", source.name));
            }
        }
        let calls = IMPURE_CALLS.iter().filter(|call| source.calls(call) > 0);
        found.extend(calls.map(|call| format!("{} calls {call}", source.name)));
    }
    found
}

fn connects(sources: &[Source]) -> Vec<String> {
    let calls = [
        ".connect(",
        "::connect(",
        ".connect_timeout(",
        "::connect_timeout(",
    ];
    let outside = sources
        .iter()
        .filter(|source| !MAY_CONNECT.iter().any(|prefix| source.name.starts_with(prefix)));
    outside
        .filter(|source| calls.iter().any(|call| source.calls(call) > 0))
        .map(|source| source.name.clone())
        .collect()
}

/// Every place where a proof is made. Elsewhere than in its own file it would not compile; there, only this counts.
fn proofs(sources: &[Source]) -> Vec<String> {
    let made = |source: &Source| {
        let by_name = source.constructions("Vetted", '(') + source.constructions("Allowed", '{');
        let by_self = source.constructions("Self", '(') + source.constructions("Self", '{');
        by_name
            + if PROOFS.contains(&&*source.name) {
                by_self
            } else {
                0
            }
    };
    sources
        .iter()
        .flat_map(|source| std::iter::repeat_n(source.name.clone(), made(source)))
        .collect()
}

/// Calls of a method of the policy; a type's own method of the same name, called on `self`, is none.
fn call_sites(sources: &[Source], call: &str) -> Vec<String> {
    let outside = sources.iter().filter(|source| source.room() != "policy");
    let count = |source: &Source| source.calls(call) - source.calls(&format!("self{call}"));
    outside
        .flat_map(|source| std::iter::repeat_n(source.name.clone(), count(source)))
        .collect()
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.lines() > LINES_MAX);
    long.map(|source| format!("{}: {} lines", source.name, source.lines()))
        .collect()
}

fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let functions = source.functions().into_iter();
        let long = functions.filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        found.extend(long.map(|(name, lines)| format!("{}: {name} has {lines} lines", source.name)));
    }
    found
}

/// Every place where a crate is named that another room hides.
fn unhidden(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let is_hidden = |path: &&String| {
            let first = path.split("::").next();
            HIDDEN
                .iter()
                .any(|(name, room)| first == Some(*name) && source.room() != *room)
        };
        let paths = source.paths();
        let named = paths.iter().filter(is_hidden);
        found.extend(named.map(|path| format!("{} names {path}", source.name)));
    }
    found
}

fn undocumented(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| !source.begins_with_documentation())
        .map(|source| source.name.clone())
        .collect()
}

const NONE: [String; 0] = [];

#[test]
fn arrows_run_one_way() {
    let sources = sources();
    assert_eq!(wrong_arrows(&sources), NONE);
    assert_eq!(unused_arrows(&sources), NONE);
}

#[test]
fn pure_rooms_touch_nothing() {
    assert_eq!(impurities(&sources()), NONE);
}

#[test]
fn only_dialer_and_resolver_connect() {
    let sources = sources();
    assert_eq!(connects(&sources), NONE);
    let dialer = sources
        .iter()
        .find(|source| source.name.starts_with("src/io/dialer"));
    assert!(
        dialer.is_some_and(|dialer| dialer.calls("::connect(") == 1),
        "the check knows another name for it"
    );
}

#[test]
fn each_proof_is_made_in_one_place() {
    assert_eq!(proofs(&sources()), PROOFS);
}

/// A second call site is a second place where a check can be forgotten; a second policy may be another one than the
/// operator's.
#[test]
fn policy_is_asked_in_one_place() {
    let sources = sources();
    for call in [
        ".decide(",
        ".vet(",
        ".vet_passed_on(",
        ".vet_upstream(",
        "policy.trust(",
        "Policy::new(",
    ] {
        let sites = call_sites(&sources, call);
        assert_eq!(sites.len(), 1, "{call} is called in {sites:?}");
    }
}

#[test]
fn no_files_import_each_other() {
    let sources = sources();
    assert_eq!(circles::circles(&sources), [[""; 0]; 0]);
}

#[test]
fn imports_are_in_order() {
    let sources = all_sources();
    let misplaced = sources.iter().filter_map(|source| {
        let lines = imports::misplaced(source);
        (!lines.is_empty()).then(|| format!("{}: lines {lines:?}", source.name))
    });
    assert_eq!(misplaced.collect::<Vec<_>>(), NONE);
}

#[test]
fn files_stay_readable() {
    let sources = sources();
    assert_eq!(too_long(&sources), NONE);
    assert_eq!(long_functions(&sources), NONE);
    assert_eq!(undocumented(&sources), NONE);
}

#[test]
fn some_crates_are_one_rooms_alone() {
    assert_eq!(unhidden(&sources()), NONE);
}

/// A check that cannot fail is none: each of these plants a violation.
#[test]
fn planted_violations_are_found() {
    let plant = |name: &str, text: &str| vec![Source::new(name, text)];
    for text in [
        "use crate::io::token::WireId;",
        "use crate::{net::Name, io};",
        "fn f(x: crate::io::X) {}",
        "use super::io::X;",
        "use crate::server;",
    ] {
        assert_eq!(wrong_arrows(&plant("src/session.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(
        wrong_arrows(&plant("src/session/head.rs", "use super::super::io::X;")).len(),
        1
    );
    assert_eq!(
        wrong_arrows(&plant("src/io/dialer.rs", "use crate::policy::{Vetted, Policy};")).len(),
        1
    );
    assert_eq!(
        wrong_arrows(&plant(
            "src/log.rs",
            "use crate::session::{outcome::Record, State};"
        ))
        .len(),
        1
    );
    assert_eq!(
        wrong_arrows(&plant("src/main.rs", "use smokescreen::io::Wire;")).len(),
        1
    );
    assert_eq!(wrong_arrows(&plant("src/new_room.rs", "")).len(), 1);
    let unused = unused_arrows(&plant("src/flow.rs", "use crate::policy::Policy;"));
    assert!(unused.contains(&"flow names no net".to_owned()), "{unused:?}");
    for text in [
        "use std::{collections::HashMap, thread};",
        "fn f() { let t = Instant::now(); }",
        "fn f() { std::fs::read(x); }",
        "use mio::Token;",
        "fn f(t: Instant) { t.elapsed(); }",
        "use std::net::{IpAddr, TcpStream as T};",
    ] {
        assert_eq!(impurities(&plant("src/http/head.rs", text)).len(), 1, "{text}");
    }
    for text in [
        "fn f() { TcpStream::connect(a); }",
        "fn f(s: S) { s.connect (a); }",
        "fn f() { socket.connect_timeout(a, b); }",
    ] {
        assert_eq!(connects(&plant("src/io/wire.rs", text)).len(), 1, "{text}");
    }
    for text in [
        "fn f() { let v = Vetted(a); }",
        "fn f() { Some(Allowed { target, decision }) }",
        "fn f() { super::Vetted(a) }",
        "fn f() -> Self { Self(a) }",
    ] {
        assert_eq!(proofs(&plant("src/policy/vetted.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(
        call_sites(
            &plant("src/server/conn.rs", "fn f() { p.vet(a); p\n.vet(b); }"),
            ".vet("
        )
        .len(),
        2
    );
    assert_eq!(
        too_long(&plant("src/net.rs", &"fn f() {}\n".repeat(401))).len(),
        1
    );
    for (begin, end, own_lines) in [
        ("fn f() {\n", "}\n", 2),
        (
            "impl X {\n    pub(super) const fn f<T>(\n        x: T,\n    ) -> T {\n",
            "    }\n}\n",
            4,
        ),
        ("trait X {\n    fn f();\n    fn g() {\n", "    }\n}\n", 2),
    ] {
        let of = |lines: usize| format!("{begin}{}{end}", "        x;\n".repeat(lines - own_lines));
        assert_eq!(long_functions(&plant("src/net.rs", &of(60))), NONE);
        assert_eq!(long_functions(&plant("src/net.rs", &of(61))).len(), 1);
    }
    assert_eq!(
        unhidden(&plant("src/config/file.rs", "use serde_yaml::Value;")).len(),
        1
    );
    assert_eq!(undocumented(&plant("src/net.rs", "use x;")).len(), 1);
}

/// And what only looks like a violation is none.
#[test]
fn comments_strings_and_tests_are_not_code() {
    let plant = |name: &str, text: &str| vec![Source::new(name, text)];
    let text = r##"//! crate::io
        /* use crate::io; /* nested */ std::thread */
        /// crate::server and Instant::now()
        const A: &str = "use crate::io::X; \" std::fs";
        const B: &str = r#"crate::io "quoted" std::fs"#;
        const C: char = '"'; const D: u8 = b'\''; fn f<'a>(x: &'a str) {}
        #[cfg(test)]
        mod tests { use crate::io::X; fn f() { let t = std::time::Instant::now(); { } } }
        use std::time::Instant; use std::net::{IpAddr, SocketAddr}; use crate::net::Name;
    "##;
    for check in [wrong_arrows, impurities, connects, proofs, too_long, undocumented] {
        assert_eq!(check(&plant("src/session/head.rs", text)), NONE);
    }
    let signatures = "impl Allowed { } impl X for Allowed { } fn f() -> Allowed { g() } struct Allowed { } fn h(v: &Vetted) { dial(v) }";
    assert_eq!(proofs(&plant("src/session/dial.rs", signatures)), NONE);
    assert_eq!(
        wrong_arrows(&plant(
            "src/io/dialer.rs",
            "use crate::policy::Vetted; use super::token::X; use crate::io::wire;"
        )),
        NONE
    );
    assert!(
        Source::new("src/http/head_tests.rs", "").is_test()
            && Source::new("src/http/head/tests.rs", "").is_test()
    );
}
