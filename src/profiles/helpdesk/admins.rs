//! Companies, each with its first admin, which these clients name as one; and plans. For those who
//! run the installation.
//!
//! Invariant: an admin's e-mail address is reserved before the company is made, so that a company
//! without an admin does not come of an address that is taken.
//! Never: shows a password but the one it has just made.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_actors::Answer;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::{
    CompaniesCommand, CompanyCard, CompanyCardChange, CompanyRecord,
};
use frontdesk_protocol::staff::{StaffCard, StaffCardChange, StaffCommand};
use frontdesk_protocol::{AccountNo, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Numbered, PageQuery};
use super::shape::{AdminBody, PlanBody, admin, admin_no, plan};
use crate::app::App;
use crate::auth::passwords::Password;
use crate::http::openapi::BehindToken;
use crate::http::{ApiError, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::identity::scope::InstallationScope;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(update, patch))
        .routes(routes!(delete))
        .routes(routes!(create_plan))
        .routes(routes!(list_plans))
}

const LIST_PATH: &str = "/api/auth/list-admins/";

/// A company and its first admin.
#[derive(Deserialize, ToSchema)]
struct NewAdmin {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What the admin logs in with.
    #[schema(min_length = 3, max_length = 254)]
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
    plan_id: Option<u64>,
}

/// What was made, and the password that nobody can read again.
#[derive(Serialize, ToSchema)]
struct MadeAdmin {
    id: u64,
    name: String,
    email: String,
    password: String,
    company_id: String,
    plan: Option<PlanBody>,
}

