//! One client connection as a state machine that does no I/O.

pub mod id;
pub mod outcome;
