//! What is done to accounts: making one, giving it another password.
//!
//! Invariant: an account's e-mail address is reserved before the account is made, so two of one
//! address never exist; whoever crashes in between loses the reservation and nothing else.
//! Never: decides who may; the staff's rules do.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, Command, login_name};
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::staff::{NameCommand, StaffCard, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::logins::{answer, overloaded, to_journal};
use super::scope::CompanyScope;
use crate::app::App;
use crate::auth::passwords::Password;
use crate::http::ApiError;

/// An account that is to be made.
pub(crate) struct NewAccount {
    pub(crate) role: Role,
    pub(crate) card: StaffCard,
    pub(crate) password: Password,
    pub(crate) is_first_login: bool,
}

impl App {
    /// Keeps an e-mail address for an account that is about to be made.
    pub(crate) async fn reserve(self: &Arc<Self>, email: &str) -> Result<Uuid, ApiError> {
        let (name, part) = login_name(email);
        let reservation = Uuid::new_v4();
        let reserve = Command::Name(NameCommand::Reserve { name, reservation });
        let caller = Arc::new(Principal::of_installation());
        answer(self.node.ask(part, caller, reserve, fresh_cid()).await)?;
        Ok(reservation)
    }

    /// Makes an account whose e-mail address is reserved.
    pub(crate) async fn add_account(
        self: &Arc<Self>,
        company: &CompanyId,
        by: &Arc<Principal>,
        new: NewAccount,
        reservation: Uuid,
    ) -> Result<AccountNo, ApiError> {
        let hash = self.identity.passwords.hash(new.password).await;
        let add = StaffCommand::AddAccount {
            role: new.role,
            card: new.card,
            password: to_journal(&hash.map_err(overloaded)?),
            is_first_login: new.is_first_login,
            reservation,
        };
        let staff = EntityId::staff(company.clone());
        let (by, add) = (Arc::clone(by), Command::Staff(add));
        match answer(self.node.ask(staff, by, add, fresh_cid()).await)? {
            Answer::Numbered { number, .. } => Ok(AccountNo(number)),
            _ => Err(ApiError::new(ErrorCode::Internal)),
        }
    }

    /// Gives an account a password that nobody knew before; its owner must change it first.
    pub(crate) async fn reset_password(
        self: &Arc<Self>,
        scope: &CompanyScope,
        account: AccountNo,
    ) -> Result<Password, ApiError> {
        let password = Password::generate();
        let hash = self
            .identity
            .passwords
            .hash(Password::typed(password.expose().to_owned()))
            .await;
        let set = StaffCommand::SetPassword {
            account,
            password: to_journal(&hash.map_err(overloaded)?),
            is_first_login: true,
        };
        self.govern(scope, set).await?;
        Ok(password)
    }

    /// Tells a company's staff something in the name of who administers it.
    pub(crate) async fn govern(
        self: &Arc<Self>,
        scope: &CompanyScope,
        command: StaffCommand,
    ) -> Result<Answer, ApiError> {
        let staff = EntityId::staff(scope.company().clone());
        let (by, command) = (Arc::clone(scope.principal()), Command::Staff(command));
        answer(self.node.ask(staff, by, command, fresh_cid()).await)
    }
}
