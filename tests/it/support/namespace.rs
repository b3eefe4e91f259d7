//! Puts the test binary into user, network and mount namespaces of its own: it is root there, has no route out,
//! and owns a loopback with public addresses on it. Needs `unshare` and `mount` (util-linux) and permission.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{PRIVATE, PUBLIC, PUBLIC_6, PUBLIC_B, PUBLIC_C, netlink};

/// Set in the process that was started inside.
const MARK: &str = "IT_INSIDE";

/// A user namespace first: it needs no privilege. Without one, root may still have the other two.
const WAYS_IN: [&str; 2] = ["-Urnm", "-nm"];

/// What the proxy finds in place of the machine's own files: nothing resolves but through the cases' servers.
const FILES: [(&str, &str); 3] = [
    (
        "/etc/resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    ),
    (
        "/etc/hosts",
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n44.1.2.3 public.test\n",
    ),
    ("/etc/nsswitch.conf", "hosts: files dns\n"),
];

/// Where the cases run.
pub(crate) enum Isolation {
    /// In namespaces of their own.
    Inside,
    /// Nowhere: why.
    Denied(String),
}

/// Starts this binary again inside new namespaces and never returns, or, already inside, furnishes them.
pub(crate) fn enter() -> Isolation {
    if std::env::var_os(MARK).is_some() {
        return match furnish() {
            Ok(()) => Isolation::Inside,
            Err(reason) => Isolation::Denied(reason),
        };
    }
    let Some(way) = WAYS_IN.into_iter().find(|way| allowed(way)) else {
        return Isolation::Denied(
            "network namespaces are not permitted here, or `unshare` is missing".to_owned(),
        );
    };
    let program = std::env::current_exe().expect("the path of the test binary");
    let failure = Command::new("unshare")
        .arg(way)
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .exec();
    Isolation::Denied(format!("unshare: {failure}"))
}

fn allowed(way: &str) -> bool {
    let status = Command::new("unshare")
        .args([way, "--", "true"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn furnish() -> Result<(), String> {
    netlink::bring_up_loopback().map_err(|error| format!("loopback: {error}"))?;
    for text in [PUBLIC, PUBLIC_B, PUBLIC_C, PRIVATE, PUBLIC_6] {
        let address: IpAddr = text.parse().map_err(|error| format!("{text}: {error}"))?;
        netlink::add_to_loopback(address).map_err(|error| format!("address {address}: {error}"))?;
    }
    cover_files()?;
    if TcpStream::connect_timeout(&SocketAddr::from(([192, 0, 2, 1], 9)), Duration::from_secs(1)).is_ok() {
        return Err("the namespace has a way out".to_owned());
    }
    Ok(())
}

/// Covers files by our own with bind mounts, in this mount namespace only. Ours live in a file system in memory that
/// goes with the namespace: a file that was deleted could not be covered again by a program under test.
fn cover_files() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let here = folder.path();
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(here))?;
    for (index, (path, content)) in FILES.into_iter().enumerate() {
        let cover = here.join(index.to_string());
        std::fs::write(&cover, content).map_err(|error| error.to_string())?;
        if Path::new(path).exists() {
            run(Command::new("mount").arg("--bind").arg(cover).arg(path))?;
        }
    }
    run(Command::new("umount").arg("--lazy").arg(here))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
