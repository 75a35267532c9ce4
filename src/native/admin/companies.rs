//! `/v1/companies`, `/v1/plans` and `/v1/audit`: what those who run the installation keep. An admin
//! reads their own company.
//!
//! Never: shows a password but the one it has just made.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::companies::{CompanyCard, CompanyCardChange};
use frontdesk_protocol::{CompanyId, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::Owner;
use super::shape::{
    AfterQuery, AuditPage, BeforeQuery, MadeAccount, ShownCompany, ShownPlan, made_account,
    shown_company, shown_plan,
};
use crate::app::App;
use crate::http::fields::present;
use crate::http::openapi::{Governed, GovernedBody};
use crate::http::{ApiError, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::identity::companies::NewCompany;
use crate::identity::scope::{CompanyScope, InstallationScope, LoggedIn};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(read, change, close))
        .routes(routes!(assign_plan))
        .routes(routes!(list_plans, create_plan))
        .routes(routes!(audit))
}

/// A part of the companies, in the order they were made, closed ones among them.
#[derive(Serialize, ToSchema)]
struct CompanyPage {
    companies: Vec<ShownCompany>,
    /// `after` of the next page; null on the last.
    next: Option<u64>,
    /// All there are.
    count: u64,
}

/// The companies.
#[utoipa::path(
    get,
    path = "/v1/companies",
    tag = "companies",
    operation_id = "companies_list",
    security(("bearer" = [])),
    params(AfterQuery),
    responses((status = 200, description = "a page", body = CompanyPage), Governed),
)]
async fn list(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    QueryOf(query): QueryOf<AfterQuery>,
) -> Result<Json<CompanyPage>, ApiError> {
    let (after, limit) = (query.after(), query.read_count());
    let read = scope.records_after(&app, after, limit).await?;
    let count = scope.company_count(&app).await?;
    let (companies, next) = query.page(&read, |record| record.no, shown_company);
    Ok(Json(CompanyPage {
        companies,
        next,
        count,
    }))
}

/// A company that is to be made.
#[derive(Deserialize, ToSchema)]
struct WantedCompany {
    /// Absent for three letters of the name and a number.
    #[schema(max_length = 64)]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    email: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    address: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    contact_person: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    contact_number: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    phone_number: String,
    /// The plan it is on.
    plan: Option<u64>,
    /// Its first admin.
    admin: Option<Owner>,
}

/// A company that was just made.
#[derive(Serialize, ToSchema)]
struct MadeCompany {
    company: ShownCompany,
    /// Where one was wanted.
    admin: Option<MadeAccount>,
}

/// Makes a company, and its first admin where one is named.
#[utoipa::path(
    post,
    path = "/v1/companies",
    tag = "companies",
    operation_id = "companies_create",
    security(("bearer" = [])),
    request_body = WantedCompany,
    responses(
        (status = 201, description = "made", body = MadeCompany),
        (status = 409, description = "the id or the admin's address is taken", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn create(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(wanted): JsonBody<WantedCompany>,
) -> Result<Response, ApiError> {
    let id: Option<CompanyId> = wanted.id.map(|id| id.parse()).transpose().map_err(bad_id)?;
    let new = NewCompany {
        id,
        card: CompanyCard {
            name: wanted.name.into(),
            email: wanted.email.into(),
            address: wanted.address.into(),
            contact_person: wanted.contact_person.into(),
            contact_number: wanted.contact_number.into(),
            phone_number: wanted.phone_number.into(),
        },
        plan: wanted.plan,
    };
    let (record, admin) = match wanted.admin {
        None => (scope.create_company(&app, new).await?, None),
        Some(owner) => {
            let made = scope.create_with_admin(&app, new, owner.card(), true);
            let (record, account, password) = made.await?;
            (record, Some(made_account(&(account, password))))
        }
    };
    let record = scope.record(&app, record.id.as_str()).await?;
    let company = shown_company(&record);
    let body = MadeCompany { company, admin };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn bad_id(why: impl std::fmt::Display) -> ApiError {
    ApiError::because(ErrorCode::BadField, format!("id: {why}"))
}

/// A company; `me` is the caller's own.
#[utoipa::path(
    get,
    path = "/v1/companies/{id}",
    tag = "companies",
    operation_id = "companies_read",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64)),
    responses((status = 200, description = "the company", body = ShownCompany), Governed),
)]
async fn read(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
) -> Result<Json<ShownCompany>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    Ok(Json(shown_company(&scope.record(&app).await?)))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
struct CompanyPatch {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 255)]
    email: Option<String>,
    #[schema(max_length = 255)]
    address: Option<String>,
    #[schema(max_length = 255)]
    contact_person: Option<String>,
    #[schema(max_length = 255)]
    contact_number: Option<String>,
    #[schema(max_length = 255)]
    phone_number: Option<String>,
    /// True closes the company, false opens it again.
    is_closed: Option<bool>,
}

