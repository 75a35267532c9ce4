//! Who may act in a visitor's chat, and which chat it is.
//!
//! Invariants:
//! 1. A [`ChatScope`] exists only for the chat's own visitor, for whoever has it, or had it until
//!    the visitor went on with the bot, for agents of its company while it waits for one, and for
//!    the company's admins; to escalate a chat, for agents while no colleague has it; to speak, for
//!    agents whom the room then judges.
//! 2. A chat that is not there, one of another company and one that is not theirs are answered
//!    alike.
//!
//! Never: takes a company from what a request says of itself.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use frontdesk_actors::clock::{fresh_cid, fresh_history_base, fresh_room_id};
use frontdesk_actors::{Answer, Bucket, ChatFacts, Command, Conversation, VisitorProfile};
use frontdesk_protocol::chat::{Chat, ChatOpening, Stage};
use frontdesk_protocol::command::{CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::limits::CID_KEPT_MS;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::{AccountNo, ChatId, Cid, CompanyId, ErrorCode, MessageNo, PersonId};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::cookies::access_of;
use super::logins::answer;
use super::scope::{CompanyScope, LoggedIn, check_named};
use super::visitors::{Capability, Visiting, VisitorAsked, VisitorScope};
use crate::app::App;
use crate::bots;
use crate::http::ApiError;
use crate::http::rooms::idempotency_key;

/// The shortest `Idempotency-Key` that counts in the first request of somebody unknown, bytes: the
/// key alone shows that a repeat is theirs, so nobody may come upon it. As long as 128 random bits
/// without any coding.
const FIRST_KEY_BYTES_MIN: usize = 16;

/// Somebody who serves a company's visitors, and that company.
#[derive(Debug, Clone)]
pub(crate) struct DeskScope {
    company: CompanyId,
    principal: Arc<Principal>,
}

impl DeskScope {
    /// An agent or admin at their own company; those who run the installation name one.
    pub(crate) async fn resolve(
        app: &Arc<App>,
        who: LoggedIn,
        named: Option<&str>,
    ) -> Result<Self, ApiError> {
        if who.account().role == Role::Agent {
            check_named(who.company(), named)?;
            return Ok(Self {
                company: who.company().clone(),
                principal: Arc::clone(who.principal()),
            });
        }
        let scope = CompanyScope::resolve(app, who, named).await?;
        Ok(Self {
            company: scope.company().clone(),
            principal: Arc::clone(scope.principal()),
        })
    }

    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.company
    }

    /// As rooms know them.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Whether they see every chat of the company.
    pub(crate) fn sees_all(&self) -> bool {
        self.principal.role != Role::Agent
    }

    /// Whether they may see this chat.
    pub(crate) fn sees(&self, chat: &Chat) -> bool {
        self.sees_all() || chat.is_shown_to(&self.principal.person)
    }

    /// A chat of the company by the widget's name for it, if they may see it.
    pub(crate) async fn chat(&self, app: &Arc<App>, name: &str) -> Result<ChatScope, ApiError> {
        let found = find(app, &self.company, &chat_id(name)?).await?;
        let found = found.filter(|(_, facts)| self.sees(&facts.chat));
        self.scope(found)
    }

    /// A chat of the company, to be told whether it is theirs.
    pub(crate) async fn any_chat(&self, app: &Arc<App>, name: &str) -> Result<ChatScope, ApiError> {
        let found = find(app, &self.company, &chat_id(name)?).await?;
        self.scope(found)
    }

    /// A chat to be escalated: also one that the bot has, but none that a colleague has, unless
    /// they see all.
    pub(crate) async fn free_chat(
        &self,
        app: &Arc<App>,
        name: &str,
    ) -> Result<ChatScope, ApiError> {
        let found = find(app, &self.company, &chat_id(name)?).await?;
        let is_free = |chat: &Chat| self.sees(chat) || chat.stage != Stage::Assigned;
        self.scope(found.filter(|(_, facts)| is_free(&facts.chat)))
    }

    /// The chat of a handoff by its number, if they may see it.
    pub(crate) async fn handoff(&self, app: &Arc<App>, no: u64) -> Result<ChatScope, ApiError> {
        let (conversation, seq) = MessageNo(no).parts();
        let name = RoomName::Conversation(conversation);
        let entity = app.node.find_room(&self.company, name).await;
        let entity = entity.map_err(|error| ApiError::fault(&error))?;
        let found = match entity {
            Some(entity) => facts_of(app, entity).await?,
            None => None,
        };
        let is_it = |facts: &ChatFacts| {
            let handoff = facts.chat.handoff.as_ref();
            handoff.is_some_and(|handoff| handoff.seq == seq) && self.sees(&facts.chat)
        };
        self.scope(found.filter(|(_, facts)| is_it(facts)))
    }

    /// Chats of a bucket, the latest handoff first: of one agent or of everybody, and how many
    /// there are. Whom they may ask for they have checked with [`DeskScope::sees_all`].
    pub(crate) async fn listed(
        &self,
        app: &Arc<App>,
        whose: Option<&PersonId>,
        bucket: Bucket,
        part: (u64, usize),
    ) -> Result<(Vec<Conversation>, u64), ApiError> {
        let reader = &self.principal.person;
        let buckets = [bucket];
        let read = app.node.desk(&self.company, reader, whose, &buckets, part);
        let (mut listed, count) = read.await.map_err(ApiError::from)?;
        for conversation in &mut listed {
            self.blank_unseen(conversation);
        }
        Ok((listed, count))
    }

    /// A chat that the bot has again stays on the list of whoever had it, and says nothing new.
    pub(crate) fn blank_unseen(&self, conversation: &mut Conversation) {
        let summary = &mut conversation.summary;
        let chat = summary.chat.as_mut();
        if let Some(chat) = chat.filter(|chat| !self.sees(chat)) {
            chat.form = None;
            summary.last = None;
        }
    }

    /// Somebody of the company.
    pub(crate) async fn account(&self, app: &Arc<App>, no: AccountNo) -> Result<Account, ApiError> {
        let found = app.node.account(&self.company, no).await;
        let found = found.map_err(|error| ApiError::fault(&error))?;
        let found = found.filter(|account| !account.is_removed);
        found.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such agent"))
    }

    fn scope(&self, found: Option<(EntityId, ChatFacts)>) -> Result<ChatScope, ApiError> {
        let (entity, facts) = found.ok_or_else(no_chat)?;
        Ok(ChatScope {
            entity,
            facts,
            principal: Arc::clone(&self.principal),
        })
    }
}

