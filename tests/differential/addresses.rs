//! Hosts and addresses: who reads what in an authority that we let through.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use smokescreen::net::{Host, Target};
use smokescreen::policy::ranges::Ranges;

use crate::generate::{self, Random};
use crate::literals::{inet_aton, is_public};
use crate::{programs, seed};

const AUTHORITIES: usize = 8_000;
const ADDRESSES: usize = 8_000;
/// curl is asked for fewer: it makes a request for each.
const URLS: usize = 1_500;
/// URLs for one run of curl: it gives up where its library for international names fails.
const CURL_URLS: usize = 20;

fn authorities(n: usize) -> Vec<String> {
    let mut random = Random(seed());
    let mut drawn: Vec<_> = (0..n).map(|_| generate::authority(&mut random)).collect();
    drawn.sort();
    drawn.dedup();
    drawn
}

fn ours(authority: &str) -> Option<Host> {
    Target::parse(authority.as_bytes(), Some(80))
        .ok()
        .map(|target| target.host)
}

fn lets_out(address: IpAddr) -> bool {
    let ranges = Ranges::new(Vec::new(), Vec::new(), false, Vec::new());
    ranges.judge(SocketAddr::new(address, 80), &|_| true).1.allows()
}

/// Another reads this address in an authority that is this host to us.
fn another_reads(who: &str, authority: &str, host: &Host, theirs: IpAddr) {
    match host {
        Host::Addr(ours) if lets_out(*ours) => {
            assert_eq!(theirs.to_canonical(), *ours, "{who} on {authority:?}");
        }
        Host::Addr(_) => {}
        Host::Name(name) => panic!("{authority:?} is the name {name} to us and {theirs} to {who}"),
    }
}

/// Another splits off this host, an address or a name.
fn another_splits(who: &str, authority: &str, host: &Host, theirs: &str) {
    let bare = theirs.trim_start_matches('[').trim_end_matches(']');
    if let Some(address) = bare.parse().ok().or_else(|| inet_aton(bare).map(IpAddr::V4)) {
        return another_reads(who, authority, host, address);
    }
    match host {
        Host::Name(name) => {
            let same = Host::parse(theirs.as_bytes());
            assert_eq!(
                same.as_ref(),
                Ok(host),
                "{who} reads {theirs:?} in {authority:?}, we {name}"
            );
        }
        Host::Addr(address) => panic!("{who} reads {theirs:?} in {authority:?}, we {address}"),
    }
}

#[test]
fn python_and_the_c_library_read_no_other_address() {
    let drawn = authorities(AUTHORITIES);
    let inputs: Vec<_> = drawn.iter().map(|text| text.clone().into_bytes()).collect();
    let Some(answers) = programs::python("hosts", &inputs) else {
        return;
    };
    let mut accepted = 0;
    for (authority, answer) in drawn.iter().zip(answers) {
        let Some(host) = ours(authority) else { continue };
        accepted += 1;
        let (split, read) = answer.split_once(';').unwrap();
        for address in read.split(',').filter(|text| !text.is_empty()) {
            another_reads("Python", authority, &host, address.parse().unwrap());
        }
        let split = String::from_utf8(programs::unhex(split)).unwrap();
        if !split.is_empty() {
            another_splits("urllib", authority, &host, &split);
        }
    }
    assert!(
        accepted * 10 > drawn.len(),
        "hardly anything is compared: {accepted}"
    );
}

#[test]
fn node_reads_no_other_host() {
    let drawn = authorities(AUTHORITIES);
    let inputs: Vec<_> = drawn.iter().map(|text| text.clone().into_bytes()).collect();
    let Some(answers) = programs::node("hosts", &inputs) else {
        return;
    };
    for (authority, answer) in drawn.iter().zip(answers) {
        if let Some(host) = ours(authority).filter(|_| !answer.is_empty()) {
            another_splits("Node", authority, &host, &answer);
        }
    }
}

#[test]
fn the_url_crate_reads_no_other_host() {
    for authority in authorities(AUTHORITIES * 4) {
        let Some(host) = ours(&authority) else { continue };
        if let Ok(url) = url::Url::parse(&format!("http://{authority}/")) {
            another_splits("url", &authority, &host, url.host_str().unwrap_or_default());
        }
    }
}

/// curl shows what it reads by what it asks a proxy for.
#[test]
fn curl_reads_no_other_host() {
    if !programs::is_there("curl") {
        return;
    }
    let plain = |text: &String| !text.chars().any(|c| c.is_control() || "/?#\\ ".contains(c));
    let drawn: Vec<_> = authorities(URLS).into_iter().filter(plain).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let batches: Vec<String> = drawn
        .chunks(CURL_URLS)
        .enumerate()
        .map(|(nth, batch)| config(nth, batch))
        .collect();
    let through = std::thread::spawn(move || {
        for batch in batches {
            curl(proxy, &batch);
        }
        TcpStream::connect(proxy).unwrap().write_all(b"END\r\n").unwrap();
    });
    let asked = targets(&listener);
    through.join().unwrap();
    assert!(
        asked.len() > drawn.len() / 4,
        "{} of {}",
        asked.len(),
        drawn.len()
    );
    for (nth, authority) in drawn.iter().enumerate() {
        if let (Some(theirs), Some(host)) = (asked.get(&nth), ours(authority)) {
            another_splits("curl", authority, &host, theirs);
        }
    }
}

