//! The way in: a name and a password become a login with two tokens; the one for refreshing counts
//! once.
//!
//! Never: says whether a name or a password was wrong.

use std::net::IpAddr;
use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, Command, Outcome, login_name};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::limits::EMAIL_BYTES_MAX;
use frontdesk_protocol::staff::{Account, Availability, Family, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, Rejection, Timestamp};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::principal_of;
use super::scope::LoggedIn;
use crate::app::App;
use crate::auth::own::{AccessGrant, AccountRole, OwnAccess, REFRESH_TTL_S, RefreshGrant};
use crate::auth::passwords::{Overloaded, Password, PasswordHash, TYPED_BYTES_MAX};
use crate::http::ApiError;

/// The two tokens of a login.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// What became of a name and a password that fit.
pub(crate) enum LoginOutcome {
    /// They are in.
    In(Box<LoggedIn>, Tokens),
    /// The password was made by somebody else and must be changed first.
    FirstLogin(Box<Account>),
}

impl App {
    /// Whose access token this is, and until when it counts.
    pub(crate) async fn logged_in(
        self: &Arc<Self>,
        token: &str,
    ) -> Result<(LoggedIn, OwnAccess), Rejection> {
        let now = self.node.clock().now();
        let access = self.identity.keys.verify_access(token, now);
        let access = access.map_err(|error| {
            self.metrics.refused_token();
            Rejection::from(error)
        })?;
        let grant = access.grant();
        let company = company_of(grant.company.as_ref());
        let account = self
            .alive(&company, AccountNo(grant.account), grant.family)
            .await?;
        Ok((LoggedIn::new(company, account, grant.family), access))
    }

    /// An account one of whose logins goes on.
    async fn alive(
        self: &Arc<Self>,
        company: &CompanyId,
        no: AccountNo,
        login: Uuid,
    ) -> Result<Account, Rejection> {
        let found = self.node.account_and_logins(company, no).await;
        let found = found.map_err(|error| {
            tracing::error!(%error, "accounts cannot be read");
            Rejection::new(ErrorCode::Unavailable)
        })?;
        let now = self.node.clock().now();
        let alive = found.filter(|(_, families)| {
            let is_this = |family: &Family| family.name == login && family.expires_at > now;
            families.iter().any(is_this)
        });
        alive.map(|(account, _)| account).ok_or_else(|| {
            self.metrics.refused_token();
            Rejection::because(ErrorCode::Unauthenticated, "the login has ended")
        })
    }

    /// The account of a name and a password, if they fit.
    async fn known_by(
        self: &Arc<Self>,
        name: &str,
        password: String,
        address: IpAddr,
    ) -> Result<(CompanyId, Account), ApiError> {
        let wrong = wrong_password;
        if name.len() > EMAIL_BYTES_MAX {
            return Err(wrong());
        }
        let (normal, _) = login_name(name);
        self.rates.take_login(&normal, address)?;
        // Before the name is looked up: what is not hashed must not tell whether there is one.
        if password.len() > TYPED_BYTES_MAX {
            return Err(wrong());
        }
        let fault = |error: frontdesk_storage::Error| ApiError::fault(&error);
        let holder = self.node.holder_of(&normal).await.map_err(fault)?;
        let found = match holder {
            Some((company, no)) => {
                let found = self.node.account_and_logins(&company, no).await;
                found.map_err(fault)?.map(|(account, _)| (company, account))
            }
            None => None,
        };
        let hash = found
            .as_ref()
            .and_then(|(_, account)| PasswordHash::parse(account.password.expose()).ok());
        let typed = Password::typed(password);
        let fits = self.identity.passwords.verify(typed, hash.as_ref()).await;
        match (fits.map_err(overloaded)?, found) {
            (true, Some(found)) => Ok(found),
            _ => Err(wrong()),
        }
    }

    /// Logs somebody in; where a role is asked for, nobody else.
    pub(crate) async fn log_in(
        self: &Arc<Self>,
        name: &str,
        password: String,
        role: Option<Role>,
        address: IpAddr,
    ) -> Result<LoginOutcome, ApiError> {
        let (company, account) = self.known_by(name, password, address).await?;
        if role.is_some_and(|role| role != account.role) {
            return Err(wrong_password());
        }
        if account.is_first_login {
            return Ok(LoginOutcome::FirstLogin(Box::new(account)));
        }
        let (family, token) = (Uuid::new_v4(), Uuid::new_v4());
        let open = StaffCommand::OpenFamily {
            account: account.no,
            family,
            token,
            expires_at: self.refresh_end(),
            as_of: account.valid_from,
        };
        self.tell_own(&company, &account, open).await?;
        let tokens = self.sign(&company, &account, family, token);
        let logged_in = LoggedIn::new(company, account, family);
        Ok(LoginOutcome::In(Box::new(logged_in), tokens))
    }

