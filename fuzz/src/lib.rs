//! What the targets run, taken from the tests of the proxy, so that libFuzzer and `tests/smoke_fuzz.rs` run the
//! same code. See README.md beside this.

#[path = "../../tests/fuzz_bodies/mod.rs"]
mod fuzz_bodies;

/// Runs the body of this name; panics where a promise is broken.
pub fn run(target: &str, input: &[u8]) {
    for (name, body) in fuzz_bodies::TARGETS {
        if name == target {
            return body(input);
        }
    }
    panic!("no target is called {target}");
}
