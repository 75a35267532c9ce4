//! What a visitor's request brings: tokens, an id that the company's host signed, a cookie.
//!
//! Invariants:
//! 1. What is brought on purpose and does not count is told, unless something else proves the
//!    visit; what says to be for something else than is asked for refuses the request at once.
//! 2. A cookie that does not count is as none.
//!
//! Never: believes what a token says whose signature does not fit.

use std::sync::Arc;

use axum::http::header;
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{ChatId, CompanyId, ErrorCode, PersonId};

use super::super::cookies::of_visitor;
use super::{Capable, Visiting, VisitorAsked};
use crate::app::App;
use crate::auth::own::{OwnVisitor, claimed_chat, is_own};
use crate::auth::{self, AuthError};
use crate::http::ApiError;
use crate::identity::sockets::of_query;

/// Who a host says its visitor is, as a request brings it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SignedId<'a> {
    /// Who.
    pub(crate) user_id: Option<&'a str>,
    /// What the host signed that with.
    pub(crate) user_hash: Option<&'a str>,
}

/// Whether a token that is refused for this may be left out of account where something else is
/// proof enough.
pub(crate) fn may_be_overlooked(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Unauthenticated | ErrorCode::TokenExpired)
}

/// Whether a token that does not count says to be for something else than is asked for: another
/// company, another chat, or an account. Nothing else that it says is heard.
pub(crate) fn is_for_another(token: &str, company: &str, chat: Option<&str>) -> bool {
    match claimed_chat(token) {
        Some((of, named)) => of.as_str() != company || chat.is_some_and(|chat| *named != *chat),
        None => is_own(token),
    }
}

impl App {
    /// Who a request of a visitor is from.
    ///
    /// # Errors
    /// What was brought to be believed and speaks of something else than the request; an id whose
    /// signature does not fit.
    pub(crate) async fn visitor(
        self: &Arc<Self>,
        asked: &VisitorAsked<'_>,
    ) -> Result<Visiting, ApiError> {
        if self.is_draining() {
            return Err(ApiError::new(ErrorCode::Draining));
        }
        let company = self.open_company(asked.company).await?.id;
        let named = asked.chat_id.filter(|text| !text.is_empty());
        let chat_id = named.map(ChatId::new).transpose().map_err(|why| {
            let error = ApiError::because(ErrorCode::BadField, why.to_string());
            error.of_field("session_id")
        })?;
        let mut visiting = Visiting {
            settings: self.settings(&company).await?,
            company,
            chat_id,
            capability: None,
            vouched: None,
            refused: None,
            is_foreign_page: false,
        };
        self.take_tokens(&mut visiting, asked).await?;
        self.take_signed_id(&mut visiting, &asked.signed).await?;
        self.take_cookie(&mut visiting, asked).await?;
        Ok(visiting)
    }

    /// Whom a signature of the company's host names, if there is one.
    ///
    /// # Errors
    /// It signs nobody, or not this one: such a request is somebody's who says to be another.
    pub(crate) async fn signed_visitor(
        self: &Arc<Self>,
        company: &CompanyId,
        settings: &CompanySettings,
        signed: &SignedId<'_>,
    ) -> Result<Option<Arc<Principal>>, ApiError> {
        let Some(user_id) = signed.user_id.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let Some(secret) = &settings.visitor_secret else {
            let why = "the company has no secret for ids of visitors";
            return Err(refused_id("user_id", why));
        };
        let hash = signed.user_hash.unwrap_or_default();
        if !auth::is_signed_id(secret.expose(), user_id, hash) {
            self.metrics.refused_token();
            return Err(refused_id("user_hash", "does not sign this user_id"));
        }
        let person = PersonId::new(user_id).ok();
        match person.filter(|person| !person.is_ours() && !person.is_bot()) {
            Some(person) => Ok(Some(self.visitor_of(company, person).await?)),
            None => Err(refused_id("user_id", "not of the host's people")),
        }
    }

