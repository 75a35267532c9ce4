//! Two companies at work on one node, and words that stand nowhere but in the first one's affairs.
//!
//! Owns: who there is, what each of them may know, and the names that attacks are aimed at.
//! Invariants: conversations of the first company have numbers that the second never reaches, so
//! that a number which is found in the wrong company is found to be nobody's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk::config::Config;
use frontdesk_protocol::CompanyId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::files::Kept;
use crate::support::staff::{ROOT, ROOT_PASSWORD, provide, text};
use crate::support::token::now_s;
use crate::support::{Bus, Site, soon};

/// Conversations before the first that anything is said in; more than all attacks together open.
const QUIET_ROOM_COUNT: usize = 120;
/// Any rate that a test does not reach.
const NO_LIMIT: u32 = 1_000_000;
pub(super) const PASSWORD: &str = "a password of my own";
const CHAT: &str = "/api/chatbot/chat/";

/// Words of the first company's, each in one place of it only.
pub(crate) mod word {
    pub(crate) const COMPANY: &str = "Quillonmere";
    pub(crate) const FILE: &str = "gravelmoth";
    pub(crate) const CAPTION: &str = "tarnwhistle";
    pub(crate) const CONTACT: &str = "Ostrabeck";
    pub(crate) const ADMIN: &str = "Vandrimole";
    pub(crate) const ANN: &str = "Annelwyth";
    pub(crate) const ANN_PHONE: &str = "550417734";
    pub(crate) const BOB: &str = "Bobrethin";
    pub(crate) const ADA_SAID: &str = "mizzenflax";
    pub(crate) const ADA_NAME: &str = "Adalvenna";
    pub(crate) const ADA_PHONE: &str = "9841730562";
    pub(crate) const ADA_MAIL: &str = "orrisgate";
    pub(crate) const ADA_ROAD: &str = "Tolverquay";
    pub(crate) const REASON: &str = "brackleduct";
    pub(crate) const NOTES: &str = "sprindlewort";
    pub(crate) const ANN_SAID: &str = "hollenfrith";
    pub(crate) const EVE_SAID: &str = "kestrelvane";
    pub(crate) const HAL: &str = "Halquorum";
    pub(crate) const IDA: &str = "Idaspinnet";
    pub(crate) const HAL_SAID: &str = "wexlanthorn";
    pub(crate) const IDA_SAID: &str = "zephyrmauve";
    pub(crate) const TITLE: &str = "Grobblestane";
    pub(crate) const PROMPT: &str = "fennimarrow";
    pub(crate) const ORIGIN: &str = "yarrowplinth";
    pub(crate) const KEY_ID: &str = "duskcopper";
    pub(crate) const KEY: &str = "a key of the first company: umbelkraal";
    pub(crate) const VISITOR_SECRET: &str = "an answer for pages: thrumwicket";
    pub(crate) const PLAN: &str = "Peltraform";
    pub(crate) const KEPT: &str = "glimmerwharf";
    pub(crate) const KEPT_SAYS: &str = "tarnishbough";
}

/// What stands behind a person's requests, and how it is shown.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Nothing,
    Bearer(String),
    /// `frontdesk_agent`, from a page of the server itself.
    AgentCookie(String),
    /// In the query, under both names that it has on sockets and on routes.
    Query(String),
    /// In the body.
    Field(String),
    /// A visitor's cookie, under the names of both companies.
    VisitorCookie(String),
}

/// What somebody is, for the rows that some may do something in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Admin,
    Agent,
    Visitor,
    Host,
    HostAdmin,
    Nobody,
    /// Signed by the second company's host in the name of the first.
    Forged,
    /// The first company's agent who has none of its chats.
    Bob,
    /// The first company's agent who has Ada's.
    Ann,
    /// The first company's visitor with a chat of her own.
    Eve,
    /// A person of the first company's host, in no room.
    Sam,
    /// Another, in a room.
    Hal,
}

/// Somebody who tries.
#[derive(Debug, Clone)]
pub(crate) struct Attacker {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) proof: Proof,
    /// Words they may see.
    pub(crate) knows: Vec<String>,
}

/// A person with an account: number and access token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    pub(crate) no: u64,
    pub(crate) email: String,
    pub(crate) token: String,
}

/// A visitor's chat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// A room of people of a host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk {
    pub(crate) room: String,
    pub(crate) number: u64,
}

