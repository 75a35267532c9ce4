//! A company's agents, for its admins; and an agent's own status.
//!
//! Never: acts for a company that the caller has not proven.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::staff::{Account, Availability, StaffCard, StaffCardChange};
use frontdesk_protocol::{AccountNo, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{AgentBody, ListedAgent, agent, listed_agent};
use crate::app::App;
use crate::http::openapi::{Governed, GovernedBody};
use crate::http::{ApiError, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::identity::scope::{CompanyScope, LoggedIn, check_named};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(update))
        .routes(routes!(delete))
        .routes(routes!(reset_password))
        .routes(routes!(set_status))
}

/// For which company, where the token does not say.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CompanyQuery {
    /// Needed for those who run the installation; others have one.
    #[param(max_length = 64)]
    company_id: Option<String>,
}

/// An agent that is to be made.
#[derive(Deserialize, ToSchema)]
struct NewAgent {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What the agent logs in with.
    #[schema(min_length = 3, max_length = 254)]
    email: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    phone: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    specialization: String,
    /// As in the query.
    #[schema(max_length = 64)]
    company_id: Option<String>,
}

/// What was made, and the password that nobody can read again.
#[derive(Serialize, ToSchema)]
struct MadeAgent {
    email: String,
    password: String,
    agent: AgentBody,
}

/// Makes an agent with a password that must be changed at the first login.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/create-agent",
    tag = "agents",
    operation_id = "agents_create",
    security(("bearer" = [])),
    params(CompanyQuery),
    request_body = NewAgent,
    responses(
        (status = 201, description = "made", body = MadeAgent),
        (status = 409, description = "the address is taken, or the plan is full", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn create(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<CompanyQuery>,
    JsonBody(new): JsonBody<NewAgent>,
) -> Result<Response, ApiError> {
    let scope = scope_of(&app, who, &query, new.company_id.as_deref()).await?;
    let card = StaffCard {
        name: new.name.into(),
        email: new.email.trim().into(),
        phone: new.phone.into(),
        specialization: new.specialization.into(),
    };
    let made = scope.create_account(&app, Role::Agent, card, true).await;
    let (account, password) = made?;
    let body = MadeAgent {
        email: account.card.email.to_string(),
        password: password.expose().to_owned(),
        agent: agent(scope.company(), &account),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// The company of a query and of a body: both name the same, if they name one.
async fn scope_of(
    app: &Arc<App>,
    who: LoggedIn,
    query: &CompanyQuery,
    in_body: Option<&str>,
) -> Result<CompanyScope, ApiError> {
    let named = query.company_id.as_deref().or(in_body);
    let scope = CompanyScope::resolve(app, who, named).await?;
    check_named(scope.company(), in_body)?;
    Ok(scope)
}

/// An agent of the company.
async fn agent_of(
    app: &Arc<App>,
    scope: &CompanyScope,
    no: AccountNo,
) -> Result<Account, ApiError> {
    let found = scope.account(app, no).await?;
    let agent = found.filter(|account| account.role == Role::Agent);
    agent.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such agent"))
}

/// A company's agents.
#[utoipa::path(
    get,
    path = "/api/admin-dashboard/list-agents",
    tag = "agents",
    operation_id = "agents_list",
    security(("bearer" = [])),
    params(CompanyQuery),
    responses(
        (status = 200, description = "all of them", body = Vec<ListedAgent>),
        Governed,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<CompanyQuery>,
) -> Result<Json<Vec<ListedAgent>>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let accounts = scope.accounts(&app).await?;
    let agents = accounts
        .iter()
        .filter(|account| account.role == Role::Agent);
    let listed = agents
        .enumerate()
        .map(|(index, account)| listed_agent(index + 1, scope.company(), account));
    Ok(Json(listed.collect()))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
struct AgentChange {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 255)]
    phone: Option<String>,
    #[schema(max_length = 255)]
    specialization: Option<String>,
}

/// Changes what is known of an agent.
#[utoipa::path(
    put,
    path = "/api/admin-dashboard/update-agent/{id}",
    tag = "agents",
    operation_id = "agents_update",
    security(("bearer" = [])),
    params(("id" = u64, Path), CompanyQuery),
    request_body = AgentChange,
    responses(
        (status = 200, description = "as it is now", body = AgentBody),
        GovernedBody,
    ),
)]
async fn update(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<u64>,
    QueryOf(query): QueryOf<CompanyQuery>,
    JsonBody(change): JsonBody<AgentChange>,
) -> Result<Json<AgentBody>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let account = agent_of(&app, &scope, AccountNo(id)).await?.no;
    let change = StaffCardChange {
        name: change.name.map(Into::into),
        phone: change.phone.map(Into::into),
        specialization: change.specialization.map(Into::into),
    };
    scope.change_account(&app, account, change).await?;
    let account = agent_of(&app, &scope, account).await?;
    Ok(Json(agent(scope.company(), &account)))
}

