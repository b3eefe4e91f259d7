//! Which files are users files, and what is said of others.

use proptest::prelude::*;

use super::*;

const HASH: &str = "$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27";

fn names(text: &str) -> Vec<String> {
    let users = parse(text.as_bytes()).unwrap();
    users.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>) -> String {
    parse(text.as_ref()).unwrap_err().to_string()
}

#[test]
fn users_comments_and_empty_lines() {
    let text = format!("# who\n\na:{HASH}\n  \n#b:{HASH}\nü c:{HASH}\n\t\nlast:{HASH}");
    assert_eq!(names(&text), ["a", "ü c", "last"]);
    assert_eq!(names(&text.replace('\n', "\r\n")), ["a", "ü c", "last"]);
    assert_eq!(names(&format!("\u{feff}{text}")), ["a", "ü c", "last"]);
}

#[test]
fn a_line_that_is_none_is_named_by_its_number_and_never_repeated() {
    let good = format!("a:{HASH}\n");
    for (line, words) in [
        ("b".to_owned(), "NAME:HASH is expected"),
        (HASH.to_owned(), "NAME:HASH is expected"),
        (format!(":{HASH}"), "the name is empty"),
        (format!("a:{HASH}"), "a user of this name stands above"),
        (format!(" b:{HASH}"), "blanks around it"),
        (format!("b :{HASH}"), "blanks around it"),
        (format!("b\u{7}:{HASH}"), "control characters"),
        (format!("{}:{HASH}", "b".repeat(257)), "longer than 256 bytes"),
        ("b:".to_owned(), "the password's hash can't be used"),
        ("b:hunter2".to_owned(), "the password's hash can't be used"),
        (format!("b: {HASH}"), "the password's hash can't be used"),
        (format!("b:{HASH} "), "the password's hash"),
        (format!("b:{HASH}:comment"), "the password's hash"),
        (format!("b:{HASH}{}", "x".repeat(1024)), "longer than 1024 bytes"),
    ] {
        let said = refused(format!("{good}\n{line}\n"));
        assert!(said.starts_with("line 3: ") && said.contains(words), "{said}");
        for secret in [HASH, "hunter2", "bbb"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    assert_eq!(refused(b"\xff:x"), "line 1: it is not UTF-8 text");
    assert!(refused(format!("{good}\0")).starts_with("line 2: "));
}

#[test]
fn a_file_without_a_user_is_none() {
    for text in ["", "\n", "# a:b\n", "\r\n \r\n"] {
        assert!(refused(text).starts_with("there is no user in it"), "{text:?}");
    }
}

#[test]
fn there_are_limits() {
    assert!(refused(vec![b'#'; LIMITS.bytes_max + 1]).starts_with("it is larger than"));
    let short = "$2b$04$Zc9v9PBeCo5gSOEKGMO2UOdrw1rTWJu894ve380B20MLd4RZZRH02";
    let line = |n: usize| format!("{n:05}:{short}\n");
    let full: String = (0..LIMITS.users_max).map(line).collect();
    assert_eq!(parse(full.as_bytes()).unwrap().len(), LIMITS.users_max);
    let said = refused(full + &line(LIMITS.users_max));
    assert_eq!(said, "line 16385: there are more than 16384 users");
}

proptest! {
    #[test]
    fn no_bytes_end_in_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "([a-z:$#\\r\\n]|é){0,60}",
    ) {
        for bytes in [&*bytes, text.as_bytes()] {
            if let Err(error) = parse(bytes) {
                prop_assert!(error.line.is_none_or(|line| line >= 1 && line <= bytes.len() + 1));
            }
        }
    }
}
