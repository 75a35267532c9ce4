//! The proofs that handlers of administration take: who acts, and for which company. What they may
//! read and do hangs on the proof, and there is no other way to a company's staff.
//!
//! Invariant: a company that a request names becomes a [`CompanyScope`] only for its admins and for
//! those who run the installation.
//! Never: made of a host's token, or from what a request says of itself.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use frontdesk_actors::AuditEntry;
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::companies::{CompanyRecord, Plan};
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, Rejection};
use serde::Deserialize;
use uuid::Uuid;

use super::cookies::{Carried, carried};
use super::principal_of;
use crate::app::App;
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

    fn runs_the_installation(&self) -> bool {
        self.account.role == Role::Superadmin && self.company.is_installation()
    }
}

/// Refuses a request that names another company than that of its proof. Who runs the installation
/// has none of their own, and names one.
pub(crate) fn check_named(own: &CompanyId, named: Option<&str>) -> Result<(), ApiError> {
    let is_own = |named: &str| named.is_empty() || named == own.as_str();
    if own.is_installation() || named.is_none_or(is_own) {
        return Ok(());
    }
    let why = "company_id: not the company that you speak for";
    Err(ApiError::because(ErrorCode::Forbidden, why).of_field("company_id"))
}

/// The same of the query of any request, whether its route reads the company or not.
pub(crate) fn check_query(own: &CompanyId, uri: &Uri) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Named {
        company_id: Option<String>,
    }
    if !uri
        .query()
        .is_some_and(|query| query.contains("company_id"))
    {
        return Ok(());
    }
    let named = Query::<Named>::try_from_uri(uri).map_err(|_| {
        let why = "company_id: expected one company";
        ApiError::because(ErrorCode::BadField, why).of_field("company_id")
    })?;
    check_named(own, named.0.company_id.as_deref())
}

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if app.is_draining() {
            return Err(ApiError::new(ErrorCode::Draining));
        }
        let Some(Carried { token, is_cookie }) = carried(&parts.headers) else {
            return Err(ApiError::new(ErrorCode::Unauthenticated));
        };
        if !is_own(token) {
            let why = "only people with an account may do this";
            // A host's token that is good is of somebody who may not.
            app.authenticate(token).await?;
            return Err(ApiError::because(ErrorCode::Forbidden, why));
        }
        let (logged_in, _) = app.logged_in(token).await?;
        if is_cookie {
            let company = logged_in.company();
            app.check_page(company, &parts.method, &parts.headers)
                .await?;
        }
        app.rates.take_person(logged_in.principal())?;
        check_query(logged_in.company(), &parts.uri)?;
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

    /// The same person at work in a company.
    pub(crate) fn company(&self, record: &CompanyRecord) -> CompanyScope {
        CompanyScope::of(record.id.clone(), &self.0)
    }

    /// What is known of a company, closed ones among them.
    pub(crate) async fn record(
        &self,
        app: &Arc<App>,
        named: &str,
    ) -> Result<CompanyRecord, ApiError> {
        let Ok(id) = CompanyId::new(named) else {
            return Err(no_company());
        };
        let record = read(app.node.company_record(&id).await)?;
        record.ok_or_else(no_company)
    }

    /// The same by its number.
    pub(crate) async fn record_of_no(
        &self,
        app: &Arc<App>,
        no: u64,
    ) -> Result<Option<CompanyRecord>, ApiError> {
        read(app.node.company_by_no(no).await)
    }

    /// Companies in the order of their numbers, from behind one on.
    pub(crate) async fn records_after(
        &self,
        app: &Arc<App>,
        after: u64,
        count: usize,
    ) -> Result<Vec<CompanyRecord>, ApiError> {
        read(app.node.companies_after(after, count).await)
    }

    /// Companies there are: their numbers go from 1 to this one.
    pub(crate) async fn company_count(&self, app: &Arc<App>) -> Result<u64, ApiError> {
        read(app.node.company_count().await)
    }

    /// The plans.
    pub(crate) async fn plans(&self, app: &Arc<App>) -> Result<Vec<Plan>, ApiError> {
        read(app.node.plans().await)
    }

    /// A plan.
    pub(crate) async fn plan(&self, app: &Arc<App>, no: u64) -> Result<Plan, ApiError> {
        let plan = read(app.node.plan(no).await)?;
        plan.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such plan"))
    }

    /// What was done to companies and plans, the newest first.
    pub(crate) async fn audit(
        &self,
        app: &Arc<App>,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>, ApiError> {
        read(app.node.company_audit(before, count).await)
    }
}

impl FromRequestParts<Arc<App>> for InstallationScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let who = LoggedIn::from_request_parts(parts, app).await?;
        match who.runs_the_installation() {
            true => Ok(Self(who)),
            false => Err(ApiError::new(ErrorCode::Forbidden)),
        }
    }
}

