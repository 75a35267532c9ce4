//! What chats, handoffs and profiles look like to these clients.
//!
//! Never: decides what may be seen.

use frontdesk_actors::{ChatFacts, Conversation, VisitorProfile};
use frontdesk_protocol::chat::{Chat, Stage};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{CompanyId, ConversationNo, MessageNo, Seq, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::profiles::files::{Attachment, Found};
use crate::profiles::frame::utc;

/// A message's number.
pub(super) fn number(conversation: ConversationNo, seq: Seq) -> u64 {
    MessageNo::new(conversation, seq).map_or(0, |number| number.0)
}

/// Who has a chat, in the clients' words.
pub(super) fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Bot => "active",
        Stage::Queued | Stage::Assigned => "escalated",
        Stage::Resolved => "resolved",
    }
}

/// What a visitor answered, beside a handoff.
#[derive(Serialize, ToSchema)]
pub(super) struct BriefProfile {
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

fn brief(chat: &Chat) -> BriefProfile {
    let answer = |key: &str| chat.answer(key).map(str::to_owned);
    BriefProfile {
        name: answer("name"),
        phone: answer("phone"),
        email: answer("email"),
    }
}

/// A handoff.
#[derive(Serialize, ToSchema)]
pub(super) struct HandoffBody {
    id: u64,
    chat_session_id: String,
    /// The agent's number.
    agent: Option<u64>,
    agent_name: Option<String>,
    escalated_at: String,
    resolved_at: Option<String>,
    escalation_reason: String,
    notes: String,
    priority: &'static str,
    /// `unassigned`, `assigned` or `resolved`.
    status: &'static str,
    user_profile: BriefProfile,
}

/// The same as its visitor may see it: what the company's people wrote is theirs.
pub(super) fn visitors_handoff(conversation: ConversationNo, chat: &Chat) -> Option<HandoffBody> {
    let is_own = chat
        .handoff
        .as_ref()
        .is_some_and(|it| it.by == chat.visitor);
    let mut body = handoff(conversation, chat)?;
    body.notes.clear();
    if !is_own {
        body.escalation_reason.clear();
    }
    Some(body)
}

/// The last handoff of a chat, if there was one.
pub(super) fn handoff(conversation: ConversationNo, chat: &Chat) -> Option<HandoffBody> {
    let handoff = chat.handoff.as_ref()?;
    let agent = handoff.agent.as_ref();
    Some(HandoffBody {
        id: number(conversation, handoff.seq),
        chat_session_id: chat.id.to_string(),
        agent: agent.and_then(|agent| agent.id.account()).map(|no| no.0),
        agent_name: agent
            .and_then(|agent| agent.name.as_deref())
            .map(str::to_owned),
        escalated_at: utc(handoff.escalated_at),
        resolved_at: handoff.resolved_at.map(utc),
        escalation_reason: handoff.reason.to_string(),
        notes: handoff.notes.to_string(),
        priority: handoff.priority.as_str(),
        status: match (handoff.resolved_at, agent) {
            (Some(_), _) => "resolved",
            (None, Some(_)) => "assigned",
            (None, None) => "unassigned",
        },
        user_profile: brief(chat),
    })
}

/// A handoff in an agent's list.
#[derive(Serialize, ToSchema)]
pub(super) struct DeskEntry {
    id: u64,
    chat_session: ChatName,
    agent: Option<u64>,
    agent_name: Option<String>,
    escalated_at: String,
    resolved_at: Option<String>,
    priority: &'static str,
    escalation_reason: String,
    status: &'static str,
    user_profile: BriefProfile,
}

/// Which chat.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatName {
    session_id: String,
    company_id: String,
}

pub(super) fn desk_entry(company: &CompanyId, found: &Conversation) -> Option<DeskEntry> {
    let chat = found.summary.chat.as_deref()?;
    let body = handoff(found.summary.conversation, chat)?;
    Some(DeskEntry {
        id: body.id,
        chat_session: ChatName {
            session_id: body.chat_session_id,
            company_id: company.to_string(),
        },
        agent: body.agent,
        agent_name: body.agent_name,
        escalated_at: body.escalated_at,
        resolved_at: body.resolved_at,
        priority: body.priority,
        escalation_reason: body.escalation_reason,
        status: body.status,
        user_profile: body.user_profile,
    })
}

/// Something that happened to a chat.
#[derive(Serialize, ToSchema)]
pub(super) struct Activity {
    handoff_session_id: u64,
    session_id: String,
    /// `escalated`, `assigned` or `resolved`.
    activity: &'static str,
    /// The agent's number; null for a wish.
    agent: Option<u64>,
    agent_name: Option<String>,
    timestamp: String,
}

