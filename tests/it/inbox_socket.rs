//! The profile `inbox` on its socket: one for each person, on which everything of all their
//! conversations comes, each message once and in order, however many conversations speak at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frontdesk_actors::Partners;
use frontdesk_protocol::{CompanyId, PersonId};
use frontdesk_storage::testing::Verdict;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::{FIN, PING, PONG, Raw, TEXT, frame};
use crate::support::socket::Socket;
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, Room, Site, in_both_buses, until};

in_both_buses!(
    the_documented_flow_passes,
    errors_say_what_is_wrong_and_the_socket_goes_on,
    a_socket_without_a_valid_token_closes_with_4001,
    a_conversation_that_speaks_while_it_is_attached_loses_nothing,
    more_conversations_than_are_attached_lose_and_double_nothing,
    a_slow_reader_of_many_conversations_gets_everything_in_order,
    a_reader_with_too_many_conversations_waiting_is_closed,
    a_room_that_fails_between_keeping_and_telling_tells_once,
    who_writes_in_a_still_conversation_is_shown_and_hears_it_from_then_on,
    coming_online_and_going_is_told_to_partners,
    conversations_that_stay_still_are_left_and_heard_again,
    everything_is_given_up_when_the_socket_closes,
);

fn ann() -> String {
    let claims = json!({"email": "ann@example.com", "user_type": "candidate",
        "full_name": "Ann Smith"});
    token_with(&json!(5), &claims)
}

/// A conversation of ann and bob.
async fn conversation(site: &Site) -> Room {
    let body = json!({"participants": ["bob"]});
    let (status, opened) = site.http("POST", "/v1/rooms", Some(&ann()), &body).await;
    assert_eq!(status, 201, "{opened}");
    Room {
        id: opened["id"].as_str().expect("an id").to_owned(),
        number: opened["conversation_id"].as_u64().expect("a number"),
    }
}

fn say(room: &Room, text: &str) -> Value {
    json!({"type": "chat_message", "conversation_id": room.number, "content": text})
}

async fn the_documented_flow_passes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let mut ann = site.inbox(&ann()).await;
    let mut bob = site.inbox(&token_of("bob")).await;
    ann.send(&say(&room, "Hello")).await;
    let mut sent = ann.next().await;
    assert_eq!(sent["type"], "message_sent");
    let mut came = bob.next().await;
    assert_eq!(came["type"], "new_message");
    assert_eq!(came["message"], sent["message"]);
    let at = sent["message"]["created_at"].take();
    assert!(at.as_str().is_some_and(|at| at.ends_with('Z')), "{at}");
    assert_eq!(came["message"]["updated_at"].take(), at);
    sent["message"]["updated_at"].take();
    let sender = json!({"id": 5, "email": "ann@example.com", "user_type": "candidate",
        "name": "Ann Smith", "profile_picture_url": null});
    let expected = json!({"id": (room.number << 20) + 1, "conversation": room.number,
        "sender": sender, "content": "Hello", "message_type": "text", "attachment": null,
        "attachment_url": null, "attachment_name": null, "attachment_size": null,
        "is_image": false, "reply_to": null, "reply_to_message": null, "is_deleted": false,
        "deleted_at": null, "is_read": false, "created_at": null, "updated_at": null});
    assert_eq!(sent["message"], expected);
    for is_typing in [true, false] {
        let number = room.number.to_string();
        bob.send(&json!({"type": "typing", "conversation_id": number, "is_typing": is_typing}))
            .await;
        assert_eq!(
            ann.next().await,
            json!({"type": "typing", "conversation_id": room.number, "user_id": "bob",
                "is_typing": is_typing})
        );
    }
    bob.send(&json!({"type": "mark_read", "conversation_id": room.number}))
        .await;
    assert_eq!(
        ann.next().await,
        json!({"type": "messages_read", "conversation_id": room.number, "user_id": "bob"})
    );
    bob.send(&say(&room, "Fine")).await;
    assert_eq!(
        bob.next().await["type"],
        "message_sent",
        "nothing came to itself"
    );
    assert_eq!(ann.next().await["message"]["content"], "Fine");
}

