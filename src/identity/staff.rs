//! What is done to accounts: making one, giving it another password.
//!
//! Invariants: an account's e-mail address is reserved before the account is made, so two of one
//! address never exist; whoever crashes in between loses the reservation and nothing else. What is
//! refused gives the address back.
//! Never: decides who may; the staff's rules do.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, Command, Outcome, check_card, login_name};
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::staff::{Account, NameCommand, PasswordHash, StaffCard, StaffCommand};
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
    pub(crate) password: PasswordHash,
    pub(crate) is_first_login: bool,
}

/// An e-mail address that is kept for an account.
pub(crate) struct Reservation {
    name: Arc<str>,
    reservation: Uuid,
}

impl App {
    /// What may be refused before anything is made: the card, then the hash of the password.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        role: Role,
        card: StaffCard,
        password: &Password,
        is_first_login: bool,
    ) -> Result<NewAccount, ApiError> {
        check_card(&card)?;
        Ok(NewAccount {
            role,
            card,
            password: self.hash(password).await?,
            is_first_login,
        })
    }

    /// Hashes a password for a journal.
    pub(super) async fn hash(
        self: &Arc<Self>,
        password: &Password,
    ) -> Result<PasswordHash, ApiError> {
        let password = Password::typed(password.expose().to_owned());
        let hash = self.identity.passwords.hash(password).await;
        Ok(to_journal(&hash.map_err(overloaded)?))
    }

    /// Keeps an e-mail address for an account that is about to be made.
    pub(crate) async fn reserve(self: &Arc<Self>, email: &str) -> Result<Reservation, ApiError> {
        self.reserve_as(email, Uuid::new_v4()).await
    }

    /// The same, by a name of the caller's.
    pub(super) async fn reserve_as(
        self: &Arc<Self>,
        email: &str,
        reservation: Uuid,
    ) -> Result<Reservation, ApiError> {
        let (name, part) = login_name(email);
        let kept = Reservation { name, reservation };
        let name = Arc::clone(&kept.name);
        let reserve = NameCommand::Reserve { name, reservation };
        answer(self.tell_names(part, reserve).await)?;
        Ok(kept)
    }

    /// Gives an address back that no account was made for. Whoever cannot loses nothing but time:
    /// the reservation ends by itself.
    pub(crate) async fn give_back(self: &Arc<Self>, kept: Reservation) {
        let (name, part) = login_name(&kept.name);
        let reservation = kept.reservation;
        let cancel = NameCommand::Cancel { name, reservation };
        if let Err(error) = answer(self.tell_names(part, cancel).await) {
            tracing::debug!(%error, "a reservation ends by itself");
        }
    }

    async fn tell_names(self: &Arc<Self>, part: EntityId, command: NameCommand) -> Outcome {
        let caller = Arc::new(Principal::of_installation());
        let command = Command::Name(command);
        self.node.ask(part, caller, command, fresh_cid()).await
    }

    /// Makes an account whose e-mail address is reserved.
    pub(crate) async fn add_account(
        self: &Arc<Self>,
        company: &CompanyId,
        by: &Arc<Principal>,
        new: NewAccount,
        kept: Reservation,
    ) -> Result<Account, ApiError> {
        let add = StaffCommand::AddAccount {
            role: new.role,
            card: new.card,
            password: new.password,
            is_first_login: new.is_first_login,
            reservation: kept.reservation,
        };
        let staff = EntityId::staff(company.clone());
        let (by, add) = (Arc::clone(by), Command::Staff(add));
        let outcome = self.node.ask(staff, by, add, fresh_cid()).await;
        if matches!(outcome, Outcome::Refused(_)) {
            self.give_back(kept).await;
        }
        let Answer::Numbered { number, .. } = answer(outcome)? else {
            return Err(ApiError::new(ErrorCode::Internal));
        };
        let made = self.node.account(company, AccountNo(number)).await;
        let made = made.map_err(|error| ApiError::fault(&error))?;
        // Its reservation had ended, and somebody else has the address: it was taken away again.
        made.ok_or_else(|| ApiError::new(ErrorCode::NameTaken))
    }

    /// Gives an account a password that nobody knew before; its owner must change it first.
    pub(crate) async fn reset_password(
        self: &Arc<Self>,
        scope: &CompanyScope,
        account: AccountNo,
    ) -> Result<Password, ApiError> {
        let password = Password::generate();
        let set = StaffCommand::SetPassword {
            account,
            password: self.hash(&password).await?,
            is_first_login: true,
            as_of: None,
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