/// Makes a company and its first admin.
#[utoipa::path(
    post,
    path = "/api/auth/create-admin",
    tag = "companies",
    operation_id = "companies_create_admin",
    security(("bearer" = [])),
    request_body = NewAdmin,
    responses(
        (status = 201, description = "made", body = MadeAdmin),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 404, description = "no such plan", body = ErrorBody),
        (status = 409, description = "the address is taken", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn create(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(new): JsonBody<NewAdmin>,
) -> Result<Response, ApiError> {
    let email: Arc<str> = new.email.trim().into();
    let password = Password::generate();
    let card = StaffCard {
        name: new.name.as_str().into(),
        email: Arc::clone(&email),
        phone: new.phone_number.as_str().into(),
        ..StaffCard::default()
    };
    let account = app.prepare(Role::Admin, card, &password, false).await?;
    let reservation = app.reserve(&email).await?;
    let create = CompaniesCommand::CreateCompany {
        id: None,
        card: CompanyCard {
            name: new.name.as_str().into(),
            email,
            address: new.address.into(),
            contact_person: new.contact_person.into(),
            contact_number: new.contact_number.into(),
            phone_number: new.phone_number.into(),
        },
        plan: new.plan_id,
    };
    let made = match app.tell_companies(scope.principal(), create).await {
        Ok(made) => made,
        Err(error) => {
            // Also where nobody knows: a company without an admin is no reason to keep an address.
            app.give_back(reservation).await;
            return Err(error);
        }
    };
    let Answer::Numbered { number, .. } = made else {
        return Err(ApiError::new(ErrorCode::Internal));
    };
    let record = app.node.company_by_no(number).await;
    let record = record.map_err(|error| ApiError::fault(&error))?;
    let record = record.ok_or_else(|| ApiError::new(ErrorCode::Unavailable))?;
    let company = scope.company(&app, &record.id).await?;
    let made = app
        .add_account(company.company(), company.principal(), account, reservation)
        .await?;
    let plans = app.node.plans().await;
    let plans = plans.map_err(|error| ApiError::fault(&error))?;
    let shown = plans.iter().find(|plan| record.plan == Some(plan.no));
    let body = MadeAdmin {
        id: made.no.0,
        name: record.card.name.to_string(),
        email: record.card.email.to_string(),
        password: password.expose().to_owned(),
        company_id: record.id.to_string(),
        plan: shown.map(plan),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Which one is wanted, where only one is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OneQuery {
    /// The admin's id: the answer is that one alone.
    admin_id: Option<u64>,
}

/// A page, or one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum AdminsBody {
    Page(Numbered<AdminBody>),
    One(Box<AdminBody>),
}

/// Companies with their first admins.
#[utoipa::path(
    get,
    path = "/api/auth/list-admins",
    tag = "companies",
    operation_id = "companies_list_admins",
    security(("bearer" = [])),
    params(OneQuery, PageQuery),
    responses(
        (status = 200, description = "a page, or the one that was asked for", body = AdminsBody),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 404, description = "no such admin", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    _scope: InstallationScope,
    QueryOf(one): QueryOf<OneQuery>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<AdminsBody>, ApiError> {
    let plans = app.node.plans().await;
    let plans = plans.map_err(|error| ApiError::fault(&error))?;
    if let Some(id) = one.admin_id {
        let record = find(&app, id).await?;
        return Ok(Json(AdminsBody::One(Box::new(admin(&record, &plans)))));
    }
    let mut records = every_company(&app).await?;
    records
        .retain(|record| query.finds(&[&record.card.name, &record.card.email, record.id.as_str()]));
    if let Some((field, is_reverse)) = query.order() {
        records.sort_by(|one, two| match is_reverse {
            true => compare(field, two, one),
            false => compare(field, one, two),
        });
    }
    let page = query.cut(LIST_PATH, records, |record| admin(record, &plans));
    Ok(Json(AdminsBody::Page(page)))
}

/// In the order they were made where a field is unknown.
fn compare(field: &str, one: &CompanyRecord, two: &CompanyRecord) -> Ordering {
    match field {
        "name" => one.card.name.cmp(&two.card.name),
        "email" => one.card.email.cmp(&two.card.email),
        "company_id" => one.id.cmp(&two.id),
        _ => one.no.cmp(&two.no),
    }
}

async fn every_company(app: &Arc<App>) -> Result<Vec<CompanyRecord>, ApiError> {
    const COUNT: usize = 1_000;
    let mut all: Vec<CompanyRecord> = Vec::new();
    loop {
        let after = all.last().map_or(0, |record| record.no);
        let page = app.node.companies_after(after, COUNT).await;
        let page = page.map_err(|error| ApiError::fault(&error))?;
        let is_last = page.len() < COUNT;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// The company whose first admin this is.
async fn find(app: &Arc<App>, id: u64) -> Result<CompanyRecord, ApiError> {
    let no = AccountNo(id);
    let record = app.node.company_by_no(no.company_no()).await;
    let record = record.map_err(|error| ApiError::fault(&error))?;
    let found = record.filter(|record| admin_no(record) == no);
    found.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such admin"))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
struct AdminChange {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 255)]
    address: Option<String>,
    #[schema(max_length = 255)]
    contact_person: Option<String>,
    #[schema(max_length = 255)]
    contact_number: Option<String>,
    #[schema(max_length = 255)]
    phone_number: Option<String>,
    /// Another plan.
    plan_id: Option<u64>,
}

/// Changes what is known of a company and its first admin.
#[utoipa::path(
    put,
    path = "/api/auth/update-admin/{id}",
    tag = "companies",
    operation_id = "companies_update_admin",
    security(("bearer" = [])),
    params(("id" = u64, Path)),
    request_body = AdminChange,
    responses(
        (status = 200, description = "as it is now", body = AdminBody),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 404, description = "no such admin", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn update(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<u64>,
    JsonBody(change): JsonBody<AdminChange>,
) -> Result<Json<AdminBody>, ApiError> {
    let record = find(&app, id).await?;
    let text = |text: Option<String>| text.map(Arc::<str>::from);
    let (name, phone) = (text(change.name), text(change.phone_number));
    let command = CompaniesCommand::ChangeCompany {
        id: record.id.clone(),
        change: CompanyCardChange {
            name: name.clone(),
            email: None,
            address: text(change.address),
            contact_person: text(change.contact_person),
            contact_number: text(change.contact_number),
            phone_number: phone.clone(),
        },
    };
    app.tell_companies(scope.principal(), command).await?;
    if let Some(plan) = change.plan_id {
        let (id, plan) = (record.id.clone(), Some(plan));
        let assign = CompaniesCommand::AssignPlan { id, plan };
        app.tell_companies(scope.principal(), assign).await?;
    }
    let account = admin_no(&record);
    let found = app.node.account(&record.id, account).await;
    let found = found.map_err(|error| ApiError::fault(&error))?;
    if found.is_some_and(|account| account.role == Role::Admin) {
        let company = scope.company(&app, &record.id).await?;
        let change = StaffCardChange {
            name,
            phone,
            specialization: None,
        };
        app.govern(&company, StaffCommand::ChangeAccount { account, change })
            .await?;
    }
    let record = find(&app, id).await?;
    let plans = app.node.plans().await;
    let plans = plans.map_err(|error| ApiError::fault(&error))?;
    Ok(Json(admin(&record, &plans)))
}

/// The same, for clients that say PATCH.
#[utoipa::path(
    patch,
    path = "/api/auth/update-admin/{id}",
    tag = "companies",
    operation_id = "companies_patch_admin",
    security(("bearer" = [])),
    params(("id" = u64, Path)),
    request_body = AdminChange,
    responses(
        (status = 200, description = "as it is now", body = AdminBody),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 404, description = "no such admin", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn patch(
    app: State<Arc<App>>,
    scope: InstallationScope,
    id: PathOf<u64>,
    change: JsonBody<AdminChange>,
) -> Result<Json<AdminBody>, ApiError> {
    update(app, scope, id, change).await
}

/// Whose company was closed.
#[derive(Serialize, ToSchema)]
struct DeletedAdmin {
    id: u64,
    name: String,
    email: String,
    company_id: String,
}

/// It was done.
#[derive(Serialize, ToSchema)]
struct Deleted {
    message: &'static str,
    deleted_admin: DeletedAdmin,
}

/// Takes an admin away and closes the company: nobody speaks for it any more, and its conversations
/// stay.
#[utoipa::path(
    delete,
    path = "/api/auth/delete-admin/{id}",
    tag = "companies",
    operation_id = "companies_delete_admin",
    security(("bearer" = [])),
    params(("id" = u64, Path)),
    responses(
        (status = 200, description = "done", body = Deleted),
        (status = 400, description = "the id does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 404, description = "no such admin", body = ErrorBody),
        BehindToken,
    ),
)]
async fn delete(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<u64>,
) -> Result<Json<Deleted>, ApiError> {
    let record = find(&app, id).await?;
    let close = CompaniesCommand::CloseCompany {
        id: record.id.clone(),
        is_closed: true,
    };
    app.tell_companies(scope.principal(), close).await?;
    let account = admin_no(&record);
    let company = scope.company(&app, &record.id).await?;
    let found = app.node.account(&record.id, account).await;
    let found = found.map_err(|error| ApiError::fault(&error))?;
    // Not there a second time, nor in a company that the settings made.
    if found.is_some_and(|account| account.role == Role::Admin) {
        app.govern(&company, StaffCommand::RemoveAccount { account })
            .await?;
    }
    Ok(Json(Deleted {
        message: "Admin deleted and company closed",
        deleted_admin: DeletedAdmin {
            id,
            name: record.card.name.to_string(),
            email: record.card.email.to_string(),
            company_id: record.id.to_string(),
        },
    }))
}

/// A plan that is to be made.
#[derive(Deserialize, ToSchema)]
struct NewPlan {
    #[schema(min_length = 1, max_length = 255)]
    plan_name: String,
    max_agents: u32,
    /// As text: `49.00`.
    #[serde(default)]
    #[schema(max_length = 255)]
    price: String,
}

/// Makes a plan.
#[utoipa::path(
    post,
    path = "/api/auth/create-plan",
    tag = "companies",
    operation_id = "companies_create_plan",
    security(("bearer" = [])),
    request_body = NewPlan,
    responses(
        (status = 201, description = "made", body = PlanBody),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn create_plan(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(new): JsonBody<NewPlan>,
) -> Result<Response, ApiError> {
    let create = CompaniesCommand::CreatePlan {
        name: new.plan_name.as_str().into(),
        agent_count_max: new.max_agents,
        price: new.price.as_str().into(),
    };
    let made = app.tell_companies(scope.principal(), create).await?;
    let Answer::Numbered { number, .. } = made else {
        return Err(ApiError::new(ErrorCode::Internal));
    };
    let made = app.node.plan(number).await;
    let made = made.map_err(|error| ApiError::fault(&error))?;
    let made = made.ok_or_else(|| ApiError::new(ErrorCode::Unavailable))?;
    Ok((StatusCode::CREATED, Json(plan(&made))).into_response())
}

/// Every plan.
#[utoipa::path(
    get,
    path = "/api/auth/list-plans",
    tag = "companies",
    operation_id = "companies_list_plans",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "all of them", body = Vec<PlanBody>),
        (status = 403, description = "not one who runs the installation", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list_plans(
    State(app): State<Arc<App>>,
    _scope: InstallationScope,
) -> Result<Json<Vec<PlanBody>>, ApiError> {
    let plans = app.node.plans().await;
    let plans = plans.map_err(|error| ApiError::fault(&error))?;
    Ok(Json(plans.iter().map(plan).collect()))
}
