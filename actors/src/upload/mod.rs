//! An upload: one file on its way into a company's store. Pure rules; the engine around them is in
//! [`crate::entity`].
//!
//! `reserved` and then `sealed` once every byte is kept, `passed` once it was inspected,
//! `published` once its object stands in the store, `finished` once the company has given it a
//! number; or it ends without a file: failed, cancelled or expired. The bytes themselves are in the
//! spool, and how many of them are kept is the spool's to say: nothing is journaled for each piece.
//!
//! Invariants:
//! 1. A state is reached only from the one before it, and an upload that ended stays so.
//! 2. What was sealed is what is published: length and digests never change.
//! 3. Whose it is, which room it is for and what is said with it are set once, by its owner.
//! 4. A published upload is not cancelled: it makes a file.
//!
//! Never: looks at bytes, a clock or a disk.

mod reads;
mod stage;
#[cfg(test)]
mod tests;
mod traces;
mod works;

use std::sync::Arc;

use frontdesk_protocol::command::{CompanyCommand, Principal};
use frontdesk_protocol::event::Author;
use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::limits::{FILE_NAME_CHARS_MAX, FILE_TYPE_BYTES_MAX, TEXT_CHARS_MAX};
use frontdesk_protocol::upload::{
    FileFacts, FileKind, UploadCommand, UploadEnd, UploadEvent, UploadFailure, UploadTerms,
    UploadWish,
};
use frontdesk_protocol::{ErrorCode, FileNo, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Erases, Row};
use serde::{Deserialize, Serialize};

use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, Rules};
use crate::room::author_of;

pub use reads::UploadView;
pub use stage::UploadStage;
pub use works::{UploadWorks, WorkError, Working};
pub(crate) use works::{Work, Works};

/// An upload as its journal tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadState {
    stage: UploadStage,
    begun: Option<Begun>,
    facts: Option<FileFacts>,
    kind: Option<FileKind>,
    /// When it came to no file.
    #[serde(default)]
    ended_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    at: Timestamp,
    owner: Author,
    wish: UploadWish,
    terms: UploadTerms,
}

impl Rules for UploadState {
    type Event = UploadEvent;

    const STATE_VERSION: u32 = 1;

