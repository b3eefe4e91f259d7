//! Sockets, timers, threads: everything that touches the kernel. Knows no HTTP, and of policy only `Vetted`.

pub mod arena;
pub mod budget;
pub mod crowd;
pub mod datagrams;
pub mod deadlines;
pub mod descriptors;
pub mod dialer;
pub mod heap;
pub mod inbox;
pub mod inherited;
pub mod listener;
pub mod local;
pub mod local_socket;
pub mod notify;
pub mod pipe;
pub mod pump;
pub mod regular_file;
pub mod resolver;
pub mod scratch;
pub mod shares;
pub mod signal;
pub mod token;
pub mod told;
pub mod wire;
pub mod wires;
pub mod work;
