//! Holds the sizes that ARCHITECTURE.md states, so that "what bounds memory" stays a sum of real numbers. A type that
//! shrank is fine; one that grew changes what a connection costs, and the page with it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::mem::size_of;

use smokescreen::io::dialer::Race;
use smokescreen::io::wires::WireEntry;
use smokescreen::server::conn::Conn;
use smokescreen::server::core::Core;
use smokescreen::session::Session;
use smokescreen::session::outcome::{Extras, Record, TunnelEnd};
use smokescreen::session::progress::Exchange;
use smokescreen::session::request::Request;

/// Type, size in bytes.
fn sizes() -> [(&'static str, usize); 9] {
    [
        ("Conn", size_of::<Conn<Core>>()),
        ("Session", size_of::<Session>()),
        ("Race", size_of::<Race>()),
        ("WireEntry", size_of::<WireEntry>()),
        ("Request", size_of::<Request>()),
        ("Record", size_of::<Record>()),
        ("Extras", size_of::<Extras>()),
        ("Exchange", size_of::<Exchange>()),
        ("TunnelEnd", size_of::<TunnelEnd>()),
    ]
}

/// What an idle tunnel may cost, whatever the page says: with one byte more the allocator takes 16.
const _: () = assert!(size_of::<Conn<Core>>() <= 280 && size_of::<Record>() <= 232);

#[test]
fn no_type_is_larger_than_architecture_md_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let document = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    for (name, size) in sizes() {
        let start = format!("| `{name}` | ");
        let row = document.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("no row `{name}`, which has {size} bytes"));
        let stated: usize = row
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("`{name}`: no number in {row}"));
        assert!(size <= stated, "`{name}` has {size} bytes, not {stated}");
    }
}
