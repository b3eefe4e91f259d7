//! Sends datagrams to one address, and never waits: what does not go at once is lost, as datagrams may be anyway.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A socket, and where what it sends goes.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Datagrams {
    /// Sends to this address. Whether anybody is there is not asked.
    ///
    /// # Errors
    /// When there is no socket of that family to be had.
    pub fn to(to: SocketAddr) -> io::Result<Datagrams> {
        let any = match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(Datagrams { socket, to })
    }

    /// Sends one, if it goes at once.
    pub fn send(&self, packet: &[u8]) {
        // Nobody is to be told: what counts is sent again, and nobody waits for any of it.
        let _ = self.socket.send_to(packet, self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_and_what_nobody_takes_is_lost_without_a_wait() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(receiver) = UdpSocket::bind(ip) else {
                assert!(ip.starts_with('['), "no loopback");
                continue;
            };
            let datagrams = Datagrams::to(receiver.local_addr().unwrap()).unwrap();
            datagrams.send(b"one");
            let mut buffer = [0; 16];
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"one");
            drop(receiver);
            (0..1000).for_each(|_| datagrams.send(&[0; 1000]));
        }
    }
}
