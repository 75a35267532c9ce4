//! Frames that break a rule: a clear error or the right close code, and the socket goes on where it
//! can.

use serde_json::{Value, json};

use crate::support::raw::{self, CLOSE, CONTINUATION, FIN, PING, PONG, Raw, TEXT};
use crate::support::socket::{JSON, MSGPACK, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, names_no_type};
use tokio_tungstenite::tungstenite::Message;

in_both_buses!(
    an_unmasked_frame_closes_with_1002,
    broken_headers_close_with_1002,
    a_text_that_is_not_utf8_closes_with_1007,
    endless_fragments_close_with_1009,
    a_frame_too_large_is_skipped_and_the_socket_goes_on,
    an_announced_length_is_believed_by_nobody,
    fragments_are_joined_around_pings,
    frames_may_come_a_byte_at_a_time,
    a_close_frame_is_answered_with_one,
    nesting_is_refused_and_the_socket_goes_on,
    frames_that_are_no_objects_are_refused_and_the_socket_goes_on,
    a_wrong_type_in_any_field_is_named,
);

/// A socket of ann that has answered a first frame.
async fn ready(site: &Site) -> Raw {
    let mut raw = Raw::native(site.address, &token_of("ann")).await;
    answers(&mut raw).await;
    raw
}

/// It is still there.
async fn answers(raw: &mut Raw) {
    raw.write(&raw::text(r#"{"type":"connect","id":"x"}"#))
        .await;
    let hello = raw.next_json().await;
    assert_eq!(
        (&hello["id"], &hello["ok"]["person"]),
        (&json!("x"), &json!("ann"))
    );
}

async fn an_unmasked_frame_closes_with_1002(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    raw.write(&[FIN | TEXT, 2, b'{', b'}']).await;
    assert_eq!(raw.closed().await, 1002);
    site.until_left().await;
}

async fn broken_headers_close_with_1002(bus: Bus) {
    let site = Site::start(bus).await;
    let frames = [
        ("a reserved bit", raw::frame(FIN | 0x40 | TEXT, b"{}")),
        ("an unknown opcode", raw::frame(FIN | 3, b"{}")),
        ("an unknown control opcode", raw::frame(FIN | 11, b"")),
        ("a long ping", raw::frame(FIN | PING, &[0; 126])),
        ("a ping in fragments", raw::frame(PING, b"")),
        (
            "a continuation of nothing",
            raw::frame(FIN | CONTINUATION, b""),
        ),
        (
            "a message in a message",
            [raw::frame(TEXT, b"{"), raw::text("}")].concat(),
        ),
        (
            "a close code nobody may send",
            raw::frame(FIN | CLOSE, &1005_u16.to_be_bytes()),
        ),
        ("half a close code", raw::frame(FIN | CLOSE, &[3])),
        ("a length beyond 63 bits", raw::header(FIN | TEXT, u64::MAX)),
    ];
    for (what, frame) in frames {
        let mut raw = ready(&site).await;
        raw.write(&frame).await;
        assert_eq!(raw.closed().await, 1002, "{what}");
    }
    site.until_left().await;
}

async fn a_text_that_is_not_utf8_closes_with_1007(bus: Bus) {
    let site = Site::start(bus).await;
    let halves = [
        raw::frame(TEXT, b"{\"\xc3"),
        raw::frame(FIN | CONTINUATION, b"(\""),
    ]
    .concat();
    for frame in [raw::frame(FIN | TEXT, b"{\"type\":\"\xff\"}"), halves] {
        let mut raw = ready(&site).await;
        raw.write(&frame).await;
        assert_eq!(raw.closed().await, 1007);
    }
}

async fn endless_fragments_close_with_1009(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    let mut frames = raw::frame(TEXT, b"{");
    for _ in 0..1_024 {
        frames.extend(raw::frame(CONTINUATION, b" "));
    }
    raw.write(&frames).await;
    assert_eq!(raw.closed().await, 1009);
}

async fn a_frame_too_large_is_skipped_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    let large = "x".repeat(300_000);
    let in_fragments = [
        raw::frame(TEXT, &large.as_bytes()[..200_000]),
        raw::frame(CONTINUATION, &large.as_bytes()[..200_000]),
        raw::frame(FIN | CONTINUATION, b"the end"),
    ];
    for frame in [raw::text(&large), in_fragments.concat()] {
        raw.write(&frame).await;
        let refused = raw.next_json().await;
        assert!(refused.get("id").is_none(), "{refused}");
        assert_eq!(refused["error"]["code"], "frame_too_large");
        let message = refused["error"]["message"].as_str().expect("a text");
        assert!(message.contains("262144"), "{message}");
        answers(&mut raw).await;
    }
}

async fn an_announced_length_is_believed_by_nobody(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    raw.write(&raw::header(FIN | TEXT, 1 << 50)).await;
    let refused = raw.next_json().await;
    assert_eq!(refused["error"]["code"], "frame_too_large");
    // What follows is payload and is dropped as it comes.
    raw.write(&vec![b'x'; 4 * 1024 * 1024]).await;
    let mut other = ready(&site).await;
    answers(&mut other).await;
    raw.reset();
    drop(other);
    site.until_left().await;
}

async fn fragments_are_joined_around_pings(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    let frames = [
        raw::frame(TEXT, br#"{"type":"con"#),
        raw::frame(FIN | PING, b"now"),
        raw::frame(CONTINUATION, br#"nect","#),
        raw::frame(CONTINUATION, b""),
        raw::frame(FIN | CONTINUATION, br#""id":7}"#),
    ];
    raw.write(&frames.concat()).await;
    assert_eq!(raw.next().await, Some((FIN | PONG, b"now".to_vec())));
    assert_eq!(raw.next_json().await["id"], 7);
}

async fn frames_may_come_a_byte_at_a_time(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut raw = ready(&site).await;
    let join = json!({"type": "join", "id": 1, "room": room.id}).to_string();
    let long = json!({"type": "post_message", "id": 2, "room": room.id, "text": "y".repeat(200)});
    let frames = [
        raw::text(&join),
        raw::frame(FIN | PING, b""),
        raw::text(&long.to_string()),
    ];
    for byte in frames.concat() {
        raw.write(&[byte]).await;
    }
    let mut replies = Vec::new();
    while replies.len() < 2 {
        match raw.next().await.expect("a frame") {
            (first, payload) if first == FIN | PONG => assert!(payload.is_empty()),
            (_, payload) => {
                let frame: Value = serde_json::from_slice(&payload).expect("JSON");
                replies.extend(frame.get("ok").is_some().then_some(frame));
            }
        }
    }
    assert_eq!(
        (&replies[0]["id"], &replies[1]["id"]),
        (&json!(1), &json!(2))
    );
}

async fn a_close_frame_is_answered_with_one(bus: Bus) {
    let site = Site::start(bus).await;
    for payload in [
        vec![],
        1000_u16.to_be_bytes().to_vec(),
        [&[0x0f, 0xa0][..], b"bye"].concat(),
    ] {
        let mut raw = ready(&site).await;
        let behind = raw::text(r#"{"type":"connect","id":1}"#);
        raw.write(&[raw::frame(FIN | CLOSE, &payload), behind].concat())
            .await;
        assert_eq!(
            raw.closed().await,
            1000,
            "nothing behind a close frame is read"
        );
    }
    site.until_left().await;
}

async fn nesting_is_refused_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for levels in [33, 1_000, 40_000] {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            for field in ["rich", "room", "unknown", "id"] {
                let frame = format!(r#"{{"type":"post_message","{field}":{open}1{close}}}"#);
                raw.write(&raw::text(&frame)).await;
                let refused = raw.next_json().await;
                assert_eq!(refused["error"]["code"], "bad_frame", "{field} {levels}");
            }
        }
    }
    answers(&mut raw).await;
    let token = format!("frontdesk.token.{}", token_of("ann"));
    let mut packed = Socket::dial(site.address, "/v1/ws", &[MSGPACK, &token], &[]).await;
    for level in [&[0x91_u8][..], &[0x81, 0xa1, b'a'], &[0xdd, 0, 0, 0, 1]] {
        for levels in [33, 1_000, 40_000] {
            let deep = [b"\x81\xa4rich".to_vec(), level.repeat(levels), vec![1]].concat();
            packed.send_message(Message::binary(deep)).await;
            assert_eq!(
                packed.next().await["error"]["code"],
                "bad_frame",
                "{levels}"
            );
        }
    }
    packed
        .ask(json!({"type": "connect"}))
        .await
        .expect("still there");
}

async fn frames_that_are_no_objects_are_refused_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = ready(&site).await;
    for text in [
        "garbage",
        "{",
        "[]",
        r#"["connect"]"#,
        r#"[{"type":"connect"}]"#,
        "null",
        "7",
        "\"text\"",
        "{}{}",
        r#"{"type":"connect"} x"#,
        r#"{"type":"connect",}"#,
        "{\"type\":\"\u{0}\"}",
        "\u{feff}{}",
    ] {
        raw.write(&raw::text(text)).await;
        let refused = raw.next_json().await;
        assert_eq!(refused["error"]["code"], "bad_frame", "{text}");
        names_no_type(refused["error"]["message"].as_str().expect("a text"));
    }
    answers(&mut raw).await;
    let token = format!("frontdesk.token.{}", token_of("ann"));
    let mut packed = Socket::dial(site.address, "/v1/ws", &[MSGPACK, &token], &[]).await;
    let cases: [&[u8]; 10] = [
        b"\x91\xa7connect",
        b"\xc0",
        b"\xc1",
        b"\x80\x80",
        b"\x91",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x01",
        b"\x81\xa4type",
        b"\xc7\x01\x01\x00",
    ];
    for bytes in cases {
        packed.send_message(Message::binary(bytes.to_vec())).await;
        let refused = packed.next().await;
        assert_eq!(refused["error"]["code"], "bad_frame", "{bytes:x?}");
        names_no_type(refused["error"]["message"].as_str().expect("a text"));
    }
    packed
        .ask(json!({"type": "connect"}))
        .await
        .expect("still there");
}

/// Commands that are fine, each with fields that take none of the wrong values.
fn fields_of(room: &str) -> Vec<(Value, Vec<&'static str>)> {
    let command = |kind: &str| json!({"type": kind, "room": room});
    let mut post = command("post_message");
    post["text"] = json!("text");
    let mut mark = command("mark_read");
    mark["seq"] = json!(1);
    let mut typing = command("typing");
    typing["active"] = json!(true);
    let paging = vec!["room", "before_seq", "after_seq", "limit"];
    vec![
        (command("join"), vec!["room", "since"]),
        (command("leave"), vec!["room"]),
        (post, vec!["room", "cid", "reply_to"]),
        (mark, vec!["room", "seq"]),
        (typing, vec!["room"]),
        (command("history"), paging),
        (json!({"type": "connect"}), vec!["resume"]),
    ]
}

async fn refused_by_field(ann: &mut Socket, frame: &Value, field: &str) {
    let refused = ann.ask(frame.clone()).await.expect_err("wrong");
    assert_eq!(refused["code"], "bad_field", "{frame}");
    let message = refused["message"].as_str().expect("a text");
    assert!(message.starts_with(field), "{frame}: {message}");
    names_no_type(message);
}

async fn a_wrong_type_in_any_field_is_named(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let token = format!("frontdesk.token.{}", token_of("ann"));
    let wrong = [
        json!(true),
        json!([]),
        json!({"a": 1}),
        json!(-1),
        json!(0.5),
        json!("\u{1}"),
    ];
    let more = [
        (
            json!({"type": "post_message", "room": room.id, "text": 7}),
            "text",
        ),
        (
            json!({"type": "typing", "room": room.id, "active": "yes"}),
            "active",
        ),
        (json!({"type": "refresh", "token": 7}), "token"),
        (json!({"type": "typing", "room": room.id}), "active"),
        (json!({"type": "join"}), "room"),
        (json!({"type": 7}), "type"),
        (json!({"room": room.id}), "type"),
    ];
    for subprotocol in [JSON, MSGPACK] {
        let offered = [subprotocol, token.as_str()];
        let mut ann = Socket::dial(site.address, "/v1/ws", &offered, &[]).await;
        ann.ask(json!({"type": "connect"}))
            .await
            .expect("connected");
        ann.join(&room.id).await;
        for (frame, fields) in fields_of(&room.id) {
            for field in fields {
                for value in &wrong {
                    let mut frame = frame.clone();
                    frame[field] = value.clone();
                    refused_by_field(&mut ann, &frame, field).await;
                }
            }
        }
        for (frame, field) in &more {
            refused_by_field(&mut ann, frame, field).await;
        }
        let unknown = ann
            .ask(json!({"type": "dance"}))
            .await
            .expect_err("unknown");
        assert_eq!(unknown["code"], "unknown_type");
        ann.post(&room.id, "still here").await;
    }
}
