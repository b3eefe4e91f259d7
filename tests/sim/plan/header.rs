//! What a balancer says before a client's first byte: a PROXY header of either version, or something that is none.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::random::Random;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header, and what follows from it.
pub(crate) struct Announced {
    pub(crate) bytes: Vec<u8>,
    /// The client that it names; none: the address stays that of who connected.
    pub(crate) client: Option<SocketAddr>,
}

impl Announced {
    /// One for a client with this port; one that is malformed only where something may go wrong.
    pub(crate) fn draw(port: u16, calm: bool, random: &mut Random) -> Announced {
        if !calm && random.one_in(6) {
            return Announced::malformed(port, random);
        }
        let v4 = IpAddr::from([203, 0, 113, random.below(250) as u8]);
        let v6 = IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(random.bits())));
        let ip = random.pick(&[v4, v6]);
        let client = Some(SocketAddr::new(ip, port));
        let family = if ip.is_ipv4() { 4 } else { 6 };
        let own = if ip.is_ipv4() { "198.51.100.1" } else { "::1" };
        let line = |text: String| format!("PROXY {text}\r\n").into_bytes();
        let (bytes, client) = match random.below(6) {
            0 | 1 => (line(format!("TCP{family} {ip} {own} {port} 4750")), client),
            2 => (line("UNKNOWN".into()), None),
            3 => (binary(0x20, 0, &[], random), None),
            _ => {
                let addresses = match ip {
                    IpAddr::V4(ip) => [&ip.octets()[..], &[7; 4]].concat(),
                    IpAddr::V6(ip) => [&ip.octets()[..], &[7; 16]].concat(),
                };
                let ports = [port.to_be_bytes(), [0x12, 0x8e]].concat();
                let family = if ip.is_ipv4() { 0x11 } else { 0x21 };
                (binary(0x21, family, &[addresses, ports].concat(), random), client)
            }
        };
        Announced { bytes, client }
    }

    fn malformed(port: u16, random: &mut Random) -> Announced {
        let line = format!("PROXY TCP4 203.0.113.1 198.51.100.1 0{port} 4750\r\n");
        let bytes = match random.below(3) {
            0 => line.into_bytes(),
            1 => binary(0x22, 0x11, &[1; 12], random),
            _ => b"\x16\x03\x01\x02\0\x01".to_vec(),
        };
        Announced { bytes, client: None }
    }
}

fn binary(version_and_command: u8, family: u8, addresses: &[u8], random: &mut Random) -> Vec<u8> {
    let extra = random.pick(&[0, 0, 40, 600]);
    let length = u16::try_from(addresses.len() + extra)
        .expect("short")
        .to_be_bytes();
    let fixed = [version_and_command, family, length[0], length[1]];
    [SIGNATURE, &fixed, addresses, &vec![0xff; extra]].concat()
}
