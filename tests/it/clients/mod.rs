//! Other people's clients through the proxy, each asked three times: for what is allowed, for what is denied, and
//! with a wrong password. Writes the table of `docs/clients.md` to `target/client-matrix.md`, and holds that page to it and to
//! what it promises: most clients whose tunnel was denied show why, and few say the same for a wrong password.
//!
//! Python's and Node's libraries are those that `tests/clients/setup.sh` installs.

mod libraries;
mod programs;
mod site;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::support::PRIVATE;
use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::eventually;
use crate::support::log_line::LogLine;
use crate::support::program;
use crate::support::proxy::{Proxy, Setup};
use libraries::{aiohttp, axios, httpx, node_fetch, node_https, requests, urllib, ws};
use programs::{apt, curl, git, java, java_connection, npm, pip, wget};
use site::{NAME, Site};

cases![
    curl,
    wget,
    git,
    apt,
    pip,
    npm,
    requests,
    httpx,
    aiohttp,
    urllib,
    node_fetch,
    node_https,
    axios,
    ws,
    java,
    java_connection,
    the_table_of_the_readme_shows_why,
];

/// What one run of a client is told.
struct Call<'a> {
    /// The proxy with user and password, as a URL.
    proxy: String,
    /// What to fetch.
    url: String,
    /// The scheme of that.
    scheme: &'static str,
    /// The certificate to trust.
    certificate: String,
    /// An empty folder for the client's files.
    folder: &'a Path,
}

/// One way to use a client, and the words in which it tells how it fared.
struct Way {
    name: &'static str,
    scheme: &'static str,
    path: &'static str,
    command: fn(&Call<'_>) -> Result<Command, String>,
    /// What it prints when it is let through.
    allowed: &'static str,
    denied: &'static str,
    wrong_password: &'static str,
    /// Options of the proxy.
    options: &'static [&'static str],
}

/// What the proxy says to a client, where the client shows it: in a body, and in the status line.
const BY_RULE: &str = "denied by rule 'Deny: Private Range'";
const NO_ROLE: &str = "Client role cannot be determined";
const DENIED_LINE: &str = "Request rejected by proxy (private-range)";
const WRONG_LINE: &str = "Proxy Authentication Required";

/// For clients that show nothing but the number.
const STATUS_403: &[&str] = &["--deny-status", "403"];

/// A password that needs every kind of care, and a wrong one, as a URL writes them.
const RIGHT: &str = "any:s3cr3t%3A%20pa55%25word";
const WRONG: &str = "any:wrong";
/// A name whose address nobody may be sent to.
const DENIED: &str = "denied.test";

/// Runs every way of a client through a proxy of its own, writes the client's rows of the table, and compares them with
/// those of docs/clients.md, versions apart.
fn matrix(client: &str, version: &str, site: &Site, ways: &[Way]) -> Result<(), String> {
    let dns = Dns::start().name(NAME, &[PUBLIC]).name(DENIED, &[PRIVATE]);
    let mut measured = Vec::new();
    for way in ways {
        measure(client, way, site, &dns)?;
        measured.push(vec![
            client,
            version,
            way.name,
            "yes",
            way.denied,
            way.wrong_password,
        ]);
    }
    write_rows(client, &measured);
    let without_version = |rows: Vec<Vec<&str>>| -> Vec<String> {
        let joined = rows.iter().map(|row| [&row[..1], &row[2..]].concat().join(" | "));
        joined.collect()
    };
    let mut shown = rows_of_the_readme();
    shown.retain(|row| row[0] == client);
    assert_eq!(
        without_version(shown),
        without_version(measured),
        "docs/clients.md, then measured"
    );
    Ok(())
}

/// Asks by one way for what is allowed, for what is denied, and with a wrong password.
fn measure(client: &str, way: &Way, site: &Site, dns: &Dns) -> Result<(), String> {
    let start = || {
        let setup = Setup::locked().resolver(dns);
        let setup = way.options.iter().fold(setup, |setup, option| setup.arg(*option));
        setup.start()
    };
    let proxy = start();
    let allowed = ask(way, site, &proxy, NAME, RIGHT)?;
    assert!(allowed.contains(way.allowed), "{client}, {}: {allowed}", way.name);
    eventually("the line about what was let through", || {
        let_through(&proxy).then_some(())
    });
    let proxy = start();
    let denied = ask(way, site, &proxy, DENIED, RIGHT)?;
    let wrong_password = ask(way, site, &proxy, NAME, WRONG)?;
    for (said, words) in [(&denied, way.denied), (&wrong_password, way.wrong_password)] {
        assert!(
            said.contains(words) && !said.contains(way.allowed),
            "{client}, {}: not {words:?}: {said}",
            way.name
        );
    }
    // The table makes no client better than it is, nor worse.
    let is_mixed_up = way.denied != way.wrong_password && wrong_password.contains(way.denied);
    assert!(
        !is_mixed_up && !shows_why(&wrong_password) && shows_why(&denied) == shows_why(way.denied),
        "{client}, {}: {denied}{wrong_password}",
        way.name
    );
    proxy.settle_log();
    assert!(!let_through(&proxy), "{client}, {}", way.name);
    Ok(())
}

