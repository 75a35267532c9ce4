//! An edge on its own: what is published while it is being loaded, and the bounds of its ring.

use std::sync::Arc;

use frontdesk_protocol::chat::{ChatOpening, Priority};
use frontdesk_protocol::command::{Card, CompanyCommand, Role, RoomCommand};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::{ChatId, ConversationNo, Epoch, RoomId, Seq, Timestamp};
use frontdesk_storage::EntityId;

use super::ring::Ring;
use super::{ChatContext, Edge, lock, table};
use crate::bus::Publish;
use crate::entity::{Answer, Command, Outcome};
use crate::limits::{RING_BYTES_MAX, RING_EVENT_COUNT_MAX};
use crate::tests::{World, cid_at, person, room_id};

fn message(seq: u64, text: &str) -> RoomEvent {
    RoomEvent::MessagePosted(Message {
        seq: Seq(seq),
        at: Timestamp(1),
        cid: cid_at(Timestamp(1), seq),
        author: Author {
            id: person("ann"),
            role: Role::Agent,
            card: Card::default(),
        },
        text: text.into(),
        rich: None,
        reply_to: None,
        file: None,
        part_of: None,
        deleted_at: None,
    })
}

#[tokio::test]
async fn what_is_published_while_an_edge_is_loaded_is_not_forgotten() {
    let world = World::new(false).await;
    let room = world.room(&["ann", "bob"]).await;
    world.posted(&room, "bob", "1").await;
    let edge = Arc::new(Edge::new(&world.node, room.clone(), room_id(&room)));
    // Published after the view was read and before it is taken over.
    edge.on_publish(&Publish {
        epoch: Epoch(1),
        head: Seq(2),
        events: vec![message(2, "2")].into(),
    });
    table::load(&world.node, &edge).await.expect("loaded");
    let state = lock(&edge.state);
    assert_eq!(state.view.head, Seq(2));
    assert_eq!(
        state.view.marks[&person("ann")],
        Seq(2),
        "one's own words are read"
    );
    assert_eq!(state.view.marks[&person("bob")], Seq(1));
}

#[tokio::test]
async fn an_edge_that_was_there_first_learns_that_its_room_is_a_chat() {
    let world = World::new(false).await;
    let plain = world.room(&["ann", "bob"]).await;
    let made = |chat: Option<ChatOpening>| RoomEvent::RoomCreated {
        at: Timestamp(1),
        conversation: ConversationNo(9),
        direct: false,
        participants: vec![person("visitor:1"), person("bob")],
        history_base: 7,
        title: None,
        bot: None,
        chat,
    };
    let id = ChatId::new("TES001_abc").expect("valid");
    let language = "".into();
    let opening = ChatOpening {
        id: id.clone(),
        language,
    };
    let visitor = person("visitor:1");
    let chat = Some(Arc::new(ChatContext { id, visitor }));
    for (opening, expected) in [(Some(opening), chat), (None, None)] {
        let room = RoomId::from_bits([9; 16]);
        let entity = EntityId::room(plain.company.clone(), room);
        let edge = Arc::new(Edge::new(&world.node, entity, room));
        table::load(&world.node, &edge).await.expect("loaded");
        assert_eq!(edge.chat(), None);
        edge.on_publish(&Publish {
            epoch: Epoch(1),
            head: Seq(0),
            events: vec![made(opening)].into(),
        });
        assert_eq!(edge.chat(), expected);
    }
}

#[test]
fn a_ring_is_bounded_in_events() {
    let mut ring = Ring::default();
    let last = RING_EVENT_COUNT_MAX as u64 + 10;
    for seq in 1..=last {
        ring.push(Seq(seq), &message(seq, "short"));
    }
    assert!(ring.get(Seq(10)).is_none());
    assert!(ring.get(Seq(11)).is_some() && ring.get(Seq(last)).is_some());
    assert!(ring.get(Seq(last + 1)).is_none());
}

#[test]
fn a_ring_is_bounded_in_bytes_and_keeps_the_newest() {
    let mut ring = Ring::default();
    let text = "x".repeat(RING_BYTES_MAX / 8);
    for seq in 1..=10 {
        ring.push(Seq(seq), &message(seq, &text));
    }
    let kept = (1..=10).filter(|seq| ring.get(Seq(*seq)).is_some()).count();
    assert!((1..=3).contains(&kept), "{kept} kept");
    ring.push(Seq(11), &message(11, &"x".repeat(RING_BYTES_MAX)));
    assert!(ring.get(Seq(11)).is_some() && ring.get(Seq(10)).is_none());
}

#[test]
fn a_ring_holds_no_gap() {
    let mut ring = Ring::default();
    ring.push(Seq(1), &message(1, "1"));
    ring.push(Seq(5), &message(5, "5"));
    assert!(ring.get(Seq(1)).is_none());
    assert!(ring.get(Seq(5)).is_some());
}

#[tokio::test]
async fn an_edge_that_missed_who_got_a_seat_reads_it() {
    let world = World::new(false).await;
    let open = Command::Company(CompanyCommand::OpenRoom {
        room: crate::clock::fresh_room_id(),
        history_base: 1,
        participants: Vec::new(),
        direct: false,
        title: None,
        bot: None,
        chat: Some(ChatOpening {
            id: ChatId::new("TES001_abc").expect("valid"),
            language: "".into(),
        }),
    });
    let ask = |entity: EntityId, who: &str, command: Command| {
        let (node, cid) = (Arc::clone(&world.node), crate::tests::fresh_cid());
        let who = crate::tests::principal(who);
        async move { node.ask(entity, who, command, cid).await }
    };
    let company = EntityId::company(crate::tests::company_of("TES001"));
    let Outcome::Done(Answer::Opened { room, .. }) = ask(company.clone(), "ann", open).await else {
        panic!("not opened");
    };
    let entity = EntityId::room(company.company, room);
    let edge = Arc::new(Edge::new(&world.node, entity.clone(), room));
    table::load(&world.node, &edge).await.expect("loaded");
    let wish = Command::Room(RoomCommand::Escalate {
        reason: String::new(),
        priority: Priority::Low,
    });
    let agent = person("bob");
    let assign = Command::Room(RoomCommand::Assign { agent });
    assert!(crate::tests::is_done(
        &ask(entity.clone(), "ann", wish).await
    ));
    assert!(crate::tests::is_done(
        &ask(entity.clone(), "bob", assign).await
    ));
    let has_seat = || lock(&edge.state).view.marks.contains_key(&person("bob"));
    assert!(!has_seat(), "this edge is told nothing");
    // What a room says after a crash: where its head is, and no event of before.
    edge.on_publish(&Publish {
        epoch: Epoch(2),
        head: Seq(2),
        events: Vec::new().into(),
    });
    crate::tests::eventually("the seat is known", has_seat).await;
}
