//! What is taken back and what is said about a room: deleting messages, title, archive.
//!
//! Invariants: only its author takes a message back, once; what it said stays in the journal and is
//! shown no more.
//! Never: renumbers anything.

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::limits::{ROOM_SEQ_MAX, TITLE_CHARS_MAX};
use frontdesk_protocol::{ErrorCode, Rejection, RoomId, Seq, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::RoomState;
use crate::company::tables;
use crate::entity::recover::decode_record;
use crate::entity::{Answer, Asked, Command, Decided, Known};

/// A title of at most 255 characters.
pub(crate) fn check_title(title: &str) -> Result<(), Rejection> {
    let chars = title.chars().count();
    if chars > TITLE_CHARS_MAX {
        let why = format!("title too long: {chars} characters, limit {TITLE_CHARS_MAX}");
        return Err(Rejection::because(ErrorCode::BadField, why));
    }
    Ok(())
}

/// The room that a command is asked of.
pub(super) fn room_of(entity: &EntityId) -> Option<RoomId> {
    match entity.kind {
        EntityKind::Room(room) => Some(room),
        _ => None,
    }
}

/// The message that a command wants to take back.
pub(super) fn target_of(asked: &Asked<'_>) -> Option<Seq> {
    match asked.command {
        Command::Room(RoomCommand::DeleteMessage { seq }) => Some(*seq),
        _ => None,
    }
}

/// The row that says whether a message was taken back.
pub(super) fn lookups(asked: &Asked<'_>) -> Vec<Vec<u8>> {
    let found = target_of(asked).zip(room_of(asked.entity));
    let key = found.map(|(seq, room)| tables::deleted_key(&room, seq));
    key.into_iter().collect()
}

/// The rows of an event that is no message, and of a message that is shown no more.
pub(super) fn rows(entity: &EntityId, event: &RoomEvent) -> Vec<Row> {
    let Some(room) = room_of(entity) else {
        return Vec::new();
    };
    match event {
        RoomEvent::MessageDeleted {
            seq, at, target, ..
        } => vec![
            tables::set(tables::deleted_key(&room, *target), at),
            tables::set(tables::silent_key(&room, *seq), &()),
        ],
        RoomEvent::HandoffMoved { seq, .. } => {
            vec![tables::set(tables::silent_key(&room, *seq), &())]
        }
        _ => Vec::new(),
    }
}

impl RoomState {
    pub(super) fn delete(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        target: Seq,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let by = self.participant(asked.caller)?.person.clone();
        let not_found = || Rejection::because(ErrorCode::NotFound, "no such message");
        let message = message_at(known, target).ok_or_else(not_found)?;
        if message.author.id != by {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let key = lookups(asked).pop().unwrap_or_default();
        let is_gone = known.rows.get(&key).is_some_and(Option::is_some);
        if is_gone || self.deleted.contains(&target) {
            return Ok(Decided::nothing(Answer::Done));
        }
        if self.head.0 >= ROOM_SEQ_MAX {
            return Err(Rejection::new(ErrorCode::RoomFull));
        }
        let deleted = RoomEvent::MessageDeleted {
            seq: self.head.next(),
            at: now,
            by,
            target,
            file: message.file.map(|file| file.no),
        };
        Ok(Decided {
            events: vec![deleted],
            answer: Answer::Done,
            remember: None,
        })
    }

    pub(super) fn change(
        &self,
        asked: &Asked<'_>,
        title: Option<&str>,
        archived: Option<bool>,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let by = self.participant(asked.caller)?.person.clone();
        check_title(title.unwrap_or_default())?;
        let is_new = |title: &&str| self.title.as_deref().unwrap_or_default() != *title;
        let title = title.filter(is_new);
        let archived = archived.filter(|archived| self.archived != *archived);
        if title.is_none() && archived.is_none() {
            return Ok(Decided::nothing(Answer::Done));
        }
        let changed = RoomEvent::RoomChanged {
            at: now,
            by,
            title: title.map(Into::into),
            archived,
        };
        Ok(Decided {
            events: vec![changed],
            answer: Answer::Done,
            remember: None,
        })
    }
}

fn message_at(known: &Known, seq: Seq) -> Option<Message> {
    let record = known.records.get(&seq)?;
    let body = decode_record::<RoomEvent>(record).ok()?;
    body.events.into_iter().find_map(|event| match event {
        RoomEvent::MessagePosted(message) if message.seq == seq => Some(message),
        _ => None,
    })
}
