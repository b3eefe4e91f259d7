//! Hosts and targets: what is accepted means one thing, and no resolver takes it for an address that it isn't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smokescreen::net::{Host, HostField, Target};
use smokescreen::policy::ranges::Ranges;

use super::literals::{inet_aton, is_public};

pub(crate) fn run(input: &[u8]) {
    classes(input);
    host(input);
    for default_port in [None, Some(80)] {
        if let Ok(target) = Target::parse(input, default_port) {
            the_target(input, default_port, &target);
        }
    }
}

/// What the address rules let out is public.
fn classes(input: &[u8]) {
    let ranges = Ranges::new(Vec::new(), Vec::new(), false, Vec::new());
    let v4 = input.first_chunk::<4>().map(|b| IpAddr::V4(Ipv4Addr::from(*b)));
    let v6 = input.first_chunk::<16>().map(|b| IpAddr::V6(Ipv6Addr::from(*b)));
    for address in [v4, v6].into_iter().flatten() {
        let (at, verdict) = ranges.judge(SocketAddr::new(address, 80), &|_| true);
        assert_eq!(verdict.allows(), is_public(address), "{address}: {verdict:?}");
        assert_eq!(at.ip(), address.to_canonical());
    }
}

fn host(input: &[u8]) {
    let Ok(host) = Host::parse(input) else { return };
    let shown = host.to_string();
    assert_eq!(
        Host::parse(shown.as_bytes()).as_ref(),
        Ok(&host),
        "{shown} reads back as another"
    );
    let written = String::from_utf8_lossy(input);
    let undotted = written.strip_suffix('.').unwrap_or(&written);
    match host {
        Host::Addr(IpAddr::V4(v4)) if !written.starts_with('[') => {
            assert_eq!(inet_aton(&written), Some(v4), "{written}");
        }
        Host::Addr(address) => {
            assert_eq!(address, address.to_canonical(), "still mapped");
            assert!(written.starts_with('[') && written.ends_with(']') && !written.contains('%'));
        }
        Host::Name(name) => {
            for spelling in [name.as_str(), &written, undotted, &written.to_lowercase()] {
                assert_eq!(inet_aton(spelling), None, "{written} is a name to us");
                assert!(spelling.parse::<IpAddr>().is_err(), "{written} is a name to us");
            }
            plain(name.as_str());
        }
    }
}

/// Only what RFC 1123 has, `_` beside.
fn plain(name: &str) {
    assert!((1..=253).contains(&name.len()), "{name}");
    for label in name.split('.') {
        assert!((1..=63).contains(&label.len()), "{name}");
        assert!(!label.starts_with('-') && !label.ends_with('-'), "{name}");
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        assert!(label.bytes().all(fits), "{name}");
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    assert!(last.bytes().any(|b| !b.is_ascii_digit()), "{name}");
}

fn the_target(input: &[u8], default_port: Option<u16>, target: &Target) {
    let written = std::str::from_utf8(input).expect("accepted");
    assert_eq!(&*target.written, written);
    assert!(target.port != 0 && !written.contains('@'));
    // The host is what stands before the last colon outside brackets, and nothing of it is left out.
    let inside = written.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match written[inside..].find(':') {
        Some(at) => (&written[..inside + at], Some(&written[inside + at + 1..])),
        None => (written, None),
    };
    assert_eq!(Host::parse(host.as_bytes()).as_ref(), Ok(&target.host));
    match port {
        Some("") => assert_eq!(Some(target.port), default_port),
        Some(port) => {
            assert!(port.bytes().all(|b| b.is_ascii_digit()), "{written}");
            assert_eq!(port.parse::<u32>(), Ok(u32::from(target.port)), "{written}");
        }
        None => assert_eq!(Some(target.port), default_port),
    }
    let again =
        Target::parse(format!("{}:{}", target.host, target.port).as_bytes(), None).expect("normal form");
    assert_eq!((again.host, again.port), (target.host.clone(), target.port));
    let HostField { host, port } = target.host_field(80);
    let field = port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
    let named = Target::parse(field.as_bytes(), Some(80)).expect("what we send we would take");
    assert!(field.is_ascii(), "{field}");
    assert_eq!(
        (named.host, named.port),
        (target.host.clone(), target.port),
        "{field} names another"
    );
    assert_eq!(
        field.contains(':'),
        target.port != 80 || matches!(target.host, Host::Addr(IpAddr::V6(_)))
    );
}
