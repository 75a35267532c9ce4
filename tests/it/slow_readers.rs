//! A client that does not read: its outbox stays bounded, nothing is lost for it, and nobody else
//! notices.

use frontdesk::config::Config;
use serde_json::{Value, json};

use crate::support::socket::{JSON, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, in_both_buses, until};

in_both_buses!(
    a_stalled_reader_gets_lag_and_then_everything_in_order,
    a_stalled_reader_with_narrow_bounds_and_large_messages_catches_up,
    a_stalled_direct_reader_gets_everything_in_order,
    replies_do_not_push_the_outbox_beyond_its_bound,
    a_reader_that_never_reads_is_closed_and_resumes,
    ephemerals_never_displace_messages,
);

const SOFT_BYTES: usize = 16 * 1024;
const HARD_BYTES: usize = 64 * 1024;

fn narrow(config: &mut Config) {
    config.limits.outbox_soft_bytes = SOFT_BYTES;
    config.limits.outbox_hard_bytes = HARD_BYTES;
}

/// A native socket of ann in this room that reads nothing by itself and keeps little.
async fn stalled(site: &Site, room: &Room) -> Socket {
    let token = format!("frontdesk.token.{}", token_of("ann"));
    let mut ann = Socket::dial_narrow(site.address, "/v1/ws", &[JSON, &token]).await;
    ann.join(&room.id).await;
    ann
}

fn peak_bytes(site: &Site, person: &str) -> usize {
    let outboxes = site.running.outboxes().into_iter();
    let of_person = |person: &str, known: &str| person == known;
    outboxes
        .filter(|outbox| {
            let known = outbox.person.as_ref();
            known.is_some_and(|known| of_person(person, known.as_str()))
        })
        .map(|outbox| outbox.peak_bytes)
        .max()
        .unwrap_or(0)
}

/// Posts until this many messages have been seen by their sender, one after the other.
async fn load(bob: &mut Socket, room: &Room, first: u64, count: u64, bytes: usize) {
    for seq in first..first + count {
        let text = format!("{seq} {}", "x".repeat(bytes));
        let posted = bob.post(&room.id, &text).await;
        assert_eq!(posted["seq"], seq, "neighbours go on");
        assert_eq!(bob.event(&room.id).await["seq"], seq);
    }
}

/// Loads the room until the outbox of ann refuses more; how many messages that took.
async fn load_until_behind(site: &Site, bob: &mut Socket, room: &Room, bytes: usize) -> u64 {
    let mut count = 0;
    while peak_bytes(site, "ann") + 2 * bytes < HARD_BYTES / 8 * 7 {
        load(bob, room, count + 1, 50, bytes).await;
        count += 50;
        assert!(count < 100_000, "the system took everything");
    }
    load(bob, room, count + 1, 50, bytes).await;
    count + 50
}

async fn a_stalled_reader_gets_lag_and_then_everything_in_order(bus: Bus) {
    let site = Site::with(bus, narrow).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = stalled(&site, &room).await;
    let mut bob = site.join("bob", &room).await;
    let count = load_until_behind(&site, &mut bob, &room, 4_000).await;
    assert!(
        peak_bytes(&site, "ann") <= HARD_BYTES,
        "{}",
        peak_bytes(&site, "ann")
    );
    ann.events(&room.id, 1, count).await;
    let lag = ann.push("lag").await;
    assert_eq!(lag, json!({"type": "lag", "rooms": [room.id]}));
    load(&mut bob, &room, count + 1, 3, 10).await;
    ann.events(&room.id, count + 1, 3).await;
    let more = ann.settled(&room.id).await;
    assert!(
        more.iter().all(|frame| frame["type"] != "event"),
        "{more:?}"
    );
    assert!(
        peak_bytes(&site, "ann") <= HARD_BYTES,
        "{}",
        peak_bytes(&site, "ann")
    );
}

async fn a_stalled_reader_with_narrow_bounds_and_large_messages_catches_up(bus: Bus) {
    let site = Site::with(bus, |config| {
        config.limits.outbox_soft_bytes = 12 * 1024;
        config.limits.outbox_hard_bytes = HARD_BYTES;
    });
    let site = site.await;
    let room = site.room(&["ann", "bob"]).await;
    // As many as the machine has workers, and one more.
    let mut stalled_ones = Vec::new();
    for _ in 0..3 {
        stalled_ones.push((stalled(&site, &room).await, 0));
    }
    let mut bob = site.join("bob", &room).await;
    // Each is more than half of what a replay may queue.
    let mut count = load_until_behind(&site, &mut bob, &room, 9_000).await;
    while stalled_ones.iter().any(|(_, seen)| *seen < count) {
        for (ann, seen) in &mut stalled_ones {
            let more = 7.min(count - *seen);
            ann.events(&room.id, *seen + 1, more).await;
            *seen += more;
        }
        if count < 400 {
            load(&mut bob, &room, count + 1, 1, 9_000).await;
            count += 1;
        }
    }
}

