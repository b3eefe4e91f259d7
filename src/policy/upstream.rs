//! Proxies that requests go through: who named one, and what it is to be told. Which one a request goes through is
//! `routing`'s to say.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::net::{Host, ProxyUrl, Scheme, Writer};

/// A proxy that requests go through.
#[derive(PartialEq, Eq)]
pub struct Upstream {
    url: ProxyUrl,
    named_by: Writer,
    /// The value of its `Proxy-Authorization` field. Sent to it alone, never shown, and wiped with it.
    authorization: Option<Zeroizing<String>>,
}

impl Upstream {
    /// The one that this URL names.
    pub fn new(url: ProxyUrl, named_by: Writer) -> Upstream {
        let authorization = url.user_and_password().map(|told| {
            // Room for all of it at once: a text that grows would leave copies behind.
            let mut value = Zeroizing::new(String::with_capacity(8 + told.len().div_ceil(3) * 4));
            value.push_str("Basic ");
            STANDARD.encode_string(&**told, &mut value);
            value
        });
        Upstream {
            url,
            named_by,
            authorization,
        }
    }

    /// Who named it: the operator's own are trusted, a client's is vetted like any address.
    pub fn named_by(&self) -> Writer {
        self.named_by
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.url.scheme()
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        self.url.host()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.url.port()
    }

    /// The value of the `Proxy-Authorization` field that it is to be sent, and nobody else.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|value| value.as_str())
    }
}

/// Its URL without its credentials.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.scheme().as_str(), self.host(), self.port());
        write!(f, "{scheme}://{host}:{port}")
    }
}

/// As it is shown: a derived one would show the password.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({self})")
    }
}
