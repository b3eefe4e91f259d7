//! YAML text as a small tree with positions. It knows YAML but no option: duplicate keys, anchors, aliases, tags and
//! a second document are refused here, unknown keys and wrong shapes by the parent.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use crate::config::error::quoted;
use crate::config::source::Position;

/// How deep values may nest: the document, `tls`, one of its lists; or the document, `roles_by_source`, one entry. What
/// is deeper has a wrong shape anyway, so recursion ends here, not where the stack does.
const DEPTH_MAX: usize = 4;

/// Why a text is not understood.
#[derive(Debug)]
pub(super) struct TreeError {
    pub(super) at: Position,
    pub(super) words: String,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) value: Node,
}

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    /// Any other scalar, its text as written: whether it is a number is for the option to say.
    Scalar(String),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// The entries of the document's mapping; none for an empty document.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, TreeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        last: Position { line: 1, column: 1 },
    };
    let mut entries = None;
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => return Ok(entries.unwrap_or_default()),
            _ if entries.is_some() => return Err(refuse(at, "a second YAML document; only one is read")),
            first => entries = Some(top_level(reader.node(first, at, DEPTH_MAX)?)?),
        }
    }
}

fn top_level(node: Node) -> Result<Vec<Entry>, TreeError> {
    match node.shape {
        Shape::Mapping(entries) => Ok(entries),
        Shape::Null => Ok(Vec::new()),
        Shape::Scalar(_) | Shape::List(_) => Err(refuse(node.at, "a mapping of options is expected")),
    }
}

fn refuse(at: Position, words: impl Into<String>) -> TreeError {
    TreeError {
        at,
        words: words.into(),
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    last: Position,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), TreeError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.last = position(&span.start);
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(syntax(&error)),
            None => Err(refuse(self.last, "not valid YAML: it ends too early")),
        }
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'a>, at: Position, depth: usize) -> Result<Node, TreeError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(refuse(at, "nested too deeply"));
        };
        let shape = match event {
            Event::Alias(_) => return Err(refuse(at, "YAML aliases are not supported")),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return Err(refuse(at, "YAML anchors are not supported"));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(refuse(at, "YAML tags are not supported"));
            }
            Event::Scalar(text, style, ..) => match (style, text.as_ref()) {
                (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Shape::Null,
                _ => Shape::Scalar(text.into_owned()),
            },
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.mapping(depth)?,
            _ => return Err(refuse(at, "not valid YAML: a value is missing")),
        };
        Ok(Node { at, shape })
    }

    fn list(&mut self, depth: usize) -> Result<Shape, TreeError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Shape::List(items)),
                (event, at) => items.push(self.node(event, at, depth)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Shape, TreeError> {
        let mut entries = Vec::new();
        let mut first_lines = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Shape::Mapping(entries));
            }
            let key = match self.node(event, at, depth)?.shape {
                Shape::Scalar(key) => key,
                Shape::Null => "null".to_owned(),
                Shape::List(_) | Shape::Mapping(_) => return Err(refuse(at, "a key must be a single value")),
            };
            if let Some(line) = first_lines.insert(key.clone(), at.line) {
                let key = quoted(&key);
                return Err(refuse(at, format!("duplicate key {key}, first on line {line}")));
            }
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth)?;
            entries.push(Entry { key, at, value });
        }
    }
}

fn position(marker: &Marker) -> Position {
    // The parser counts lines from 1 and columns from 0.
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn syntax(error: &ScanError) -> TreeError {
    refuse(
        position(error.marker()),
        format!("not valid YAML: {}", error.info()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{}: {}", error.at, error.words)
    }

    #[test]
    fn syntax_errors_say_yaml() {
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
        ] {
            let error = error(text);
            assert!(error.contains("not valid YAML"), "{text:?}: {error}");
        }
    }

    #[test]
    fn duplicates_name_both_places() {
        assert_eq!(
            error("ip: 127.0.0.1\nip: 127.0.0.2\n"),
            "line 2, column 1: duplicate key \"ip\", first on line 1"
        );
        assert!(error("tls: {a: 1, \"a\": 2}\n").contains("duplicate key \"a\""));
        let long = "a".repeat(100_000);
        assert!(error(&format!("? {long}\n: 1\n? {long}\n: 2\n")).len() < 1000);
    }

    /// Within a second or so; comparing every key with all before it would take minutes.
    #[test]
    fn many_keys_are_no_trouble() {
        let text: String = (0..80_000).map(|n| format!("key{n}: 1\n")).collect();
        assert_eq!(parse(&text).unwrap().len(), 80_000);
    }

    #[test]
    fn anchors_aliases_tags_and_documents_are_refused() {
        for (text, words) in [
            ("a: &x 1\nb: 2\n", "anchors"),
            ("a: &x [1]\n", "anchors"),
            ("a: *x\n", "YAML"),
            ("a: !!str 1\n", "tags"),
            ("a: 1\n---\nb: 2\n", "second YAML document"),
            ("---\n---\na: 1\n", "second YAML document"),
            ("[a]: 1\n", "single value"),
        ] {
            let error = error(text);
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(error("a: [[[[1]]]]\n").contains("nested too deeply"));
        for text in [
            format!("a: {}", "[".repeat(100_000)),
            "{a: ".repeat(50_000),
            "- ".repeat(50_000),
        ] {
            assert!(parse(&text).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a:{}\\[\\]\"'&*!|>%@#?, \n\t\\\\é-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
