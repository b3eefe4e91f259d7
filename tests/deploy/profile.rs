//! What stands between Cargo and the compiler in a build for release (`benches/profile/with-counts`): it adds counts for the
//! compiler that made them, and nothing for any other. Programs that say what they were given are the compiler here. What
//! the counts are good for, the benches say.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{root, text};

const WRAPPER: &str = "benches/profile/with-counts";

/// A compiler that prints each argument behind the first between brackets; asked for its version it prints `-vV`.
const PRINTER: &str = "/usr/bin/printf";
const FORMAT: &str = "<%s>\n";

const RELEASE: [&str; 3] = ["-C", "opt-level=3", "a  b"];

/// A copy of the wrapper, with counts made by such a compiler.
fn wrapper(about: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(root().join(WRAPPER), folder.path().join("with-counts")).unwrap();
    std::fs::write(folder.path().join("counts.profdata"), "").unwrap();
    std::fs::write(folder.path().join("compiler.txt"), about).unwrap();
    folder
}

fn run(folder: &Path, compiler: &str, arguments: &[&str], counts: Option<&str>) -> Output {
    let mut command = Command::new("sh");
    command
        .arg(folder.join("with-counts"))
        .arg(compiler)
        .args(arguments)
        .env_remove("SMOKESCREEN_COUNTS");
    if let Some(counts) = counts {
        command.env("SMOKESCREEN_COUNTS", counts);
    }
    command.output().unwrap()
}

/// What the compiler was given behind these arguments.
fn added(folder: &Path, arguments: &[&str], counts: Option<&str>) -> String {
    let output = run(folder, PRINTER, &[&[FORMAT], arguments].concat(), counts);
    assert!(output.status.success(), "{output:?}");
    let given = String::from_utf8(output.stdout).unwrap();
    let as_they_were: String = arguments
        .iter()
        .map(|argument| format!("<{argument}>\n"))
        .collect();
    let added = given.strip_prefix(&as_they_were);
    added
        .unwrap_or_else(|| panic!("{given} for {arguments:?}"))
        .to_owned()
}

#[test]
fn a_build_for_release_gets_the_counts_of_its_own_compiler() {
    let own = wrapper("-vV\n");
    let counts = own.path().join("counts.profdata");
    let uses = format!(
        "<-C>\n<profile-use={}>\n<-C>\n<llvm-args=-no-pgo-warn-mismatch>\n",
        counts.display()
    );
    assert_eq!(added(own.path(), &RELEASE, None), uses);
    for arguments in [&["-C", "opt-level=1"][..], &["-C", "debuginfo=2"], &["x"]] {
        assert_eq!(added(own.path(), arguments, None), "", "{arguments:?}");
        assert_eq!(added(own.path(), arguments, Some("to")), "", "{arguments:?}");
    }
    assert_eq!(
        added(own.path(), &RELEASE, Some("to")),
        "<-C>\n<profile-generate=to>\n",
        "one that counts is built without the counts of another"
    );
    let other = wrapper("rustc 1.0.0\n");
    assert_eq!(added(other.path(), &RELEASE, None), "");
    std::fs::remove_file(counts).unwrap();
    assert_eq!(added(own.path(), &RELEASE, None), "");
}

#[test]
fn who_brings_a_profile_of_his_own_is_left_alone() {
    let own = wrapper("-vV\n");
    for theirs in [
        "-Cprofile-generate",
        "-Cprofile_generate=x",
        "-Cprofile-use=x",
        "-Zprofile-sample-use=x",
        "-Cinstrument-coverage",
        "-Cinstrument_coverage=yes",
    ] {
        let arguments = [&RELEASE[..], &[theirs]].concat();
        assert_eq!(added(own.path(), &arguments, None), "", "{theirs}");
        assert_eq!(added(own.path(), &arguments, Some("to")), "", "{theirs}");
    }
}

#[test]
fn what_the_compiler_ends_with_is_passed_on() {
    // What `sh` says of its version is nothing.
    for (about, counts) in [("", None), ("other", None), ("", Some("to"))] {
        let folder = wrapper(about);
        for arguments in [&["-c", "exit 42", "opt-level=3"][..], &["-c", "exit 42"]] {
            let status = run(folder.path(), "/bin/sh", arguments, counts).status;
            assert_eq!(status.code(), Some(42), "{about} {counts:?} {arguments:?}");
        }
    }
}

#[test]
fn cargo_is_told_of_it_and_finds_it() {
    let config = text(".cargo/config.toml");
    let setting = format!("rustc-wrapper = \"{WRAPPER}\"");
    assert!(config.lines().any(|line| line == setting), "{config}");
    for name in [WRAPPER, "benches/profile/renew"] {
        let mode = std::fs::metadata(root().join(name)).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{name} can't be executed");
    }
    for line in ["!.cargo", "!benches"] {
        assert!(text(".dockerignore").lines().any(|found| found == line), "{line}");
    }
}

/// Images and releases are built by the compiler that the counts are for: any other would do without them.
#[test]
fn what_is_given_away_is_built_by_the_compiler_of_the_counts() {
    let about = text("benches/profile/compiler.txt");
    let release = about.lines().find_map(|line| line.strip_prefix("release: "));
    let image = format!("FROM rust:{}-slim", release.expect("a release"));
    for name in ["Dockerfile", "deploy/Dockerfile.distroless"] {
        assert!(text(name).contains(&image), "{name}: expected {image}");
    }
    let script = text(".github/release-build.sh");
    assert!(script.contains("release=$(sed -n 's/^release: //p' benches/profile/compiler.txt)"));
    assert!(script.contains("--default-toolchain \"$release\""));
    // What LLVM begins an indexed profile with.
    let counts = std::fs::read(root().join("benches/profile/counts.profdata")).unwrap();
    assert_eq!(counts.get(..8), Some(&b"\xfflprofi\x81"[..]));
}
