//! The clients that are libraries: Python's and Node's.

use std::process::Command;

use super::site::{HELLO, Site, script};
use super::{BY_RULE, Call, NO_ROLE, Way, first_line, library_folder, matrix};
use crate::support::program;

fn python_with(library: &str) -> Result<Command, String> {
    let program = match library {
        "urllib" => program::find("python3")?,
        _ => Some(library_folder().join("python/bin/python"))
            .filter(|python| python.exists())
            .ok_or_else(|| format!("no {library}"))?,
    };
    let mut command = Command::new(program);
    command.arg(script("client.py")).arg(library);
    Ok(command)
}

fn node_with(library: &str) -> Result<Command, String> {
    let modules = library_folder().join("node_modules");
    if !modules.join(library).exists() {
        return Err(format!("no {library}"));
    }
    let mut command = Command::new(program::find("node")?);
    command
        .env("NODE_PATH", modules)
        .arg(script("client.js"))
        .arg(library);
    Ok(command)
}

fn told(command: Result<Command, String>, call: &Call<'_>) -> Result<Command, String> {
    let mut command = command?;
    command.args([&call.proxy, &call.url, &call.certificate]);
    Ok(command)
}

/// A way by a scheme, of a client that shows what the proxy says.
fn way(scheme: &'static str, command: fn(&Call<'_>) -> Result<Command, String>) -> Way {
    let path = if scheme.starts_with("ws") {
        "/echo"
    } else {
        "/hello.txt"
    };
    Way {
        name: scheme,
        scheme,
        path,
        command,
        allowed: HELLO,
        denied: BY_RULE,
        wrong_password: NO_ROLE,
    }
}

/// A client that has words of its own for a refusal.
fn says([denied, wrong_password]: [&'static str; 2], way: Way) -> Way {
    Way {
        denied,
        wrong_password,
        ..way
    }
}

const TUNNEL_FAILED: [&str; 2] = [
    "Tunnel connection failed: 407 Request rejected by proxy (private-range)",
    "Tunnel connection failed: 407 Proxy Authentication Required",
];

pub(super) fn requests() -> Result<(), String> {
    let version = first_line(python_with("requests")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("requests"), call);
    matrix(
        "requests",
        &version,
        &Site::start()?,
        &[way("http", ask), says(TUNNEL_FAILED, way("https", ask))],
    )
}

pub(super) fn httpx() -> Result<(), String> {
    let version = first_line(python_with("httpx")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("httpx"), call);
    let tunnel = says(
        [
            "ProxyError: 407 Request rejected by proxy (private-range)",
            "ProxyError: 407 Proxy Authentication Required",
        ],
        way("https", ask),
    );
    matrix("httpx", &version, &Site::start()?, &[way("http", ask), tunnel])
}

/// Its `ws` comes as `GET ws://…`, where RFC 6455 (4.1) wants a tunnel: `it/spellings`.
pub(super) fn aiohttp() -> Result<(), String> {
    let version = first_line(python_with("aiohttp")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("aiohttp"), call);
    let error = [
        "ClientHttpProxyError: 407, message='Request rejected by proxy (private-range)'",
        "ClientHttpProxyError: 407, message='Proxy Authentication Required'",
    ];
    matrix(
        "aiohttp",
        &version,
        &Site::start()?,
        &[
            way("http", ask),
            says(error, way("https", ask)),
            says(error, way("wss", ask)),
        ],
    )
}

pub(super) fn urllib() -> Result<(), String> {
    let version = first_line(python_with("urllib")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("urllib"), call);
    matrix(
        "urllib",
        &version,
        &Site::start()?,
        &[way("http", ask), says(TUNNEL_FAILED, way("https", ask))],
    )
}

pub(super) fn node_fetch() -> Result<(), String> {
    let version = first_line(node_with("undici")?.arg("versions"));
    let ask = |call: &Call<'_>| told(node_with("undici"), call);
    let error = ["Proxy response (407) !== 200 when HTTP Tunneling"; 2];
    matrix(
        "Node fetch (undici)",
        &version,
        &Site::start()?,
        &[says(error, way("http", ask)), says(error, way("https", ask))],
    )
}

pub(super) fn axios() -> Result<(), String> {
    let version = first_line(node_with("axios")?.arg("versions"));
    let ask = |call: &Call<'_>| told(node_with("axios"), call);
    matrix(
        "axios",
        &version,
        &Site::start()?,
        &[way("http", ask), way("https", ask)],
    )
}

pub(super) fn ws() -> Result<(), String> {
    let version = first_line(node_with("ws")?.arg("versions"));
    let ask = |call: &Call<'_>| told(node_with("ws"), call);
    let answer = [
        "407 Request rejected by proxy (private-range)",
        "407 Proxy Authentication Required",
    ];
    matrix(
        "ws",
        &version,
        &Site::start()?,
        &[says(answer, way("ws", ask)), says(answer, way("wss", ask))],
    )
}
