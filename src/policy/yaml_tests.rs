//! Which documents are read and which are refused, with line and column: syntax, keys, anchors, depth, size.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    port: Option<u16>,
    items: Option<Vec<Item>>,
    fields: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Item {
    key: String,
}

fn good(text: &str) -> File {
    read(text).unwrap()
}

#[track_caller]
fn bad(text: &str, line: usize, column: usize, words: &[&str]) {
    let error = read::<File>(text).unwrap_err();
    let shown = error.to_string();
    assert_eq!((error.line, error.column), (line, column), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in {shown:?}");
    }
    assert!(
        shown.starts_with(&format!("line {line}, column {column}: ")),
        "{shown}"
    );
    assert_eq!(
        shown.matches(" line ").count(),
        0,
        "the place is said once: {shown}"
    );
    assert!(!shown.contains('\n'), "{shown}");
}

#[test]
fn a_document_is_read() {
    let file = good("# comment\nname: a\nport: 80\nitems:\n- {key: x}\n- key: 'y'\nfields: {a: 1, b: two}\n");
    assert_eq!((file.name.as_deref(), file.port), (Some("a"), Some(80)));
    assert_eq!(file.items.unwrap().len(), 2);
    assert_eq!(file.fields.unwrap()["a"], "1");
}

#[test]
fn an_empty_document_is_an_empty_mapping() {
    for text in [
        "",
        "\n\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "~\n",
        "null\n",
        "{}\n",
        "\u{feff}",
    ] {
        assert_eq!(
            good(text),
            File {
                name: None,
                port: None,
                items: None,
                fields: None
            },
            "{text:?}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_understood() {
    assert_eq!(good("\u{feff}name: a\r\nport: 1\r\n").port, Some(1));
}

#[test]
fn bad_syntax_says_yaml() {
    bad("ip: [unclosed\n", 2, 1, &["not valid yaml"]);
    bad("name: 'open\n", 1, 7, &["not valid yaml"]);
    bad("name: a\n\tport: 1\n", 1, 7, &["not valid yaml", "tab"]);
}

#[test]
fn a_glob_without_quotes_is_told_what_it_lacks() {
    bad(
        "name: *.a.test\n",
        1,
        7,
        &["not valid yaml", "`*`", "needs quotes"],
    );
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_is_accepted() {
    bad(
        "name: a\nnmae: b\n",
        2,
        1,
        &["unknown field `nmae`", "`name`", "`port`", "did you mean `name`?"],
    );
    bad(
        "items:\n- key: a\n  kye: b\n",
        3,
        3,
        &["items[0]", "unknown field `kye`", "`key`"],
    );
}

#[test]
fn a_wrong_type_is_named_with_its_place() {
    bad("port: abc\n", 1, 7, &["port", "abc", "u16"]);
    bad("name: a\nport: 70000\n", 2, 7, &["70000", "u16"]);
    bad("items: 12\n", 1, 8, &["items", "12", "sequence"]);
    bad("items:\n- [x]\n", 2, 3, &["items[0]", "Item"]);
    bad("name: [a]\n", 1, 7, &["name", "string"]);
}

#[test]
fn a_missing_key_is_named() {
    bad("items:\n- {}\n", 2, 3, &["missing field `key`"]);
}

#[test]
fn duplicate_keys_are_refused_at_every_level() {
    bad("name: a\nname: b\n", 2, 1, &["`name`", "second time"]);
    bad("name: a\n\"name\": b\n", 2, 1, &["`name`"]);
    bad("fields:\n  a: 1\n  b: 2\n  a: 3\n", 4, 3, &["`a`"]);
    bad("fields: {a: 1, a: 2}\n", 1, 16, &["`a`"]);
}

#[test]
fn the_same_key_in_two_mappings_is_no_duplicate() {
    assert_eq!(
        good("items: [{key: a}, {key: a}]\nfields: {name: x}\nname: y\n")
            .items
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn anchors_aliases_tags_and_merges_are_refused() {
    bad("name: &a x\nfields: {b: c}\n", 1, 7, &["anchors"]);
    bad("fields: &f {a: b}\n", 1, 9, &["anchors"]);
    bad("name: *a\n", 1, 7, &["anchor"]);
    bad("name: !!str x\n", 1, 7, &["tags"]);
    bad("name: !env HOME\n", 1, 7, &["tags"]);
    bad("<<: {name: a}\n", 1, 1, &["unknown field `<<`"]);
}

#[test]
fn billion_laughs_is_refused_at_its_first_anchor() {
    let mut text = "a: &a [x, x]\n".to_owned();
    for (older, newer) in ('a'..='y').zip('b'..='z') {
        text.push_str(&format!("{newer}: &{newer} [*{older}, *{older}, *{older}]\n"));
    }
    bad(&text, 1, 4, &["anchors"]);
}

#[test]
fn more_than_one_document_is_refused() {
    bad("name: a\n---\nname: b\n", 2, 1, &["second document"]);
    assert_eq!(good("---\nname: a\n...\n").name.as_deref(), Some("a"));
}

#[test]
fn a_root_that_is_no_mapping_is_refused() {
    bad("- a\n- b\n", 1, 1, &["list", "mapping"]);
    bad("just words\n", 1, 1, &["mapping"]);
}

#[test]
fn composite_keys_are_refused() {
    bad("? [a, b]\n: c\n", 1, 3, &["key"]);
    bad("{{a: b}: c}\n", 1, 2, &["key"]);
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("name: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    bad(&nested(DEPTH_MAX - 1), 1, 7, &["string"]);
    bad(&nested(DEPTH_MAX), 1, 6 + DEPTH_MAX, &["nested", "16"]);
    // So many that the parser gives up before it hands out the first.
    assert!(read::<File>(&nested(100_000)).is_err());
}

#[test]
fn size_is_limited() {
    let text = format!("name: {}\n", "x".repeat(SIZE_MAX));
    bad(&text, 1, 1, &["16 MiB"]);
}

#[test]
fn an_error_stays_one_line_whatever_the_value() {
    bad("port: \"a\\nb\\x1b[31m\"\n", 1, 7, &["a\\nb\\u{1b}[31m"]);
}

#[test]
fn locate_finds_a_value_or_its_nearest_parent() {
    let text = "name: a\nitems:\n- {key: x}\n- key: y\n  other: z\n";
    let at = |path: &[Step<'_>]| {
        let found = locate(text, path);
        (found.line, found.column)
    };
    let items = Step::Key("items");
    assert_eq!(at(&[Step::Key("name")]), (1, 7));
    assert_eq!(at(&[items, Step::Index(0), Step::Key("key")]), (3, 9));
    assert_eq!(at(&[items, Step::Index(1), Step::Key("other")]), (5, 10));
    assert_eq!(at(&[items, Step::Index(1), Step::Key("absent")]), (4, 3));
    assert_eq!(at(&[items, Step::Index(7)]).0, 3);
    assert_eq!(at(&[Step::Key("absent")]), (1, 1));
    assert_eq!(locate("", &[Step::Key("absent")]), Position::START);
}

#[test]
fn columns_count_characters() {
    bad("name: a\nfields: {é: ü, port: [x]}\n", 2, 22, &["fields.port"]);
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
        let _ = read::<File>(&text);
        let _ = locate(&text, &[Step::Key("name"), Step::Index(1)]);
    }
}

#[test]
fn a_message_is_short_however_long_a_value_is() {
    let value = "é".repeat(100_000);
    let error = read::<File>(&format!("port: {value}\n")).unwrap_err();
    assert!(error.message.chars().count() < 1000);
    assert!(
        error.message.starts_with("port: invalid type: string \"éé"),
        "{error}"
    );
    assert!(error.message.ends_with("éé\", expected u16"), "{error}");
    let error = YamlError::new(Position::START, &"x".repeat(2 * MESSAGE_END_CHARS_MAX));
    assert_eq!(error.message.len(), 2 * MESSAGE_END_CHARS_MAX);
}
