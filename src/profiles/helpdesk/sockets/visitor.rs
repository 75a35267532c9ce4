//! A visitor on the company's address, `/ws/chat/{company_id}/`, without a chat in it: the socket
//! says which chat is theirs, an earlier one or a new one, and is on that one.
//!
//! Invariants:
//! 1. The first frame is `connection_established` with the chat's name and, where they may have it,
//!    the proof that it is theirs: a handshake sets no cookie once it is answered.
//! 2. A frame that names another chat does nothing.
//! 3. As in `widget`: who says something is what they proved to be, and visitors are not shown why
//!    a chat was handed over.
//!
//! Never: sends history by itself.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::clock::Clock;
use frontdesk_actors::{Dialect, Joined, RoomContext, Start};
use frontdesk_protocol::chat::HandoffStep;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::identity::sockets::Brought;
use crate::profiles::chat;
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{frame, utc};
use crate::profiles::widget;
use crate::profiles::widget::dialect::{AGENT_NAME, PASSED_ON, RELEASED, RESOLVED};
use crate::profiles::widget::frames::{Attached, Said, attached, said, sender_type, typist_type};
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk, Place, join};

/// A socket was opened on a company.
pub(crate) fn open(desk: &mut Desk, company: String, brought: Brought, address: IpAddr) {
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let entered = enter(&app, &shared, &company, &brought, address).await;
        let go_on: Continuation = Box::new(move |desk| match entered {
            Ok((place, joined, greeting)) => {
                desk.take_place(place, &joined);
                chat::say(desk, &greeting);
            }
            Err(why) => desk.close(code_of(&why), &why.message),
        });
        go_on
    });
}

fn code_of(why: &Rejection) -> CloseCode {
    match why.code {
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired => CloseCode::Unauthenticated,
        ErrorCode::RateLimited => CloseCode::RateLimited,
        ErrorCode::Draining => CloseCode::Restart,
        ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::Busy => CloseCode::Internal,
        _ => CloseCode::UnknownRoom,
    }
}

async fn enter(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    company: &str,
    brought: &Brought,
    address: IpAddr,
) -> Result<(Place, Joined, Value), Rejection> {
    let visit = app.visit(company, brought, address).await?;
    app.settle(shared, &visit.known);
    let (place, joined) = join(app, shared, visit.chat.entity(), Start::Head).await?;
    let mut greeting = json!({
        "type": "connection_established", "message": "Connected to chat",
        "session_id": visit.chat.facts().chat.id.as_str(), "company_id": company,
    });
    if let Some(token) = visit.token {
        greeting["session_token"] = token.into();
    }
    Ok((place, joined, greeting))
}

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    let Some(fields) = chat::parse(desk, is_text, payload) else {
        return;
    };
    let own = desk.rooms.first().and_then(|joined| joined.edge().chat());
    let named = fields.get("session_id").and_then(Value::as_str);
    let is_own = |named: &str| own.as_ref().is_some_and(|own| own.id.as_str() == named);
    if !named.is_none_or(|named| named.is_empty() || is_own(named)) {
        let why = "session_id is not the chat of this socket";
        return chat::refuse(desk, ErrorCode::UnknownRoom, why);
    }
    widget::act(desk, fields);
}

/// The encoder for visitors of `helpdesk`.
pub(crate) struct HelpdeskVisitorDialect {
    /// For what is shown now and has no time of its own.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

/// Who says something, by what they are: visitors know nobody's number.
#[derive(Serialize)]
struct Speaking<'a> {
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct SaidFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    said: Said<'a>,
    sender_info: Speaking<'a>,
    #[serde(flatten)]
    attached: Option<Attached>,
}

impl Dialect for HelpdeskVisitorDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        match event {
            RoomEvent::MessagePosted(message) => Some(frame(&SaidFrame {
                kind: "chat_message",
                said: said(room, message)?,
                sender_info: Speaking {
                    name: message.author.card.name.as_deref(),
                    kind: sender_type(message.author.role),
                },
                attached: attached(&self.files, room, message),
            })),
            RoomEvent::HandoffMoved { at, step, .. } => moved(room, *at, step),
            _ => None,
        }
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let Ephemeral::Typing {
            person,
            card,
            active,
        } = ephemeral
        else {
            return None;
        };
        let chat = room.chat.as_ref()?;
        let kind = typist_type(&chat.visitor, person);
        let name = card.name.as_deref();
        Some(frame(&json!({
            "type": "typing", "session_id": chat.id.as_str(), "is_typing": active,
            "sender_info": {"name": name, "type": kind}, "timestamp": utc(self.clock.now()),
        })))
    }
}

fn moved(room: &RoomContext, at: Timestamp, step: &HandoffStep) -> Option<Bytes> {
    let session_id = room.chat.as_ref()?.id.as_str();
    let notice = |message: &str| {
        json!({
            "type": "system_message", "message": message, "session_id": session_id,
            "timestamp": utc(at),
        })
    };
    Some(frame(&match step {
        HandoffStep::Escalated { .. } => notice(PASSED_ON),
        HandoffStep::Resolved { .. } => notice(RESOLVED),
        HandoffStep::Released { .. } => notice(RELEASED),
        HandoffStep::Assigned { name, .. } => json!({
            "type": "agent_joined", "agent_info": {"name": name.as_deref().unwrap_or(AGENT_NAME)},
            "session_id": session_id, "timestamp": utc(at),
        }),
    }))
}