    /// Tokens that were brought on purpose.
    async fn take_tokens(
        self: &Arc<Self>,
        visiting: &mut Visiting,
        asked: &VisitorAsked<'_>,
    ) -> Result<(), ApiError> {
        let authorization = asked.headers.get(header::AUTHORIZATION);
        let bearer = authorization
            .and_then(|value| value.to_str().ok())
            .and_then(auth::from_authorization);
        let brought = [
            bearer,
            asked.token.filter(|token| !token.is_empty()),
            of_query(asked.query.unwrap_or_default(), "session_token"),
            of_query(asked.query.unwrap_or_default(), "token"),
        ];
        for token in brought.into_iter().flatten() {
            let Err(why) = self.take_token(visiting, token).await else {
                continue;
            };
            let chat = visiting.chat_id.as_ref().map(ChatId::as_str);
            let is_final = !may_be_overlooked(why.code())
                || is_for_another(token, visiting.company.as_str(), chat);
            if is_final {
                return Err(why);
            }
            visiting.refused.get_or_insert(why);
        }
        Ok(())
    }

    async fn take_token(
        self: &Arc<Self>,
        visiting: &mut Visiting,
        token: &str,
    ) -> Result<(), ApiError> {
        let elsewhere = || {
            let why = "the token speaks for another company";
            ApiError::because(ErrorCode::Forbidden, why)
        };
        if is_own(token) {
            let proof = self.capability_of(token)?;
            if proof.grant().company != visiting.company {
                return Err(elsewhere());
            }
            visiting
                .capability
                .get_or_insert_with(|| capable(&proof, false));
            return Ok(());
        }
        let known = self.authenticate(token).await?;
        if known.principal.company != visiting.company {
            return Err(elsewhere());
        }
        let vouched = Principal {
            role: Role::Visitor,
            ..Principal::clone(&known.principal)
        };
        visiting.vouched.get_or_insert(Arc::new(vouched));
        Ok(())
    }

    fn capability_of(&self, token: &str) -> Result<OwnVisitor, ApiError> {
        let (keys, now) = (&self.identity.keys, self.node.clock().now());
        let refused = |error: AuthError| {
            self.metrics.refused_token();
            match keys.verify_access(token, now) {
                Ok(_) => ApiError::because(
                    ErrorCode::Forbidden,
                    "this token is an account's; a visitor's proof is needed",
                ),
                Err(_) => error.into(),
            }
        };
        keys.verify_visitor(token, now).map_err(refused)
    }

    async fn take_signed_id(
        self: &Arc<Self>,
        visiting: &mut Visiting,
        signed: &SignedId<'_>,
    ) -> Result<(), ApiError> {
        let signed = self.signed_visitor(&visiting.company, &visiting.settings, signed);
        let Some(named) = signed.await? else {
            return Ok(());
        };
        match &visiting.vouched {
            Some(known) if known.person != named.person => {
                Err(refused_id("user_id", "the token is somebody else's"))
            }
            Some(_) => Ok(()),
            None => {
                visiting.vouched = Some(named);
                Ok(())
            }
        }
    }

    /// What the browser kept counts where nothing better was brought.
    async fn take_cookie(
        self: &Arc<Self>,
        visiting: &mut Visiting,
        asked: &VisitorAsked<'_>,
    ) -> Result<(), ApiError> {
        let Some(token) = of_visitor(asked.headers, &visiting.company) else {
            return Ok(());
        };
        let now = self.node.clock().now();
        let Ok(proof) = self.identity.keys.verify_visitor(token, now) else {
            return Ok(());
        };
        let (company, person) = (&proof.grant().company, &proof.grant().person);
        // The browser may be another person's by now.
        let is_theirs = |vouched: &Arc<Principal>| person.is_ours() || vouched.person == *person;
        if visiting.capability.is_some()
            || *company != visiting.company
            || !visiting.vouched.as_ref().is_none_or(is_theirs)
        {
            return Ok(());
        }
        match self.may_use_cookies(company, asked.headers).await? {
            true => visiting.capability = Some(capable(&proof, true)),
            false => visiting.is_foreign_page = true,
        }
        Ok(())
    }
}

fn refused_id(field: &'static str, why: &str) -> ApiError {
    let why = format!("{field}: {why}");
    ApiError::because(ErrorCode::Unauthenticated, why).of_field(field)
}

fn capable(proof: &OwnVisitor, is_cookie: bool) -> Capable {
    Capable {
        chat: Arc::clone(&proof.grant().chat_id),
        person: proof.grant().person.clone(),
        is_cookie,
    }
}
