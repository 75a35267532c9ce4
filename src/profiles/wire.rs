//! Ids in the bodies of the profiles' routes, written and read.
//!
//! Invariants: what is written here is read back by [`MessageRef`] and [`ConversationRef`].
//! Never: looks anything up.

use std::fmt;

use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{ConversationNo, FileNo, MessageNo, PersonId, Seq};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::frame::{self, HostId};
use crate::http::fields::whole_of;

/// An id that is a number to some clients and a text to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum WireId {
    /// For clients that calculate with it.
    Number(u64),
    /// For clients that do not.
    Text(String),
}

/// A person id as hosts wrote it: decimal ids were numbers.
pub(crate) fn host_id(person: &PersonId) -> WireId {
    match frame::host_id(person) {
        HostId::Number(number) => WireId::Number(number),
        HostId::Text(text) => WireId::Text(text.to_owned()),
    }
}

/// A conversation as clients name it: its number as number or text, or the room's own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConversationRef(pub(crate) RoomName);

/// A message as clients name it: its number as number or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageRef {
    pub(crate) conversation: ConversationNo,
    pub(crate) seq: Seq,
}

impl MessageRef {
    /// Reads a number that was written as text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = MessageNo(text.parse().ok()?);
        let (conversation, seq) = number.parts();
        (conversation.0 > 0 && seq.0 > 0).then_some(Self { conversation, seq })
    }
}

/// A file that waits to be sent as clients name it: its number as number or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRef(pub(crate) FileNo);

impl FileRef {
    /// Reads a number that was written as text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(FileNo).map(Self)
    }
}

macro_rules! number_or_text {
    ($name:ident, $expected:literal, $read:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl Visitor<'_> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_u64<E: Error>(self, number: u64) -> Result<$name, E> {
                        self.visit_str(&number.to_string())
                    }

                    /// As writers mean it that know one kind of number only.
                    fn visit_f64<E: Error>(self, number: f64) -> Result<$name, E> {
                        let wrong = || E::custom(concat!("expected ", $expected));
                        self.visit_u64(whole_of(number).ok_or_else(wrong)?)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        let read: fn(&str) -> Option<$name> = $read;
                        let wrong = || E::custom(concat!("expected ", $expected));
                        read(text).ok_or_else(wrong)
                    }
                }
                deserializer.deserialize_any(Reader)
            }
        }
    };
}

number_or_text!(ConversationRef, "a conversation id", |text| {
    text.parse().ok().map(ConversationRef)
});
number_or_text!(FileRef, "the number of a file", FileRef::parse);
number_or_text!(MessageRef, "a message id", MessageRef::parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_ids_go_out_as_numbers_when_they_would_be_written_so() {
        let id = |text: &str| host_id(&PersonId::new(text).unwrap());
        assert_eq!(id("5"), WireId::Number(5));
        assert_eq!(id("0"), WireId::Number(0));
        for text in ["05", "+5", "9007199254740993", "ann", "5a"] {
            assert_eq!(id(text), WireId::Text(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn ids_are_read_as_numbers_and_as_texts() {
        let number = MessageNo::new(ConversationNo(3), Seq(7)).unwrap().0;
        let wanted = MessageRef {
            conversation: ConversationNo(3),
            seq: Seq(7),
        };
        for json in [
            number.to_string(),
            format!("\"{number}\""),
            format!("{number}.0"),
        ] {
            assert_eq!(serde_json::from_str::<MessageRef>(&json).unwrap(), wanted);
        }
        for json in ["7", "\"ann\"", "-1", "1.5", "-1.0", "1e300", "null", "{}"] {
            assert!(serde_json::from_str::<MessageRef>(json).is_err(), "{json}");
        }
        for json in ["\"12\"", "12", "12.0"] {
            let room: ConversationRef = serde_json::from_str(json).unwrap();
            assert_eq!(room.0, RoomName::Conversation(ConversationNo(12)), "{json}");
        }
        for json in ["12.5", "-12.0", "1e300"] {
            assert!(
                serde_json::from_str::<ConversationRef>(json).is_err(),
                "{json}"
            );
        }
    }
}
