//! Chats that people are wanted in, have or had: for admins all of their company, for agents those
//! that wait and their own.
//!
//! Never: shows an agent what another has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use frontdesk_actors::{Bucket, Conversation};
use frontdesk_protocol::{AccountNo, ErrorCode, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{ChatStatus, DeskEntry, HandoffBody, chat_status, desk_entry, handoff};
use super::status::{History, history_of};
use crate::app::App;
use crate::http::openapi::BehindToken;
use crate::http::{ApiError, ErrorBody, PathOf, QueryOf};
use crate::identity::chats::DeskScope;
use crate::identity::scope::LoggedIn;

/// Entries of a page unless a client asks for another number.
const PAGE_SIZE: u64 = 10;
/// Entries of a page at most.
const PAGE_SIZE_MAX: u64 = 100;
/// Entries of a list without pages at most: what a dashboard can show.
const LIST_COUNT_MAX: usize = 1_000;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(sessions))
        .routes(routes!(agent_sessions))
        .routes(routes!(messages))
        .routes(routes!(stats))
        .routes(routes!(pending))
        .routes(routes!(active))
}

/// Which chats.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeskQuery {
    /// Those of this agent; agents ask for their own only.
    agent_id: Option<u64>,
    /// `unassigned`, `assigned` or `resolved`; all of them if it is absent.
    status: Option<String>,
    /// The page's number, from 1.
    page: Option<u32>,
    /// Entries of a page, at most 100.
    per_page: Option<u32>,
    /// Needed for those who run the installation; others have one.
    #[param(max_length = 64)]
    pub(super) company_id: Option<String>,
}

impl DeskQuery {
    pub(super) fn buckets(&self) -> Result<Vec<Bucket>, ApiError> {
        Ok(match self.status.as_deref() {
            None | Some("" | "all") => Bucket::ALL.to_vec(),
            Some("unassigned" | "pending" | "escalated") => vec![Bucket::Unassigned],
            Some("assigned" | "active") => vec![Bucket::Assigned],
            Some("resolved" | "closed") => vec![Bucket::Resolved],
            Some(_) => {
                let why = "expected one of unassigned, assigned, resolved";
                return Err(ApiError::because(ErrorCode::BadField, why).of_field("status"));
            }
        })
    }
}

/// Chats of these buckets that somebody may see, in the order of the buckets.
pub(super) async fn visible(
    app: &Arc<App>,
    desk: &DeskScope,
    of_agent: Option<AccountNo>,
    buckets: &[Bucket],
    (skip, count): (u64, usize),
) -> Result<(Vec<Conversation>, u64), ApiError> {
    let own = desk.principal().person.clone();
    let (mut found, mut total, mut skip) = (Vec::new(), 0, skip);
    for bucket in buckets {
        let whose: Option<PersonId> = match (desk.sees_all(), of_agent, bucket) {
            (_, Some(_), Bucket::Unassigned) => continue, // they are nobody's
            (true, Some(agent), _) => Some(PersonId::of_account(agent)),
            (true, None, _) | (false, _, Bucket::Unassigned) => None,
            (false, _, _) => Some(own.clone()),
        };
        let room = count.saturating_sub(found.len());
        let (page, in_bucket) = desk
            .listed(app, whose.as_ref(), *bucket, (skip, room))
            .await?;
        total += in_bucket;
        skip = skip.saturating_sub(in_bucket);
        found.extend(page);
    }
    Ok((found, total))
}

/// Whose chats are asked for: agents may ask for their own.
pub(super) fn agent_asked(
    desk: &DeskScope,
    query: &DeskQuery,
) -> Result<Option<AccountNo>, ApiError> {
    let asked = query.agent_id.map(AccountNo);
    let is_own = |no: AccountNo| PersonId::of_account(no) == desk.principal().person;
    match asked {
        Some(no) if !desk.sees_all() && !is_own(no) => Err(ApiError::new(ErrorCode::Forbidden)),
        asked => Ok(asked),
    }
}