/// Somebody of a company who asks, or nobody of one: a visitor brings another proof.
pub(crate) struct MaybeLoggedIn(pub(crate) Option<LoggedIn>);

impl FromRequestParts<Arc<App>> for MaybeLoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        // A cookie of somebody who is logged in says nothing about a visitor's page.
        let is_access = access_of(app, &parts.headers).is_some_and(|it| !it.is_cookie);
        Ok(Self(match is_access {
            true => Some(LoggedIn::from_request_parts(parts, app).await?),
            false => None,
        }))
    }
}

/// Proof that somebody may act in a chat; what they may do there the room decides.
#[derive(Debug, Clone)]
pub(crate) struct ChatScope {
    entity: EntityId,
    facts: ChatFacts,
    principal: Arc<Principal>,
}

impl ChatScope {
    /// The room.
    pub(crate) fn entity(&self) -> &EntityId {
        &self.entity
    }

    /// The company.
    pub(crate) fn company(&self) -> &CompanyId {
        &self.entity.company
    }

    /// The chat as it stood when it was found.
    pub(crate) fn facts(&self) -> &ChatFacts {
        &self.facts
    }

    /// Who acts.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Asks the room, in the name of who acts.
    pub(crate) async fn ask(
        &self,
        app: &Arc<App>,
        command: RoomCommand,
        cid: Cid,
    ) -> Result<Answer, ApiError> {
        let (entity, principal) = (self.entity.clone(), Arc::clone(&self.principal));
        answer(
            app.node
                .ask(entity, principal, Command::Room(command), cid)
                .await,
        )
    }

    /// The same, and the chat as it stands then.
    pub(crate) async fn change(
        mut self,
        app: &Arc<App>,
        command: RoomCommand,
    ) -> Result<Self, ApiError> {
        self.ask(app, command, fresh_cid()).await?;
        self.look_again(app).await?;
        Ok(self)
    }

    /// Reads the chat as it stands now.
    pub(crate) async fn look_again(&mut self, app: &Arc<App>) -> Result<(), ApiError> {
        let found = facts_of(app, self.entity.clone()).await?;
        self.facts = found.ok_or_else(no_chat)?.1;
        Ok(())
    }

