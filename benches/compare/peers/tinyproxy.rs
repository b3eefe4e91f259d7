//! Tinyproxy: a thread for each connection, a password, every connection in a log. It waits for the disk
//! (fsync) after each line, so its log is kept off the disk.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{PASSWORD, Running, Sealing, USER, basic, folder_in_memory, write};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, _: SocketAddr, _: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder_in_memory()?);
    let text = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 600\nLogFile \"{}/log\"\nLogLevel Connect\nMaxClients 10000\n\
         BasicAuth {USER} {PASSWORD}\n",
        address.port(),
        folder.path().display()
    );
    let mut command = Command::new(path);
    command
        .arg("-d")
        .arg("-c")
        .arg(write(&folder, "tinyproxy.conf", &text)?);
    Ok(Running::forward(
        Process::start(command, address, folder)?,
        Some(basic()),
    ))
}
