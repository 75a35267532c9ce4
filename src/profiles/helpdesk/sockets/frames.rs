//! What those who serve visitors are shown of chats: what was said and by whom, who writes, who has
//! a chat.
//!
//! Never: shown to visitors.

use frontdesk_actors::{HandoffNotice, RoomContext};
use frontdesk_protocol::PersonId;
use frontdesk_protocol::chat::Handoff;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::event::Message;
use serde::Serialize;

use crate::profiles::frame::utc;
use crate::profiles::widget::frames::{
    Attached, Said, handoff_no, said, sender_type, status, typist_type,
};
use crate::profiles::wire::{WireId, host_id};

/// Who says something.
#[derive(Debug, Serialize)]
pub(super) struct Sender<'a> {
    id: WireId,
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A message and who said it.
#[derive(Debug, Serialize)]
pub(super) struct SaidBy<'a> {
    #[serde(flatten)]
    said: Said<'a>,
    sender_info: Sender<'a>,
    #[serde(flatten)]
    attached: Option<Attached>,
}

pub(super) fn said_by<'a>(room: &'a RoomContext, message: &'a Message) -> Option<SaidBy<'a>> {
    let author = &message.author;
    Some(SaidBy {
        said: said(room, message)?,
        sender_info: Sender {
            id: agent_id(&author.id),
            name: author.card.name.as_deref(),
            kind: sender_type(author.role),
        },
        attached: None,
    })
}

impl SaidBy<'_> {
    /// With the message's file, where that has no frame of its own.
    pub(super) fn with(mut self, attached: Option<Attached>) -> Self {
        self.attached = attached;
        self
    }
}

/// Who writes.
#[derive(Debug, Serialize)]
pub(super) struct Writing<'a> {
    pub(super) session_id: &'a str,
    pub(super) sender_type: &'static str,
    pub(super) sender_info: Sender<'a>,
    pub(super) is_typing: bool,
}

pub(super) fn writing<'a>(
    room: &'a RoomContext,
    person: &PersonId,
    card: &'a Card,
    is_typing: bool,
) -> Option<Writing<'a>> {
    let chat = room.chat.as_ref()?;
    let sender_type = typist_type(&chat.visitor, person);
    Some(Writing {
        session_id: chat.id.as_str(),
        sender_type,
        sender_info: Sender {
            id: agent_id(person),
            name: card.name.as_deref(),
            kind: sender_type,
        },
        is_typing,
    })
}

/// A chat that went from the bot to people or back, as it is now.
#[derive(Debug, Serialize)]
pub(super) struct Moved<'a> {
    session_id: &'a str,
    handoff_id: u64,
    status: &'static str,
    priority: &'static str,
    escalation_reason: &'a str,
    escalated_at: String,
    agent_id: Option<WireId>,
    agent_name: Option<&'a str>,
    assigned_at: Option<String>,
    resolved_at: Option<String>,
    user_profile: Profile<'a>,
    pub(super) timestamp: String,
}

/// What the visitor answered to the form.
#[derive(Debug, Serialize)]
struct Profile<'a> {
    name: Option<&'a str>,
    phone: Option<&'a str>,
    email: Option<&'a str>,
}

pub(super) fn moved(notice: &HandoffNotice) -> Option<Moved<'_>> {
    let chat = &*notice.chat;
    let handoff: &Handoff = chat.handoff.as_ref()?;
    let agent = handoff.agent.as_ref();
    Some(Moved {
        session_id: chat.id.as_str(),
        handoff_id: handoff_no(notice.conversation, handoff.seq)?,
        status: status(chat.stage),
        priority: handoff.priority.as_str(),
        escalation_reason: &handoff.reason,
        escalated_at: utc(handoff.escalated_at),
        agent_id: agent.map(|agent| agent_id(&agent.id)),
        agent_name: agent.and_then(|agent| agent.name.as_deref()),
        assigned_at: handoff.assigned_at.map(utc),
        resolved_at: handoff.resolved_at.map(utc),
        user_profile: Profile {
            name: chat.answer("name"),
            phone: chat.answer("phone"),
            email: chat.answer("email"),
        },
        timestamp: utc(notice.at),
    })
}

/// Who has a chat now.
#[derive(Debug, Serialize)]
pub(super) struct Agent<'a> {
    id: WireId,
    name: Option<&'a str>,
}

pub(super) fn agent<'a>(person: &PersonId, name: Option<&'a str>) -> Agent<'a> {
    let id = agent_id(person);
    Agent { id, name }
}

/// The number of somebody who has an account, else what their host calls them.
pub(super) fn agent_id(person: &PersonId) -> WireId {
    match person.account() {
        Some(account) => WireId::Number(account.0),
        None => host_id(person),
    }
}
