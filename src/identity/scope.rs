//! The proofs that handlers of administration take: who acts, and for which company. There is no
//! other way to a company's staff.
//!
//! Never: made of a host's token, or from what a request says of itself.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};
use uuid::Uuid;

use super::principal_of;
use crate::app::App;
use crate::auth;
use crate::auth::own::is_own;
use crate::http::ApiError;

/// Somebody who is logged in with an account, as it stands now.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    company: CompanyId,
    account: Account,
    login: Uuid,
    principal: Arc<Principal>,
}

impl LoggedIn {
    pub(super) fn new(company: CompanyId, account: Account, login: Uuid) -> Self {
        let principal = principal_of(&company, &account);
        Self {
            company,
            account,
            login,
            principal,
        }
    }

    /// The company that the account belongs to.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// The account.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// The login.
    pub(crate) fn login(&self) -> Uuid {
        self.login
    }

    /// As rooms know them.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if app.is_draining() {
            return Err(ApiError::new(ErrorCode::Draining));
        }
        let header = parts.headers.get(header::AUTHORIZATION);
        let token = header
            .and_then(|value| value.to_str().ok())
            .and_then(auth::from_authorization)
            .ok_or_else(|| ApiError::new(ErrorCode::Unauthenticated))?;
        if !is_own(token) {
            let why = "only people with an account may do this";
            // A host's token that is good is of somebody who may not.
            app.authenticate(token).await?;
            return Err(ApiError::because(ErrorCode::Forbidden, why));
        }
        let (logged_in, _) = app.logged_in(token).await?;
        app.rates.take_person(logged_in.principal())?;
        Ok(logged_in)
    }
}

/// Who runs the installation.
#[derive(Debug, Clone)]
pub(crate) struct InstallationScope(LoggedIn);

impl InstallationScope {
    /// As the installation's entities know them.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        self.0.principal()
    }

    /// The same person at work in a company that is there.
    pub(crate) async fn company(
        &self,
        app: &Arc<App>,
        company: &CompanyId,
    ) -> Result<CompanyScope, ApiError> {
        let record = app.node.company_record(company).await;
        let record = record.map_err(|error| ApiError::fault(&error))?;
        if record.is_none() {
            return Err(ApiError::because(ErrorCode::NotFound, "no such company"));
        }
        Ok(CompanyScope::of(company.clone(), self.0.account()))
    }
}

impl FromRequestParts<Arc<App>> for InstallationScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let who = LoggedIn::from_request_parts(parts, app).await?;
        match who.account().role == Role::Superadmin && who.company().is_installation() {
            true => Ok(Self(who)),
            false => Err(ApiError::new(ErrorCode::Forbidden)),
        }
    }
}

/// Somebody who may administer a company, and that company.
#[derive(Debug, Clone)]
pub(crate) struct CompanyScope {
    company: CompanyId,
    principal: Arc<Principal>,
}

impl CompanyScope {
    fn of(company: CompanyId, account: &Account) -> Self {
        let principal = principal_of(&company, account);
        Self { company, principal }
    }

    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// Who acts there.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// For an admin their own company; for those who run the installation the one they name.
    pub(crate) async fn resolve(
        app: &Arc<App>,
        who: LoggedIn,
        named: Option<&str>,
    ) -> Result<Self, ApiError> {
        match who.account().role {
            Role::Admin => Ok(Self::of(who.company.clone(), &who.account)),
            Role::Superadmin if who.company().is_installation() => {
                let named = named.ok_or_else(|| {
                    Rejection::because(ErrorCode::BadField, "company_id is missing")
                })?;
                let company = CompanyId::new(named)
                    .map_err(|why| Rejection::because(ErrorCode::BadField, why.to_string()))?;
                let record = app.node.company_record(&company).await;
                let record = record.map_err(|error| ApiError::fault(&error))?;
                if record.is_some_and(|record| record.is_closed) {
                    let why = "the company is closed";
                    return Err(ApiError::because(ErrorCode::NotFound, why));
                }
                InstallationScope(who).company(app, &company).await
            }
            _ => Err(ApiError::new(ErrorCode::Forbidden)),
        }
    }
}
