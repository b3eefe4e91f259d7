//! `health`: is the proxy well? Asks `/readyz` of the admin port where there is one, and else only connects. For supervisors
//! that know no HTTP.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::config::{self, Environment, Probe};

use super::{Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "health",
    arguments: "",
    summary: "Exits with 0 if the proxy takes clients, else with 1.",
    text: "\
Where --expose-prometheus-metrics is on, /readyz of that port says so
(not while it drains); otherwise a connect to the proxy's port does. Takes the options of serving, of which these count:
--expose-prometheus-metrics, --prometheus-listen-ip, --prometheus-port, --listen-ip, --listen-port, --config-file.
",
    own: &[],
    run,
};

/// For all of it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A status line and some fields are shorter.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let probe = match config::probe(arguments, environment) {
        Ok(Some(probe)) => probe,
        Ok(None) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    match is_well(&probe) {
        Ok(()) => 0,
        Err(why) => fail(&format!("not healthy: {why}"), 1),
    }
}

fn is_well(probe: &Probe) -> Result<(), String> {
    let Some(admin) = &probe.admin else {
        return connect(probe.listen_ip.as_deref(), probe.listen_port).map(drop);
    };
    let (stream, address) = connect(Some(&admin.ip), admin.port)?;
    let status = readiness(stream, address).map_err(|error| format!("{address}: {error}"))?;
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("{address} says {status}")),
    }
}

/// Where a listener on this address can be reached from here: any address is loopback's too.
fn reachable(ip: Option<&str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let ip = ip.unwrap_or("::");
    let bare = ip
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(ip);
    let loopback = |address: SocketAddr| match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        other => vec![other],
    };
    let found = (bare, port).to_socket_addrs()?.flat_map(loopback);
    Ok(found.map(|ip| SocketAddr::new(ip, port)).collect())
}

fn connect(ip: Option<&str>, port: u16) -> Result<(TcpStream, SocketAddr), String> {
    if port == 0 {
        return Err("the port is any free one (0), so it can't be known here".into());
    }
    let named = ip.unwrap_or("any address");
    let addresses = reachable(ip, port).map_err(|error| format!("{named}: {error}"))?;
    let mut failed = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => failed.push(format!("no connection to {address}: {error}")),
        }
    }
    match failed.is_empty() {
        true => Err(format!("{named} is no address")),
        false => Err(failed.join("; ")),
    }
}

/// The status line of its answer.
fn readiness(mut stream: TcpStream, address: SocketAddr) -> io::Result<String> {
    let began = Instant::now();
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 512]);
    while !answer.contains(&b'\n') && answer.len() as u64 <= ANSWER_BYTES_MAX {
        let left = TIMEOUT
            .checked_sub(began.elapsed())
            .filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(ErrorKind::TimedOut)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend(piece.iter().take(length)),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let line = text.lines().next().filter(|line| line.starts_with("HTTP/1."));
    line.map(|line| line.escape_debug().to_string())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_is_reached_by_loopback() {
        let addresses = |ip| {
            let found = reachable(ip, 7).unwrap();
            found
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        for any in [None, Some("::"), Some("[::]")] {
            assert_eq!(addresses(any), "127.0.0.1:7 [::1]:7");
        }
        assert_eq!(addresses(Some("0.0.0.0")), "127.0.0.1:7");
        assert_eq!(addresses(Some("10.0.0.1")), "10.0.0.1:7");
        assert!(connect(None, 0).unwrap_err().contains("free"));
    }
}
