//! How the words of the wire are described in the OpenAPI document: the wire's own crate knows no
//! HTTP and so no OpenAPI either.
//!
//! Invariants: a description accepts what the wire's type writes (a test compares the two).
//! Never: is used to read or write anything but in tests.

use std::borrow::Cow;

use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::limits::PERSON_ID_BYTES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{OneOfBuilder, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Describes a word by hand: its name in the document, and its schema.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $shown:literal, $schema:expr) => {
        $(#[$doc])*
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($shown)
            }
        }
    };
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Any number of 64 bits: to readers that know formats, `int64` would end at half of them.
fn whole() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(u64::MAX as usize))
}

word!(
    /// A whole number of a query.
    WholeSchema,
    "Whole",
    whole()
);

word!(
    /// How many are wanted.
    CountSchema,
    "Count",
    whole().minimum(Some(1))
);

word!(
    /// A person as this server writes them.
    PersonIdSchema,
    "PersonId",
    text()
        .description(Some("A person; at most 128 bytes in UTF-8, no control characters"))
        .min_length(Some(1))
        .max_length(Some(PERSON_ID_BYTES_MAX))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"))
        .examples(["ann"])
);

word!(
    /// A person as hosts write them.
    HostIdSchema,
    "HostId",
    OneOfBuilder::new()
        .description(Some("A person; `5` and `\"5\"` are one"))
        .item(PersonIdSchema::schema())
        .item(whole())
);

word!(
    /// A room's own id.
    RoomIdSchema,
    "RoomId",
    text()
        .description(Some("A room"))
        .pattern(Some("^r_[0-9a-f]{32}$"))
        .examples(["r_0f6c1e9a52d84b7b8d1f3a5c7e902b46"])
);

word!(
    /// An upload's own id.
    UploadIdSchema,
    "UploadId",
    text()
        .description(Some("An upload"))
        .pattern(Some("^u_[0-9a-f]{32}$"))
        .examples(["u_0f6c1e9a52d84b7b8d1f3a5c7e902b46"])
);

word!(
    /// A room in an address.
    RoomNameSchema,
    "RoomName",
    text()
        .description(Some("A room's id, or its conversation number"))
        .pattern(Some("^(r_[0-9a-f]{32}|[0-9]+)$"))
        .examples(["12"])
);

word!(
    /// A conversation in an address of the profiles.
    ConversationIdSchema,
    "ConversationId",
    text()
        .description(Some("A conversation's number; some routes take a person of a pair as well"))
        .min_length(Some(1))
        .examples(["12"])
);

word!(
    /// A message in an address of the profiles.
    MessageIdSchema,
    "MessageId",
    text()
        .description(Some("A message's number: the conversation's times 2^20, and its place"))
        .min_length(Some(1))
        .examples(["12582913"])
);

word!(
    /// A conversation in a body of the profiles.
    ConversationNumberSchema,
    "ConversationNumber",
    OneOfBuilder::new()
        .description(Some("A conversation's number, as number or text"))
        .item(text().pattern(Some("^[0-9]{1,19}$")).examples(["12"]))
        .item(whole())
);

word!(
    /// A message in a body of the profiles.
    MessageNumberSchema,
    "MessageNumber",
    OneOfBuilder::new()
        .description(Some("A message's number, as number or text"))
        .item(text().pattern(Some("^[0-9]{1,19}$")).examples(["12582913"]))
        .item(whole())
);

word!(
    /// A log's name.
    HistoryIdSchema,
    "HistoryId",
    text()
        .description(Some("Names a room's log; with another one a client starts over"))
        .pattern(Some("^[0-9a-f]{16}$"))
);

word!(
    /// What is said of an error.
    MessageSchema,
    "ErrorMessage",
    OneOfBuilder::new()
        .description(Some("For people; a list with one text where the field of this name is wrong"))
        .item(text())
        .item(ArrayBuilder::new().items(text()))
);

word!(
    /// A code of an error.
    ErrorCodeSchema,
    "ErrorCode",
    text()
        .description(Some("What went wrong"))
        .enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())))
);

word!(
    /// What to do after an error.
    RetrySchema,
    "Retry",
    text()
        .description(Some("Whether the same request may succeed, and when"))
        .enum_values(Some(["no", "later", "resume", "other_node"]))
);

