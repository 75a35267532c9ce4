//! Fields of requests that the derived readers would refuse in words of their own language.
//!
//! Invariants: what is expected is said as a client would; a list is read up to its limit and no
//! further.
//! Never: knows which request a field belongs to.

use std::fmt;

use frontdesk_protocol::PersonId;
use frontdesk_protocol::limits::OPEN_PARTICIPANT_COUNT_MAX;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use crate::identity::visitors::SignedId;

/// Up to here every whole number has a floating one of its own.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// For a field whose null is not its absence, with `#[serde(default)]`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The people of a new room.
pub(crate) struct People(pub(crate) Vec<PersonId>);

impl<'de> Deserialize<'de> for People {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PeopleVisitor).map(Self)
    }
}

struct PeopleVisitor;

impl<'de> Visitor<'de> for PeopleVisitor {
    type Value = Vec<PersonId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of person ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut people = Vec::new();
        while let Some(HostId(person)) = list.next_element()? {
            if people.len() == OPEN_PARTICIPANT_COUNT_MAX {
                let why = format!("too many people, limit {OPEN_PARTICIPANT_COUNT_MAX}");
                return Err(A::Error::custom(why));
            }
            people.push(person);
        }
        Ok(people)
    }
}

/// `5.0` as the number 5; nothing of what is no whole number, or of what stands for several.
pub(crate) fn whole_of(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
    is_whole.then_some(number as u64)
}

/// A person id as hosts write it: `5` and `"5"` are one person.
#[derive(Debug)]
pub(crate) struct HostId(pub(crate) PersonId);

impl<'de> Deserialize<'de> for HostId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HostIdVisitor)
    }
}

struct HostIdVisitor;

impl Visitor<'_> for HostIdVisitor {
    type Value = HostId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person id: a text or a whole number from 0 up")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HostId, E> {
        self.visit_str(&number.to_string())
    }

    /// `5.0` is the number 5 to writers that know one kind of number only.
    fn visit_f64<E: Error>(self, number: f64) -> Result<HostId, E> {
        match whole_of(number) {
            Some(number) => self.visit_u64(number),
            None => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HostId, E> {
        PersonId::new(text).map(HostId).map_err(E::custom)
    }
}

/// Who a host says its visitor is, of the two fields that say it.
pub(crate) fn signed_id<'a>(
    user_id: Option<&'a HostId>,
    user_hash: Option<&'a str>,
) -> SignedId<'a> {
    SignedId {
        user_id: user_id.map(|id| id.0.as_str()),
        user_hash,
    }
}

/// A whole number in a query, where everything is text.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 up")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
        let number = text.parse().map(Whole);
        number.map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A number of things or of a page in a query: a whole number from 1 up.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1 up")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
        let number = text.parse().ok().filter(|number| *number > 0);
        let wrong = || E::invalid_value(Unexpected::Str(text), &self);
        number.map(Count).ok_or_else(wrong)
    }
}