async fn errors_say_what_is_wrong_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = conversation(&site).await;
    let foreign = site.room(&["eve"]).await;
    let mut ann = site.inbox(&ann()).await;
    let stranger = say(&foreign, "hi").to_string();
    let nowhere = json!({"type": "mark_read", "conversation_id": 999}).to_string();
    let unnamed = r#"{"type":"chat_message","content":"hi"}"#;
    let empty = say(&room, " ").to_string();
    for (frame, code) in [
        ("{", "bad_frame"),
        (unnamed, "bad_field"),
        (r#"{"type":"typing","conversation_id":[1]}"#, "bad_field"),
        (stranger.as_str(), "unknown_room"),
        (nowhere.as_str(), "unknown_room"),
        (empty.as_str(), "text_empty"),
        (r#"{"type":"dance"}"#, "unknown_type"),
    ] {
        ann.send_message(Message::text(frame)).await;
        let refused = ann.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code))
        );
        assert!(refused["message"].is_string(), "{refused}");
    }
    let typing = json!({"type": "typing", "conversation_id": foreign.number, "is_typing": true});
    ann.send(&typing).await;
    for echo in [
        "new_message",
        "message_sent",
        "messages_read",
        "user_status",
    ] {
        ann.send(&json!({"type": echo, "message": {}})).await;
    }
    ann.send(&say(&room, "still here")).await;
    assert_eq!(ann.next().await["message"]["content"], "still here");
}

async fn a_socket_without_a_valid_token_closes_with_4001(bus: Bus) {
    let site = Site::start(bus).await;
    for path in [
        "/ws/chat/",
        "/ws/chat",
        "/ws/chat/?token=",
        "/ws/chat/?token=bad",
    ] {
        let mut socket = Socket::dial(site.address, path, &[], &[]).await;
        assert_eq!(socket.closed().await.0, 4001, "{path}");
    }
    let path = format!("/ws/chat?token={}", ann());
    let mut socket = Socket::dial(site.address, &path, &[], &[]).await;
    assert_eq!(socket.next().await["type"], "connection_established");
}

/// Reads this many messages; the seqs of each conversation in the order they came.
async fn seqs(socket: &mut Socket, count: usize) -> BTreeMap<u64, Vec<u64>> {
    let mut seqs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for _ in 0..count {
        let kinds = ["new_message", "message_sent"];
        let frame = socket
            .next_that(|frame| kinds.iter().any(|kind| frame["type"] == *kind))
            .await;
        let message = &frame["message"];
        let id = message["id"].as_u64().expect("a number");
        let number = message["conversation"].as_u64().expect("a number");
        assert_eq!(id >> 20, number, "{message}");
        seqs.entry(number).or_default().push(id & 0xf_ffff);
    }
    seqs
}

/// Every conversation came from `first` to `last`, in order, each once.
fn assert_complete(seqs: &BTreeMap<u64, Vec<u64>>, rooms: &[Room], first: u64, last: u64) {
    let expected: Vec<u64> = (first..=last).collect();
    for room in rooms {
        let seen = seqs.get(&room.number).map_or(&[][..], Vec::as_slice);
        assert_eq!(seen, expected, "conversation {}", room.number);
    }
    assert_eq!(seqs.len(), rooms.len());
}

async fn a_conversation_that_speaks_while_it_is_attached_loses_nothing(bus: Bus) {
    const COUNT: u64 = 300;
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut before = site.join("ann", &room).await;
    before.post(&room.id, "before the socket").await;
    let mut bob = site.inbox(&token_of("bob")).await;
    // All at once: the first of them has the room attached while the others are said.
    let mut asked = Vec::new();
    for number in 0..COUNT {
        let text = number.to_string();
        let mut frame = json!({"type": "post_message", "room": room.id, "text": text});
        asked.push(before.start(&mut frame).await);
    }
    let seen = seqs(&mut bob, COUNT as usize).await;
    assert_complete(&seen, &[room], 2, COUNT + 1);
    for id in asked {
        before.reply(id).await.expect("posted");
    }
}

