//! The Smokescreen that ours takes the place of, where `COMPARE_GO` names its binary: a build that asks for
//! `PROXY_PASSWORD`, and otherwise understands the flags of the original.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{PASSWORD, Running, Sealing, basic, folder, tls_arguments};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, _: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let mut command = Command::new(path);
    command
        .env("PROXY_PASSWORD", PASSWORD)
        .args(["--listen-ip", "127.0.0.1", "--allow-range", "127.0.0.0/8"])
        .arg("--listen-port")
        .arg(address.port().to_string())
        .args(tls_arguments(sealing, &folder)?);
    Ok(Running::forward(
        Process::start(command, address, folder)?,
        Some(basic()),
    ))
}
