//! Native v1: what each command answers and whom its event reaches, in order.

use frontdesk_actors::clock::Clock;
use serde_json::{Value, json};

use crate::support::raw::{self, Raw};
use crate::support::socket::{JSON, MSGPACK, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, Site, cid_at, in_both_buses};

in_both_buses!(
    a_message_reaches_everyone_in_the_room_in_order,
    both_encodings_show_the_same,
    a_repeated_cid_answers_with_its_first_outcome,
    a_cid_of_another_command_is_refused,
    commands_of_one_connection_are_decided_in_the_order_sent,
    only_members_may_join,
    a_room_that_was_left_is_silent,
    joining_twice_shows_events_once,
    a_command_for_a_room_not_joined_is_refused,
    history_pages_both_ways,
    a_rich_message_and_a_reply_come_as_they_were_sent,
    texts_are_measured,
    a_frame_without_id_is_answered_only_when_refused,
    an_empty_frame_is_answered_with_one,
    frames_right_behind_the_handshake_are_read,
    an_upgrade_is_answered_with_about_one_segment_of_a_link,
    commands_right_behind_the_handshake_wait_for_the_token,
);

fn post(room: &str, text: &str) -> Value {
    json!({"type": "post_message", "room": room, "text": text})
}

async fn a_message_reaches_everyone_in_the_room_in_order(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob", "eve"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    let mut bob_too = site.join("bob", &room).await;
    for seq in 1..=20_u64 {
        let (from, text) = (
            if seq % 2 == 0 { &mut ann } else { &mut bob },
            format!("m{seq}"),
        );
        let posted = from.post(&room.id, &text).await;
        assert_eq!(
            (&posted["seq"], &posted["dup"]),
            (&json!(seq), &json!(false))
        );
        assert!(
            posted["at"]
                .as_u64()
                .is_some_and(|at| at > 1_600_000_000_000)
        );
    }
    for socket in [&mut ann, &mut bob, &mut bob_too] {
        for (event, seq) in socket.events(&room.id, 1, 20).await.iter().zip(1_u64..) {
            assert_eq!(event["kind"], "message");
            assert_eq!(event["text"], format!("m{seq}"));
            let author = if seq % 2 == 0 { "ann" } else { "bob" };
            assert_eq!(event["author"]["id"], author);
            assert_eq!(event["author"]["role"], "visitor");
            assert!(
                event["cid"].as_str().is_some_and(|cid| cid.len() == 36),
                "{event}"
            );
            assert!(event.get("id").is_none(), "a push has no id: {event}");
        }
        let more = socket.settled(&room.id).await;
        assert!(
            more.iter().all(|frame| frame["type"] != "event"),
            "{more:?}"
        );
    }
}

async fn both_encodings_show_the_same(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut sockets = Vec::new();
    for (subprotocol, person) in [(JSON, "ann"), (MSGPACK, "bob")] {
        let token = format!("frontdesk.token.{}", token_of(person));
        let offered = [subprotocol, token.as_str()];
        let mut socket = Socket::dial(site.address, "/v1/ws", &offered, &[]).await;
        assert_eq!(socket.chosen.as_deref(), Some(subprotocol));
        let hello = socket
            .ask(json!({"type": "connect"}))
            .await
            .expect("connected");
        assert_eq!(hello["person"], person);
        let joined = socket.join(&room.id).await;
        assert_eq!(joined["conversation_id"], room.number);
        sockets.push(socket);
    }
    let rich = json!({"card": [1, -2, 2.5, true, null, {"deep": ["é", ""]}]});
    for socket in &mut sockets {
        let mut frame = post(&room.id, "grüße");
        frame["rich"] = rich.clone();
        socket.ask(frame).await.expect("posted");
    }
    let mut shown = Vec::new();
    for socket in &mut sockets {
        let events = socket.events(&room.id, 1, 2).await;
        assert_eq!(events[0]["rich"], rich);
        let page = socket
            .ask(json!({"type": "history", "room": room.number}))
            .await;
        shown.push((events, page.expect("a page")));
    }
    assert_eq!(shown[0], shown[1]);
}

