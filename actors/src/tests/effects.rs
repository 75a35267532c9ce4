//! What a company owes its rooms is delivered, whoever crashes in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::{ConversationNo, RoomId};
use frontdesk_storage::testing::{Crash, Verdict};
use frontdesk_storage::{EntityId, Journal};

use super::{
    World, both_modes, company_of, eventually, fresh_cid, open_command, person, principal,
};
use crate::door::{Door, DoorId};
use crate::entity::{Answer, Command, Outcome};
use crate::task::lock;

/// A door that looks, whenever a room is said to be open, whether it is there.
struct Witness {
    journal: Arc<dyn Journal>,
    seen: Mutex<Vec<(RoomId, ConversationNo, bool)>>,
}

impl Door for Witness {
    fn answered(&self, _cseq: u64, outcome: Outcome) {
        let Outcome::Done(Answer::Opened {
            room, conversation, ..
        }) = outcome
        else {
            panic!("not opened: {outcome:?}");
        };
        let entity = EntityId::room(company_of("TES001"), room);
        let exists = self.journal.tail(&entity).expect("a tail").pos.0 > 0;
        lock(&self.seen).push((room, conversation, exists));
    }
}

struct Watched {
    witness: Arc<Witness>,
    door: DoorId,
}

impl Watched {
    fn new(world: &World) -> Self {
        let witness = Arc::new(Witness {
            journal: Arc::clone(world.journal()),
            seen: Mutex::default(),
        });
        let door = world.node.open_door(Arc::clone(&witness) as Arc<dyn Door>);
        Self { witness, door }
    }

    fn open(&self, world: &World, who: &str, command: Command) {
        let company = EntityId::company(company_of("TES001"));
        let cid = fresh_cid();
        world
            .node
            .submit(company, principal(who), command, cid, self.door, 1);
    }

    async fn seen(&self, count: usize) -> Vec<(RoomId, ConversationNo, bool)> {
        eventually("rooms are open", || lock(&self.witness.seen).len() >= count).await;
        lock(&self.witness.seen).clone()
    }
}

fn room_of(command: &Command) -> EntityId {
    let Command::Company(CompanyCommand::OpenRoom { room, .. }) = command else {
        panic!("no room: {command:?}");
    };
    EntityId::room(company_of("TES001"), *room)
}

both_modes! {
    async fn an_open_room_exists_and_its_number_is_its_own(serialize: bool) {
        let world = World::new(serialize).await;
        let watched = Watched::new(&world);
        for _ in 0..100 {
            watched.open(&world, "ann", open_command(&["bob"], false));
        }
        let seen = watched.seen(100).await;
        assert!(seen.iter().all(|(_, _, exists)| *exists));
        let numbers: BTreeSet<u64> = seen.iter().map(|(_, number, _)| number.0).collect();
        assert_eq!(numbers, (1..=100).collect::<BTreeSet<u64>>());
    }

    async fn a_pairs_room_exists_for_whoever_is_told_of_it(serialize: bool) {
        let world = World::new(serialize).await;
        let watched = Watched::new(&world);
        world.hold_commits().await;
        watched.open(&world, "eve", open_command(&["bob"], false));
        world.held();
        watched.open(&world, "ann", open_command(&["bob"], true));
        watched.open(&world, "bob", open_command(&["ann"], true));
        watched.open(&world, "ann", open_command(&["ann", "bob"], true));
        world.release();
        let seen = watched.seen(4).await;
        assert!(seen.iter().all(|(_, _, exists)| *exists), "{seen:?}");
        let rooms: BTreeSet<RoomId> = seen.iter().map(|(room, _, _)| *room).collect();
        assert_eq!(rooms.len(), 2, "a pair has one room");
    }

    async fn a_pair_keeps_its_room_over_sleep_whoever_is_named_first(serialize: bool) {
        let world = World::new(serialize).await;
        let company = EntityId::company(company_of("TES001"));
        let mut rooms = BTreeSet::new();
        let namings = [
            ("ann", vec!["bob"]),
            ("bob", vec!["ann"]),
            ("ann", vec!["ann", "bob"]),
        ];
        for (who, others) in namings {
            let command = open_command(&others, true);
            let (asked, who) = (company.clone(), principal(who));
            let opened = world.node.ask(asked, who, command, fresh_cid()).await;
            let Outcome::Done(Answer::Opened { room, .. }) = opened else {
                panic!("not opened: {opened:?}");
            };
            rooms.insert(room);
            world.all_asleep().await;
        }
        assert_eq!(rooms.len(), 1);
    }

    async fn who_waits_for_a_room_is_answered_although_the_company_crashes(serialize: bool) {
        let world = World::new(serialize).await;
        let company = EntityId::company(company_of("TES001"));
        let faults = world.memory.faults();
        faults.next_append(Verdict::Pass);
        for _ in 0..3 {
            faults.next_append(Verdict::DropAnswerUnknown);
        }
        let watched = Watched::new(&world);
        watched.open(&world, "ann", open_command(&["bob"], false));
        eventually("the company has its record", || {
            world.journal().tail(&company).expect("a tail").pos.0 == 1
        })
        .await;
        world.node.registry.crash(&company);
        let seen = watched.seen(1).await;
        assert!(seen[0].2, "the room exists");
        world.all_asleep().await;
        assert_eq!(watched.seen(1).await.len(), 1, "answered once");
        assert_eq!(world.node.counts().doors, 1, "the crashed one's door is closed");
    }

    async fn a_room_that_is_owed_is_made_at_start_without_being_asked_for(serialize: bool) {
        let world = World::new(serialize).await;
        let company = EntityId::company(company_of("TES001"));
        world.memory.faults().next_append(Verdict::Pass);
        for _ in 0..100 {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        let door = world.door();
        let command = open_command(&["bob"], false);
        let room = room_of(&command);
        door.submit(&company, "ann", command, fresh_cid(), 1);
        eventually("the company has its record", || {
            world.journal().tail(&company).expect("a tail").pos.0 == 1
        })
        .await;
        let reborn = world.reborn(Crash::PowerLoss).await;
        assert_eq!(door.count(), 0);
        eventually("the room exists", || {
            reborn.journal().tail(&room).expect("a tail").pos.0 == 1
        })
        .await;
        eventually("nothing is owed", || {
            reborn.journal().pending().expect("read").is_empty()
        })
        .await;
        let next = reborn.room(&["ann"]).await;
        let facts = reborn.node.room_for(&next, &person("ann")).await;
        let facts = facts.expect("read").expect("a room");
        assert_eq!(facts.conversation, ConversationNo(2), "1 is taken");
        reborn.all_asleep().await;
    }

    async fn big_rooms_opened_together_fit_their_records(serialize: bool) {
        let world = World::new(serialize).await;
        let watched = Watched::new(&world);
        world.hold_commits().await;
        watched.open(&world, "eve", open_command(&["bob"], false));
        world.held();
        for number in 0..40 {
            let long = |i: u64| format!("{number:0>64}{i:0>64}");
            let names: Vec<String> = (0..255).map(long).collect();
            let named: Vec<&str> = names.iter().map(String::as_str).collect();
            watched.open(&world, "ann", open_command(&named, false));
        }
        world.release();
        let seen = watched.seen(41).await;
        assert!(seen.iter().all(|(_, _, exists)| *exists));
    }
}
