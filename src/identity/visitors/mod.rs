//! Who a visitor is: whoever opened a chat without a host's token, or came with one.
//!
//! A visitor is asked nothing before a chat: they get a person id and, with the chat's id, a token
//! (the capability) that says that the chat is theirs. Hosts may say who their visitors are, by a
//! token or by a signed id; then that is the person, and the chats of that person are theirs.
//!
//! Invariants:
//! 1. A [`VisitorScope`] exists only for a company that is open, and for a chat only with a
//!    capability for it, as the person the company's rows name, or where the company says that
//!    the id is enough.
//! 2. What a request says of itself (a company, a chat, a person) is never believed without a
//!    signature of ours or of the company's host.
//! 3. A chat that is not there and one of somebody else are answered alike.
//! 4. A visitor is a visitor, whatever role their token names.
//!
//! Never: knows rooms; who maps chats to them says whose each is.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::companies::CompanyRecord;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{ChatId, CompanyId, ErrorCode, PersonId, Rejection, Timestamp};
use uuid::Uuid;

use super::cookies::{foreign_page, of_visitor};
use crate::app::App;
use crate::auth::own::{OwnVisitor, VisitorGrant, is_own};
use crate::auth::{self, AuthError};
use crate::http::ApiError;

#[cfg(test)]
mod tests;

/// How long a visitor may come back to a chat, seconds: a month after its last token.
pub(crate) const VISITOR_TTL_S: u64 = 30 * 24 * 60 * 60;

/// What a request of a visitor brings, as it stands there.
#[derive(Clone, Copy)]
pub(crate) struct VisitorAsked<'a> {
    /// The company, as the path or a field names it.
    pub(crate) company: &'a str,
    /// The chat, if one is named.
    pub(crate) chat_id: Option<&'a str>,
    /// The headers, for tokens, cookies and the page.
    pub(crate) headers: &'a HeaderMap,
    /// The query of the address, for `token` and `session_token`.
    pub(crate) query: Option<&'a str>,
    /// The field `session_token` of a body.
    pub(crate) token: Option<&'a str>,
    /// Who the host says it is.
    pub(crate) user_id: Option<&'a str>,
    /// What it signed that with.
    pub(crate) user_hash: Option<&'a str>,
}

impl<'a> VisitorAsked<'a> {
    /// A request of which only the company, the headers and the query are known.
    pub(crate) fn of(company: &'a str, headers: &'a HeaderMap, query: Option<&'a str>) -> Self {
        Self {
            company,
            chat_id: None,
            headers,
            query,
            token: None,
            user_id: None,
            user_hash: None,
        }
    }
}

/// A visitor of a company, before it is known whose the chat is that they named.
#[derive(Debug)]
pub(crate) struct Visiting {
    company: CompanyId,
    settings: Arc<CompanySettings>,
    chat_id: Option<ChatId>,
    /// A chat, and who the visitor is in it.
    capability: Option<(Arc<str>, PersonId)>,
    /// Whom the company's host vouches for.
    vouched: Option<Arc<Principal>>,
    /// A cookie was left out of account, because of the page.
    is_foreign_page: bool,
}

/// Proof of who a visitor is, and in which chat: nothing but [`Visiting`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct VisitorScope {
    company: CompanyId,
    chat: Option<ChatId>,
    principal: Arc<Principal>,
    /// Something was shown beside the chat's id.
    is_proven: bool,
}

impl VisitorScope {
    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// The chat that is theirs; `None` for one who is about to open one.
    pub(crate) fn chat(&self) -> Option<&ChatId> {
        self.chat.as_ref()
    }

    /// Whether more was shown than the chat's id, so that they may be given a proof of it.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// As rooms know them.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

/// What a visitor is given for a chat.
pub(crate) struct Capability {
    /// The token, for the field `session_token`.
    pub(crate) token: String,
    /// The same for `Set-Cookie`.
    pub(crate) cookie: HeaderValue,
}

impl Visiting {
    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// Its settings.
    pub(crate) fn settings(&self) -> &Arc<CompanySettings> {
        &self.settings
    }

    /// The chat that was named, of which nothing is known.
    pub(crate) fn chat_id(&self) -> Option<&ChatId> {
        self.chat_id.as_ref()
    }