async fn a_repeated_cid_answers_with_its_first_outcome(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let cid = cid_at(site.clock.now(), 1);
    let mut frame = post(&room.id, "once");
    frame["cid"] = json!(cid);
    let first = ann.ask(frame.clone()).await.expect("posted");
    assert_eq!((&first["seq"], &first["dup"]), (&json!(1), &json!(false)));
    // On another connection too, which never saw the first answer.
    let mut ann_again = site.join("ann", &room).await;
    for socket in [&mut ann, &mut ann_again] {
        let again = socket.ask(frame.clone()).await.expect("answered");
        assert_eq!((&again["seq"], &again["at"]), (&first["seq"], &first["at"]));
        assert_eq!(again["dup"], true);
    }
    // Another sender may use the same cid.
    let mut bob = site.join("bob", &room).await;
    let other = bob.ask(frame).await.expect("posted");
    assert_eq!((&other["seq"], &other["dup"]), (&json!(2), &json!(false)));
    let events = ann.events(&room.id, 1, 2).await;
    assert_eq!(events[0]["cid"], cid);
    let old = cid_at(
        frontdesk_protocol::Timestamp(site.clock.now().0 - 25 * 3_600_000),
        2,
    );
    let mut late = post(&room.id, "late");
    late["cid"] = json!(old);
    let refused = ann.ask(late).await.expect_err("too old");
    assert_eq!(refused["code"], "cid_expired");
}

