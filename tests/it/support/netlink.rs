//! The rtnetlink requests that furnish the namespace: loopback up, address added, range made local. Spares the suite the `ip`
//! program, which small images lack.

use std::io::{Error, Result};
use std::net::IpAddr;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
/// REQUEST | ACK, and for addresses CREATE | EXCL.
const ASK: u16 = 0x1 | 0x4;
const CREATE: u16 = 0x400 | 0x200;
const ERROR: u16 = 2;

/// Of routes: the attributes, and who made them.
const DESTINATION: u16 = 1;
const INTERFACE: u16 = 4;
const TABLE_LOCAL: u8 = 255;
const BOOT: u8 = 3;
const SCOPE_HOST: u8 = 254;
const TYPE_LOCAL: u8 = 2;

const LOOPBACK: u32 = 1;
const UP: u32 = 1;
const LOCAL: u16 = 2;
const ADDRESS: u16 = 1;
/// Don't probe for a duplicate: the address is usable at once.
const NODAD: u8 = 2;
const FAMILY_4: u8 = 2;
const FAMILY_6: u8 = 10;

/// Sets the loopback interface up.
pub(super) fn bring_up_loopback() -> Result<()> {
    let mut body = vec![0u8; 4];
    body.extend_from_slice(&LOOPBACK.to_ne_bytes());
    body.extend_from_slice(&UP.to_ne_bytes());
    body.extend_from_slice(&UP.to_ne_bytes());
    ask(NEW_LINK, ASK, &body)
}

/// Adds one address, as a host route.
pub(crate) fn add_to_loopback(address: IpAddr) -> Result<()> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (FAMILY_4, v4.octets().to_vec()),
        IpAddr::V6(v6) => (FAMILY_6, v6.octets().to_vec()),
    };
    let bits = u8::try_from(octets.len() * 8).expect("32 or 128");
    let mut body = vec![family, bits, NODAD, 0];
    body.extend_from_slice(&LOOPBACK.to_ne_bytes());
    for kind in [LOCAL, ADDRESS] {
        let length = u16::try_from(4 + octets.len()).expect("8 or 20");
        body.extend_from_slice(&length.to_ne_bytes());
        body.extend_from_slice(&kind.to_ne_bytes());
        body.extend_from_slice(&octets);
    }
    ask(NEW_ADDRESS, ASK | CREATE, &body)
}

/// Makes a whole range local, though no interface has its addresses: what is sent there ends on this machine.
pub(crate) fn add_local_route(network: IpAddr, bits: u8) -> Result<()> {
    let (family, octets) = match network {
        IpAddr::V4(v4) => (FAMILY_4, v4.octets().to_vec()),
        IpAddr::V6(v6) => (FAMILY_6, v6.octets().to_vec()),
    };
    let mut body = vec![family, bits, 0, 0, TABLE_LOCAL, BOOT, SCOPE_HOST, TYPE_LOCAL];
    body.extend_from_slice(&[0; 4]);
    for (kind, value) in [(DESTINATION, &octets[..]), (INTERFACE, &LOOPBACK.to_ne_bytes())] {
        let length = u16::try_from(4 + value.len()).expect("8 or 20");
        body.extend_from_slice(&length.to_ne_bytes());
        body.extend_from_slice(&kind.to_ne_bytes());
        body.extend_from_slice(value);
    }
    ask(NEW_ROUTE, ASK | CREATE, &body)
}

/// Sends one request and reads its acknowledgement.
fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let length = u32::try_from(16 + body.len()).expect("a short request");
    let mut message = Vec::new();
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(body);
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0u8; 4096];
    let (got, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    let errno = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    if got < 20 || kind != ERROR {
        return Err(Error::other("no acknowledgement from the kernel"));
    }
    if errno == 0 {
        Ok(())
    } else {
        Err(Error::from_raw_os_error(-errno))
    }
}
