//! What one client may use up: rooms, sockets, commands under way; and how it is told.

use serde_json::{Value, json};

use crate::support::socket::{JSON, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, until};

in_both_buses!(
    a_connection_joins_256_rooms_and_no_more,
    an_address_has_so_many_sockets_and_no_more,
    commands_wait_while_the_disk_does_and_are_answered_in_order,
    a_message_of_the_largest_size_passes,
    a_long_token_is_refused,
);

async fn a_connection_joins_256_rooms_and_no_more(bus: Bus) {
    let site = Site::start(bus).await;
    let mut rooms = Vec::new();
    for _ in 0..260 {
        rooms.push(site.room(&["ann"]).await);
    }
    let since = json!({"history_id": "0000000000000000", "seq": 0});
    let some = |from: usize, to: usize| -> Value {
        let rooms = rooms[from..to].iter();
        rooms.map(|room| (room.id.clone(), since.clone())).collect()
    };
    let mut ann = site.connect("ann").await;
    let all = json!({"type": "connect", "resume": some(0, 257)});
    assert_eq!(
        ann.ask(all).await.expect_err("too many")["code"],
        "too_many_rooms"
    );
    let most = json!({"type": "connect", "resume": some(0, 255)});
    let hello = ann.ask(most).await.expect("connected");
    assert_eq!(
        hello["rooms"].as_object().map(serde_json::Map::len),
        Some(255)
    );
    ann.join(&rooms[255].id).await;
    let more = json!({"type": "join", "room": rooms[256].id});
    let refused = ann.ask(more.clone()).await.expect_err("too many");
    assert_eq!(
        (&refused["code"], &refused["retry"]),
        (&json!("too_many_rooms"), &json!("no"))
    );
    let resume = json!({"type": "connect", "resume": some(256, 260)});
    let hello = ann.ask(resume).await;
    let refused = match &hello {
        Ok(hello) => hello["rooms"]
            .as_object()
            .expect("an object")
            .values()
            .all(|room| room["error"]["code"] == "too_many_rooms"),
        Err(error) => error["code"] == "too_many_rooms",
    };
    assert!(refused, "{hello:?}");
    // A room it is in already takes no new place.
    ann.join(&rooms[0].id).await;
    let leave = json!({"type": "leave", "room": rooms[1].id});
    ann.ask(leave).await.expect("left");
    ann.ask(more).await.expect("there is a place again");
    ann.post(&rooms[256].id, "text").await;
    ann.close().await;
    site.until_left().await;
}

async fn an_address_has_so_many_sockets_and_no_more(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.connections_per_address = 3).await;
    let room = site.room(&["ann"]).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(site.join("ann", &room).await);
    }
    let path = format!("/ws/chat/{}/?token={}", room.number, token_of("ann"));
    for (path, offered) in [("/v1/ws", vec![JSON]), (path.as_str(), vec![])] {
        let mut more = Socket::dial(site.address, path, &offered, &[]).await;
        assert_eq!(more.closed().await.0, 4029);
    }
    kept.pop().expect("three").close().await;
    until("a place is free", || site.running.outboxes().len() == 2).await;
    kept.push(site.join("ann", &room).await);
    kept[0].post(&room.id, "text").await;
    for socket in &mut kept {
        socket.events(&room.id, 1, 1).await;
    }
}

async fn commands_wait_while_the_disk_does_and_are_answered_in_order(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    let faults = site.faults();
    faults.hold_syncs();
    let mut asked = Vec::new();
    for number in 0..64 {
        let text = format!("m{number}");
        let mut post = json!({"type": "post_message", "room": room.id, "text": text});
        asked.push(ann.start(&mut post).await);
    }
    // Not read before something is answered; the socket is there all the same.
    ann.send(&json!({"type": "typing", "room": room.id, "active": true}))
        .await;
    let seen = bob.settled(&room.id).await;
    assert!(
        seen.iter().all(|frame| frame["type"] != "event"),
        "not on disk: {seen:?}"
    );
    faults.release();
    for (id, seq) in asked.into_iter().zip(1..) {
        assert_eq!(ann.reply(id).await.expect("posted")["seq"], seq);
    }
    bob.events(&room.id, 1, 64).await;
    assert_eq!(bob.ephemeral("typing").await["active"], true);
}

async fn a_message_of_the_largest_size_passes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    // Characters of four bytes, each escaped as twelve.
    let escaped = "\\ud83d\\ude00".repeat(10_000);
    let frame = format!(
        r#"{{"type":"post_message","id":"x","room":"{}","text":"{escaped}","pad":"{}"}}"#,
        room.id,
        "p".repeat(262_144 - escaped.len() - 110),
    );
    assert!(
        (262_000..=262_144).contains(&frame.len()),
        "{}",
        frame.len()
    );
    ann.send_message(tokio_tungstenite::tungstenite::Message::text(frame))
        .await;
    let reply = ann.next_that(|frame| frame["id"] == "x").await;
    assert_eq!(reply["ok"]["seq"], 1, "{reply}");
    let event = ann.event(&room.id).await;
    assert_eq!(
        event["text"].as_str().map(|text| text.chars().count()),
        Some(10_000)
    );
}

async fn a_long_token_is_refused(bus: Bus) {
    let site = Site::start(bus).await;
    let long = "x".repeat(8_193);
    let mut by_frame = Socket::open(site.address, &[]).await;
    let refused = by_frame
        .ask(json!({"type": "connect", "token": long}))
        .await;
    assert_eq!(refused.expect_err("too long")["code"], "bad_field");
    let entry = format!("frontdesk.token.{long}");
    let mut by_list = Socket::open(site.address, &[&entry]).await;
    assert_eq!(by_list.closed().await.0, 4001);
}