/// Somebody who may administer a company, and that company.
#[derive(Debug, Clone)]
pub(crate) struct CompanyScope {
    company: CompanyId,
    /// As the company's entities know them.
    principal: Arc<Principal>,
    /// As the installation's entities do.
    own: Arc<Principal>,
}

impl CompanyScope {
    fn of(company: CompanyId, who: &LoggedIn) -> Self {
        let principal = principal_of(&company, &who.account);
        let own = Arc::clone(&who.principal);
        Self {
            company,
            principal,
            own,
        }
    }

    /// The installation's own staff, for what is done at start.
    pub(super) fn at_start() -> Self {
        let principal = Arc::new(Principal::of_installation());
        Self {
            company: CompanyId::installation(),
            own: Arc::clone(&principal),
            principal,
        }
    }

    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// Who acts there.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Whether it is the installation itself, whose staff are those who run it.
    pub(crate) fn is_installation(&self) -> bool {
        self.company.is_installation()
    }

    /// Who acts, as a person of their own company.
    pub(super) fn own_principal(&self) -> &Arc<Principal> {
        &self.own
    }

    /// For an admin their own company, which they may name; for those who run the installation the
    /// open one they name.
    pub(crate) async fn resolve(
        app: &Arc<App>,
        who: LoggedIn,
        named: Option<&str>,
    ) -> Result<Self, ApiError> {
        if who.account().role == Role::Admin {
            check_named(&who.company, named)?;
            return Ok(Self::of(who.company.clone(), &who));
        }
        if !who.runs_the_installation() {
            return Err(ApiError::new(ErrorCode::Forbidden));
        }
        let bad = |why: String| ApiError::from(Rejection::because(ErrorCode::BadField, why));
        let named = named.ok_or_else(|| bad("company_id is missing".to_owned()))?;
        CompanyId::new(named).map_err(|why| bad(why.to_string()))?;
        let scope = InstallationScope(who);
        let record = scope.record(app, named).await?;
        match record.is_closed {
            true => Err(ApiError::because(
                ErrorCode::NotFound,
                "the company is closed",
            )),
            false => Ok(scope.company(&record)),
        }
    }

    /// The company of a path: `me` or their own for an admin; for those who run the installation
    /// any, and `me` for its own staff. Another one is answered like one that does not exist.
    pub(crate) async fn at(app: &Arc<App>, who: LoggedIn, named: &str) -> Result<Self, ApiError> {
        if who.account().role == Role::Admin {
            return match named == OWN_COMPANY || named == who.company.as_str() {
                true => Ok(Self::of(who.company.clone(), &who)),
                false => Err(no_company()),
            };
        }
        if !who.runs_the_installation() {
            return Err(ApiError::new(ErrorCode::Forbidden));
        }
        if named == OWN_COMPANY {
            return Ok(Self::of(who.company.clone(), &who));
        }
        let scope = InstallationScope(who);
        let record = scope.record(app, named).await?;
        Ok(scope.company(&record))
    }

    /// What is known of the company.
    pub(crate) async fn record(&self, app: &Arc<App>) -> Result<CompanyRecord, ApiError> {
        let record = read(app.node.company_record(&self.company).await)?;
        record.ok_or_else(no_company)
    }

    /// An account of the company; `None` also for one that was taken away.
    pub(crate) async fn account(
        &self,
        app: &Arc<App>,
        no: AccountNo,
    ) -> Result<Option<Account>, ApiError> {
        read(app.node.account(&self.company, no).await)
    }

    /// Its accounts, in the order they were made.
    pub(crate) async fn accounts(&self, app: &Arc<App>) -> Result<Vec<Account>, ApiError> {
        read(app.node.accounts(&self.company).await)
    }

    /// The same from behind one on.
    pub(crate) async fn accounts_after(
        &self,
        app: &Arc<App>,
        after: AccountNo,
        count: usize,
    ) -> Result<Vec<Account>, ApiError> {
        let accounts = app.node.accounts_after(&self.company, after, count);
        read(accounts.await)
    }

    /// What was done to its accounts, the newest first.
    pub(crate) async fn audit(
        &self,
        app: &Arc<App>,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>, ApiError> {
        read(app.node.audit(&self.company, before, count).await)
    }
}

/// Stands in paths for the caller's own company.
const OWN_COMPANY: &str = "me";

fn no_company() -> ApiError {
    ApiError::because(ErrorCode::NotFound, "no such company")
}

fn read<T>(found: frontdesk_storage::Result<T>) -> Result<T, ApiError> {
    found.map_err(|error| ApiError::fault(&error))
}
