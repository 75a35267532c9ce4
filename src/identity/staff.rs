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
use frontdesk_protocol::staff::{
    Account, NameCommand, PasswordHash, StaffCard, StaffCardChange, StaffCommand,
};
use frontdesk_protocol::{AccountNo, ErrorCode};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::logins::{answer, overloaded, to_journal};
use super::scope::CompanyScope;
use crate::app::App;
use crate::auth::passwords::Password;
use crate::http::ApiError;

/// An account that is to be made.
pub(super) struct NewAccount {
    role: Role,
    card: StaffCard,
    password: PasswordHash,
    is_first_login: bool,
}

impl NewAccount {
    /// What its owner will log in with.
    pub(super) fn email(&self) -> &str {
        &self.card.email
    }
}

/// An e-mail address that is kept for an account.
pub(super) struct Reservation {
    name: Arc<str>,
    reservation: Uuid,
}

impl App {
    /// What may be refused before anything is made: the card, then the hash of the password.
    pub(super) async fn prepare(
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
    pub(super) async fn reserve(self: &Arc<Self>, email: &str) -> Result<Reservation, ApiError> {
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
    pub(super) async fn give_back(self: &Arc<Self>, kept: Reservation) {
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
    pub(super) async fn add_account(
        self: &Arc<Self>,
        scope: &CompanyScope,
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
        let outcome = self.ask_staff(scope, add).await;
        if matches!(outcome, Outcome::Refused(_)) {
            self.give_back(kept).await;
        }
        let Answer::Numbered { number, .. } = answer(outcome)? else {
            return Err(ApiError::new(ErrorCode::Internal));
        };
        let made = scope.account(self, AccountNo(number)).await?;
        // Its reservation had ended, and somebody else has the address: it was taken away again.
        made.ok_or_else(|| ApiError::new(ErrorCode::NameTaken))
    }

    /// Asks a company's staff in the name of who administers it.
    async fn ask_staff(self: &Arc<Self>, scope: &CompanyScope, command: StaffCommand) -> Outcome {
        let staff = EntityId::staff(scope.company().clone());
        let (by, command) = (Arc::clone(scope.principal()), Command::Staff(command));
        self.node.ask(staff, by, command, fresh_cid()).await
    }
}

impl CompanyScope {
    /// Makes an account with a password that nobody knew before.
    pub(crate) async fn create_account(
        &self,
        app: &Arc<App>,
        role: Role,
        card: StaffCard,
        is_first_login: bool,
    ) -> Result<(Account, Password), ApiError> {
        // The installation's staff runs it, and nobody else does.
        if self.is_installation() != (role == Role::Superadmin) {
            return Err(ApiError::new(ErrorCode::Forbidden));
        }
        let password = Password::generate();
        app.rates.take_password(self.principal())?;
        let new = app.prepare(role, card, &password, is_first_login).await?;
        let kept = app.reserve(&new.card.email).await?;
        let made = app.add_account(self, new, kept).await?;
        if role == Role::Admin {
            self.note_admin(app, made.no).await;
        }
        Ok((made, password))
    }

    /// Changes what is known of somebody.
    pub(crate) async fn change_account(
        &self,
        app: &Arc<App>,
        account: AccountNo,
        change: StaffCardChange,
    ) -> Result<(), ApiError> {
        let change = StaffCommand::ChangeAccount { account, change };
        answer(app.ask_staff(self, change).await).map(|_| ())
    }

    /// Changes what somebody may do; every login of theirs ends.
    pub(crate) async fn set_role(
        &self,
        app: &Arc<App>,
        account: AccountNo,
        role: Role,
    ) -> Result<(), ApiError> {
        let set = StaffCommand::SetRole { account, role };
        answer(app.ask_staff(self, set).await).map(|_| ())
    }

    /// Takes an account away; every login of theirs ends.
    pub(crate) async fn remove_account(
        &self,
        app: &Arc<App>,
        account: AccountNo,
    ) -> Result<(), ApiError> {
        if self.own_principal().person.account() == Some(account) {
            // The last of those who run the installation could not be made again by anybody.
            let why = "nobody takes their own account away";
            return Err(ApiError::because(ErrorCode::Forbidden, why));
        }
        let remove = StaffCommand::RemoveAccount { account };
        answer(app.ask_staff(self, remove).await).map(|_| ())
    }

    /// Gives an account a password that nobody knew before; its owner must change it first.
    pub(crate) async fn reset_password(
        &self,
        app: &Arc<App>,
        account: AccountNo,
    ) -> Result<Password, ApiError> {
        let password = Password::generate();
        app.rates.take_password(self.principal())?;
        let set = StaffCommand::SetPassword {
            account,
            password: app.hash(&password).await?,
            is_first_login: true,
            as_of: None,
        };
        answer(app.ask_staff(self, set).await)?;
        Ok(password)
    }
}
