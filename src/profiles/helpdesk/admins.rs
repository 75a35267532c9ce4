//! Companies, each with its first admin, which these clients name as one; and plans. For those who
//! run the installation.
//!
//! Invariant: a page reads the companies it shows and no others, unless something is searched for
//! or another order is wanted.
//! Never: shows a password but the one it has just made.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::{CompanyCard, CompanyCardChange, CompanyRecord};
use frontdesk_protocol::staff::{StaffCard, StaffCardChange};
use frontdesk_protocol::{AccountNo, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Numbered, PageQuery};
use super::shape::{AdminBody, PlanBody, admin, plan};
use crate::app::App;
use crate::http::fields::present;
use crate::http::openapi::{BehindToken, Governed, GovernedBody};
use crate::http::{ApiError, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::identity::companies::{NewCompany, admin_no};
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
        (status = 409, description = "the address is taken", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn create(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(new): JsonBody<NewAdmin>,
) -> Result<Response, ApiError> {
    let email: Arc<str> = new.email.trim().into();
    let card = StaffCard {
        name: new.name.as_str().into(),
        email: Arc::clone(&email),
        phone: new.phone_number.as_str().into(),
        ..StaffCard::default()
    };
    let company = NewCompany {
        id: None,
        card: CompanyCard {
            name: new.name.into(),
            email,
            address: new.address.into(),
            contact_person: new.contact_person.into(),
            contact_number: new.contact_number.into(),
            phone_number: new.phone_number.into(),
        },
        plan: new.plan_id,
    };
    let made = scope.create_with_admin(&app, company, card, false).await;
    let (record, account, password) = made?;
    let plans = scope.plans(&app).await?;
    let shown = plans.iter().find(|plan| record.plan == Some(plan.no));
    let body = MadeAdmin {
        id: account.no.0,
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
        Governed,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    QueryOf(one): QueryOf<OneQuery>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<AdminsBody>, ApiError> {
    let plans = scope.plans(&app).await?;
    let show = |record: &CompanyRecord| admin(record, &plans);
    if let Some(id) = one.admin_id {
        let record = find(&app, &scope, id).await?;
        return Ok(Json(AdminsBody::One(Box::new(show(&record)))));
    }
    if let Some(is_reverse) = query.is_as_made(&ORDERED_BY) {
        let (count, records) = as_made(&app, &scope, query.range(), is_reverse).await?;
        let shown = records.iter().map(show).collect();
        let page = query.page(LIST_PATH, count, shown);
        return Ok(Json(AdminsBody::Page(page)));
    }
    let mut records = every_company(&app, &scope).await?;
    records
        .retain(|record| query.finds(&[&record.card.name, &record.card.email, record.id.as_str()]));
    if let Some((field, is_reverse)) = query.order() {
        records.sort_by(|one, two| match is_reverse {
            true => compare(field, two, one),
            false => compare(field, one, two),
        });
    }
    let page = query.cut(LIST_PATH, records, show);
    Ok(Json(AdminsBody::Page(page)))
}

/// Fields that order companies otherwise than they were made.
const ORDERED_BY: [&str; 3] = ["name", "email", "company_id"];

/// How many companies there are, and those of a page. Numbers have no gap, so a page is some of
/// them.
async fn as_made(
    app: &Arc<App>,
    scope: &InstallationScope,
    (from, size): (usize, usize),
    is_reverse: bool,
) -> Result<(usize, Vec<CompanyRecord>), ApiError> {
    let count = usize::try_from(scope.company_count(app).await?).unwrap_or(usize::MAX);
    let size = size.min(count.saturating_sub(from));
    let after = match is_reverse {
        true => count.saturating_sub(from + size),
        false => from,
    };
    let mut records = match size {
        0 => Vec::new(),
        _ => scope.records_after(app, after as u64, size).await?,
    };
    if is_reverse {
        records.reverse();
    }
    Ok((count, records))
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

async fn every_company(
    app: &Arc<App>,
    scope: &InstallationScope,
) -> Result<Vec<CompanyRecord>, ApiError> {
    const COUNT: usize = 1_000;
    let mut all: Vec<CompanyRecord> = Vec::new();
    loop {
        let after = all.last().map_or(0, |record| record.no);
        let page = scope.records_after(app, after, COUNT).await?;
        let is_last = page.len() < COUNT;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// The company whose first admin this is; one that has none yet goes by its first number.
async fn find(
    app: &Arc<App>,
    scope: &InstallationScope,
    id: u64,
) -> Result<CompanyRecord, ApiError> {
    let no = AccountNo(id);
    let record = scope.record_of_no(app, no.company_no()).await?;
    let found = record.filter(|record| admin_no(record) == no || no.number() == 1);
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
    /// Another plan; null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>)]
    plan_id: Option<Option<u64>>,
    /// Makes an admin for a company that has none; of another admin it is not changed.
    #[schema(max_length = 254)]
    email: Option<String>,
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
        GovernedBody,
    ),
)]
async fn update(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<u64>,
    JsonBody(change): JsonBody<AdminChange>,
) -> Result<Json<AdminBody>, ApiError> {
    let record = find(&app, &scope, id).await?;
    let text = |text: Option<String>| text.map(Arc::<str>::from);
    let (name, phone) = (text(change.name), text(change.phone_number));
    let of_company = CompanyCardChange {
        name: name.clone(),
        email: None,
        address: text(change.address),
        contact_person: text(change.contact_person),
        contact_number: text(change.contact_number),
        phone_number: phone.clone(),
    };
    scope
        .change_company(&app, &record, of_company, change.plan_id)
        .await?;
    let company = scope.company(&record);
    let mut password = None;
    match (company.admin(&app).await?, change.email) {
        (Some(account), _) => {
            let change = StaffCardChange {
                name,
                phone,
                specialization: None,
            };
            company.change_account(&app, account.no, change).await?;
        }
        (None, Some(email)) => {
            let card = StaffCard {
                name: name.unwrap_or_else(|| Arc::clone(&record.card.name)),
                email: email.trim().into(),
                phone: phone.unwrap_or_default(),
                ..StaffCard::default()
            };
            let made = company.create_account(&app, Role::Admin, card, false);
            password = Some(made.await?.1.expose().to_owned());
        }
        (None, None) => {}
    }
    let record = scope.record(&app, record.id.as_str()).await?;
    let mut shown = admin(&record, &scope.plans(&app).await?);
    shown.password = password;
    Ok(Json(shown))
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
        GovernedBody,
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
        Governed,
    ),
)]
async fn delete(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    PathOf(id): PathOf<u64>,
) -> Result<Json<Deleted>, ApiError> {
    let record = find(&app, &scope, id).await?;
    scope.set_closed(&app, &record, true).await?;
    // Not there a second time, nor in a company that the settings made.
    let company = scope.company(&record);
    if let Some(account) = company.admin(&app).await? {
        company.remove_account(&app, account.no).await?;
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
        GovernedBody,
    ),
)]
async fn create_plan(
    State(app): State<Arc<App>>,
    scope: InstallationScope,
    JsonBody(new): JsonBody<NewPlan>,
) -> Result<Response, ApiError> {
    let made = scope.create_plan(&app, &new.plan_name, new.max_agents, &new.price);
    let made = made.await?;
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
    scope: InstallationScope,
) -> Result<Json<Vec<PlanBody>>, ApiError> {
    let plans = scope.plans(&app).await?;
    Ok(Json(plans.iter().map(plan).collect()))
}