    fn new(_entity: &EntityId) -> Self {
        Self::default()
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        _known: &Known,
        now: Timestamp,
    ) -> Result<Decided<UploadEvent>, Rejection> {
        let command = match asked.command {
            Command::Upload(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            _ => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        let event = match command {
            UploadCommand::Reserve { wish, terms } => {
                self.reserve(person(asked)?, wish, terms, now)?
            }
            UploadCommand::DeclareSize { size } => {
                self.owned(asked)?;
                self.declare(*size)?
            }
            UploadCommand::Seal { facts } => {
                of_node(asked)?;
                self.seal(facts, now)?
            }
            UploadCommand::Pass { kind } => {
                of_node(asked)?;
                let passed = UploadEvent::Passed { kind: kind.clone() };
                self.step(UploadStage::Sealed, passed)?
            }
            UploadCommand::Publish => {
                of_node(asked)?;
                self.step(UploadStage::Passed, UploadEvent::Published { at: now })?
            }
            UploadCommand::Finish { file_no, seq } => {
                of_company(asked)?;
                let (file_no, seq) = (*file_no, *seq);
                match self.stage {
                    // Said again after a crash: its file was there, was dropped and is forgotten.
                    UploadStage::Unknown | UploadStage::Forgotten => None,
                    _ => {
                        let finished = UploadEvent::Finished { file_no, seq };
                        self.step(UploadStage::Published, finished)?
                    }
                }
            }
            UploadCommand::Forget => {
                of_company(asked)?;
                self.forget(now)?
            }
            UploadCommand::Inspect | UploadCommand::Store | UploadCommand::Settle => {
                return Err(Rejection::new(ErrorCode::Internal));
            }
            UploadCommand::End { end } => self.end(asked, *end, now)?,
        };
        Ok(Decided {
            events: event.into_iter().collect(),
            answer: Answer::Done,
            remember: None,
        })
    }

    fn erases(event: &UploadEvent) -> Option<Erases> {
        matches!(event, UploadEvent::Forgotten { .. }).then_some(Erases::RecordsAndCids)
    }

    fn rows(&self, entity: &EntityId, event: &UploadEvent) -> Vec<Row> {
        traces::rows(entity, event)
    }

    fn effects(&self, entity: &EntityId, event: &UploadEvent) -> Vec<Effect> {
        self.next(entity, event).into_iter().collect()
    }

    fn is_owed(&self, effect: &Effect) -> bool {
        match &effect.command {
            Command::Upload(UploadCommand::Inspect) => self.stage == UploadStage::Sealed,
            Command::Upload(UploadCommand::Store) => self.stage == UploadStage::Passed,
            _ => true,
        }
    }

    fn repeat(&self, _asked: &Asked<'_>, _number: u64, _at: Timestamp) -> Answer {
        Answer::Done
    }

    fn apply(&mut self, event: &UploadEvent) {
        match event {
            UploadEvent::Reserved {
                at,
                owner,
                wish,
                terms,
            } => {
                self.stage = UploadStage::Receiving;
                self.begun = Some(Begun {
                    at: *at,
                    owner: owner.clone(),
                    wish: (**wish).clone(),
                    terms: terms.clone(),
                });
            }
            UploadEvent::SizeDeclared { size } => {
                if let Some(begun) = self.begun.as_mut() {
                    begun.wish.size = Some(*size);
                }
            }
            UploadEvent::Sealed { facts, .. } => {
                self.stage = UploadStage::Sealed;
                self.facts = Some(facts.clone());
            }
            UploadEvent::Passed { kind } => {
                self.stage = UploadStage::Passed;
                self.kind = Some(kind.clone());
            }
            UploadEvent::Published { .. } => self.stage = UploadStage::Published,
            UploadEvent::Finished { file_no, seq } => {
                self.stage = UploadStage::Finished {
                    file_no: *file_no,
                    seq: *seq,
                };
            }
            UploadEvent::Forgotten { .. } => {
                *self = Self {
                    stage: UploadStage::Forgotten,
                    ..Self::default()
                };
            }
            UploadEvent::Ended { at, end, .. } => {
                self.stage = UploadStage::Ended(*end);
                self.ended_at = Some(*at);
            }
        }
    }
}

impl UploadState {
    /// What a step leaves to be done: by the node, or by the company.
    fn next(&self, entity: &EntityId, event: &UploadEvent) -> Option<Effect> {
        let own = |command| {
            let (to, command) = (entity.clone(), Command::Upload(command));
            Some(Effect { to, command })
        };
        match event {
            UploadEvent::Reserved { .. } | UploadEvent::SizeDeclared { .. } => None,
            UploadEvent::Sealed { .. } => own(UploadCommand::Inspect),
            UploadEvent::Passed { .. } => own(UploadCommand::Store),
            UploadEvent::Published { at } => {
                let file = Arc::new(self.file(entity, *at)?);
                Some(Effect {
                    to: EntityId::company(entity.company.clone()),
                    command: Command::Company(CompanyCommand::KeepFile { file }),
                })
            }
            UploadEvent::Finished { .. }
            | UploadEvent::Ended { .. }
            | UploadEvent::Forgotten { .. } => own(UploadCommand::Settle),
        }
    }

    /// The file that a published upload is, without the number that its company gives.
    fn file(&self, entity: &EntityId, at: Timestamp) -> Option<StoredFile> {
        let EntityKind::Upload(upload) = entity.kind else {
            return None;
        };
        let begun = self.begun.as_ref()?;
        let kind = self.kind.as_ref()?;
        Some(StoredFile {
            shared: SharedFile {
                no: FileNo(0),
                upload,
                name: begun.wish.name.clone(),
                mime: kind.mime.clone(),
                size: kind.stored_size,
                pixels: kind.pixels,
                has_thumbnail: kind.has_thumbnail,
            },
            at,
            owner: begun.owner.clone(),
            room: begun.wish.room,
            dropped_at: None,
            caption: begun.wish.caption.clone(),
            blake3: self.facts.as_ref()?.blake3,
            is_packed: kind.is_packed,
        })
    }

    fn reserve(
        &self,
        owner: &Principal,
        wish: &UploadWish,
        terms: &UploadTerms,
        now: Timestamp,
    ) -> Result<Option<UploadEvent>, Rejection> {
        if let Some(begun) = &self.begun {
            // Sent again because the answer was lost.
            let is_same = begun.owner.id == owner.person && begun.wish.is_same_file(wish);
            return match is_same {
                true => Ok(None),
                false => Err(Rejection::new(ErrorCode::CidReused)),
            };
        }
        if self.stage != UploadStage::Unknown {
            return Err(Rejection::new(ErrorCode::CidReused));
        }
        check(wish, terms)?;
        Ok(Some(UploadEvent::Reserved {
            at: now,
            owner: author_of(owner),
            wish: Box::new(wish.clone()),
            terms: terms.clone(),
        }))
    }

    fn declare(&self, size: u64) -> Result<Option<UploadEvent>, Rejection> {
        let begun = self.begun()?;
        match (begun.wish.size, self.stage) {
            (Some(said), _) if said == size => Ok(None),
            (None, UploadStage::Receiving) => {
                fits(size, &begun.terms)?;
                Ok(Some(UploadEvent::SizeDeclared { size }))
            }
            (Some(said), _) => {
                let why = format!("size: was said to be {said} bytes");
                Err(Rejection::because(ErrorCode::BadField, why))
            }
            (None, _) => Err(wrong_stage()),
        }
    }

    /// What came is compared with what was said; what is wrong with it ends the upload.
    fn seal(&self, facts: &FileFacts, now: Timestamp) -> Result<Option<UploadEvent>, Rejection> {
        let begun = self.begun()?;
        if self.facts.is_some() {
            return match self.facts.as_ref() == Some(facts) {
                true => Ok(None),
                false => Err(Rejection::new(ErrorCode::CidReused)),
            };
        }
        if self.stage != UploadStage::Receiving {
            return Err(wrong_stage());
        }
        let wish = &begun.wish;
        let fault = if facts.size == 0 {
            Some(UploadFailure::Empty)
        } else if facts.size > begun.terms.size_max
            || wish.size.is_some_and(|said| said < facts.size)
        {
            Some(UploadFailure::TooLarge)
        } else if wish.size.is_some_and(|said| said > facts.size) {
            Some(UploadFailure::Lost)
        } else if wish.sha256.is_some() && wish.sha256 != facts.sha256 {
            Some(UploadFailure::WrongDigest)
        } else {
            None
        };
        Ok(Some(match fault {
            None => UploadEvent::Sealed {
                at: now,
                facts: facts.clone(),
            },
            Some(fault) => UploadEvent::Ended {
                at: now,
                end: UploadEnd::Failed(fault),
                by: None,
            },
        }))
    }

    /// A step forward; nothing when it was made before.
    fn step(
        &self,
        from: UploadStage,
        event: UploadEvent,
    ) -> Result<Option<UploadEvent>, Rejection> {
        self.begun()?;
        if self.stage == from {
            return Ok(Some(event));
        }
        match self.stage.order() > from.order() && !matches!(self.stage, UploadStage::Ended(_)) {
            true => Ok(None),
            false => Err(wrong_stage()),
        }
    }

    fn end(
        &self,
        asked: &Asked<'_>,
        end: UploadEnd,
        now: Timestamp,
    ) -> Result<Option<UploadEvent>, Rejection> {
        let by = match end {
            UploadEnd::Cancelled => Some(self.owned(asked)?.person.clone()),
            UploadEnd::Failed(_) | UploadEnd::Expired => {
                of_node(asked)?;
                self.begun()?;
                None
            }
        };
        match self.stage {
            UploadStage::Ended(already) if already == end => Ok(None),
            UploadStage::Published | UploadStage::Finished { .. } | UploadStage::Ended(_) => {
                Err(wrong_stage())
            }
            _ => Ok(Some(UploadEvent::Ended { at: now, end, by })),
        }
    }

    /// Nothing is left of it but that it was there. Whoever waits for its end hears of that first.
    fn forget(&self, now: Timestamp) -> Result<Option<UploadEvent>, Rejection> {
        match self.stage {
            UploadStage::Unknown | UploadStage::Forgotten => Ok(None),
            UploadStage::Finished { .. } | UploadStage::Ended(_) => {
                let ended_at = self.ended_at;
                Ok(Some(UploadEvent::Forgotten { at: now, ended_at }))
            }
            _ => Err(Rejection::new(ErrorCode::Busy)),
        }
    }

    /// To everybody but its owner an upload is not there.
    fn owned<'a>(&self, asked: &Asked<'a>) -> Result<&'a Principal, Rejection> {
        let principal = person(asked)?;
        match self.begun()?.owner.id == principal.person {
            true => Ok(principal),
            false => Err(unknown()),
        }
    }