async fn a_cid_of_another_command_is_refused(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    let cid = cid_at(site.clock.now(), 1);
    let mut frame = post(&room.id, "one");
    frame["cid"] = json!(cid);
    ann.ask(frame.clone()).await.expect("posted");
    frame["text"] = json!("two");
    let refused = ann.ask(frame).await.expect_err("another text");
    assert_eq!(
        (&refused["code"], &refused["retry"]),
        (&json!("cid_reused"), &json!("no"))
    );
    assert!(
        refused["request_id"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
    assert!(refused["message"].is_string());
}

async fn commands_of_one_connection_are_decided_in_the_order_sent(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    // More than may be unanswered, so that the server stops reading in between.
    for number in 0..300 {
        ann.send(&post(&room.id, &format!("m{number}"))).await;
    }
    for (event, number) in ann.events(&room.id, 1, 300).await.iter().zip(0..) {
        assert_eq!(event["text"], format!("m{number}"));
    }
}

async fn only_members_may_join(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut eve = site.connect("eve").await;
    let missing = format!("r_{:032x}", 7);
    for name in [
        json!(room.id),
        json!(room.number),
        json!(missing),
        json!(999_999),
    ] {
        let refused = eve.ask(json!({"type": "join", "room": name})).await;
        assert_eq!(refused.expect_err("not hers")["code"], "unknown_room");
    }
    let mut ann = site.connect("ann").await;
    for name in [
        json!(room.id),
        json!(room.number),
        json!(room.number.to_string()),
    ] {
        let joined = ann
            .ask(json!({"type": "join", "room": name}))
            .await
            .expect("joined");
        assert_eq!(joined["room"], room.id);
        assert_eq!(joined["conversation_id"], room.number);
        assert_eq!(
            (&joined["resume"], &joined["head"]),
            (&json!("ok"), &json!(0))
        );
        assert_eq!(joined["marks"], json!({"ann": 0, "bob": 0}));
        assert_eq!(joined["history_id"].as_str().map(str::len), Some(16));
    }
}

async fn a_room_that_was_left_is_silent(bus: Bus) {
    let site = Site::start(bus).await;
    let (one, two) = (
        site.room(&["ann", "bob"]).await,
        site.room(&["ann", "bob"]).await,
    );
    let mut ann = site.join("ann", &one).await;
    ann.join(&two.id).await;
    let mut bob = site.join("bob", &one).await;
    bob.join(&two.id).await;
    bob.post(&one.id, "seen").await;
    ann.events(&one.id, 1, 1).await;
    let left = ann.ask(json!({"type": "leave", "room": one.number})).await;
    assert_eq!(left.expect("left"), json!({}));
    bob.post(&one.id, "unseen").await;
    bob.post(&two.id, "seen").await;
    ann.events(&two.id, 1, 1).await;
    let frames = ann.settled(&two.id).await;
    assert!(
        frames.iter().all(|frame| frame["room"] != one.id),
        "{frames:?}"
    );
    let again = ann.ask(json!({"type": "leave", "room": one.id})).await;
    assert_eq!(again.expect_err("not there")["code"], "not_joined");
}

async fn joining_twice_shows_events_once(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    let (mut joins, mut posts) = (Vec::new(), Vec::new());
    for number in 0..100 {
        posts.push(bob.start(&mut post(&room.id, &format!("m{number}"))).await);
        let name = if number % 2 == 0 {
            json!(room.id)
        } else {
            json!(room.number)
        };
        joins.push(ann.start(&mut json!({"type": "join", "room": name})).await);
    }
    for id in joins {
        ann.reply(id).await.expect("joined");
    }
    for id in posts {
        bob.reply(id).await.expect("posted");
    }
    bob.post(&room.id, "last").await;
    let mut last = 0;
    while last < 101 {
        let seq = ann.event(&room.id).await["seq"].as_u64().expect("a seq");
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    let present = ann.ask(json!({"type": "presence", "room": room.id})).await;
    assert_eq!(present.expect("answered")["present"], json!(["ann", "bob"]));
    ann.close().await;
    bob.close().await;
    site.until_left().await;
}

async fn a_command_for_a_room_not_joined_is_refused(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.connect("ann").await;
    for frame in [
        post(&room.id, "text"),
        json!({"type": "mark_read", "room": room.id, "seq": 1}),
        json!({"type": "typing", "room": room.id, "active": true}),
        json!({"type": "history", "room": room.id}),
        json!({"type": "presence", "room": room.id}),
        json!({"type": "leave", "room": room.id}),
    ] {
        let refused = ann.ask(frame).await.expect_err("not joined");
        assert_eq!(refused["code"], "not_joined");
    }
}

async fn history_pages_both_ways(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    for number in 1..=120 {
        ann.send(&post(&room.id, &format!("m{number}"))).await;
    }
    ann.events(&room.id, 1, 120).await;
    let cases = [
        (json!({}), 71..121, true),
        (json!({"limit": 100}), 21..121, true),
        (json!({"limit": 1_000}), 21..121, true),
        (json!({"before_seq": 21, "limit": 100}), 1..21, false),
        (json!({"before_seq": 21, "limit": 20}), 1..21, false),
        (json!({"before_seq": 21, "limit": 19}), 2..21, true),
        (json!({"before_seq": 1}), 1..1, false),
        (json!({"before_seq": 5_000, "limit": 2}), 119..121, true),
        (json!({"after_seq": 0, "limit": 3}), 1..4, true),
        (json!({"after_seq": 117, "limit": 3}), 118..121, false),
        (json!({"after_seq": 120}), 121..121, false),
        (json!({"after_seq": 4_000}), 121..121, false),
    ];
    for (query, seqs, more) in cases {
        let mut frame = query.clone();
        (frame["type"], frame["room"]) = (json!("history"), json!(room.id));
        let page = ann.ask(frame).await.expect("a page");
        let shown = page["events"].as_array().expect("a list").iter();
        let shown: Vec<u64> = shown.filter_map(|event| event["seq"].as_u64()).collect();
        assert_eq!(shown, seqs.collect::<Vec<u64>>(), "{query}");
        assert_eq!(
            (&page["more"], &page["head"]),
            (&json!(more), &json!(120)),
            "{query}"
        );
        let first = page["events"].get(0);
        assert!(
            first.is_none_or(|event| event.get("room").is_none() && event["kind"] == "message")
        );
    }
    let both = json!({"type": "history", "room": room.id, "before_seq": 9, "after_seq": 1});
    assert_eq!(ann.ask(both).await.expect_err("both")["code"], "bad_field");
    let none = json!({"type": "history", "room": room.id, "limit": 0});
    assert_eq!(ann.ask(none).await.expect_err("none")["code"], "bad_field");
}

async fn a_rich_message_and_a_reply_come_as_they_were_sent(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    ann.post(&room.id, "a question").await;
    let mut answer = post(&room.id, "an answer");
    answer["rich"] = json!({"buttons": [{"label": "yes"}, {"label": "no"}]});
    answer["reply_to"] = json!(1);
    bob.ask(answer.clone()).await.expect("posted");
    let events = ann.events(&room.id, 1, 2).await;
    assert!(events[0].get("rich").is_none() && events[0].get("reply_to").is_none());
    assert_eq!(events[1]["rich"], answer["rich"]);
    assert_eq!(events[1]["reply_to"], 1);
    answer["rich"] = json!("x".repeat(17_000));
    assert_eq!(
        bob.ask(answer).await.expect_err("too large")["code"],
        "bad_field"
    );
}

async fn texts_are_measured(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    for (text, code) in [
        (String::new(), "text_empty"),
        (" \n\t\u{a0}".to_owned(), "text_empty"),
        ("é".repeat(10_001), "text_too_long"),
    ] {
        let refused = ann.ask(post(&room.id, &text)).await.expect_err("refused");
        assert_eq!(refused["code"], code, "{} bytes", text.len());
    }
    let longest = "é".repeat(10_000);
    ann.post(&room.id, &longest).await;
    assert_eq!(ann.events(&room.id, 1, 1).await[0]["text"], longest);
}

async fn a_frame_without_id_is_answered_only_when_refused(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    ann.send(&post(&room.id, "quiet")).await;
    ann.send(&post(&room.id, "")).await;
    ann.events(&room.id, 1, 1).await;
    let refused = ann.next_that(|frame| frame.get("error").is_some()).await;
    assert!(refused.get("id").is_none(), "{refused}");
    assert_eq!(refused["error"]["code"], "text_empty");
    let mut named = post(&room.id, "named");
    named["id"] = json!("my own name");
    ann.send(&named).await;
    let reply = ann.next_that(|frame| frame["id"] == "my own name").await;
    assert_eq!(reply["ok"]["seq"], 2);
    let others = ann.settled(&room.id).await;
    assert!(
        others.iter().all(|frame| frame.get("ok").is_none()),
        "{others:?}"
    );
}

async fn an_empty_frame_is_answered_with_one(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let token = format!("frontdesk.token.{}", token_of("ann"));
    for subprotocol in [JSON, MSGPACK] {
        let offered = [subprotocol, token.as_str()];
        let mut ann = Socket::dial(site.address, "/v1/ws", &offered, &[]).await;
        ann.answers_pings = false;
        for _ in 0..3 {
            // Two at once are one ping: a client that answers each of ours would never end.
            ann.ping().await;
            ann.ping().await;
            ann.next_empty().await;
            ann.join(&room.id).await;
            ann.settled(&room.id).await;
            site.clock.leap_ms(1_000);
        }
        assert_eq!(ann.empty_count, 3, "one answer a second");
    }
}

async fn frames_right_behind_the_handshake_are_read(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let connect = json!({"type": "connect", "id": 1, "token": token_of("ann")}).to_string();
    let join = json!({"type": "join", "id": 2, "room": room.id}).to_string();
    let posted = json!({"type": "post_message", "id": 3, "room": room.id, "text": "hi"});
    let frames = [connect, join, posted.to_string()];
    let behind: Vec<u8> = frames.iter().flat_map(|frame| raw::text(frame)).collect();
    let mut raw = Raw::upgrade(site.address, "/v1/ws", "", &behind).await;
    for id in 1..=2 {
        let reply = raw.next_json().await;
        assert_eq!(reply["id"], id, "{reply}");
        assert!(reply["ok"].is_object(), "{reply}");
    }
    let (one, two) = (raw.next_json().await, raw.next_json().await);
    let reply = if one.get("id").is_some() { one } else { two };
    assert_eq!((&reply["id"], &reply["ok"]["seq"]), (&json!(3), &json!(1)));
}

async fn an_upgrade_is_answered_with_about_one_segment_of_a_link(bus: Bus) {
    let site = Site::start(bus).await;
    let longest = "Sec-WebSocket-Protocol: frontdesk.v1.msgpack\r\n";
    for headers in ["", longest] {
        let mut raw = Raw::connect(site.address).await;
        raw.write(&raw::handshake("/v1/ws", headers)).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // More than half of it, and never more than it: 1,448 bytes.
        assert!((1_200..=1_448).contains(&head.len()), "{}", head.len());
    }
}

async fn commands_right_behind_the_handshake_wait_for_the_token(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let connect = json!({"type": "connect", "id": 1}).to_string();
    let join = json!({"type": "join", "id": 2, "room": room.id}).to_string();
    let behind = [raw::text(&connect), raw::text(&join)].concat();
    let headers = format!("Authorization: Bearer {}\r\n", token_of("ann"));
    let mut raw = Raw::upgrade(site.address, "/v1/ws", &headers, &behind).await;
    let (hello, joined) = (raw.next_json().await, raw.next_json().await);
    assert_eq!(
        (&hello["id"], &hello["ok"]["person"]),
        (&json!(1), &json!("ann"))
    );
    assert_eq!(
        (&joined["id"], &joined["ok"]["room"]),
        (&json!(2), &json!(room.id))
    );
}
