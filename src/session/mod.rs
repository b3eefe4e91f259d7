//! One client connection as a state machine that does no I/O: it is fed [`Input`]s, looks at the two
//! [`Flows`](crate::flow::Flows), sets their gates, writes heads into them and emits [`Action`]s. Sockets, clock,
//! resolver and randomness are the caller's; so the simulation can run the very code that runs in production.
//!
//! What both sides say to each other is in `words`, which state follows which in `machine`, which also draws it. A state
//! is a small struct in a file of its own, consumed by value: what is no longer needed is gone, and no state can be left
//! half-way.

mod admin;
mod approach;
mod arrival;
mod asking;
mod at;
mod chain;
mod closing;
mod dial;
mod due;
mod errand;
mod exchange;
mod extras;
mod front;
mod handshake;
mod head;
pub mod id;
mod inside;
pub mod introduction;
mod inviting;
mod judge;
pub mod lease;
mod lookup;
mod machine;
mod meter;
mod minting;
mod noted;
mod onward;
pub mod outcome;
mod peek;
pub mod progress;
mod recheck;
pub mod refusal;
pub mod relay;
mod reply;
pub mod request;
mod response;
mod securing;
mod shared;
mod showing;
mod sni;
pub mod spares;
mod then;
mod told;
mod tunnel;
mod waiting;
mod words;

pub use self::at::Cx;
pub use self::due::earliest;
pub use self::front::Surface;
pub use self::machine::Session;
pub use self::shared::HALF_CLOSED_RESPONSE_TIMEOUT;
pub use self::sni::SniSettings;
pub use self::words::{
    Action, Admin, Close, DialFail, Dialled, HandshakeFail, Input, MintFail, Page, PoolKey, Settings,
    Standing, Wanted,
};

#[cfg(test)]
mod tests;
