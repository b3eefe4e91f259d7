//! The program as users build it. Cargo builds benches with what tests need, more features of some crates; functions of the
//! program that is built with them have other names, of which the counts of its profile say nothing (benches/README.md).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Where Cargo put the one with those features: two folders below what it builds into.
const BESIDE_BENCHES: &str = env!("CARGO_BIN_EXE_smokescreen");

/// Where it is, built anew where it has to be: to be called before a bench takes a processor for itself.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(build);
    &PROGRAM
}

fn build() -> PathBuf {
    let target = Path::new(BESIDE_BENCHES).ancestors().nth(2).expect("a folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bin", "smokescreen"])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo to start");
    assert!(built.status.success(), "cargo build failed");
    let messages = String::from_utf8(built.stdout).expect("text");
    messages
        .lines()
        .rev()
        .find_map(executable)
        .expect("an executable")
}

/// What a message of Cargo's says was built.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(message.get("executable")?.as_str()?.into())
}
