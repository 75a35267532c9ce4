//! What is told unasked: everybody listens on sockets of their own while the first company works.

use serde_json::{Value, json};

use super::sockets::dial;
use super::world::Kind::{self, Admin, Agent, Bob, Eve, Host, HostAdmin, Sam, Visitor};
use super::world::{Attacker, Proof, World, word};
use crate::support::socket::Socket;

/// Who listens where; `<own page>` is a visitor's chat.
const LISTENED: &[(&str, &[Kind])] = &[
    (
        "/v1/ws",
        &[Admin, Agent, Host, HostAdmin, Bob, Sam, Visitor, Eve],
    ),
    ("/ws/chat/", &[Admin, Agent, Host, HostAdmin, Bob, Sam]),
    ("/ws/agents/", &[Admin, Agent, Bob]),
    ("/ws/handoff/<own>/", &[Admin, Agent, Bob]),
    ("/ws/chat/<own>/", &[Admin, Agent, Bob]),
    ("/ws/chat/<own>/<own chat>/", &[Visitor, Eve]),
    ("/ws/chat/<own talk>/?dialect=crm", &[Host]),
    ("/ws/chat/<own talk>/?dialect=direct", &[Host]),
];

/// What the first company does, in this order.
const ACTS: &[Act] = &[
    Act::Presence,
    Act::Typing,
    Act::Message,
    Act::ReadMark,
    Act::Title,
    Act::VisitorTypes,
    Act::VisitorSays,
    Act::AgentSays,
    Act::AgentTypes,
    Act::Status,
    Act::Transfer,
    Act::Resolve,
    Act::Escalate,
    Act::Assign,
    Act::Settings,
    Act::Prompts,
    Act::AgentRemoved,
];

#[derive(Debug, Clone, Copy)]
enum Act {
    Presence,
    Typing,
    Message,
    ReadMark,
    Title,
    VisitorTypes,
    VisitorSays,
    AgentSays,
    AgentTypes,
    Status,
    Transfer,
    Resolve,
    Escalate,
    Assign,
    Settings,
    Prompts,
    AgentRemoved,
}

/// Steps of any chat are told to all agents of its company, with who it is about.
const OF_STEPS: &[&str] = &[
    word::REASON,
    word::ADA_NAME,
    word::ADA_PHONE,
    word::ADA_MAIL,
    word::ANN,
];

/// What is said to each listener at the end, on the same way as everything else.
const LAST_WORDS: &str = "something of your own";

/// Sockets of the first company's, on which it works.
struct Work {
    ida: Socket,
    hal: Socket,
    page: Socket,
    desk: Socket,
}

/// Somebody who listens.
struct Listener<'a> {
    by: &'a Attacker,
    path: String,
    socket: Socket,
}

/// What was tried: pushes, and sockets on which they were listened for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) pushes: usize,
    pub(super) listeners: usize,
}

/// Whether somebody listens on such a socket, with the plainest proof that they have.
fn listens(by: &Attacker, kinds: &[Kind]) -> bool {
    matches!(by.proof, Proof::Bearer(_)) && kinds.contains(&by.kind)
}

/// What the tables say is to be tried.
pub(super) fn expected(attackers: &[Attacker]) -> Tried {
    let of = |kinds: &[Kind]| attackers.iter().filter(|by| listens(by, kinds)).count();
    Tried {
        pushes: ACTS.len(),
        listeners: LISTENED.iter().map(|(_, kinds)| of(kinds)).sum(),
    }
}

/// Everybody listens, the first company works, and then everybody does something of their own.
pub(super) async fn walk(world: &World, attackers: &[Attacker]) -> Tried {
    let mut listeners = Vec::new();
    for (path, kinds) in LISTENED {
        for by in attackers.iter().filter(|by| listens(by, kinds)) {
            listeners.push(listener(world, path, by).await);
        }
    }
    let mut work = work(world).await;
    for act in ACTS {
        work.act(world, *act).await;
    }
    own_affairs(world).await;
    let mut wrong = Vec::new();
    let count = listeners.len();
    for listener in listeners {
        wrong.extend(listener.hear(world).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Tried {
        pushes: ACTS.len(),
        listeners: count,
    }
}

/// Each listener is told something of their own: what had to come has come before it.
async fn own_affairs(world: &World) {
    for (company, chat) in [
        (&world.theirs, &world.theirs.ada),
        (&world.ours, &world.ours.eve),
    ] {
        world.say(chat, LAST_WORDS).await;
        world.escalate(chat, LAST_WORDS).await;
        let agent = |no: u64| format!("agent:{no}");
        let theirs = [
            agent(company.admin.no),
            agent(company.ann.no),
            agent(company.bob.no),
        ];
        let people = ["boss", "sam", "ida"].map(str::to_owned);
        for person in theirs.into_iter().chain(people) {
            let talk = world.talk(&company.hal, &person).await;
            let line = format!("POST /api/chat/conversations/{}/messages/", talk.number);
            let said = json!({"content": LAST_WORDS});
            world.done(&line, &company.hal, said).await;
        }
    }
}

async fn listener<'a>(world: &World, path: &str, by: &'a Attacker) -> Listener<'a> {
    let talk = world.theirs.talk.number.to_string();
    let path = world.aimed(path, by).replace("<own talk>", &talk);
    let mut socket = dial(world, &path, by).await;
    match path.as_str() {
        "/v1/ws" => {
            let connected = socket.ask(json!({"type": "connect"})).await;
            connected.expect("connected");
        }
        _ => {
            socket.push("connection_established").await;
        }
    }
    if by.kind == Kind::Host && path == "/v1/ws" {
        socket.join(&world.theirs.talk.room).await;
    }
    Listener { by, path, socket }
}

