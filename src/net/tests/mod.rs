//! The strict host parser against what broke others, and the shape of targets. Here is what all parts ask with; lists
//! of hosts are in `no_proxy_tests`.

mod addresses;
mod names;
mod targets;

use super::*;

fn host(text: &str) -> Result<Host, TargetError> {
    Host::parse(text.as_bytes())
}

fn assert_name(text: &str, name: &str) {
    match host(text) {
        Ok(Host::Name(found)) => assert_eq!(found.as_str(), name, "{text:?}"),
        other => panic!("{text:?}: {other:?} is no name"),
    }
}

fn assert_addr(text: &str, addr: &str) {
    let addr: IpAddr = addr.parse().unwrap();
    assert_eq!(host(text), Ok(Host::Addr(addr)), "{text:?}");
}

fn assert_malformed(texts: &[&str]) {
    for text in texts {
        assert!(host(text).is_err(), "{text:?} became {:?}", host(text));
        assert!(
            Target::parse(text.as_bytes(), Some(80)).is_err(),
            "{text:?} as an authority"
        );
    }
}
