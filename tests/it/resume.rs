//! Coming back: whatever was missed follows in order, or the client is told how to get it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, in_both_buses};

in_both_buses!(
    what_was_missed_follows_in_order,
    a_client_at_the_head_misses_nothing,
    many_rooms_resume_in_one_frame,
    more_than_is_pushed_is_read_from_history,
    a_position_of_another_log_is_reset,
    a_resume_that_races_live_messages_has_no_gap,
    what_the_journal_holds_already_is_not_shown_twice,
    a_room_resumed_under_two_names_shows_events_once,
    a_resume_of_a_room_already_joined_shows_events_once,
);

fn since(history_id: &Value, seq: u64) -> Value {
    json!({"history_id": history_id, "seq": seq})
}

/// A connection of ann that resumes these rooms; what became of each.
async fn resume(site: &Site, rooms: &Value) -> (Socket, Value) {
    let mut ann = Socket::open(site.address, &[]).await;
    let connect = json!({"type": "connect", "token": token_of("ann"), "resume": rooms});
    let mut hello = ann.ask(connect).await.expect("connected");
    (ann, hello["rooms"].take())
}

async fn history_id(site: &Site, room: &Room) -> Value {
    site.connect("ann").await.join(&room.id).await["history_id"].take()
}

/// Posts texts without waiting for each answer.
async fn fill(site: &Site, room: &Room, count: usize) {
    let mut ann = site.join("ann", room).await;
    let mut asked = Vec::new();
    for number in 0..count {
        let text = format!("m{number}");
        let mut frame = json!({"type": "post_message", "room": room.id, "text": text});
        asked.push(ann.start(&mut frame).await);
    }
    for id in asked {
        ann.reply(id).await.expect("posted");
    }
    ann.close().await;
}

async fn what_was_missed_follows_in_order(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 300).await;
    let history_id = history_id(&site, &room).await;
    for seq in [0, 1, 150, 299] {
        let (mut ann, rooms) = resume(&site, &json!({&room.id: since(&history_id, seq)})).await;
        let joined = &rooms[&room.id];
        assert_eq!(
            (&joined["resume"], &joined["head"]),
            (&json!("ok"), &json!(300))
        );
        ann.events(&room.id, seq + 1, 300 - seq).await;
    }
    // The same by `join`.
    let mut ann = site.connect("ann").await;
    let join = json!({"type": "join", "room": room.number, "since": since(&history_id, 290)});
    assert_eq!(ann.ask(join).await.expect("joined")["resume"], "ok");
    let posted = ann.post(&room.id, "live").await;
    assert_eq!(posted["seq"], 301);
    ann.events(&room.id, 291, 11).await;
}

async fn a_client_at_the_head_misses_nothing(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 3).await;
    let history_id = history_id(&site, &room).await;
    let (mut ann, rooms) = resume(&site, &json!({&room.id: since(&history_id, 3)})).await;
    assert_eq!(rooms[&room.id]["resume"], "ok");
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "event"),
        "{frames:?}"
    );
    let mut bob = site.join("bob", &room).await;
    bob.post(&room.id, "live").await;
    ann.events(&room.id, 4, 1).await;
}

async fn many_rooms_resume_in_one_frame(bus: Bus) {
    let site = Site::start(bus).await;
    let mut rooms = Vec::new();
    for count in 0..5_u64 {
        let room = site.room(&["ann", "bob"]).await;
        fill(&site, &room, count as usize).await;
        rooms.push((room.clone(), history_id(&site, &room).await, count));
    }
    let foreign = site.room(&["bob"]).await;
    let missing = format!("r_{:032x}", 1);
    let mut wanted = BTreeMap::new();
    for (room, history_id, _) in &rooms[..4] {
        wanted.insert(room.id.clone(), since(history_id, 0));
    }
    let (by_number, its_history, _) = &rooms[4];
    wanted.insert(by_number.number.to_string(), since(its_history, 2));
    wanted.insert(foreign.id.clone(), since(its_history, 0));
    wanted.insert(missing.clone(), since(its_history, 0));
    let (mut ann, answered) = resume(&site, &json!(wanted)).await;
    assert_eq!(
        answered.as_object().map(serde_json::Map::len),
        Some(7),
        "{answered}"
    );
    for refused in [&foreign.id, &missing] {
        assert_eq!(
            answered[refused]["error"]["code"], "unknown_room",
            "{answered}"
        );
        assert_eq!(answered[refused]["error"]["retry"], "no", "{answered}");
    }
    for (room, _, count) in &rooms[..4] {
        let joined = &answered[&room.id];
        assert_eq!(
            (&joined["resume"], &joined["head"]),
            (&json!("ok"), &json!(count))
        );
        ann.events(&room.id, 1, *count).await;
    }
    assert_eq!(answered[by_number.number.to_string()]["room"], by_number.id);
    ann.events(&by_number.id, 3, 2).await;
}

