//! The company's files: their numbers, whose they are, which room each is in.
//!
//! A room decides on a message with a file by the file's row and tells of it afterwards, so a file
//! that waits is not dropped at one stroke: it is marked, from where on no room shows it any more,
//! and cleared later. A message that was decided before the mark stands by then, and with it the
//! row that claims the file; then the mark is taken away again. A row in the order of time stands
//! for each file that waits, from the record that keeps it until the one that places or marks it.
//!
//! Invariants: an upload makes one file and a file has one number, counted from 1; a file is in one
//! room at most; what is stored of a file goes only after its row; nothing goes that a message
//! shows.
//! Never: takes a file from anybody but the upload that made it.

use std::sync::Arc;

use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::upload::UploadCommand;
use frontdesk_protocol::{ErrorCode, FileNo, Rejection, RoomId, Timestamp, UploadId};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::{CompanyState, tables};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known};

/// Rows that are read before a command about files is decided.
pub(super) fn lookups(command: &CompanyCommand) -> Vec<Vec<u8>> {
    match command {
        CompanyCommand::KeepFile { file } => vec![tables::file_upload_key(&file.shared.upload)],
        CompanyCommand::PlaceFile { no }
        | CompanyCommand::DropFile { no, .. }
        | CompanyCommand::ClearFile { no, .. } => {
            vec![tables::file_key(*no), tables::claimed_file_key(*no)]
        }
        _ => Vec::new(),
    }
}

/// Rows of events about files.
pub(super) fn rows(event: &CompanyEvent) -> Vec<Row> {
    match event {
        CompanyEvent::FileKept { file } => {
            let SharedFile { no, upload, .. } = &file.shared;
            let kept = [
                tables::set(tables::file_key(*no), file),
                tables::set(tables::file_upload_key(upload), no),
            ];
            let waits = || tables::set(waiting_key(file), no);
            let waits = file.room.is_none().then(waits);
            kept.into_iter().chain(waits).collect()
        }
        CompanyEvent::FilePlaced { file, dropped_at } => {
            let placed = tables::set(tables::file_key(file.shared.no), file);
            let mark = unmarked(*dropped_at, &file.shared.upload);
            [placed, gone(waiting_key(file))]
                .into_iter()
                .chain(mark)
                .collect()
        }
        CompanyEvent::FileUnwanted { file } => {
            let SharedFile { no, upload, .. } = &file.shared;
            let mark = |at| tables::set(tables::unwanted_file_key(at, upload), no);
            let dropped = tables::set(tables::file_key(*no), file);
            [dropped, gone(waiting_key(file))]
                .into_iter()
                .chain(file.dropped_at.map(mark))
                .collect()
        }
        // It waits no more by now. The upload's row stays: what comes again of it makes no second
        // file.
        CompanyEvent::FileDropped {
            no,
            upload,
            dropped_at,
            ..
        } => {
            let keys = [tables::file_key(*no), tables::claimed_file_key(*no)];
            let mark = unmarked(*dropped_at, upload);
            keys.map(gone).into_iter().chain(mark).collect()
        }
        _ => Vec::new(),
    }
}

fn gone(key: Vec<u8>) -> Row {
    Row { key, value: None }
}

fn waiting_key(file: &StoredFile) -> Vec<u8> {
    tables::waiting_file_key(file.at, &file.shared.upload)
}

/// Takes away that a file was dropped.
fn unmarked(dropped_at: Option<Timestamp>, upload: &UploadId) -> Option<Row> {
    dropped_at.map(|at| gone(tables::unwanted_file_key(at, upload)))
}

