//! What stands in a document, and at which line and column.

use super::*;

#[test]
fn locate_finds_a_value_or_its_nearest_parent() {
    let text = "name: a\nitems:\n- {key: x}\n- key: y\n  other: z\n";
    let document = parse(text, LIMITS).unwrap();
    let at = |path: &[Step<'_>]| {
        let found = document.locate(path);
        (found.line, found.column)
    };
    let items = Step::Key("items");
    assert_eq!(at(&[Step::Key("name")]), (1, 7));
    assert_eq!(at(&[items, Step::Index(0), Step::Key("key")]), (3, 9));
    assert_eq!(at(&[items, Step::Index(1), Step::Key("other")]), (5, 10));
    assert_eq!(at(&[items, Step::Index(1), Step::Key("absent")]), (4, 3));
    assert_eq!(at(&[items, Step::Index(7)]).0, 3);
    assert_eq!(at(&[Step::Key("absent")]), (1, 1));
    let empty = parse("", LIMITS).unwrap();
    assert_eq!(empty.locate(&[Step::Key("absent")]), Position::START);
}

#[test]
fn columns_count_characters() {
    bad("name: a\nfields: {é: ü, port: [x]}\n", 2, 22, &["fields.port"]);
}

/// What stands in the tree, and where.
#[test]
fn a_tree_is_what_was_written() {
    let document = parse("a: [x, 'y z']\n\"b\": ~\nc:\n  d: \"\\n\"\n", LIMITS).unwrap();
    let mut shown = Vec::new();
    let mut waiting: Vec<(String, Node<'_>)> = Vec::new();
    waiting.extend(
        document
            .entries()
            .map(|(key, value)| (key.text.to_owned(), value)),
    );
    while let Some((way, node)) = waiting.pop() {
        let at = node.at();
        match node.shape() {
            Shape::Scalar { text, is_plain } => {
                let null = if node.is_null() { " null" } else { "" };
                shown.push(format!(
                    "{way} {}:{} {text:?} {is_plain}{null}",
                    at.line, at.column
                ));
            }
            Shape::List(items) => waiting.extend(items.map(|item| (format!("{way}[]"), item))),
            Shape::Mapping(entries) => {
                waiting.extend(entries.map(|(key, value)| (format!("{way}.{}", key.text), value)));
            }
        }
    }
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "a[] 1:5 \"x\" true",
            "a[] 1:8 \"y z\" false",
            "b 2:6 \"~\" true null",
            "c.d 4:6 \"\\n\" false",
        ]
    );
}

#[test]
fn a_placed_value_knows_its_line() {
    let fields: BTreeMap<String, Vec<Placed<u8>>> = read("a:\n- 1\n\n- 2\nb: [\n 3]\n").unwrap();
    let placed: Vec<_> = fields
        .into_values()
        .flatten()
        .map(|placed| (placed.value, placed.at.line, placed.at.column))
        .collect();
    assert_eq!(placed, [(1, 2, 3), (2, 4, 3), (3, 6, 2)]);
    let error = read::<BTreeMap<String, Placed<u8>>>("a: b\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, column 4: a: invalid type: string \"b\", expected u8"
    );
}