async fn more_conversations_than_are_attached_lose_and_double_nothing(bus: Bus) {
    const ROOM_COUNT: usize = 100;
    const ROUND_COUNT: u64 = 4;
    let site = Site::start(bus).await;
    let mut rooms = Vec::new();
    let mut ann = site.connect("ann").await;
    for _ in 0..ROOM_COUNT {
        let room = site.room(&["ann", "bob"]).await;
        ann.join(&room.id).await;
        rooms.push(room);
    }
    let mut bob = site.inbox(&token_of("bob")).await;
    for round in 0..ROUND_COUNT {
        // Forth and back: some rooms speak right after they were left, others long after.
        let mut order: Vec<&Room> = rooms.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        let mut asked = Vec::new();
        for room in order {
            let mut frame = json!({"type": "post_message", "room": room.id, "text": "text"});
            asked.push(ann.start(&mut frame).await);
        }
        for id in asked {
            ann.reply(id).await.expect("posted");
        }
    }
    let seen = seqs(&mut bob, ROOM_COUNT * ROUND_COUNT as usize).await;
    assert_complete(&seen, &rooms, 1, ROUND_COUNT);
    let last = &rooms[ROOM_COUNT / 2];
    ann.post(&last.id, "last").await;
    let seen = seqs(&mut bob, 1).await;
    assert_eq!(seen[&last.number], [ROUND_COUNT + 1], "each came once");
}

/// A socket of bob that reads nothing by itself, on a node that queues little for it.
async fn stalled(site: &Site) -> Socket {
    let path = format!("/ws/chat/?token={}", token_of("bob"));
    let mut bob = Socket::dial_narrow(site.address, &path, &[]).await;
    assert_eq!(bob.next().await["type"], "connection_established");
    bob
}

fn narrow(config: &mut frontdesk::config::Config) {
    config.limits.outbox_soft_bytes = 16 * 1024;
    config.limits.outbox_hard_bytes = 64 * 1024;
}

/// Opens conversations of ann and bob.
async fn conversations(site: &Site, count: usize) -> Vec<Room> {
    let mut rooms = Vec::new();
    for _ in 0..count {
        rooms.push(site.room(&["ann", "bob"]).await);
    }
    rooms
}

/// Says something in each of these, and waits until it is kept.
async fn say_in_all(ann: &mut Socket, rooms: &[Room], text: &str) {
    for some in rooms.chunks(32) {
        for room in some {
            ann.send(&say(room, text)).await;
        }
        for _ in some {
            ann.push("message_sent").await;
        }
    }
}

async fn a_slow_reader_of_many_conversations_gets_everything_in_order(bus: Bus) {
    const ROOM_COUNT: usize = 90;
    let site = Site::with(bus, narrow).await;
    let rooms = conversations(&site, ROOM_COUNT).await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut bob = stalled(&site).await;
    let text = "x".repeat(9_000);
    // More than the system takes for one socket: the reader is behind in every room.
    let round_count = 8;
    for _ in 0..round_count {
        say_in_all(&mut ann, &rooms, &text).await;
    }
    let seen = seqs(&mut bob, ROOM_COUNT * round_count as usize).await;
    assert_complete(&seen, &rooms, 1, round_count);
    say_in_all(&mut ann, &rooms, "last").await;
    let seen = seqs(&mut bob, ROOM_COUNT).await;
    assert_complete(&seen, &rooms, round_count + 1, round_count + 1);
}

async fn a_reader_with_too_many_conversations_waiting_is_closed(bus: Bus) {
    // Attached and waiting.
    const ROOM_COUNT: usize = 64 + 1_024;
    let site = Site::with(bus, narrow).await;
    let rooms = conversations(&site, ROOM_COUNT + 1).await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut bob = stalled(&site).await;
    let text = "x".repeat(9_000);
    // The first ones are behind and stay attached, so none of the others finds a place.
    let mut round = 0;
    while site.counts().edges < 64 || round < 10 {
        say_in_all(&mut ann, &rooms[..64], &text).await;
        round += 1;
    }
    say_in_all(&mut ann, &rooms[64..], "one more").await;
    // It read nothing, so it may not live to see the close frame; its memory is not held for it.
    until("only ann is left", || site.counts().doors == 1).await;
    while bob.next_or_end().await.is_some() {}
}

async fn a_room_that_fails_between_keeping_and_telling_tells_once(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    // A native socket would attach the room's edge: this one leaves the room again.
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut bob = site.inbox(&token_of("bob")).await;
    for seq in 1..=12 {
        if seq % 3 == 0 {
            // The actor ends before it tells; its successor finds the message in the journal.
            site.faults().next_append(Verdict::WriteAnswerUnknown);
        }
        ann.send(&say(&room, "text")).await;
        for socket in [&mut ann, &mut bob] {
            let seen = seqs(socket, 1).await;
            assert_eq!(seen[&room.number], [seq]);
        }
    }
}