/// What others are owed for an event about files.
pub(super) fn effects(entity: &EntityId, event: &CompanyEvent) -> Vec<Effect> {
    let own = |command| Effect {
        to: entity.clone(),
        command: Command::Company(command),
    };
    match event {
        CompanyEvent::FileKept { file } => vec![match file.room {
            Some(room) => Effect {
                to: EntityId::room(entity.company.clone(), room),
                command: Command::Room(RoomCommand::PostFile {
                    file: Arc::clone(file),
                }),
            },
            None => Effect {
                to: EntityId::upload(entity.company.clone(), file.shared.upload),
                command: Command::Upload(UploadCommand::Finish {
                    file_no: file.shared.no,
                    seq: None,
                }),
            },
        }],
        CompanyEvent::FileDropped { upload, .. } => {
            let upload = *upload;
            let forget = Effect {
                to: EntityId::upload(entity.company.clone(), upload),
                command: Command::Upload(UploadCommand::Forget),
            };
            vec![own(CompanyCommand::EraseFile { upload }), forget]
        }
        CompanyEvent::ChatForgotten { room, .. } => {
            vec![own(CompanyCommand::ForgetFiles { room: *room })]
        }
        _ => Vec::new(),
    }
}

impl CompanyState {
    pub(super) fn keep_file(
        &self,
        asked: &Asked<'_>,
        file: &StoredFile,
        known: &Known,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let upload = file.shared.upload;
        if !is_asked_by(asked, &EntityKind::Upload(upload)) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let row = known.rows.get(&tables::file_upload_key(&upload));
        let is_there = row.is_some_and(Option::is_some) || self.has_file_of(&upload);
        if is_there {
            return Ok(Decided::nothing(Answer::Done));
        }
        let file = StoredFile {
            shared: SharedFile {
                no: self.last_file.next(),
                ..file.shared.clone()
            },
            dropped_at: None,
            ..file.clone()
        };
        let file = Arc::new(file);
        Ok(happened(CompanyEvent::FileKept { file }))
    }

    pub(super) fn place_file(
        &self,
        asked: &Asked<'_>,
        no: FileNo,
        known: &Known,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let room = room_of(asked).ok_or_else(|| Rejection::new(ErrorCode::Forbidden))?;
        let file = self.file(no, known).filter(|file| file.room.is_none());
        let Some(file) = file else {
            return Ok(Decided::nothing(Answer::Done));
        };
        Ok(happened(placed(&file, room)))
    }

    pub(super) fn drop_file(
        &self,
        asked: &Asked<'_>,
        (no, of): (FileNo, Option<RoomId>),
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let by = room_of(asked);
        if by.is_none() && !is_asked_by(asked, &EntityKind::Company) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        // The company itself drops what waits, and what was in a room that is forgotten.
        let may_drop =
            |file: &Arc<StoredFile>| place(file, known) == of && (by.is_none() || by == of);
        let Some(file) = self.file(no, known).filter(may_drop) else {
            return Ok(Decided::nothing(Answer::Done));
        };
        match (of, file.dropped_at) {
            (Some(room), _) if file.room.is_none() => {
                // Its message is known by the claim alone: it waits until it is placed.
                let there = in_room(&file, room);
                let events = vec![placed(&file, room), dropped(&there, now)];
                Ok(Decided {
                    events,
                    answer: Answer::Done,
                    remember: None,
                })
            }
            (Some(_), _) => Ok(happened(dropped(&file, now))),
            (None, Some(_)) => Ok(Decided::nothing(Answer::Done)),
            (None, None) => {
                let file = Arc::new(StoredFile {
                    dropped_at: Some(now),
                    ..(*file).clone()
                });
                Ok(happened(CompanyEvent::FileUnwanted { file }))
            }
        }
    }

    pub(super) fn clear_file(
        &self,
        asked: &Asked<'_>,
        (no, dropped_until): (FileNo, Timestamp),
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        if !is_asked_by(asked, &EntityKind::Company) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let is_due = |file: &Arc<StoredFile>| {
            let was_dropped = file.dropped_at.is_some_and(|at| at <= dropped_until);
            file.room.is_none() && was_dropped
        };
        let Some(file) = self.file(no, known).filter(is_due) else {
            return Ok(Decided::nothing(Answer::Done));
        };
        Ok(happened(match place(&file, known) {
            Some(room) => placed(&file, room),
            None => dropped(&file, now),
        }))
    }

