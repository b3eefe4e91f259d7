//! The clients that are programs of the system: curl, wget, git, apt, pip, npm, Java.

use std::process::Command;

use super::site::{HELLO, Site, script};
use super::{
    BY_RULE, Call, DENIED_LINE, NO_ROLE, STATUS_403, WRONG_LINE, Way, first_line, library_folder, matrix,
    version_in,
};
use crate::support::program;

/// A way that takes a file over HTTP or HTTPS, of a client that shows what the proxy says.
const fn way(
    name: &'static str,
    scheme: &'static str,
    command: fn(&Call<'_>) -> Result<Command, String>,
) -> Way {
    Way {
        name,
        scheme,
        path: "/hello.txt",
        command,
        allowed: HELLO,
        denied: BY_RULE,
        wrong_password: NO_ROLE,
        options: &[],
    }
}

/// Of a client that shows the status line.
const fn by_line(way: Way) -> Way {
    Way {
        denied: DENIED_LINE,
        wrong_password: WRONG_LINE,
        ..way
    }
}

fn curl_with(call: &Call<'_>, arguments: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(program::find("curl")?);
    command.args([
        "-sSi",
        "--max-time",
        "50",
        "--cacert",
        &call.certificate,
        "-x",
        &call.proxy,
    ]);
    command.args(arguments).arg(&call.url);
    Ok(command)
}

/// A handshake by hand: most builds of curl don't know the scheme.
fn curl_handshake(call: &Call<'_>) -> Result<Command, String> {
    // What follows the handshake stays open.
    let mut command = curl_with(call, &["--http1.1", "--max-time", "8"])?;
    for field in [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        command.args(["-H", field]);
    }
    Ok(command)
}

pub(super) fn curl() -> Result<(), String> {
    let version = first_line(Command::new(program::find("curl")?).arg("--version"));
    let upgrade = |name, scheme| Way {
        path: "/echo",
        allowed: "101 Switching Protocols",
        ..way(name, scheme, curl_handshake)
    };
    matrix(
        "curl",
        version_in(&version),
        &Site::start()?,
        &[
            way("http", "http", |call| curl_with(call, &[])),
            way("http, `--http1.0`", "http", |call| {
                curl_with(call, &["--http1.0"])
            }),
            way("http, `--proxy-anyauth`", "http", |call| {
                curl_with(call, &["--proxy-anyauth"])
            }),
            by_line(way("http, `--proxytunnel`", "http", |call| {
                curl_with(call, &["--proxytunnel"])
            })),
            by_line(way("https", "https", |call| curl_with(call, &[]))),
            by_line(way("https, `--proxy-anyauth`", "https", |call| {
                curl_with(call, &["--proxy-anyauth"])
            })),
            upgrade("WebSocket handshake, http", "http"),
            by_line(upgrade("WebSocket handshake, https", "https")),
        ],
    )
}

pub(super) fn wget() -> Result<(), String> {
    let version = first_line(Command::new(program::find("wget")?).arg("--version"));
    let wget = |call: &Call<'_>| {
        let mut command = Command::new(program::find("wget")?);
        command.args([
            "-nv",
            "-O",
            "-",
            "--tries=1",
            "--timeout=10",
            "--ca-certificate",
            &call.certificate,
        ]);
        command
            .env(format!("{}_proxy", call.scheme), &call.proxy)
            .arg(&call.url);
        Ok(command)
    };
    let says = |denied, wrong_password, way| Way {
        denied,
        wrong_password,
        ..way
    };
    matrix(
        "wget",
        version_in(&version),
        &Site::start()?,
        &[
            says(
                "ERROR 407: Request rejected by proxy (private-range)",
                "ERROR 407: Proxy Authentication Required",
                way("http", "http", wget),
            ),
            says(
                "Proxy tunneling failed: Request rejected by proxy (private-range)",
                "Proxy tunneling failed: Proxy Authentication Required",
                way("https", "https", wget),
            ),
        ],
    )
}

pub(super) fn git() -> Result<(), String> {
    let version = first_line(Command::new(program::find("git")?).arg("--version"));
    let site = Site::start()?;
    site.add_repository()?;
    let git = |call: &Call<'_>| {
        let clone = "\"$0\" -c http.proxy=\"$1\" -c http.sslCAInfo=\"$2\" clone -q \"$3\" clone && cat clone/hello.txt";
        let mut command = Command::new("sh");
        command.args(["-c", clone]).arg(program::find("git")?).args([
            &call.proxy,
            &call.certificate,
            &call.url,
        ]);
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        Ok(command)
    };
    let clone = |name, scheme| Way {
        path: "/repository.git",
        ..way(name, scheme, git)
    };
    matrix(
        "git",
        version_in(&version),
        &site,
        &[
            clone("clone over http", "http"),
            Way {
                denied: "CONNECT tunnel failed, response 407",
                wrong_password: "CONNECT tunnel failed, response 407",
                ..clone("clone over https", "https")
            },
            Way {
                denied: "CONNECT tunnel failed, response 403",
                wrong_password: "CONNECT tunnel failed, response 407",
                options: STATUS_403,
                ..clone("clone over https, `--deny-status 403`", "https")
            },
        ],
    )
}

