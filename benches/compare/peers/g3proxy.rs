//! g3proxy as a forward proxy, where `COMPARE_G3PROXY` names its binary: one thread, a password, every task in a log.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, Sealing, USER, basic, folder, write};
use crate::process::{Process, free_address};

/// [`super::PASSWORD`] with this salt behind it, hashed.
const SALT: &str = "636f6d7061726531";
const MD5: &str = "f021d6fb5e57f57cbcd5d2a9cd128427";
const SHA1: &str = "d6bf1e18ada9301d12827a1cd2c2abb4f524ea57";

pub(super) fn start(path: &Path, _: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let mut tls = String::new();
    if let Some(credentials) = sealing {
        let files = credentials.write(&folder)?;
        let (chain, key) = (files.chain.display(), files.key.display());
        let ask = files.client_ca.map_or_else(String::new, |ca| {
            format!(", enable_client_auth: true, ca_certificate: \"{}\"", ca.display())
        });
        tls = format!(
            ", tls_server: {{ cert_pairs: {{ certificate: \"{chain}\", private_key: \"{key}\" }}{ask} }}"
        );
    }
    let text = format!(
        "runtime: {{ thread_number: 1 }}\nlog: stdout\n\
         controller: {{ local: {{ recv_timeout: 30, send_timeout: 1 }} }}\n\
         resolver: [{{ name: default, type: hickory, server: 127.0.0.1 }}]\n\
         escaper: [{{ name: default, type: direct_fixed, resolver: default, \
         egress_network_filter: {{ default: forbid, allow: [127.0.0.0/8] }} }}]\n\
         user_group:\n  - name: default\n    static_users:\n      - name: {USER}\n        \
         token: {{ salt: \"{SALT}\", md5: \"{MD5}\", sha1: \"{SHA1}\" }}\n\
         server: [{{ name: http, type: http_proxy, escaper: default, user_group: default, \
         listen: {{ address: \"{address}\" }}{tls} }}]\n"
    );
    let mut command = Command::new(path);
    command
        .env("RUNTIME_DIRECTORY", folder.path())
        .arg("-c")
        .arg(write(&folder, "g3proxy.yaml", &text)?)
        .args(["-G", "compare"]);
    Ok(Running::forward(
        Process::start(command, address, folder)?,
        Some(basic()),
    ))
}
