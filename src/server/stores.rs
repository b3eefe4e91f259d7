//! What the connections of a loop share out among them: memory, pipes, idle connections, and the loop's time. Each
//! store's rules are its own; what one connection has of them is `held`.

use crate::io::budget::Budget;
use crate::io::pipe::Pipes;
use crate::io::scratch::Scratch;

use super::allowance::Allowance;
use super::pool::Pool;

/// The stores of a loop.
#[derive(Debug)]
pub struct Stores {
    /// The buffers, lent to one connection at a time.
    pub scratch: Scratch,
    /// The bytes all connections may hold.
    pub budget: Budget,
    /// The pipes for bulk.
    pub pipes: Pipes,
    /// Idle upstream connections.
    pub pool: Pool,
    /// No connection is kept for later any more.
    pub draining: bool,
    /// Handshakes may be gone on with now: they compute for long, so they have a time of their own.
    pub computes: bool,
    /// What a connection's turn may use up at present.
    pub turn: Allowance,
}
