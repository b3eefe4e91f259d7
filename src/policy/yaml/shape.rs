//! The shape of a document, before anybody reads meaning into it: goes through the parser's events, refuses what we
//! do not accept, and tells where each value stands.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::{DEPTH_MAX, Position, SIZE_MAX, YamlError, without_byte_order_mark};

/// One step on the way from the root of a document to a value in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// The value of this key.
    Key(&'a str),
    /// The item with this index, from 0.
    Index(usize),
}

/// Finds where a value stands: for errors that are found only after reading. The nearest parent that exists is
/// taken when the value itself does not. Reads the text again, so that success costs nothing.
pub fn locate(text: &str, path: &[Step<'_>]) -> Position {
    let mut best = (0, Position::START);
    let mut visit = |levels: &[Level], at: Position| {
        let on_the_way =
            levels.len() <= path.len() && levels.iter().zip(path).all(|(level, step)| level.is_at(step));
        if on_the_way && levels.len() >= best.0 {
            best = (levels.len(), at);
        }
    };
    // A text that is no document has no places; it was refused before anybody asks.
    let _ = walk(without_byte_order_mark(text), &mut visit);
    best.1
}

/// An open list or mapping.
pub struct Level(Kind);

enum Kind {
    List {
        index: usize,
        empty: bool,
    },
    Mapping {
        seen: HashSet<String>,
        key: String,
        key_line: usize,
        key_is_next: bool,
    },
}

impl Level {
    /// Where in it the present value is.
    pub fn step(&self) -> Step<'_> {
        match &self.0 {
            Kind::List { index, .. } => Step::Index(*index),
            Kind::Mapping { key, .. } => Step::Key(key),
        }
    }

    /// The line of the present value's key; none in a list.
    pub fn key_line(&self) -> Option<usize> {
        match self.0 {
            Kind::List { .. } => None,
            Kind::Mapping { key_line, .. } => Some(key_line),
        }
    }

    fn is_at(&self, step: &Step<'_>) -> bool {
        self.step() == *step
    }
}

/// What the document consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Root {
    Empty,
    Mapping,
}

/// Called with the levels around it for every value, lists and mappings included.
pub type Visit<'a> = &'a mut dyn FnMut(&[Level], Position);

/// Goes through the document once and refuses every shape that [`super::read`] names.
pub(super) fn walk(text: &str, visit: Visit<'_>) -> Result<Root, YamlError> {
    if text.len() > SIZE_MAX {
        return Err(YamlError::new(
            Position::START,
            &format!("{} bytes are too many: at most 16 MiB are read", text.len()),
        ));
    }
    let mut parser = Parser::<StrInput<'_>>::new_from_str(text);
    let mut walker = Walker {
        levels: Vec::new(),
        documents: 0,
        root: Root::Empty,
        visit,
    };
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            // The parser looks an alias up before we are told of it.
            let hint = if error.info().contains("anchor") {
                "; a value that begins with `*` or `&` needs quotes"
            } else {
                ""
            };
            YamlError::new(
                Position::of(error.marker()),
                &format!("not valid yaml: {}{hint}", error.info()),
            )
        })?;
        walker
            .event(&event, Position::of(&span.start))
            .map_err(|message| YamlError::new(Position::of(&span.start), &message))?;
    }
    Ok(walker.root)
}

struct Walker<'a> {
    levels: Vec<Level>,
    documents: usize,
    root: Root,
    visit: Visit<'a>,
}

impl Walker<'_> {
    fn event(&mut self, event: &Event<'_>, at: Position) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins here; one is accepted".to_owned());
                }
            }
            Event::Alias(_) => return Err("aliases (`*name`) are not accepted".to_owned()),
            Event::Scalar(value, style, anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                let is_null =
                    *style == ScalarStyle::Plain && matches!(&**value, "" | "~" | "null" | "Null" | "NULL");
                self.scalar(value, is_null, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                if self.levels.is_empty() {
                    return Err("found a list; the file must be a mapping (`key: value` lines)".to_owned());
                }
                self.open(
                    Level(Kind::List {
                        index: 0,
                        empty: true,
                    }),
                    at,
                )?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_anchor_and_tag(*anchor, tag.is_some())?;
                self.root = Root::Mapping;
                let level = Level(Kind::Mapping {
                    seen: HashSet::new(),
                    key: String::new(),
                    key_line: at.line,
                    key_is_next: true,
                });
                self.open(level, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.levels.pop();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, level: Level, at: Position) -> Result<(), String> {
        if self.awaits_key() {
            return Err("a list or mapping can't be a key; keys are plain words".to_owned());
        }
        self.value(at);
        if self.levels.len() >= DEPTH_MAX {
            return Err(format!("nested more than {DEPTH_MAX} levels deep"));
        }
        self.levels.push(level);
        Ok(())
    }

    fn scalar(&mut self, value: &str, is_null: bool, at: Position) -> Result<(), String> {
        match self.levels.last_mut().map(|level| &mut level.0) {
            None if is_null => {}
            None => {
                return Err(
                    "found a single value; the file must be a mapping (`key: value` lines)".to_owned(),
                );
            }
            Some(Kind::Mapping {
                seen,
                key,
                key_line,
                key_is_next,
            }) if *key_is_next => {
                if !seen.insert(value.to_owned()) {
                    return Err(format!(
                        "the key `{value}` stands here a second time; give it once"
                    ));
                }
                value.clone_into(key);
                *key_line = at.line;
                *key_is_next = false;
            }
            Some(_) => self.value(at),
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.levels.last(),
            Some(Level(Kind::Mapping {
                key_is_next: true,
                ..
            }))
        )
    }

    /// A value begins: an item of the innermost list, or what belongs to the last key.
    fn value(&mut self, at: Position) {
        match self.levels.last_mut().map(|level| &mut level.0) {
            Some(Kind::List {
                empty: empty @ true, ..
            }) => *empty = false,
            Some(Kind::List { index, .. }) => *index += 1,
            Some(Kind::Mapping { key_is_next, .. }) => *key_is_next = true,
            None => {}
        }
        (self.visit)(&self.levels, at);
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