/// One company and its people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) admin: Worker,
    pub(crate) ann: Worker,
    pub(crate) bob: Worker,
    pub(crate) cyd: Worker,
    pub(crate) ada: Chat,
    pub(crate) eve: Chat,
    pub(crate) hal: String,
    pub(crate) ida: String,
    pub(crate) sam: String,
    pub(crate) boss: String,
    pub(crate) talk: Talk,
    /// The room that Ada's chat is.
    pub(crate) chat_room: String,
    pub(crate) handoff: u64,
    pub(crate) profile: u64,
    /// One of hal's that waits for its bytes.
    pub(crate) upload: String,
    pub(crate) file: u64,
    /// What makes a link to it good.
    pub(crate) file_query: String,
}

/// Everybody.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) root: String,
    pub(crate) ours: Company,
    pub(crate) theirs: Company,
}

/// Words that differ from company to company.
struct Words {
    company: &'static str,
    admin: &'static str,
    ann: &'static str,
    bob: &'static str,
    contact: &'static str,
    phone: &'static str,
    key: (&'static str, &'static str),
}

const OURS: Words = Words {
    company: word::COMPANY,
    admin: word::ADMIN,
    ann: word::ANN,
    bob: word::BOB,
    contact: word::CONTACT,
    phone: word::ANN_PHONE,
    key: (word::KEY_ID, word::KEY),
};
pub(crate) const THEIRS_KEY: (&str, &str) = ("second", "a key of the second company's own");
const THEIRS: Words = Words {
    company: "Second",
    admin: "secondadmin",
    ann: "secondann",
    bob: "secondbob",
    contact: "somebody",
    phone: "1",
    key: THEIRS_KEY,
};

/// A token as a company's host signs it.
pub(crate) fn of_host((kid, key): (&str, &str), company: &str, person: &str, role: &str) -> String {
    let claims = json!({"user_id": person, "company_id": company, "role": role,
        "exp": now_s() + 7_200});
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.as_bytes()))
        .expect("a token")
}

fn unlimited(config: &mut Config) {
    provide(config);
    config.limits.requests_per_second_address = NO_LIMIT;
    config.limits.requests_per_second_person = NO_LIMIT;
    config.limits.logins_per_minute_name = NO_LIMIT;
    config.limits.logins_per_minute_address = NO_LIMIT;
    config.limits.passwords_per_minute_company = NO_LIMIT;
    config.limits.chats_per_minute_address = NO_LIMIT;
}

impl World {
    pub(crate) async fn build(bus: Bus) -> Self {
        let site = Site::with(bus, unlimited).await;
        let mut world = Self {
            site,
            root: String::new(),
            ours: Company::default(),
            theirs: Company::default(),
        };
        world.root = world.log_in(ROOT, ROOT_PASSWORD).await;
        world.theirs = world.staffed(&THEIRS, json!({"kind": "off"})).await;
        world.ours = world.staffed(&OURS, json!({"kind": "profile"})).await;
        world.give_plan().await;
        world.people_of_ours().await;
        world.people_of_theirs().await;
        (world.ours.file, world.ours.file_query) = world.kept(&world.ours.id).await;
        (world.theirs.file, world.theirs.file_query) = world.kept(&world.theirs.id).await;
        world
    }

    /// A file of a company, and what makes a link to it good.
    async fn kept(&self, company: &str) -> (u64, String) {
        let name = format!("{}.txt", word::KEPT);
        let kept = Kept {
            company,
            name: &name,
            mime: "text/plain",
            bytes: word::KEPT_SAYS.as_bytes(),
            small: None,
        };
        let no = self.site.keep(&kept).await;
        let id = CompanyId::new(company).expect("valid");
        let link = self.site.running.file_link(&id, no, false, false).await;
        let link = link.expect("reads").expect("a file");
        let (_, query) = link.split_once('?').expect("a query");
        (no.0, query.to_owned())
    }

