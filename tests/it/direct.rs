//! The profile `direct`: the flow of its document, step by step, and what its clients rely on.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::{FIN, PING, PONG, Raw, TEXT, frame};
use crate::support::socket::Socket;
use crate::support::token::{now_s, token_of, token_with};
use crate::support::{Bus, OTHER_COMPANY, Room, Site, in_both_buses, names_no_type};

in_both_buses!(
    the_documented_flow_passes,
    errors_have_the_documented_texts_and_the_socket_goes_on,
    frames_of_wrong_shape_are_refused_too,
    no_valid_token_closes_with_4001,
    no_such_conversation_closes_with_4404,
    a_path_that_means_nothing_closes_with_4000,
    the_path_may_end_with_a_slash_or_not,
    numbers_and_texts_of_ids_are_one_person,
    typing_that_is_not_repeated_ends,
    a_binary_frame_is_not_json,
    an_echo_of_the_servers_frames_is_ignored,
    pings_are_control_frames,
    a_token_that_ends_does_not_close_the_socket,
    a_native_and_a_direct_socket_share_a_room,
    messages_right_behind_the_handshake_are_not_lost,
    unknown_claims_are_null,
);

fn talker() -> String {
    let claims = json!({"email": "talker@example.com", "user_type": "talker",
        "full_name": "John Talker"});
    token_with(&json!(5), &claims)
}

fn listener() -> String {
    let claims = json!({"email": "listener@example.com", "user_type": "listener",
        "full_name": "Lisa Listener"});
    token_with(&json!(6), &claims)
}

/// A conversation of the talker and the listener.
async fn conversation(site: &Site) -> Room {
    let body = json!({"participants": [6]});
    let opened = site.http("POST", "/v1/rooms", Some(&talker()), &body).await;
    assert_eq!(opened.0, 201, "{}", opened.1);
    Room {
        id: opened.1["id"].as_str().expect("an id").to_owned(),
        number: opened.1["conversation_id"].as_u64().expect("a number"),
    }
}

async fn say(socket: &mut Socket, text: &str) {
    socket
        .send(&json!({"type": "chat_message", "message": text}))
        .await;
}

async fn the_documented_flow_passes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    let mut listener = site.greeted(&room, &listener()).await;
    say(&mut talker, "Hello, how are you?").await;
    let mut shown = talker.next().await;
    assert_eq!(
        listener.next().await,
        shown,
        "everyone gets the same, the sender too"
    );
    let created_at = shown["created_at"].take();
    let created_at = created_at.as_str().expect("a text");
    assert!(
        created_at.starts_with("20") && created_at.ends_with('Z'),
        "{created_at}"
    );
    let id = room.number * (1 << 20) + 1;
    assert_eq!(
        shown,
        json!({
            "id": id,
            "conversation": room.number,
            "sender": {"id": 5, "email": "talker@example.com", "user_type": "talker",
                "full_name": "John Talker"},
            "content": "Hello, how are you?",
            "message_type": "text",
            "is_read": false,
            "created_at": null,
            "file_attachment": null,
        })
    );
    for is_typing in [true, false] {
        talker
            .send(&json!({"type": "typing", "is_typing": is_typing}))
            .await;
        let typing = listener.next().await;
        assert_eq!(
            typing,
            json!({"type": "typing", "user_id": 5,
            "user_email": "talker@example.com", "is_typing": is_typing})
        );
    }
    listener.send(&json!({"type": "mark_read"})).await;
    let receipt = talker.next().await;
    assert_eq!(
        receipt,
        json!({"type": "read_receipt", "user_id": 6}),
        "typing is not echoed"
    );
    say(&mut listener, "Fine").await;
    for socket in [&mut talker, &mut listener] {
        let answer = socket.next().await;
        assert_eq!(
            (&answer["id"], &answer["content"]),
            (&json!(id + 1), &json!("Fine"))
        );
        assert_eq!(answer["sender"]["id"], 6);
    }
    talker.close().await;
    listener.close().await;
    site.until_left().await;
}

