//! Chats: rooms that a visitor opened through a widget. A bot has the room first, perhaps asking a
//! form; then a person of the company may take it.
//!
//! Invariants: a chat is at one [`Stage`]; while it is queued or assigned it has a [`Handoff`].
//! Never: says who may do what; the room's rules do.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Author;
use crate::ids::{ChatId, PersonId, Seq, Timestamp};

/// Answers to a form by the keys of its steps; a skipped step's is absent.
pub type FormAnswers = BTreeMap<String, Option<String>>;

/// What makes a room a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatOpening {
    /// The widget's name for it, unique in the company.
    pub id: ChatId,
    /// The visitor's language as a tag; empty if nobody said.
    pub language: Arc<str>,
}

/// Who has a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The bot.
    #[default]
    Bot,
    /// Nobody yet: it waits for a person.
    Queued,
    /// A person.
    Assigned,
    /// The bot again, after a person was done with it.
    Resolved,
}

impl Stage {
    /// Whether a person has it or is waited for.
    pub const fn is_open(self) -> bool {
        matches!(self, Stage::Queued | Stage::Assigned)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Bot => "bot",
            Stage::Queued => "queued",
            Stage::Assigned => "assigned",
            Stage::Resolved => "resolved",
        }
    }
}

/// How much a chat that waits for a person hurries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Not at all.
    Low,
    /// As others do.
    #[default]
    Medium,
    /// More than others.
    High,
    /// Before all others.
    Urgent,
}

impl Priority {
    /// Every priority, the least first.
    pub const ALL: [Priority; 4] = [
        Priority::Low,
        Priority::Medium,
        Priority::High,
        Priority::Urgent,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }

    /// Reads a priority.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// A step of a chat between the bot and people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffStep {
    /// A person is wanted.
    Escalated {
        /// Why; shown to the company's people.
        reason: Arc<str>,
        /// How much it hurries.
        priority: Priority,
    },
    /// A person has it now.
    Assigned {
        /// Who.
        agent: PersonId,
        /// What they are called.
        name: Option<Arc<str>>,
        /// Who had it before and leaves.
        left: Vec<PersonId>,
    },
    /// The person is done with it.
    Resolved {
        /// What they wrote down; shown to the company's people only.
        notes: Arc<str>,
        /// Who had it and leaves.
        #[serde(default)]
        left: Vec<PersonId>,
    },
    /// The person serves visitors no more: it waits for another.
    Released {
        /// What who had it is called.
        name: Option<Arc<str>>,
        /// Who had it and leaves.
        left: Vec<PersonId>,
    },
}

impl HandoffStep {
    /// The name on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            HandoffStep::Escalated { .. } => "escalated",
            HandoffStep::Assigned { .. } => "assigned",
            HandoffStep::Resolved { .. } => "resolved",
            HandoffStep::Released { .. } => "released",
        }
    }
}

/// Where a visitor stands in a form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormProgress {
    /// The step whose answer is awaited; none at the end.
    pub asked: Option<String>,
    /// What was answered.
    pub answers: FormAnswers,
}

impl FormProgress {
    /// Whether nothing is left to ask.
    pub fn is_complete(&self) -> bool {
        self.asked.is_none()
    }
}

/// A person of a company and what they are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPerson {
    /// Who.
    pub id: PersonId,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

/// The last time a chat was given to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// The event that began it; with the conversation's number it names it.
    pub seq: Seq,
    /// When it began.
    pub escalated_at: Timestamp,
    /// Who wanted it.
    pub by: PersonId,
    /// Why.
    pub reason: Arc<str>,
    /// How much it hurries.
    pub priority: Priority,
    /// Who has it, or had it last.
    pub agent: Option<NamedPerson>,
    /// When they got it.
    pub assigned_at: Option<Timestamp>,
    /// When it ended.
    pub resolved_at: Option<Timestamp>,
    /// What was written down at the end.
    pub notes: Arc<str>,
}

/// A chat as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The widget's name for it.
    pub id: ChatId,
    /// The visitor's language as a tag; empty if nobody said.
    pub language: Arc<str>,
    /// Who opened it.
    pub visitor: PersonId,
    /// The visitor's form, once it was begun.
    pub form: Option<FormProgress>,
    /// Who has it.
    pub stage: Stage,
    /// The last time people were wanted.
    pub handoff: Option<Handoff>,
}

impl Chat {
    /// A chat that was just opened.
    pub fn new(opening: &ChatOpening, visitor: PersonId) -> Self {
        Self {
            id: opening.id.clone(),
            language: Arc::clone(&opening.language),
            visitor,
            form: None,
            stage: Stage::Bot,
            handoff: None,
        }
    }

    /// An answer of the visitor's form.
    pub fn answer(&self, key: &str) -> Option<&str> {
        let form = self.form.as_ref()?;
        form.answers.get(key)?.as_deref()
    }

    /// Whether an agent sees it: it waits for one, they have it, or they had it and it was not
    /// given back to the bot for more than the end of that.
    pub fn is_shown_to(&self, agent: &PersonId) -> bool {
        let last = self.handoff.as_ref().and_then(|it| it.agent.as_ref());
        let is_theirs = last.is_some_and(|last| last.id == *agent);
        match self.stage {
            Stage::Queued => true,
            Stage::Assigned | Stage::Resolved => is_theirs,
            Stage::Bot => false,
        }
    }

    /// The person who has it now.
    pub fn agent(&self) -> Option<&NamedPerson> {
        let handoff = self.handoff.as_ref()?;
        handoff
            .agent
            .as_ref()
            .filter(|_| self.stage == Stage::Assigned)
    }

    /// What a step makes of it.
    pub fn moved(&mut self, seq: Seq, at: Timestamp, by: &Author, step: &HandoffStep) {
        match step {
            HandoffStep::Escalated { reason, priority } => {
                self.stage = Stage::Queued;
                self.handoff = Some(Handoff {
                    seq,
                    escalated_at: at,
                    by: by.id.clone(),
                    reason: Arc::clone(reason),
                    priority: *priority,
                    agent: None,
                    assigned_at: None,
                    resolved_at: None,
                    notes: "".into(),
                });
            }
            HandoffStep::Assigned { agent, name, .. } => {
                self.stage = Stage::Assigned;
                if let Some(handoff) = &mut self.handoff {
                    let (id, name) = (agent.clone(), name.clone());
                    handoff.agent = Some(NamedPerson { id, name });
                    handoff.assigned_at = Some(at);
                }
            }
            HandoffStep::Resolved { notes, .. } => {
                self.stage = Stage::Resolved;
                if let Some(handoff) = &mut self.handoff {
                    handoff.resolved_at = Some(at);
                    handoff.notes = Arc::clone(notes);
                }
            }
            HandoffStep::Released { .. } => {
                self.stage = Stage::Queued;
                if let Some(handoff) = &mut self.handoff {
                    (handoff.agent, handoff.assigned_at) = (None, None);
                }
            }
        }
    }
}
