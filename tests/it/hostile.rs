//! Peers that mean harm: what they do stays theirs. A pair that talks meanwhile notices nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::raw::{self, FIN, PING, Raw, TEXT};
use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, in_both_buses, run, soon, until};

in_both_buses!(
    garbage_instead_of_a_request_is_refused,
    a_flood_of_pings_without_reading_is_bounded,
    a_flood_of_bad_frames_without_reading_is_bounded,
    connections_that_vanish_in_a_join_leave_nothing,
    half_open_messages_of_many_sockets_end_with_them,
    a_pair_that_talks_notices_nothing,
);

async fn garbage_instead_of_a_request_is_refused(bus: Bus) {
    let site = Site::start(bus).await;
    let long_head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let cases: [&[u8]; 4] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        long_head.as_bytes(),
    ];
    for bytes in cases {
        let mut raw = Raw::connect(site.address).await;
        // The server may have ended it before everything was sent.
        let _ = raw.stream.write_all(bytes).await;
        let answer = raw.rest().await;
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
        assert!(refused, "{}", String::from_utf8_lossy(&answer));
    }
    for headers in [
        "Sec-WebSocket-Version: 12\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    ] {
        let mut raw = Raw::connect(site.address).await;
        let request = format!("GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        raw.write(request.as_bytes()).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    }
    let mut ann = site.connect("ann").await;
    ann.ask(json!({"type": "connect"})).await.expect("served");
    assert_eq!(site.counts().doors, 1);
}

#[test]
fn a_head_that_never_ends_is_dropped() {
    // Nothing of the bus is met before the head has been read.
    run(async {
        let site = Site::start(Bus::Plain).await;
        let mut raw = Raw::connect(site.address).await;
        raw.write(b"GET /v1/ws HTTP/1.1\r\nHost: ").await;
        let limit = Duration::from_secs(20);
        let rest = tokio::time::timeout(limit, raw.rest_whenever()).await;
        let rest = rest.expect("the connection ends");
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    });
}

fn most_queued_bytes(site: &Site) -> usize {
    let outboxes = site.running.outboxes();
    outboxes
        .iter()
        .map(|outbox| outbox.peak_bytes)
        .max()
        .unwrap_or(0)
}

/// Writes the same frames until the server has taken no more for a while.
async fn flood(raw: &mut Raw, frames: &[u8]) -> usize {
    let mut written_bytes = 0;
    let patience = Duration::from_millis(500);
    while written_bytes < 256 * 1024 * 1024 {
        let rest = &frames[written_bytes % frames.len()..];
        match tokio::time::timeout(patience, raw.stream.write(rest)).await {
            Ok(Ok(count)) => written_bytes += count,
            Ok(Err(_)) | Err(_) => return written_bytes,
        }
    }
    panic!("the server read {written_bytes} bytes of a peer that reads nothing");
}

async fn flooded(bus: Bus, frames: Vec<u8>) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut raw = Raw::native(site.address, &token_of("ann")).await;
    flood(&mut raw, &frames).await;
    assert!(
        most_queued_bytes(&site) <= 1024 * 1024,
        "{}",
        most_queued_bytes(&site)
    );
    let mut bob = site.join("bob", &room).await;
    bob.post(&room.id, "text").await;
    bob.events(&room.id, 1, 1).await;
    until("the flooding connection ends", || {
        site.clock.leap_ms(200);
        site.counts().doors <= 1
    })
    .await;
}

async fn a_flood_of_pings_without_reading_is_bounded(bus: Bus) {
    flooded(bus, raw::frame(FIN | PING, &[7; 125]).repeat(500)).await;
}

async fn a_flood_of_bad_frames_without_reading_is_bounded(bus: Bus) {
    flooded(bus, raw::text("{").repeat(2_000)).await;
}

