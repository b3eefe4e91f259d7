//! The Smokescreen that ours takes the place of, where `COMPARE_GO` names its binary: a build that asks for
//! `PROXY_PASSWORD`, and otherwise understands the flags of the original.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{PASSWORD, Running, basic, folder};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, _: SocketAddr) -> Result<Running, String> {
    let address = free_address();
    let mut command = Command::new(path);
    command
        .env("PROXY_PASSWORD", PASSWORD)
        .args(["--listen-ip", "127.0.0.1", "--allow-range", "127.0.0.0/8"])
        .arg("--listen-port")
        .arg(address.port().to_string());
    Ok(Running::forward(
        Process::start(command, address, folder()?)?,
        Some(basic()),
    ))
}
