//! Clients of every kind in one room: each sees each message once, in order, in its own shape; and
//! the address that two profiles share, on which a client is spoken to in both until it tells.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, greeted, in_both_buses, names_no_type, until};

in_both_buses!(
    four_kinds_of_clients_see_each_message_once_in_their_own_shape,
    a_socket_that_has_not_told_gets_what_both_profiles_render,
    the_first_frame_narrows_and_typing_does_not,
    nobody_of_a_profile_is_shown_what_was_taken_back,
    broken_frames_cost_their_sender_an_answer_and_nothing_else,
);

/// Rounds in which everyone speaks once, at least: until the slow ones are behind.
const ROUND_COUNT: u64 = 12;
/// Bytes for one connection beyond which events wait in the journal.
const HARD_BYTES: usize = 64 * 1024;
/// Padding that fills the sockets of a client that does not read, bytes.
const PADDING: usize = 9_000;

/// The text of a message in a profile's shape; `None` for anything else.
fn text_of(frame: &Value) -> Option<(String, String)> {
    let kind = frame["type"].as_str().unwrap_or_default();
    let (shape, text) = match kind {
        "" if frame.get("id").is_some() => ("direct", &frame["content"]),
        "message:new" if frame.get("id").is_some() => ("union", &frame["content"]),
        "message:new" => ("crm", &frame["message"]["text"]),
        "new_message" | "message_sent" => (kind, &frame["message"]["content"]),
        "event" => ("native", &frame["text"]),
        _ => return None,
    };
    let text = text.as_str().expect("a text").trim_end_matches('x');
    Some((shape.to_owned(), text.to_owned()))
}

/// The next messages a client is shown: shape and text.
async fn shown(socket: &mut Socket, count: u64) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for _ in 0..count {
        let frame = socket.next_that(|frame| text_of(frame).is_some()).await;
        shown.push(text_of(&frame).expect("a message"));
    }
    shown
}

fn texts(shown: &[(String, String)]) -> Vec<&str> {
    shown.iter().map(|(_, text)| text.as_str()).collect()
}

async fn union(site: &Site, room: &Room, person: &str) -> Socket {
    greeted(site.chat(room, &token_of(person), "").await).await
}

/// A native client that comes back where it stopped.
async fn resumed(site: &Site, person: &str, room: &Room, joined: &Value, seq: u64) -> Socket {
    let mut socket = Socket::open(site.address, &[]).await;
    let place = json!({"history_id": joined["history_id"], "seq": seq});
    let hello = json!({"type": "connect", "token": token_of(person),
        "resume": {room.id.as_str(): place}});
    let connected = socket.ask(hello).await.expect("connected");
    assert_eq!(connected["rooms"][&room.id]["resume"], "ok", "{connected}");
    socket
}

/// Clients that read what they are shown as it comes, and what they saw.
struct Four {
    sockets: [Socket; 4],
    seen: [Vec<(String, String)>; 4],
}

impl Four {
    /// Direct, crm, inbox and native, in this order.
    async fn join(site: &Site, room: &Room) -> (Self, Value) {
        let mut native = site.connect("kim").await;
        let joined = native.join(&room.id).await;
        let sockets = [
            site.greeted(room, &token_of("ann")).await,
            greeted(site.chat(room, &token_of("bob"), "dialect=crm").await).await,
            site.inbox(&token_of("eve")).await,
            native,
        ];
        let seen = Default::default();
        (Self { sockets, seen }, joined)
    }

    /// One of them says something.
    async fn say(&mut self, speaker: usize, room: &Room, text: &str) {
        let frame = match speaker {
            0 => json!({"type": "chat_message", "message": text}),
            1 => json!({"type": "message", "text": text}),
            2 => json!({"type": "chat_message", "conversation_id": room.number,
                "content": text}),
            _ => json!({"type": "post_message", "room": room.id, "text": text}),
        };
        self.sockets[speaker].send(&frame).await;
    }

    /// These of them see the next message.
    async fn see(&mut self, clients: std::ops::Range<usize>) {
        for client in clients {
            let next = shown(&mut self.sockets[client], 1).await;
            self.seen[client].extend(next);
        }
    }
}

fn narrow(config: &mut frontdesk::config::Config) {
    config.limits.outbox_soft_bytes = 16 * 1024;
    config.limits.outbox_hard_bytes = HARD_BYTES;
}

/// Whether this many connections have had more to take than they may queue.
fn are_behind(site: &Site, count: usize) -> bool {
    let outboxes = site.running.outboxes();
    let is_full = |peak_bytes: usize| peak_bytes + 2 * PADDING >= HARD_BYTES / 8 * 7;
    let full = outboxes.iter().filter(|outbox| is_full(outbox.peak_bytes));
    full.count() >= count
}

