//! IP addresses, appended to a line; IPv4's without `core::fmt`, whose machinery costs a line several times what its
//! bytes do. Spells them as `Display` would; knows nothing of quotes and fields.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use crate::text::digits;

/// Appends an address without a port.
pub(super) fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => ipv4(out, ip),
        // Writing to a Vec can't fail, here and below.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

/// Appends a range.
pub(super) fn range(out: &mut Vec<u8>, range: IpNet) {
    drop(write!(out, "{range}"));
}

/// Appends an address with its port.
pub(super) fn ip_and_port(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            ipv4(out, *address.ip());
            out.push(b':');
            digits::decimal(out, address.port().into());
        }
        SocketAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// The digits of each octet with the dot after them, and how many bytes of that count.
static OCTETS: [([u8; 4], u8); 256] = octets();

const fn octets() -> [([u8; 4], u8); 256] {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0u8;
    loop {
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10];
        octets[octet as usize] = match octet {
            0..10 => ([b'0' + ones, b'.', 0, 0], 2),
            10..100 => ([b'0' + tens, b'0' + ones, b'.', 0], 3),
            100.. => ([b'0' + hundreds, b'0' + tens, b'0' + ones, b'.'], 4),
        };
        if octet == u8::MAX {
            return octets;
        }
        octet += 1;
    }
}

fn ipv4(out: &mut Vec<u8>, ip: Ipv4Addr) {
    // Four bytes are always written; what doesn't count of them is written over.
    let mut text = [0; 16];
    let mut length = 0;
    for octet in ip.octets() {
        let (digits, count) = OCTETS[usize::from(octet)];
        if let Some(place) = text.get_mut(length..length + 4) {
            place.copy_from_slice(&digits);
        }
        length += usize::from(count);
    }
    // A length that is known costs less than a call: what doesn't count, the last dot too, is taken off again.
    out.extend_from_slice(&text);
    out.truncate(out.len() - (text.len() + 1 - length));
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn shown(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_octet() {
        for octet in 0..=255 {
            let each = IpAddr::from([octet, 0, 255, octet]);
            assert_eq!(shown(|out| ip(out, each)), each.to_string());
        }
    }

    proptest! {
        #[test]
        fn as_display_spells_them(each in any::<IpAddr>(), port in any::<u16>()) {
            prop_assert_eq!(shown(|out| ip(out, each)), each.to_string());
            let each = SocketAddr::new(each, port);
            prop_assert_eq!(shown(|out| ip_and_port(out, each)), each.to_string());
        }
    }
}
