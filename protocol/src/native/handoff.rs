//! What clients see of a chat that goes from the bot to people, or back.
//!
//! Never: shows what a company's people wrote down for themselves.

use std::sync::Arc;

use serde::Deserialize;

use crate::chat::NamedPerson;
use crate::event::Author;
use crate::ids::Timestamp;

/// A step of a chat.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HandoffMove {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub author: Author,
    /// `escalated`, `assigned`, `resolved` or `released`.
    pub step: Arc<str>,
    /// Who has the chat now, when it was assigned.
    #[serde(default)]
    pub agent: Option<NamedPerson>,
}
