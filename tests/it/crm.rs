//! The profile `crm` on its socket: the flow of its document, step by step, and what its clients
//! rely on.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::socket::Socket;
use crate::support::token::{now_s, token_of, token_with};
use crate::support::{Bus, OTHER_COMPANY, Room, Site, greeted, in_both_buses};

in_both_buses!(
    the_documented_events_pass,
    who_comes_and_goes_is_told_to_the_others_and_not_to_themselves,
    a_read_frame_marks_up_to_its_highest_id_and_everything_without_ids,
    without_the_echo_a_sender_gets_the_acknowledgement_alone,
    errors_say_what_is_wrong_and_the_socket_goes_on,
    sockets_that_are_not_allowed_close_with_their_codes,
    the_dialect_may_be_asked_for_by_query_and_by_subprotocol,
    the_operator_may_set_the_dialect,
);

fn ann() -> String {
    token_with(
        &json!(5),
        &json!({"email": "ann@example.com", "full_name": "Ann Smith"}),
    )
}

fn bob() -> String {
    token_with(&json!(6), &json!({"email": "bob@example.com"}))
}

/// A conversation of ann and bob.
async fn conversation(site: &Site) -> Room {
    let body = json!({"participants": [6]});
    let (status, opened) = site.http("POST", "/v1/rooms", Some(&ann()), &body).await;
    assert_eq!(status, 201, "{opened}");
    Room {
        id: opened["id"].as_str().expect("an id").to_owned(),
        number: opened["conversation_id"].as_u64().expect("a number"),
    }
}

async fn crm(site: &Site, room: &Room, token: &str) -> Socket {
    greeted(site.chat(room, token, "dialect=crm").await).await
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(&json!({"type": "message", "text": text})).await;
}

/// The id of a message as this profile writes it.
fn id(room: &Room, seq: u64) -> String {
    ((room.number << 20) + seq).to_string()
}

async fn the_documented_events_pass(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = crm(&site, &room, &ann()).await;
    let mut bob = crm(&site, &room, &bob()).await;
    say(&mut ann, "Hello").await;
    let ack = ann.push("message:ack").await;
    let first = id(&room, 1);
    assert_eq!(
        ack,
        json!({"type": "message:ack", "message_id": first, "status": "sent"})
    );
    let mut shown = ann.push("message:new").await;
    assert_eq!(
        bob.next().await,
        shown,
        "the others get the same and no acknowledgement"
    );
    let at = shown["message"]["created_at"].take();
    assert!(at.as_str().is_some_and(|at| at.ends_with('Z')), "{at}");
    let message = json!({"id": first, "conversation_id": room.number.to_string(),
        "type": "user", "text": "Hello", "sender": "5", "sender_name": "Ann Smith",
        "created_at": null, "attachment": null});
    assert_eq!(shown, json!({"type": "message:new", "message": message}));
    for is_typing in [true, false] {
        let frame = json!({"type": "typing", "is_typing": is_typing});
        bob.send(&frame).await;
        assert_eq!(
            ann.next().await,
            json!({"type": "typing", "user_id": "6", "username": "bob@example.com",
                "is_typing": is_typing})
        );
    }
    bob.send(&json!({"type": "read", "message_ids": [first]}))
        .await;
    assert_eq!(
        ann.next().await,
        json!({"type": "read", "user_id": "6", "username": "bob@example.com",
            "message_ids": [first]})
    );
    say(&mut bob, "Fine").await;
    assert_eq!(
        ann.next().await["message"]["id"],
        id(&room, 2),
        "nothing came to itself"
    );
    ann.close().await;
    bob.close().await;
    site.until_left().await;
}

async fn who_comes_and_goes_is_told_to_the_others_and_not_to_themselves(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = crm(&site, &room, &ann()).await;
    site.clock.leap_ms(1_000);
    let mut bob = crm(&site, &room, &bob()).await;
    site.clock.leap_ms(1_000);
    let came = ann.next().await;
    let who = json!({"type": "user_joined", "user_id": "6", "username": "bob@example.com"});
    assert_eq!(came, who);
    say(&mut ann, "seen by bob").await;
    // Whether bob was told of ann depends on who was there when it was gathered.
    let shown = bob.next_that(|frame| frame["type"] == "message:new").await;
    assert_eq!(shown["message"]["text"], "seen by bob");
    bob.close().await;
    let left = json!({"type": "user_left", "user_id": "6", "username": "bob@example.com"});
    let mut told = Value::Null;
    while told["type"] != "user_left" {
        site.clock.leap_ms(6_000);
        told = ann.next_that(|frame| frame["type"] != "message:new").await;
    }
    assert_eq!(told, left);
}

async fn a_read_frame_marks_up_to_its_highest_id_and_everything_without_ids(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = crm(&site, &room, &ann()).await;
    let mut bob = crm(&site, &room, &bob()).await;
    for text in ["1", "2", "3", "4", "5"] {
        say(&mut ann, text).await;
    }
    for seq in 1..=5 {
        assert_eq!(bob.next().await["message"]["id"], id(&room, seq));
    }
    let number = (room.number << 20) + 2;
    let elsewhere = ((room.number + 1) << 20) + 4;
    let some = json!({"type": "read", "message_ids": [number, id(&room, 1), elsewhere]});
    bob.send(&some).await;
    let read = ann.push("read").await;
    assert_eq!(read["message_ids"], json!([id(&room, 1), id(&room, 2)]));
    for nothing in [json!([]), json!([elsewhere])] {
        bob.send(&json!({"type": "read", "message_ids": nothing}))
            .await;
    }
    bob.send(&json!({"type": "read"})).await;
    let read = ann.push("read").await;
    let rest = json!([id(&room, 3), id(&room, 4), id(&room, 5)]);
    assert_eq!(read["message_ids"], rest);
}