    /// A request that must be done.
    pub(crate) async fn done(&self, line: &str, token: &str, body: Value) -> Value {
        let (method, path) = line.split_once(' ').expect("method and path");
        let token = (!token.is_empty()).then_some(token);
        let (status, answer) = self.site.http_text(method, path, token, &body).await;
        assert!((200..300).contains(&status), "{line}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    async fn log_in(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        text(&self.done("POST /v1/login", "", body).await["access_token"])
    }

    /// Has somebody choose a password of their own, and logs them in.
    async fn settled(&self, made: &Value) -> Worker {
        let email = text(&made["account"]["email"]);
        let change = json!({"email": email, "current_password": made["password"],
            "new_password": PASSWORD});
        self.done("POST /v1/login/password", "", change).await;
        Worker {
            no: made["account"]["id"].as_u64().expect("a number"),
            token: self.log_in(&email, PASSWORD).await,
            email,
        }
    }

    /// A token of a login of its own.
    pub(crate) async fn fresh(&self, who: &Worker) -> String {
        self.log_in(&who.email, PASSWORD).await
    }

    /// A company with its admin and three agents.
    async fn staffed(&self, words: &Words, form: Value) -> Company {
        let mail = |name: &str| format!("{name}@{}.example", words.company).to_lowercase();
        let body = json!({"name": words.company, "contact_person": words.contact,
            "admin": {"name": words.admin, "email": mail(words.admin)}});
        let made = self.done("POST /v1/companies", &self.root, body).await;
        let admin = self.settled(&made["admin"]).await;
        let mut agents = Vec::new();
        for (name, phone) in [(words.ann, words.phone), (words.bob, "1"), ("cyd", "1")] {
            let body = json!({"role": "agent", "name": name, "email": mail(name),
                "phone": phone});
            let line = "POST /v1/companies/me/accounts";
            let made = self.done(line, &admin.token, body).await;
            agents.push(self.settled(&made).await);
        }
        let id = text(&made["company"]["id"]);
        let change = json!({"form": form, "host_keys": {words.key.0: words.key.1},
            "visitor_secret": word::VISITOR_SECRET,
            "origins": [format!("https://{}.example", word::ORIGIN)]});
        let change = match words.company == word::COMPANY {
            true => change,
            false => json!({"form": form, "host_keys": {words.key.0: words.key.1}}),
        };
        let line = format!("PATCH /v1/companies/{id}/settings");
        self.done(&line, &admin.token, change).await;
        let host = |person: &str, role: &str| of_host(words.key, &id, person, role);
        Company {
            hal: host("hal", "visitor"),
            ida: host("ida", "visitor"),
            sam: host("sam", "visitor"),
            boss: host("boss", "admin"),
            cyd: agents.pop().expect("three were made"),
            bob: agents.pop().expect("three were made"),
            ann: agents.pop().expect("three were made"),
            admin,
            id,
            ..Company::default()
        }
    }

    async fn give_plan(&self) {
        let plan = json!({"name": word::PLAN, "agent_count_max": 99});
        let plan = self.done("POST /v1/plans", &self.root, plan).await;
        let line = format!("PUT /v1/companies/{}/plan", self.ours.id);
        self.done(&line, &self.root, json!({"plan": plan["id"]}))
            .await;
    }

    /// A new chat, in which this is said first.
    async fn arrive(&self, company: &str, said: &str) -> Chat {
        let body = json!({"company_id": company, "message": said});
        let opened = self.done(&format!("POST {CHAT}"), "", body).await;
        Chat {
            id: text(&opened["session_id"]),
            token: text(&opened["session_token"]),
        }
    }

    pub(crate) async fn say(&self, chat: &Chat, said: &str) {
        let body = json!({"session_id": chat.id, "session_token": chat.token, "message": said});
        self.done(&format!("POST {CHAT}"), "", body).await;
    }

    /// The room of two people of one host.
    pub(crate) async fn talk(&self, first: &str, second: &str) -> Talk {
        let body = json!({"participants": [second], "direct": true});
        let opened = self.done("POST /v1/rooms", first, body).await;
        Talk {
            room: text(&opened["id"]),
            number: opened["conversation_id"].as_u64().expect("a number"),
        }
    }

    async fn people_of_ours(&mut self) {
        let ours = self.ours.clone();
        for _ in 0..QUIET_ROOM_COUNT {
            let body = json!({"participants": ["nobody"]});
            self.done("POST /v1/rooms", &ours.hal, body).await;
        }
        for (person, name) in [("hal", word::HAL), ("ida", word::IDA)] {
            let line = format!("PUT /v1/users/{person}");
            self.done(&line, &ours.boss, json!({"name": name})).await;
        }
        let prompts = json!({"prompts": [{"title": "a", "text": word::PROMPT}]});
        self.done("PUT /v1/prompts", &ours.boss, prompts).await;
        let talk = self.talk(&ours.hal, "ida").await;
        let path = format!("/api/chat/conversations/{}", talk.number);
        for (token, said) in [(&ours.hal, word::HAL_SAID), (&ours.ida, word::IDA_SAID)] {
            let line = format!("POST {path}/messages/");
            self.done(&line, token, json!({"content": said})).await;
        }
        let title = json!({"title": word::TITLE});
        self.done(&format!("PATCH {path}/"), &ours.hal, title).await;
        let read = format!("POST {path}/mark-read/");
        self.done(&read, &ours.ida, Value::Null).await;
        self.ours.upload = self.upload(&ours.hal).await;
        self.ours.talk = talk;
        self.ours.eve = self.arrive(&ours.id, word::EVE_SAID).await;
        self.ours.ada = self.arrive(&ours.id, word::ADA_SAID).await;
        self.serve_ada().await;
        let status = json!({"status": "AVAILABLE"});
        let line = "POST /api/admin-dashboard/update-agent-status/";
        self.done(line, &ours.ann.token, status).await;
    }

    /// Begins an upload of five bytes.
    async fn upload(&self, token: &str) -> String {
        let request = self.site.request("POST", "/v1/uploads").bearer_auth(token);
        let request = request.header("tus-resumable", "1.0.0");
        let name = STANDARD.encode(format!("{}.txt", word::FILE));
        let metadata = format!("filename {name},caption {}", STANDARD.encode(word::CAPTION));
        let request = request.header("upload-metadata", metadata);
        let begun = request.header("upload-length", "5").send().await;
        let begun = begun.expect("an answer");
        assert_eq!(begun.status(), 201);
        let place = begun.headers()["location"].to_str().expect("a path");
        place.rsplit('/').next().expect("an id").to_owned()
    }

    /// Ada answers the form, wants a person twice, and has Ann.
    async fn serve_ada(&mut self) {
        let ada = self.ours.ada.clone();
        let mail = format!("ada@{}.example", word::ADA_MAIL);
        let road = format!("1 {}, Kathmandu", word::ADA_ROAD);
        for said in [word::ADA_NAME, "+977", word::ADA_PHONE, &mail, &road] {
            self.say(&ada, said).await;
        }
        for notes in [Some(word::NOTES), None] {
            let wanted = self.escalate(&ada, word::REASON).await;
            self.ours.handoff = wanted.as_u64().expect("a number");
            let body = json!({"session_id": ada.id});
            let line = "POST /api/agent-dashboard/accept-session/";
            self.done(line, &self.ours.ann.token, body).await;
            let body = json!({"session_id": ada.id, "message": word::ANN_SAID});
            let line = "POST /api/human-handoff/agent/send-message/";
            self.done(line, &self.ours.ann.token, body).await;
            if let Some(notes) = notes {
                let body = json!({"handoff_session_id": self.ours.handoff, "notes": notes});
                let line = "POST /api/human-handoff/resolve/";
                self.done(line, &self.ours.ann.token, body).await;
            }
        }
        self.listed().await;
        let line = format!("GET /v1/chats/{}", ada.id);
        let shown = self.done(&line, &self.ours.admin.token, Value::Null).await;
        self.ours.chat_room = text(&shown["room"]);
        let line = "GET /api/admin-dashboard/user-profiles/";
        let listed = self.done(line, &self.ours.admin.token, Value::Null).await;
        let shown = listed.to_string();
        let first = &listed["profiles"][0]["id"];
        self.ours.profile = first.as_u64().unwrap_or_else(|| panic!("{shown}"));
    }

    /// Wants a person; the handoff's number.
    pub(crate) async fn escalate(&self, chat: &Chat, reason: &str) -> Value {
        let body = json!({"session_id": chat.id, "session_token": chat.token, "reason": reason});
        let line = "POST /api/human-handoff/escalate/";
        self.done(line, "", body).await["handoff_session"]["id"].take()
    }

    /// Lists are fed behind the answers: waits until theirs have Ada's chat as it is now.
    async fn listed(&self) {
        let line = "GET /api/human-handoff/sessions/?status=assigned";
        let shows = async {
            loop {
                let list = self.done(line, &self.ours.admin.token, Value::Null).await;
                if list[0]["id"] == self.ours.handoff {
                    break;
                }
            }
        };
        soon("the chat is listed", shows).await;
    }

    async fn people_of_theirs(&mut self) {
        let theirs = self.theirs.clone();
        self.theirs.talk = self.talk(&theirs.hal, "ida").await;
        self.theirs.ada = self.arrive(&theirs.id, "Hello").await;
        self.theirs.eve = self.arrive(&theirs.id, "Hello").await;
    }
}