/// An event of a room.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = RoomEvent)]
pub(crate) enum EventSchema {
    /// A message.
    Message {
        /// Its place in the room, from 1.
        seq: u64,
        /// When it was accepted, milliseconds since 1970.
        at: u64,
        /// The command that made it.
        cid: String,
        /// Who wrote it.
        author: Box<AuthorSchema>,
        /// What is said.
        text: String,
        /// Structured part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rich: Option<serde_json::Value>,
        /// The event it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<u64>,
        /// The file that is sent with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<Box<FileSchema>>,
        /// The first of the messages that were sent as one, for those behind it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part_of: Option<u64>,
        /// When it was taken back, milliseconds since 1970; `text` is empty then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted_at: Option<u64>,
    },
    /// A message was taken back.
    MessageDeleted {
        /// Its place in the room, from 1.
        seq: u64,
        /// When, milliseconds since 1970.
        at: u64,
        /// The place of the message.
        target: u64,
    },
    /// A chat went from the bot to people, or back.
    Handoff {
        /// Its place in the room, from 1.
        seq: u64,
        /// When, milliseconds since 1970.
        at: u64,
        /// Who did it.
        author: Box<AuthorSchema>,
        /// `escalated`, `assigned` or `resolved`.
        step: String,
        /// Who has the chat now, when it was assigned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Box<AgentSchema>>,
    },
    /// Something the caller may not see: the number is counted, nothing is shown.
    Hidden {
        /// Its place in the room, from 1.
        seq: u64,
    },
}

/// A file as a message carries it.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = SharedFile)]
pub(crate) struct FileSchema {
    /// The company's number for it.
    no: u64,
    /// The upload that made it.
    upload: String,
    /// What it is called.
    name: String,
    /// The MIME type that its bytes show.
    mime: String,
    /// Its length as it is served, bytes.
    size: u64,
    /// Width and height of an image, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pixels: Option<(u32, u32)>,
    /// Whether there is a small picture of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_thumbnail: bool,
}

/// Who wrote a message, as known when it was written.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Author)]
pub(crate) struct AuthorSchema {
    /// The person.
    id: String,
    /// visitor, agent, admin, superadmin or bot.
    role: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Their e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// What the host calls their kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_type: Option<String>,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture_url: Option<String>,
}

/// Who has a chat.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ChatAgent)]
pub(crate) struct AgentSchema {
    /// The person.
    id: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use frontdesk_protocol::chat::NamedPerson;
    use frontdesk_protocol::command::{Card, Role};
    use frontdesk_protocol::event::Author;
    use frontdesk_protocol::file::SharedFile;
    use frontdesk_protocol::native::{EventBody, EventKind, HandoffMove};
    use frontdesk_protocol::{Cid, FileNo, PersonId, Seq, Timestamp, UploadId};
    use serde_json::json;

    use super::*;

    fn full_message() -> EventKind {
        EventKind::Message {
            at: Timestamp(1),
            cid: Cid::from_digest([7; 16]),
            author: Author {
                id: PersonId::new("ann").unwrap(),
                role: Role::Agent,
                card: Card {
                    name: Some(Arc::from("Ann")),
                    email: Some(Arc::from("ann@example.com")),
                    user_type: Some(Arc::from("talker")),
                    picture_url: Some(Arc::from("/ann.png")),
                },
            },
            text: Arc::from("hello"),
            rich: Some(json!({"a": 1})),
            reply_to: Some(Seq(3)),
            file: Some(Box::new(SharedFile {
                no: FileNo(4),
                upload: UploadId::from_bits([7; 16]),
                name: "a.png".into(),
                mime: "image/png".into(),
                size: 5,
                pixels: Some((3, 2)),
                has_thumbnail: true,
            })),
            part_of: Some(Seq(2)),
            deleted_at: Some(Timestamp(2)),
        }
    }

    #[test]
    fn events_are_described_with_every_field_they_have() {
        let deleted = EventKind::MessageDeleted {
            at: Timestamp(1),
            target: Seq(3),
        };
        let handoff = EventKind::Handoff(HandoffMove {
            at: Timestamp(1),
            author: Author {
                id: PersonId::new("ann").unwrap(),
                role: Role::Agent,
                card: Card::default(),
            },
            step: "assigned".into(),
            agent: Some(NamedPerson {
                id: PersonId::new("ann").unwrap(),
                name: Some("Ann".into()),
            }),
        });
        let kinds = [full_message(), deleted, handoff, EventKind::Hidden {}];
        assert_eq!(kinds.len(), EventKind::KINDS.len());
        for kind in kinds {
            let wire = serde_json::to_value(EventBody { seq: Seq(4), kind }).unwrap();
            let described: EventSchema = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(serde_json::to_value(&described).unwrap(), wire);
        }
    }
}
