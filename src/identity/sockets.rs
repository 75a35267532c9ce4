//! Who opens the socket of a visitor's chat, or of somebody who serves visitors: the tokens that a
//! handshake brings, and what each of them lets in.
//!
//! Invariants:
//! 1. A chat is entered by its visitor, proven by a capability for this very chat or vouched for by
//!    the company's host, and by the account that the chat was given to; by nobody else.
//! 2. A chat that is not there, one of somebody else and one of another company are refused alike.
//! 3. A cookie counts only on a page of this server or of an origin that the company named.
//!
//! Never: believes the path, or a frame, about who somebody is.

use std::sync::Arc;

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Uri, header};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Acquaintance, Command, Outcome};
use frontdesk_protocol::chat::Chat;
use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::staff::{Availability, StaffCommand};
use frontdesk_protocol::{AccountNo, ChatId, CompanyId, ErrorCode, Rejection};
use frontdesk_storage::EntityId;
use serde::Deserialize;

use super::cookies::{of_agent, of_visitor};
use super::visitors::{SignedId, is_for_another, may_be_overlooked};
use crate::app::{App, Known};
use crate::auth::own::{OwnVisitor, is_own};
use crate::auth::{self, AuthError};

/// One token of a handshake.
struct Token {
    text: String,
    is_cookie: bool,
}

/// What a handshake brings to say who it is from; nothing of it is believed yet.
pub(crate) struct Brought {
    /// What was brought on purpose comes first.
    tokens: Vec<Token>,
    /// Who the company's host says it is, and what it signed that with.
    pub(super) signed: Option<SignedQuery>,
    /// They say which page a cookie came from.
    pub(super) headers: HeaderMap,
    /// As it stands there.
    pub(super) query: String,
}

/// An id that a company's host signed, in a query.
#[derive(Deserialize)]
pub(super) struct SignedQuery {
    user_id: String,
    #[serde(default)]
    user_hash: String,
}

impl SignedQuery {
    /// As requests bring it.
    pub(super) fn as_brought(&self) -> SignedId<'_> {
        SignedId {
            user_id: Some(&self.user_id),
            user_hash: Some(&self.user_hash),
        }
    }

    /// `None` where no id is named; one that cannot be read has no signature that fits.
    fn of(query: &str) -> Option<Self> {
        let is_named = |pair: &str| pair.starts_with("user_id=");
        if !query.split('&').any(is_named) {
            return None;
        }
        let uri: Option<Uri> = format!("/?{query}").parse().ok();
        let read = uri.and_then(|uri| Query::<Self>::try_from_uri(&uri).ok());
        let unreadable = || Self {
            user_id: query.to_owned(),
            user_hash: String::new(),
        };
        let signed = read.map_or_else(unreadable, |Query(signed)| signed);
        (!signed.user_id.is_empty()).then_some(signed)
    }
}

/// What a token proves.
enum Proof {
    Visitor(OwnVisitor),
    Account(Known),
    Host(Known),
}

impl Brought {
    /// Of a handshake; with a company its visitors' cookie counts too.
    pub(crate) fn of(query: &str, headers: &HeaderMap, company: Option<&str>) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let on_purpose = [
            auth::from_subprotocols(text(header::SEC_WEBSOCKET_PROTOCOL)),
            auth::from_authorization(text(header::AUTHORIZATION)),
            of_query(query, "session_token"),
            auth::from_query(query),
        ];
        let company = company.and_then(|company| CompanyId::new(company).ok());
        let of_visitor = company.and_then(|company| of_visitor(headers, &company));
        let cookies = [of_visitor, of_agent(headers)];
        let token = |is_cookie: bool| {
            move |text: &str| Token {
                // One byte more than allowed is enough to be refused as too long.
                text: text.get(..TOKEN_BYTES_MAX + 1).unwrap_or(text).to_owned(),
                is_cookie,
            }
        };
        let on_purpose = on_purpose.into_iter().flatten().map(token(false));
        let cookies = cookies.into_iter().flatten().map(token(true));
        Self {
            tokens: on_purpose.chain(cookies).collect(),
            signed: SignedQuery::of(query),
            headers: headers.clone(),
            query: query.to_owned(),
        }
    }

    /// Whether nothing but cookies was brought.
    pub(crate) fn is_of_cookies(&self) -> bool {
        self.signed.is_none() && self.tokens.iter().all(|token| token.is_cookie)
    }

    /// Whether a segment of a path is the company of an account that brings its token: then it
    /// names no conversation. A login's cookie says nothing where a visitor's proof or chat is
    /// named on purpose.
    pub(crate) fn names_own_company(&self, app: &App, segment: &str) -> bool {
        let now = app.node.clock().now();
        let is_visitors = !self.is_of_cookies() || of_query(&self.query, "session_id").is_some();
        let counts = |token: &&Token| !(token.is_cookie && is_visitors);
        let is_of_it = |token: &Token| {
            let access = app.identity.keys.verify_access(&token.text, now);
            let company = access.map(|access| access.grant().company.clone());
            company.is_ok_and(|company| company.is_some_and(|own| own.as_str() == segment))
        };
        let mut tokens = self.tokens.iter().filter(counts);
        segment.parse::<RoomName>().is_err() && tokens.any(is_of_it)
    }
}

