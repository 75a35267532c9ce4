//! Frames of clients. Every field that any command has stands in one flat struct, all optional;
//! the `type` says afterwards which of them are needed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::read::{Field, FromWire, KeyVisitor, Read, Skipped};
use super::{Codec, FrameError};
use crate::error::{ErrorCode, Rejection};
use crate::ids::{Cid, FileNo, HistoryId, Seq};
use crate::limits;
use crate::native::{ClientFrame, ClientRequest, FrameRef, PageFrom, RoomName, Since};

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
}

impl WireIn {
    fn request(self) -> Result<ClientRequest, Rejection> {
        let kind = match self.kind.need("type")? {
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
            _ => unreachable!("every kind of ClientRequest::KINDS is matched above: {kind}"),
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
        while let Some(name) = map.next_key_seed(KeyVisitor(Name::of))? {
            match name {
                Name::Type => self.kind = map.next_value_seed(Read::at(2))?,
                Name::Id => self.id = map.next_value_seed(Read::at(2))?,
                Name::Token => self.token = map.next_value_seed(Read::at(2))?,
                Name::Resume => self.resume = map.next_value_seed(Read::at(2))?,
                Name::Room => self.room = map.next_value_seed(Read::at(2))?,
                Name::Since => self.since = map.next_value_seed(Read::at(2))?,
                Name::Cid => self.cid = map.next_value_seed(Read::at(2))?,
                Name::Text => self.text = map.next_value_seed(Read::at(2))?,
                Name::Rich => self.rich = map.next_value_seed(Read::at(2))?,
                Name::ReplyTo => self.reply_to = map.next_value_seed(Read::at(2))?,
                Name::Files => self.files = map.next_value_seed(Read::at(2))?,
                Name::Seq => self.seq = map.next_value_seed(Read::at(2))?,
                Name::Active => self.active = map.next_value_seed(Read::at(2))?,
                Name::BeforeSeq => self.before_seq = map.next_value_seed(Read::at(2))?,
                Name::AfterSeq => self.after_seq = map.next_value_seed(Read::at(2))?,
                Name::Limit => self.limit = map.next_value_seed(Read::at(2))?,
                Name::Unknown => skip(&mut map, 2)?,
            }
        }
        Ok(())
    }
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A, depth: usize) -> Result<(), A::Error> {
    map.next_value_seed(Read::<Skipped>::at(depth)).map(|_| ())
}

enum Name {
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
    Unknown,
}

impl Name {
    fn of(text: &str) -> Self {
        match text {
            "type" => Name::Type,
            "id" => Name::Id,
            "token" => Name::Token,
            "resume" => Name::Resume,
            "room" => Name::Room,
            "since" => Name::Since,
            "cid" => Name::Cid,
            "text" => Name::Text,
            "rich" => Name::Rich,
            "reply_to" => Name::ReplyTo,
            "files" => Name::Files,
            "seq" => Name::Seq,
            "active" => Name::Active,
            "before_seq" => Name::BeforeSeq,
            "after_seq" => Name::AfterSeq,
            "limit" => Name::Limit,
            _ => Name::Unknown,
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

struct Token(String);

impl FromWire for Token {
    const EXPECTED: &'static str = "a text of at most 8192 bytes";

    fn from_text(text: &str) -> Option<Self> {
        (text.len() <= limits::TOKEN_BYTES_MAX).then(|| Token(text.to_owned()))
    }
}

impl FromWire for FrameRef {
    const EXPECTED: &'static str = "a number or a text of at most 64 bytes";

    fn from_text(text: &str) -> Option<Self> {
        (text.len() <= limits::FRAME_REF_BYTES_MAX).then(|| FrameRef::Text(text.to_owned()))
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(FrameRef::Number(number))
    }
}

impl FromWire for RoomName {
    const EXPECTED: &'static str = "a room id or a conversation number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(RoomName::Conversation(crate::ConversationNo(number)))
    }
}

impl FromWire for Cid {
    const EXPECTED: &'static str = "a uuid of version 7";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromWire for HistoryId {
    const EXPECTED: &'static str = "16 hexadecimal digits";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromWire for Seq {
    const EXPECTED: &'static str = "a number from 0 up";

    fn from_number(number: u64) -> Option<Self> {
        Some(Seq(number))
    }
}

impl FromWire for FileNo {
    const EXPECTED: &'static str = "a file's number";

    fn from_number(number: u64) -> Option<Self> {
        Some(FileNo(number))
    }
}

/// More than a message may have are read as one more, so that they are refused and not kept.
impl FromWire for Vec<FileNo> {
    const EXPECTED: &'static str = "a list of files' numbers";

    fn from_seq<'de, A: SeqAccess<'de>>(
        seq: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        let mut files = Some(Vec::new());
        while let Some(found) = seq.next_element_seed(Read::<FileNo>::at(depth))? {
            match (&mut files, found.value()) {
                (Some(files), Some(file)) if files.len() <= limits::MESSAGE_FILE_COUNT_MAX => {
                    files.push(file);
                }
                (Some(_), Some(_)) => {}
                _ => files = None,
            }
        }
        Ok(files)
    }
}

/// A page size.
impl FromWire for u32 {
    const EXPECTED: &'static str = "a number from 1 up";

    fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|limit| *limit > 0)
    }
}

impl FromWire for Since {
    const EXPECTED: &'static str = "an object of history_id and seq";

    fn from_map<'de, A: MapAccess<'de>>(
        map: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        let (mut history_id, mut seq) = (Field::Absent, Field::Absent);
        while let Some(name) = map.next_key_seed(KeyVisitor(str::to_owned))? {
            match name.as_str() {
                "history_id" => history_id = map.next_value_seed(Read::at(depth))?,
                "seq" => seq = map.next_value_seed(Read::at(depth))?,
                _ => skip(map, depth)?,
            }
        }
        let both = history_id.value().zip(seq.value());
        Ok(both.map(|(history_id, seq)| Since { history_id, seq }))
    }
}

impl FromWire for BTreeMap<RoomName, Since> {
    const EXPECTED: &'static str = "an object of room names, each with history_id and seq";

    fn from_map<'de, A: MapAccess<'de>>(
        map: &mut A,
        depth: usize,
    ) -> Result<Option<Self>, A::Error> {
        let mut rooms = Some(BTreeMap::new());
        while let Some(room) = map.next_key_seed(KeyVisitor(RoomName::from_text))? {
            let since = map.next_value_seed(Read::<Since>::at(depth))?;
            match (room.zip(since.value()), &mut rooms) {
                (Some((room, since)), Some(rooms)) => drop(rooms.insert(room, since)),
                _ => rooms = None,
            }
        }
        Ok(rooms)
    }
}