/// curl's configuration that asks for these, each with its number as the path.
fn config(nth_batch: usize, authorities: &[String]) -> String {
    let mut config = String::from("noproxy = \"\"\ngloboff\nsilent\nmax-time = 5\n");
    for (nth, authority) in authorities.iter().enumerate() {
        let number = nth_batch * CURL_URLS + nth;
        writeln!(
            config,
            "url = \"http://{}/{number}\"",
            authority.replace('"', "\\\"")
        )
        .unwrap();
    }
    config
}

fn curl(proxy: SocketAddr, config: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    // It fails where it refuses a single one; what it asked for was seen by then.
    Command::new("curl")
        .args(["-q", "-x", &format!("http://{proxy}"), "-K"])
        .arg(file.path())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
}

/// The hosts that a proxy is asked for, by the number in the path; one request a connection.
fn targets(listener: &TcpListener) -> HashMap<usize, String> {
    let mut asked = HashMap::new();
    while let Ok((stream, _)) = listener.accept() {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        if first == "END" {
            break;
        }
        let Some(target) = first.strip_prefix("GET http://") else {
            continue;
        };
        let (authority, rest) = target.split_once('/').unwrap();
        let number = rest.split(' ').next().unwrap().parse().unwrap();
        let port = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        asked.insert(number, authority[..port.unwrap_or(authority.len())].to_owned());
        lines.find(String::is_empty);
        (&stream)
            .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .unwrap();
    }
    asked
}

fn low_bits(bits: u128) -> u32 {
    u32::try_from(bits & 0xffff_ffff).unwrap()
}

/// Every class of addresses, its edges and what is embedded in others.
fn addresses() -> Vec<IpAddr> {
    const EDGES: [&str; 24] = [
        "0.0.0.0",
        "10.0.0.0",
        "100.64.0.0",
        "127.0.0.0",
        "169.254.0.0",
        "172.16.0.0",
        "192.0.0.0",
        "192.0.2.0",
        "192.88.99.0",
        "192.168.0.0",
        "198.18.0.0",
        "198.51.100.0",
        "203.0.113.0",
        "224.0.0.0",
        "240.0.0.0",
        "::",
        "64:ff9b::",
        "100::",
        "2001::",
        "2001:db8::",
        "2002::",
        "fc00::",
        "fe80::",
        "ff00::",
    ];
    let mut random = Random(seed());
    let mut bits = |n: usize| (0..n).fold(0_u128, |bits, _| bits << 8 | random.below(256) as u128);
    let mut drawn = Vec::new();
    for nth in 0..ADDRESSES {
        let low = low_bits(bits(4) >> (bits(1) % 32));
        drawn.push(match EDGES[nth % EDGES.len()].parse().unwrap() {
            IpAddr::V4(edge) => IpAddr::V4(Ipv4Addr::from_bits(
                edge.to_bits().wrapping_add(low).wrapping_sub(2),
            )),
            IpAddr::V6(edge) => {
                let far = bits(16) >> (bits(1) % 128);
                IpAddr::V6(Ipv6Addr::from_bits(
                    edge.to_bits().wrapping_add(far).wrapping_sub(2),
                ))
            }
        });
        drawn.push(IpAddr::V4(Ipv4Addr::from_bits(low_bits(bits(4)))));
    }
    drawn
}

/// Globally reachable by the registries, though Python's tables (of 3.11) say otherwise.
fn python_is_behind(address: IpAddr) -> bool {
    let begins = |prefix: &str, length: u32| match (address, prefix.parse().unwrap()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> (32 - length) == b.to_bits() >> (32 - length),
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> (128 - length) == b.to_bits() >> (128 - length),
        _ => false,
    };
    begins("192.0.0.9", 32)
        || begins("192.0.0.10", 32)
        || begins("2001:1::", 126)
        || begins("2001:3::", 32)
        || begins("2001:4:112::", 48)
        || begins("2001:20::", 27)
}

#[test]
fn what_is_let_out_is_global_to_python() {
    let drawn = addresses();
    let inputs: Vec<_> = drawn
        .iter()
        .map(|address| address.to_string().into_bytes())
        .collect();
    let answers = programs::python("addresses", &inputs);
    let mut let_out = 0;
    for (nth, address) in drawn.iter().enumerate() {
        assert_eq!(lets_out(*address), is_public(*address), "{address}");
        if !lets_out(*address) {
            continue;
        }
        let_out += 1;
        if let Some(answers) = &answers {
            let global = answers[nth] == "1" || python_is_behind(*address);
            assert!(global, "{address} is let out, and not global to Python");
        }
    }
    assert!(let_out > 1_000, "{let_out}");
}
