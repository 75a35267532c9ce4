//! A company: the people it knows, the numbers of its conversations, which pair has which room.
//! Pure rules; the engine around them is in [`crate::entity`].
//!
//! What grows with the company (people, numbers, pairs) is in ordered index rows written with the
//! records, not in the state: waking a company of a million conversations reads a few numbers.
//!
//! Invariants:
//! 1. Conversation numbers are 1, 2, 3, … each given once.
//! 2. A pair has at most one direct room.
//! 3. A room that was opened is made, whatever crashes in between: the company owes it as an
//!    effect.
//! 4. What is done to its settings, its prompts and its visitors' profiles stands in its staff's
//!    audit log, whatever crashes in between.
//! 5. An upload makes one file, and a file is in one room at most.
//! 6. Answers that were taken away are not kept again when their room sends them again.
//!
//! Never: speaks to a client, or holds what a room said.

mod acts;
mod chats;
mod files;
mod forgetting;
mod people;
mod prompts;
mod rules;
pub(crate) mod settings;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{ChatId, ConversationNo, FileNo, PersonId, RoomId};
use serde::{Deserialize, Serialize};

pub(crate) use chats::KeptProfile;
pub use chats::VisitorProfile;
pub(crate) use files::claim;

/// A company's state; serialised it is the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompanyState {
    pub(crate) last_conversation: ConversationNo,
    /// The last number that was given to a visitor's profile.
    pub(crate) last_profile: u64,
    /// Things that the audit log was told of.
    #[serde(default)]
    pub(crate) act_count: u64,
    /// The last number that was given to a file.
    #[serde(default)]
    pub(crate) last_file: FileNo,
    /// Bytes of all files that are kept.
    #[serde(default)]
    pub(crate) file_bytes: u64,
    /// What this batch changed and the index rows do not show yet.
    #[serde(skip)]
    pub(crate) pairs: BTreeMap<(PersonId, PersonId), (RoomId, ConversationNo)>,
    #[serde(skip)]
    pub(crate) chats: BTreeMap<ChatId, (RoomId, ConversationNo)>,
    #[serde(skip)]
    pub(crate) profiles: BTreeMap<RoomId, KeptProfile>,
    #[serde(skip)]
    pub(crate) people: BTreeMap<PersonId, tables::PersonRow>,
    #[serde(skip)]
    pub(crate) files: BTreeMap<FileNo, Option<Arc<StoredFile>>>,
    #[serde(skip)]
    pub(crate) settings: Option<Arc<CompanySettings>>,
}