    /// Takes a refresh token for two new ones. One that comes a second time ends its login.
    pub(crate) async fn renew(self: &Arc<Self>, refresh: &str) -> Result<Tokens, ApiError> {
        let now = self.node.clock().now();
        let proof = self.identity.keys.verify_refresh(refresh, now);
        let proof = proof.map_err(|error| {
            self.metrics.refused_token();
            Rejection::from(error)
        })?;
        let grant = proof.grant();
        let company = company_of(grant.company.as_ref());
        let no = AccountNo(grant.account);
        let account = self.alive(&company, no, grant.family).await?;
        let next = Uuid::new_v4();
        let rotate = StaffCommand::Rotate {
            account: no,
            family: grant.family,
            token: grant.token_id,
            next,
            expires_at: self.refresh_end(),
        };
        match self.tell_own(&company, &account, rotate).await? {
            Answer::Rotated { is_reuse: false } => {
                Ok(self.sign(&company, &account, grant.family, next))
            }
            _ => {
                self.metrics.refused_token();
                let why = "the refresh token was used before: log in again";
                Err(ApiError::because(ErrorCode::Unauthenticated, why))
            }
        }
    }

    /// Ends a login.
    pub(crate) async fn log_out(self: &Arc<Self>, who: &LoggedIn) -> Result<(), ApiError> {
        let close = StaffCommand::CloseFamily {
            account: who.account().no,
            family: who.login(),
        };
        self.tell_own(who.company(), who.account(), close).await?;
        Ok(())
    }

    /// Replaces a password by one that its owner chose; every login from before ends.
    pub(crate) async fn choose_password(
        self: &Arc<Self>,
        name: &str,
        current: String,
        chosen: String,
        address: IpAddr,
    ) -> Result<Account, ApiError> {
        let wrong = |why: String| {
            let error = ApiError::because(ErrorCode::BadField, why);
            error.of_field("new_password")
        };
        if chosen == current {
            let why = "whoever made the password knows this one: choose another";
            return Err(wrong(why.to_owned()));
        }
        let chosen = Password::chosen(chosen).map_err(|why| wrong(why.to_string()))?;
        let (company, account) = self.known_by(name, current, address).await?;
        let hash = self.identity.passwords.hash(chosen).await;
        let set = StaffCommand::SetPassword {
            account: account.no,
            password: to_journal(&hash.map_err(overloaded)?),
            is_first_login: false,
            as_of: Some(account.valid_from),
        };
        self.tell_own(&company, &account, set).await?;
        Ok(account)
    }

    /// Tells an account's staff something in its own name.
    async fn tell_own(
        self: &Arc<Self>,
        company: &CompanyId,
        account: &Account,
        command: StaffCommand,
    ) -> Result<Answer, ApiError> {
        let staff = EntityId::staff(company.clone());
        let caller = principal_of(company, account);
        let command = Command::Staff(command);
        answer(self.node.ask(staff, caller, command, fresh_cid()).await)
    }

    /// Says whether somebody takes conversations, in their own name.
    pub(crate) async fn set_availability(
        self: &Arc<Self>,
        who: &LoggedIn,
        availability: Availability,
    ) -> Result<Account, ApiError> {
        let account = who.account().no;
        let set = StaffCommand::SetAvailability {
            account,
            availability,
        };
        self.tell_own(who.company(), who.account(), set).await?;
        Ok(Account {
            availability,
            ..who.account().clone()
        })
    }

    fn refresh_end(&self) -> Timestamp {
        let now = self.node.clock().now();
        Timestamp(now.0.saturating_add(REFRESH_TTL_S * 1_000))
    }

    fn sign(&self, company: &CompanyId, account: &Account, family: Uuid, token: Uuid) -> Tokens {
        let now = self.node.clock().now();
        let company = (!company.is_installation()).then(|| company.clone());
        let access = AccessGrant {
            company: company.clone(),
            account: account.no.0,
            role: role_of(account.role),
            email: Arc::clone(&account.card.email),
            name: Arc::clone(&account.card.name),
            family,
            token_id: Uuid::new_v4(),
        };
        let refresh = RefreshGrant {
            company,
            account: account.no.0,
            family,
            token_id: token,
        };
        Tokens {
            access: self.identity.keys.sign_access(&access, now),
            refresh: self.identity.keys.sign_refresh(&refresh, now),
        }
    }
}

/// What is told of a name and a password that fit nobody.
fn wrong_password() -> ApiError {
    let why = "no account has this name and password";
    ApiError::because(ErrorCode::Unauthenticated, why)
}

/// What a command that was asked came to.
pub(super) fn answer(outcome: Outcome) -> Result<Answer, ApiError> {
    match outcome {
        Outcome::Done(answer) => Ok(answer),
        Outcome::Refused(why) => Err(why.into()),
        Outcome::Unknown => Err(ApiError::new(ErrorCode::Unavailable)),
    }
}

/// All hashing threads are busy.
pub(super) fn overloaded(overloaded: Overloaded) -> ApiError {
    let error = ApiError::because(ErrorCode::RateLimited, overloaded.to_string());
    error.retry_after_ms(overloaded.retry_after_ms)
}

/// A hash as journals hold it.
pub(super) fn to_journal(hash: &PasswordHash) -> frontdesk_protocol::staff::PasswordHash {
    frontdesk_protocol::staff::PasswordHash::new(&hash.to_text())
}

fn company_of(named: Option<&CompanyId>) -> CompanyId {
    named.cloned().unwrap_or_else(CompanyId::installation)
}

fn role_of(role: Role) -> AccountRole {
    match role {
        Role::Superadmin => AccountRole::Superadmin,
        Role::Admin => AccountRole::Admin,
        // Accounts have no other roles: the staff makes none.
        Role::Agent | Role::Visitor | Role::Bot => AccountRole::Agent,
    }
}
