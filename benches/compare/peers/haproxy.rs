//! HAProxy as a TCP relay to the origin, one thread, splicing always: left to itself (`splice-auto`) it copies.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, folder, write};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, origin: SocketAddr) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let text = format!(
        "global\n  nbthread 1\n  maxconn 9000\n  maxpipes 100\n  tune.pipesize 1048576\n  log stderr format raw local0\n\
         defaults\n  mode tcp\n  log global\n  option tcplog\n  option splice-request\n  option splice-response\n  timeout connect 10s\n  \
         timeout client 10m\n  timeout server 10m\n\
         listen relay\n  bind {address}\n  maxconn 9000\n  server origin {origin}\n"
    );
    let mut command = Command::new(path);
    command
        .arg("-db")
        .arg("-f")
        .arg(write(&folder, "haproxy.cfg", &text)?);
    Ok(Running::relay(Process::start(command, address, folder)?))
}
