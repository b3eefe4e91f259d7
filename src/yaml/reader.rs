//! From the parser's events to a tree: refuses every shape that we do not accept, in the order of the text. Values are
//! taken as they are written; nothing is asked of their meaning.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::tree::{Builder, Document, Opened, is_null};
use super::{Limits, Position, YamlError, small};

/// Reads one document, a mapping. An empty one counts as an empty mapping.
///
/// # Errors
/// Bad syntax (the message contains `YAML`), more of anything than the limits allow, control characters, directives, more
/// than one document, duplicate or composite keys, anchors, aliases and tags, and a root that is no mapping.
pub fn parse(text: &str, limits: Limits) -> Result<Document, YamlError> {
    read(text, limits, false)
}

/// Reads one document, a list, by the same rules.
///
/// # Errors
/// As for [`parse`]; that the root is no list is left to whoever reads it.
pub fn parse_list(text: &str, limits: Limits) -> Result<Document, YamlError> {
    read(text, limits, true)
}

fn read(text: &str, limits: Limits, may_be_list: bool) -> Result<Document, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits.bytes_max {
        return Err(YamlError::new(
            Position::START,
            &format!(
                "{} bytes are too many: at most {} MiB are read",
                text.len(),
                limits.bytes_max >> 20
            ),
        ));
    }
    refuse_characters(text)?;
    refuse_directives(text)?;
    let mut reader = Reader {
        limits,
        tree: Builder::for_text_of(text.len()),
        levels: Vec::new(),
        documents: 0,
        may_be_list,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        let at = position(&span.start);
        reader
            .event(&event, at)
            .map_err(|message| YamlError::new(at, &message))?;
    }
    Ok(reader.tree.finish())
}

/// Those that no YAML may hold (1.2.2, 5.1): to the parser a NUL is the end of the text, whatever follows. And those that
/// end a line for YAML 1.1 but not for 1.2: behind a comment, the one reads an entry where the other reads none.
fn refuse_characters(text: &str) -> Result<(), YamlError> {
    let is_separator = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
    let is_printable = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a0}'..) && !matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let refused = |c: char| is_separator(c) || !is_printable(c);
    let Some((bad, c)) = text.char_indices().find(|&(_, c)| refused(c)) else {
        return Ok(());
    };
    let what = match is_separator(c) {
        true => "line separators other than LF and CR are not accepted",
        false => "control characters are not accepted",
    };
    let before = text.get(..bad).unwrap_or_default();
    Err(YamlError::new(
        position_behind(before),
        &format!("not valid YAML: {what}"),
    ))
}

/// Where the text goes on. A line ends with LF, CR, or both.
fn position_behind(before: &str) -> Position {
    let ends = before.matches('\n').count() + before.matches('\r').count() - before.matches("\r\n").count();
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    Position {
        line: small(ends + 1),
        column: small(line.chars().count() + 1),
    }
}