    /// What this batch and the rows before it know of a file.
    fn file(&self, no: FileNo, known: &Known) -> Option<Arc<StoredFile>> {
        if let Some(changed) = self.files.get(&no) {
            return changed.clone();
        }
        let value = known.rows.get(&tables::file_key(no))?.as_ref()?;
        tables::read(value).map(Arc::new)
    }

    fn has_file_of(&self, upload: &UploadId) -> bool {
        let mut kept = self.files.values().flatten();
        kept.any(|file| file.shared.upload == *upload)
    }

    pub(super) fn file_stands(&mut self, event: &CompanyEvent) {
        match event {
            CompanyEvent::FileKept { file } => {
                debug_assert_eq!(
                    file.shared.no,
                    self.last_file.next(),
                    "one number after another"
                );
                self.last_file = file.shared.no;
                self.file_bytes = self.file_bytes.saturating_add(file.shared.size);
                self.files.insert(file.shared.no, Some(Arc::clone(file)));
            }
            CompanyEvent::FilePlaced { file, dropped_at } => {
                if dropped_at.is_some() {
                    self.file_bytes = self.file_bytes.saturating_add(file.shared.size);
                }
                self.files.insert(file.shared.no, Some(Arc::clone(file)));
            }
            CompanyEvent::FileUnwanted { file } => {
                self.file_bytes = self.file_bytes.saturating_sub(file.shared.size);
                self.files.insert(file.shared.no, Some(Arc::clone(file)));
            }
            CompanyEvent::FileDropped {
                no,
                size,
                dropped_at,
                ..
            } => {
                if dropped_at.is_none() {
                    self.file_bytes = self.file_bytes.saturating_sub(*size);
                }
                self.files.insert(*no, None);
            }
            _ => {}
        }
    }
}

/// The room that a file is in, or whose message shows it although nobody told yet.
fn place(file: &StoredFile, known: &Known) -> Option<RoomId> {
    file.room.or_else(|| claim(file.shared.no, known))
}

/// The room whose message shows a file.
pub(crate) fn claim(no: FileNo, known: &Known) -> Option<RoomId> {
    let value = known.rows.get(&tables::claimed_file_key(no))?.as_ref()?;
    tables::read(value)
}

fn placed(file: &StoredFile, room: RoomId) -> CompanyEvent {
    CompanyEvent::FilePlaced {
        file: Arc::new(in_room(file, room)),
        dropped_at: file.dropped_at,
    }
}

fn in_room(file: &StoredFile, room: RoomId) -> StoredFile {
    StoredFile {
        room: Some(room),
        dropped_at: None,
        ..file.clone()
    }
}

fn dropped(file: &StoredFile, now: Timestamp) -> CompanyEvent {
    CompanyEvent::FileDropped {
        at: now,
        no: file.shared.no,
        upload: file.shared.upload,
        size: file.shared.size,
        dropped_at: file.dropped_at,
    }
}

fn happened(event: CompanyEvent) -> Decided<CompanyEvent> {
    Decided {
        events: vec![event],
        answer: Answer::Done,
        remember: None,
    }
}

fn is_asked_by(asked: &Asked<'_>, kind: &EntityKind) -> bool {
    matches!(
        asked.caller,
        Caller::Entity(from) if from.company == asked.entity.company && from.kind == *kind
    )
}

/// The company's own room that asks.
pub(super) fn room_of(asked: &Asked<'_>) -> Option<RoomId> {
    match asked.caller {
        Caller::Entity(EntityId {
            company,
            kind: EntityKind::Room(room),
        }) if *company == asked.entity.company => Some(*room),
        _ => None,
    }
}
