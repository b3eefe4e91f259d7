//! The clients that are libraries: Python's and Node's.

use std::process::Command;

use super::site::{HELLO, Site, script};
use super::{
    BY_RULE, Call, DENIED_LINE, NO_ROLE, STATUS_403, WRONG_LINE, Way, first_line, library_folder, matrix,
};
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
        options: &[],
    }
}

/// A client that has words of its own for a denied host and a wrong password.
fn says(denied: &'static str, wrong_password: &'static str, way: Way) -> Way {
    Way {
        denied,
        wrong_password,
        ..way
    }
}

/// Python's own words for a tunnel that it did not get.
fn tunnel_failed(way: Way) -> Way {
    says(
        "Tunnel connection failed: 407 Request rejected by proxy (private-range)",
        "Tunnel connection failed: 407 Proxy Authentication Required",
        way,
    )
}

pub(super) fn requests() -> Result<(), String> {
    let version = first_line(python_with("requests")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("requests"), call);
    matrix(
        "requests",
        &version,
        &Site::start()?,
        &[way("http", ask), tunnel_failed(way("https", ask))],
    )
}

pub(super) fn httpx() -> Result<(), String> {
    let version = first_line(python_with("httpx")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("httpx"), call);
    let tunnel = says(
        "ProxyError: 407 Request rejected by proxy (private-range)",
        "ProxyError: 407 Proxy Authentication Required",
        way("https", ask),
    );
    matrix("httpx", &version, &Site::start()?, &[way("http", ask), tunnel])
}

/// Its `ws` comes as `GET ws://…`, where RFC 6455 (4.1) wants a tunnel: `it/spellings`.
pub(super) fn aiohttp() -> Result<(), String> {
    let version = first_line(python_with("aiohttp")?.arg("versions"));
    let ask = |call: &Call<'_>| told(python_with("aiohttp"), call);
    let (denied, wrong) = (
        "ClientHttpProxyError: 407, message='Request rejected by proxy (private-range)'",
        "ClientHttpProxyError: 407, message='Proxy Authentication Required'",
    );
    matrix(
        "aiohttp",
        &version,
        &Site::start()?,
        &[
            way("http", ask),
            says(denied, wrong, way("https", ask)),
            says(denied, wrong, way("wss", ask)),
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
        &[way("http", ask), tunnel_failed(way("https", ask))],
    )
}

pub(super) fn node_fetch() -> Result<(), String> {
    let version = first_line(node_with("undici")?.arg("versions"));
    let ask = |call: &Call<'_>| told(node_with("undici"), call);
    // It keeps nothing of the proxy's answer but the number.
    let plain = "Proxy response (407) !== 200 when HTTP Tunneling";
    let tunnel = |scheme, name| Way {
        name,
        ..says(plain, plain, way(scheme, ask))
    };
    let by_status = |scheme, name| Way {
        denied: "Proxy response (403) !== 200 when HTTP Tunneling",
        options: STATUS_403,
        ..tunnel(scheme, name)
    };
    matrix(
        "Node fetch (undici)",
        &version,
        &Site::start()?,
        &[
            tunnel("http", "http, by a tunnel"),
            by_status("http", "http, by a tunnel, `--deny-status 403`"),
            tunnel("https", "https"),
            by_status("https", "https, `--deny-status 403`"),
        ],
    )
}

pub(super) fn node_https() -> Result<(), String> {
    let version = first_line(node_with("https-proxy-agent")?.arg("versions"));
    let ask = |call: &Call<'_>| told(node_with("https-proxy-agent"), call);
    matrix(
        "Node https",
        &version,
        &Site::start()?,
        &[says(DENIED_LINE, WRONG_LINE, way("https", ask))],
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
    let told_by_event = |name, way| Way {
        name,
        ..says(
            "407 Request rejected by proxy (private-range)",
            "407 Proxy Authentication Required",
            way,
        )
    };
    matrix(
        "ws",
        &version,
        &Site::start()?,
        &[
            told_by_event("ws, by a tunnel", way("ws", ask)),
            told_by_event("wss", way("wss", ask)),
        ],
    )
}
