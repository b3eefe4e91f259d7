//! Sockets, timers, threads: everything that touches the kernel. Knows no HTTP, and of policy only `Vetted`.

pub mod token;