    /// The visitor in the chat that they named. `owner` is whose it is, as the company's rows say;
    /// `None` when there is no such chat.
    pub(crate) async fn of_chat(
        &self,
        app: &Arc<App>,
        owner: Option<&PersonId>,
    ) -> Result<VisitorScope, ApiError> {
        let (Some(chat), Some(owner)) = (&self.chat_id, owner) else {
            return Err(no_such_chat());
        };
        // A browser keeps one of a visitor's chats; whom a host vouches for it keeps none but that.
        let is_capable = self
            .capability
            .as_ref()
            .is_some_and(|(of, who)| who == owner && (**of == *chat.as_str() || who.is_visitor()));
        let is_vouched = self
            .vouched
            .as_ref()
            .is_some_and(|who| who.person == *owner);
        if !is_capable && !is_vouched && !self.settings.legacy_anonymous {
            return Err(match self.is_foreign_page {
                true => foreign_page(),
                false => no_such_chat(),
            });
        }
        let vouched = self.vouched.as_ref().filter(|_| is_vouched);
        let principal = match vouched {
            Some(principal) => Arc::clone(principal),
            None => app.visitor_of(&self.company, owner.clone()).await?,
        };
        app.rates.take_person(&principal)?;
        Ok(VisitorScope {
            company: self.company.clone(),
            chat: Some(chat.clone()),
            principal,
            is_proven: is_capable || is_vouched,
        })
    }

    /// The visitor as one who is about to open a chat: whom the host vouches for, else who they
    /// were in an earlier chat, else somebody new.
    pub(crate) async fn newcomer(&self, app: &Arc<App>) -> Result<VisitorScope, ApiError> {
        let earlier = self.capability.as_ref();
        let earlier = earlier.filter(|(_, person)| person.is_visitor());
        let principal = match (&self.vouched, earlier) {
            (Some(principal), _) => Arc::clone(principal),
            (None, Some((_, person))) => app.visitor_of(&self.company, person.clone()).await?,
            (None, None) => {
                let random = Uuid::new_v4().simple().to_string();
                let person = PersonId::visitor(&random).expect("hexadecimal digits are an id");
                Arc::new(principal(&self.company, person))
            }
        };
        app.rates.take_person(&principal)?;
        Ok(VisitorScope {
            company: self.company.clone(),
            chat: None,
            principal,
            is_proven: true,
        })
    }
}

/// What is told of a chat that is not there, or not this visitor's.
fn no_such_chat() -> ApiError {
    let why = "Chat session not found or access denied";
    ApiError::because(ErrorCode::NotFound, why)
}

fn principal(company: &CompanyId, person: PersonId) -> Principal {
    Principal {
        company: company.clone(),
        person,
        role: Role::Visitor,
        card: Card::default(),
    }
}

/// The field of a query; tokens hold no character that would be escaped.
fn of_query<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter_map(|(of, value)| (of == name).then_some(value));
    values.find(|value| !value.is_empty())
}