/// Directives change what the rest means, or name a version of YAML that it is not read by.
fn refuse_directives(text: &str) -> Result<(), YamlError> {
    let mut lines = text.lines().enumerate();
    let first = lines.find(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    match first {
        Some((nth, line)) if line.starts_with('%') => Err(YamlError::new(
            Position {
                line: small(nth + 1),
                column: 1,
            },
            "not valid YAML here: directives (`%...`) are not accepted",
        )),
        _ => Ok(()),
    }
}

fn syntax(error: &ScanError) -> YamlError {
    // The parser looks an alias up before we are told of it.
    let hint = if error.info().contains("anchor") {
        "; a value that begins with `*` or `&` needs quotes"
    } else {
        ""
    };
    YamlError::new(
        position(error.marker()),
        &format!("not valid YAML: {}{hint}", error.info()),
    )
}

/// The parser counts lines from 1 and columns from 0.
fn position(marker: &Marker) -> Position {
    Position {
        line: small(marker.line().max(1)),
        column: small(marker.col() + 1),
    }
}

struct Reader {
    limits: Limits,
    tree: Builder,
    /// The lists and mappings around the next event, outermost first.
    levels: Vec<Level>,
    documents: usize,
    /// The root may be a list.
    may_be_list: bool,
}

/// An open list or mapping.
struct Level {
    opened: Opened,
    /// None in a list.
    keys: Option<Keys>,
}

/// The keys of an open mapping.
#[derive(Default)]
struct Keys {
    /// Each with its line.
    lines: HashMap<String, u32>,
    /// The last one still lacks its value.
    value_is_next: bool,
}

impl Reader {
    fn event(&mut self, event: &Event<'_>, at: Position) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second YAML document begins here; one is accepted".to_owned());
                }
            }
            Event::Alias(_) => return Err("aliases (`*name`) are not accepted".to_owned()),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                let is_plain = *style == ScalarStyle::Plain;
                if is_plain {
                    refuse_indicator(text)?;
                }
                self.scalar(text, is_plain, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                if self.levels.is_empty() && !self.may_be_list {
                    return Err("found a list; the file must be a mapping (`key: value` lines)".to_owned());
                }
                self.open(at, None)?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                self.open(at, Some(Keys::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(level) = self.levels.pop() {
                    self.tree.close(level.opened);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, at: Position, keys: Option<Keys>) -> Result<(), String> {
        match self.keys() {
            Some(Keys { value_is_next, .. }) if *value_is_next => *value_is_next = false,
            Some(_) => return Err("a list or mapping can't be a key; a key is a single value".to_owned()),
            None => {}
        }
        if self.levels.len() >= self.limits.depth_max {
            return Err(format!(
                "nested too deeply: more than {} levels",
                self.limits.depth_max
            ));
        }
        self.refuse_too_many()?;
        let opened = match keys {
            Some(_) => self.tree.open_mapping(at),
            None => self.tree.open_list(at),
        };
        self.levels.push(Level { opened, keys });
        Ok(())
    }

    fn scalar(&mut self, text: &str, is_plain: bool, at: Position) -> Result<(), String> {
        if self.levels.is_empty() {
            return match is_plain && is_null(text) {
                true => Ok(()),
                false => {
                    Err("found a single value; the file must be a mapping (`key: value` lines)".to_owned())
                }
            };
        }
        match self.keys() {
            Some(Keys { value_is_next, .. }) if *value_is_next => *value_is_next = false,
            Some(keys) => {
                if let Some(first) = keys.lines.insert(text.to_owned(), at.line) {
                    return Err(format!(
                        "the key `{text}` stands here a second time, first on line {first}; give it once"
                    ));
                }
                keys.value_is_next = true;
            }
            None => {}
        }
        self.refuse_too_many()?;
        self.tree.scalar(text, is_plain, at);
        Ok(())
    }

    /// Those of the innermost mapping; none in a list or outside of all.
    fn keys(&mut self) -> Option<&mut Keys> {
        self.levels.last_mut()?.keys.as_mut()
    }

    fn refuse_too_many(&self) -> Result<(), String> {
        if self.tree.len() >= self.limits.nodes_max {
            return Err(format!("more than {} keys and values", self.limits.nodes_max));
        }
        Ok(())
    }
}

/// No plain value begins with these (1.2.2, 7.3.3), though the parser takes them inside of brackets.
fn refuse_indicator(text: &str) -> Result<(), String> {
    match text.chars().next() {
        Some(first @ ('|' | '>' | '%' | '@' | '`')) => Err(format!(
            "not valid YAML: a value that begins with `{first}` needs quotes"
        )),
        _ => Ok(()),
    }
}

fn refuse_anchor_and_tag(anchor: usize, tagged: bool) -> Result<(), String> {
    if anchor != 0 {
        return Err("anchors (`&name`) are not accepted".to_owned());
    }
    if tagged {
        return Err("tags (`!name`) are not accepted".to_owned());
    }
    Ok(())
}