/// Changes a company.
#[utoipa::path(
    patch,
    path = "/v1/companies/{id}",
    tag = "companies",
    operation_id = "companies_change",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64)),
    request_body = CompanyPatch,
    responses(
        (status = 200, description = "as it is now", body = ShownCompany),
        GovernedBody,
    ),
)]
async fn change(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<String>,
    JsonBody(patch): JsonBody<CompanyPatch>,
) -> Result<Json<ShownCompany>, ApiError> {
    let record = scope.record(&app, &id).await?;
    let change = CompanyCardChange {
        name: patch.name.map(Into::into),
        email: patch.email.map(Into::into),
        address: patch.address.map(Into::into),
        contact_person: patch.contact_person.map(Into::into),
        contact_number: patch.contact_number.map(Into::into),
        phone_number: patch.phone_number.map(Into::into),
    };
    scope.change_company(&app, &record, change, None).await?;
    if let Some(is_closed) = patch.is_closed {
        scope.set_closed(&app, &record, is_closed).await?;
    }
    let record = scope.record(&app, &id).await?;
    Ok(Json(shown_company(&record)))
}

/// Closes a company: nobody speaks for it any more, and what it has stays.
#[utoipa::path(
    delete,
    path = "/v1/companies/{id}",
    tag = "companies",
    operation_id = "companies_close",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64)),
    responses((status = 204, description = "closed"), Governed),
)]
async fn close(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    let record = scope.record(&app, &id).await?;
    scope.set_closed(&app, &record, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The plan that a company is put on.
#[derive(Deserialize, ToSchema)]
struct PlanOfCompany {
    /// Its number; null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, required)]
    plan: Option<Option<u64>>,
}

/// Puts a company on a plan, or on none.
#[utoipa::path(
    put,
    path = "/v1/companies/{id}/plan",
    tag = "companies",
    operation_id = "companies_assign_plan",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64)),
    request_body = PlanOfCompany,
    responses(
        (status = 200, description = "as it is now", body = ShownCompany),
        GovernedBody,
    ),
)]
async fn assign_plan(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<String>,
    JsonBody(choice): JsonBody<PlanOfCompany>,
) -> Result<Json<ShownCompany>, ApiError> {
    let plan = choice.plan.ok_or_else(|| {
        let why = "plan: is missing; null for none";
        ApiError::because(ErrorCode::BadField, why)
    })?;
    let record = scope.record(&app, &id).await?;
    scope.assign_plan(&app, &record, plan).await?;
    let record = scope.record(&app, &id).await?;
    Ok(Json(shown_company(&record)))
}

/// All plans.
#[derive(Serialize, ToSchema)]
struct PlanList {
    plans: Vec<ShownPlan>,
}

/// The plans, at most the first thousand.
#[utoipa::path(
    get,
    path = "/v1/plans",
    tag = "companies",
    operation_id = "plans_list",
    security(("bearer" = [])),
    responses((status = 200, description = "all of them", body = PlanList), Governed),
)]
async fn list_plans(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
) -> Result<Json<PlanList>, ApiError> {
    let plans = scope.plans(&app).await?;
    let plans = plans.iter().map(shown_plan).collect();
    Ok(Json(PlanList { plans }))
}

/// A plan that is to be made.
#[derive(Deserialize, ToSchema)]
struct WantedPlan {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Agents a company on it may have.
    agent_count_max: u32,
    /// As text: `49.00`.
    #[serde(default)]
    #[schema(max_length = 255)]
    price: String,
}

/// Makes a plan.
#[utoipa::path(
    post,
    path = "/v1/plans",
    tag = "companies",
    operation_id = "plans_create",
    security(("bearer" = [])),
    request_body = WantedPlan,
    responses((status = 201, description = "made", body = ShownPlan), GovernedBody),
)]
async fn create_plan(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(wanted): JsonBody<WantedPlan>,
) -> Result<Response, ApiError> {
    let count = wanted.agent_count_max;
    let made = scope.create_plan(&app, &wanted.name, count, &wanted.price);
    let body = shown_plan(&made.await?);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What was done to companies, plans and those who run the installation, the newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "companies",
    operation_id = "companies_audit",
    security(("bearer" = [])),
    params(BeforeQuery),
    responses((status = 200, description = "a page", body = AuditPage), Governed),
)]
async fn audit(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    QueryOf(query): QueryOf<BeforeQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let read = scope.audit(&app, query.before(), query.read_count());
    Ok(Json(query.page(&read.await?)))
}
