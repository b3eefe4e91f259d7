//! How many sockets of this machine (of this network namespace) listen on an address, whosever they are: the kernel's table
//! says it. Connects to none of them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kernel's tables of TCP sockets (proc(5)).
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// As which a socket that listens stands there.
const LISTENS: &str = "0A";

/// How many sockets listen on this port of one of these addresses.
///
/// # Errors
/// The table can't be read.
pub(super) fn count(addresses: &[IpAddr], port: u16) -> io::Result<usize> {
    let mut count = 0;
    for table in TABLES {
        match fs::read_to_string(table) {
            Ok(text) => count += count_in(&text, addresses, port),
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{table}: {error}"))),
        }
    }
    Ok(count)
}

fn count_in(table: &str, addresses: &[IpAddr], port: u16) -> usize {
    let listens = |line: &&str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        let local = local.and_then(local_address);
        state == Some(LISTENS) && local.is_some_and(|(ip, at)| at == port && addresses.contains(&ip))
    };
    table.lines().filter(listens).count()
}

/// An address as the kernel spells it: words of 32 bits in hexadecimal, each in this machine's order, and the port.
fn local_address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(8 * at..8 * at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            octets
                .iter_mut()
                .zip(words.iter().flatten())
                .for_each(|(to, from)| *to = *from);
            IpAddr::from(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read_as_the_kernel_spells_them() {
        for (text, ip, port) in [
            ("0100007F:128E", "127.0.0.1", 4750),
            ("00000000:0050", "0.0.0.0", 80),
            ("00000000000000000000000000000000:128E", "::", 4750),
            ("B80D0120000000000000000001000000:0001", "2001:db8::1", 1),
        ] {
            assert_eq!(local_address(text), Some((ip.parse().unwrap(), port)), "{text}");
        }
        for text in [
            "",
            "0100007F",
            "0100007F:",
            "0100007:128E",
            "x100007F:128E",
            "0100007F:1128E",
        ] {
            assert_eq!(local_address(text), None, "{text}");
        }
    }

    #[test]
    fn sockets_that_listen_there_are_counted_and_no_others() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (near, any) = ([address.ip()], [IpAddr::from([0, 0, 0, 0])]);
        let client = std::net::TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap();
        assert_eq!(count(&near, address.port()).unwrap(), 1);
        assert_eq!(count(&any, address.port()).unwrap(), 0);
        assert_eq!(count(&near, client.local_addr().unwrap().port()).unwrap(), 0);
        drop((listener, accepted));
        assert_eq!(count(&near, address.port()).unwrap(), 0);
    }
}
