//! The start pages of those who serve visitors: how much there is to do, what happened lately,
//! whose page it is. Made of the same lists as `desks`.
//!
//! Never: shows an agent what another has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_actors::Bucket;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::{AccountNo, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::desks::{
    DeskPage, DeskQuery, DeskStats, agent_asked, counted, page_of, part_of, visible,
};
use super::shape::{Activity, DeskEntry, activities_of, desk_entry};
use crate::app::App;
use crate::http::openapi::Governed;
use crate::http::{ApiError, QueryOf};
use crate::identity::chats::DeskScope;
use crate::identity::scope::LoggedIn;
use crate::profiles::helpdesk::shape::{AgentBody, agent};

/// Chats on a start page.
const BOARD_COUNT: usize = 10;
/// Handoffs of each status that activities are taken from, the latest: each has up to three.
const ACTIVE_HANDOFF_COUNT: usize = 100;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(dashboard))
        .routes(routes!(activities))
        .routes(routes!(own_sessions))
        .routes(routes!(profile))
}

/// How much there is to do, and what of it is first.
#[derive(Serialize, ToSchema)]
struct Dashboard {
    #[serde(flatten)]
    stats: DeskStats,
    /// The first ten that wait or are held, in the order of `agent/sessions/`.
    sessions: Vec<DeskEntry>,
}

/// What somebody who serves visitors looks at first.
#[utoipa::path(
    get,
    path = "/api/human-handoff/dashboard",
    tag = "handoff",
    operation_id = "handoff_dashboard",
    security(("bearer" = [])),
    params(DeskQuery),
    responses((status = 200, description = "counts and chats", body = Dashboard), Governed),
)]
async fn dashboard(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<Dashboard>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let of_agent = agent_asked(&desk, &query)?;
    let stats = counted(&app, &desk, of_agent).await?;
    let open = [Bucket::Unassigned, Bucket::Assigned];
    let (found, _) = visible(&app, &desk, of_agent, &open, (0, BOARD_COUNT)).await?;
    let company = desk.company();
    let sessions = found.iter().filter_map(|it| desk_entry(company, it));
    Ok(Json(Dashboard {
        stats,
        sessions: sessions.collect(),
    }))
}

/// A page of what happened to chats.
#[derive(Serialize, ToSchema)]
struct ActivityPage {
    count: u64,
    current_page: u64,
    total_pages: u64,
    /// The latest first.
    activities: Vec<Activity>,
}

/// What happened to the chats that the caller may see: each was wanted, given and resolved. Of the
/// latest 100 handoffs in each status.
#[utoipa::path(
    get,
    path = "/api/human-handoff/activities",
    tag = "handoff",
    operation_id = "handoff_activities",
    security(("bearer" = [])),
    params(DeskQuery),
    responses((status = 200, description = "a page", body = ActivityPage), Governed),
)]
async fn activities(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<ActivityPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let of_agent = agent_asked(&desk, &query)?;
    let mut all = Vec::new();
    for bucket in query.buckets()? {
        let part = (0, ACTIVE_HANDOFF_COUNT);
        let (found, _) = visible(&app, &desk, of_agent, &[bucket], part).await?;
        let chats = found.iter().filter_map(|found| {
            let chat = found.summary.chat.as_deref()?;
            Some(activities_of(found.summary.conversation, chat))
        });
        all.extend(chats.flatten());
    }
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let (number, (skip, size)) = part_of(&query);
    let count = all.len() as u64;
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let shown = all.into_iter().skip(skip).take(size);
    Ok(Json(ActivityPage {
        count,
        current_page: number,
        total_pages: count.div_ceil(size as u64).max(1),
        activities: shown.map(|(_, activity)| activity).collect(),
    }))
}

/// A page of the chats that the caller has or had; for admins that anybody, or `agent_id`, has.
#[utoipa::path(
    get,
    path = "/api/admin-dashboard/agent-sessions",
    tag = "agents",
    operation_id = "agents_sessions",
    security(("bearer" = [])),
    params(DeskQuery),
    responses((status = 200, description = "a page", body = DeskPage), Governed),
)]
async fn own_sessions(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<DeskPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let mut buckets = query.buckets()?;
    buckets.retain(|bucket| *bucket != Bucket::Unassigned);
    page_of(&app, &desk, &query, &buckets).await
}

/// The account behind a page: the caller's own; for admins that of `agent_id` too.
#[utoipa::path(
    get,
    path = "/api/agent-dashboard/profile",
    tag = "agents",
    operation_id = "agents_profile",
    security(("bearer" = [])),
    params(DeskQuery),
    responses((status = 200, description = "the account", body = AgentBody), Governed),
)]
async fn profile(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<DeskQuery>,
) -> Result<Json<AgentBody>, ApiError> {
    let own = (who.account().role != Role::Superadmin).then(|| who.account().no);
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let asked: Option<AccountNo> = agent_asked(&desk, &query)?;
    let no = asked.or(own).ok_or_else(|| {
        ApiError::because(ErrorCode::BadField, "agent_id is required").of_field("agent_id")
    })?;
    let account = desk.account(&app, no).await?;
    Ok(Json(agent(desk.company(), &account)))
}
