//! What a person's own socket hears of many conversations: each message once and in order, while
//! rooms are attached and left, fail, and the reader is slow.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_storage::testing::Verdict;
use serde_json::{Value, json};

use crate::support::raw::{FIN, PING, PONG, Raw, TEXT, frame};
use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, in_both_buses, until};

in_both_buses!(
    a_conversation_that_speaks_while_it_is_attached_loses_nothing,
    more_conversations_than_are_attached_lose_and_double_nothing,
    a_slow_reader_of_many_conversations_gets_everything_in_order,
    a_reader_with_too_many_conversations_waiting_is_closed,
    a_storm_of_speaking_typing_and_failing_conversations_is_heard_once,
    a_room_that_fails_between_keeping_and_telling_tells_once,
    conversations_that_stay_still_are_left_and_heard_again,
);

fn say(room: &Room, text: &str) -> Value {
    json!({"type": "chat_message", "conversation_id": room.number, "content": text})
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

/// Numbers below a bound, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        let product = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = product.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

async fn a_storm_of_speaking_typing_and_failing_conversations_is_heard_once(bus: Bus) {
    const ROOM_COUNT: usize = 110;
    const STEP_COUNT: usize = 1_200;
    let site = Site::with(bus, narrow).await;
    let rooms = conversations(&site, ROOM_COUNT).await;
    let mut ann = site.inbox(&token_of("ann")).await;
    let mut bob = stalled(&site).await;
    let mut dice = Dice(7);
    let mut said = vec![0_u64; ROOM_COUNT];
    let mut seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let (mut unsent, mut unseen) = (0, 0);
    for step in 1..=STEP_COUNT {
        let index = match dice.below(3) {
            0 => dice.below(8), // some are never still
            _ => dice.below(ROOM_COUNT),
        };
        if step % 31 == 0 {
            site.faults().next_append(Verdict::WriteAnswerUnknown);
        }
        let text = "x".repeat(dice.below(4_000) + 1);
        ann.send(&say(&rooms[index], &text)).await;
        (unsent, unseen) = (unsent + 1, unseen + 1);
        said[index] += 1;
        if step % 5 == 0 {
            let number = rooms[dice.below(ROOM_COUNT)].number;
            let is_typing = dice.below(4) > 0;
            bob.send(&json!({"type": "typing", "conversation_id": number,
                "is_typing": is_typing}))
                .await;
        }
        if unsent == 16 || step == STEP_COUNT {
            for _ in 0..unsent {
                ann.push("message_sent").await;
            }
            unsent = 0;
        }
        let read_count = match step == STEP_COUNT {
            true => unseen,
            false if step % 64 == 0 => dice.below(unseen.min(96)),
            false => 0,
        };
        for (number, seqs) in seqs(&mut bob, read_count).await {
            seen.entry(number).or_default().extend(seqs);
        }
        unseen -= read_count;
    }
    for (room, count) in rooms.iter().zip(said).filter(|(_, count)| *count > 0) {
        let expected: Vec<u64> = (1..=count).collect();
        assert_eq!(seen[&room.number], expected, "conversation {}", room.number);
    }
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

/// Whether a frame says that someone came or went.
fn is_status(frame: &Option<(u8, Vec<u8>)>) -> bool {
    let text = frame
        .as_ref()
        .and_then(|(_, payload)| std::str::from_utf8(payload).ok());
    text.is_some_and(|text| text.contains("user_status"))
}

async fn conversations_that_stay_still_are_left_and_heard_again(bus: Bus) {
    let site = Site::start(bus).await;
    let rooms = conversations(&site, 5).await;
    let path = format!("/ws/chat/?token={}", token_of("bob"));
    let mut bob = Raw::upgrade(site.address, &path, "", &[]).await;
    assert_eq!(bob.next_json().await["type"], "connection_established");
    for round in 1..=2 {
        let mut ann = site.inbox(&token_of("ann")).await;
        say_in_all(&mut ann, &rooms, "text").await;
        ann.close().await;
        let mut seen = BTreeSet::new();
        while seen.len() < rooms.len() {
            let frame = bob.next_json().await;
            if frame["type"] != "user_status" {
                seen.insert(frame["message"]["id"].as_u64().expect("a number"));
            }
        }
        let expected = rooms.iter().map(|room| (room.number << 20) + round);
        assert_eq!(seen, expected.collect());
        // Each ping is a look at the clock; a pong keeps the connection.
        for _ in 0..6 {
            site.clock.leap_ms(26_000);
            let mut came = bob.next().await;
            while is_status(&came) {
                came = bob.next().await;
            }
            assert_eq!(came, Some((FIN | PING, vec![])));
            bob.write(&frame(FIN | PONG, b"")).await;
            // What comes behind the pong is answered, so the pong has been heard.
            bob.write(&frame(FIN | TEXT, br#"{"type":"dance"}"#)).await;
            let mut answer = bob.next_json().await;
            while answer["type"] == "user_status" {
                answer = bob.next_json().await;
            }
            assert_eq!(answer["code"], "unknown_type");
        }
        until("no room is in use", || site.counts().edges == 0).await;
    }
}