/// The value of a parameter; tokens hold no character that would be escaped.
pub(crate) fn of_query<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter_map(|(of, value)| (of == name).then_some(value));
    values.find(|value| !value.is_empty())
}

fn unknown() -> Rejection {
    Rejection::new(ErrorCode::UnknownRoom)
}

pub(super) fn unavailable(error: &frontdesk_storage::Error) -> Rejection {
    tracing::error!(%error, "chats or accounts cannot be read");
    Rejection::new(ErrorCode::Unavailable)
}

impl App {
    /// Who opens a socket on a visitor's chat, and the chat's room.
    ///
    /// # Errors
    /// `unknown_room` for whoever is known and has no part in it; else why they are not known.
    pub(crate) async fn join_chat(
        self: &Arc<Self>,
        company: &str,
        chat: &str,
        brought: &Brought,
    ) -> Result<(Known, EntityId), Rejection> {
        let revocation_count = self.identity.revocations.count();
        let (mut proofs, mut refused, mut is_bound) = (Vec::new(), None, false);
        for token in &brought.tokens {
            match self.proof(token, brought).await {
                Ok(proof) => {
                    // A token that was brought on purpose says which chat is meant.
                    is_bound |= match &proof {
                        Proof::Account(_) => true,
                        Proof::Visitor(_) => !token.is_cookie,
                        Proof::Host(_) => false,
                    };
                    proofs.push(proof);
                }
                Err(why) if !token.is_cookie && is_final(&why, &token.text, company, chat) => {
                    return Err(why);
                }
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        let signed = self.signed_on_socket(company, brought, revocation_count);
        proofs.extend(signed.await?.map(Proof::Host));
        let is_believed = !is_bound && self.believes_anyone(company).await?;
        if proofs.is_empty() && !is_believed {
            return Err(refused.unwrap_or_else(|| Rejection::new(ErrorCode::Unauthenticated)));
        }
        let (entity, chat) = self.named_chat(company, chat).await?.ok_or_else(unknown)?;
        for proof in proofs {
            let known = self.part_in(&entity.company, &chat, proof, revocation_count);
            if let Some(known) = known.await? {
                return Ok((known, entity));
            }
        }
        if !is_believed {
            return Err(unknown());
        }
        let known = self.opener(&entity.company, &chat, revocation_count);
        Ok((known.await?, entity))
    }

    /// Whom the company's host signed the id of, if the handshake has one.
    async fn signed_on_socket(
        self: &Arc<Self>,
        company: &str,
        brought: &Brought,
        revocation_count: u64,
    ) -> Result<Option<Known>, Rejection> {
        let Some(query) = &brought.signed else {
            return Ok(None);
        };
        let signed = query.as_brought();
        let open = self.open_company(company).await;
        let company = open.map_err(|why| match why.code() {
            ErrorCode::NotFound => unknown(),
            code => Rejection::new(code),
        })?;
        let company = company.id;
        let settings = self.node.settings(&company).await;
        let settings = settings.map_err(|error| unavailable(&error))?;
        let named = self.signed_visitor(&company, &settings, &signed).await;
        let named = named.map_err(|why| Rejection::because(why.code(), why.to_string()))?;
        let now = self.node.clock().now();
        let known =
            |who: Arc<Principal>| Known::visitor(Principal::clone(&who), now, revocation_count);
        Ok(named.map(known))
    }

    /// Whether visitors of a company are let into the chats that they name, as old clients need.
    async fn believes_anyone(self: &Arc<Self>, company: &str) -> Result<bool, Rejection> {
        let Ok(company) = CompanyId::new(company) else {
            return Ok(false);
        };
        let settings = self.node.settings(&company).await;
        Ok(settings
            .map_err(|error| unavailable(&error))?
            .legacy_anonymous)
    }

    /// Who opens a socket of those who serve a company's visitors.
    ///
    /// # Errors
    /// `forbidden` for whoever is known and has no account of a company; else why they are not
    /// known.
    pub(crate) async fn enter_desk(
        self: &Arc<Self>,
        brought: &Brought,
    ) -> Result<Known, Rejection> {
        let mut refused = None;
        for token in &brought.tokens {
            match self.proof(token, brought).await {
                Ok(Proof::Account(known)) if is_of_staff(&known) => return Ok(known),
                Ok(Proof::Account(_) | Proof::Host(_)) => {
                    let why = "only a company's people with an account may do this";
                    refused = Some(Rejection::because(ErrorCode::Forbidden, why));
                }
                Ok(Proof::Visitor(_)) => {}
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        Err(refused.unwrap_or_else(|| Rejection::new(ErrorCode::Unauthenticated)))
    }

    /// Whether an id is the number of somebody's own account or, for an admin, of somebody in their
    /// company.
    pub(crate) async fn may_open_desk(
        self: &Arc<Self>,
        who: &Principal,
        id: &str,
    ) -> Result<bool, Rejection> {
        let Some(account) = id.parse().ok().map(AccountNo) else {
            return Ok(false);
        };
        if who.person.account() == Some(account) {
            return Ok(true);
        }
        if who.role != Role::Admin {
            return Ok(false);
        }
        let found = self.node.account(&who.company, account).await;
        let found = found.map_err(|error| unavailable(&error))?;
        Ok(found.is_some_and(|account| !account.is_removed))
    }

    /// An agent says whether they take chats; the number of their account.
    pub(crate) async fn set_own_availability(
        self: &Arc<Self>,
        who: Arc<Principal>,
        availability: Availability,
    ) -> Result<AccountNo, Rejection> {
        let account = who.person.account().filter(|_| who.role == Role::Agent);
        let account = account.ok_or_else(|| Rejection::new(ErrorCode::Forbidden))?;
        let staff = EntityId::staff(who.company.clone());
        let set = Command::Staff(StaffCommand::SetAvailability {
            account,
            availability,
        });
        match self.node.ask(staff, who, set, fresh_cid()).await {
            Outcome::Done(_) => Ok(account),
            Outcome::Refused(why) => Err(why),
            Outcome::Unknown => Err(Rejection::new(ErrorCode::Unavailable)),
        }
    }

    /// A chat by the names in a path, if it is there.
    async fn named_chat(
        self: &Arc<Self>,
        company: &str,
        chat: &str,
    ) -> Result<Option<(EntityId, Box<Chat>)>, Rejection> {
        let (Ok(company), Ok(chat)) = (CompanyId::new(company), ChatId::new(chat)) else {
            return Ok(None);
        };
        let found = self.node.find_chat(&company, &chat).await;
        let Some(entity) = found.map_err(|error| unavailable(&error))? else {
            return Ok(None);
        };
        let facts = self.node.chat(&entity).await;
        let facts = facts.map_err(|error| unavailable(&error))?;
        Ok(facts.map(|facts| (entity, facts.chat)))
    }

    /// What a token proves, if it counts here.
    async fn proof(self: &Arc<Self>, token: &Token, brought: &Brought) -> Result<Proof, Rejection> {
        let text = &token.text;
        if token.is_cookie && !is_own(text) {
            return Err(Rejection::new(ErrorCode::Unauthenticated));
        }
        let now = self.node.clock().now();
        let proof = match self.identity.keys.verify_visitor(text, now) {
            Ok(visitor) => Proof::Visitor(visitor),
            Err(error @ AuthError::Expired) => {
                self.metrics.refused_token();
                return Err(error.into());
            }
            Err(_) => {
                let known = self.authenticate(text).await?;
                match is_own(text) {
                    true => Proof::Account(known),
                    false => Proof::Host(known),
                }
            }
        };
        let company = match &proof {
            Proof::Visitor(visitor) => &visitor.grant().company,
            Proof::Account(known) | Proof::Host(known) => &known.principal.company,
        };
        if token.is_cookie && !self.may_use_cookies(company, &brought.headers).await? {
            return Err(Rejection::new(ErrorCode::Unauthenticated));
        }
        Ok(proof)
    }

    /// Who somebody is in a chat of this company, if they are in it.
    async fn part_in(
        self: &Arc<Self>,
        company: &CompanyId,
        chat: &Chat,
        proof: Proof,
        revocation_count: u64,
    ) -> Result<Option<Known>, Rejection> {
        match proof {
            Proof::Visitor(visitor) => {
                let grant = visitor.grant();
                let is_theirs = grant.company == *company
                    && *grant.chat_id == *chat.id.as_str()
                    && grant.person == chat.visitor;
                match is_theirs {
                    true => self.opener(company, chat, revocation_count).await.map(Some),
                    false => Ok(None),
                }
            }
            Proof::Host(known) => {
                let who = &known.principal;
                let is_theirs = who.company == *company && who.person == chat.visitor;
                Ok(is_theirs.then(|| known.in_role(Role::Visitor)))
            }
            Proof::Account(known) => {
                let handoff = chat.handoff.as_ref();
                let agent = handoff.and_then(|handoff| handoff.agent.as_ref());
                let is_theirs = known.principal.company == *company
                    && agent.is_some_and(|agent| agent.id == known.principal.person);
                Ok(is_theirs.then_some(known))
            }
        }
    }

    /// A chat's visitor with what the company knows of them.
    async fn opener(
        self: &Arc<Self>,
        company: &CompanyId,
        chat: &Chat,
        revocation_count: u64,
    ) -> Result<Known, Rejection> {
        let found = self.node.acquaintance(company, &chat.visitor).await;
        let card = match found.map_err(|error| unavailable(&error))? {
            Acquaintance::NoCompany => return Err(Rejection::new(ErrorCode::UnknownCompany)),
            Acquaintance::Stranger => Card::default(),
            Acquaintance::Known(row) => row.card,
        };
        let principal = Principal {
            company: company.clone(),
            person: chat.visitor.clone(),
            role: Role::Visitor,
            card,
        };
        Ok(Known::visitor(
            principal,
            self.node.clock().now(),
            revocation_count,
        ))
    }
}

/// Whether a token that does not count refuses a socket, whatever else proves it.
fn is_final(why: &Rejection, token: &str, company: &str, chat: &str) -> bool {
    !may_be_overlooked(why.code) || is_for_another(token, company, Some(chat))
}

fn is_of_staff(known: &Known) -> bool {
    let who = &known.principal;
    matches!(who.role, Role::Agent | Role::Admin) && !who.company.is_installation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_brought_on_purpose_goes_before_cookies() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::COOKIE, "x=1; frontdesk_visitor_SPA001=e"),
            (header::COOKIE, "frontdesk_visitor_TES001=c"),
            (header::AUTHORIZATION, "Bearer a"),
        ] {
            headers.append(name, axum::http::HeaderValue::from_static(value));
        }
        let tokens = |query: &str, company: Option<&str>| {
            let brought = Brought::of(query, &headers, company);
            let texts = brought.tokens.into_iter().map(|token| token.text);
            texts.collect::<Vec<_>>()
        };
        assert_eq!(tokens("x=1&token=b", Some("TES001")), ["a", "b", "c"]);
        assert_eq!(tokens("token=&session_token=t", None), ["a", "t"]);
        assert!(!Brought::of("", &headers, None).is_of_cookies());
        assert!(Brought::of("", &HeaderMap::new(), None).is_of_cookies());
    }
}