    fn begun(&self) -> Result<&Begun, Rejection> {
        self.begun.as_ref().ok_or_else(unknown)
    }
}

fn check(wish: &UploadWish, terms: &UploadTerms) -> Result<(), Rejection> {
    let refuse = |why: String| Err(Rejection::because(ErrorCode::BadField, why));
    let name_chars = wish.name.chars().count();
    if name_chars == 0 || name_chars > FILE_NAME_CHARS_MAX {
        return refuse(format!(
            "name: {name_chars} characters, 1 to {FILE_NAME_CHARS_MAX} are needed"
        ));
    }
    if wish.mime.len() > 2 * FILE_TYPE_BYTES_MAX + 1 {
        return refuse("mime: too long".to_owned());
    }
    let caption_chars = wish.caption.chars().count();
    if caption_chars > TEXT_CHARS_MAX {
        return refuse(format!(
            "caption: {caption_chars} characters, limit {TEXT_CHARS_MAX}"
        ));
    }
    wish.size.map_or(Ok(()), |size| fits(size, terms))
}

fn fits(size: u64, terms: &UploadTerms) -> Result<(), Rejection> {
    match size > terms.size_max {
        true => {
            let why = format!("{size} bytes, limit {}", terms.size_max);
            Err(Rejection::because(ErrorCode::FileTooLarge, why))
        }
        false => Ok(()),
    }
}

fn person<'a>(asked: &Asked<'a>) -> Result<&'a Principal, Rejection> {
    match asked.caller {
        Caller::Person(principal) => Ok(principal),
        Caller::Entity(_) => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}

/// The node that receives, inspects and publishes speaks in the upload's own name.
fn of_node(asked: &Asked<'_>) -> Result<(), Rejection> {
    match asked.caller {
        Caller::Entity(from) if from == asked.entity => Ok(()),
        _ => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}

/// The company says that it is a file, and for one that was for a room the room does.
fn of_company(asked: &Asked<'_>) -> Result<(), Rejection> {
    match asked.caller {
        Caller::Entity(EntityId {
            company,
            kind: EntityKind::Company | EntityKind::Room(_),
        }) if *company == asked.entity.company => Ok(()),
        _ => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}

fn unknown() -> Rejection {
    Rejection::because(ErrorCode::NotFound, "no such upload")
}

fn wrong_stage() -> Rejection {
    let why = "the upload is not at this step";
    Rejection::because(ErrorCode::WrongStage, why)
}