async fn a_stalled_direct_reader_gets_everything_in_order(bus: Bus) {
    let site = Site::with(bus, narrow).await;
    let room = site.room(&["ann", "bob"]).await;
    let path = format!("/ws/chat/{}/?token={}", room.number, token_of("ann"));
    let mut ann = Socket::dial_narrow(site.address, &path, &[]).await;
    assert_eq!(ann.next().await["type"], "connection_established");
    let mut bob = site.join("bob", &room).await;
    let count = load_until_behind(&site, &mut bob, &room, 4_000).await;
    assert!(
        peak_bytes(&site, "ann") <= HARD_BYTES,
        "{}",
        peak_bytes(&site, "ann")
    );
    for seq in 1..=count {
        // Whether she is told that bob came depends on who was faster.
        let message = ann.next_that(|frame| frame["type"] != "user_joined").await;
        assert_eq!(message["id"], room.number * (1 << 20) + seq, "{message}");
    }
}

async fn replies_do_not_push_the_outbox_beyond_its_bound(bus: Bus) {
    let site = Site::with(bus, |config| {
        config.limits.outbox_soft_bytes = 256 * 1024;
        config.limits.outbox_hard_bytes = 1024 * 1024;
    });
    let site = site.await;
    let room = site.room(&["ann", "bob"]).await;
    let mut bob = site.join("bob", &room).await;
    load(&mut bob, &room, 1, 120, 9_900).await;
    let mut ann = stalled(&site, &room).await;
    let mut asked = Vec::new();
    for _ in 0..60 {
        let mut page = json!({"type": "history", "room": room.id, "limit": 100});
        asked.push(ann.start(&mut page).await);
    }
    until("the server stops reading", || {
        peak_bytes(&site, "ann") > 256 * 1024
    })
    .await;
    load(&mut bob, &room, 121, 100, 9_000).await;
    for id in asked {
        let page = ann.reply(id).await.expect("a page");
        let events = page["events"].as_array().expect("a list");
        assert!(
            !events.is_empty() && page["more"] == true,
            "{}",
            events.len()
        );
    }
    ann.events(&room.id, 121, 100).await;
    assert!(
        peak_bytes(&site, "ann") <= 1024 * 1024,
        "{}",
        peak_bytes(&site, "ann")
    );
}

async fn a_reader_that_never_reads_is_closed_and_resumes(bus: Bus) {
    let site = Site::with(bus, narrow).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = stalled(&site, &room).await;
    let mut bob = site.join("bob", &room).await;
    let count = load_until_behind(&site, &mut bob, &room, 4_000).await;
    let open = || site.running.outboxes().len();
    assert_eq!(open(), 2);
    site.clock.leap_ms(16_000);
    until("the stalled connection ends", || open() == 1).await;
    let position = bob.join(&room.id).await["history_id"].take();
    let mut last = 0;
    while let Some(frame) = ann.next_or_end().await {
        if frame["type"] == "event" {
            last += 1;
            assert_eq!(frame["seq"], last);
        }
    }
    assert!(last < count, "what it did not read was not sent");
    let mut ann = site.connect("ann").await;
    let since = json!({"history_id": position, "seq": last});
    let join = json!({"type": "join", "room": room.id, "since": since});
    assert_eq!(ann.ask(join).await.expect("joined")["resume"], "ok");
    ann.events(&room.id, last + 1, count - last).await;
}

async fn ephemerals_never_displace_messages(bus: Bus) {
    let site = Site::with(bus, narrow).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = stalled(&site, &room).await;
    let mut bob = site.join("bob", &room).await;
    let mut count = 0;
    while peak_bytes(&site, "ann") < HARD_BYTES / 2 {
        load(&mut bob, &room, count + 1, 50, 9_000).await;
        count += 50;
        // Typing is told of once in two seconds.
        site.clock.leap_ms(2_000);
        for active in [true, false] {
            let typing = json!({"type": "typing", "room": room.id, "active": active});
            bob.ask(typing).await.expect("told");
            let mark = json!({"type": "mark_read", "room": room.id, "seq": count});
            bob.ask(mark).await.expect("marked");
        }
    }
    ann.events(&room.id, 1, count).await;
    assert!(
        peak_bytes(&site, "ann") <= HARD_BYTES,
        "{}",
        peak_bytes(&site, "ann")
    );
    let typing = ann.settled(&room.id).await;
    let shown = typing
        .iter()
        .filter(|frame| frame["kind"] == "typing")
        .count();
    assert!(
        shown < 2 * count as usize / 50,
        "{shown} of {count}: some must be dropped"
    );
    let last: Option<&Value> = typing.iter().rfind(|frame| frame["type"] == "lag");
    assert!(last.is_none_or(|lag| lag["rooms"] == json!([room.id])));
}
