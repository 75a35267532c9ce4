//! Rooms that nobody is in cost nothing, and wake as they were.

use serde_json::json;

use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, until};

in_both_buses!(
    a_node_that_everyone_left_is_empty,
    a_room_wakes_as_it_fell_asleep,
    a_join_that_races_a_sleep_finds_the_room,
    an_edge_without_a_command_wakes_no_room,
);

async fn until_empty(site: &Site) {
    until("everything sleeps", || {
        let counts = site.counts();
        (counts.actors, counts.entities, counts.edges, counts.doors) == (0, 0, 0, 0)
    })
    .await;
}

async fn a_node_that_everyone_left_is_empty(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.room_idle_ms = 50).await;
    for _ in 0..20 {
        let room = site.room(&["ann", "bob"]).await;
        let mut ann = site.join("ann", &room).await;
        let direct = site.greeted(&room, &token_of("bob")).await;
        ann.post(&room.id, "text").await;
        ann.ask(json!({"type": "typing", "room": room.id, "active": true}))
            .await
            .expect("told");
        ann.ask(json!({"type": "mark_read", "room": room.id, "seq": 1}))
            .await
            .expect("marked");
        ann.close().await;
        direct.close().await;
    }
    until_empty(&site).await;
    assert!(site.running.outboxes().is_empty());
}

async fn a_room_wakes_as_it_fell_asleep(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.room_idle_ms = 50).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut first = json!({"type": "post_message", "room": room.id, "text": "one"});
    let cid = crate::support::cid_at(frontdesk_actors::clock::Clock::now(&*site.clock), 1);
    first["cid"] = json!(cid);
    ann.ask(first.clone()).await.expect("posted");
    ann.ask(json!({"type": "mark_read", "room": room.id, "seq": 1}))
        .await
        .expect("marked");
    let before = ann.join(&room.id).await;
    ann.close().await;
    until_empty(&site).await;
    let mut ann = site.connect("ann").await;
    assert_eq!(ann.join(&room.id).await, before);
    assert_eq!(ann.ask(first).await.expect("answered")["dup"], true);
    assert_eq!(ann.post(&room.id, "two").await["seq"], 2);
    let (_, next) = site
        .http(
            "POST",
            "/v1/rooms",
            Some(&token_of("ann")),
            &json!({"participants": []}),
        )
        .await;
    assert_eq!(
        next["conversation_id"],
        room.number + 1,
        "the company woke as well"
    );
}

async fn a_join_that_races_a_sleep_finds_the_room(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.room_idle_ms = 1).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut direct = site.greeted(&room, &token_of("bob")).await;
    for seq in 1..=150_u64 {
        // The node looks for idle rooms once a second of its clock.
        site.clock.leap_ms(997);
        let mut ann = site.join("ann", &room).await;
        assert_eq!(ann.post(&room.id, "text").await["seq"], seq);
        ann.events(&room.id, seq, 1).await;
        assert_eq!(direct.next().await["id"], room.number * (1 << 20) + seq);
        if seq % 2 == 0 {
            ann.close().await;
        }
    }
}

async fn an_edge_without_a_command_wakes_no_room(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.room_idle_ms = 50).await;
    let room = site.room(&["ann", "bob"]).await;
    until_empty(&site).await;
    let mut ann = site.join("ann", &room).await;
    let history = json!({"type": "history", "room": room.id});
    assert_eq!(ann.ask(history).await.expect("a page")["events"], json!([]));
    ann.settled(&room.id).await;
    let counts = site.counts();
    assert_eq!((counts.edges, counts.doors), (1, 1));
    until("only people are looked up", || site.counts().actors <= 1).await;
}
