//! Any text: it ends in no panic, and means what the YAML crate reads, or is refused.

use super::*;

/// As the YAML crate understands them; so they were always read here.
#[test]
fn plain_words_are_what_yaml_says() {
    use serde_yaml::Value;
    for word in [
        "true",
        "True",
        "TRUE",
        "tRUE",
        "yes",
        "on",
        "off",
        "n",
        "null",
        "Null",
        "NULL",
        "nULL",
        "~",
        "",
        "0",
        "-0",
        "+1",
        "-1",
        "007",
        "0x1f",
        "0o17",
        "0b11",
        "1_000",
        "1.5",
        "1e3",
        "-.5",
        ".5",
        ".inf",
        "-.Inf",
        ".nan",
        ".",
        "..",
        "---x",
        "...x",
        "1.2.3",
        "10.0.0.1",
        "10.0.0.0/8",
        "::1",
        "a b",
        "a",
        "é",
        "18446744073709551616",
        "--1",
        "+-1",
        "0x",
        "1:30",
    ] {
        let text = format!("a: {word}\n");
        let ours: Option<BTreeMap<String, Value>> = read(&text).ok();
        assert_eq!(ours, serde_yaml::from_str(&text).ok(), "{word}");
        let quoted: BTreeMap<String, Value> = read(&format!("a: '{word}'\n")).unwrap();
        assert_eq!(quoted["a"], Value::String(word.to_owned()));
    }
}

proptest::proptest! {
    /// A reload reads a file while the proxy serves: whatever stands in it must end in an answer, not a panic.
    #[test]
    fn no_text_ends_in_a_panic(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "name", ": ", ":", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ",", "'", "\"", "\\", "|", ">",
            "&a", "*a", "!t", "!<", "%", "%YAML 1.2\n", "---", "...", "#", "?", "? ", "<<", "~", "é", "\u{feff}",
            "\t", "\r", "\0", "@", "`", "-", "+", "1",
        ]), 0..24))
    {
        let text = parts.concat();
        if let Ok(document) = parse(&text, LIMITS) {
            let _ = document.read::<File>();
            let _ = document.locate(&[Step::Key("name"), Step::Index(1)]);
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_characters_end_in_a_panic(text in "[a:{}\\[\\]\"'&*!|>%@#?, \n\t\\\\é-]{0,40}") {
        let _ = parse(&text, LIMITS);
    }

    /// Two parsers, one meaning: what both accept, they understand alike.
    #[test]
    fn a_document_means_what_the_yaml_crate_reads(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "name", ": ", ":", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ",", "'", "\"", "\\", "|", ">", "%",
            "---", "...", "#", " #", "?", "? ", "<<", "~", "é", "|-\n", ">\n", "\\n", "\\x41", "b: ", "c: ", "a b",
            "\t", "\r", "@", "`", "-", "+", "1", "true", ".5", " ", ", ",
        ]), 0..24))
    {
        let text = format!("a: {}\n", parts.concat());
        let ours = parse(&text, LIMITS).and_then(|document| document.read::<serde_yaml::Value>());
        if let (Ok(ours), Ok(theirs)) = (ours, serde_yaml::from_str::<serde_yaml::Value>(&text)) {
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
