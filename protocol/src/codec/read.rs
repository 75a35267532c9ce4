//! Reading of single fields that never fails for a wrong type: a field of the wrong type is noted
//! as [`Field::Wrong`] and skipped, so that the frame's other fields, its `id` above all, are read
//! in the same pass. Only bytes that are no JSON or MessagePack, or too deep, end the reading.

use std::fmt;
use std::io::ErrorKind;
use std::marker::PhantomData;

use rmp_serde::decode::{self, ReadRefReader};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::limits;

/// Greatest integer that a floating point number holds exactly with all smaller ones: clients in
/// JavaScript may send integers as floats.
const FLOAT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// What was found where a field may be.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    /// Nothing, or null.
    #[default]
    Absent,
    /// Something that is not what the field may hold.
    Wrong,
    /// The value.
    Value(T),
}

impl<T> Field<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Field::Value(value) => Some(value),
            Field::Absent | Field::Wrong => None,
        }
    }

    fn of(found: Option<T>) -> Self {
        found.map_or(Field::Wrong, Field::Value)
    }
}

/// Whether anything follows the value that was read: then even one more byte can be asked for.
pub(super) fn has_more(rest: &mut rmp_serde::Deserializer<ReadRefReader<'_, [u8]>>) -> bool {
    match rest.deserialize_ignored_any(IgnoredAny) {
        Ok(IgnoredAny) => true,
        Err(decode::Error::InvalidMarkerRead(why)) => why.kind() != ErrorKind::UnexpectedEof,
        Err(_) => true,
    }
}

/// A type that a field may hold, made from whatever kind of value it accepts. `None` is "wrong".
pub(super) trait FromWire: Sized {
    /// What the field may hold, for error texts.
    const EXPECTED: &'static str;

    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_number(_number: u64) -> Option<Self> {
        None
    }

    fn from_negative(_number: i64) -> Option<Self> {
        None
    }

    fn from_float(number: f64) -> Option<Self> {
        let integer = number.fract() == 0.0 && (0.0..=FLOAT_INTEGER_MAX).contains(&number);
        integer.then(|| Self::from_number(number as u64)).flatten()
    }

    fn from_bool(_value: bool) -> Option<Self> {
        None
    }

    /// Must read to the end. `depth` is the level of the map's values.
    fn from_map<'de, A: MapAccess<'de>>(
        map: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        while map.next_key::<IgnoredKey>()?.is_some() {
            map.next_value_seed(Read::<Skipped>::at(depth))?;
        }
        Ok(None)
    }

    /// Must read to the end. `depth` is the level of the elements.
    fn from_seq<'de, A: SeqAccess<'de>>(
        seq: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        while seq.next_element_seed(Read::<Skipped>::at(depth))?.is_some() {}
        Ok(None)
    }
}

/// Reads one value as a [`Field`].
pub(super) struct Read<T> {
    depth: usize,
    of: PhantomData<T>,
}

impl<T> Read<T> {
    /// For a value at this level; the frame itself is level 1.
    pub(super) fn at(depth: usize) -> Self {
        Self {
            depth,
            of: PhantomData,
        }
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth > limits::NESTING_DEPTH_MAX {
            let limit = limits::NESTING_DEPTH_MAX;
            return Err(E::custom(format_args!("nested deeper than {limit} levels")));
        }
        Ok(())
    }
}

impl<'de, T: FromWire> DeserializeSeed<'de> for Read<T> {
    type Value = Field<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromWire> Visitor<'de> for Read<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Field<T>, E> {
        Ok(Field::of(T::from_text(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field<T>, E> {
        Ok(Field::of(T::from_number(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field<T>, E> {
        Ok(Field::of(match u64::try_from(number) {
            Ok(number) => T::from_number(number),
            Err(_) => T::from_negative(number),
        }))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Field<T>, E> {
        Ok(Field::of(T::from_float(number)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Field<T>, E> {
        Ok(Field::of(T::from_bool(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<Field<T>, E> {
        Ok(Field::Absent)
    }

    /// MessagePack gives a text that is not UTF-8 as bytes, too.
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Field<T>, E> {
        match simdutf8::basic::from_utf8(bytes) {
            Ok(_) => Ok(Field::Wrong),
            Err(_) => Err(E::custom("a text is not utf-8")),
        }
    }

    /// MessagePack gives its extension types this way; none of ours is one.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        extension: D,
    ) -> Result<Field<T>, D::Error> {
        serde::Deserialize::deserialize(extension).map(|IgnoredAny| Field::Wrong)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<T>, A::Error> {
        self.check_depth()?;
        T::from_seq(&mut seq, self.depth + 1).map(Field::of)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<T>, A::Error> {
        self.check_depth()?;
        T::from_map(&mut map, self.depth + 1).map(Field::of)
    }
}

/// A value nobody asked for.
pub(super) struct Skipped;

impl FromWire for Skipped {
    const EXPECTED: &'static str = "anything";
}

/// Reads past the value of a key that nobody asked for.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A, depth: usize) -> Result<(), A::Error> {
    map.next_value_seed(Read::<Skipped>::at(depth)).map(|_| ())
}

/// A key nobody asked for. Keys are texts; anything else ends the reading.
struct IgnoredKey;

impl<'de> serde::Deserialize<'de> for IgnoredKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor(|_: &str| IgnoredKey))
    }
}

/// Reads a key of a map: a text and nothing else.
pub(super) struct KeyVisitor<F>(pub(super) F);

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for KeyVisitor<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text as key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for KeyVisitor<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl FromWire for String {
    const EXPECTED: &'static str = "a text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromWire for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Field<Value> {
    /// Within a value null is a value; `None` is "wrong".
    fn or_null(self) -> Option<Value> {
        match self {
            Field::Absent => Some(Value::Null),
            Field::Wrong => None,
            Field::Value(value) => Some(value),
        }
    }
}

/// Any value that JSON can say.
impl FromWire for Value {
    const EXPECTED: &'static str = "any json value";

    fn from_text(text: &str) -> Option<Self> {
        Some(Value::from(text))
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Value::from(number))
    }

    fn from_negative(number: i64) -> Option<Self> {
        Some(Value::from(number))
    }

    fn from_float(number: f64) -> Option<Self> {
        serde_json::Number::from_f64(number).map(Value::Number)
    }

    fn from_bool(value: bool) -> Option<Self> {
        Some(Value::Bool(value))
    }

    fn from_map<'de, A: MapAccess<'de>>(
        map: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        let mut object = Some(serde_json::Map::new());
        while let Some(key) = map.next_key_seed(KeyVisitor(str::to_owned))? {
            let value = map.next_value_seed(Read::<Value>::at(depth))?;
            match (value.or_null(), &mut object) {
                (Some(value), Some(object)) => drop(object.insert(key, value)),
                _ => object = None,
            }
        }
        Ok(object.map(Value::Object))
    }

    fn from_seq<'de, A: SeqAccess<'de>>(
        seq: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        let mut array = Some(Vec::new());
        while let Some(element) = seq.next_element_seed(Read::<Value>::at(depth))? {
            match (element.or_null(), &mut array) {
                (Some(element), Some(array)) => array.push(element),
                _ => array = None,
            }
        }
        Ok(array.map(Value::Array))
    }
}
