//! Native v1: read marks, typing, presence, pings: what is shown, to whom, and when it ends.

use serde_json::json;

use crate::support::{Bus, Site, in_both_buses};

in_both_buses!(
    read_marks_move_forward_only_and_are_shown_to_others,
    typing_is_shown_to_others_and_ends_by_itself,
    typing_ends_when_the_person_leaves,
    presence_is_told_as_differences,
    a_reconnect_is_no_news,
    a_silent_socket_is_pinged_and_then_closed,
    a_socket_that_answers_pings_stays,
    nobody_is_closed_for_a_silence_that_was_not_asked_about,
);

async fn read_marks_move_forward_only_and_are_shown_to_others(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    for _ in 0..3 {
        ann.post(&room.id, "text").await;
    }
    let mark = |seq: u64| json!({"type": "mark_read", "room": room.id, "seq": seq});
    assert_eq!(bob.ask(mark(2)).await.expect("marked"), json!({"read": 2}));
    let shown = ann.ephemeral("read").await;
    assert_eq!(
        (&shown["person"], &shown["seq"]),
        (&json!("bob"), &json!(2))
    );
    assert_eq!(bob.ask(mark(1)).await.expect("marked"), json!({"read": 2}));
    assert_eq!(bob.ask(mark(99)).await.expect("marked"), json!({"read": 3}));
    let shown = ann.ephemeral("read").await;
    assert_eq!(
        (&shown["person"], &shown["seq"]),
        (&json!("bob"), &json!(3))
    );
    let own = bob.settled(&room.id).await;
    assert!(own.iter().all(|frame| frame["person"] != "bob"), "{own:?}");
    let joined = bob.join(&room.id).await;
    assert_eq!(joined["marks"], json!({"ann": 3, "bob": 3}));
}

async fn typing_is_shown_to_others_and_ends_by_itself(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    let typing = |active: bool| json!({"type": "typing", "room": room.id, "active": active});
    assert_eq!(ann.ask(typing(true)).await.expect("told"), json!({}));
    let shown = bob.ephemeral("typing").await;
    assert_eq!(
        shown,
        json!({"type": "ephemeral", "room": room.id, "kind": "typing",
        "person": "ann", "active": true})
    );
    ann.ask(typing(false)).await.expect("told");
    assert_eq!(bob.ephemeral("typing").await["active"], false);
    // Once in two seconds is enough for the others.
    site.clock.leap_ms(2_000);
    ann.ask(typing(true)).await.expect("told");
    assert_eq!(bob.ephemeral("typing").await["active"], true);
    site.clock.leap_ms(6_000);
    let over = bob.ephemeral("typing").await;
    assert_eq!(
        (&over["person"], &over["active"]),
        (&json!("ann"), &json!(false))
    );
    let own = ann.settled(&room.id).await;
    assert!(own.iter().all(|frame| frame["kind"] != "typing"), "{own:?}");
}

async fn typing_ends_when_the_person_leaves(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    ann.ask(json!({"type": "typing", "room": room.id, "active": true}))
        .await
        .expect("told");
    assert_eq!(bob.ephemeral("typing").await["active"], true);
    ann.close().await;
    assert_eq!(bob.ephemeral("typing").await["active"], false);
}

async fn presence_is_told_as_differences(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob", "eve"]).await;
    let mut ann = site.join("ann", &room).await;
    site.clock.leap_ms(1_000);
    let alone = ann.ephemeral("presence").await;
    assert_eq!(
        (&alone["joined"], &alone["left"]),
        (&json!(["ann"]), &json!([]))
    );
    let bob = site.join("bob", &room).await;
    let _eve = site.join("eve", &room).await;
    site.clock.leap_ms(1_000);
    let came = ann.ephemeral("presence").await;
    assert_eq!(
        came,
        json!({"type": "ephemeral", "room": room.id, "kind": "presence",
        "joined": ["bob", "eve"], "left": []})
    );
    let present = json!({"type": "presence", "room": room.id});
    let there = ann.ask(present.clone()).await.expect("answered");
    assert_eq!(there, json!({"present": ["ann", "bob", "eve"]}));
    bob.close().await;
    crate::support::until("bob is gone", || site.counts().doors == 2).await;
    let there = ann.ask(present).await.expect("answered");
    assert_eq!(there, json!({"present": ["ann", "eve"]}));
    site.clock.leap_ms(6_000);
    let went = ann.ephemeral("presence").await;
    assert_eq!(
        (&went["joined"], &went["left"]),
        (&json!([]), &json!(["bob"]))
    );
}

async fn a_reconnect_is_no_news(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let bob = site.join("bob", &room).await;
    site.clock.leap_ms(1_000);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let came = ann.ephemeral("presence").await;
        seen.extend(came["joined"].as_array().expect("a list").clone());
    }
    bob.close().await;
    crate::support::until("bob is gone", || site.counts().doors == 1).await;
    let _bob = site.join("bob", &room).await;
    site.clock.leap_ms(10_000);
    // Typing is told by the same clock, so what presence had to say came before.
    let mut eve = site.join("bob", &room).await;
    eve.ask(json!({"type": "typing", "room": room.id, "active": true}))
        .await
        .expect("told");
    site.clock.leap_ms(6_000);
    while ann.ephemeral("typing").await["active"] == true {}
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["kind"] != "presence"),
        "{frames:?}"
    );
}

async fn a_silent_socket_is_pinged_and_then_closed(bus: Bus) {
    let site = Site::start(bus).await;
    let mut ann = site.connect("ann").await;
    ann.answers_pings = false;
    site.clock.leap_ms(26_000);
    ann.next_empty().await;
    assert_eq!(ann.empty_count, 1);
    site.clock.leap_ms(60_000);
    assert_eq!(ann.closed().await.0, 4008);
    site.until_left().await;
}

async fn a_socket_that_answers_pings_stays(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    for round in 1..=5 {
        site.clock.leap_ms(30_000);
        ann.next_empty().await;
        assert_eq!(
            ann.empty_count, round,
            "an answered ping is not answered again"
        );
        ann.post(&room.id, "text").await;
    }
}

async fn nobody_is_closed_for_a_silence_that_was_not_asked_about(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    // As if the whole process had been stopped meanwhile.
    site.clock.leap_ms(600_000);
    ann.next_empty().await;
    ann.post(&room.id, "still here").await;
}
