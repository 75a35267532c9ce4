//! Visitors' chats in the native words: a visitor with nothing but a chat's token on `/v1/ws`, and
//! the company's people beside them.

use serde_json::{Value, json};

use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, get, installation, post, text, token,
};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    a_visitor_talks_on_a_native_socket_with_the_token_of_their_chat,
    a_chats_token_opens_nothing_but_its_visitors_chats,
    a_chat_is_handed_over_and_back_in_native_words,
);

async fn opened(site: &Site, company: &str) -> Value {
    let body = json!({"company_id": company, "language": "de"});
    post(site, "/v1/chats", None, body, 200).await
}

async fn at_work(bus: Bus) -> (Site, String, String, String, u64) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (id, admin) = company(&site, &root, "Tesla").await;
    let (no, ann) = agent(&site, &admin, "ann@tesla.example").await;
    (site, id, admin, ann, no)
}

async fn a_visitor_talks_on_a_native_socket_with_the_token_of_their_chat(bus: Bus) {
    let (site, company, ..) = at_work(bus).await;
    let chat = opened(&site, &company).await;
    assert_eq!(
        (&chat["stage"], &chat["form"]),
        (&json!("bot"), &Value::Null)
    );
    let mut socket = site.connect_with(&text(&chat["session_token"])).await;
    let room = text(&chat["room"]);
    socket.join(&room).await;
    socket.post(&room, "Hallo").await;
    let events = socket.events(&room, 1, 2).await;
    assert_eq!(events[1]["author"]["role"], json!("bot"));
    assert_eq!(events[1]["rich"]["form"]["collecting"], json!("name"));
    let question = text(&events[1]["text"]);
    assert!(question.contains("Willkommen"), "{question}");
    socket.post(&room, "Ada Lovelace").await;
    let path = format!(
        "/v1/chats/{}?session_token={}",
        text(&chat["session_id"]),
        text(&chat["session_token"])
    );
    let (status, shown) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["form"]["collecting"], json!("country_code"));
    assert_eq!(shown["form"]["answers"]["name"], json!("Ada Lovelace"));
}

async fn a_chats_token_opens_nothing_but_its_visitors_chats(bus: Bus) {
    let (site, company, ..) = at_work(bus).await;
    let (ada, eve) = (opened(&site, &company).await, opened(&site, &company).await);
    let mut socket = site.connect_with(&text(&eve["session_token"])).await;
    for room in [text(&ada["room"]), ada["conversation_id"].to_string()] {
        let refused = socket.ask(json!({"type": "join", "room": room})).await;
        assert_eq!(refused.expect_err("refused")["code"], json!("unknown_room"));
    }
    let token = text(&eve["session_token"]);
    let (status, _) = site
        .http(
            "POST",
            "/v1/rooms",
            Some(&token),
            &json!({"participants": ["5"]}),
        )
        .await;
    assert!(matches!(status, 401 | 403), "{status}");
    for path in [
        "/api/chat/conversations/",
        "/v1/companies/me/accounts",
        "/v1/chats?stage=queued",
    ] {
        let (status, _) = site.http("GET", path, Some(&token), &Value::Null).await;
        assert!(matches!(status, 401 | 403), "{path}: {status}");
    }
}

async fn a_chat_is_handed_over_and_back_in_native_words(bus: Bus) {
    let (site, company, admin, ann, no) = at_work(bus).await;
    let chat = opened(&site, &company).await;
    let (room, name) = (text(&chat["room"]), text(&chat["session_id"]));
    let mut visitor = site.connect_with(&text(&chat["session_token"])).await;
    visitor.join(&room).await;
    let own = format!("?session_token={}", text(&chat["session_token"]));
    let escalate = format!("/v1/chats/{name}/escalate{own}");
    let wish = json!({"reason": "a bill", "priority": "urgent"});
    let queued = post(&site, &escalate, None, wish.clone(), 200).await;
    assert_eq!(queued["stage"], json!("queued"));
    post(&site, &escalate, None, wish, 409).await;
    assert_eq!(visitor.event(&room).await["step"], json!("escalated"));
    soon("the list has it", async {
        while get(&site, "/v1/chats?stage=queued", &ann, 200).await["total"] != json!(1) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let assign = format!("/v1/chats/{name}/assign");
    let assigned = post(&site, &assign, Some(&admin), json!({"agent": no}), 200).await;
    assert_eq!(assigned["handoff"]["agent"], json!(format!("agent:{no}")));
    let moved = visitor.event(&room).await;
    assert_eq!(
        (&moved["step"], &moved["agent"]["name"]),
        (&json!("assigned"), &json!("Ann"))
    );
    let mut agent = site.connect_with(&ann).await;
    agent.join(&room).await;
    agent.post(&room, "How can I help?").await;
    assert_eq!(visitor.event(&room).await["text"], json!("How can I help?"));
    let resolve = format!("/v1/chats/{name}/resolve");
    let resolved = post(&site, &resolve, Some(&ann), json!({"notes": "paid"}), 200).await;
    assert_eq!(resolved["handoff"]["notes"], json!("paid"));
    let moved = visitor.event(&room).await;
    assert_eq!(moved["step"], json!("resolved"));
    assert!(!moved.to_string().contains("paid"), "{moved}");
    // Whoever is done with a chat is out of it.
    let late = agent
        .ask(json!({"type": "post_message", "room": room, "text": "one more"}))
        .await;
    assert_eq!(late.expect_err("refused")["code"], json!("unknown_room"));
    let path = format!("/v1/chats/{name}{own}");
    let (_, shown) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(shown["handoff"].get("notes"), None);
}
