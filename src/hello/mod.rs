//! First bytes as data: who is announced in those of a connection, what they may be the beginning of, and which server is
//! named in those of a tunnel. Functions over slices: what follows from it is said in `session/arrival` and `session/peek`.

pub mod client_hello;
pub mod proxy;

use crate::text::slices::until;
use crate::text::token;

/// Longest method that is taken for one; registered ones have 17 letters at most.
const METHOD_BYTES_MAX: usize = 32;

/// May these bytes be the beginning of an HTTP request, so that an answer in HTTP will be understood? They are, as far
/// as they go, where a method of letters stands first (RFC 9112, 3).
pub fn may_be_http(received: &[u8]) -> bool {
    let method = until(received, |byte| b" \r\n".contains(byte));
    method.len() <= METHOD_BYTES_MAX
        && method.first().is_some_and(u8::is_ascii_alphabetic)
        && method.iter().copied().all(token::is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_tells_a_request() {
        for http in [
            "G",
            "GET",
            "GET / HTTP/1.1\r\n",
            "get ",
            "M-SEARCH * HTTP/1.1",
            "GET\r\n",
        ] {
            assert!(may_be_http(http.as_bytes()), "{http}");
        }
        let long = "G".repeat(METHOD_BYTES_MAX + 1);
        for other in [
            "",
            " GET",
            "\r\n",
            "\u{16}\u{3}\u{1}",
            "\u{5}\u{1}\0",
            "G(T /",
            "GET\t/",
            "-",
            "7",
            &long,
        ] {
            assert!(!may_be_http(other.as_bytes()), "{other}");
        }
    }
}
