//! Who is measured, and how each is set up to do the same: end its clients' TLS, speak TLS to an origin that it verifies (Squid
//! takes one that is known by its address all the same), add a field to each request and log it.

#[path = "../common/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::origin::{NAME, hosts};
use crate::pki::{Ca, Leaf};
use crate::process::{Process, free_address};
use crate::usage::Meter;

pub(crate) use self::program::program;

const PASSWORD: &str = "an0ther-Passw0rd";
/// `bench` with that password.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic YmVuY2g6YW4wdGhlci1QYXNzdzByZA==\r\n";

/// Two authorities: the origins', and that which signs for them.
pub(crate) struct House {
    pub(crate) origins: Ca,
    pub(crate) own: Ca,
}

impl House {
    pub(crate) fn new() -> House {
        House {
            origins: Ca::new("Origins"),
            own: Ca::new("Own"),
        }
    }
}

/// A proxy at work.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) meter: Meter,
    /// Otherwise clients begin TLS at once.
    pub(crate) takes_connect: bool,
    /// What a CONNECT has beside its target, as lines.
    pub(crate) authorization: &'static str,
}

/// Starts one for an origin at this port.
type Start = Box<dyn Fn(&House, u16) -> Result<Running, String>>;

/// Those that are there.
pub(crate) fn all() -> Vec<(&'static str, Start)> {
    let mut peers: Vec<(&'static str, Start)> = Vec::new();
    let haproxy = PathBuf::from("/usr/sbin/haproxy");
    if haproxy.exists() {
        peers.push((
            "haproxy, the floor",
            Box::new(move |house, port| floor(&haproxy, house, port)),
        ));
    }
    peers.push(("smokescreen", Box::new(|house, _| ours(house))));
    if let Some(path) = std::env::var_os("MITM_SQUID").map(PathBuf::from) {
        peers.push(("squid", Box::new(move |house, _| squid(&path, house))));
    }
    if let Some(path) = std::env::var_os("MITM_MITMDUMP").map(PathBuf::from) {
        peers.push(("mitmproxy", Box::new(move |house, _| mitmproxy(&path, house))));
    }
    peers
}

fn folder() -> Result<TempDir, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // Squid gives up its rights.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).map_err(|error| error.to_string())?;
    Ok(folder)
}

fn write(folder: &TempDir, name: &str, text: &str) -> Result<String, String> {
    let path = folder.path().join(name);
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

fn running(process: Process, takes_connect: bool, authorization: &'static str) -> Running {
    Running {
        meter: Meter::new(process.id()),
        process,
        takes_connect,
        authorization,
    }
}

fn ours(house: &House) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let hosts = hosts();
    let entries: Vec<String> = hosts
        .iter()
        .map(|host| format!("{{domain: {host}, add_headers: {{Authorization: 'Bearer s3cret'}}}}"))
        .collect();
    let acl = format!(
        "version: v1\nservices:\n- name: authed\n  project: bench\n  action: enforce\n  allowed_domains: [{}]\n  \
         mitm_domains: [{}]\n",
        hosts.join(", "),
        entries.join(", ")
    );
    let mut command = Command::new(program());
    command
        .env_clear()
        .env("PROXY_PASSWORD", PASSWORD)
        .args(["--listen-ip", "127.0.0.1", "--allow-range", "127.0.0.0/8"])
        .args(["--listen-port", &address.port().to_string()])
        .args(["--egress-acl-file", &write(&folder, "acl.yaml", &acl)?])
        .args([
            "--upstream-ca-file",
            &write(&folder, "origins.pem", &house.origins.pem())?,
        ])
        .args([
            "--mitm-ca-cert-file",
            &write(&folder, "own.pem", &house.own.pem())?,
        ])
        .args([
            "--mitm-ca-key-file",
            &write(&folder, "own.key", &house.own.key_pem())?,
        ]);
    Ok(running(
        Process::start(command, address, folder)?,
        true,
        AUTHORIZATION,
    ))
}

