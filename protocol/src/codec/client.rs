//! Frames of clients. Every field that any command has stands in one flat struct, all optional;
//! the `type` says afterwards which of them are needed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::fields::Token;
use super::read::{Field, FromWire, KeyVisitor, Read, skip};
use super::{Codec, FrameError};
use crate::error::{ErrorCode, Rejection};
use crate::ids::{Cid, FileNo, Seq, UploadId};
use crate::limits;
use crate::native::{ClientFrame, ClientRequest, FrameRef, PageFrom, RoomName, Since, UploadOpen};

/// Characters of an unknown `type` that are repeated in the error.
const UNKNOWN_TYPE_CHARS_MAX: usize = 64;

pub(super) fn decode(codec: Codec, bytes: &[u8]) -> Result<ClientFrame, FrameError> {
    let mut wire = WireIn::default();
    if let Err(why) = read(codec, bytes, &mut wire) {
        return Err(FrameError::bad_frame(wire.id.value(), codec, &why));
    }
    let id = match std::mem::take(&mut wire.id).take("id") {
        Ok(id) => id,
        Err(rejection) => {
            return Err(FrameError {
                id: None,
                rejection,
            });
        }
    };
    match wire.request() {
        Ok(request) => Ok(ClientFrame { id, request }),
        Err(rejection) => Err(FrameError { id, rejection }),
    }
}

fn read(codec: Codec, bytes: &[u8], wire: &mut WireIn) -> Result<(), Box<dyn fmt::Display>> {
    match codec {
        Codec::Json => {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            wire.deserialize(&mut json)
                .and_then(|()| json.end())
                .map_err(|why| Box::new(why) as Box<dyn fmt::Display>)
        }
        Codec::Msgpack => {
            let mut msgpack = rmp_serde::Deserializer::from_read_ref(bytes);
            // Our own count refuses first, with a better text; this one guards the stack anyway.
            msgpack.set_max_depth(limits::NESTING_DEPTH_MAX + 2);
            wire.deserialize(&mut msgpack)
                .map_err(|why| Box::new(why) as Box<dyn fmt::Display>)?;
            if super::read::has_more(&mut msgpack) {
                return Err(Box::new("trailing bytes"));
            }
            Ok(())
        }
    }
}

#[derive(Default)]
struct WireIn {
    kind: Field<Kind>,
    id: Field<FrameRef>,
    token: Field<Token>,
    resume: Field<BTreeMap<RoomName, Since>>,
    room: Field<RoomName>,
    since: Field<Since>,
    cid: Field<Cid>,
    text: Field<String>,
    rich: Field<Value>,
    reply_to: Field<Seq>,
    files: Field<Vec<FileNo>>,
    seq: Field<Seq>,
    active: Field<bool>,
    before_seq: Field<Seq>,
    after_seq: Field<Seq>,
    limit: Field<u32>,
    name: Field<String>,
    size: Field<u64>,
    mime: Field<String>,
    caption: Field<String>,
    sha256: Field<[u8; 32]>,
    upload: Field<UploadId>,
    ticket: Field<Token>,
}

impl WireIn {
    fn request(mut self) -> Result<ClientRequest, Rejection> {
        let kind = match std::mem::take(&mut self.kind).need("type")? {
            Kind::Known(kind) => kind,
            Kind::Unknown(kind) => {
                let message = format!("unknown type: {kind}");
                return Err(Rejection::because(ErrorCode::UnknownType, message));
            }
        };
        Ok(match kind {
            "connect" => ClientRequest::Connect {
                token: self.token.take("token")?.map(|Token(token)| token),
                resume: self.resume.take("resume")?.unwrap_or_default(),
            },
            "join" => ClientRequest::Join {
                room: self.room.need("room")?,
                since: self.since.take("since")?,
            },
            "leave" => ClientRequest::Leave {
                room: self.room.need("room")?,
            },
            "post_message" => ClientRequest::PostMessage {
                room: self.room.need("room")?,
                cid: self.cid.take("cid")?,
                text: self.text.need("text")?,
                rich: self.rich.take("rich")?,
                reply_to: self.reply_to.take("reply_to")?,
                files: self.files.take("files")?.unwrap_or_default(),
            },
            "mark_read" => ClientRequest::MarkRead {
                room: self.room.need("room")?,
                seq: self.seq.need("seq")?,
            },
            "typing" => ClientRequest::Typing {
                room: self.room.need("room")?,
                active: self.active.need("active")?,
            },
            "history" => ClientRequest::History {
                room: self.room.need("room")?,
                from: page_from(self.before_seq, self.after_seq)?,
                limit: self.limit.take("limit")?,
            },
            "presence" => ClientRequest::Presence {
                room: self.room.need("room")?,
            },
            "refresh" => ClientRequest::Refresh {
                token: self.token.need("token")?.0,
            },
            "upload_open" => ClientRequest::UploadOpen(Box::new(self.upload_open()?)),
            "upload_resume" => ClientRequest::UploadResume {
                upload: self.upload.need("upload")?,
                ticket: self.ticket.take("ticket")?.map(|Token(ticket)| ticket),
            },
            "upload_cancel" => ClientRequest::UploadCancel {
                upload: self.upload.need("upload")?,
            },
            _ => unreachable!("every kind of ClientRequest::KINDS is matched above: {kind}"),
        })
    }
}

