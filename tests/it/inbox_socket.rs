//! The profile `inbox` on its socket, step by step as its document has it, and what its clients
//! rely on. That nothing is lost or doubled among many conversations is in `feeds`.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::socket::Socket;
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, Room, Site, in_both_buses};

in_both_buses!(
    the_documented_flow_passes,
    errors_say_what_is_wrong_and_the_socket_goes_on,
    a_socket_without_a_valid_token_closes_with_4001,
    who_writes_in_a_still_conversation_is_shown_and_hears_it_from_then_on,
    coming_online_and_going_is_told_to_partners,
    everything_is_given_up_when_the_socket_closes,
);

fn ann() -> String {
    let claims = json!({"email": "ann@example.com", "user_type": "candidate",
        "full_name": "Ann Smith"});
    token_with(&json!(5), &claims)
}

/// A conversation of ann and bob.
async fn conversation(site: &Site) -> Room {
    let body = json!({"participants": ["bob"]});
    let (status, opened) = site.http("POST", "/v1/rooms", Some(&ann()), &body).await;
    assert_eq!(status, 201, "{opened}");
    listed(site, &ann()).await;
    Room {
        id: opened["id"].as_str().expect("an id").to_owned(),
        number: opened["conversation_id"].as_u64().expect("a number"),
    }
}

/// Waits until lists hold what this person opened: who shares a conversation is read from them.
async fn listed(site: &Site, token: &str) {
    let path = "/api/chat/conversations/";
    let (status, list) = site.http("GET", path, Some(token), &Value::Null).await;
    assert_eq!((status, list[0].is_object()), (200, true), "{list}");
}

fn say(room: &Room, text: &str) -> Value {
    json!({"type": "chat_message", "conversation_id": room.number, "content": text})
}

async fn the_documented_flow_passes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = site.inbox(&ann()).await;
    let mut bob = site.inbox(&token_of("bob")).await;
    assert_eq!(ann.push("user_status").await["user_id"], "bob");
    ann.send(&say(&room, "Hello")).await;
    let mut sent = ann.next().await;
    assert_eq!(sent["type"], "message_sent");
    // Whether bob is told that ann was there already is a matter of moments.
    let mut came = bob.push("new_message").await;
    assert_eq!(came["message"], sent["message"]);
    let at = sent["message"]["created_at"].take();
    assert!(at.as_str().is_some_and(|at| at.ends_with('Z')), "{at}");
    assert_eq!(came["message"]["updated_at"].take(), at);
    sent["message"]["updated_at"].take();
    let sender = json!({"id": 5, "email": "ann@example.com", "user_type": "candidate",
        "name": "Ann Smith", "profile_picture_url": null});
    let expected = json!({"id": (room.number << 20) + 1, "conversation": room.number,
        "sender": sender, "content": "Hello", "message_type": "text", "attachment": null,
        "attachment_url": null, "attachment_name": null, "attachment_size": null,
        "is_image": false, "reply_to": null, "reply_to_message": null, "is_deleted": false,
        "deleted_at": null, "is_read": false, "created_at": null, "updated_at": null});
    assert_eq!(sent["message"], expected);
    for is_typing in [true, false] {
        let number = room.number.to_string();
        bob.send(&json!({"type": "typing", "conversation_id": number, "is_typing": is_typing}))
            .await;
        assert_eq!(
            ann.next().await,
            json!({"type": "typing", "conversation_id": room.number, "user_id": "bob",
                "is_typing": is_typing})
        );
    }
    bob.send(&json!({"type": "mark_read", "conversation_id": room.number}))
        .await;
    assert_eq!(
        ann.next().await,
        json!({"type": "messages_read", "conversation_id": room.number, "user_id": "bob"})
    );
    bob.send(&say(&room, "Fine")).await;
    let own = bob.next_that(|frame| frame["type"] != "user_status").await;
    assert_eq!(own["type"], "message_sent", "nothing came to itself");
    assert_eq!(ann.next().await["message"]["content"], "Fine");
}

