//! smokescreen: an SSRF-safe egress proxy.
//!
//! The crate is one house with two halves. The *pure* half decides: [`net`] and [`flow`] are its words, `text`
//! spells them, `lock` is how they share, [`clock`] counts their time, [`yaml`] reads what people write for us, [`hello`] what comes first on a connection, [`policy`] says who
//! may go where, [`http`] reads and writes message heads, [`session`] is the state machine of one client connection. The *impure* half moves bytes: [`io`]
//! owns sockets, timers and threads, [`server`] is the event loop that lets the two halves meet, [`process`] what its
//! loops share and who tells them to end. [`command`] asks without serving. [`config`] reads flags, environment and file; [`log`] turns a
//! [`session::outcome::Record`] into a line, [`stats`] into counts.
//!
//! Life of a request: accept (`io/listener`), parse (`session/head`, `http/head`), authenticate and decide
//! ([`policy`]), resolve (`io/resolver`), vet (`policy/ranges`), dial (`io/dialer`), relay ([`flow::Gate`] and
//! `io/pump`), record (`session/outcome`, [`log`]).

pub mod clock;
pub mod command;
pub mod config;
pub mod flow;
pub mod hello;
pub mod http;
pub mod io;
mod lock;
pub mod log;
pub mod net;
pub mod policy;
pub mod process;
pub mod server;
pub mod session;
pub mod stats;
mod text;
pub mod tls;
pub mod yaml;
