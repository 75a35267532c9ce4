//! The chats of an agent who is taken away wait for others, whatever crashes in between.

use std::sync::Arc;

use frontdesk_protocol::chat::{Chat, ChatOpening, HandoffStep, Priority, Stage};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{AccountNo, ChatId, CompanyId, Epoch, PersonId, Pos, Seq};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::{Crash, Verdict};
use uuid::Uuid;

use super::staff::{account_no, root};
use super::{PATIENCE, START, World, both_modes, eventually, fresh_cid, person};
use crate::Bucket;
use crate::bus::Publish;
use crate::entity::recover::decode_record;
use crate::entity::{Answer, Command, Outcome};
use crate::staff::PAGE_COUNT;

/// A company with an agent.
async fn staffed(world: &World) -> (CompanyId, AccountNo) {
    let company = world.company("Spacely").await;
    let reservation = Uuid::from_u128(1);
    world.reserve(reservation).await;
    let no = account_no(&world.account(&company, reservation).await);
    (company, no)
}

/// A visitor's chat that this agent has.
async fn chat_of(world: &World, company: &CompanyId, number: usize, no: AccountNo) -> EntityId {
    let visitor = Arc::new(Principal {
        company: company.clone(),
        person: person(&format!("visitor:{number}")),
        role: Role::Visitor,
        card: Card::default(),
    });
    let open = Command::Company(CompanyCommand::OpenRoom {
        room: crate::clock::fresh_room_id(),
        history_base: 7,
        participants: Vec::new(),
        direct: false,
        title: None,
        bot: None,
        chat: Some(ChatOpening {
            id: ChatId::new(&format!("c{number}")).expect("valid"),
            language: "".into(),
        }),
    });
    let to = EntityId::company(company.clone());
    let opened = world.node.ask(to, Arc::clone(&visitor), open, fresh_cid());
    let Outcome::Done(Answer::Opened { room, .. }) = opened.await else {
        panic!("not opened");
    };
    let room = EntityId::room(company.clone(), room);
    let escalate = Command::Room(RoomCommand::Escalate {
        reason: "a bill".to_owned(),
        priority: Priority::High,
    });
    let wanted = world.node.ask(room.clone(), visitor, escalate, fresh_cid());
    assert_eq!(wanted.await, Outcome::Done(Answer::Done));
    assign(world, &room, no).await;
    room
}

async fn assign(world: &World, room: &EntityId, no: AccountNo) {
    let agent = PersonId::of_account(no);
    let assign = Command::Room(RoomCommand::Assign { agent });
    let told = world.tell(room.clone(), assign).await;
    assert_eq!(told, Outcome::Done(Answer::Done));
}

async fn remove(world: &World, company: &CompanyId, account: AccountNo) -> Outcome {
    let remove = Command::Staff(StaffCommand::RemoveAccount { account });
    world.tell(EntityId::staff(company.clone()), remove).await
}

async fn chat(world: &World, room: &EntityId) -> Chat {
    let facts = world.node.chat(room).await.expect("read");
    *facts.expect("a chat").chat
}

/// How many chats a list has: the company's or one person's.
async fn count(world: &World, company: &CompanyId, whose: Option<AccountNo>, of: Bucket) -> u64 {
    let reader = root(company.clone()).person.clone();
    let whose = whose.map(PersonId::of_account);
    let (whose, buckets) = (whose.as_ref(), [of]);
    let read = world.node.desk(company, &reader, whose, &buckets, (0, 0));
    read.await.expect("listed").1
}

async fn until_waiting(world: &World, company: &CompanyId, wanted: u64) {
    let waits = async {
        while count(world, company, None, Bucket::Unassigned).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waits).await;
    in_time.expect("the chats wait for others");
}

both_modes! {
    async fn all_chats_of_who_is_taken_away_wait_for_others(serialize: bool) {
        let world = World::new(serialize).await;
        let (company, no) = staffed(&world).await;
        let total = 2 * PAGE_COUNT + 1;
        let mut rooms = Vec::new();
        for number in 0..total {
            rooms.push(chat_of(&world, &company, number, no).await);
        }
        assert_eq!(remove(&world, &company, no).await, Outcome::Done(Answer::Done));
        until_waiting(&world, &company, total as u64).await;
        for room in &rooms {
            let chat = chat(&world, room).await;
            assert_eq!((chat.stage, chat.agent()), (Stage::Queued, None));
        }
        for bucket in Bucket::ALL {
            assert_eq!(count(&world, &company, Some(no), bucket).await, 0);
        }
        world.writer_is_idle().await;
    }

    async fn they_wait_after_a_node_died_in_between(serialize: bool) {
        let world = World::new(serialize).await;
        let (company, no) = staffed(&world).await;
        let mut rooms = Vec::new();
        for number in 0..3 {
            rooms.push(chat_of(&world, &company, number, no).await);
        }
        world.writer_is_idle().await;
        // The account is gone, and nothing that is owed for it is written.
        world.memory.faults().next_append(Verdict::Pass);
        for _ in 0..8 {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        assert_eq!(remove(&world, &company, no).await, Outcome::Done(Answer::Done));
        let reborn = world.reborn(Crash::PowerLoss).await;
        until_waiting(&reborn, &company, 3).await;
        let staff = EntityId::staff(company.clone());
        eventually("nothing is owed", || {
            let pending = reborn.journal().pending().expect("read");
            pending.iter().all(|(entity, _)| *entity != staff)
        })
        .await;
        for room in &rooms {
            assert_eq!(chat(&reborn, room).await.stage, Stage::Queued);
        }
        for room in &rooms {
            assert_eq!(steps(&reborn, room), ["escalated", "assigned", "released"]);
        }
    }
}

#[tokio::test]
async fn who_leaves_sees_what_was_said_before_and_why_and_nothing_after() {
    let world = World::new(false).await;
    let room = world.room(&["ann", "bob"]).await;
    let (ann, bob) = (
        world.join(&room, "ann", None).await,
        world.join(&room, "bob", None).await,
    );
    let author = Author {
        id: person("bob"),
        role: Role::Agent,
        card: Card::default(),
    };
    let message = |seq: u64, text: &str| {
        RoomEvent::MessagePosted(Message {
            seq: Seq(seq),
            at: START,
            cid: world.cid(seq),
            author: author.clone(),
            text: text.into(),
            rich: None,
            reply_to: None,
            file: None,
            part_of: None,
            deleted_at: None,
        })
    };
    let moved = RoomEvent::HandoffMoved {
        seq: Seq(2),
        at: START,
        by: author.clone(),
        step: HandoffStep::Released {
            name: None,
            left: vec![person("ann")],
        },
    };
    // All in one publication.
    ann.edge.on_publish(&Publish {
        epoch: Epoch(1),
        head: Seq(3),
        events: vec![message(1, "before"), moved, message(3, "after")].into(),
    });
    assert_eq!(ann.ear.texts(), ["1 before", "2 released"]);
    assert_eq!(bob.ear.texts(), ["1 before", "2 released", "3 after"]);
    assert_eq!(bob.edge.present(), [person("bob")]);
}

/// The steps of a chat in its room's log.
fn steps(world: &World, room: &EntityId) -> Vec<&'static str> {
    let records = world
        .journal()
        .read_after(room, Pos(0), 1_000, usize::MAX)
        .expect("records");
    let mut found = Vec::new();
    for record in &records {
        let body = decode_record::<RoomEvent>(record).expect("a record");
        for event in body.events {
            if let RoomEvent::HandoffMoved { step, .. } = event {
                found.push(step.as_str());
            }
        }
    }
    found
}
