//! The sockets of those who serve a company's visitors: what is said in the chats they have, and
//! what happens at the company's desks. That of a visitor is in [`visitor`].
//!
//! Invariants:
//! 1. Each is opened by an account of a company, and speaks for that company alone; being connected
//!    changes nobody's availability.
//! 2. Chats are named by the widget's names for them, which are looked up in the caller's company;
//!    what may be done in one, its room says.
//! 3. Somebody's status is theirs to set.
//!
//! Never: sends history by itself, or takes a token from a frame.

pub(crate) mod dialect;
mod frames;
pub(crate) mod visitor;

use std::sync::Arc;

use frontdesk_actors::Command;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::staff::Availability;
use frontdesk_protocol::{AccountNo, ChatId, CloseCode, ErrorCode, PersonId, Rejection};
use frontdesk_storage::EntityId;
use serde_json::{Value, json};

pub(crate) use dialect::{HelpdeskDialect, WidgetAgentDialect};
pub(crate) use visitor::HelpdeskVisitorDialect;

use crate::app::App;
use crate::identity::sockets::Brought;
use crate::profiles::chat::{self, COMMAND_OVERHEAD_BYTES, Fields};
use crate::profiles::frame::utc;
use crate::profiles::widget;
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk};

/// What the path of a socket names.
pub(crate) enum Named {
    /// Nothing: the caller's own desk.
    Nothing,
    /// An agent, by the number of their account.
    Agent(String),
    /// A company.
    Company(String),
}

/// A socket was opened.
pub(crate) fn open(desk: &mut Desk, named: Named, brought: Brought) {
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let entered = enter(&app, &shared, &named, &brought).await;
        let go_on: Continuation = Box::new(move |desk| match entered {
            Ok(()) => {
                desk.open_feed();
                desk.open_staff_feed();
                greet(desk);
            }
            Err(why) if why.code == ErrorCode::Forbidden => {
                desk.close(CloseCode::RoleNotAllowed, &why.message);
            }
            Err(why) => chat::close(desk, &why, CloseCode::UnknownRoom),
        });
        go_on
    });
}

async fn enter(
    app: &Arc<App>,
    shared: &Shared,
    named: &Named,
    brought: &Brought,
) -> Result<(), Rejection> {
    let known = app.enter_desk(brought).await?;
    let who = &known.principal;
    let is_theirs = match named {
        Named::Nothing => true,
        Named::Company(company) => *company == *who.company.as_str(),
        Named::Agent(id) => app.may_open_desk(who, id).await?,
    };
    if !is_theirs {
        return Err(Rejection::new(ErrorCode::UnknownRoom));
    }
    app.settle(shared, &known);
    Ok(())
}

fn greet(desk: &Desk) {
    let Some(who) = desk.principal() else { return };
    chat::say(
        desk,
        &json!({
            "type": "connection_established", "message": "Connected to the desk",
            "agent_id": frames::agent_id(&who.person), "company_id": who.company.as_str(),
        }),
    );
}

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    let Some(fields) = chat::parse(desk, is_text, payload) else {
        return;
    };
    match chat::kind_of(&fields) {
        "chat_message" => in_chat(desk, fields, |desk, room, fields| {
            chat::post(desk, room, fields);
        }),
        "typing" | "typing_indicator" => in_chat(desk, fields, |desk, room, fields| {
            desk.type_in(room, chat::is_typing(fields));
        }),
        "agent_join" => in_chat(desk, fields, |desk, room, _| {
            let own = desk.principal().map(|who| who.person.clone());
            assign(desk, room, own);
        }),
        "session_update" => update(desk, fields),
        "status_update" => set_status(desk, &fields),
        "ping" => widget::pong(desk, &fields),
        // Clients are known to send back what the server says.
        "connection_established"
        | "session_escalated"
        | "session_assigned"
        | "agent_joined"
        | "agent_status_update"
        | "pong"
        | "error" => {}
        other => chat::unknown(desk, other),
    }
}

/// Does something in the chat that a frame names; whose it is, is the room's to say.
fn in_chat(
    desk: &mut Desk,
    fields: Fields,
    act: impl FnOnce(&mut Desk, EntityId, &Fields) + Send + 'static,
) {
    let Some(name) = fields.get("session_id").and_then(Value::as_str) else {
        return chat::refuse(desk, ErrorCode::BadField, "session_id is required");
    };
    let named = ChatId::new(name).ok();
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let found = find(&app, &shared, named).await;
        let go_on: Continuation = Box::new(move |desk| match found {
            Ok(room) => act(desk, room, &fields),
            Err(why) => chat::refuse(desk, why.code, &why.message),
        });
        go_on
    });
}