pub(super) fn apt() -> Result<(), String> {
    let version = first_line(Command::new(program::find("apt-get")?).arg("--version"));
    let site = Site::start()?;
    site.add_packages()?;
    let apt = |call: &Call<'_>| {
        program::find("apt-get")?;
        let mut command = Command::new("sh");
        command
            .arg(script("apt.sh"))
            .args([&call.proxy, &call.url, &call.certificate])
            .arg(call.folder);
        Ok(command)
    };
    let update = |scheme| Way {
        path: "/apt",
        ..by_line(way(scheme, scheme, apt))
    };
    matrix(
        "apt",
        version_in(&version),
        &site,
        &[update("http"), update("https")],
    )
}

fn python_with_pip() -> Result<Command, String> {
    let program = library_folder().join("python/bin/python");
    let found = Some(program).filter(|python| python.exists()).ok_or("no pip")?;
    let mut command = Command::new(found);
    command.args(["-m", "pip"]);
    Ok(command)
}

/// The installer of Python's packages; it fetches one from an index of its own.
pub(super) fn pip() -> Result<(), String> {
    let version = first_line(python_with_pip()?.arg("--version"));
    let site = Site::start()?;
    site.add_wheel()?;
    let download = |call: &Call<'_>| {
        let mut command = python_with_pip()?;
        command.args(["download", "--no-deps", "--no-cache-dir", "--retries", "1"]);
        command.args(["--disable-pip-version-check", "--dest", "."]);
        command.args(["--proxy", &call.proxy, "--cert", &call.certificate]);
        command.args(["--index-url", &call.url, "hello-outside"]);
        Ok(command)
    };
    matrix(
        "pip",
        version_in(&version),
        &site,
        &[Way {
            path: "/simple",
            allowed: "Successfully downloaded hello-outside",
            ..by_line(way("https", "https", download))
        }],
    )
}

/// Node's package manager; it asks a registry of its own about a package.
pub(super) fn npm() -> Result<(), String> {
    let version = first_line(Command::new(program::find("npm")?).arg("--version"));
    let site = Site::start()?;
    site.add_npm_package();
    let view = |call: &Call<'_>| {
        let mut command = Command::new(program::find("npm")?);
        command.args(["view", "hello-outside", "description", "--fetch-retries=0"]);
        command.args(["--registry", &call.url, "--cafile", &call.certificate]);
        command.args(["--https-proxy", &call.proxy, "--proxy", &call.proxy]);
        Ok(command)
    };
    matrix(
        "npm",
        &version,
        &site,
        &[Way {
            path: "/npm",
            ..by_line(way("https", "https", view))
        }],
    )
}

/// Its class is compiled by `tests/clients/setup.sh`.
pub(super) fn java() -> Result<(), String> {
    let version = first_line(Command::new(program::find("java")?).arg("-version"));
    if !library_folder().join("java/Client.class").exists() {
        return Err("no class of Client.java".to_owned());
    }
    let java = |call: &Call<'_>| java_with("Client", call);
    let ask = |scheme| Way {
        denied: "Proxy-Authenticate header missing for response code 407",
        wrong_password: "too many authentication attempts",
        ..way(scheme, scheme, java)
    };
    matrix(
        "Java HttpClient",
        version_in(&version),
        &Site::start()?,
        &[ask("http"), ask("https")],
    )
}

fn java_with(class: &str, call: &Call<'_>) -> Result<Command, String> {
    let mut command = Command::new(program::find("java")?);
    command.args([
        "-XX:TieredStopAtLevel=1",
        "-Djdk.http.auth.tunneling.disabledSchemes=",
        "-cp",
    ]);
    command
        .arg(library_folder().join("java"))
        .arg(class)
        .args([&call.proxy, &call.url, &call.certificate]);
    Ok(command)
}

/// Its class is compiled by `tests/clients/setup.sh`, too.
pub(super) fn java_connection() -> Result<(), String> {
    let version = first_line(Command::new(program::find("java")?).arg("-version"));
    if !library_folder().join("java/Connection.class").exists() {
        return Err("no class of Connection.java".to_owned());
    }
    let java = |call: &Call<'_>| java_with("Connection", call);
    matrix(
        "Java HttpURLConnection",
        version_in(&version),
        &Site::start()?,
        &[by_line(way("https", "https", java))],
    )
}