async fn without_the_echo_a_sender_gets_the_acknowledgement_alone(bus: Bus) {
    let site = Site::with(bus, |config| config.profiles.echo_to_sender = false).await;
    let room = conversation(&site).await;
    let mut ann = crm(&site, &room, &ann()).await;
    let mut bob = crm(&site, &room, &bob()).await;
    say(&mut ann, "one").await;
    assert_eq!(ann.next().await["type"], "message:ack");
    assert_eq!(bob.next().await["message"]["text"], "one");
    say(&mut bob, "two").await;
    let shown = ann.next().await;
    assert_eq!(
        (&shown["type"], &shown["message"]["text"]),
        (&json!("message:new"), &json!("two"))
    );
}

async fn errors_say_what_is_wrong_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = crm(&site, &room, &ann()).await;
    for (frame, text, code) in [
        ("{", "Invalid JSON", "bad_frame"),
        ("[]", "Invalid JSON", "bad_frame"),
        (r#"{"type":"message"}"#, "Message is required", "bad_field"),
        (
            r#"{"type":"message","text":" "}"#,
            "Message is required",
            "text_empty",
        ),
        (
            r#"{"type":"read","message_ids":"all"}"#,
            "message_ids must be a list of message ids",
            "bad_field",
        ),
        (
            r#"{"type":"dance"}"#,
            "Unknown message type: dance",
            "unknown_type",
        ),
    ] {
        ann.send_message(Message::text(frame)).await;
        let refused = json!({"type": "error", "message": text, "code": code});
        assert_eq!(ann.next().await, refused, "{frame}");
    }
    for echo in [
        "message:new",
        "message:ack",
        "user_joined",
        "connection_established",
    ] {
        ann.send(&json!({"type": echo, "message": "echo"})).await;
    }
    for key in ["text", "message", "content"] {
        ann.send(&json!({"type": "message", key: key})).await;
        assert_eq!(ann.push("message:new").await["message"]["text"], key);
    }
}

async fn sockets_that_are_not_allowed_close_with_their_codes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let expired = token_with(&json!(5), &json!({"exp": now_s() - 60}));
    for token in ["", "bad", &expired] {
        let mut socket = site.chat(&room, token, "dialect=crm").await;
        assert_eq!(socket.closed().await.0, 4001, "{token}");
    }
    let elsewhere = token_with(&json!(5), &json!({"company_id": OTHER_COMPANY}));
    let none = Room {
        id: String::new(),
        number: 999,
    };
    for (room, token) in [(&room, token_of("eve")), (&room, elsewhere), (&none, ann())] {
        let mut socket = site.chat(room, &token, "dialect=crm").await;
        assert_eq!(socket.closed().await.0, 4003, "{}", room.number);
    }
    site.until_left().await;
}

async fn the_dialect_may_be_asked_for_by_query_and_by_subprotocol(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let path = format!("/ws/chat/{}/?token={}", room.number, ann());
    for (name, shape) in [("frontdesk.crm", "message:new"), ("frontdesk.direct", "")] {
        let offered = ["unknown.protocol", name];
        let socket = Socket::dial(site.address, &path, &offered, &[]).await;
        assert_eq!(socket.chosen.as_deref(), Some(name));
        let mut socket = greeted(socket).await;
        let mut other = site.join("6", &room).await;
        other.post(&room.id, name).await;
        let shown = socket
            .next_that(|frame| frame.to_string().contains(name))
            .await;
        assert_eq!(shown["type"].as_str().unwrap_or_default(), shape, "{shown}");
    }
    let mut native = Socket::dial(site.address, &path, &["frontdesk.v1.msgpack"], &[]).await;
    assert_eq!(native.chosen.as_deref(), Some("frontdesk.v1.msgpack"));
    native.join(&room.id).await;
    for (path, names) in [
        (path, "union, direct, crm, native, native.msgpack"),
        (
            format!("/ws/chat/?token={}", ann()),
            "inbox, native, native.msgpack",
        ),
    ] {
        let unknown = format!("{path}&dialect=dance");
        let mut socket = Socket::dial(site.address, &unknown, &[], &[]).await;
        let (code, why) = socket.closed().await;
        assert_eq!((code, why.ends_with(names)), (4000, true), "{why}");
    }
}

async fn the_operator_may_set_the_dialect(bus: Bus) {
    use frontdesk::config::ChatSocket;
    for (setting, is_crm) in [(ChatSocket::Crm, true), (ChatSocket::Direct, false)] {
        let site = Site::with(bus, |config| config.profiles.chat_socket = setting).await;
        let room = conversation(&site).await;
        let mut socket = greeted(site.chat(&room, &ann(), "").await).await;
        let mut other = site.join("6", &room).await;
        other.post(&room.id, "hello").await;
        let shown = socket.next().await;
        assert_eq!(shown.get("type").is_some(), is_crm, "{shown}");
        assert_eq!(shown.get("id").is_some(), !is_crm, "{shown}");
    }
}