/// It was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentDone)]
struct Done {
    message: &'static str,
}

/// Takes an agent away; every login of theirs ends.
#[utoipa::path(
    delete,
    path = "/api/admin-dashboard/delete-agent/{id}",
    tag = "agents",
    operation_id = "agents_delete",
    security(("bearer" = [])),
    params(("id" = u64, Path), CompanyQuery),
    responses(
        (status = 200, description = "done", body = Done),
        Governed,
    ),
)]
async fn delete(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<u64>,
    QueryOf(query): QueryOf<CompanyQuery>,
) -> Result<Json<Done>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let account = agent_of(&app, &scope, AccountNo(id)).await?.no;
    scope.remove_account(&app, account).await?;
    let message = "Agent deleted";
    Ok(Json(Done { message }))
}

/// Whose password is made anew.
#[derive(Deserialize, ToSchema)]
struct ResetBody {
    agent_id: u64,
    /// As in the query.
    #[schema(max_length = 64)]
    company_id: Option<String>,
}

/// The new password, which nobody can read again.
#[derive(Serialize, ToSchema)]
struct ResetAnswer {
    message: &'static str,
    email: String,
    new_password: String,
}

/// Gives an agent a new password that must be changed at the next login; every login ends.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/reset-agent-password",
    tag = "agents",
    operation_id = "agents_reset_password",
    security(("bearer" = [])),
    params(CompanyQuery),
    request_body = ResetBody,
    responses(
        (status = 200, description = "done", body = ResetAnswer),
        GovernedBody,
    ),
)]
async fn reset_password(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<CompanyQuery>,
    JsonBody(body): JsonBody<ResetBody>,
) -> Result<Json<ResetAnswer>, ApiError> {
    let scope = scope_of(&app, who, &query, body.company_id.as_deref()).await?;
    let account = agent_of(&app, &scope, AccountNo(body.agent_id)).await?;
    let password = scope.reset_password(&app, account.no).await?;
    Ok(Json(ResetAnswer {
        message: "Password reset",
        email: account.card.email.to_string(),
        new_password: password.expose().to_owned(),
    }))
}

/// Whether the caller takes conversations.
#[derive(Deserialize, ToSchema)]
struct StatusBody {
    /// `AVAILABLE`, `BUSY` or `OFFLINE`.
    #[schema(max_length = 32)]
    status: String,
    /// Needed for nobody; another than the caller's is refused.
    #[schema(max_length = 64)]
    company_id: Option<String>,
}

/// Says whether the caller takes conversations: one's own status and nobody else's.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/update-agent-status",
    tag = "agents",
    operation_id = "agents_set_status",
    security(("bearer" = [])),
    request_body = StatusBody,
    responses(
        (status = 200, description = "as it is now", body = AgentBody),
        GovernedBody,
    ),
)]
async fn set_status(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Json<AgentBody>, ApiError> {
    let availability = Availability::parse(&body.status).ok_or_else(|| {
        let why = "status is none of AVAILABLE, BUSY, OFFLINE";
        ApiError::because(ErrorCode::BadField, why).of_field("status")
    })?;
    check_named(who.company(), body.company_id.as_deref())?;
    if who.account().role != Role::Agent {
        return Err(ApiError::new(ErrorCode::Forbidden));
    }
    let account = app.set_availability(&who, availability).await?;
    Ok(Json(agent(who.company(), &account)))
}
