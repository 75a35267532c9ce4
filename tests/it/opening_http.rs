//! Opening conversations over HTTP: how many may be in one, and what is said first in it.

use serde_json::{Value, json};

use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses};

in_both_buses!(
    a_conversation_with_the_bot_has_as_many_people_as_lists_show,
    nothing_is_opened_for_a_first_message_that_does_not_fit,
    a_first_message_is_said_where_nothing_was_said_yet_and_once,
    a_key_that_comes_again_says_the_same_or_is_refused,
);

const PATH: &str = "/api/chat/conversations/";

async fn open(site: &Site, body: &Value) -> (u16, Value) {
    site.http("POST", PATH, Some(&token_of("ann")), body).await
}

/// What was said in a conversation, the newest first.
async fn said(site: &Site, number: &Value) -> Vec<String> {
    let path = format!("{PATH}{number}/messages/");
    let (status, page) = site
        .http("GET", &path, Some(&token_of("ann")), &Value::Null)
        .await;
    assert_eq!(status, 200, "{page}");
    let texts = page["results"].as_array().expect("results").iter();
    let text = |shown: &Value| shown["content"].as_str().expect("a text").to_owned();
    texts.map(text).collect()
}

async fn a_conversation_with_the_bot_has_as_many_people_as_lists_show(bus: Bus) {
    let site = Site::start(bus).await;
    let others = |count: u32| (0..count).map(|i| json!(format!("p{i}")));
    // Whoever asks is in it anyway, and a name that comes twice is one person.
    let fits: Vec<Value> = others(254).chain([json!("ann"), json!("p0")]).collect();
    let (status, opened) = open(&site, &json!({ "participants": fits })).await;
    assert_eq!(status, 201, "{opened}");
    assert_eq!(opened["participant_count"], 256);
    let path = format!("{PATH}{}/", opened["id"].as_str().expect("a text"));
    let ann = token_of("ann");
    let (status, shown) = site.http("GET", &path, Some(&ann), &Value::Null).await;
    assert_eq!((status, &shown["participant_count"]), (200, &json!(256)));
    for count in [255, 257] {
        let many: Vec<Value> = others(count).collect();
        let (status, refused) = open(&site, &json!({ "participants": many })).await;
        assert_eq!((status, &refused["code"]), (400, &json!("bad_field")));
        let why = refused["detail"].as_str().expect("a text");
        assert!(why.contains("limit 25"), "{why}");
    }
}

async fn nothing_is_opened_for_a_first_message_that_does_not_fit(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = token_of("ann");
    let long = "é".repeat(10_001);
    let wrong = [(" \n\u{200b}", "text_empty"), (&*long, "text_too_long")];
    let mut details = Vec::new();
    for (text, code) in wrong {
        let body = json!({"listener_id": "bob", "initial_message": text});
        let (status, refused) = open(&site, &body).await;
        assert_eq!((status, &refused["code"]), (400, &json!(code)));
        details.push(refused["detail"].clone());
    }
    let (_, list) = site.http("GET", PATH, Some(&ann), &Value::Null).await;
    assert_eq!(list, json!([]));
    // The words are those for a message that is refused.
    let (_, pair) = open(&site, &json!({"listener_id": "bob"})).await;
    let path = format!("{PATH}{}/messages/", pair["id"]);
    for ((text, _), detail) in wrong.into_iter().zip(details) {
        let body = json!({ "content": text });
        let (_, refused) = site.http("POST", &path, Some(&ann), &body).await;
        assert_eq!(refused["detail"], detail);
    }
}

async fn a_first_message_is_said_where_nothing_was_said_yet_and_once(bus: Bus) {
    let site = Site::start(bus).await;
    // As if the first try had ended between opening and saying.
    let (status, opened) = open(&site, &json!({"listener_id": "bob"})).await;
    assert_eq!(status, 201, "{opened}");
    let body = json!({"listener_id": "bob", "initial_message": "Hello"});
    let twice = tokio::join!(open(&site, &body), open(&site, &body));
    for (status, again) in [twice.0, twice.1] {
        assert_eq!((status, &again["id"]), (200, &opened["id"]));
    }
    assert_eq!(said(&site, &opened["id"]).await, ["Hello"]);
    let later = json!({"listener_id": "bob", "initial_message": "Hello?"});
    assert_eq!(open(&site, &later).await.0, 200);
    assert_eq!(said(&site, &opened["id"]).await, ["Hello"]);
    let fresh = json!({"listener_id": "eve", "initial_message": "Hi"});
    let (status, fresh) = open(&site, &fresh).await;
    assert_eq!(status, 201);
    assert_eq!(fresh["last_message"]["content"], "Hi");
}

async fn a_key_that_comes_again_says_the_same_or_is_refused(bus: Bus) {
    let site = Site::start(bus).await;
    for (text, status) in [("Hello", 201), ("Hello", 201), ("Bye", 409)] {
        let body = json!({"listener_id": "bob", "initial_message": text});
        let request = site.request("POST", PATH).bearer_auth(token_of("ann"));
        let request = request.header("Idempotency-Key", "once").json(&body);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{text}");
    }
    let (_, opened) = open(&site, &json!({"listener_id": "bob"})).await;
    assert_eq!(said(&site, &opened["id"]).await, ["Hello"]);
}