async fn errors_have_the_documented_texts_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    let cases = [
        ("{not json", "Invalid JSON", "bad_frame"),
        ("[1, 2]", "Invalid JSON", "bad_frame"),
        ("", "Invalid JSON", "bad_frame"),
        (
            r#"{"type":"file_message"}"#,
            "File data and filename are required",
            "bad_field",
        ),
        (
            r#"{"type":"file_message","file":"QQ=="}"#,
            "File data and filename are required",
            "bad_field",
        ),
        (
            r#"{"type":"file_message","filename":"a","file":""}"#,
            "File data and filename are required",
            "bad_field",
        ),
        (
            r#"{"type":"chat_message"}"#,
            "Message is required",
            "bad_field",
        ),
        (
            r#"{"type":"chat_message","message":7}"#,
            "Message is required",
            "bad_field",
        ),
        (
            r#"{"type":"chat_message","message":"  "}"#,
            "Message is required",
            "text_empty",
        ),
        (
            r#"{"type":"dance"}"#,
            "Unknown message type: dance",
            "unknown_type",
        ),
    ];
    for (frame, text, code) in cases {
        talker.send_message(Message::text(frame)).await;
        let refused = talker.next().await;
        let expected = json!({"type": "error", "message": text, "code": code});
        assert_eq!(refused, expected, "{frame}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    talker.send_message(Message::text(deep)).await;
    assert_eq!(talker.next().await["message"], "Invalid JSON");
    talker
        .send_message(Message::text("x".repeat(300_000)))
        .await;
    assert_eq!(talker.next().await["message"], "Invalid JSON");
    let long = json!({"type": "chat_message", "message": "x".repeat(300_000)});
    talker.send(&long).await;
    assert_eq!(talker.next().await["code"], "frame_too_large");
    talker
        .send_message(Message::binary(vec![b'x'; 300_000]))
        .await;
    assert_eq!(talker.next().await["code"], "frame_too_large");
    say(&mut talker, "still here").await;
    assert_eq!(talker.next().await["content"], "still here");
}

async fn frames_of_wrong_shape_are_refused_too(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    let hidden = r#"{"type":"chat_message","message":"\u200b\ufeff "}"#;
    for (frame, code) in [
        (r#"["chat_message", "hi"]"#, "bad_frame"),
        ("null", "bad_frame"),
        (
            r#"{"type":["chat_message"],"message":"hi"}"#,
            "unknown_type",
        ),
        (
            r#"{"type":"chat_message","message":{"a":[1]}}"#,
            "bad_field",
        ),
        (hidden, "text_empty"),
    ] {
        talker.send_message(Message::text(frame)).await;
        let refused = talker.next().await;
        assert_eq!(refused["code"], code, "{frame}");
        names_no_type(refused["message"].as_str().expect("a text"));
    }
    say(&mut talker, "still here").await;
    assert_eq!(talker.next().await["content"], "still here");
}

async fn no_valid_token_closes_with_4001(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let expired = token_with(&json!(5), &json!({"exp": now_s() - 60}));
    let nowhere = token_with(&json!(5), &json!({"company_id": "NOBODY"}));
    for query in [
        "",
        "?token=",
        "?token=bad",
        &format!("?token={expired}"),
        &format!("?token={nowhere}"),
    ] {
        let path = format!("/ws/chat/{}/{query}", room.number);
        let mut socket = Socket::dial(site.address, &path, &[], &[]).await;
        assert_eq!(socket.closed().await.0, 4001, "{query}");
    }
    site.until_left().await;
}

async fn a_path_that_means_nothing_closes_with_4000(bus: Bus) {
    let site = Site::start(bus).await;
    let query = format!("?token={}", talker());
    for path in ["/ws/chat/1/2/3", "/ws/chat/8//", "/ws/nowhere/"] {
        let path = format!("{path}{query}");
        let mut socket = Socket::dial(site.address, &path, &[], &[]).await;
        assert_eq!(socket.closed().await.0, 4000, "{path}");
    }
    site.until_left().await;
}

async fn no_such_conversation_closes_with_4404(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let elsewhere = token_with(&json!(5), &json!({"company_id": OTHER_COMPANY}));
    let number = room.number.to_string();
    for (name, token) in [
        ("999", talker()),
        ("0", talker()),
        ("nonsense", talker()),
        ("99999999999999999999999", talker()),
        (&number, token_of("eve")),
        (&number, elsewhere),
    ] {
        let path = format!("/ws/chat/{name}/?token={token}");
        let mut socket = Socket::dial(site.address, &path, &[], &[]).await;
        assert_eq!(socket.closed().await.0, 4404, "{name}");
    }
    site.until_left().await;
}

async fn the_path_may_end_with_a_slash_or_not(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let by_header = format!("Bearer {}", talker());
    for (path, headers) in [
        (
            format!("/ws/chat/{}/?token={}", room.number, talker()),
            vec![],
        ),
        (
            format!("/ws/chat/{}?token={}", room.number, talker()),
            vec![],
        ),
        (
            format!("/ws/chat/{}/", room.number),
            vec![("authorization", by_header.as_str())],
        ),
    ] {
        let mut socket = Socket::dial(site.address, &path, &[], &headers).await;
        assert_eq!(socket.next().await["type"], "connection_established");
    }
}

async fn numbers_and_texts_of_ids_are_one_person(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let as_text = token_with(&json!("5"), &json!({}));
    let mut by_number = site.greeted(&room, &talker()).await;
    let mut by_text = site.greeted(&room, &as_text).await;
    let mut listener = site.greeted(&room, &listener()).await;
    by_text
        .send(&json!({"type": "typing", "is_typing": true}))
        .await;
    assert_eq!(listener.next().await["user_id"], 5);
    say(&mut by_text, "me").await;
    for socket in [&mut by_number, &mut by_text, &mut listener] {
        let message = socket.next().await;
        assert_eq!(
            message["sender"]["id"], 5,
            "one's own typing is not shown: {message}"
        );
        assert_eq!(
            message["sender"]["full_name"], "John Talker",
            "the company knows them"
        );
    }
}

async fn typing_that_is_not_repeated_ends(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    let mut listener = site.greeted(&room, &listener()).await;
    talker
        .send(&json!({"type": "typing", "is_typing": true}))
        .await;
    assert_eq!(listener.next().await["is_typing"], true);
    site.clock.leap_ms(6_000);
    let over = listener.next().await;
    assert_eq!(
        over,
        json!({"type": "typing", "user_id": 5,
        "user_email": "talker@example.com", "is_typing": false})
    );
}

async fn a_binary_frame_is_not_json(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    talker.send_message(Message::binary(vec![0x81, 0xff])).await;
    assert_eq!(talker.next().await["message"], "Invalid JSON");
    talker.send_message(Message::binary(Vec::new())).await;
    assert_eq!(talker.next().await["message"], "Invalid JSON");
    say(&mut talker, "text").await;
    assert_eq!(talker.next().await["content"], "text");
}

async fn an_echo_of_the_servers_frames_is_ignored(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut talker = site.greeted(&room, &talker()).await;
    for kind in ["connection_established", "new_message", "read_receipt"] {
        talker.send(&json!({"type": kind, "message": "echo"})).await;
    }
    say(&mut talker, "text").await;
    assert_eq!(talker.next().await["content"], "text");
}

async fn pings_are_control_frames(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let path = format!("/ws/chat/{}/?token={}", room.number, talker());
    let mut raw = Raw::upgrade(site.address, &path, "", &[]).await;
    assert_eq!(raw.next_json().await["type"], "connection_established");
    let answer = json!({"type": "chat_message", "message": "text"}).to_string();
    for _ in 0..4 {
        site.clock.leap_ms(26_000);
        assert_eq!(raw.next().await, Some((FIN | PING, vec![])));
        raw.write(&frame(FIN | PONG, b"")).await;
        // What came behind the pong is answered, so the pong has been heard.
        raw.write(&frame(FIN | TEXT, answer.as_bytes())).await;
        assert_eq!(raw.next_json().await["content"], "text");
    }
    site.clock.leap_ms(26_000);
    assert_eq!(raw.next().await, Some((FIN | PING, vec![])));
    site.clock.leap_ms(61_000);
    assert_eq!(raw.closed().await, 4008, "idleness is judged by pongs");
}

async fn a_token_that_ends_does_not_close_the_socket(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let short = token_with(&json!(5), &json!({"exp": now_s() + 5}));
    let mut talker = site.greeted(&room, &short).await;
    for _ in 0..3 {
        site.clock.leap_ms(40_000);
        say(&mut talker, "still here").await;
        assert_eq!(talker.next().await["content"], "still here");
    }
    let mut late = site.direct(&room, &short).await;
    assert_eq!(late.closed().await.0, 4001, "but it opens no other");
}

async fn a_native_and_a_direct_socket_share_a_room(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut native = site.join("6", &room).await;
    let mut direct = site.greeted(&room, &talker()).await;
    for seq in (1..=20_u64).step_by(2) {
        say(&mut direct, &format!("m{seq}")).await;
        let shown = direct.next().await;
        assert_eq!(shown["content"], format!("m{seq}"));
        let posted = native.post(&room.id, &format!("m{}", seq + 1)).await;
        assert_eq!(posted["seq"], seq + 1);
        let shown = direct.next().await;
        assert_eq!(shown["content"], format!("m{}", seq + 1));
        assert_eq!(shown["id"], room.number * (1 << 20) + seq + 1);
        assert_eq!(
            (&shown["sender"]["id"], &shown["message_type"]),
            (&json!(6), &json!("text"))
        );
        assert!(shown.get("type").is_none(), "{shown}");
    }
    for (event, seq) in native.events(&room.id, 1, 20).await.iter().zip(1_u64..) {
        assert_eq!(event["text"], format!("m{seq}"));
        assert!(event.get("content").is_none(), "{event}");
    }
    say(&mut direct, "last").await;
    assert_eq!(
        direct.next().await["content"],
        "last",
        "each message came once"
    );
}

async fn messages_right_behind_the_handshake_are_not_lost(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let path = format!("/ws/chat/{}/?token={}", room.number, talker());
    let frame = |text: &str| {
        let message = json!({"type": "chat_message", "message": text});
        crate::support::raw::frame(FIN | TEXT, message.to_string().as_bytes())
    };
    let behind = [frame("one"), frame("two")].concat();
    let mut raw = Raw::upgrade(site.address, &path, "", &behind).await;
    assert_eq!(raw.next_json().await["type"], "connection_established");
    assert_eq!(raw.next_json().await["content"], "one");
    assert_eq!(raw.next_json().await["content"], "two");
}

async fn unknown_claims_are_null(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.greeted(&room, &token_of("ann")).await;
    let mut bob = site.greeted(&room, &token_of("bob")).await;
    ann.send(&json!({"type": "typing", "is_typing": true}))
        .await;
    assert_eq!(
        bob.next().await,
        json!({"type": "typing", "user_id": "ann",
        "user_email": Value::Null, "is_typing": true})
    );
    say(&mut ann, "text").await;
    let sender = json!({"id": "ann", "email": null, "user_type": null, "full_name": null});
    assert_eq!(bob.next().await["sender"], sender);
}
