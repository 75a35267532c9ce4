//! `/v1/rooms`: opening rooms and reading their history.
//!
//! Invariants: the company comes from the token and from nowhere else; a room of somebody else is
//! answered like one that does not exist.
//! Never: decides who may be in a room.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_actors::{Answer, Command, Outcome};
use frontdesk_protocol::command::{CompanyCommand, Principal};
use frontdesk_protocol::limits::{PAGE_EVENT_COUNT_DEFAULT, PAGE_EVENT_COUNT_MAX};
use frontdesk_protocol::native::{EventBody, PageFrom, RoomName};
use frontdesk_protocol::{Cid, ConversationNo, ErrorCode, HistoryId, PersonId, RoomId, Seq};
use frontdesk_storage::EntityId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::ErrorBody;
use super::fields::{People, Whole};
use super::openapi::BehindToken;
use super::schemas::{CountSchema, EventSchema, HistoryIdSchema, HostIdSchema, PersonIdSchema};
use super::schemas::{RoomIdSchema, RoomNameSchema, WholeSchema};
use super::{ApiError, Authenticated, JsonBody, PathOf, QueryOf};
use crate::app::{App, Known};
use crate::native;

/// Header with a client's own name for a request.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest idempotency key, bytes: it is hashed, not kept.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(open_room))
        .routes(routes!(messages))
}

/// The room that is wanted.
#[derive(Deserialize, ToSchema)]
struct OpenRoom {
    /// Who is in it beside the caller; unknown ids become known people.
    #[schema(value_type = Vec<HostIdSchema>, max_items = 256)]
    participants: People,
    /// A pair has one such room only.
    #[serde(default)]
    direct: bool,
}

/// A room as its opener knows it.
#[derive(Serialize, ToSchema)]
struct OpenedRoom {
    #[schema(value_type = RoomIdSchema)]
    id: RoomId,
    /// Its number within the company, from 1.
    #[schema(value_type = u64)]
    conversation_id: ConversationNo,
    direct: bool,
    #[schema(value_type = Vec<PersonIdSchema>)]
    participants: Vec<PersonId>,
}

/// Which part of the history; without a position the latest.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// Events before this one.
    #[param(value_type = Option<WholeSchema>, inline)]
    before_seq: Option<Whole>,
    /// Events after this one; excludes `before_seq`.
    #[param(value_type = Option<WholeSchema>, inline)]
    after_seq: Option<Whole>,
    /// At most so many events; 50 unasked, 100 at most.
    #[param(value_type = Option<CountSchema>, inline)]
    limit: Option<Whole>,
}

/// A part of a room's history.
#[derive(Serialize, ToSchema)]
struct RoomPage {
    #[schema(value_type = HistoryIdSchema)]
    history_id: HistoryId,
    /// The last event of the room.
    #[schema(value_type = u64)]
    head: Seq,
    /// In order of their numbers.
    #[schema(value_type = Vec<EventSchema>)]
    events: Vec<EventBody>,
    /// Whether more lies beyond this page, in its direction.
    more: bool,
}

/// Opens a room for the caller and the named people.
#[utoipa::path(
    post,
    path = "/v1/rooms",
    tag = "rooms",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "A repeat with the same key within 24 hours is answered as the first")),
    request_body = OpenRoom,
    responses(
        (status = 201, description = "opened", body = OpenedRoom),
        (status = 200, description = "it was there already", body = OpenedRoom),
        (status = 400, description = "the body or a header does not fit", body = ErrorBody),
        (status = 409, description = "the key was used for something else", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn open_room(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<OpenRoom>,
) -> Result<Response, ApiError> {
    let naming = Naming::of(&principal, &headers)?;
    let command = Command::Company(CompanyCommand::OpenRoom {
        room: naming.room,
        history_base: naming.history_base,
        participants: wanted.participants.0,
        direct: wanted.direct,
        title: None,
        bot: None,
        chat: None,
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

/// Reads a room's history.
#[utoipa::path(
    get,
    path = "/v1/rooms/{room}/messages",
    tag = "rooms",
    security(("bearer" = [])),
    params(("room" = inline(RoomNameSchema), Path), PageQuery),
    responses(
        (status = 200, description = "a page", body = RoomPage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 404, description = "no such room, or not one of the caller's", body = ErrorBody),
        BehindToken,
    ),
)]
async fn messages(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<RoomPage>, ApiError> {
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
    Ok(Json(RoomPage {
        history_id: facts.history_id,
        head: page.head,
        events: native::event_bodies(&page.events),
        more: page.more,
    }))
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

/// A client's own name for a request, if it has one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let why = format!("idempotency-key: 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(ApiError::because(ErrorCode::BadField, why));
    }
    Ok(Some(key))
}

/// What a request that opens a room is called. A repeat with the same key has the same names, so it
/// is the same command.
pub(crate) struct Naming {
    /// Whether the client named it.
    pub(crate) is_keyed: bool,
    pub(crate) cid: Cid,
    pub(crate) room: RoomId,
    pub(crate) history_base: u64,
}

impl Naming {
    pub(crate) fn of(principal: &Principal, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(key) = idempotency_key(headers)? else {
            return Ok(Self::fresh());
        };
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
            is_keyed: true,
            cid,
            room: RoomId::from_bits(name(b"room")),
            history_base: u64::from_be_bytes(base),
        })
    }

    fn fresh() -> Self {
        Self {
            is_keyed: false,
            cid: frontdesk_actors::clock::fresh_cid(),
            room: frontdesk_actors::clock::fresh_room_id(),
            history_base: frontdesk_actors::clock::fresh_history_base(),
        }
    }
}
