//! What TLS engines are made of: certificates, keys, CAs, revocation lists, tickets; and whom a certificate names. Takes the
//! files' bytes, and reads none; moves no byte of a connection (that is `io/wire`).

mod identity;
mod pem;
mod revocation;
mod server;
#[cfg(test)]
#[path = "../../tests/pki/mod.rs"]
pub(crate) mod testing;
mod tickets;
mod words;

pub use self::identity::RoleFrom;
pub use self::server::{File, Server, ServerParts};
pub use self::words::words;
