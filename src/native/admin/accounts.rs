//! `/v1/companies/{id}/accounts`: a company's accounts, for its admins and for those who run the
//! installation, and what was done to them.
//!
//! Never: shows a password but the one it has just made.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_actors::check_card;
use frontdesk_protocol::staff::{Account, StaffCard, StaffCardChange};
use frontdesk_protocol::{AccountNo, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{
    AfterQuery, AuditPage, BeforeQuery, MadeAccount, ShownAccount, made_account, role_of,
    shown_account,
};
use crate::app::App;
use crate::http::openapi::{Governed, GovernedBody};
use crate::http::{ApiError, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::identity::scope::{CompanyScope, LoggedIn};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(read, change, remove))
        .routes(routes!(reset_password))
        .routes(routes!(audit))
}

/// A part of a company's accounts, in the order they were made.
#[derive(Serialize, ToSchema)]
struct AccountPage {
    accounts: Vec<ShownAccount>,
    /// `after` of the next page; null on the last.
    next: Option<u64>,
}

/// A company's accounts.
#[utoipa::path(
    get,
    path = "/v1/companies/{id}/accounts",
    tag = "accounts",
    operation_id = "accounts_list",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), AfterQuery),
    responses((status = 200, description = "a page", body = AccountPage), Governed),
)]
async fn list(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<AfterQuery>,
) -> Result<Json<AccountPage>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let (after, count) = (AccountNo(query.after()), query.read_count());
    let read = scope.accounts_after(&app, after, count).await?;
    let (accounts, next) = query.page(&read, |account| account.no.0, shown_account);
    Ok(Json(AccountPage { accounts, next }))
}

/// An account that is to be made.
#[derive(Deserialize, ToSchema)]
struct WantedAccount {
    /// `agent`; for those who run the installation also `admin`, and `superadmin` in their own.
    #[schema(max_length = 16)]
    role: String,
    #[serde(flatten)]
    owner: Owner,
}

/// Whose account it is.
#[derive(Deserialize, ToSchema)]
pub(super) struct Owner {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What they log in with.
    #[schema(min_length = 3, max_length = 254)]
    email: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    phone: String,
    #[serde(default)]
    #[schema(max_length = 255)]
    specialization: String,
}

impl Owner {
    pub(super) fn card(self) -> StaffCard {
        StaffCard {
            name: self.name.into(),
            email: self.email.trim().into(),
            phone: self.phone.into(),
            specialization: self.specialization.into(),
        }
    }
}

/// Makes an account, with a password that must be changed at the first login.
#[utoipa::path(
    post,
    path = "/v1/companies/{id}/accounts",
    tag = "accounts",
    operation_id = "accounts_create",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64)),
    request_body = WantedAccount,
    responses(
        (status = 201, description = "made", body = MadeAccount),
        (status = 409, description = "the address is taken, or the plan is full", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn create(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
    JsonBody(wanted): JsonBody<WantedAccount>,
) -> Result<Response, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let role = role_of(&wanted.role)?;
    let made = scope.create_account(&app, role, wanted.owner.card(), true);
    let body = made_account(&made.await?);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn account_of(
    app: &Arc<App>,
    scope: &CompanyScope,
    no: AccountNo,
) -> Result<Account, ApiError> {
    let found = scope.account(app, no).await?;
    found.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such account"))
}

/// An account.
#[utoipa::path(
    get,
    path = "/v1/companies/{id}/accounts/{no}",
    tag = "accounts",
    operation_id = "accounts_read",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), ("no" = u64, Path)),
    responses((status = 200, description = "the account", body = ShownAccount), Governed),
)]
async fn read(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf((id, no)): PathOf<(String, u64)>,
) -> Result<Json<ShownAccount>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let account = account_of(&app, &scope, AccountNo(no)).await?;
    Ok(Json(shown_account(&account)))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
struct AccountPatch {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 255)]
    phone: Option<String>,
    #[schema(max_length = 255)]
    specialization: Option<String>,
    /// `agent` or `admin`, where the caller runs the installation: every login of theirs ends.
    #[schema(max_length = 16)]
    role: Option<String>,
}

/// Changes an account.
#[utoipa::path(
    patch,
    path = "/v1/companies/{id}/accounts/{no}",
    tag = "accounts",
    operation_id = "accounts_change",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), ("no" = u64, Path)),
    request_body = AccountPatch,
    responses(
        (status = 200, description = "as it is now", body = ShownAccount),
        (status = 409, description = "the plan is full", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn change(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf((id, no)): PathOf<(String, u64)>,
    JsonBody(patch): JsonBody<AccountPatch>,
) -> Result<Json<ShownAccount>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let account = account_of(&app, &scope, AccountNo(no)).await?;
    let role = patch.role.as_deref().map(role_of).transpose()?;
    let change = StaffCardChange {
        name: patch.name.map(Into::into),
        phone: patch.phone.map(Into::into),
        specialization: patch.specialization.map(Into::into),
    };
    // Before the role: what is refused changes nothing.
    let card = &account.card;
    check_card(&StaffCard {
        name: change.name.as_ref().unwrap_or(&card.name).clone(),
        email: card.email.clone(),
        phone: change.phone.as_ref().unwrap_or(&card.phone).clone(),
        specialization: change
            .specialization
            .as_ref()
            .unwrap_or(&card.specialization)
            .clone(),
    })?;
    if let Some(role) = role {
        scope.set_role(&app, account.no, role).await?;
    }
    if change != StaffCardChange::default() {
        scope.change_account(&app, account.no, change).await?;
    }
    let account = account_of(&app, &scope, account.no).await?;
    Ok(Json(shown_account(&account)))
}

/// Takes an account away; every login of its owner ends.
#[utoipa::path(
    delete,
    path = "/v1/companies/{id}/accounts/{no}",
    tag = "accounts",
    operation_id = "accounts_remove",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), ("no" = u64, Path)),
    responses((status = 204, description = "gone"), Governed),
)]
async fn remove(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf((id, no)): PathOf<(String, u64)>,
) -> Result<StatusCode, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    scope.remove_account(&app, AccountNo(no)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password that was just made.
#[derive(Serialize, ToSchema)]
struct FreshPassword {
    /// To be changed at the next login. Nobody can read it again.
    password: String,
}

/// Gives an account a new password; every login of its owner ends.
#[utoipa::path(
    post,
    path = "/v1/companies/{id}/accounts/{no}/reset-password",
    tag = "accounts",
    operation_id = "accounts_reset_password",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), ("no" = u64, Path)),
    responses((status = 200, description = "the new password", body = FreshPassword), Governed),
)]
async fn reset_password(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf((id, no)): PathOf<(String, u64)>,
) -> Result<Json<FreshPassword>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let account = account_of(&app, &scope, AccountNo(no)).await?;
    let password = scope.reset_password(&app, account.no).await?;
    let password = password.expose().to_owned();
    Ok(Json(FreshPassword { password }))
}

/// What was done to a company's accounts, the newest first.
#[utoipa::path(
    get,
    path = "/v1/companies/{id}/audit",
    tag = "accounts",
    operation_id = "accounts_audit",
    security(("bearer" = [])),
    params(("id" = String, Path, max_length = 64), BeforeQuery),
    responses((status = 200, description = "a page", body = AuditPage), Governed),
)]
async fn audit(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<BeforeQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let read = scope.audit(&app, query.before(), query.read_count());
    Ok(Json(query.page(&read.await?)))
}
