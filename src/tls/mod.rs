//! What TLS engines are made of: certificates, keys, CAs, revocation lists, tickets; and whom a certificate names. Takes the
//! files' bytes, and reads none; moves no byte of a connection (that is `io/wire`).

mod anchors;
mod authorities;
mod client;
mod due;
mod failure;
mod identity;
mod leaves;
mod list_parts;
mod mint;
mod origin_words;
mod origins;
mod pem;
mod revocation;
mod server;
mod sessions;
mod signature;
#[cfg(test)]
#[path = "../../tests/pki/mod.rs"]
pub(crate) mod testing;
mod tickets;
mod verifier;
mod words;

pub use self::client::{Client, ClientParts, check_time};
pub use self::failure::Failure;
pub use self::identity::RoleFrom;
pub use self::leaves::{Asked, LEAVES_MAX, Leaves, Minted, Order, Unmade, Waiter};
pub use self::mint::Leaf;
pub use self::pem::File;
pub use self::server::{Server, ServerParts};
pub use self::words::words;