async fn four_kinds_of_clients_see_each_message_once_in_their_own_shape(bus: Bus) {
    let site = Site::with(bus, narrow).await;
    let room = site.room(&["ann", "bob", "eve", "kim"]).await;
    let (mut four, joined) = Four::join(&site, &room).await;
    // Slow ones: they read nothing until everything was said.
    let crm = format!(
        "/ws/chat/{}/?token={}&dialect=crm",
        room.number,
        token_of("bob")
    );
    let mut slow_crm = greeted(Socket::dial_narrow(site.address, &crm, &[]).await).await;
    let inbox = format!("/ws/chat/?token={}", token_of("eve"));
    let mut slow_inbox = greeted(Socket::dial_narrow(site.address, &inbox, &[]).await).await;
    let padding = "x".repeat(PADDING);
    let mut said = Vec::new();
    let mut round = 0;
    while round < ROUND_COUNT || !are_behind(&site, 2) {
        assert!(round < 10_000, "the system took everything");
        for (speaker, name) in ["direct", "crm", "inbox", "native"].iter().enumerate() {
            let word = format!("{name}{round}:");
            four.say(speaker, &room, &format!("{word}{padding}")).await;
            four.see(0..4).await;
            said.push(word);
        }
        if round % 5 == 2 && round < ROUND_COUNT {
            // One goes, misses a message, and comes back for it.
            let seq = said.len() as u64;
            let gone = site.connect("kim").await;
            std::mem::replace(&mut four.sockets[3], gone).close().await;
            let word = format!("alone{round}:");
            four.say(round as usize % 2, &room, &word).await;
            four.see(0..3).await;
            said.push(word);
            four.sockets[3] = resumed(&site, "kim", &room, &joined, seq).await;
            four.see(3..4).await;
        }
        round += 1;
    }
    let count = said.len() as u64;
    let slow = [
        shown(&mut slow_crm, count).await,
        shown(&mut slow_inbox, count).await,
    ];
    for (seen, own) in slow.iter().zip(["crm", "inbox"]) {
        assert_eq!(texts(seen), said, "{own}, slowly");
    }
    for (client, seen) in four.seen.iter().enumerate() {
        assert_eq!(texts(seen), said, "{client}");
    }
    let shapes = ["direct", "crm", "new_message", "native"];
    for (client, shape) in shapes.into_iter().enumerate() {
        for (of, text) in &four.seen[client] {
            let is_own = client == 2 && text.starts_with("inbox");
            let expected = if is_own { "message_sent" } else { shape };
            assert_eq!(of, expected, "{text}");
        }
    }
    four.say(3, &room, "last").await;
    four.see(0..4).await;
    for socket in [&mut slow_crm, &mut slow_inbox] {
        assert_eq!(texts(&shown(socket, 1).await), ["last"], "each came once");
    }
    assert!(
        four.seen
            .iter()
            .all(|seen| seen.last().expect("some").1 == "last")
    );
}

async fn a_socket_that_has_not_told_gets_what_both_profiles_render(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = union(&site, &room, "ann").await;
    let mut direct = site.greeted(&room, &token_of("ann")).await;
    let mut crm = greeted(site.chat(&room, &token_of("ann"), "dialect=crm").await).await;
    let mut bob = site.join("bob", &room).await;
    bob.post(&room.id, "hello").await;
    let (both, one, other) = (ann.next().await, direct.next().await, crm.next().await);
    for alone in [&one, &other] {
        for (name, value) in alone.as_object().expect("an object") {
            assert_eq!(&both[name], value, "{name}");
        }
    }
    bob.ask(json!({"type": "typing", "room": room.id, "active": true}))
        .await
        .expect("shown");
    assert_eq!(
        ann.next().await,
        json!({"type": "typing", "conversation_id": room.number.to_string(),
            "user_id": "bob", "user_email": null, "username": "bob", "is_typing": true})
    );
    bob.ask(json!({"type": "mark_read", "room": room.id, "seq": 1}))
        .await
        .expect("marked");
    // One's own words are read, so this mark moves nothing; ann's moves bob's view.
    let mut eve = union(&site, &room, "bob").await;
    direct.send(&json!({"type": "mark_read"})).await;
    let receipt = json!({"type": "read_receipt", "user_id": "ann"});
    assert_eq!(eve.push("read_receipt").await, receipt);
    let ids = json!([((room.number << 20) + 1).to_string()]);
    assert_eq!(
        eve.push("read").await,
        json!({"type": "read", "user_id": "ann", "username": "ann", "message_ids": ids})
    );
}