async fn more_than_is_pushed_is_read_from_history(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 1_005).await;
    let history_id = history_id(&site, &room).await;
    let (_, rooms) = resume(&site, &json!({&room.id: since(&history_id, 5)})).await;
    assert_eq!(rooms[&room.id]["resume"], "ok", "a thousand are pushed");
    let (mut ann, rooms) = resume(&site, &json!({&room.id: since(&history_id, 4)})).await;
    let joined = &rooms[&room.id];
    assert_eq!(
        (&joined["resume"], &joined["head"]),
        (&json!("page"), &json!(1_005))
    );
    site.join("bob", &room).await.post(&room.id, "live").await;
    ann.events(&room.id, 1_006, 1).await;
    let mut last = 4;
    while last < 1_005 {
        let page = json!({"type": "history", "room": room.id, "after_seq": last, "limit": 100});
        let page = ann.ask(page).await.expect("a page");
        for event in page["events"].as_array().expect("a list") {
            last += 1;
            assert_eq!(event["seq"], last);
        }
    }
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "event"),
        "{frames:?}"
    );
}

async fn a_position_of_another_log_is_reset(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 3).await;
    let own = history_id(&site, &room).await;
    for (history_id, seq) in [
        (json!("00000000deadbeef"), 1),
        (own.clone(), 4),
        (own.clone(), 1 << 52),
    ] {
        let (mut ann, rooms) = resume(&site, &json!({&room.id: since(&history_id, seq)})).await;
        let joined = &rooms[&room.id];
        assert_eq!(
            (&joined["resume"], &joined["head"]),
            (&json!("reset"), &json!(3))
        );
        assert_eq!(joined["history_id"], own);
        let frames = ann.settled(&room.id).await;
        assert!(
            frames.iter().all(|frame| frame["type"] != "event"),
            "{frames:?}"
        );
    }
    let (mut ann, _) = resume(&site, &json!({&room.id: since(&own, 4)})).await;
    site.join("bob", &room).await.post(&room.id, "live").await;
    ann.events(&room.id, 4, 1).await;
}

async fn a_resume_that_races_live_messages_has_no_gap(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let history_id = history_id(&site, &room).await;
    let mut bob = site.join("bob", &room).await;
    let mut last_seen = 0;
    for round in 0..40_u64 {
        for number in 0..10 {
            let text = format!("{round}.{number}");
            bob.send(&json!({"type": "post_message", "room": room.id, "text": text}))
                .await;
        }
        let position = since(&history_id, last_seen);
        let (mut ann, rooms) = resume(&site, &json!({&room.id: position})).await;
        assert_eq!(rooms[&room.id]["resume"], "ok", "{rooms}");
        // Leave in the middle of it every time.
        let upto = round * 10 + 7;
        ann.events(&room.id, last_seen + 1, upto - last_seen).await;
        last_seen = upto;
    }
    bob.events(&room.id, 1, 400).await;
}

async fn what_the_journal_holds_already_is_not_shown_twice(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 20).await;
    let history_id = history_id(&site, &room).await;
    // The edge begins after these, so that replay has to read the journal.
    let mut bob = site.join("bob", &room).await;
    let mut head = 20;
    for _ in 0..10 {
        let mut posts = Vec::new();
        for _ in 0..50 {
            let mut frame = json!({"type": "post_message", "room": room.id, "text": "live"});
            posts.push(bob.start(&mut frame).await);
        }
        let position = since(&history_id, 5);
        let (mut ann, _) = resume(&site, &json!({&room.id: position})).await;
        for id in posts {
            bob.reply(id).await.expect("posted");
        }
        head += 50;
        ann.events(&room.id, 6, head - 5).await;
        bob.events(&room.id, head - 49, 50).await;
        let frames = ann.settled(&room.id).await;
        assert!(
            frames.iter().all(|frame| frame["type"] != "event"),
            "{frames:?}"
        );
    }
}

async fn a_room_resumed_under_two_names_shows_events_once(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 20).await;
    let history_id = history_id(&site, &room).await;
    let number = room.number.to_string();
    let both = json!({&room.id: since(&history_id, 5), &number: since(&history_id, 5)});
    let mut bob = site.join("bob", &room).await;
    let mut posts = Vec::new();
    for _ in 0..50 {
        let mut frame = json!({"type": "post_message", "room": room.id, "text": "live"});
        posts.push(bob.start(&mut frame).await);
    }
    let (mut ann, rooms) = resume(&site, &both).await;
    assert_eq!(rooms[&room.id]["room"], room.id);
    assert_eq!(rooms[&number]["room"], room.id);
    for id in posts {
        bob.reply(id).await.expect("posted");
    }
    ann.events(&room.id, 6, 65).await;
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "event"),
        "{frames:?}"
    );
    ann.close().await;
    bob.close().await;
    site.until_left().await;
}

async fn a_resume_of_a_room_already_joined_shows_events_once(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    fill(&site, &room, 400).await;
    let history_id = history_id(&site, &room).await;
    let (mut ann, _) = resume(&site, &json!({&room.id: since(&history_id, 0)})).await;
    ann.events(&room.id, 1, 100).await;
    // Again from the start while the first replay may still be under way.
    let frame = json!({"type": "join", "room": room.id, "since": since(&history_id, 300)});
    ann.ask(frame).await.expect("joined");
    let mut last = 100;
    let mut seen_from_300 = Vec::new();
    while seen_from_300.last() != Some(&400) {
        let seq = ann.event(&room.id).await["seq"].as_u64().expect("a seq");
        if seq == 301 {
            seen_from_300.clear();
        }
        if seq > 300 {
            seen_from_300.push(seq);
        }
        last = last.max(seq);
    }
    assert_eq!(seen_from_300, (301..=400).collect::<Vec<u64>>());
}
