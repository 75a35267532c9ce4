//! `/v1/rooms`: opening rooms and reading their history.
//!
//! Invariants: the company comes from the token and from nowhere else; a room of somebody else is
//! answered like one that does not exist.
//! Never: decides who may be in a room.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use frontdesk_actors::{Answer, Command, Outcome};
use frontdesk_protocol::command::{CompanyCommand, Principal};
use frontdesk_protocol::limits::{PAGE_EVENT_COUNT_DEFAULT, PAGE_EVENT_COUNT_MAX};
use frontdesk_protocol::native::{Page, PageFrom, RoomName};
use frontdesk_protocol::{Cid, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Seq};
use frontdesk_storage::EntityId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fields::{People, Whole};
use super::{ApiError, JsonBody, PathOf, QueryOf};
use crate::app::{App, Known};
use crate::{auth, native};

/// Header with a client's own name for a request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest idempotency key, bytes: it is hashed, not kept.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The routes of this file.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/rooms", post(open_room))
        .route("/v1/rooms/", post(open_room))
        .route("/v1/rooms/{room}/messages", get(messages))
        .route("/v1/rooms/{room}/messages/", get(messages))
        .with_state(app)
}

#[derive(Deserialize)]
struct OpenRoom {
    participants: People,
    #[serde(default)]
    direct: bool,
}

#[derive(Serialize)]
struct OpenedRoom {
    id: RoomId,
    conversation_id: ConversationNo,
    direct: bool,
    participants: Vec<PersonId>,
}

#[derive(Deserialize)]
struct PageQuery {
    before_seq: Option<Whole>,
    after_seq: Option<Whole>,
    limit: Option<Whole>,
}

async fn open_room(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<OpenRoom>,
) -> Result<Response, ApiError> {
    let Known { principal, .. } = authenticate(&app, &headers).await?;
    let naming = Naming::of(&principal, &headers)?;
    let command = Command::Company(CompanyCommand::OpenRoom {
        room: naming.room,
        history_base: naming.history_base,
        participants: wanted.participants.0,
        direct: wanted.direct,
        title: None,
        bot: None,
    });
    let company = EntityId::company(principal.company.clone());
    let outcome = app
        .node
        .ask(company, Arc::clone(&principal), command, naming.cid)
        .await;
    let (room, conversation, created) = match outcome {
        Outcome::Done(Answer::Opened {
            room,
            conversation,
            created,
        }) => (room, conversation, created),
        Outcome::Refused(why) => return Err(why.into()),
        Outcome::Done(_) | Outcome::Unknown => {
            return Err(ApiError::new(ErrorCode::Unavailable));
        }
    };
    let entity = EntityId::room(principal.company.clone(), room);
    let facts = app.node.room_for(&entity, &principal.person).await;
    let facts = facts.map_err(|error| ApiError::fault(&error))?;
    let participants = facts
        .map(|facts| facts.marks.into_keys().collect())
        .unwrap_or_default();
    let body = OpenedRoom {
        id: room,
        conversation_id: conversation,
        direct: wanted.direct,
        participants,
    };
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(body)).into_response())
}

async fn messages(
    State(app): State<Arc<App>>,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Known { principal, .. } = authenticate(&app, &headers).await?;
    let unknown = || ApiError::new(ErrorCode::UnknownRoom);
    let name: RoomName = room.parse().map_err(|_| unknown())?;
    let from = page_from(&query)?;
    let limit = match query.limit {
        None => PAGE_EVENT_COUNT_DEFAULT,
        Some(Whole(0)) => {
            let why = "limit: expected a number of at least 1";
            return Err(ApiError::because(ErrorCode::BadField, why));
        }
        Some(Whole(limit)) => u32::try_from(limit)
            .unwrap_or(PAGE_EVENT_COUNT_MAX)
            .min(PAGE_EVENT_COUNT_MAX),
    };
    let fault = |error: frontdesk_storage::Error| ApiError::fault(&error);
    let entity = app
        .node
        .find_room(&principal.company, name)
        .await
        .map_err(fault)?;
    let entity = entity.ok_or_else(unknown)?;
    let facts = app
        .node
        .room_for(&entity, &principal.person)
        .await
        .map_err(fault)?;
    let facts = facts.ok_or_else(unknown)?;
    let page = app
        .node
        .history(&entity, from, limit as usize)
        .await
        .map_err(fault)?;
    let page = Page {
        history_id: facts.history_id,
        head: page.head,
        events: native::event_bodies(&page.events),
        more: page.more,
    };
    Ok(Json(page).into_response())
}

fn page_from(query: &PageQuery) -> Result<PageFrom, ApiError> {
    match (query.before_seq, query.after_seq) {
        (Some(_), Some(_)) => {
            let why = "before_seq and after_seq exclude each other";
            Err(ApiError::because(ErrorCode::BadField, why))
        }
        (Some(Whole(before)), None) => Ok(PageFrom::Before(Seq(before))),
        (None, Some(Whole(after))) => Ok(PageFrom::After(Seq(after))),
        (None, None) => Ok(PageFrom::Latest),
    }
}

/// What a request that opens a room is called. A repeat with the same key has the same names, so it
/// is the same command.
struct Naming {
    cid: Cid,
    room: RoomId,
    history_base: u64,
}

impl Naming {
    fn of(principal: &Principal, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self::fresh());
        };
        let key = key.as_bytes();
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            let why = format!("idempotency-key: 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(ApiError::because(ErrorCode::BadField, why));
        }
        let owner = format!("{}\0{}\0", principal.company, principal.person);
        let name = |purpose: &[u8]| {
            let bytes = [purpose, owner.as_bytes(), key].concat();
            Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).into_bytes()
        };
        let as_cid = std::str::from_utf8(key)
            .ok()
            .and_then(|text| text.parse().ok());
        let cid = as_cid.unwrap_or_else(|| Cid::from_digest(name(b"cid")));
        let [base @ .., _, _, _, _, _, _, _, _] = name(b"history");
        Ok(Self {
            cid,
            room: RoomId::from_bits(name(b"room")),
            history_base: u64::from_be_bytes(base),
        })
    }

    fn fresh() -> Self {
        Self {
            cid: frontdesk_actors::clock::fresh_cid(),
            room: frontdesk_actors::clock::fresh_room_id(),
            history_base: frontdesk_actors::clock::fresh_history_base(),
        }
    }
}

async fn authenticate(app: &Arc<App>, headers: &HeaderMap) -> Result<Known, ApiError> {
    if app.is_draining() {
        return Err(ApiError::new(ErrorCode::Draining));
    }
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = bearer.and_then(auth::from_authorization);
    let token = token.ok_or_else(|| Rejection::new(ErrorCode::Unauthenticated))?;
    Ok(app.authenticate(token).await?)
}
