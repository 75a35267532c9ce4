//! What is made at start: companies that are missing, the account of who runs the installation.
//!
//! Invariant: made again, nothing changes.
//! Never: takes anything away, or changes a password that is there.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, Command, Node};
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::companies::{CompaniesCommand, CompanyCard};
use frontdesk_protocol::staff::{StaffCard, StaffCommand};
use frontdesk_protocol::{CompanyId, ErrorCode};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::logins::answer;
use super::scope::CompanyScope;
use crate::app::App;
use crate::auth::passwords::Password;
use crate::config::{Provision, Superadmin};
use crate::http::ApiError;
use crate::node::Error;

/// Makes a company that is not there, as whoever keeps the companies does.
pub(crate) async fn provide_company(node: &Arc<Node>, company: &CompanyId) -> Result<(), ApiError> {
    let record = node.company_record(company).await;
    if record.map_err(|error| ApiError::fault(&error))?.is_some() {
        return Ok(());
    }
    let create = Command::Companies(CompaniesCommand::CreateCompany {
        id: Some(company.clone()),
        card: CompanyCard {
            name: company.as_str().into(),
            ..CompanyCard::default()
        },
        plan: None,
    });
    let by = Arc::new(Principal::of_installation());
    let made = node.ask(EntityId::companies(), by, create, fresh_cid());
    answer(made.await)?;
    tracing::info!(%company, "company made");
    Ok(())
}

impl App {
    /// Makes what the settings name and the store has not.
    pub(crate) async fn set_up(self: &Arc<Self>, wanted: &Provision) -> Result<(), Error> {
        let failed =
            |what: String| move |error: ApiError| Error::Settings(format!("{what}: {error}"));
        if let Some(unnumbered) = self.node.unnumbered_companies().await? {
            for company in &unnumbered {
                let made = provide_company(&self.node, company).await;
                made.map_err(failed(format!("company {company} gets no number")))?;
            }
            self.node.all_numbered().await?;
        }
        for company in &wanted.companies {
            let made = provide_company(&self.node, company).await;
            made.map_err(failed(format!("provision.companies: {company}")))?;
        }
        if let Some(superadmin) = &wanted.superadmin {
            let made = self.provide_superadmin(superadmin).await;
            made.map_err(failed("provision.superadmin".to_owned()))?;
        }
        Ok(())
    }

    async fn provide_superadmin(self: &Arc<Self>, wanted: &Superadmin) -> Result<(), ApiError> {
        let holder = self.node.holder_of(&wanted.email).await;
        if holder.map_err(|error| ApiError::fault(&error))?.is_some() {
            return Ok(());
        }
        let password = Password::chosen(wanted.password.expose().to_owned())
            .map_err(|why| ApiError::because(ErrorCode::BadField, why.to_string()))?;
        answer(self.node.found_installation().await)?;
        let card = StaffCard {
            name: "Superadmin".into(),
            email: wanted.email.trim().into(),
            ..StaffCard::default()
        };
        let new = self.prepare(Role::Superadmin, card, &password, false);
        let new = new.await?;
        // The same at each start: one that was killed in between keeps nothing from the next.
        let name = wanted.email.trim().to_lowercase();
        let reservation = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        let reservation = self.reserve_as(&wanted.email, reservation).await?;
        let installation = CompanyScope::at_start();
        self.add_account(&installation, new, reservation).await?;
        tracing::info!("account of the superadmin made");
        Ok(())
    }

    /// Gives who runs the installation another password: for a demo, which prints it.
    pub(crate) async fn change_superadmin(
        self: &Arc<Self>,
        wanted: &Superadmin,
    ) -> Result<(), ApiError> {
        let holder = self.node.holder_of(&wanted.email).await;
        let holder = holder.map_err(|error| ApiError::fault(&error))?;
        let (company, account) = holder.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
        let typed = Password::typed(wanted.password.expose().to_owned());
        let set = StaffCommand::SetPassword {
            account,
            password: self.hash(&typed).await?,
            is_first_login: false,
            as_of: None,
        };
        let by = Arc::new(Principal::of_installation());
        let (staff, set) = (EntityId::staff(company), Command::Staff(set));
        answer(self.node.ask(staff, by, set, fresh_cid()).await).map(|_| ())
    }

    /// Tells whoever keeps the companies something.
    pub(super) async fn tell_companies(
        self: &Arc<Self>,
        by: &Arc<Principal>,
        command: CompaniesCommand,
    ) -> Result<Answer, ApiError> {
        let (by, command) = (Arc::clone(by), Command::Companies(command));
        let companies = EntityId::companies();
        answer(self.node.ask(companies, by, command, fresh_cid()).await)
    }
}
