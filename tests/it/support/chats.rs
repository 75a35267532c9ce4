//! Visitors' chats: opened on the node itself, and the sockets on them.

use std::sync::Arc;

use frontdesk::auth::own::{OwnKeys, VisitorGrant};
use frontdesk_actors::clock::{Clock, fresh_cid, fresh_room_id};
use frontdesk_actors::{Answer, Command, Outcome, installation_secret};
use frontdesk_protocol::chat::ChatOpening;
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
use frontdesk_protocol::settings::SettingsChange;
use frontdesk_protocol::{ChatId, CompanyId, PersonId};
use frontdesk_storage::EntityId;
use serde_json::{Value, json};

use super::socket::Socket;
use super::staff::{ROOT, ROOT_PASSWORD, agent, company, installation, post, token};
use super::{Bus, Site, greeted};

/// How long capabilities here are good for, seconds.
const TTL_S: u64 = 3_600;

/// A chat as its visitor knows it.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) company: String,
    pub(crate) id: String,
    /// The visitor's capability for it.
    pub(crate) token: String,
    pub(crate) conversation: u64,
}

impl Chat {
    /// The address of its socket, without a token.
    pub(crate) fn path(&self) -> String {
        format!("/ws/chat/{}/{}/", self.company, self.id)
    }

    /// The number that a message or a handoff of it has.
    pub(crate) fn number(&self, seq: u64) -> u64 {
        (self.conversation << 20) + seq
    }
}

fn principal(company: &str, person: &str, role: Role) -> Arc<Principal> {
    Arc::new(Principal {
        company: CompanyId::new(company).expect("valid"),
        person: PersonId::new(person).expect("valid"),
        role,
        card: Card::default(),
    })
}

impl Site {
    async fn ask_company(&self, who: Arc<Principal>, command: CompanyCommand) -> Answer {
        let company = EntityId::company(who.company.clone());
        let command = Command::Company(command);
        let outcome = self.running.node().ask(company, who, command, fresh_cid());
        match outcome.await {
            Outcome::Done(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// A new chat of this visitor with the bot.
    pub(crate) async fn chat_of(&self, company: &str, visitor: &str, id: &str) -> Chat {
        let open = CompanyCommand::OpenRoom {
            room: fresh_room_id(),
            history_base: 7,
            participants: Vec::new(),
            direct: false,
            title: None,
            bot: Some(PersonId::bot("echo").expect("valid")),
            chat: Some(ChatOpening {
                id: ChatId::new(id).expect("valid"),
                language: "en".into(),
            }),
        };
        let visiting = principal(company, visitor, Role::Visitor);
        let Answer::Opened { conversation, .. } = self.ask_company(visiting, open).await else {
            panic!("opened");
        };
        Chat {
            company: company.to_owned(),
            id: id.to_owned(),
            token: self.capability(company, visitor, id, TTL_S),
            conversation: conversation.0,
        }
    }

    /// What a visitor is given for a chat.
    pub(crate) fn capability(&self, company: &str, visitor: &str, id: &str, ttl_s: u64) -> String {
        let secret = installation_secret(&*self.store.store(), OwnKeys::generate());
        let keys = OwnKeys::from_bytes(&secret.expect("there is one"), 0);
        let grant = VisitorGrant {
            company: CompanyId::new(company).expect("valid"),
            chat_id: id.into(),
            person: PersonId::new(visitor).expect("valid"),
            ttl_s,
        };
        keys.sign_visitor(&grant, self.clock.now())
    }

    /// Changes what a company has set.
    pub(crate) async fn set(&self, company: &str, change: Value) {
        let change = serde_json::from_value::<SettingsChange>(change).expect("a change");
        let change = Box::new(change);
        let admin = principal(company, "an admin", Role::Admin);
        self.ask_company(admin, CompanyCommand::ChangeSettings { change })
            .await;
    }

    /// The visitor's socket, behind its greeting.
    pub(crate) async fn visit(&self, chat: &Chat) -> Socket {
        self.desk(&format!("{}?session_token={}", chat.path(), chat.token))
            .await
    }

    /// Any of these sockets, behind its greeting.
    pub(crate) async fn desk(&self, path: &str) -> Socket {
        greeted(Socket::dial(self.address, path, &[], &[]).await).await
    }

    /// The code that a socket on this path is closed with.
    pub(crate) async fn closes(&self, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        Socket::dial(self.address, path, &[], headers)
            .await
            .closed()
            .await
            .0
    }
}

/// A company with two agents and its admin.
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) admin: String,
    pub(crate) ann: (u64, String),
    pub(crate) bob: (u64, String),
}

/// Such a company, which asks its visitors nothing.
pub(crate) async fn staffed(site: &Site, root: &str, name: &str) -> Company {
    let (id, admin) = company(site, root, name).await;
    let of = |agent: &str| format!("{agent}@{}.example", name.to_lowercase());
    let ann = agent(site, &admin, &of("ann")).await;
    let bob = agent(site, &admin, &of("bob")).await;
    site.set(&id, json!({"form": "off"})).await;
    Company {
        id,
        admin,
        ann,
        bob,
    }
}

/// An installation, such a company, and the token of who runs all.
pub(crate) async fn site_of(bus: Bus) -> (Site, Company, String) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let tesla = staffed(&site, &root, "Tesla").await;
    (site, tesla, root)
}

/// An agent's socket of `helpdesk`.
pub(crate) async fn desk_of(site: &Site, (_, token): &(u64, String)) -> Socket {
    site.desk(&format!("/ws/agents/?token={token}")).await
}

/// An agent's own page of `widget`.
pub(crate) async fn board_of(site: &Site, (number, token): &(u64, String)) -> Socket {
    site.desk(&format!("/ws/agent/{number}/?token={token}"))
        .await
}

/// A chat that waits for a person, and its visitor's page.
pub(crate) async fn waiting(site: &Site, of: &Company, id: &str) -> (Chat, Socket) {
    let chat = site.chat_of(&of.id, "visitor:1", id).await;
    let mut page = site.visit(&chat).await;
    page.send(&json!({"type": "escalate_to_human", "reason": "a bill"}))
        .await;
    page.told(&["system_message", "escalation_confirmed"]).await;
    (chat, page)
}

/// A chat that Ann took over the dashboard, and its visitor's page.
pub(crate) async fn taken(site: &Site, of: &Company) -> (Chat, Socket) {
    let (chat, mut page) = waiting(site, of, &format!("{}_abc", of.id)).await;
    let body = json!({"session_id": chat.id});
    let path = "/api/agent-dashboard/accept-session/";
    post(site, path, Some(&of.ann.1), body, 200).await;
    page.told(&["agent_joined"]).await;
    (chat, page)
}

impl Socket {
    /// Says something.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(&json!({"type": "chat_message", "message": text}))
            .await;
    }

    /// The next message must say this.
    pub(crate) async fn hears(&mut self, text: &str) -> Value {
        let said = self.next().await;
        assert_eq!(
            (&said["type"], &said["message"]),
            (&json!("chat_message"), &json!(text))
        );
        said
    }

    /// What comes next has these types.
    pub(crate) async fn told(&mut self, kinds: &[&str]) -> Vec<Value> {
        let mut told = Vec::new();
        for kind in kinds {
            let frame = self.next().await;
            assert_eq!(frame["type"], *kind, "{frame}");
            told.push(frame);
        }
        told
    }
}