async fn who_writes_in_a_still_conversation_is_shown_and_hears_it_from_then_on(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut native = site.join("bob", &room).await;
    native.post(&room.id, "long ago").await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut other = site.inbox(&token_of("bob")).await;
    let typing = json!({"type": "typing", "conversation_id": room.number, "is_typing": true});
    ann.send(&typing).await;
    assert_eq!(native.ephemeral("typing").await["person"], "ann");
    assert_eq!(other.next().await["is_typing"], true);
    native.post(&room.id, "now").await;
    let seen = ann.next().await;
    assert_eq!(seen["message"]["content"], "now", "and nothing of long ago");
    site.clock.leap_ms(6_000);
    assert_eq!(native.ephemeral("typing").await["active"], false);
    let over = other.next_that(|frame| frame["type"] == "typing").await;
    assert_eq!(over["is_typing"], false);
    native.post(&room.id, "later").await;
    assert_eq!(ann.next().await["message"]["content"], "later");
}

/// Ann and bob know each other and nobody else.
struct Couple;

impl Partners for Couple {
    fn partners_of(&self, _company: &CompanyId, person: &PersonId) -> Vec<PersonId> {
        let other = match person.as_str() {
            "ann" => "bob",
            "bob" => "ann",
            _ => return Vec::new(),
        };
        vec![PersonId::new(other).expect("valid")]
    }
}

async fn coming_online_and_going_is_told_to_partners(bus: Bus) {
    let site = Site::start(bus).await;
    site.running.node().set_partners(Arc::new(Couple));
    let room = site.room(&["ann", "bob", "eve"]).await;
    let mut bob = site.inbox(&token_of("bob")).await;
    let mut eve = site.inbox(&token_of("eve")).await;
    let status = |is_online: bool| {
        json!({"type": "user_status", "user_id": "ann",
        "is_online": is_online})
    };
    let ann = site.connect("ann").await;
    assert_eq!(bob.next().await, status(true));
    let other = site.greeted(&room, &token_of("ann")).await;
    ann.close().await;
    other.close().await;
    let mut gone = None;
    while gone.is_none() {
        site.clock.leap_ms(5_000);
        gone = Some(bob.next().await);
    }
    assert_eq!(gone, Some(status(false)));
    bob.send(&say(&room, "seen by eve")).await;
    let first = eve.next().await;
    assert_eq!(first["type"], "new_message", "no partner of ann is told");
}

async fn conversations_that_stay_still_are_left_and_heard_again(bus: Bus) {
    let site = Site::start(bus).await;
    let rooms = conversations(&site, 5).await;
    let path = format!("/ws/chat/?token={}", token_of("bob"));
    let mut bob = Raw::upgrade(site.address, &path, "", &[]).await;
    assert_eq!(bob.next_json().await["type"], "connection_established");
    for round in 1..=3 {
        let mut ann = site.inbox(&token_of("ann")).await;
        say_in_all(&mut ann, &rooms, "text").await;
        ann.close().await;
        let mut seen = BTreeSet::new();
        for _ in &rooms {
            let id = bob.next_json().await["message"]["id"].as_u64();
            seen.insert(id.expect("a number"));
        }
        let expected = rooms.iter().map(|room| (room.number << 20) + round);
        assert_eq!(seen, expected.collect());
        // Each ping is a look at the clock; a pong keeps the connection.
        for _ in 0..6 {
            site.clock.leap_ms(26_000);
            assert_eq!(bob.next().await, Some((FIN | PING, vec![])));
            bob.write(&frame(FIN | PONG, b"")).await;
            // What comes behind the pong is answered, so the pong has been heard.
            bob.write(&frame(FIN | TEXT, br#"{"type":"dance"}"#)).await;
            assert_eq!(bob.next_json().await["code"], "unknown_type");
        }
        until("no room is in use", || site.counts().edges == 0).await;
    }
}

async fn everything_is_given_up_when_the_socket_closes(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let bob = site.inbox(&token_of("bob")).await;
    ann.send(&say(&room, "hello")).await;
    assert_eq!(ann.next().await["type"], "message_sent");
    ann.close().await;
    bob.close().await;
    site.until_left().await;
}
