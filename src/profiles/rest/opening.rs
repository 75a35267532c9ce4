//! Opening conversations, whichever route asks.
//!
//! Never: knows a shape.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_actors::index::LISTED_PERSON_COUNT_MAX;
use frontdesk_actors::{Answer, Command};
use frontdesk_protocol::command::{CompanyCommand, Principal, RoomCommand};
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{Cid, ErrorCode, PersonId, RoomId, Seq};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::place::{done, enter};
use super::shape::Style;
use crate::app::App;
use crate::bots;
use crate::http::ApiError;
use crate::http::rooms::Naming;

/// Others that a conversation with the bot may have: with the caller and the bot as many as lists
/// show, since these clients know a conversation from their lists.
pub(super) const OTHERS_COUNT_MAX: usize = LISTED_PERSON_COUNT_MAX - 2;

/// A room to be opened.
pub(super) struct Opening {
    pub(super) participants: Vec<PersonId>,
    pub(super) direct: bool,
    pub(super) title: Option<String>,
    pub(super) with_bot: bool,
}

/// A room that was opened or found.
pub(super) struct Opened {
    pub(super) room: RoomId,
    pub(super) created: bool,
}

pub(super) async fn open_room(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    naming: &Naming,
    opening: Opening,
) -> Result<Opened, ApiError> {
    let others: BTreeSet<&PersonId> = opening.participants.iter().collect();
    let count = others.iter().filter(|it| ***it != principal.person).count();
    if count > OTHERS_COUNT_MAX {
        let why = format!("participants: {count} beside you, limit {OTHERS_COUNT_MAX}");
        return Err(ApiError::because(ErrorCode::BadField, why));
    }
    let command = Command::Company(CompanyCommand::OpenRoom {
        room: naming.room,
        history_base: naming.history_base,
        participants: opening.participants,
        direct: opening.direct,
        title: opening.title,
        bot: opening.with_bot.then(bots::default_id),
        chat: None,
    });
    let company = EntityId::company(principal.company.clone());
    let asked = app
        .node
        .ask(company, Arc::clone(principal), command, naming.cid);
    match done(asked.await)? {
        Answer::Opened { room, created, .. } => Ok(Opened { room, created }),
        _ => Err(ApiError::new(ErrorCode::Unavailable)),
    }
}

pub(super) async fn open_pair(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    naming: &Naming,
    other: PersonId,
) -> Result<Opened, ApiError> {
    if other == principal.person {
        let why = "You cannot start a conversation with yourself.";
        return Err(ApiError::because(ErrorCode::BadField, why));
    }
    let opening = Opening {
        participants: vec![other],
        direct: true,
        title: None,
        with_bot: false,
    };
    open_room(app, principal, naming, opening).await
}

/// Says something where nothing was said yet. A request that is repeated, because the first one was
/// interrupted or came twice at once, says it once: the command is named by the client's key, or
/// after what it says.
pub(super) async fn say_first(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    naming: &Naming,
    opened: &Opened,
    text: String,
) -> Result<(), ApiError> {
    let room = opened.room;
    let place = enter(app, principal, RoomName::Id(room)).await?;
    // With a key the room itself tells a repeat from another use of the key.
    let is_repeatable = naming.is_keyed && opened.created;
    if place.head > Seq(0) && !is_repeatable {
        return Ok(());
    }
    let cid = if naming.is_keyed {
        naming.cid
    } else {
        let name = format!("first\0{room}\0{}\0{text}", principal.person);
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        Cid::from_digest(name.into_bytes())
    };
    let post = RoomCommand::PostMessage {
        text,
        rich: None,
        reply_to: None,
        files: Vec::new(),
    };
    place.ask(app, principal, post, cid).await.map(drop)
}

pub(super) async fn show_opened(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    style: Style,
    opened: Opened,
) -> Result<Response, ApiError> {
    let place = enter(app, principal, RoomName::Id(opened.room)).await?;
    let body = place.show(app, principal, style).await?;
    let status = match opened.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(body)).into_response())
}

/// The caller's conversation with another person, if they have one.
pub(super) async fn pair_with(
    app: &Arc<App>,
    principal: &Principal,
    other: &str,
) -> Result<Option<RoomId>, ApiError> {
    let Ok(other) = PersonId::new(other) else {
        return Ok(None);
    };
    let found = app
        .node
        .pair_room(&principal.company, &principal.person, &other)
        .await;
    found.map_err(super::place::fault)
}