async fn the_first_frame_narrows_and_typing_does_not(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob", "eve"]).await;
    let mut bob = site.join("bob", &room).await;
    for (frame, shape) in [
        (json!({"type": "chat_message", "message": "told"}), "direct"),
        (json!({"type": "mark_read"}), "direct"),
        (json!({"type": "file_message"}), "direct"),
        (json!({"type": "message", "text": "told"}), "crm"),
        (json!({"type": "read"}), "crm"),
    ] {
        let mut ann = union(&site, &room, "ann").await;
        ann.send(&json!({"type": "typing", "is_typing": true}))
            .await;
        bob.ephemeral("typing").await;
        ann.send(&json!({"type": "typing", "is_typing": false}))
            .await;
        bob.ephemeral("typing").await;
        bob.post(&room.id, "before").await;
        assert_eq!(shown(&mut ann, 1).await[0].0, "union", "{frame}");
        ann.send(&frame).await;
        // Handled in order: once this is refused, the frame before it was taken.
        ann.send(&json!({"type": "dance"})).await;
        ann.next_that(|frame| frame["code"] == "unknown_type").await;
        bob.post(&room.id, "after").await;
        let is_after = |(_, text): &(String, String)| text == "after";
        let after = ann
            .next_that(|frame| text_of(frame).is_some_and(|shown| is_after(&shown)))
            .await;
        assert_eq!(text_of(&after).expect("a message").0, shape, "{frame}");
        let other = match shape {
            "crm" => json!({"type": "chat_message", "message": "no"}),
            _ => json!({"type": "message", "text": "no"}),
        };
        ann.send(&other).await;
        // A socket narrows once.
        ann.next_that(|frame| frame["code"] == "unknown_type").await;
        ann.close().await;
        site.clock.leap_ms(3_000);
    }
}

async fn broken_frames_cost_their_sender_an_answer_and_nothing_else(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let token = token_of("ann");
    let mut native = site.join("bob", &room).await;
    let sockets = vec![
        greeted(site.chat(&room, &token, "dialect=crm").await).await,
        site.inbox(&token).await,
        union(&site, &room, "ann").await,
    ];
    for (index, mut socket) in sockets.into_iter().enumerate() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for (message, code) in [
            (Message::text(deep), "bad_frame"),
            (Message::text("null"), "bad_frame"),
            (Message::text(""), "bad_frame"),
            (Message::binary(vec![0xc1, 0xff]), "bad_frame"),
            (Message::binary(vec![0xc1; 300_000]), "frame_too_large"),
            (Message::text(r#"{"type":["message"]}"#), "unknown_type"),
            (
                Message::text(r#"{"type":"typing ","is_typing":[]}"#),
                "unknown_type",
            ),
        ] {
            socket.send_message(message).await;
            let refused = socket.next_that(|frame| frame["type"] == "error").await;
            assert_eq!(refused["code"], code, "{index}");
            names_no_type(refused["message"].as_str().expect("a text"));
        }
        let text = format!("still here {index}");
        let frame = match index {
            0 => json!({"type": "message", "text": text}),
            _ => json!({"type": "chat_message", "message": text,
                "conversation_id": room.number}),
        };
        socket.send(&frame).await;
        assert_eq!(native.event(&room.id).await["text"], text);
    }
}

async fn nobody_of_a_profile_is_shown_what_was_taken_back(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let token = token_of("ann");
    let mut sockets = vec![
        site.greeted(&room, &token).await,
        greeted(site.chat(&room, &token, "dialect=crm").await).await,
        site.inbox(&token).await,
        union(&site, &room, "ann").await,
    ];
    let mut bob = site.join("bob", &room).await;
    bob.post(&room.id, "one").await;
    take_back(&site, &room, "bob").await;
    let gone = bob
        .next_that(|frame| frame["kind"] == "message_deleted")
        .await;
    assert_eq!(gone["seq"], 2);
    bob.post(&room.id, "two").await;
    for socket in &mut sockets {
        let seen = shown(socket, 2).await;
        assert_eq!(texts(&seen), ["one", "two"]);
    }
}

/// Nothing offers this over the wire yet: the room is told as its node would be.
async fn take_back(site: &Site, room: &Room, person: &str) {
    use frontdesk_actors::{Answer, Command, Outcome, clock};
    use frontdesk_protocol::command::{Card, Principal, Role, RoomCommand};
    use frontdesk_protocol::{CompanyId, PersonId, Seq};
    use frontdesk_storage::EntityId;
    let company = CompanyId::new(crate::support::COMPANY).expect("valid");
    let caller = Principal {
        company: company.clone(),
        person: PersonId::new(person).expect("valid"),
        role: Role::Visitor,
        card: Card::default(),
    };
    let entity = EntityId::room(company, room.id.parse().expect("a room id"));
    let command = Command::Room(RoomCommand::DeleteMessage { seq: Seq(1) });
    let node = site.running.node();
    let outcome = node.ask(entity, caller.into(), command, clock::fresh_cid());
    assert_eq!(outcome.await, Outcome::Done(Answer::Done));
    until("the room is in use", || site.counts().edges == 1).await;
}
