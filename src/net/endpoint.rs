//! An IP address with its port, as what is kept for long keeps it: std's form has 32 bytes. Parses nothing and connects
//! nowhere.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// What a `SocketAddr` says, in 24 bytes: all but the flow label of IPv6 (RFC 6437), which is no part of the address and
/// is shown nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(Form);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    V4(Ipv4Addr, u16),
    /// With its scope, which a link-local address needs.
    V6(Ipv6Addr, u16, u32),
}

impl Endpoint {
    /// The address.
    pub fn ip(self) -> IpAddr {
        match self.0 {
            Form::V4(ip, _) => ip.into(),
            Form::V6(ip, ..) => ip.into(),
        }
    }

    /// The port.
    pub fn port(self) -> u16 {
        match self.0 {
            Form::V4(_, port) | Form::V6(_, port, _) => port,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint(match address {
            SocketAddr::V4(v4) => Form::V4(*v4.ip(), v4.port()),
            SocketAddr::V6(v6) => Form::V6(*v6.ip(), v6.port(), v6.scope_id()),
        })
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(Endpoint(form): Endpoint) -> SocketAddr {
        match form {
            Form::V4(ip, port) => (ip, port).into(),
            Form::V6(ip, port, scope) => SocketAddrV6::new(ip, port, 0, scope).into(),
        }
    }
}

impl PartialEq<SocketAddr> for Endpoint {
    fn eq(&self, other: &SocketAddr) -> bool {
        *self == Endpoint::from(*other)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_longer_form_says() {
        for text in ["10.0.0.8:40001", "[2001:db8::1]:443", "[fe80::1%7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let endpoint = Endpoint::from(address);
            assert_eq!((endpoint.ip(), endpoint.port()), (address.ip(), address.port()));
            assert_eq!(
                (SocketAddr::from(endpoint), endpoint.to_string()),
                (address, text.into())
            );
        }
        assert_eq!(size_of::<Option<Endpoint>>(), 24);
    }
}