    /// What the visitor answered, once they are through.
    pub(crate) async fn profile(&self, app: &Arc<App>) -> Result<Option<VisitorProfile>, ApiError> {
        let found = app.node.profile_of(self.company(), &self.facts.room).await;
        found.map_err(|error| ApiError::fault(&error))
    }
}

/// What a visitor keeps of a chat.
#[derive(Default)]
pub(crate) struct Keepsake {
    /// The token, for the field `session_token`.
    pub(crate) token: Option<String>,
    /// The same for `Set-Cookie`.
    pub(crate) cookie: Option<HeaderValue>,
}

impl App {
    /// The chat that a visitor named, if it is theirs.
    pub(crate) async fn visitors_chat(
        self: &Arc<Self>,
        asked: &VisitorAsked<'_>,
    ) -> Result<ChatScope, ApiError> {
        let visiting = self.visitor(asked).await?;
        let found = match visiting.chat_id() {
            Some(name) => find(self, visiting.company(), name).await?,
            None => {
                let why = "session_id is required";
                return Err(ApiError::because(ErrorCode::BadField, why).of_field("session_id"));
            }
        };
        let owner = found.as_ref().map(|(_, facts)| &facts.chat.visitor);
        let scope = visiting.of_chat(self, owner).await?;
        let (entity, facts) = found.ok_or_else(no_chat)?;
        let principal = Arc::clone(scope.principal());
        Ok(ChatScope {
            entity,
            facts,
            principal,
        })
    }

    /// The chat that a visitor named, or a new one, and what they keep of it.
    pub(crate) async fn enter_chat(
        self: &Arc<Self>,
        asked: &VisitorAsked<'_>,
        language: &str,
        address: IpAddr,
    ) -> Result<(ChatScope, Keepsake), ApiError> {
        let visiting = self.visitor(asked).await?;
        let company = visiting.company().clone();
        if let Some(name) = visiting.chat_id()
            && let Some((entity, facts)) = find(self, &company, name).await?
        {
            let owner = facts.chat.visitor.clone();
            let scope = visiting.of_chat(self, Some(&owner)).await?;
            return self.with_keepsake(asked, &scope, entity, facts).await;
        }
        let key = first_key(asked, &visiting)?;
        if key.is_none() {
            self.rates.take_chat(address)?;
        }
        let scope = visiting.newcomer(self, self.name_of(&company, key)).await?;
        let id = match visiting.chat_id() {
            Some(id) => id.clone(),
            None => {
                let owner = scope.principal().person.as_str();
                let random = key.map(|key| [owner.as_bytes(), b"\0", key].concat());
                let random = self.name_of(&company, random.as_deref());
                chat_id(&format!("{company}_{}", random.simple()))?
            }
        };
        if key.is_some() {
            if let Some((entity, facts)) = find(self, &company, &id).await? {
                self.check_repeat(&facts)?;
                return self.with_keepsake(asked, &scope, entity, facts).await;
            }
            self.rates.take_chat(address)?;
        }
        let language = match language {
            "" => &visiting.settings().language,
            named => named,
        };
        let opening = ChatOpening {
            id,
            language: language.into(),
        };
        let entity = self.open_chat(&scope, opening).await?;
        let found = facts_of(self, entity).await?;
        // Somebody else may have opened one of this name at the same moment.
        let is_theirs = |facts: &ChatFacts| facts.chat.visitor == scope.principal().person;
        let found = found.filter(|(_, facts)| is_theirs(facts));
        let (entity, facts) = found.ok_or_else(no_chat)?;
        self.with_keepsake(asked, &scope, entity, facts).await
    }

    /// The name of what a first request with this key makes; without one another each time.
    fn name_of(&self, company: &CompanyId, key: Option<&[u8]>) -> Uuid {
        let Some(key) = key else {
            return Uuid::new_v4();
        };
        let text = [company.as_str().as_bytes(), b"\0", key].concat();
        self.identity.keys.name_of(&text)
    }

    /// A key counts as long as everywhere, and then no more: what it opened stays its visitor's.
    fn check_repeat(&self, facts: &ChatFacts) -> Result<(), ApiError> {
        let age_ms = self.node.clock().now().0.saturating_sub(facts.created_at.0);
        match age_ms < CID_KEPT_MS {
            true => Ok(()),
            false => Err(ApiError::new(ErrorCode::CidExpired)),
        }
    }

