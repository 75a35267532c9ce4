//! What proves that a chat is somebody's, what proves nothing, and what a visitor is not shown.

use frontdesk::config::Config;
use serde_json::{Value, json};

use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, installation, post, provide, text, token,
};
use crate::support::{Bus, Site, in_both_buses};

in_both_buses!(
    a_bare_id_is_enough_where_the_company_says_so_and_gets_no_proof,
    a_visitors_second_chat_does_not_lock_the_first,
    chats_opened_from_one_address_are_limited,
    what_staff_wrote_and_where_they_log_in_is_not_shown_to_visitors,
);

const CHAT: &str = "/api/chatbot/chat/";

async fn shop(site: &Site) -> (String, String, u64, String) {
    let root = token(site, ROOT, ROOT_PASSWORD).await;
    let (id, admin) = company(site, &root, "Tesla").await;
    let (no, ann) = agent(site, &admin, "ann@tesla.example").await;
    (id, admin, no, ann)
}

async fn say(site: &Site, body: Value, status: u16) -> Value {
    post(site, CHAT, None, body, status).await
}

async fn a_bare_id_is_enough_where_the_company_says_so_and_gets_no_proof(bus: Bus) {
    let site = installation(bus).await;
    let (id, admin, ..) = shop(&site).await;
    let opened = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
    let bare = json!({"session_id": opened["session_id"], "message": "Me again"});
    say(&site, bare.clone(), 404).await;
    let path = format!("/v1/companies/{id}/settings/");
    let change = |is_on: bool| json!({"legacy_anonymous": is_on});
    let (status, _) = site.http("PATCH", &path, Some(&admin), &change(true)).await;
    assert_eq!(status, 200);
    let answer = say(&site, bare.clone(), 200).await;
    assert_eq!(answer.get("session_token"), None, "{answer}");
    let (status, _) = site
        .http("PATCH", &path, Some(&admin), &change(false))
        .await;
    assert_eq!(status, 200);
    say(&site, bare, 404).await;
}

async fn a_visitors_second_chat_does_not_lock_the_first(bus: Bus) {
    let site = installation(bus).await;
    let (id, ..) = shop(&site).await;
    let first = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
    let again = json!({"company_id": id, "session_token": first["session_token"], "message": "Hi"});
    let second = say(&site, again, 200).await;
    assert_ne!(first["session_id"], second["session_id"]);
    assert_eq!(first["persistent_user_id"], second["persistent_user_id"]);
    // A browser keeps the later proof only.
    let body = json!({"session_id": first["session_id"],
        "session_token": second["session_token"], "message": "Still here"});
    say(&site, body, 200).await;
}

async fn chats_opened_from_one_address_are_limited(bus: Bus) {
    let change = |config: &mut Config| {
        provide(config);
        config.limits.chats_per_minute_address = 2;
    };
    let site = Site::with(bus, change).await;
    let (id, ..) = shop(&site).await;
    let hello = json!({"company_id": id, "message": "Hello"});
    let opened = say(&site, hello.clone(), 200).await;
    say(&site, hello.clone(), 200).await;
    say(&site, hello.clone(), 429).await;
    let more = json!({"session_id": opened["session_id"],
        "session_token": opened["session_token"], "message": "More"});
    say(&site, more, 200).await;
    site.clock.leap_ms(60_000);
    say(&site, hello, 200).await;
}

async fn what_staff_wrote_and_where_they_log_in_is_not_shown_to_visitors(bus: Bus) {
    let site = installation(bus).await;
    let (id, admin, no, ann) = shop(&site).await;
    let chat = post(&site, "/v1/chats", None, json!({"company_id": id}), 200).await;
    let (name, proof) = (text(&chat["session_id"]), text(&chat["session_token"]));
    let wish = json!({"session_id": name, "reason": "likely fraud"});
    let path = "/api/human-handoff/escalate/";
    post(&site, path, Some(&ann), wish, 201).await;
    let assign = format!("/v1/chats/{name}/assign");
    post(&site, &assign, Some(&admin), json!({"agent": no}), 200).await;
    let mut visitor = site.connect_with(&proof).await;
    let room = text(&chat["room"]);
    visitor.join(&room).await;
    let said = json!({"session_id": name, "message": "How can I help?"});
    let send = "/api/human-handoff/agent/send-message/";
    post(&site, send, Some(&ann), said, 200).await;
    let heard = visitor.event(&room).await;
    assert_eq!(heard["author"]["name"], json!("Ann"));
    let show = format!("/v1/chats/{name}?session_token={proof}");
    let (_, shown) = site.http("GET", &show, None, &Value::Null).await;
    let wish = json!({"session_id": name, "session_token": proof});
    let second = post(&site, path, None, wish, 400).await;
    for told in [heard, shown, second] {
        let told = told.to_string();
        assert!(
            !told.contains("fraud") && !told.contains("ann@tesla"),
            "{told}"
        );
    }
}
