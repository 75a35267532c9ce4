//! What is shown now and stored never: typing, presence, read marks on their way to screens.
//! Ephemerals carry no seq; the newest of a kind replaces the one before it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::command::Card;
use crate::ids::{PersonId, Seq, UploadId};

/// Someone who came or went, with what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passer {
    /// Who.
    pub person: PersonId,
    /// What is known of them.
    pub card: Card,
}

/// One thing to show now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ephemeral {
    /// Someone writes, or stopped.
    Typing {
        /// Who.
        person: PersonId,
        /// What is known of them.
        card: Card,
        /// Whether they write now.
        active: bool,
    },
    /// People came and went since the last one.
    Presence {
        /// Who came.
        joined: Vec<Passer>,
        /// Who went.
        left: Vec<Passer>,
    },
    /// A durable read mark moved.
    Read {
        /// Whose.
        person: PersonId,
        /// What is known of them, where the edge knows it.
        card: Card,
        /// Where the mark stood before, as far as that is known.
        after: Seq,
        /// Everything up to here is read.
        seq: Seq,
    },
    /// A file for the room is on its way.
    UploadProgress {
        /// Whose.
        person: PersonId,
        /// Which upload.
        upload: UploadId,
        /// What the file is called.
        name: Arc<str>,
        /// Bytes that came.
        received: u64,
        /// Its length, once it is known, bytes.
        size: Option<u64>,
    },
}

impl Ephemeral {
    /// Whom it is about and never sent to: one's own typing and marks are no news.
    pub fn about(&self) -> Option<&PersonId> {
        match self {
            Ephemeral::Typing { person, .. }
            | Ephemeral::Read { person, .. }
            | Ephemeral::UploadProgress { person, .. } => Some(person),
            Ephemeral::Presence { .. } => None,
        }
    }

    /// Presence without this person, if it speaks of them: for clients that are told of others
    /// only.
    pub fn without(&self, viewer: &PersonId) -> Option<Ephemeral> {
        let Ephemeral::Presence { joined, left } = self else {
            return None;
        };
        let is_viewer = |passer: &Passer| passer.person == *viewer;
        if !joined.iter().chain(left).any(is_viewer) {
            return None;
        }
        let others = |passers: &[Passer]| -> Vec<Passer> {
            let others = passers.iter().filter(|passer| !is_viewer(passer));
            others.cloned().collect()
        };
        Some(Ephemeral::Presence {
            joined: others(joined),
            left: others(left),
        })
    }
}