/// What happened in the last handoff of a chat, and when.
pub(super) fn activities_of(
    conversation: ConversationNo,
    chat: &Chat,
) -> Vec<(Timestamp, Activity)> {
    let Some(handoff) = &chat.handoff else {
        return Vec::new();
    };
    let agent = handoff.agent.as_ref();
    let steps = [
        ("escalated", Some(handoff.escalated_at), None),
        ("assigned", handoff.assigned_at, agent),
        ("resolved", handoff.resolved_at, agent),
    ];
    let happened = steps.into_iter().filter_map(|(activity, at, agent)| {
        let at = at?;
        let activity = Activity {
            handoff_session_id: number(conversation, handoff.seq),
            session_id: chat.id.to_string(),
            activity,
            agent: agent.and_then(|agent| agent.id.account()).map(|no| no.0),
            agent_name: agent.and_then(|it| it.name.as_deref()).map(str::to_owned),
            timestamp: utc(at),
        };
        Some((at, activity))
    });
    happened.collect()
}

/// A message of a chat.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatMessage {
    id: u64,
    /// `user`, `bot` or `agent`.
    message_type: &'static str,
    sender_name: Option<String>,
    content: String,
    timestamp: String,
    /// Its file, if it has one.
    attachments: Vec<Attachment>,
}

pub(super) fn chat_message(
    conversation: ConversationNo,
    message: &Message,
    found: Option<Found>,
) -> ChatMessage {
    ChatMessage {
        attachments: found.into_iter().map(Attachment::from).collect(),
        id: number(conversation, message.seq),
        message_type: match message.author.role {
            Role::Visitor => "user",
            Role::Bot => "bot",
            Role::Agent | Role::Admin | Role::Superadmin => "agent",
        },
        sender_name: message.author.card.name.as_deref().map(str::to_owned),
        content: message.text.to_string(),
        timestamp: utc(message.at),
    }
}

/// A chat as its visitor asks after it.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatStatus {
    session_id: String,
    status: &'static str,
    is_escalated: bool,
    /// Who serves the visitor.
    agent_name: Option<String>,
    /// Null until the form is through.
    user_profile: Option<ProfileBody>,
}

pub(super) fn chat_status(facts: &ChatFacts, profile: Option<&VisitorProfile>) -> ChatStatus {
    let chat = &facts.chat;
    let agent = chat.agent().and_then(|agent| agent.name.as_deref());
    ChatStatus {
        session_id: chat.id.to_string(),
        status: status(chat.stage),
        is_escalated: chat.stage.is_open(),
        agent_name: agent.map(str::to_owned),
        user_profile: profile.map(profile_body),
    }
}

/// What a visitor answered.
#[derive(Serialize, ToSchema)]
pub(super) struct ProfileBody {
    id: u64,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    address: Option<String>,
    country_code: Option<String>,
    created_at: String,
}

pub(super) fn profile_body(profile: &VisitorProfile) -> ProfileBody {
    let answer = |key: &str| profile.answer(key).map(str::to_owned);
    ProfileBody {
        id: profile.no,
        name: answer("name"),
        phone: answer("phone"),
        email: answer("email"),
        address: answer("address"),
        country_code: answer("country_code"),
        created_at: utc(profile.created_at),
    }
}

/// What a visitor answered to a form that goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct GoingOn {
    /// Null: it has no number until the form is through.
    id: Option<u64>,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    address: Option<String>,
    country_code: Option<String>,
    /// Null as well.
    created_at: Option<String>,
    /// The step of the form that is awaited.
    collecting: String,
}

/// What was answered so far; `None` of a form that is through.
pub(super) fn going_on(chat: &Chat) -> Option<GoingOn> {
    let collecting = chat.form.as_ref()?.asked.clone()?;
    let answer = |key: &str| chat.answer(key).map(str::to_owned);
    Some(GoingOn {
        id: None,
        name: answer("name"),
        phone: answer("phone"),
        email: answer("email"),
        address: answer("address"),
        country_code: answer("country_code"),
        created_at: None,
        collecting,
    })
}

/// The chat that answers were given in.
#[derive(Serialize, ToSchema)]
pub(super) struct ProfileChat {
    session_id: String,
    status: &'static str,
    is_escalated: bool,
}

pub(super) fn profile_chat(chat: &Chat) -> ProfileChat {
    ProfileChat {
        session_id: chat.id.to_string(),
        status: status(chat.stage),
        is_escalated: chat.stage.is_open(),
    }
}
