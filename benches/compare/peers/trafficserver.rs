//! Apache Traffic Server as a forward proxy that caches nothing: one thread for the network, every request in a log. It
//! knows no passwords without a plug-in.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Running, Sealing, folder, write};
use crate::process::{Process, free_address};

pub(super) fn start(path: &Path, _: SocketAddr, _: Sealing<'_>) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    for name in ["etc", "log", "run", "cache"] {
        fs::create_dir(folder.path().join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let at = folder.path().display();
    let records = format!(
        "CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1\n\
         CONFIG proxy.config.admin.user_id STRING #-1\n\
         CONFIG proxy.config.url_remap.remap_required INT 0\n\
         CONFIG proxy.config.reverse_proxy.enabled INT 0\n\
         CONFIG proxy.config.http.cache.http INT 0\n\
         CONFIG proxy.config.http.connect_ports STRING *\n\
         CONFIG proxy.config.exec_thread.autoconfig INT 0\n\
         CONFIG proxy.config.exec_thread.limit INT 1\n\
         CONFIG proxy.config.accept_threads INT 0\n\
         CONFIG proxy.config.net.connections_throttle INT 18000\n\
         CONFIG proxy.config.net.max_connections_in INT 9000\n\
         CONFIG proxy.config.log.logging_enabled INT 3\n\
         CONFIG proxy.config.log.logfile_dir STRING {at}/log\n\
         CONFIG proxy.config.http.transaction_no_activity_timeout_in INT 600\n\
         CONFIG proxy.config.http.transaction_no_activity_timeout_out INT 600\n",
        port = address.port()
    );
    write(&folder, "etc/records.config", &records)?;
    write(
        &folder,
        "etc/ip_allow.yaml",
        "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n",
    )?;
    write(
        &folder,
        "etc/logging.yaml",
        "logging:\n  formats:\n    - name: lines\n      format: '%<cqtq> %<ttms> %<chi> %<pssc> %<psql> %<cqhm> %<cquc>'\n  \
         logs:\n    - filename: lines\n      format: lines\n      mode: ascii\n",
    )?;
    for name in ["storage.config", "remap.config", "plugin.config"] {
        write(&folder, &format!("etc/{name}"), "")?;
    }
    let root = format!(
        "prefix: /usr\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nlibdir: /usr/lib/trafficserver\n\
         libexecdir: /usr/lib/trafficserver/modules\nincludedir: /usr/include\ndatadir: {at}/run\n\
         sysconfdir: {at}/etc\nlocalstatedir: {at}/run\nruntimedir: {at}/run\nlogdir: {at}/log\ncachedir: {at}/cache\n"
    );
    let root = write(&folder, "runroot.yaml", &root)?;
    let mut command = Command::new(path);
    command.arg(format!("--run-root={}", root.display()));
    Ok(Running::forward(Process::start(command, address, folder)?, None))
}
