//! How frames to clients are laid out: flat objects of named fields, `type` first. Written by hand
//! over one flat struct, since a push is encoded once for every message of every room and the
//! derived form of nested tagged enums would gather each of them in memory first.
//!
//! Never: allocates for a field that is a text already.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{
    EphemeralKind, EphemeralPush, EventBody, EventKind, Push, ResetReason, RoomPush, ServerFrame,
    UploadStatePush,
};
use crate::chat::NamedPerson;
use crate::command::Role;
use crate::event::Author;
use crate::file::SharedFile;
use crate::ids::{Cid, PersonId, RoomId, Seq, Timestamp, UploadId};

impl Serialize for ServerFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ServerFrame::Ok { id, ok } => {
                let mut frame = serializer.serialize_struct("ok", 2)?;
                frame.serialize_field("id", id)?;
                frame.serialize_field("ok", ok)?;
                frame.end()
            }
            ServerFrame::Error { id, error } => {
                let count = 1 + usize::from(id.is_some());
                let mut frame = serializer.serialize_struct("error", count)?;
                if let Some(id) = id {
                    frame.serialize_field("id", id)?;
                }
                frame.serialize_field("error", error)?;
                frame.end()
            }
            ServerFrame::Push(push) => push.serialize(serializer),
        }
    }
}

impl Serialize for Push {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = Some(self.kind());
        match self {
            Push::Event(push) => FlatEvent::of(kind, push).serialize(serializer),
            Push::Ephemeral(push) => FlatEphemeral::of(kind, push).serialize(serializer),
            Push::Lag { rooms } => {
                let mut frame = serializer.serialize_struct("lag", 2)?;
                frame.serialize_field("type", self.kind())?;
                frame.serialize_field("rooms", rooms)?;
                frame.end()
            }
            Push::Drain { after_ms } => {
                let mut frame = serializer.serialize_struct("drain", 2)?;
                frame.serialize_field("type", self.kind())?;
                frame.serialize_field("after_ms", after_ms)?;
                frame.end()
            }
            Push::Expired {} => {
                let mut frame = serializer.serialize_struct("expired", 1)?;
                frame.serialize_field("type", self.kind())?;
                frame.end()
            }
            _ => FlatUpload::of(self).serialize(serializer),
        }
    }
}

impl Serialize for RoomPush {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FlatEvent::of(None, self).serialize(serializer)
    }
}

impl Serialize for EventBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FlatEvent::body(self).serialize(serializer)
    }
}

impl Serialize for EphemeralPush {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FlatEphemeral::of(None, self).serialize(serializer)
    }
}

/// An event in all its contexts: pushed with `type` and `room`, in a page without.
#[derive(Default, serde::Serialize)]
struct FlatEvent<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    push: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    seq: Seq,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<Cid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<FlatAuthor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rich: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a SharedFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<FlatAgent<'a>>,
}

impl<'a> FlatEvent<'a> {
    fn of(push: Option<&'static str>, event: &'a RoomPush) -> Self {
        Self {
            push,
            room: Some(event.room),
            ..Self::body(&event.event)
        }
    }

    fn body(event: &'a EventBody) -> Self {
        let mut flat = Self {
            seq: event.seq,
            kind: event.kind.kind(),
            ..Self::default()
        };
        match &event.kind {
            EventKind::Message {
                at,
                cid,
                author,
                text,
                rich,
                reply_to,
                file,
                part_of,
                deleted_at,
            } => {
                (flat.at, flat.cid, flat.text) = (Some(*at), Some(*cid), Some(&**text));
                flat.author = Some(FlatAuthor::from(author));
                (flat.rich, flat.reply_to) = (rich.as_ref(), *reply_to);
                (flat.file, flat.part_of) = (file.as_deref(), *part_of);
                flat.deleted_at = *deleted_at;
            }
            EventKind::MessageDeleted { at, target } => {
                (flat.at, flat.target) = (Some(*at), Some(*target));
            }
            EventKind::Handoff(moved) => {
                (flat.at, flat.step) = (Some(moved.at), Some(&*moved.step));
                flat.author = Some(FlatAuthor::from(&moved.author));
                flat.agent = moved.agent.as_ref().map(FlatAgent::from);
            }
            EventKind::Hidden {} => {}
        }
        flat
    }
}