    /// A bare id gets no proof, and a page that may not use cookies sets none.
    async fn with_keepsake(
        self: &Arc<Self>,
        asked: &VisitorAsked<'_>,
        scope: &VisitorScope,
        entity: EntityId,
        facts: ChatFacts,
    ) -> Result<(ChatScope, Keepsake), ApiError> {
        let mut keepsake = Keepsake::default();
        if scope.is_proven() {
            let id = scope.chat().unwrap_or(&facts.chat.id);
            let Capability { token, cookie } = self.capability(scope, id);
            let may_use = self.may_use_cookies(scope.company(), asked.headers);
            keepsake.cookie = may_use.await?.then_some(cookie);
            keepsake.token = Some(token);
        }
        let principal = Arc::clone(scope.principal());
        let chat = ChatScope {
            entity,
            facts,
            principal,
        };
        Ok((chat, keepsake))
    }

    async fn open_chat(
        self: &Arc<Self>,
        scope: &VisitorScope,
        opening: ChatOpening,
    ) -> Result<EntityId, ApiError> {
        let command = CompanyCommand::OpenRoom {
            room: fresh_room_id(),
            history_base: fresh_history_base(),
            participants: Vec::new(),
            direct: false,
            title: None,
            bot: Some(bots::default_id()),
            chat: Some(opening),
        };
        let company = scope.company().clone();
        let (entity, principal) = (
            EntityId::company(company.clone()),
            Arc::clone(scope.principal()),
        );
        let command = Command::Company(command);
        let opened = self.node.ask(entity, principal, command, fresh_cid()).await;
        match answer(opened)? {
            Answer::Opened { room, .. } => Ok(EntityId::room(company, room)),
            _ => Err(ApiError::new(ErrorCode::Internal)),
        }
    }
}

/// The person of an account, as chats are assigned to them.
pub(crate) fn agent_of(no: u64) -> PersonId {
    PersonId::of_account(AccountNo(no))
}

/// What is told of a chat that is not there, or not theirs.
pub(crate) fn no_chat() -> ApiError {
    let why = "Chat session not found or access denied";
    ApiError::because(ErrorCode::NotFound, why)
}

/// The company that is named, or that the chat's name begins with. Which it truly is, is proven
/// elsewhere.
pub(crate) fn company_of<'a>(
    named: Option<&'a str>,
    session_id: Option<&'a str>,
) -> Result<&'a str, ApiError> {
    let of_chat = || session_id?.rsplit_once('_').map(|(company, _)| company);
    let named = named.filter(|text| !text.is_empty()).or_else(of_chat);
    named.filter(|text| !text.is_empty()).ok_or_else(|| {
        ApiError::because(ErrorCode::BadField, "company_id is required").of_field("company_id")
    })
}

/// The key of a request that opens a chat without naming it, for its repeats to find the same.
fn first_key<'a>(
    asked: &VisitorAsked<'a>,
    visiting: &Visiting,
) -> Result<Option<&'a [u8]>, ApiError> {
    let Some(key) = idempotency_key(asked.headers)?.filter(|_| visiting.chat_id().is_none()) else {
        return Ok(None);
    };
    if visiting.is_of_nobody() && key.len() < FIRST_KEY_BYTES_MIN {
        let why = format!(
            "idempotency-key: at least {FIRST_KEY_BYTES_MIN} bytes in a first message, as a UUID \
             has: it alone shows that a repeat is the same visitor's"
        );
        return Err(ApiError::because(ErrorCode::BadField, why));
    }
    Ok(Some(key))
}

/// A widget's name for a chat, if it is one.
fn chat_id(name: &str) -> Result<ChatId, ApiError> {
    let refuse = |why: frontdesk_protocol::ids::BadId| {
        ApiError::because(ErrorCode::BadField, why.to_string()).of_field("session_id")
    };
    ChatId::new(name).map_err(refuse)
}

async fn find(
    app: &Arc<App>,
    company: &CompanyId,
    id: &ChatId,
) -> Result<Option<(EntityId, ChatFacts)>, ApiError> {
    let entity = app.node.find_chat(company, id).await;
    match entity.map_err(|error| ApiError::fault(&error))? {
        Some(entity) => facts_of(app, entity).await,
        None => Ok(None),
    }
}

async fn facts_of(
    app: &Arc<App>,
    entity: EntityId,
) -> Result<Option<(EntityId, ChatFacts)>, ApiError> {
    let facts = app.node.chat(&entity).await;
    let facts = facts.map_err(|error| ApiError::fault(&error))?;
    Ok(facts.map(|facts| (entity, facts)))
}