fn floor(path: &Path, house: &House, port: u16) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let hosts = hosts();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let issued = house.own.issue(&Leaf {
        dns: &names,
        ..Leaf::server()
    });
    let bundle = write(&folder, "bundle.pem", &issued.bundle())?;
    let origins = write(&folder, "origins.pem", &house.origins.pem())?;
    let host = hosts.first().ok_or("no host")?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 2000\n  tune.ssl.default-dh-param 2048\n  log stderr format raw local0\n\
         defaults\n  mode http\n  log global\n  option httplog\n  timeout connect 10s\n  timeout client 10m\n  \
         timeout server 10m\n\
         listen relay\n  bind {address} ssl crt {bundle}\n  server origin {host}:{port} ssl verify required ca-file \
         {origins} verifyhost {NAME}\n"
    );
    let mut command = Command::new(path);
    command.args(["-db", "-f", &write(&folder, "haproxy.cfg", &text)?]);
    Ok(running(Process::start(command, address, folder)?, false, ""))
}

fn squid(path: &Path, house: &House) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let at = folder.path().display().to_string();
    let certificate = write(&folder, "own.pem", &house.own.pem())?;
    let key = write(&folder, "own.key", &house.own.key_pem())?;
    let origins = write(&folder, "origins.pem", &house.origins.pem())?;
    let helper = path.with_file_name("../lib/squid/security_file_certgen");
    let made = Command::new(&helper)
        .args(["-c", "-s", &format!("{at}/certificates"), "-M", "4MB"])
        .output()
        .map_err(|error| format!("{}: {error}", helper.display()))?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    let chown = Command::new("chown").args(["-R", "proxy", &at]).status();
    chown.map_err(|error| error.to_string())?;
    let text = format!(
        "http_port {address} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB \
         tls-cert={certificate} tls-key={key}\n\
         sslcrtd_program {} -s {at}/certificates -M 4MB\nsslcrtd_children 2 startup=2\n\
         tls_outgoing_options cafile={origins}\nsslproxy_cert_error allow all\nssl_bump bump all\nhttp_access allow all\ncache deny all\ncache_mem 0\n\
         workers 1\naccess_log stdio:{at}/access.log\ncache_log {at}/cache.log\ncache_store_log none\npid_filename none\n\
         coredump_dir {at}\npinger_enable off\nnetdb_filename none\nvisible_hostname compare\n\
         request_header_add Authorization \"Bearer s3cret\" all\nmax_filedescriptors 20000\nshutdown_lifetime 1 seconds\n\
         memory_cache_shared off\n",
        helper.display()
    );
    let mut command = Command::new(path);
    // Of its own name is what it shares in memory: what one leaves behind that was killed keeps no other from starting.
    let name = format!("mitm{}", address.port());
    command.args(["-N", "-n", &name, "-f", &write(&folder, "squid.conf", &text)?]);
    Ok(running(Process::start(command, address, folder)?, true, ""))
}

/// Without its interface.
fn mitmproxy(path: &Path, house: &House) -> Result<Running, String> {
    let (address, folder) = (free_address(), folder()?);
    let authority = house.own.key_pem() + &house.own.pem();
    write(&folder, "mitmproxy-ca.pem", &authority)?;
    let origins = write(&folder, "origins.pem", &house.origins.pem())?;
    let mut command = Command::new(path);
    command
        .args(["--mode", "regular", "--listen-host", "127.0.0.1"])
        .args(["--listen-port", &address.port().to_string()])
        .args(["--set", &format!("confdir={}", folder.path().display())])
        .args(["--set", &format!("ssl_verify_upstream_trusted_ca={origins}")])
        .args(["--set", "http2=false", "--set", "flow_detail=1"])
        // Otherwise it keeps whole bodies.
        .args(["--set", "stream_large_bodies=1m"])
        .args(["--modify-headers", "/~q/Authorization/Bearer s3cret"]);
    Ok(running(Process::start(command, address, folder)?, true, ""))
}