impl App {
    /// Who a request of a visitor is from.
    ///
    /// # Errors
    /// What was brought to be believed and is not: a token that does not count, an id whose
    /// signature does not fit. A cookie of that kind is as none.
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
            is_foreign_page: false,
        };
        self.take_tokens(&mut visiting, asked).await?;
        self.take_signed_id(&mut visiting, asked).await?;
        self.take_cookie(&mut visiting, asked).await?;
        Ok(visiting)
    }

    /// Proof of a chat that a visitor has opened, or came back to, for them to keep.
    pub(crate) fn capability(&self, scope: &VisitorScope, chat: &ChatId) -> Capability {
        let grant = VisitorGrant {
            company: scope.company.clone(),
            chat_id: chat.as_str().into(),
            person: scope.principal.person.clone(),
            ttl_s: VISITOR_TTL_S,
        };
        let now = self.node.clock().now();
        let token = self.identity.keys.sign_visitor(&grant, now);
        let cookie = self.visitor_cookie(&scope.company, &token, VISITOR_TTL_S);
        Capability { token, cookie }
    }

    /// A company that visitors may come to.
    pub(crate) async fn open_company(
        self: &Arc<Self>,
        text: &str,
    ) -> Result<CompanyRecord, ApiError> {
        let none = || ApiError::because(ErrorCode::NotFound, "no such company");
        let company = CompanyId::new(text).map_err(|_| none())?;
        let record = self.node.company_record(&company).await;
        let record = record.map_err(|error| ApiError::fault(&error))?;
        let is_open = |record: &CompanyRecord| !record.is_closed && !company.is_installation();
        record.filter(is_open).ok_or_else(none)
    }

    /// A visitor with what the company knows of them.
    async fn visitor_of(
        self: &Arc<Self>,
        company: &CompanyId,
        person: PersonId,
    ) -> Result<Arc<Principal>, ApiError> {
        let card = self.node.card(company, &person).await;
        let card = card.map_err(|error| ApiError::fault(&error))?;
        Ok(Arc::new(Principal {
            card: card.unwrap_or_default(),
            ..principal(company, person)
        }))
    }

    /// Who a visitor's token speaks for on a socket of its own: only those who have nothing but
    /// chats of ours, since whom a host vouched for has a token of the host's.
    pub(crate) async fn capable(
        self: &Arc<Self>,
        token: &str,
    ) -> Result<Option<(Arc<Principal>, Timestamp)>, Rejection> {
        if !is_own(token) {
            return Ok(None);
        }
        let now = self.node.clock().now();
        let verified = self.identity.keys.verify_visitor(token, now);
        let Some(visitor) = verified.ok().filter(|it| it.grant().person.is_visitor()) else {
            return Ok(None);
        };
        let grant = visitor.grant();
        let refused = |error: ApiError| Rejection::new(error.code());
        let company = self.open_company(grant.company.as_str()).await;
        let company = company.map_err(refused)?.id;
        let principal = self.visitor_of(&company, grant.person.clone()).await;
        Ok(Some((principal.map_err(refused)?, visitor.expires_at())))
    }

    /// Tokens that were brought on purpose: each must count.
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
            of_query(asked.query, "session_token"),
            of_query(asked.query, "token"),
        ];
        for token in brought.into_iter().flatten() {
            let elsewhere = || {
                let why = "the token speaks for another company";
                ApiError::because(ErrorCode::Forbidden, why)
            };
            if is_own(token) {
                let proof = self.capability_of(token)?;
                if proof.grant().company != visiting.company {
                    return Err(elsewhere());
                }
                visiting.capability.get_or_insert_with(|| parts(&proof));
            } else {
                let known = self.authenticate(token).await?;
                if known.principal.company != visiting.company {
                    return Err(elsewhere());
                }
                let vouched = Principal {
                    role: Role::Visitor,
                    ..Principal::clone(&known.principal)
                };
                visiting.vouched.get_or_insert(Arc::new(vouched));
            }
        }
        Ok(())
    }

    fn capability_of(&self, token: &str) -> Result<OwnVisitor, ApiError> {
        let (keys, now) = (&self.identity.keys, self.node.clock().now());
        let refused = |error: AuthError| {
            self.metrics.refused_token();
            match keys.verify_access(token, now) {
                Ok(_) => ApiError::because(ErrorCode::Forbidden, "somebody with an account"),
                Err(_) => error.into(),
            }
        };
        keys.verify_visitor(token, now).map_err(refused)
    }

    async fn take_signed_id(
        self: &Arc<Self>,
        visiting: &mut Visiting,
        asked: &VisitorAsked<'_>,
    ) -> Result<(), ApiError> {
        let Some(user_id) = asked.user_id.filter(|text| !text.is_empty()) else {
            return Ok(());
        };
        let refuse = |field: &'static str, why: &str| {
            let why = format!("{field}: {why}");
            Err(ApiError::because(ErrorCode::Unauthenticated, why).of_field(field))
        };
        let Some(secret) = &visiting.settings.visitor_secret else {
            return refuse("user_id", "the company has no secret for ids of visitors");
        };
        let hash = asked.user_hash.unwrap_or_default();
        if !auth::is_signed_id(secret.expose(), user_id, hash) {
            self.metrics.refused_token();
            return refuse("user_hash", "does not sign this user_id");
        }
        let person = PersonId::new(user_id).ok();
        let person = person.filter(|person| !person.is_ours() && !person.is_bot());
        let Some(person) = person else {
            return refuse("user_id", "not of the host's people");
        };
        match &visiting.vouched {
            Some(known) if known.person != person => {
                refuse("user_id", "the token is somebody else's")
            }
            Some(_) => Ok(()),
            None => {
                visiting.vouched = Some(self.visitor_of(&visiting.company, person).await?);
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
            true => visiting.capability = Some(parts(&proof)),
            false => visiting.is_foreign_page = true,
        }
        Ok(())
    }
}

fn parts(proof: &OwnVisitor) -> (Arc<str>, PersonId) {
    let grant = proof.grant();
    (Arc::clone(&grant.chat_id), grant.person.clone())
}
