//! Our parsers against those of others, on inputs that a seed draws: Python's `ipaddress`, `urllib`, `http.client`
//! and the C library below them, Node's `URL` and llhttp, the `url` crate, curl, rustls, OpenSSL. Where another one reads a
//! closed address or another server's name in what we let through, or sees the end of a message elsewhere, we must have
//! refused.
//!
//! `DIFFERENTIAL_SEED=n` draws other inputs. A missing program skips its tests, but with `CI=true` fails them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop where it stands, and says what it skips"
)]

#[path = "differential/addresses.rs"]
mod addresses;
#[path = "differential/bodies.rs"]
mod bodies;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/hellos.rs"]
mod hellos;
#[path = "fuzz_bodies/literals.rs"]
mod literals;
#[path = "differential/programs.rs"]
mod programs;

/// The seed of this run.
fn seed() -> u64 {
    let given = std::env::var("DIFFERENTIAL_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1) ^ 0x5eed_0f00_d5eb_a51c
}
