//! Which documents are read and which are refused, with line and column: syntax, keys, anchors, depth, size. Any text at
//! all is in `any`.

mod any;
mod places;

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

const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 16,
    nodes_max: 100_000,
};

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    parse(text, LIMITS)?.read()
}

fn good(text: &str) -> File {
    read(text).unwrap()
}

#[track_caller]
fn bad(text: &str, line: u32, column: u32, words: &[&str]) {
    let error = read::<File>(text).unwrap_err();
    let shown = error.to_string();
    assert_eq!((error.at.line, error.at.column), (line, column), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in {shown:?}");
    }
    assert!(
        shown.starts_with(&format!("line {line}, column {column}: ")),
        "{shown}"
    );
    assert_eq!(
        shown.matches("column").count(),
        1,
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
    bad("ip: [unclosed\n", 2, 1, &["not valid YAML"]);
    bad("name: 'open\n", 1, 7, &["not valid YAML"]);
    bad("name: a\n\tport: 1\n", 1, 7, &["not valid YAML", "tab"]);
    for text in [
        "ip: [unclosed\n",
        "a: b: c\n",
        "\"",
        "{",
        "a: 'x",
        "}",
        "%YAML 9\n",
        "a: \"\\q\"\n",
        "a: @b\n",
        "a: *x\n",
    ] {
        let error = refused(text);
        assert!(error.contains("not valid YAML"), "{text:?}: {error}");
    }
}

fn refused(text: &str) -> String {
    parse(text, LIMITS).unwrap_err().to_string()
}

/// A NUL would end the text for the parser, and what follows would be read by nobody.
#[test]
fn control_characters_are_refused_wherever_they_stand() {
    for (text, place) in [
        ("a: b\0\nc: d\n", "line 1, column 5"),
        ("a: b\n# é\0\n", "line 2, column 4"),
        ("a: \"\u{1b}[31m\"\n", "line 1, column 5"),
        ("a: b\u{7f}", "line 1, column 5"),
        ("a: b\u{80}", "line 1, column 5"),
        ("a: b\u{ffff}", "line 1, column 5"),
    ] {
        assert_eq!(
            refused(text),
            format!("{place}: not valid YAML: control characters are not accepted")
        );
    }
    for text in ["a: \"b\tc\"\r\n", "a: é\u{a0}\u{1f600}", "a: \"\\0\\x1b\"\n"] {
        parse(text, LIMITS).unwrap();
    }
}

/// To YAML 1.1 they end the comment, and the entry counts; to 1.2 they do not, and it would be lost in silence.
#[test]
fn a_line_separator_of_unicode_hides_no_entry() {
    for separator in ['\u{85}', '\u{2028}', '\u{2029}'] {
        let text = format!("deny: # never these{separator}  - evil.test\n");
        assert_eq!(
            refused(&text),
            "line 1, column 20: not valid YAML: line separators other than LF and CR are not accepted"
        );
    }
    assert!(refused("a: b\rc: d\r\n# \u{7}\n").starts_with("line 3, column 3: "));
}

#[test]
fn what_another_reader_would_take_otherwise_is_refused() {
    for text in [
        "%YAML 2.0\n---\na: b\n",
        "# x\n\n%FOO x\n---\na: b\n",
        "a: {b: |x}\n",
        "a: [>\n  x]\n",
        "a: {b: %x}\n",
        "a: {b: @x}\n",
        "a: [`x`]\n",
    ] {
        assert!(refused(text).contains("not valid YAML"), "{text}");
    }
    for text in ["a: |\n  x\n", "a: >\n  x\n", "a: \"|x\"\n", "a: b|c\n"] {
        parse(text, LIMITS).unwrap();
    }
}

#[test]
fn a_glob_without_quotes_is_told_what_it_lacks() {
    bad(
        "name: *.a.test\n",
        1,
        7,
        &["not valid YAML", "`*`", "needs quotes"],
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
    bad("? name\n: a\n? name\n: b\n", 3, 3, &["`name`", "first on line 1"]);
    let long = "a".repeat(100_000);
    assert!(refused(&format!("? {long}\n: 1\n? {long}\n: 2\n")).len() < 1000);
}

/// Within a second or so; comparing every key with all before it would take minutes.
#[test]
fn many_keys_are_no_trouble() {
    let text: String = (0..40_000).map(|n| format!("key{n}: 1\n")).collect();
    assert_eq!(parse(&text, LIMITS).unwrap().entries().count(), 40_000);
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
    bad("fields: &f [1]\n", 1, 9, &["anchors"]);
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
    bad("name: a\n---\nname: b\n", 2, 1, &["second YAML document"]);
    bad("---\n---\nname: a\n", 2, 1, &["second YAML document"]);
    assert_eq!(good("---\nname: a\n...\n").name.as_deref(), Some("a"));
}

#[test]
fn a_root_that_is_no_mapping_is_refused() {
    bad("- a\n- b\n", 1, 1, &["list", "mapping"]);
    bad("just words\n", 1, 1, &["mapping"]);
}

#[test]
fn composite_keys_are_refused() {
    bad("? [a, b]\n: c\n", 1, 3, &["key is a single value"]);
    bad("[a]: 1\n", 1, 1, &["key is a single value"]);
    bad("{{a: b}: c}\n", 1, 2, &["key"]);
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("name: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    bad(&nested(15), 1, 7, &["string"]);
    bad(&nested(16), 1, 22, &["nested too deeply", "16"]);
    // So many that the parser gives up before it hands out the first.
    for text in [
        nested(100_000),
        format!("a: {}", "[".repeat(100_000)),
        "{a: ".repeat(50_000),
        format!("a:\n{}", "- ".repeat(50_000)),
    ] {
        assert!(parse(&text, LIMITS).is_err());
    }
}

#[test]
fn the_number_of_values_is_limited() {
    let text = |items: usize| format!("name: [{}]\n", "x,".repeat(items));
    let read = |items| {
        let limits = Limits {
            nodes_max: 100,
            ..LIMITS
        };
        parse(&text(items), limits).map_err(|error| error.to_string())
    };
    // Beside the items: the root, the key, the list.
    assert!(read(97).is_ok());
    assert_eq!(
        read(98).unwrap_err(),
        "line 1, column 202: more than 100 keys and values"
    );
}

#[test]
fn size_is_limited() {
    let text = format!("name: {}\n", "x".repeat(1 << 20));
    bad(&text, 1, 1, &["at most 1 MiB"]);
}

#[test]
fn an_error_stays_one_line_whatever_the_value() {
    bad("port: \"a\\nb\\x1b[31m\"\n", 1, 7, &["a\\nb\\u{1b}[31m"]);
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
}
