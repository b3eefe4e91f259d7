//! Squid (for TLS one with OpenSSL, which `COMPARE_SQUID` may name) as a forward proxy that caches nothing: one worker, a password checked by its helper, every request in a log.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, Sealing, USER, basic, folder, write};
use crate::process::{Process, free_address};

/// Checks passwords; it is asked once, and then squid remembers.
const HELPER: &str = "/usr/lib/squid/basic_ncsa_auth";
/// [`super::PASSWORD`], salted and hashed as that helper wants it.
const HASH: &str = "$apr1$compare1$WVxbQpI53Kb5ihF4tsZDd/";

pub(super) fn start(path: &Path, _: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let mut port = format!("http_port {address}");
    if let Some(credentials) = sealing {
        let files = credentials.write(&folder)?;
        let (chain, key) = (files.chain.display(), files.key.display());
        port = format!("https_port {address} tls-cert={chain} tls-key={key}");
        if let Some(ca) = files.client_ca {
            port.push_str(&format!(" clientca={} sslcontext=compare", ca.display()));
        }
    }
    let at = folder.path().display();
    let users = write(&folder, "users", &format!("{USER}:{HASH}\n"))?;
    let has_helper = Path::new(HELPER).exists();
    let access = if has_helper {
        format!(
            "auth_param basic program {HELPER} {}\nauth_param basic children 1\n\
             acl known proxy_auth REQUIRED\nhttp_access allow known\n",
            users.display()
        )
    } else {
        "http_access allow all\n".to_owned()
    };
    let text = format!(
        "{port}\n{access}http_access deny all\ncache deny all\ncache_mem 0\nworkers 1\n\
         access_log stdio:{at}/access.log\ncache_log {at}/cache.log\ncache_store_log none\npid_filename none\n\
         coredump_dir {at}\npinger_enable off\nnetdb_filename none\nvisible_hostname compare\n\
         max_filedescriptors 20000\nshutdown_lifetime 1 seconds\nmemory_cache_shared off\n"
    );
    let mut command = Command::new(path);
    command
        .arg("-N")
        .arg("-f")
        .arg(write(&folder, "squid.conf", &text)?);
    let authorization = has_helper.then(basic);
    Ok(Running::forward(
        Process::start(command, address, folder)?,
        authorization,
    ))
}