async fn connections_that_vanish_in_a_join_leave_nothing(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let direct = format!("/ws/chat/{}/?token={}", room.number, token_of("ann"));
    let bearer = format!("Authorization: Bearer {}\r\n", token_of("ann"));
    let join = json!({"type": "join", "id": 1, "room": room.id}).to_string();
    for number in 0..200 {
        let (path, headers, behind) = match number % 2 {
            0 => (direct.as_str(), "", vec![]),
            _ => ("/v1/ws", bearer.as_str(), raw::text(&join)),
        };
        let mut raw = Raw::connect(site.address).await;
        let mut request = raw::handshake(path, headers);
        request.extend(behind);
        raw.write(&request).await;
        if number % 3 > 0 {
            raw.head().await;
        }
        if number % 5 > 2 {
            raw.next().await;
        }
        raw.reset();
    }
    site.until_left().await;
    let mut ann = site.join("ann", &room).await;
    ann.post(&room.id, "text").await;
    let present = ann.ask(json!({"type": "presence", "room": room.id})).await;
    assert_eq!(present.expect("answered")["present"], json!(["ann"]));
}

async fn half_open_messages_of_many_sockets_end_with_them(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raws = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::native(site.address, &token_of("ann")).await;
        raw.write(&raw::frame(TEXT, &[b' '; 1_000])).await;
        raw.write(&raw::header(FIN | raw::CONTINUATION, 100_000))
            .await;
        raws.push(raw);
    }
    until("all are open", || site.counts().doors == 50).await;
    // Twice, at least: silence is asked about before it is held against anybody.
    until("all are closed as idle", || {
        site.clock.leap_ms(5_000);
        site.counts().doors == 0
    })
    .await;
    drop(raws);
    site.until_left().await;
}

/// Two people who say one thing after the other; each message must come at once and in order.
async fn talk(site: &Site, ann: &mut Socket, bob: &mut Socket, room: &Room, first: u64) {
    for seq in first..first + 10 {
        let (from, to) = if seq % 2 == 0 {
            (&mut *ann, &mut *bob)
        } else {
            (&mut *bob, &mut *ann)
        };
        let posted = from.post(&room.id, &format!("m{seq}")).await;
        assert_eq!(posted["seq"], seq);
        assert_eq!(from.event(&room.id).await["seq"], seq);
        assert_eq!(to.event(&room.id).await["text"], format!("m{seq}"));
    }
    let page = json!({"type": "history", "room": room.id, "after_seq": first - 1});
    let page = soon("a page", ann.ask(page)).await.expect("a page");
    assert_eq!(page["events"].as_array().map(Vec::len), Some(10));
    assert!(site.counts().edges >= 1);
}

async fn a_pair_that_talks_notices_nothing(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob", "eve"]).await;
    let mut ann = site.join("ann", &room).await;
    let mut bob = site.join("bob", &room).await;
    let join = raw::text(&json!({"type": "join", "id": 1, "room": room.id}).to_string());
    let posts = json!({"type": "post_message", "room": room.id, "text": ""}).to_string();
    let deep = format!(r#"{{"rich":{}"#, "[".repeat(100_000));
    let harms: [Vec<u8>; 9] = [
        vec![FIN | TEXT, 0],
        raw::frame(FIN | 0x70 | TEXT, b"{}"),
        raw::frame(FIN | TEXT, b"\xff\xfe"),
        raw::header(FIN | TEXT, 1 << 40),
        raw::frame(TEXT, b"{").repeat(2),
        raw::text(&deep).repeat(20),
        raw::text(&posts).repeat(2_000),
        raw::frame(FIN | PING, b"ping").repeat(2_000),
        raw::text("x").repeat(2_000),
    ];
    let mut first = 1;
    let mut enemies = Vec::new();
    for harm in harms {
        let mut enemy = Raw::native(site.address, &token_of("eve")).await;
        enemy.write(&join).await;
        enemy.next().await;
        // It may be closed while it still writes.
        let _ = soon("the harm", enemy.stream.write_all(&harm)).await;
        talk(&site, &mut ann, &mut bob, &room, first).await;
        first += 10;
        enemies.push(enemy);
    }
    for enemy in enemies {
        enemy.reset();
    }
    until("the enemies are gone", || site.counts().doors == 2).await;
    talk(&site, &mut ann, &mut bob, &room, first).await;
    for person in [&mut ann, &mut bob] {
        let frames = person.settled(&room.id).await;
        assert!(
            frames.iter().all(|frame| frame["type"] == "ephemeral"),
            "{frames:?}"
        );
    }
}