/// A chat of the caller's company.
async fn find(
    app: &Arc<App>,
    shared: &Shared,
    named: Option<ChatId>,
) -> Result<EntityId, Rejection> {
    let unknown = || Rejection::new(ErrorCode::UnknownRoom);
    let (named, who) = (
        named.ok_or_else(unknown)?,
        shared.principal().ok_or_else(unknown)?,
    );
    let found = app.node.find_chat(&who.company, &named).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "a chat cannot be found");
        Rejection::new(ErrorCode::Unavailable)
    })?;
    found.ok_or_else(unknown)
}

/// A step of a chat, by the word that these clients have for it.
fn update(desk: &mut Desk, fields: Fields) {
    let action = fields.get("action").and_then(Value::as_str);
    let named = match agent_of(&fields) {
        Ok(named) => named,
        Err(NoAgent) => {
            let why = "agent_id is no agent's number";
            return chat::refuse(desk, ErrorCode::BadField, why);
        }
    };
    match action {
        Some("assign") => in_chat(desk, fields, |desk, room, _| {
            let own = desk.principal().map(|who| who.person.clone());
            assign(desk, room, named.or(own));
        }),
        Some("transfer") if named.is_none() => {
            chat::refuse(desk, ErrorCode::BadField, "agent_id is required");
        }
        Some("transfer") => in_chat(desk, fields, |desk, room, _| assign(desk, room, named)),
        Some("resolve") => in_chat(desk, fields, |desk, room, fields| {
            let notes = fields.get("notes").and_then(Value::as_str);
            let notes = notes.unwrap_or_default().to_owned();
            let weight_bytes = notes.len() + COMMAND_OVERHEAD_BYTES;
            let command = Command::Room(RoomCommand::Resolve { notes });
            desk.submit(None, room, command, None, weight_bytes);
        }),
        _ => {
            let why = "action is none of assign, resolve, transfer";
            chat::refuse(desk, ErrorCode::BadField, why);
        }
    }
}

/// What stands where an agent's number should.
#[derive(Debug, PartialEq, Eq)]
struct NoAgent;

/// The agent that a frame names, by number or text, if it names one.
fn agent_of(fields: &Fields) -> Result<Option<PersonId>, NoAgent> {
    let account = match fields.get("agent_id") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let account = account.ok_or(NoAgent)?;
    Ok(Some(PersonId::of_account(AccountNo(account))))
}

fn assign(desk: &mut Desk, room: EntityId, agent: Option<PersonId>) {
    if let Some(agent) = agent {
        let command = Command::Room(RoomCommand::Assign { agent });
        desk.submit(None, room, command, None, COMMAND_OVERHEAD_BYTES);
    }
}

/// The caller says whether they take chats.
fn set_status(desk: &mut Desk, fields: &Fields) {
    let status = fields.get("status").and_then(Value::as_str);
    let Some(availability) = status.and_then(Availability::parse) else {
        let why = "status is none of AVAILABLE, BUSY, OFFLINE";
        return chat::refuse(desk, ErrorCode::BadField, why);
    };
    let Some(who) = desk.principal() else { return };
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let done = app
            .set_own_availability(Arc::clone(&who), availability)
            .await;
        let go_on: Continuation = Box::new(move |desk| match done {
            Ok(account) => chat::say(
                desk,
                &json!({
                    "type": "agent_status_update", "agent_id": account.0,
                    "agent_name": who.card.name, "status": availability.as_str(),
                    "timestamp": utc(desk.app.node.clock().now()),
                }),
            ),
            Err(why) => chat::refuse(desk, why.code, &why.message),
        });
        go_on
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_by_number_or_text() {
        let named = |value: Value| {
            let frame = json!({ "agent_id": value });
            agent_of(frame.as_object().expect("an object"))
        };
        let eleven = Ok(Some(PersonId::of_account(AccountNo(11))));
        assert_eq!(named(json!(11)), eleven);
        assert_eq!(named(json!("11")), eleven);
        assert_eq!(named(json!(null)), Ok(None));
        for bad in [
            json!(-1),
            json!(1.5),
            json!("agent:11"),
            json!(""),
            json!([11]),
            json!(true),
        ] {
            assert_eq!(named(bad.clone()), Err(NoAgent), "{bad}");
        }
    }
}
