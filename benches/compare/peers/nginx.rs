//! nginx as a TCP relay to the origin behind TLS, one worker, every connection in a log. In rows without TLS it takes no part.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, Sealing, folder, write};
use crate::process::{Process, free_address};

/// Where a package puts it; one that has it built in needs none.
const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn start(path: &Path, origin: SocketAddr, sealing: Sealing<'_>) -> Result<Running, String> {
    let files = sealing.ok_or("it relays TLS alone here")?;
    let (address, folder) = (free_address(), folder()?);
    let files = files.write(&folder)?;
    let at = folder.path().display();
    let load = match Path::new(STREAM).exists() {
        true => format!("load_module {STREAM};\n"),
        false => String::new(),
    };
    let ask = files.client_ca.as_ref().map_or_else(String::new, |ca| {
        format!("ssl_verify_client on; ssl_client_certificate {};", ca.display())
    });
    let text = format!(
        "{load}daemon off;\nworker_processes 1;\nerror_log {at}/error.log;\npid {at}/pid;\nworker_rlimit_nofile 20000;\n\
         events {{ worker_connections 18000; }}\n\
         stream {{\n  log_format line '$remote_addr $time_iso8601 $status $bytes_sent $bytes_received $session_time';\n  \
         access_log {at}/access.log line;\n  server {{\n    listen {address} ssl;\n    ssl_protocols TLSv1.3;\n    \
         ssl_certificate {};\n    ssl_certificate_key {};\n    {ask}\n    proxy_pass {origin};\n    \
         proxy_timeout 10m;\n  }}\n}}\n",
        files.chain.display(),
        files.key.display()
    );
    let mut command = Command::new(path);
    command.arg("-c").arg(write(&folder, "nginx.conf", &text)?);
    Ok(Running::relay(Process::start(command, address, folder)?))
}
