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
//! 5. A token that counts no more leaves a request to what else proves it; one that speaks of
//!    another company, chat or account than the request refuses it, whatever else there is.
//!
//! What requests bring is read in `proofs`. Never: knows rooms; who maps chats to them says whose
//! each is.

mod proofs;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};
use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::companies::CompanyRecord;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{ChatId, CompanyId, ErrorCode, PersonId, Rejection, Timestamp};
use uuid::Uuid;

use super::cookies::foreign_page;
use crate::app::App;
use crate::auth::own::{VisitorGrant, is_own};
use crate::http::ApiError;

pub(crate) use proofs::SignedId;
pub(super) use proofs::{is_for_another, may_be_overlooked};

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
    pub(crate) signed: SignedId<'a>,
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
            signed: SignedId::default(),
        }
    }
}

/// A visitor of a company, before it is known whose the chat is that they named.
#[derive(Debug)]
pub(crate) struct Visiting {
    company: CompanyId,
    settings: Arc<CompanySettings>,
    chat_id: Option<ChatId>,
    capability: Option<Capable>,
    /// Whom the company's host vouches for.
    vouched: Option<Arc<Principal>>,
    /// Why something that was brought on purpose does not count.
    refused: Option<ApiError>,
    /// A cookie was left out of account, because of the page.
    is_foreign_page: bool,
}

/// What a capability proves: a chat, and who the visitor is in it.
#[derive(Debug)]
struct Capable {
    chat: Arc<str>,
    person: PersonId,
    /// A cookie says nothing of the chat that the page wants now.
    is_cookie: bool,
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
        let is_believed = self.believes_the_id();
        let (Some(chat), Some(owner)) = (&self.chat_id, owner) else {
            return Err(match is_believed {
                true => no_such_chat(),
                false => self.refusal(),
            });
        };
        // A browser keeps one of a visitor's chats; whom a host vouches for it keeps none but that.
        let is_capable = self.capability.as_ref().is_some_and(|it| {
            it.person == *owner && (*it.chat == *chat.as_str() || it.person.is_visitor())
        });
        let is_vouched = self
            .vouched
            .as_ref()
            .is_some_and(|who| who.person == *owner);
        if !is_capable && !is_vouched && !is_believed {
            return Err(self.refusal());
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

    /// The id of a chat is enough: the company says so, and no token on purpose says otherwise.
    fn believes_the_id(&self) -> bool {
        let is_bound = self.capability.as_ref().is_some_and(|it| !it.is_cookie);
        self.settings.legacy_anonymous && !is_bound
    }

    /// Why nothing that was brought is enough, which hangs on nothing but that.
    fn refusal(&self) -> ApiError {
        match &self.refused {
            Some(why) => why.clone(),
            None if self.is_foreign_page => foreign_page(),
            None => no_such_chat(),
        }
    }

    /// The chat that a token or a cookie is for. Whom the host vouches for is not put into what
    /// somebody else left in the browser.
    pub(crate) fn kept_chat(&self) -> Option<&str> {
        let is_theirs = |it: &&Capable| {
            let vouched = self.vouched.as_ref();
            vouched.is_none_or(|vouched| vouched.person == it.person)
        };
        let capability = self.capability.as_ref();
        capability.filter(is_theirs).map(|it| &*it.chat)
    }

    /// Nothing was brought that says who it is.
    pub(crate) fn is_of_nobody(&self) -> bool {
        let is_visitor = |it: &Capable| it.person.is_visitor();
        self.vouched.is_none() && !self.capability.as_ref().is_some_and(is_visitor)
    }

    /// Who it is, as far as anything that was brought proves it, whichever chat it is about.
    pub(crate) fn proven(&self) -> Option<Arc<Principal>> {
        let capable = || {
            let person = self.capability.as_ref()?.person.clone();
            Some(Arc::new(principal(&self.company, person)))
        };
        self.vouched.clone().or_else(capable)
    }

    /// The visitor as one who is about to open a chat: whom the host vouches for, else who they
    /// were in an earlier chat, else somebody new of this name.
    pub(crate) async fn newcomer(
        &self,
        app: &Arc<App>,
        name: Uuid,
    ) -> Result<VisitorScope, ApiError> {
        let earlier = self.capability.as_ref().map(|it| &it.person);
        let earlier = earlier.filter(|person| person.is_visitor());
        let principal = match (&self.vouched, earlier, &self.refused) {
            (Some(principal), ..) => Arc::clone(principal),
            (None, Some(person), _) => app.visitor_of(&self.company, person.clone()).await?,
            (None, None, Some(why)) if !self.settings.legacy_anonymous => return Err(why.clone()),
            (None, None, _) => {
                let random = name.simple().to_string();
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

impl App {
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
}