impl WireIn {
    fn upload_open(self) -> Result<UploadOpen, Rejection> {
        Ok(UploadOpen {
            room: self.room.take("room")?,
            name: self.name.need("name")?,
            size: self.size.take("size")?,
            mime: self.mime.take("mime")?,
            caption: self.caption.take("caption")?,
            sha256: self.sha256.take("sha256")?,
            cid: self.cid.take("cid")?,
        })
    }
}

fn page_from(before: Field<Seq>, after: Field<Seq>) -> Result<PageFrom, Rejection> {
    match (before.take("before_seq")?, after.take("after_seq")?) {
        (Some(seq), None) => Ok(PageFrom::Before(seq)),
        (None, Some(seq)) => Ok(PageFrom::After(seq)),
        (None, None) => Ok(PageFrom::Latest),
        (Some(_), Some(_)) => Err(Rejection::because(
            ErrorCode::BadField,
            "before_seq and after_seq exclude each other, expected one of them",
        )),
    }
}

impl<T: FromWire> Field<T> {
    /// The value of an optional field.
    fn take(self, name: &str) -> Result<Option<T>, Rejection> {
        match self {
            Field::Absent => Ok(None),
            Field::Value(value) => Ok(Some(value)),
            Field::Wrong => Err(Rejection::because(
                ErrorCode::BadField,
                format!("{name} is invalid, expected {}", T::EXPECTED),
            )),
        }
    }

    /// The value of a field that must be there.
    fn need(self, name: &str) -> Result<T, Rejection> {
        self.take(name)?.ok_or_else(|| {
            let message = format!("{name} is missing, expected {}", T::EXPECTED);
            Rejection::because(ErrorCode::BadField, message)
        })
    }
}

impl<'de> DeserializeSeed<'de> for &mut WireIn {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut WireIn {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Of a field that stands twice the last one counts, as everywhere in JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(KeyVisitor(Key::of))? {
            match name {
                Key::Type => self.kind = map.next_value_seed(Read::at(2))?,
                Key::Id => self.id = map.next_value_seed(Read::at(2))?,
                Key::Token => self.token = map.next_value_seed(Read::at(2))?,
                Key::Resume => self.resume = map.next_value_seed(Read::at(2))?,
                Key::Room => self.room = map.next_value_seed(Read::at(2))?,
                Key::Since => self.since = map.next_value_seed(Read::at(2))?,
                Key::Cid => self.cid = map.next_value_seed(Read::at(2))?,
                Key::Text => self.text = map.next_value_seed(Read::at(2))?,
                Key::Rich => self.rich = map.next_value_seed(Read::at(2))?,
                Key::ReplyTo => self.reply_to = map.next_value_seed(Read::at(2))?,
                Key::Files => self.files = map.next_value_seed(Read::at(2))?,
                Key::Seq => self.seq = map.next_value_seed(Read::at(2))?,
                Key::Active => self.active = map.next_value_seed(Read::at(2))?,
                Key::BeforeSeq => self.before_seq = map.next_value_seed(Read::at(2))?,
                Key::AfterSeq => self.after_seq = map.next_value_seed(Read::at(2))?,
                Key::Limit => self.limit = map.next_value_seed(Read::at(2))?,
                Key::Name => self.name = map.next_value_seed(Read::at(2))?,
                Key::Size => self.size = map.next_value_seed(Read::at(2))?,
                Key::Mime => self.mime = map.next_value_seed(Read::at(2))?,
                Key::Caption => self.caption = map.next_value_seed(Read::at(2))?,
                Key::Sha256 => self.sha256 = map.next_value_seed(Read::at(2))?,
                Key::Upload => self.upload = map.next_value_seed(Read::at(2))?,
                Key::Ticket => self.ticket = map.next_value_seed(Read::at(2))?,
                Key::Unknown => skip(&mut map, 2)?,
            }
        }
        Ok(())
    }
}

enum Key {
    Type,
    Id,
    Token,
    Resume,
    Room,
    Since,
    Cid,
    Text,
    Rich,
    ReplyTo,
    Files,
    Seq,
    Active,
    BeforeSeq,
    AfterSeq,
    Limit,
    Name,
    Size,
    Mime,
    Caption,
    Sha256,
    Upload,
    Ticket,
    Unknown,
}

impl Key {
    fn of(text: &str) -> Self {
        match text {
            "type" => Key::Type,
            "id" => Key::Id,
            "token" => Key::Token,
            "resume" => Key::Resume,
            "room" => Key::Room,
            "since" => Key::Since,
            "cid" => Key::Cid,
            "text" => Key::Text,
            "rich" => Key::Rich,
            "reply_to" => Key::ReplyTo,
            "files" => Key::Files,
            "seq" => Key::Seq,
            "active" => Key::Active,
            "before_seq" => Key::BeforeSeq,
            "after_seq" => Key::AfterSeq,
            "limit" => Key::Limit,
            "name" => Key::Name,
            "size" => Key::Size,
            "mime" => Key::Mime,
            "caption" => Key::Caption,
            "sha256" => Key::Sha256,
            "upload" => Key::Upload,
            "ticket" => Key::Ticket,
            _ => Key::Unknown,
        }
    }
}

enum Kind {
    Known(&'static str),
    Unknown(String),
}

impl FromWire for Kind {
    const EXPECTED: &'static str = "a text";

    fn from_text(text: &str) -> Option<Self> {
        let known = ClientRequest::KINDS.iter().find(|kind| **kind == text);
        Some(match known {
            Some(kind) => Kind::Known(kind),
            None => Kind::Unknown(text.chars().take(UNKNOWN_TYPE_CHARS_MAX).collect()),
        })
    }
}