/// The company's chats that people were wanted in.
#[utoipa::path(
    get,
    path = "/api/human-handoff/sessions",
    tag = "handoff",
    operation_id = "handoff_sessions",
    security(("bearer" = [])),
    params(DeskQuery),
    responses(
        (status = 200, description = "the latest first in each status, at most 1,000",
         body = Vec<HandoffBody>),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "another agent's", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn sessions(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<Vec<HandoffBody>>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let of_agent = agent_asked(&desk, &query)?;
    let whole = (0, LIST_COUNT_MAX);
    let (found, _) = visible(&app, &desk, of_agent, &query.buckets()?, whole).await?;
    let body = found.iter().filter_map(|found| {
        let chat = found.summary.chat.as_deref()?;
        handoff(found.summary.conversation, chat)
    });
    Ok(Json(body.collect()))
}

/// A page of chats.
#[derive(Serialize, ToSchema)]
pub(super) struct DeskPage {
    count: u64,
    current_page: u64,
    total_pages: u64,
    sessions: Vec<DeskEntry>,
}

/// Which page is asked for, and what lies on it: how many before, how many at most.
pub(super) fn part_of(query: &DeskQuery) -> (u64, (u64, usize)) {
    let size = u64::from(query.per_page.unwrap_or(PAGE_SIZE as u32)).clamp(1, PAGE_SIZE_MAX);
    let number = u64::from(query.page.unwrap_or(1)).max(1);
    (number, ((number - 1).saturating_mul(size), size as usize))
}

pub(super) async fn page_of(
    app: &Arc<App>,
    desk: &DeskScope,
    query: &DeskQuery,
    buckets: &[Bucket],
) -> Result<Json<DeskPage>, ApiError> {
    let of_agent = agent_asked(desk, query)?;
    let (number, part) = part_of(query);
    let (found, count) = visible(app, desk, of_agent, buckets, part).await?;
    let company = desk.company();
    Ok(Json(DeskPage {
        count,
        current_page: number,
        total_pages: count.div_ceil(part.1 as u64).max(1),
        sessions: found
            .iter()
            .filter_map(|it| desk_entry(company, it))
            .collect(),
    }))
}

/// A page of an agent's chats, and of those that wait for one.
#[utoipa::path(
    get,
    path = "/api/human-handoff/agent/sessions",
    tag = "handoff",
    operation_id = "handoff_agent_sessions",
    security(("bearer" = [])),
    params(DeskQuery),
    responses(
        (status = 200, description = "a page", body = DeskPage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "another agent's", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn agent_sessions(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<DeskPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    page_of(&app, &desk, &query, &query.buckets()?).await
}

/// Chats that wait for somebody.
#[utoipa::path(
    get,
    path = "/api/agent-dashboard/pending-sessions",
    tag = "handoff",
    operation_id = "handoff_pending",
    security(("bearer" = [])),
    params(DeskQuery),
    responses(
        (status = 200, description = "a page", body = DeskPage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "another agent's", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn pending(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<DeskPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    page_of(&app, &desk, &query, &[Bucket::Unassigned]).await
}

/// Chats that the caller has, or for admins that anybody has.
#[utoipa::path(
    get,
    path = "/api/agent-dashboard/active-sessions",
    tag = "handoff",
    operation_id = "handoff_active",
    security(("bearer" = [])),
    params(DeskQuery),
    responses(
        (status = 200, description = "a page", body = DeskPage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "another agent's", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn active(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<DeskPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    page_of(&app, &desk, &query, &[Bucket::Assigned]).await
}

/// How much there is to do.
#[derive(Serialize, ToSchema)]
pub(super) struct DeskStats {
    pending_sessions: u64,
    active_sessions: u64,
    resolved_sessions: u64,
    total_sessions: u64,
}

/// How many chats wait, are held and are over.
#[utoipa::path(
    get,
    path = "/api/agent-dashboard/stats",
    tag = "handoff",
    operation_id = "handoff_stats",
    security(("bearer" = [])),
    params(DeskQuery),
    responses(
        (status = 200, description = "counts", body = DeskStats),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "another agent's", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn stats(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<DeskStats>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let of_agent = agent_asked(&desk, &query)?;
    Ok(Json(counted(&app, &desk, of_agent).await?))
}

/// How many chats somebody may see in each status.
pub(super) async fn counted(
    app: &Arc<App>,
    desk: &DeskScope,
    of_agent: Option<AccountNo>,
) -> Result<DeskStats, ApiError> {
    let mut counts = [0; 3];
    for (count, bucket) in counts.iter_mut().zip(Bucket::ALL) {
        (_, *count) = visible(app, desk, of_agent, &[bucket], (0, 0)).await?;
    }
    let [pending_sessions, active_sessions, resolved_sessions] = counts;
    Ok(DeskStats {
        pending_sessions,
        active_sessions,
        resolved_sessions,
        total_sessions: counts.iter().sum(),
    })
}

/// A chat and what was said in it.
#[derive(Serialize, ToSchema)]
struct ChatMessages {
    session: ChatStatus,
    #[serde(flatten)]
    history: History,
}

/// What was said lately in a chat that the caller has, or that waits.
#[utoipa::path(
    get,
    path = "/api/human-handoff/agent/sessions/{session_id}/messages",
    tag = "handoff",
    operation_id = "handoff_messages",
    security(("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), DeskQuery),
    responses(
        (status = 200, description = "the last 50 messages, the oldest first", body = ChatMessages),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not allowed", body = ErrorBody),
        (status = 404, description = "no such chat, or another's", body = ErrorBody),
        BehindToken,
    ),
)]
async fn messages(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    headers: HeaderMap,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<ChatMessages>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    agent_asked(&desk, &query)?;
    let chat = desk.chat(&app, &name).await?;
    let profile = chat.profile(&app).await?;
    Ok(Json(ChatMessages {
        session: chat_status(chat.facts(), profile.as_ref()),
        history: history_of(&app, &headers, &chat).await?,
    }))
}
