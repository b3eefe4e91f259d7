//! Who is measured: the floor, ours, and the proxies that happen to be installed. A file each; here what they share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use tempfile::TempDir;

use crate::floor;
use crate::process::{Process, free_address};
use crate::tls::Credentials;
use crate::usage::Meter;
use crate::work::Way;

mod g3proxy;
mod haproxy;
mod nginx;
mod ours;
mod smokescreen_go;
mod squid;
mod tinyproxy;
mod trafficserver;

/// What clients give where the proxy asks who they are.
pub(crate) const USER: &str = "bench";
pub(crate) const PASSWORD: &str = "an0ther-Passw0rd";

/// With what it shall speak TLS to its clients, if it shall.
type Sealing<'c> = Option<&'c Credentials>;

/// Starts a proxy that gets along with the origin at this address.
type Start = Box<dyn Fn(SocketAddr, Sealing<'_>) -> Result<Running, String>>;

/// ... with the binary at this path.
type StartPeer = fn(&Path, SocketAddr, Sealing<'_>) -> Result<Running, String>;

/// In which rows somebody takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Takes {
    plain: bool,
    tls: bool,
}

impl Takes {
    const PLAIN: Takes = Takes {
        plain: true,
        tls: false,
    };
    const TLS: Takes = Takes {
        plain: false,
        tls: true,
    };
    const BOTH: Takes = Takes {
        plain: true,
        tls: true,
    };
}

/// Somebody to measure.
pub(crate) struct Peer {
    /// As it stands in the table.
    pub(crate) name: String,
    /// What is executed; its size is one of the rows.
    pub(crate) binary: PathBuf,
    /// The argument that makes it print its version; empty where there is none.
    version: &'static str,
    takes: Takes,
    start: Start,
}

impl Peer {
    /// Whether there is a process to look at.
    pub(crate) fn is_proxy(&self) -> bool {
        !self.binary.as_os_str().is_empty()
    }

    /// Whether it takes part in rows of that kind.
    pub(crate) fn takes_part(&self, is_tls: bool) -> bool {
        if is_tls { self.takes.tls } else { self.takes.plain }
    }

    /// Starts it for the origin at this address, and says how clients get there.
    pub(crate) fn start(&self, origin: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
        let mut running = (self.start)(origin, sealing)?;
        if let Some(credentials) = sealing {
            running.way = Way::Sealed {
                through: Box::new(running.way),
                terms: credentials.terms(),
            };
        }
        Ok(running)
    }

    /// What it says of itself: the first line that has a figure in it.
    pub(crate) fn version(&self) -> Option<String> {
        if self.version.is_empty() {
            return None;
        }
        let output = Command::new(&self.binary).arg(self.version).output().ok()?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let line = text
            .lines()
            .find(|line| line.contains(|c: char| c.is_ascii_digit()))?;
        Some(format!("{}: {line}", self.name))
    }
}

/// A proxy at work.
pub(crate) struct Running {
    /// End with it: the one that is measured, and the one behind it, if there is one. There is none between client and
    /// origin in `direct`.
    _processes: Vec<Process>,
    pub(crate) meter: Option<Meter>,
    pub(crate) way: Way,
}

impl Running {
    /// A forward proxy, with what clients send as `Proxy-Authorization`.
    fn forward(process: Process, authorization: Option<String>) -> Running {
        let way = Way::Forward {
            proxy: process.address,
            authorization,
            further: String::new(),
        };
        Running {
            meter: Some(Meter::new(process.id())),
            way,
            _processes: vec![process],
        }
    }

    /// The same, which goes through another one by this field of its clients'.
    fn through(mut self, other: Running, field: String) -> Running {
        self._processes.extend(other._processes);
        if let Way::Forward { further, .. } = &mut self.way {
            further.push_str(&field);
        }
        self
    }

    /// A relay to the origin.
    fn relay(process: Process) -> Running {
        let way = Way::Relay {
            address: process.address,
        };
        Running {
            meter: Some(Meter::new(process.id())),
            way,
            _processes: vec![process],
        }
    }
}

/// Has ours built, where it is to be: before the generator takes a processor for itself.
pub(crate) fn build_ours() {
    drop(ours::all());
}

/// Ours alone, with further arguments; the first one where `COMPARE_BIN` names several.
pub(crate) fn ours_with(arguments: &[String]) -> Result<Running, String> {
    ours::start_with(arguments)
}

/// The floor alone, relaying to this origin.
pub(crate) fn floor_to(origin: SocketAddr) -> Result<Running, String> {
    floor().start(origin, None)
}

/// All of them, the floor first: what they say to its figure is the ratio. Those that are not there are told in words.
pub(crate) fn all(remarks: &mut Vec<String>) -> Vec<Peer> {
    let mut peers = vec![floor(), direct()];
    peers.extend(ours::all());
    peers.extend(ours::through_another());
    let named = |variable| std::env::var(variable).unwrap_or_default();
    let (go, g3) = (named("COMPARE_GO"), named("COMPARE_G3PROXY"));
    let squid = std::env::var("COMPARE_SQUID").unwrap_or_else(|_| "/usr/sbin/squid".to_owned());
    let others: [(&str, &str, &str, Takes, StartPeer); 7] = [
        ("haproxy", "/usr/sbin/haproxy", "-v", Takes::BOTH, haproxy::start),
        ("nginx", "/usr/sbin/nginx", "-v", Takes::TLS, nginx::start),
        ("smokescreen-go", &go, "", Takes::BOTH, smokescreen_go::start),
        ("g3proxy", &g3, "-V", Takes::BOTH, g3proxy::start),
        (
            "trafficserver",
            "/usr/bin/traffic_server",
            "-V",
            Takes::PLAIN,
            trafficserver::start,
        ),
        ("squid", &squid, "-v", Takes::BOTH, squid::start),
        (
            "tinyproxy",
            "/usr/bin/tinyproxy",
            "-v",
            Takes::PLAIN,
            tinyproxy::start,
        ),
    ];
    for (name, path, version, takes, start) in others {
        let (binary, path) = (PathBuf::from(path), PathBuf::from(path));
        if !binary.exists() {
            remarks.push(format!("{name}: not found"));
            continue;
        }
        peers.push(Peer {
            name: name.to_owned(),
            binary,
            version,
            takes,
            start: Box::new(move |origin, sealing| start(&path, origin, sealing)),
        });
    }
    peers
}

/// Clients and origin without anything between them: what the generator itself can do.
fn direct() -> Peer {
    Peer {
        name: "direct".to_owned(),
        binary: PathBuf::new(),
        version: "",
        takes: Takes::PLAIN,
        start: Box::new(|address, _| {
            Ok(Running {
                _processes: Vec::new(),
                meter: None,
                way: Way::Relay { address },
            })
        }),
    }
}

fn floor() -> Peer {
    let binary = std::env::current_exe().expect("a path");
    let program = binary.clone();
    Peer {
        name: "floor".to_owned(),
        binary,
        version: "",
        takes: Takes::PLAIN,
        start: Box::new(move |origin, _| {
            let address = free_address();
            let mut command = Command::new(&program);
            command.env(floor::ADDRESSES, format!("{address} {origin}"));
            Ok(Running::relay(Process::start(command, address, folder()?)?))
        }),
    }
}

/// A folder of its own for configuration and logs, which other users may enter.
fn folder() -> Result<TempDir, String> {
    folder_in(&std::env::temp_dir())
}

/// The same, in memory where there is a file system for that.
fn folder_in_memory() -> Result<TempDir, String> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        folder_in(memory)
    } else {
        folder()
    }
}

fn folder_in(place: &Path) -> Result<TempDir, String> {
    let folder = tempfile::tempdir_in(place).map_err(|error| format!("a folder: {error}"))?;
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), all).map_err(|error| format!("a folder: {error}"))?;
    Ok(folder)
}

/// Writes a file into it.
fn write(folder: &TempDir, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.path().join(name);
    std::fs::write(&path, text).map_err(|error| format!("{name}: {error}"))?;
    Ok(path)
}

/// The arguments by which ours, and the one that it takes the place of, speak TLS.
fn tls_arguments(sealing: Sealing<'_>, folder: &TempDir) -> Result<Vec<std::ffi::OsString>, String> {
    let Some(credentials) = sealing else {
        return Ok(Vec::new());
    };
    let files = credentials.write(folder)?;
    let mut arguments = vec!["--tls-server-bundle-file".into(), files.bundle.into()];
    if let Some(ca) = files.client_ca {
        arguments.extend(["--tls-client-ca-file".into(), ca.into()]);
    }
    Ok(arguments)
}

/// The value of `Proxy-Authorization`.
fn basic() -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    format!("Basic {pair}")
}
