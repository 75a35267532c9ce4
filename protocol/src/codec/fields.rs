//! What fields of clients' frames may hold, and what is read as it.
//!
//! Never: decides which of them a command needs.

use std::collections::BTreeMap;

use serde::de::{MapAccess, SeqAccess};

use super::read::{Field, FromWire, KeyVisitor, Read, skip};
use crate::ids::{Cid, FileNo, HistoryId, Seq, UploadId};
use crate::limits;
use crate::native::{FrameRef, RoomName, Since};

pub(super) struct Token(pub(super) String);

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

/// Bytes of a file.
impl FromWire for u64 {
    const EXPECTED: &'static str = "a number from 0 up";

    fn from_number(number: u64) -> Option<Self> {
        Some(number)
    }
}

impl FromWire for UploadId {
    const EXPECTED: &'static str = "an upload's id";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A SHA-256.
impl FromWire for [u8; 32] {
    const EXPECTED: &'static str = "64 hexadecimal digits";

    fn from_text(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != digest.len() || !rest.is_empty() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let digits = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(digest)
    }
}
