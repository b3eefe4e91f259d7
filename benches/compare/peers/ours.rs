//! Ours, as it ships: password, the built-in ACL, every line of the log, into a file.

#[path = "../../common/program.rs"]
mod program;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::program::program;
use super::{PASSWORD, Peer, Running, Sealing, Takes, USER, basic, folder, tls_arguments, write};
use crate::process::{Process, free_address};
use crate::work::Way;

/// The binary as users build it; or those that `COMPARE_BIN` names: `path`, or `name=path,name=path`.
pub(super) fn all() -> Vec<Peer> {
    let default = || format!("smokescreen={}", program().display());
    let list = std::env::var("COMPARE_BIN").unwrap_or_else(|_| default());
    list.split(',')
        .filter(|entry| !entry.is_empty())
        .map(peer)
        .collect()
}

fn peer(entry: &str) -> Peer {
    let (name, path) = entry.split_once('=').unwrap_or(("smokescreen", entry));
    let (binary, path) = (PathBuf::from(path), PathBuf::from(path));
    Peer {
        name: name.to_owned(),
        binary,
        version: "--version",
        takes: Takes::BOTH,
        start: Box::new(move |_, sealing| start(&path, &[], sealing)),
    }
}

/// Lets clients name the proxy on this machine, whose target may be on it too.
const THROUGH: &str =
    "version: v1\nservices: [{name: authed, action: open, allowed_external_proxies: [127.0.0.1]}]\n";

/// The first of them going through a second one, that is not measured: to be compared with itself.
pub(super) fn through_another() -> Option<Peer> {
    let Peer { binary, version, .. } = all().into_iter().next()?;
    let path = binary.clone();
    Some(Peer {
        name: "smokescreen-through".to_owned(),
        binary,
        version,
        takes: Takes::PLAIN,
        start: Box::new(move |_, _| {
            let other = start(&path, &[], None)?;
            let Way::Forward { proxy, .. } = &other.way else {
                return Err("no proxy".to_owned());
            };
            let field = format!("X-Upstream-Https-Proxy: http://{USER}:{PASSWORD}@{proxy}\r\n");
            let acl = folder()?;
            let file = write(&acl, "acl.yaml", THROUGH)?;
            let arguments = ["--egress-acl-file".to_owned(), file.display().to_string()];
            // It has read the file when it listens.
            Ok(start(&path, &arguments, None)?.through(other, field))
        }),
    })
}

/// The first of them, with further arguments.
pub(super) fn start_with(arguments: &[String]) -> Result<Running, String> {
    let first = all().into_iter().next().ok_or("COMPARE_BIN is empty")?;
    start(&first.binary, arguments, None)
}

fn start(path: &Path, arguments: &[String], sealing: Sealing<'_>) -> Result<Running, String> {
    let (address, folder): (SocketAddr, _) = (free_address(), folder()?);
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PROXY_PASSWORD", PASSWORD)
        .args(["--listen-ip", "127.0.0.1", "--allow-range", "127.0.0.0/8"])
        .arg("--listen-port")
        .arg(address.port().to_string())
        .args(arguments)
        .args(tls_arguments(sealing, &folder)?);
    Ok(Running::forward(
        Process::start(command, address, folder)?,
        Some(basic()),
    ))
}