impl Listener<'_> {
    /// What came that this listener may not know, up to what is their own and the answer to a
    /// frame of no known type.
    async fn hear(mut self, world: &World) -> Option<String> {
        let mut by = self.by.clone();
        if by.kind == Bob {
            by.knows
                .extend(OF_STEPS.iter().map(|word| (*word).to_owned()));
            by.knows.push(world.ours.ada.id.clone());
            by.knows.push(world.ours.eve.id.clone());
        }
        let last = json!({"type": "the last one", "id": "the last one"});
        self.socket.send(&last).await;
        // A native socket hears of rooms that it has joined.
        let mut is_told = self.path == "/v1/ws" && by.kind != Host;
        let mut is_answered = false;
        while !(is_told && is_answered) {
            let heard = self.socket.next().await.to_string();
            if let Some(word) = world.leak(&by, "", &heard) {
                return Some(format!("{}: {}: hears {word}: {heard}", by.name, self.path));
            }
            is_told |= heard.contains(LAST_WORDS);
            is_answered |= heard.contains("unknown_type");
        }
        None
    }
}

async fn work(world: &World) -> Work {
    let (site, ours) = (&world.site, &world.ours);
    let mut hal = site.connect_with(&ours.hal).await;
    hal.join(&ours.talk.room).await;
    let page = format!(
        "/ws/chat/{}/{}/?token={}",
        ours.id, ours.ada.id, ours.ada.token
    );
    Work {
        ida: site.connect_with(&ours.ida).await,
        hal,
        page: site.desk(&page).await,
        desk: site
            .desk(&format!("/ws/agents/?token={}", ours.ann.token))
            .await,
    }
}

impl Work {
    /// Does one thing, and waits until whom it is for has heard it.
    async fn act(&mut self, world: &World, act: Act) {
        let ours = &world.ours;
        let room = &ours.talk.room;
        match act {
            Act::Presence => {
                self.ida.join(room).await;
                self.hal.ephemeral("presence").await;
            }
            Act::Typing => {
                let typing = json!({"type": "typing", "room": room, "active": true});
                self.ida.ask(typing).await.expect("shown");
                self.hal.ephemeral("typing").await;
            }
            Act::Message => {
                self.ida.post(room, word::IDA_SAID).await;
                self.hal.event(room).await;
            }
            Act::ReadMark => {
                let read = json!({"type": "mark_read", "room": room, "seq": 3});
                self.hal.ask(read).await.expect("read");
                self.ida.ephemeral("read").await;
            }
            Act::Title => {
                let line = format!("PATCH /api/chat/conversations/{}/", ours.talk.number);
                let title = json!({"title": word::TITLE});
                world.done(&line, &ours.hal, title).await;
            }
            Act::VisitorTypes => {
                self.page
                    .send(&json!({"type": "typing", "is_typing": true}))
                    .await;
                self.desk.push("typing").await;
            }
            Act::VisitorSays => {
                self.page.say(word::ADA_SAID).await;
                self.desk.push("chat_message").await;
            }
            Act::AgentSays => {
                self.desk
                    .send(&self.said(
                        world,
                        json!({"type": "chat_message",
                    "message": word::ANN_SAID}),
                    ))
                    .await;
                self.page
                    .next_that(|frame| frame["message"] == word::ANN_SAID)
                    .await;
            }
            Act::AgentTypes => {
                let typing = json!({"type": "typing", "is_typing": true});
                self.desk.send(&self.said(world, typing)).await;
                self.page.push("typing_indicator").await;
            }
            step => self.step(world, step).await,
        }
    }

    /// A frame about Ada's chat.
    fn said(&self, world: &World, mut frame: Value) -> Value {
        frame["session_id"] = json!(world.ours.ada.id);
        frame
    }

    /// Steps of Ada's chat, and what is done to the company.
    async fn step(&mut self, world: &World, step: Act) {
        let ours = &world.ours;
        let admin = &ours.admin.token;
        let update = |action: &str, agent: u64| {
            json!({"type": "session_update", "session_id": ours.ada.id, "action": action,
                "agent_id": agent, "notes": word::NOTES})
        };
        match step {
            Act::Status => {
                let busy = json!({"type": "status_update", "status": "BUSY"});
                self.desk.send(&busy).await;
                self.desk.push("agent_status_update").await;
            }
            Act::Transfer => {
                self.desk.send(&update("transfer", ours.cyd.no)).await;
                self.page.push("agent_joined").await;
            }
            Act::Resolve => {
                let line = "POST /api/agent-dashboard/complete-session/";
                let body = json!({"session_id": ours.ada.id, "notes": word::NOTES});
                world.done(line, &ours.cyd.token, body).await;
                self.page.push("agent_left").await;
            }
            Act::Escalate => {
                world.escalate(&ours.ada, word::REASON).await;
                self.desk
                    .next_that(|frame| frame["action"] == "escalate")
                    .await;
            }
            Act::Assign => {
                self.desk.send(&update("assign", ours.ann.no)).await;
                self.page.push("agent_joined").await;
            }
            Act::Settings => {
                let line = format!("PATCH /v1/companies/{}/settings", ours.id);
                let origins = json!([format!("https://{}.example", word::ORIGIN)]);
                let change = json!({"origins": origins, "language": "en"});
                world.done(&line, admin, change).await;
            }
            Act::Prompts => {
                let prompts = json!({"prompts": [{"title": "b", "text": word::PROMPT}]});
                world.done("PUT /v1/prompts", &ours.boss, prompts).await;
            }
            Act::AgentRemoved => {
                let line = format!("DELETE /v1/companies/me/accounts/{}", ours.cyd.no);
                world.done(&line, admin, Value::Null).await;
            }
            other => unreachable!("{other:?} is no step"),
        }
    }
}
