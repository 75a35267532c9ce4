//! What those who run the installation do to companies and plans.
//!
//! Invariant: an admin's e-mail address is reserved before the company is made, so that a company
//! without an admin does not come of an address that is taken.
//! Never: decides who may; the entities' rules do.

use std::sync::Arc;

use frontdesk_actors::Answer;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::{
    CompaniesCommand, CompanyCard, CompanyCardChange, CompanyRecord, Plan,
};
use frontdesk_protocol::staff::{Account, StaffCard};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode};

use super::scope::{CompanyScope, InstallationScope};
use crate::app::App;
use crate::auth::passwords::Password;
use crate::http::ApiError;

/// A company that is to be made.
pub(crate) struct NewCompany {
    /// None for one that is made of its name.
    pub(crate) id: Option<CompanyId>,
    pub(crate) card: CompanyCard,
    pub(crate) plan: Option<u64>,
}

/// The account that a company without a recorded admin has for one, if that is an admin's: its
/// first.
pub(crate) fn admin_no(record: &CompanyRecord) -> AccountNo {
    let first = || AccountNo::of(record.no, 1).unwrap_or_default();
    record.admin.unwrap_or_else(first)
}

impl InstallationScope {
    /// Makes a company.
    pub(crate) async fn create_company(
        &self,
        app: &Arc<App>,
        new: NewCompany,
    ) -> Result<CompanyRecord, ApiError> {
        if let Some(id) = &new.id
            && self.record(app, id.as_str()).await.is_ok()
        {
            return Err(ApiError::because(ErrorCode::NameTaken, "id: is taken"));
        }
        let create = CompaniesCommand::CreateCompany {
            id: new.id,
            card: new.card,
            plan: new.plan,
        };
        let made = app.tell_companies(self.principal(), create).await?;
        let Answer::Numbered { number, .. } = made else {
            return Err(ApiError::new(ErrorCode::Internal));
        };
        let record = self.record_of_no(app, number).await?;
        record.ok_or_else(|| ApiError::new(ErrorCode::Unavailable))
    }

    /// Makes a company and its first admin, with a password that nobody knew before.
    pub(crate) async fn create_with_admin(
        &self,
        app: &Arc<App>,
        new: NewCompany,
        admin: StaffCard,
        is_first_login: bool,
    ) -> Result<(CompanyRecord, Account, Password), ApiError> {
        let password = Password::generate();
        let prepared = app.prepare(Role::Admin, admin, &password, is_first_login);
        let prepared = prepared.await?;
        let kept = app.reserve(prepared.email()).await?;
        let record = match self.create_company(app, new).await {
            Ok(record) => record,
            Err(error) => {
                // Also where nobody knows: a company without an admin needs no address.
                app.give_back(kept).await;
                return Err(error);
            }
        };
        let scope = self.company(&record);
        let account = app.add_account(&scope, prepared, kept).await?;
        scope.note_admin(app, account.no).await;
        Ok((record, account, password))
    }

    /// Changes what is known of a company, and its plan: another one, or none. What is refused
    /// changes nothing.
    pub(crate) async fn change_company(
        &self,
        app: &Arc<App>,
        record: &CompanyRecord,
        change: CompanyCardChange,
        plan: Option<Option<u64>>,
    ) -> Result<(), ApiError> {
        if let Some(Some(plan)) = plan {
            self.plan(app, plan).await?; // one that is there stays
        }
        let id = record.id.clone();
        let change = CompaniesCommand::ChangeCompany { id, change };
        app.tell_companies(self.principal(), change).await?;
        match plan {
            Some(plan) if plan != record.plan => self.assign_plan(app, record, plan).await,
            _ => Ok(()),
        }
    }

    /// Puts a company on a plan, or on none.
    pub(crate) async fn assign_plan(
        &self,
        app: &Arc<App>,
        record: &CompanyRecord,
        plan: Option<u64>,
    ) -> Result<(), ApiError> {
        let id = record.id.clone();
        let assign = CompaniesCommand::AssignPlan { id, plan };
        app.tell_companies(self.principal(), assign).await?;
        Ok(())
    }

    /// Closes a company, or opens it again.
    pub(crate) async fn set_closed(
        &self,
        app: &Arc<App>,
        record: &CompanyRecord,
        is_closed: bool,
    ) -> Result<(), ApiError> {
        let id = record.id.clone();
        let close = CompaniesCommand::CloseCompany { id, is_closed };
        app.tell_companies(self.principal(), close).await?;
        Ok(())
    }

    /// Makes a plan.
    pub(crate) async fn create_plan(
        &self,
        app: &Arc<App>,
        name: &str,
        agent_count_max: u32,
        price: &str,
    ) -> Result<Plan, ApiError> {
        let create = CompaniesCommand::CreatePlan {
            name: name.into(),
            agent_count_max,
            price: price.into(),
        };
        let made = app.tell_companies(self.principal(), create).await?;
        let Answer::Numbered { number, .. } = made else {
            return Err(ApiError::new(ErrorCode::Internal));
        };
        self.plan(app, number).await
    }
}

impl CompanyScope {
    /// The company's first admin, if it has one.
    pub(crate) async fn admin(&self, app: &Arc<App>) -> Result<Option<Account>, ApiError> {
        let record = self.record(app).await?;
        let found = self.account(app, admin_no(&record)).await?;
        Ok(found.filter(|account| account.role == Role::Admin))
    }

    /// Has the company's record say which account is its admin's, unless it says so of one that is
    /// there. The account is made and its password known to whoever asked: that it is not noted is
    /// no reason to keep it from them.
    pub(super) async fn note_admin(&self, app: &Arc<App>, admin: AccountNo) {
        if let Err(error) = self.set_admin(app, admin).await {
            tracing::warn!(%error, company = %self.company(), "an admin is not noted");
        }
    }

    async fn set_admin(&self, app: &Arc<App>, admin: AccountNo) -> Result<(), ApiError> {
        let is_noted = self.record(app).await?.admin.is_some();
        if is_noted && self.admin(app).await?.is_some() {
            return Ok(());
        }
        let id = self.company().clone();
        let set = CompaniesCommand::SetAdmin { id, admin };
        app.tell_companies(self.own_principal(), set).await?;
        Ok(())
    }
}