/// Does a client say why the host was denied?
fn shows_why(said: &str) -> bool {
    said.contains("(private-range)") || said.contains(BY_RULE)
}

/// Did it let any request through?
fn let_through(proxy: &Proxy) -> bool {
    let decided = |line: &LogLine| line.says("CANONICAL-PROXY-DECISION") && line.get("allow") == "true";
    proxy.log_lines().iter().any(decided)
}

/// All that a client printed.
fn ask(way: &Way, site: &Site, proxy: &Proxy, name: &str, credentials: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let call = Call {
        proxy: format!("http://{credentials}@{}", proxy.address()),
        url: site.url(way.scheme, name, way.path),
        scheme: way.scheme,
        certificate: site.certificate().to_str().expect("a plain path").to_owned(),
        folder: folder.path(),
    };
    let mut command = (way.command)(&call)?;
    let finished = program::run(clean(&mut command, folder.path()));
    Ok(finished.text() + &finished.stderr)
}

/// Takes this machine's settings from a command.
fn clean<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    let given: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .current_dir(home);
    for (name, value) in given {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// The first line that a command prints.
fn first_line(command: &mut Command) -> String {
    let finished = program::run(command);
    let text = finished.text() + &finished.stderr;
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The word of a line that begins with a digit: a version.
fn version_in(line: &str) -> &str {
    let mut words = line.split([' ', '"']);
    words
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or(line)
}

/// Where `tests/clients/setup.sh` put the libraries.
fn library_folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder");
    std::env::var_os("SMOKESCREEN_CLIENTS").map_or_else(|| target.join("clients"), PathBuf::from)
}

const PAGE: &str = include_str!("../../../docs/clients.md");

static TABLE: Mutex<()> = Mutex::new(());

const TABLE_HEAD: &str = "| client | version | way | allowed | denied: it says | wrong password: it says |\n\
                          | --- | --- | --- | --- | --- | --- |\n";

/// Keeps a client's rows and makes the table anew from all that are there.
fn write_rows(client: &str, rows: &[Vec<&str>]) {
    let _alone = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder");
    let folder = target.join("client-matrix");
    std::fs::create_dir_all(&folder).expect("a folder");
    let order = ORDER
        .iter()
        .position(|name| *name == client)
        .expect("a client of the list");
    let rows = rows.iter().fold(String::new(), |rows, row| {
        let (plain, words) = row.split_at(4);
        rows + &format!("| {} | `{}` |\n", plain.join(" | "), words.join("` | `"))
    });
    std::fs::write(folder.join(format!("{order:02}")), rows).expect("a file");
    let all =
        (0..ORDER.len()).filter_map(|order| std::fs::read_to_string(folder.join(format!("{order:02}"))).ok());
    let table = all.fold(TABLE_HEAD.to_owned(), |table, rows| table + &rows);
    std::fs::write(target.join("client-matrix.md"), table).expect("a file");
}

/// The rows that docs/clients.md shows, without the marks of the words.
fn rows_of_the_readme() -> Vec<Vec<&'static str>> {
    let (_, table) = PAGE.split_once(TABLE_HEAD).expect("the table's head");
    let rows = table
        .lines()
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = |line: &'static str| -> Vec<&str> {
        let (plain, words) = line.split_once(" | `").expect("a row with words");
        let words = words.trim_end_matches('`').split("` | `");
        plain.split(" | ").chain(words).collect()
    };
    rows.map(cells).collect()
}

/// At least four of five tunnels say why they were denied, and only those say the same for a wrong password that show
/// nothing but the status, which `--deny-status` tells apart.
fn the_table_of_the_readme_shows_why() {
    let rows = rows_of_the_readme();
    let mut clients: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    clients.dedup();
    assert_eq!(clients, ORDER, "docs/clients.md, then those that are measured");
    let (by_status, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row[2].contains("--deny-status"));
    let tunnels: Vec<_> = others.iter().filter(|row| is_tunnel(row[2])).collect();
    let telling = tunnels.iter().filter(|row| shows_why(row[4])).count();
    let all = tunnels.len();
    assert!(telling * 5 >= all * 4, "{telling} of {all} tunnels show why");
    let sentence = format!("{telling} of {all} ways to ask for a tunnel show why");
    assert!(PAGE.contains(&sentence), "not in docs/clients.md: {sentence}");
    let says_the_same = |row: &&&Vec<&str>| row[4] == row[5];
    assert_eq!(by_status.iter().find(says_the_same), None);
    for row in others.iter().filter(says_the_same) {
        let has_twin = by_status
            .iter()
            .any(|twin| twin[0] == row[0] && twin[2].starts_with(row[2]));
        assert!(has_twin && row[4].contains("407"), "says the same twice: {row:?}");
    }
}

/// Does a way with this name ask for a tunnel?
fn is_tunnel(way: &str) -> bool {
    ["https", "wss"].iter().any(|scheme| way.contains(scheme)) || way.contains("tunnel")
}

/// The order of the table.
const ORDER: [&str; 16] = [
    "curl",
    "wget",
    "git",
    "apt",
    "pip",
    "npm",
    "requests",
    "httpx",
    "aiohttp",
    "urllib",
    "Node fetch (undici)",
    "Node https",
    "axios",
    "ws",
    "Java HttpClient",
    "Java HttpURLConnection",
];
