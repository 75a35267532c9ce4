//! Fields of settings, refused in words that clients of any language know.
//!
//! Never: checks more than shape; the company's entity has the limits.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde_json::Value;

use crate::http::fields::whole_of;
use crate::object::Object;

/// Items read of a list: more than any list of settings may have, so that the refusal names its
/// limit.
const ITEM_COUNT_MAX: usize = 1_000;

/// A field that was there, null among its values; an absent one is none.
pub(super) fn said<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A whole number.
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1 up")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        let whole = whole_of(number).map(Number);
        whole.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

/// A list of texts.
pub(super) struct Texts(pub(super) Vec<Arc<str>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            if texts.len() == ITEM_COUNT_MAX {
                return Err(A::Error::custom("too many texts in a list"));
            }
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

/// A form as it is written: its kind, and perhaps what it holds.
pub(super) struct WrittenForm {
    pub(super) kind: String,
    pub(super) spec: Option<Value>,
}

impl<'de> Deserialize<'de> for WrittenForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            kind: String,
            #[serde(default)]
            spec: Option<Value>,
        }
        let Object(Fields { kind, spec }) = Object::deserialize(deserializer)?;
        Ok(Self { kind, spec })
    }
}
