//! A document as serde asks for it: [`Document::read`] fills whatever type derives `Deserialize`, and names the place
//! and the way to it where one does not fit. What an unquoted word means, `serde_yaml` says; text needs nobody for that.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::text::nearest;

use super::tree::{Document, Entries, Items, Node, Shape};
use super::{Position, YamlError};

/// A value and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed<T> {
    /// Where it begins.
    pub at: Position,
    /// The value.
    pub value: T,
}

/// The name under which a [`Placed`] asks for its place too: nothing in a document can be called so.
const PLACED: &str = "smokescreen::yaml::Placed";

impl Document {
    /// Fills a type with the document.
    ///
    /// # Errors
    /// Whatever the type refuses (derive it with `deny_unknown_fields`), with the place and the way to it.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, YamlError> {
        T::deserialize(self.root()).map_err(|mismatch| {
            let at = mismatch.at.unwrap_or(self.root().at());
            match &*mismatch.way {
                "" => YamlError::new(at, &mismatch.message),
                way => YamlError::new(at, &format!("{way}: {}", mismatch.message)),
            }
        })
    }
}

/// For a key that may be left out, but not stand there without a value: whether that meant none, all or no limit would not
/// be plain. With `#[serde(default, deserialize_with = "given")]`.
///
/// # Errors
/// The value is not what `T` takes; nothing is no value.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A value that is not what was asked for.
#[derive(Debug)]
pub struct Mismatch {
    message: String,
    /// None until somebody knows it.
    at: Option<Position>,
    /// From the root to the value, as in `services[0].action`; grows while the way is gone back.
    way: String,
}

impl Mismatch {
    fn at(self, at: Position) -> Mismatch {
        Mismatch {
            at: self.at.or(Some(at)),
            ..self
        }
    }

    /// Found in the value of this key, or in the item with this index in brackets.
    fn within(self, step: &str) -> Mismatch {
        let way = match self.way.chars().next() {
            None => step.to_owned(),
            Some('[') => format!("{step}{}", self.way),
            Some(_) => format!("{step}.{}", self.way),
        };
        Mismatch { way, ..self }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl serde::de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Mismatch {
        Mismatch {
            message: message.to_string(),
            at: None,
            way: String::new(),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Mismatch {
        let words = serde::de::value::Error::unknown_field(field, expected);
        match nearest::nearest(expected.iter().map(|name| (name, name)), field) {
            Some(meant) => Mismatch::custom(format_args!("{words}; did you mean `{meant}`?")),
            None => Mismatch::custom(words),
        }
    }
}

impl From<serde_yaml::Error> for Mismatch {
    fn from(error: serde_yaml::Error) -> Mismatch {
        let text = error.to_string();
        // It only saw the one word, whose place in the document it can't know.
        let place = error
            .location()
            .map(|at| format!(" at line {} column {}", at.line(), at.column()));
        let words = place.as_deref().and_then(|place| text.strip_suffix(place));
        Mismatch::custom(words.unwrap_or(&text))
    }
}

/// Could this unquoted text be anything else than text? If so it is a word that stands for the same in a document of
/// its own, which is how `serde_yaml` is asked; `---` and `-` would not.
fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text == "~" || (text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_alphanumeric()))
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.shape() {
            Shape::Scalar {
                text: "",
                is_plain: true,
            } => visitor.visit_unit(),
            Shape::Scalar { text, is_plain: true } if is_word(text) => {
                Ok(serde_yaml::Deserializer::from_str(text).deserialize_any(visitor)?)
            }
            Shape::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            Shape::List(items) => visitor.visit_seq(ItemsInTurn { items, index: 0 }),
            Shape::Mapping(entries) => visitor.visit_map(EntriesInTurn { entries, pair: None }),
        }
    }

    /// Whatever is written there, a number too.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.shape() {
            Shape::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            Shape::List(_) | Shape::Mapping(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.shape() {
            Shape::Scalar {
                text: "",
                is_plain: true,
            } => visitor.visit_seq(NoneAtAll),
            Shape::Mapping(_) => Err(Mismatch::invalid_type(Unexpected::Map, &visitor)),
            Shape::Scalar { .. } | Shape::List(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.shape() {
            Shape::Scalar {
                text: "",
                is_plain: true,
            } => visitor.visit_map(NoneAtAll),
            Shape::List(_) => Err(Mismatch::invalid_type(Unexpected::Seq, &visitor)),
            Shape::Scalar { .. } | Shape::Mapping(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match name {
            PLACED => visitor.visit_seq(PlaceThenValue { node: self, given: 0 }),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.shape() {
            Shape::Scalar { text, .. } => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Shape::List(_) => Err(Mismatch::invalid_type(Unexpected::Seq, &visitor)),
            Shape::Mapping(_) => Err(Mismatch::invalid_type(Unexpected::Map, &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

struct ItemsInTurn<'de> {
    items: Items<'de>,
    index: usize,
}

impl<'de> SeqAccess<'de> for ItemsInTurn<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let read = seed.deserialize(item).map(Some);
        read.map_err(|mismatch| mismatch.at(item.at()).within(&format!("[{index}]")))
    }
}

struct EntriesInTurn<'de> {
    entries: Entries<'de>,
    /// The last key and its value, until that is asked for.
    pair: Option<(Node<'de>, Node<'de>)>,
}

impl<'de> MapAccess<'de> for EntriesInTurn<'de> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        self.pair = self.entries.next_pair();
        let Some((key, _)) = self.pair else {
            return Ok(None);
        };
        let read = seed.deserialize(key).map(Some);
        read.map_err(|mismatch| mismatch.at(key.at()))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let Some((key, value)) = self.pair.take() else {
            return Err(Mismatch::custom("a value is asked for before its key"));
        };
        seed.deserialize(value)
            .map_err(|mismatch| mismatch.at(value.at()).within(key.text()))
    }
}

/// An empty value where a list or mapping is asked for.
struct NoneAtAll;

impl<'de> SeqAccess<'de> for NoneAtAll {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Mismatch> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for NoneAtAll {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Mismatch> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Mismatch> {
        Err(Mismatch::custom("a value is asked for, and there is none"))
    }
}

/// What a [`Placed`] is filled with: line, column, value.
struct PlaceThenValue<'de> {
    node: Node<'de>,
    given: u8,
}

impl<'de> SeqAccess<'de> for PlaceThenValue<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        self.given += 1;
        let at = self.node.at();
        match self.given {
            1 => seed.deserialize(U32Deserializer::new(at.line)).map(Some),
            2 => seed.deserialize(U32Deserializer::new(at.column)).map(Some),
            _ => seed.deserialize(self.node).map(Some),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Placed<T>, D::Error> {
        deserializer.deserialize_struct(PLACED, &[], InPlace(PhantomData))
    }
}

struct InPlace<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InPlace<T> {
    type Value = Placed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value and its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Placed<T>, A::Error> {
        let (line, column, value) = (
            parts.next_element()?,
            parts.next_element()?,
            parts.next_element()?,
        );
        match (line, column, value) {
            (Some(line), Some(column), Some(value)) => Ok(Placed {
                at: Position { line, column },
                value,
            }),
            _ => Err(A::Error::custom("only a document of this reader has places")),
        }
    }
}
