//! Other people's clients through the proxy, each asked three times: for what is allowed, for what is denied, and
//! with a wrong password. Writes the table of `README.md` to `target/client-matrix.md`.
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
use libraries::{aiohttp, axios, httpx, node_fetch, requests, urllib, ws};
use programs::{apt, curl, git, java, wget};
use site::{NAME, Site};

cases![
    curl, wget, git, apt, requests, httpx, aiohttp, urllib, node_fetch, axios, ws, java,
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
}

/// What the proxy says to a client, where the client shows it.
const BY_RULE: &str = "denied by rule 'Deny: Private Range'";
const NO_ROLE: &str = "Client role cannot be determined";

/// A password that needs every kind of care, and a wrong one, as a URL writes them.
const RIGHT: &str = "any:s3cr3t%3A%20pa55%25word";
const WRONG: &str = "any:wrong";
/// A name whose address nobody may be sent to.
const DENIED: &str = "denied.test";

/// Runs every way of a client through a proxy of its own and writes the client's rows of the table.
fn matrix(client: &str, version: &str, site: &Site, ways: &[Way]) -> Result<(), String> {
    let dns = Dns::start().name(NAME, &[PUBLIC]).name(DENIED, &[PRIVATE]);
    let mut rows = String::new();
    for way in ways {
        let proxy = Setup::locked().resolver(&dns).start();
        let ask = |name, credentials| ask(way, site, &proxy, name, credentials);
        let allowed = ask(NAME, RIGHT)?;
        assert!(allowed.contains(way.allowed), "{client}, {}: {allowed}", way.name);
        eventually("the line about what was let through", || {
            let_through(&proxy).then_some(())
        });
        let proxy = Setup::locked().resolver(&dns).start();
        for (name, credentials, words) in [(DENIED, RIGHT, way.denied), (NAME, WRONG, way.wrong_password)] {
            let said = self::ask(way, site, &proxy, name, credentials)?;
            assert!(
                said.contains(words) && !said.contains(way.allowed),
                "{client}, {}: not {words:?}: {said}",
                way.name
            );
        }
        proxy.settle_log();
        assert!(!let_through(&proxy), "{client}, {}", way.name);
        let (denied, wrong) = (way.denied, way.wrong_password);
        rows += &format!(
            "| {client} | {version} | {} | yes | `{denied}` | `{wrong}` |\n",
            way.name
        );
    }
    write_rows(client, &rows);
    Ok(())
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

static TABLE: Mutex<()> = Mutex::new(());

const TABLE_HEAD: &str = "| client | version | way | allowed | denied: it says | wrong password: it says |\n\
                          | --- | --- | --- | --- | --- | --- |\n";

/// Keeps a client's rows and makes the table anew from all that are there.
fn write_rows(client: &str, rows: &str) {
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
    std::fs::write(folder.join(format!("{order:02}")), rows).expect("a file");
    let all =
        (0..ORDER.len()).filter_map(|order| std::fs::read_to_string(folder.join(format!("{order:02}"))).ok());
    let table = all.fold(TABLE_HEAD.to_owned(), |table, rows| table + &rows);
    std::fs::write(target.join("client-matrix.md"), table).expect("a file");
}

/// The order of the table.
const ORDER: [&str; 12] = [
    "curl",
    "wget",
    "git",
    "apt",
    "requests",
    "httpx",
    "aiohttp",
    "urllib",
    "Node fetch (undici)",
    "axios",
    "ws",
    "Java HttpClient",
];
