//! Fuzz target `inside`; its body is in `tests/fuzz_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| smokescreen_fuzz::run("inside", input));
