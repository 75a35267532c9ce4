//! Files in a room: a message for each, whether it was uploaded for the room or is sent from what
//! waits to be sent.
//!
//! Invariants: a file is shown in a room once, whatever is repeated; somebody sends their own files
//! only; what cannot be shown ends the wait of its upload all the same.
//! Never: makes a file, or says where one is stored.

use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::limits::{MESSAGE_FILE_COUNT_MAX, ROOM_SEQ_MAX};
use frontdesk_protocol::upload::UploadCommand;
use frontdesk_protocol::{Cid, ErrorCode, FileNo, PersonId, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::RoomState;
use super::changes::room_of;
use crate::company::{claim, tables};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known};

/// Rows that are read before a command with files is decided.
pub(super) fn lookups(asked: &Asked<'_>) -> Vec<Vec<u8>> {
    let Some(room) = room_of(asked.entity) else {
        return Vec::new();
    };
    match asked.command {
        Command::Room(RoomCommand::PostMessage { files, .. }) => {
            let named = files.iter().take(MESSAGE_FILE_COUNT_MAX);
            let of_each = |no| {
                [
                    tables::file_key(no),
                    tables::shown_file_key(&room, no),
                    tables::claimed_file_key(no),
                ]
            };
            named.copied().flat_map(of_each).collect()
        }
        Command::Room(RoomCommand::PostFile { file }) => {
            vec![tables::shown_file_key(&room, file.shared.no)]
        }
        _ => Vec::new(),
    }
}

/// The rows of a message that shows a file: for the room, and for the company, which hears of it
/// later.
pub(super) fn rows(entity: &EntityId, event: &RoomEvent) -> Vec<Row> {
    let RoomEvent::MessagePosted(Message {
        seq,
        file: Some(file),
        ..
    }) = event
    else {
        return Vec::new();
    };
    let Some(room) = room_of(entity) else {
        return Vec::new();
    };
    vec![
        tables::set(tables::shown_file_key(&room, file.no), seq),
        tables::set(tables::claimed_file_key(file.no), &room),
    ]
}

/// What others are owed for an event about a file.
pub(super) fn effects(entity: &EntityId, event: &RoomEvent) -> Vec<Effect> {
    let of_company = |command| Effect {
        to: EntityId::company(entity.company.clone()),
        command: Command::Company(command),
    };
    let finished = |upload, file_no, seq| Effect {
        to: EntityId::upload(entity.company.clone(), upload),
        command: Command::Upload(UploadCommand::Finish { file_no, seq }),
    };
    match event {
        RoomEvent::MessagePosted(Message {
            seq,
            file: Some(file),
            ..
        }) => {
            let no = file.no;
            let place = of_company(CompanyCommand::PlaceFile { no });
            vec![place, finished(file.upload, no, Some(*seq))]
        }
        RoomEvent::FileTurnedAway { upload, no, .. } => vec![
            of_company(CompanyCommand::DropFile {
                no: *no,
                of: room_of(entity),
            }),
            finished(*upload, *no, None),
        ],
        RoomEvent::MessageDeleted { file: Some(no), .. } => {
            vec![of_company(CompanyCommand::DropFile {
                no: *no,
                of: room_of(entity),
            })]
        }
        _ => Vec::new(),
    }
}

impl RoomState {
    /// The files that somebody wants to send, all of which they may.
    pub(super) fn own_files(
        &self,
        asked: &Asked<'_>,
        wanted: &[FileNo],
        sender: &PersonId,
        known: &Known,
    ) -> Result<Vec<SharedFile>, Rejection> {
        if wanted.len() > MESSAGE_FILE_COUNT_MAX {
            let why = format!("files: more than {MESSAGE_FILE_COUNT_MAX}");
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        let room = room_of(asked.entity);
        let mut files: Vec<SharedFile> = Vec::with_capacity(wanted.len());
        for no in wanted {
            let row = known.rows.get(&tables::file_key(*no));
            let found: Option<StoredFile> = row.and_then(Option::as_ref).and_then(tables::read);
            // Whose it is not finds no file.
            let file = found
                .filter(|file| file.owner.id == *sender && file.dropped_at.is_none())
                .ok_or_else(|| Rejection::because(ErrorCode::NotFound, format!("no file {no}")))?;
            let place = file.room.or_else(|| claim(*no, known));
            let is_sent = place.is_some() && place != room
                || self.shows(asked, *no, known)
                || files.iter().any(|other| other.no == *no);
            if is_sent {
                let why = format!("file {no} was sent before");
                return Err(Rejection::because(ErrorCode::BadField, why));
            }
            files.push(file.shared);
        }
        Ok(files)
    }

    fn shows(&self, asked: &Asked<'_>, no: FileNo, known: &Known) -> bool {
        let key = room_of(asked.entity).map(|room| tables::shown_file_key(&room, no));
        let row = key.and_then(|key| known.rows.get(&key));
        self.shown.contains(&no) || row.is_some_and(Option::is_some)
    }

    /// Everything that is sent as one: the first message, and one for each further file.
    pub(super) fn with_files(&self, first: Message, files: Vec<SharedFile>) -> Vec<Message> {
        let mut files = files.into_iter();
        let mut messages = vec![Message {
            file: files.next().map(Box::new),
            ..first
        }];
        for (index, file) in (1_u8..).zip(files) {
            let (of, last) = (&messages[0], &messages[messages.len() - 1]);
            let mut cid = *of.cid.bits();
            cid[14] ^= index; // of the same command, and not the same message
            messages.push(Message {
                seq: last.seq.next(),
                cid: Cid::from_digest(cid),
                text: "".into(),
                rich: None,
                file: Some(Box::new(file)),
                part_of: Some(of.seq),
                ..of.clone()
            });
        }
        messages
    }

    /// The message of a file that was uploaded for this room.
    pub(super) fn post_file(
        &self,
        asked: &Asked<'_>,
        file: &StoredFile,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let is_own_company = matches!(
            asked.caller,
            Caller::Entity(from)
                if from.kind == EntityKind::Company && from.company == asked.entity.company
        );
        if !is_own_company {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let (no, upload) = (file.shared.no, file.shared.upload);
        if self.shows(asked, no, known) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let is_of_room = self.seats.contains_key(&file.owner.id) && self.head.0 < ROOM_SEQ_MAX;
        if !is_of_room {
            return Ok(happened(vec![RoomEvent::FileTurnedAway {
                at: now,
                upload,
                no,
            }]));
        }
        let message = Message {
            seq: self.head.next(),
            at: now,
            cid: Cid::from_digest(*upload.bits()),
            author: file.owner.clone(),
            text: file.caption.clone(),
            rich: None,
            reply_to: None,
            file: Some(Box::new(file.shared.clone())),
            part_of: None,
            deleted_at: None,
        };
        // Without room for what would follow, the file alone is said.
        let follow_up = self.follow_up(&message, message.seq, known);
        let mut events = vec![RoomEvent::MessagePosted(message)];
        events.extend(follow_up.unwrap_or_default());
        Ok(happened(events))
    }
}

fn happened(events: Vec<RoomEvent>) -> Decided<RoomEvent> {
    Decided {
        events,
        answer: Answer::Done,
        remember: None,
    }
}
