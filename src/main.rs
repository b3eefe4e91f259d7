//! The program: flags to configuration to server to exit code.

fn main() {}
