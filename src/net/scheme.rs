//! The schemes of the URIs that are proxied, and what each means by itself. How a request spells one is `http/target`'s
//! business.

/// A scheme with an authority (RFC 9110, section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// `http`: in the clear.
    Http,
    /// `https`: over TLS.
    Https,
}

impl Scheme {
    /// As a URI spells it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port of a URI that names none (RFC 9110, sections 4.2.1 and 4.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}
