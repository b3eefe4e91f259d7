//! Asks other programs: one process for all inputs, a line each.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

const PYTHON: &str = include_str!("oracle.py");
const NODE: &str = include_str!("oracle.js");

/// Is the program there? Says so where not, and fails where it must be.
pub(crate) fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !found {
        println!("skipped: no {program}");
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no {program}"
        );
    }
    found
}

/// One answer of Python's parsers for each input; `what` is asked of each.
pub(crate) fn python(what: &str, inputs: &[Vec<u8>]) -> Option<Vec<String>> {
    is_there("python3").then(|| ask(Command::new("python3").args(["-c", PYTHON, what]), inputs))
}

/// The same of h11, which is among the client matrix' packages.
pub(crate) fn h11(what: &str, inputs: &[Vec<u8>]) -> Option<Vec<String>> {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin/python");
    is_there(python).then(|| ask(Command::new(python).args(["-c", PYTHON, what]), inputs))
}

/// One answer of Node's parsers for each input; `what` is asked of each.
pub(crate) fn node(what: &str, inputs: &[Vec<u8>]) -> Option<Vec<String>> {
    is_there("node").then(|| {
        ask(
            Command::new("node").args(["--no-deprecation", "-e", NODE, "--", "oracle", what]),
            inputs,
        )
    })
}

fn ask(program: &mut Command, inputs: &[Vec<u8>]) -> Vec<String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut question = String::new();
    for input in inputs {
        for byte in input {
            write!(question, "{byte:02x}").unwrap();
        }
        question.push('\n');
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(question.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().expect("it reads all of it");
    assert!(output.status.success(), "{:?}", output.status);
    let answers: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(answers.len(), inputs.len());
    answers
}

/// Bytes written in hexadecimal.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
            .unwrap()
    };
    text.as_bytes()
        .chunks(2)
        .map(|two| digit(two[0]) << 4 | digit(two[1]))
        .collect()
}