async fn errors_say_what_is_wrong_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let foreign = site.room(&["eve", "zed"]).await;
    let mut eve = site.join("eve", &foreign).await;
    let mut zed = site.join("zed", &foreign).await;
    let mut ann = site.inbox(&ann()).await;
    let stranger = say(&foreign, "hi").to_string();
    let nowhere = json!({"type": "mark_read", "conversation_id": 999}).to_string();
    let unnamed = r#"{"type":"chat_message","content":"hi"}"#;
    let empty = say(&room, " ").to_string();
    for (frame, code) in [
        ("{", "bad_frame"),
        (unnamed, "bad_field"),
        (r#"{"type":"typing","conversation_id":[1]}"#, "bad_field"),
        (stranger.as_str(), "unknown_room"),
        (nowhere.as_str(), "unknown_room"),
        (empty.as_str(), "text_empty"),
        (r#"{"type":"dance"}"#, "unknown_type"),
    ] {
        ann.send_message(Message::text(frame)).await;
        let refused = ann.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code))
        );
        assert!(refused["message"].is_string(), "{refused}");
    }
    let typing = json!({"type": "typing", "conversation_id": foreign.number, "is_typing": true});
    ann.send(&typing).await;
    for echo in [
        "new_message",
        "message_sent",
        "messages_read",
        "user_status",
    ] {
        ann.send(&json!({"type": echo, "message": {}})).await;
    }
    ann.send(&say(&room, "still here")).await;
    assert_eq!(ann.next().await["message"]["content"], "still here");
    // Whoever is in the other conversation hears of its own people alone.
    zed.send(&json!({"type": "typing", "room": foreign.id, "active": true}))
        .await;
    assert_eq!(eve.ephemeral("typing").await["person"], "zed");
    zed.post(&foreign.id, "ours").await;
    assert_eq!(eve.event(&foreign.id).await["text"], "ours");
}

async fn a_socket_without_a_valid_token_closes_with_4001(bus: Bus) {
    let site = Site::start(bus).await;
    for path in [
        "/ws/chat/",
        "/ws/chat",
        "/ws/chat/?token=",
        "/ws/chat/?token=bad",
    ] {
        let mut socket = Socket::dial(site.address, path, &[], &[]).await;
        assert_eq!(socket.closed().await.0, 4001, "{path}");
    }
    let path = format!("/ws/chat?token={}", ann());
    let mut socket = Socket::dial(site.address, &path, &[], &[]).await;
    assert_eq!(socket.next().await["type"], "connection_established");
}

async fn who_writes_in_a_still_conversation_is_shown_and_hears_it_from_then_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut native = site.join("bob", &room).await;
    native.post(&room.id, "long ago").await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut other = site.inbox(&token_of("bob")).await;
    let typing = json!({"type": "typing", "conversation_id": room.number, "is_typing": true});
    ann.send(&typing).await;
    assert_eq!(native.ephemeral("typing").await["person"], "ann");
    assert_eq!(other.push("typing").await["is_typing"], true);
    native.post(&room.id, "now").await;
    let seen = ann.next().await;
    assert_eq!(seen["message"]["content"], "now", "and nothing of long ago");
    site.clock.leap_ms(6_000);
    assert_eq!(native.ephemeral("typing").await["active"], false);
    let over = other.next_that(|frame| frame["type"] == "typing").await;
    assert_eq!(over["is_typing"], false);
    native.post(&room.id, "later").await;
    assert_eq!(ann.next().await["message"]["content"], "later");
}

async fn coming_online_and_going_is_told_to_partners(bus: Bus) {
    let site = Site::start(bus).await;
    let shared = site.room(&["ann", "bob"]).await;
    listed(&site, &token_of("ann")).await;
    let room = site.room(&["bob", "eve"]).await;
    listed(&site, &token_of("bob")).await;
    let mut bob = site.inbox(&token_of("bob")).await;
    let mut eve = site.inbox(&token_of("eve")).await;
    let status = |is_online: bool| {
        json!({"type": "user_status", "user_id": "ann",
        "is_online": is_online})
    };
    let ann = site.connect("ann").await;
    let of_ann = |frame: &Value| frame["user_id"] == "ann";
    assert_eq!(bob.next_that(of_ann).await, status(true));
    let other = site.greeted(&shared, &token_of("ann")).await;
    ann.close().await;
    other.close().await;
    let mut gone = None;
    while gone.is_none() {
        site.clock.leap_ms(5_000);
        gone = Some(bob.next_that(of_ann).await);
    }
    assert_eq!(gone, Some(status(false)));
    bob.send(&say(&room, "seen by eve")).await;
    let first = eve.next_that(|frame| frame["user_id"] != "bob").await;
    assert_eq!(first["type"], "new_message", "no partner of ann is told");
}

async fn everything_is_given_up_when_the_socket_closes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let bob = site.inbox(&token_of("bob")).await;
    ann.send(&say(&room, "hello")).await;
    ann.push("message_sent").await;
    ann.close().await;
    bob.close().await;
    site.until_left().await;
}
