//! Visitors' chats over HTTP, as clients of `helpdesk` and `widget` use them: the documented way of
//! two companies at once, and nobody in between.

use serde_json::{Value, json};

use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, get, installation, post, text, token,
};
use crate::support::{Bus, Site, in_both_buses, soon, until};

in_both_buses!(
    two_companies_serve_their_visitors_and_neither_sees_a_byte_of_the_other,
    a_second_wish_for_a_person_is_answered_with_the_first,
    a_chat_is_its_visitors_and_nobody_elses,
    an_agent_sees_what_waits_and_what_is_theirs,
    what_is_said_to_the_bot_again_is_not_for_whoever_had_the_chat,
    a_profile_may_be_given_at_once_and_taken_away,
    what_does_not_fit_is_said_of_its_field,
    a_chat_survives_the_sleep_of_everything_in_memory,
);

const CHAT: &str = "/api/chatbot/chat/";

/// A company at work: its id, its admin's token, an agent's number and token.
struct Shop {
    id: String,
    admin: String,
    agent_no: u64,
    agent: String,
}

async fn shop(site: &Site, root: &str, name: &str) -> Shop {
    let (id, admin) = company(site, root, name).await;
    let email = format!("ann@{}.example", name.to_lowercase());
    let (agent_no, agent) = agent(site, &admin, &email).await;
    Shop {
        id,
        admin,
        agent_no,
        agent,
    }
}

/// A visitor with a chat.
struct Visitor {
    company: String,
    session: String,
    token: String,
}

impl Visitor {
    async fn arrive(site: &Site, company: &str, said: &str) -> (Self, Value) {
        let body = json!({"company_id": company, "message": said});
        let answer = post(site, CHAT, None, body, 200).await;
        let visitor = Self {
            company: company.to_owned(),
            session: text(&answer["session_id"]),
            token: text(&answer["session_token"]),
        };
        (visitor, answer)
    }

    async fn say(&self, site: &Site, said: &str) -> Value {
        let body = json!({"company_id": self.company, "session_id": self.session,
            "session_token": self.token, "message": said});
        post(site, CHAT, None, body, 200).await
    }

    /// Answers the six questions.
    async fn answer_form(&self, site: &Site, name: &str) {
        let steps = [
            (name, "country_code"),
            ("+977", "phone"),
            ("98", "phone"),
            ("9841234567", "email"),
            ("skip", "address"),
            ("1 Road, Kathmandu", "complete"),
        ];
        for (said, next) in steps {
            let answer = self.say(site, said).await;
            assert_eq!(answer["collecting"], json!(next), "{answer}");
        }
    }

    async fn escalate(&self, site: &Site, status: u16) -> Value {
        let body = json!({"session_id": self.session, "session_token": self.token,
            "reason": "a bill", "priority": "high"});
        post(site, "/api/human-handoff/escalate/", None, body, status).await
    }

    async fn status(&self, site: &Site) -> Value {
        let path = format!(
            "/api/chatbot/session-status/?session_id={}&session_token={}",
            self.session, self.token
        );
        get_open(site, &path, 200).await
    }

    async fn history(&self, site: &Site) -> Vec<(String, String)> {
        let path = format!(
            "/api/chatbot/chat-history/?session_id={}&session_token={}",
            self.session, self.token
        );
        said(&get_open(site, &path, 200).await)
    }
}

async fn get_open(site: &Site, path: &str, status: u16) -> Value {
    let (found, answer) = site.http("GET", path, None, &Value::Null).await;
    assert_eq!(found, status, "{path}: {answer}");
    answer
}

fn said(history: &Value) -> Vec<(String, String)> {
    let messages = history["messages"].as_array().expect("a list");
    let pair = |message: &Value| (text(&message["message_type"]), text(&message["content"]));
    messages.iter().map(pair).collect()
}

