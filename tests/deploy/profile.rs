//! What stands between Cargo and the compiler in a build for release (`benches/profile/rustc`): it adds counts for the compiler
//! that made them, and nothing for any other. `echo` is the compiler here: it says what it was given. What the counts are
//! good for, the benches say.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{root, text};

const RELEASE: [&str; 4] = ["-C", "opt-level=3", "a b", "--cfg=x"];

/// A copy of the wrapper, with counts made by such a compiler.
fn wrapper(about: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let profile = root().join("benches/profile");
    std::fs::copy(profile.join("rustc"), folder.path().join("rustc")).unwrap();
    std::fs::write(folder.path().join("counts.profdata"), "").unwrap();
    std::fs::write(folder.path().join("compiler.txt"), about).unwrap();
    folder
}

fn run(folder: &Path, compiler: &str, arguments: &[&str], counts: Option<&str>) -> Output {
    let mut command = Command::new("sh");
    command
        .arg(folder.join("rustc"))
        .arg(compiler)
        .args(arguments)
        .env_remove("SMOKESCREEN_COUNTS");
    if let Some(counts) = counts {
        command.env("SMOKESCREEN_COUNTS", counts);
    }
    command.output().unwrap()
}

/// What the compiler was given behind the arguments.
fn added(folder: &Path, arguments: &[&str], counts: Option<&str>) -> String {
    let output = run(folder, "echo", arguments, counts);
    assert!(output.status.success(), "{output:?}");
    let given = String::from_utf8(output.stdout).unwrap();
    let added = given.strip_prefix(&arguments.join(" ")).expect("as they were");
    added.trim().to_owned()
}

#[test]
fn a_build_for_release_gets_the_counts_of_its_own_compiler() {
    // What `echo` says when it is asked about itself.
    let own = wrapper("-vV\n");
    let counts = own.path().join("counts.profdata");
    let uses = format!("-C profile-use={}", counts.display());
    assert_eq!(added(own.path(), &RELEASE, None), uses);
    for arguments in [&["-C", "opt-level=1"][..], &["-C", "debuginfo=2"], &["-vV"]] {
        assert_eq!(added(own.path(), arguments, None), "", "{arguments:?}");
        assert_eq!(added(own.path(), arguments, Some("to")), "", "{arguments:?}");
    }
    assert_eq!(
        added(own.path(), &RELEASE, Some("to")),
        "-C profile-generate=to",
        "one that counts is built without the counts of another"
    );
    let other = wrapper("rustc 1.0.0\n");
    assert_eq!(added(other.path(), &RELEASE, None), "");
    std::fs::remove_file(counts).unwrap();
    assert_eq!(added(own.path(), &RELEASE, None), "");
}

#[test]
fn what_the_compiler_ends_with_is_passed_on() {
    let folder = wrapper("");
    for arguments in [&RELEASE[..], &["x"]] {
        assert_eq!(
            run(folder.path(), "false", arguments, None).status.code(),
            Some(1)
        );
    }
}

#[test]
fn cargo_is_told_of_it_and_finds_it() {
    let config = text(".cargo/config.toml");
    assert!(config.contains("rustc-wrapper = \"benches/profile/rustc\""));
    for name in ["rustc", "renew"] {
        let file = root().join("benches/profile").join(name);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{} can't be executed", file.display());
    }
    assert!(text(".dockerignore").lines().any(|line| line == "!.cargo"));
}

/// An image is built by the compiler that the counts are for: any other would do without them.
#[test]
fn images_are_built_by_the_compiler_of_the_counts() {
    let about = text("benches/profile/compiler.txt");
    let release = about.lines().find_map(|line| line.strip_prefix("release: "));
    let image = format!("FROM rust:{}-slim", release.expect("a release"));
    for name in ["Dockerfile", "deploy/Dockerfile.distroless"] {
        assert!(text(name).contains(&image), "{name}: expected {image}");
    }
}
