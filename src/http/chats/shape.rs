//! A visitor's chat in the native words.
//!
//! Never: shows a visitor what the company's people wrote down for themselves.

use std::collections::BTreeMap;

use frontdesk_actors::ChatFacts;
use frontdesk_protocol::chat::{Chat, Handoff};
use frontdesk_protocol::{ConversationNo, MessageNo, PersonId, RoomId};
use serde::Serialize;
use utoipa::ToSchema;

/// A visitor's chat.
#[derive(Serialize, ToSchema)]
#[schema(as = Chat)]
pub(super) struct ChatBody {
    session_id: String,
    #[schema(value_type = String)]
    room: RoomId,
    #[schema(value_type = u64)]
    conversation_id: ConversationNo,
    #[schema(value_type = String)]
    visitor: PersonId,
    /// `bot`, `queued`, `assigned` or `resolved`.
    stage: &'static str,
    /// The visitor's language; empty if nobody said.
    language: String,
    /// The visitor's form, once it was begun.
    form: Option<FormBody>,
    /// The last time people were wanted.
    handoff: Option<HandoffBody>,
}

/// Where a visitor stands in a form.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatForm)]
pub(super) struct FormBody {
    /// The step that is awaited; null at the end.
    collecting: Option<String>,
    /// What was answered by the keys of the steps; null for those that were skipped.
    answers: BTreeMap<String, Option<String>>,
}

/// A handoff.
#[derive(Serialize, ToSchema)]
#[schema(as = Handoff)]
pub(super) struct HandoffBody {
    /// Its number.
    id: u64,
    escalated_at: u64,
    #[schema(value_type = String)]
    by: PersonId,
    reason: String,
    /// `low`, `medium`, `high` or `urgent`.
    priority: &'static str,
    /// Who has it, or had it last.
    #[schema(value_type = Option<String>)]
    agent: Option<PersonId>,
    agent_name: Option<String>,
    assigned_at: Option<u64>,
    resolved_at: Option<u64>,
    /// What was written down; for the company's people only.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

pub(super) fn chat_body(facts: &ChatFacts, is_staff: bool) -> ChatBody {
    body_of(facts.room, facts.conversation, &facts.chat, is_staff)
}

pub(super) fn body_of(
    room: RoomId,
    conversation: ConversationNo,
    chat: &Chat,
    is_staff: bool,
) -> ChatBody {
    ChatBody {
        session_id: chat.id.to_string(),
        room,
        conversation_id: conversation,
        visitor: chat.visitor.clone(),
        stage: chat.stage.as_str(),
        language: chat.language.to_string(),
        form: chat.form.as_ref().map(|form| FormBody {
            collecting: form.asked.clone(),
            answers: form.answers.clone(),
        }),
        handoff: chat
            .handoff
            .as_ref()
            .map(|handoff| handoff_body(conversation, handoff, &chat.visitor, is_staff)),
    }
}

fn handoff_body(
    conversation: ConversationNo,
    handoff: &Handoff,
    visitor: &PersonId,
    is_staff: bool,
) -> HandoffBody {
    let agent = handoff.agent.as_ref();
    // What the company's people say of a visitor is theirs.
    let is_told = is_staff || handoff.by == *visitor;
    HandoffBody {
        id: MessageNo::new(conversation, handoff.seq).map_or(0, |number| number.0),
        escalated_at: handoff.escalated_at.0,
        by: handoff.by.clone(),
        reason: match is_told {
            true => handoff.reason.to_string(),
            false => String::new(),
        },
        priority: handoff.priority.as_str(),
        agent: agent.map(|agent| agent.id.clone()),
        agent_name: agent
            .and_then(|agent| agent.name.as_deref())
            .map(str::to_owned),
        assigned_at: handoff.assigned_at.map(|at| at.0),
        resolved_at: handoff.resolved_at.map(|at| at.0),
        notes: is_staff.then(|| handoff.notes.to_string()),
    }
}