/// Who has a chat.
#[derive(serde::Serialize)]
struct FlatAgent<'a> {
    id: &'a PersonId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl<'a> From<&'a NamedPerson> for FlatAgent<'a> {
    fn from(person: &'a NamedPerson) -> Self {
        Self {
            id: &person.id,
            name: person.name.as_deref(),
        }
    }
}

/// An author and the card as one object.
#[derive(serde::Serialize)]
struct FlatAuthor<'a> {
    id: &'a PersonId,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture_url: Option<&'a str>,
}

impl<'a> From<&'a Author> for FlatAuthor<'a> {
    fn from(author: &'a Author) -> Self {
        Self {
            id: &author.id,
            role: author.role,
            name: author.card.name.as_deref(),
            email: author.card.email.as_deref(),
            user_type: author.card.user_type.as_deref(),
            picture_url: author.card.picture_url.as_deref(),
        }
    }
}

/// What is said of uploads.
#[derive(Default, serde::Serialize)]
struct FlatUpload<'a> {
    #[serde(rename = "type")]
    push: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durable: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ResetReason>,
    #[serde(flatten)]
    state: Option<&'a UploadStatePush>,
}

impl<'a> FlatUpload<'a> {
    fn of(push: &'a Push) -> Self {
        let mut flat = Self {
            push: push.kind(),
            ..Self::default()
        };
        match push {
            Push::UploadCredit {
                stream,
                limit,
                chunk_max,
            } => {
                flat.stream = Some(*stream);
                (flat.limit, flat.chunk_max) = (Some(*limit), Some(*chunk_max));
            }
            Push::UploadAck {
                stream,
                received,
                durable,
            } => {
                flat.stream = Some(*stream);
                (flat.received, flat.durable) = (Some(*received), Some(*durable));
            }
            Push::UploadNack { stream, expected } => {
                (flat.stream, flat.expected) = (Some(*stream), Some(*expected));
            }
            Push::UploadReset {
                stream,
                upload,
                reason,
            } => {
                flat.stream = Some(*stream);
                (flat.upload, flat.reason) = (Some(*upload), Some(*reason));
            }
            Push::UploadState(state) => flat.state = Some(state),
            Push::Event(_)
            | Push::Ephemeral(_)
            | Push::Lag { .. }
            | Push::Drain { .. }
            | Push::Expired {} => {}
        }
        flat
    }
}

/// An ephemeral in all its contexts.
#[derive(Default, serde::Serialize)]
struct FlatEphemeral<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    push: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<&'a [PersonId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a [PersonId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl<'a> FlatEphemeral<'a> {
    fn of(push: Option<&'static str>, ephemeral: &'a EphemeralPush) -> Self {
        let mut flat = Self {
            push,
            room: Some(ephemeral.room),
            kind: ephemeral.kind.kind(),
            ..Self::default()
        };
        match &ephemeral.kind {
            EphemeralKind::Typing { person, active } => {
                (flat.person, flat.active) = (Some(person), Some(*active));
            }
            EphemeralKind::Presence { joined, left } => {
                (flat.joined, flat.left) = (Some(&**joined), Some(&**left));
            }
            EphemeralKind::Read { person, seq } => {
                (flat.person, flat.seq) = (Some(person), Some(*seq));
            }
            EphemeralKind::UploadProgress {
                person,
                upload,
                name,
                received,
                size,
            } => {
                (flat.person, flat.upload) = (Some(person), Some(*upload));
                flat.name = Some(name);
                (flat.received, flat.size) = (Some(*received), *size);
            }
        }
        flat
    }
}
