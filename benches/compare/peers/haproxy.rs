//! HAProxy as a TCP relay to the origin, one thread, splicing always: left to itself (`splice-auto`) it copies.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, Sealing, folder, write};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, origin: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let mut bind = String::new();
    if let Some(credentials) = sealing {
        let files = credentials.write(&folder)?;
        bind = format!(" ssl crt {}", files.bundle.display());
        if let Some(ca) = files.client_ca {
            bind.push_str(&format!(" ca-file {} verify required", ca.display()));
        }
    }
    let text = format!(
        "global\n  nbthread 1\n  maxconn 9000\n  maxpipes 100\n  tune.pipesize 1048576\n  log stderr format raw local0\n\
         defaults\n  mode tcp\n  log global\n  option tcplog\n  option splice-request\n  option splice-response\n  timeout connect 10s\n  \
         timeout client 10m\n  timeout server 10m\n\
         listen relay\n  bind {address}{bind}\n  maxconn 9000\n  server origin {origin}\n"
    );
    let mut command = Command::new(path);
    command
        .arg("-db")
        .arg("-f")
        .arg(write(&folder, "haproxy.cfg", &text)?);
    Ok(Running::relay(Process::start(command, address, folder)?))
}
