//! `health`: is the proxy well? Asks `/readyz` of the admin port where there is one, and else only connects. For supervisors
//! that know no HTTP.

mod listeners;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::config::{self, Environment, Probe};
use crate::http::page::LISTENERS;

use super::{Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "health",
    arguments: "",
    summary: "Exits with 0 if the proxy takes clients, else with 1.",
    text: "\
Where --expose-prometheus-metrics is on, /readyz of that port says so
(not while it drains); otherwise a connect to the proxy's port does. Where instances share that (--reuse-port), one that
drains may have the former: then it counts whether another one takes clients. Takes the options of serving, of which these
count: --expose-prometheus-metrics, --prometheus-listen-ip, --prometheus-port, --listen-ip, --listen-port, --reuse-port,
--config-file.
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
    let by_connecting = || connect(probe.listen_ip.as_deref(), probe.listen_port).map(drop);
    let Some(admin) = &probe.admin else {
        return by_connecting();
    };
    let (stream, address) = match connect(Some(&admin.ip), admin.port) {
        Ok(connected) => connected,
        // The one that had it has just ended, and the other one tries each second.
        Err(why) if probe.reuse_port => return by_connecting().map_err(|also| format!("{why}; {also}")),
        Err(why) => return Err(why),
    };
    let answer = readiness(stream, address).map_err(|error| format!("{address}: {error}"))?;
    match (answer.status.split(' ').nth(1), answer.listeners) {
        (Some("200"), _) => Ok(()),
        // Who answers drains. There may be another one, whose state that is not.
        (_, Some(own)) if probe.reuse_port && listeners(probe)? > own => Ok(()),
        _ => Err(format!("{address} says {}", answer.status)),
    }
}

/// How many sockets take clients at the proxy's address, of all instances there.
fn listeners(probe: &Probe) -> Result<usize, String> {
    let ip = probe.listen_ip.as_deref();
    let any = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    let counted = found(ip, probe.listen_port).and_then(|mut addresses| {
        // One socket is for both families, or for that which there is.
        if addresses.iter().any(|address| any.contains(address)) {
            addresses = any.to_vec();
        }
        listeners::count(&addresses, probe.listen_port)
    });
    counted.map_err(|error| format!("the listeners of port {}: {error}", probe.listen_port))
}

/// What the address or name of a listener stands for.
fn found(ip: Option<&str>, port: u16) -> io::Result<Vec<IpAddr>> {
    let ip = ip.unwrap_or("::");
    let bare = ip
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(ip);
    let addresses = (bare, port).to_socket_addrs()?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// Where a listener on this address can be reached from here: any address is loopback's too.
fn reachable(ip: Option<&str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let loopback = |ip: IpAddr| match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        other => vec![other],
    };
    let addresses = found(ip, port)?.into_iter().flat_map(loopback);
    Ok(addresses.map(|ip| SocketAddr::new(ip, port)).collect())
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

/// What an answer says.
#[derive(PartialEq, Eq, Debug)]
struct Answer {
    status: String,
    /// On how many sockets who answers takes clients, if it says so.
    listeners: Option<usize>,
}

/// The head of its answer.
fn readiness(mut stream: TcpStream, address: SocketAddr) -> io::Result<Answer> {
    let began = Instant::now();
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 512]);
    let is_whole = |answer: &[u8]| memchr::memmem::find(answer, b"\r\n\r\n").is_some();
    while !is_whole(&answer) && answer.len() as u64 <= ANSWER_BYTES_MAX {
        let left = TIMEOUT
            .checked_sub(began.elapsed())
            .filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(ErrorKind::TimedOut)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend(piece.iter().take(length)),
        }
    }
    understood(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP"))
}

fn understood(head: &str) -> Option<Answer> {
    let mut lines = head.lines();
    let status = lines.next().filter(|line| line.starts_with("HTTP/1."))?;
    let mut values = lines.filter_map(|line| line.strip_prefix(LISTENERS)?.strip_prefix(": "));
    Some(Answer {
        status: status.escape_debug().to_string(),
        listeners: values.next().and_then(|value| value.parse().ok()),
    })
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

    #[test]
    fn an_answer_may_say_how_many_sockets_take_clients() {
        let answer = |head| understood(head).map(|answer| (answer.status, answer.listeners));
        let said = "HTTP/1.1 503 Service Unavailable\r\nA: b\r\nX-Smokescreen-Listeners: 1\r\n\r\ndraining\n";
        let status = "HTTP/1.1 503 Service Unavailable".to_owned();
        assert_eq!(answer(said), Some((status, Some(1))));
        assert_eq!(
            answer("HTTP/1.1 200 OK\r\n"),
            Some(("HTTP/1.1 200 OK".into(), None))
        );
        assert_eq!(answer("SSH-2.0-x\r\n"), None);
        assert_eq!(answer(""), None);
    }
}