/// A list once it has so many entries: what others just did is in it within a moment.
async fn listed(site: &Site, path: &str, token: &str, count: usize) -> Value {
    soon("the list has them", async {
        loop {
            let found = get(site, path, token, 200).await;
            if found.as_array().is_some_and(|list| list.len() == count) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn send(site: &Site, agent: &str, session: &str, said: &str, status: u16) -> Value {
    let path = "/api/human-handoff/agent/send-message/";
    let body = json!({"session_id": session, "message": said});
    post(site, path, Some(agent), body, status).await
}

async fn two_companies_serve_their_visitors_and_neither_sees_a_byte_of_the_other(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shops = [
        shop(&site, &root, "Tesla").await,
        shop(&site, &root, "SpaceX").await,
    ];
    // Numbers count in each company: with one chat more they name different handoffs.
    Visitor::arrive(&site, &shops[1].id, "Hello").await;
    let mut visitors = Vec::new();
    for (shop, name) in shops.iter().zip(["Ada Lovelace", "Grace Hopper"]) {
        let (visitor, answer) = Visitor::arrive(&site, &shop.id, "Hello").await;
        assert_eq!(answer["type"], json!("profile_collection"));
        assert_eq!(answer["collecting"], json!("name"));
        assert!(visitor.session.starts_with(&format!("{}_", shop.id)));
        visitor.answer_form(&site, name).await;
        let told = visitor.say(&site, "Do you ship?").await;
        assert_eq!(
            (&told["type"], &told["escalated"]),
            (&json!("bot_response"), &json!(false))
        );
        assert!(text(&told["response"]).contains("Do you ship?"));
        let wanted = visitor.escalate(&site, 201).await;
        assert_eq!(
            wanted["handoff_session"]["user_profile"]["name"],
            json!(name)
        );
        let silent = visitor.say(&site, "Is anybody there?").await;
        assert_eq!(silent["type"], json!("human_handling"));
        visitors.push(visitor);
    }
    for (index, (shop, visitor)) in shops.iter().zip(&visitors).enumerate() {
        let other = &shops[1 - index];
        let waiting = "/api/human-handoff/sessions/?status=unassigned";
        let listed = listed(&site, waiting, &shop.admin, 1).await;
        let handoff = listed[0]["id"].as_u64().expect("a number");
        let body = json!({"handoff_session_id": handoff, "agent_id": shop.agent_no});
        let path = "/api/human-handoff/assign/";
        let stranger = json!({"handoff_session_id": handoff, "agent_id": other.agent_no});
        post(&site, path, Some(&shop.admin), stranger, 404).await;
        post(&site, path, Some(&other.admin), body.clone(), 404).await;
        let assigned = post(&site, path, Some(&shop.admin), body, 200).await;
        assert_eq!(assigned["agent"], json!(shop.agent_no));
        send(&site, &other.agent, &visitor.session, "mine!", 404).await;
        send(&site, &shop.agent, &visitor.session, "How can I help?", 200).await;
        let history = visitor.history(&site).await;
        let last = history.last().expect("messages");
        assert_eq!(*last, ("agent".to_owned(), "How can I help?".to_owned()));
        assert_eq!(visitor.status(&site).await["is_escalated"], json!(true));
        let done = json!({"handoff_session_id": handoff, "notes": "paid"});
        let resolve = "/api/human-handoff/resolve/";
        post(&site, resolve, Some(&other.admin), done.clone(), 404).await;
        post(&site, resolve, Some(&shop.agent), done, 200).await;
        assert_eq!(visitor.status(&site).await["status"], json!("resolved"));
        let back = visitor.say(&site, "Thanks").await;
        assert_eq!(back["type"], json!("bot_response"));
        let profiles = get(
            &site,
            "/api/admin-dashboard/user-profiles/",
            &shop.admin,
            200,
        )
        .await;
        assert_eq!(profiles["count"], json!(1), "{profiles}");
        let shown = profiles.to_string();
        assert!(shown.contains(&visitor.session) && !shown.contains(&visitors[1 - index].session));
    }
}

async fn a_second_wish_for_a_person_is_answered_with_the_first(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let first = visitor.escalate(&site, 201).await;
    let second = visitor.escalate(&site, 400).await;
    assert_eq!(second["error"], json!("Session is already escalated"));
    assert_eq!(
        second["handoff_session"]["id"],
        first["handoff_session"]["id"]
    );
    // Somebody of the company may want one too, and is told the same.
    let body = json!({"session_id": visitor.session, "reason": "again"});
    let path = "/api/human-handoff/escalate/";
    let third = post(&site, path, Some(&shop.agent), body, 400).await;
    assert_eq!(
        third["handoff_session"]["escalation_reason"],
        json!("a bill")
    );
}

async fn a_chat_is_its_visitors_and_nobody_elses(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (ada, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let (bob, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    for token in [None, Some(&bob.token)] {
        let mut body = json!({"session_id": ada.session, "message": "Who am I?"});
        let mut path = format!("/api/chatbot/session-status/?session_id={}", ada.session);
        if let Some(token) = token {
            body["session_token"] = json!(token);
            path.push_str(&format!("&session_token={token}"));
        }
        post(&site, CHAT, None, body, 404).await;
        get_open(&site, &path, 404).await;
    }
    // A name that nobody has is the visitor's who comes first.
    let body = json!({"session_id": "session_1234567890", "company_id": shop.id, "message": "Hi"});
    let opened = post(&site, CHAT, None, body.clone(), 200).await;
    assert_eq!(opened["session_id"], json!("session_1234567890"));
    post(&site, CHAT, None, body, 404).await;
    let nowhere = json!({"company_id": "NOBODY", "message": "Hi"});
    let (status, _) = site.http("POST", CHAT, None, &nowhere).await;
    assert!(matches!(status, 401 | 404), "{status}");
}

async fn an_agent_sees_what_waits_and_what_is_theirs(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (bob_no, bob) = agent(&site, &shop.admin, "bob@tesla.example").await;
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let messages = format!(
        "/api/human-handoff/agent/sessions/{}/messages/",
        visitor.session
    );
    get(&site, &messages, &bob, 404).await;
    visitor.escalate(&site, 201).await;
    get(&site, &messages, &bob, 200).await;
    let accept = "/api/agent-dashboard/accept-session/";
    let body = json!({"session_id": visitor.session});
    post(&site, accept, Some(&bob), body.clone(), 200).await;
    post(&site, accept, Some(&shop.agent), body.clone(), 404).await;
    get(&site, &messages, &shop.agent, 404).await;
    send(&site, &shop.agent, &visitor.session, "hi", 403).await;
    // Nor is what its visitor answered told to a colleague who wants a person for it.
    let wish = json!({"session_id": visitor.session, "reason": "mine"});
    let escalate = "/api/human-handoff/escalate/";
    post(&site, escalate, Some(&shop.agent), wish.clone(), 404).await;
    post(&site, escalate, Some(&bob), wish, 400).await;
    let own = "/api/human-handoff/agent/sessions/?status=assigned&per_page=5";
    let page = get(&site, own, &bob, 200).await;
    assert_eq!(
        (&page["count"], &page["total_pages"]),
        (&json!(1), &json!(1))
    );
    let chat = &page["sessions"][0]["chat_session"];
    assert_eq!(chat["session_id"], json!(visitor.session));
    assert_eq!(get(&site, own, &shop.agent, 200).await["count"], json!(0));
    let others = format!("/api/human-handoff/sessions/?agent_id={bob_no}");
    get(&site, &others, &shop.agent, 403).await;
    let of_bob = get(&site, &others, &shop.admin, 200).await;
    assert_eq!(of_bob.as_array().map(Vec::len), Some(1));
    let stats = "/api/agent-dashboard/stats/";
    assert_eq!(
        get(&site, stats, &bob, 200).await["active_sessions"],
        json!(1)
    );
    assert_eq!(
        get(&site, stats, &shop.agent, 200).await["active_sessions"],
        json!(0)
    );
    let complete = "/api/agent-dashboard/complete-session/";
    post(&site, complete, Some(&bob), body.clone(), 200).await;
    post(&site, complete, Some(&bob), body, 409).await;
    assert_eq!(
        get(&site, stats, &bob, 200).await["resolved_sessions"],
        json!(1)
    );
    assert_eq!(
        get(&site, &messages, &bob, 200).await["session"]["status"],
        json!("resolved")
    );
}

async fn what_is_said_to_the_bot_again_is_not_for_whoever_had_the_chat(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (_, bob) = agent(&site, &shop.admin, "bob@tesla.example").await;
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let messages = format!(
        "/api/human-handoff/agent/sessions/{}/messages/",
        visitor.session
    );
    visitor.escalate(&site, 201).await;
    let body = json!({"session_id": visitor.session});
    for route in ["accept-session", "complete-session"] {
        let path = format!("/api/agent-dashboard/{route}/");
        post(&site, &path, Some(&bob), body.clone(), 200).await;
    }
    get(&site, &messages, &bob, 200).await;
    visitor.say(&site, "Something private").await;
    get(&site, &messages, &bob, 404).await;
    let native = format!("/v1/chats/{}", visitor.session);
    get(&site, &native, &bob, 404).await;
    let seen = get(&site, &messages, &shop.admin, 200).await;
    assert!(seen.to_string().contains("Something private"));
    // Nor what they answer then: the first message after a person had the chat answers nothing.
    let next = visitor.say(&site, "Ada Private").await;
    assert_eq!(next["collecting"], json!("country_code"), "{next}");
    let listed = "/v1/chats?stage=resolved";
    soon("lists tell of it", async {
        let told = |list: Value| list.to_string().contains("Ada Private");
        while !told(get(&site, listed, &shop.admin, 200).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for path in [
        listed,
        "/api/human-handoff/sessions/?status=resolved",
        "/api/human-handoff/agent/sessions/?status=resolved",
        "/api/admin-dashboard/agent-sessions/",
    ] {
        let seen = get(&site, path, &bob, 200).await.to_string();
        assert!(seen.contains(&visitor.session), "{path}: {seen}");
        assert!(
            !seen.contains("Private") && !seen.contains("private"),
            "{path}: {seen}"
        );
    }
}

async fn a_profile_may_be_given_at_once_and_taken_away(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let path = "/api/chatbot/create-profile/";
    let profile = |email: &str| {
        json!({"session_id": visitor.session, "session_token": visitor.token,
            "name": "Ada", "phone": "9841234567", "country_code": "+977", "email": email})
    };
    post(&site, path, None, profile("nowhere"), 400).await;
    let kept = post(&site, path, None, profile("ada@x.example"), 201).await;
    assert_eq!(kept["phone"], json!("+977-9841234567"));
    let id = kept["id"].as_u64().expect("a number");
    assert_eq!(
        visitor.say(&site, "Hello again").await["type"],
        json!("bot_response")
    );
    let list = "/api/admin-dashboard/user-profiles/";
    for (query, count) in [
        ("?search=ADA@X", 1),
        ("?search=bob", 0),
        ("?country_code=%2B977&created_from=2020-01-01", 1),
        ("?created_to=2020-01-01", 0),
    ] {
        let page = get(&site, &format!("{list}{query}"), &shop.admin, 200).await;
        assert_eq!(page["count"], json!(count), "{query}");
    }
    get(&site, list, &shop.agent, 403).await;
    get(
        &site,
        &format!("{list}?created_from=tomorrow"),
        &shop.admin,
        400,
    )
    .await;
    let one = format!("{list}{id}/");
    let shown = get(&site, &one, &shop.admin, 200).await;
    assert_eq!(shown["session_info"]["session_id"], json!(visitor.session));
    let stats = get(&site, &format!("{list}stats/"), &shop.admin, 200).await;
    assert_eq!(stats["total_profiles"], json!(1));
    let (status, _) = site
        .http(
            "DELETE",
            &format!("{one}delete/"),
            Some(&shop.admin),
            &Value::Null,
        )
        .await;
    assert_eq!(status, 200);
    get(&site, &one, &shop.admin, 404).await;
}

async fn what_does_not_fit_is_said_of_its_field(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let chat = |field: &str, value: Value| {
        let mut body = json!({"company_id": shop.id, "message": "Hi"});
        body[field] = value;
        body
    };
    for (field, value) in [
        ("message", json!(" ")),
        ("message", json!("x".repeat(2_001))),
        ("context", json!("x".repeat(501))),
        ("session_id", json!("no/such name")),
        ("attachment_ids", json!([1])),
        ("attachment_ids", json!(["9007199254740991"])),
    ] {
        let refused = post(&site, CHAT, None, chat(field, value), 400).await;
        assert!(refused[field].is_array(), "{field}: {refused}");
    }
    let nobody = post(&site, CHAT, None, json!({"message": "Hi"}), 400).await;
    assert!(nobody["company_id"].is_array(), "{nobody}");
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    let body = json!({"session_id": visitor.session, "session_token": visitor.token,
        "priority": "now"});
    let refused = post(&site, "/api/human-handoff/escalate/", None, body, 400).await;
    assert!(refused["priority"].is_array(), "{refused}");
    get_open(&site, "/api/chatbot/session-status/", 400).await;
    assert!(get_open(&site, CHAT, 200).await["message"].is_string());
}

async fn a_chat_survives_the_sleep_of_everything_in_memory(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let shop = shop(&site, &root, "Tesla").await;
    let (visitor, _) = Visitor::arrive(&site, &shop.id, "Hello").await;
    visitor.say(&site, "Ada Lovelace").await;
    visitor.escalate(&site, 201).await;
    site.clock.leap_ms(10 * 60 * 1_000);
    until("everyone sleeps", || site.counts().actors == 0).await;
    assert_eq!(visitor.status(&site).await["is_escalated"], json!(true));
    let told = visitor.say(&site, "Still here").await;
    assert_eq!(told["type"], json!("human_handling"));
    let waiting = listed(&site, "/api/human-handoff/sessions/", &shop.agent, 1).await;
    assert_eq!(waiting[0]["chat_session_id"], json!(visitor.session));
}
