//! What is shown now and stored never: typing, presence, read marks on their way to screens.
//! Ephemerals carry no seq; the newest of a kind replaces the one before it.

use serde::{Deserialize, Serialize};

use crate::command::Card;
use crate::ids::{PersonId, Seq};

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
        joined: Vec<PersonId>,
        /// Who went.
        left: Vec<PersonId>,
    },
    /// A durable read mark moved.
    Read {
        /// Whose.
        person: PersonId,
        /// Everything up to here is read.
        seq: Seq,
    },
}

impl Ephemeral {
    /// Whom it is about and never sent to: one's own typing and marks are no news.
    pub fn about(&self) -> Option<&PersonId> {
        match self {
            Ephemeral::Typing { person, .. } | Ephemeral::Read { person, .. } => Some(person),
            Ephemeral::Presence { .. } => None,
        }
    }
}
