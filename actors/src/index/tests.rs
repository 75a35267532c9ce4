//! Lists against a recount from the journal, driven by random talk; their order, their pages; what
//! crashes and losses leave of them.

use std::collections::BTreeMap;

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::PageFrom;
use frontdesk_protocol::{ErrorCode, PersonId, Seq, Timestamp};
use frontdesk_storage::testing::{Crash, Faults, Verdict};
use frontdesk_storage::{EntityId, Row, RowsWait};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::{HURRY_WAIT_MS, rows};
use crate::entity::Command;
use crate::limits::{RESTART_COUNT_MAX, WAKE_AT_ONCE_COUNT};
use crate::tests::{
    World, both_modes, company_of, eventually, fresh_cid, person, principal, room_id,
};
use crate::{ListFrom, Totals};

const NAMES: [&str; 4] = ["ann", "bob", "cy", "dee"];

#[derive(Debug, Clone)]
enum Step {
    Post(usize, usize),
    Read(usize, usize, u64),
    Delete(usize, usize, u64),
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    let (who, room) = (0..NAMES.len(), 0..3_usize);
    prop_oneof![
        12 => (who.clone(), room.clone()).prop_map(|(who, room)| Step::Post(who, room)),
        5 => (who.clone(), room.clone(), 0..20_u64).prop_map(|(who, room, seq)| {
            Step::Read(who, room, seq)
        }),
        3 => (who, room, 1..12_u64).prop_map(|(who, room, seq)| Step::Delete(who, room, seq)),
        1 => Just(Step::Crash),
    ]
}

async fn take(world: &World, rooms: &[EntityId], step: &Step) {
    let (who, room, command) = match *step {
        Step::Post(who, room) => {
            world
                .post(&rooms[room], NAMES[who], "said", fresh_cid())
                .await;
            return;
        }
        Step::Read(who, room, seq) => (who, room, RoomCommand::MarkRead { seq: Seq(seq) }),
        Step::Delete(who, room, seq) => (who, room, RoomCommand::DeleteMessage { seq: Seq(seq) }),
        Step::Crash => return,
    };
    let (command, cid) = (Command::Room(command), fresh_cid());
    let entity = rooms[room].clone();
    world
        .node
        .ask(entity, principal(NAMES[who]), command, cid)
        .await;
}

/// A person's totals, counted from every room's journal.
async fn recount(world: &World, rooms: &[EntityId], who: &PersonId) -> Totals {
    let mut totals = Totals::default();
    for room in rooms {
        let facts = world.node.room_for(room, who).await.expect("read");
        let Some(mark) = facts.map(|facts| facts.marks[who]) else {
            continue;
        };
        let page = world
            .node
            .history(room, PageFrom::After(Seq(0)), usize::MAX)
            .await;
        let events = page.expect("history").events;
        let is_unread = |event: &&RoomEvent| match event {
            RoomEvent::MessagePosted(message) => message.seq > mark && message.author.id != *who,
            _ => false,
        };
        let unread = events.iter().filter(is_unread);
        let unread = unread.count() as u64;
        totals.unread_messages += unread;
        totals.unread_rooms += u64::from(unread > 0);
        totals.rooms += 1;
    }
    totals
}

fn first() -> ListFrom {
    ListFrom::default()
}

async fn totals(world: &World, who: &PersonId) -> Totals {
    let company = company_of("TES001");
    eventually("lists show what others did", || {
        world.node.index.is_settled(&company)
    })
    .await;
    world.node.totals(&company, who).await.expect("listed")
}

impl World {
    async fn assert_lists_are_true(&self, rooms: &[EntityId]) {
        let company = company_of("TES001");
        for name in NAMES {
            let who = person(name);
            assert_eq!(
                totals(self, &who).await,
                recount(self, rooms, &who).await,
                "{name}"
            );
            let page = self.node.conversations(&company, &who, first(), 100).await;
            let page = page.expect("listed");
            let changed: Vec<_> = page
                .conversations
                .iter()
                .map(|conversation| {
                    (
                        conversation.summary.changed_at,
                        conversation.summary.conversation,
                    )
                })
                .collect();
            assert!(
                changed.is_sorted_by(|one, two| one > two),
                "newest first: {changed:?}"
            );
            let listed: u64 = page
                .conversations
                .iter()
                .map(|conversation| {
                    let mut seats = conversation.summary.people.iter();
                    seats
                        .find(|seat| seat.person == who)
                        .expect("their own")
                        .unread
                })
                .sum();
            assert_eq!(listed, page.totals.unread_messages);
            assert_eq!(page.conversations.len() as u64, page.totals.rooms);
        }
    }
}

#[test]
fn lists_are_what_the_journal_says_whatever_happened() {
    let config = Config {
        cases: 20,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let steps = prop::collection::vec(any_step(), 1..60);
    let driven = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let mut world = World::new(false).await;
            let rooms = [
                world.room(&["ann", "bob"]).await,
                world.room(&["bob", "ann", "cy"]).await,
                world.room(&["dee", "ann"]).await,
            ];
            for step in &steps {
                match step {
                    Step::Crash => world = world.reborn(Crash::PowerLoss).await,
                    step => take(&world, &rooms, step).await,
                }
                world.clock.advance_ms(7);
            }
            world.assert_lists_are_true(&rooms).await;
            let reborn = world.reborn(Crash::Killed).await;
            reborn.assert_lists_are_true(&rooms).await;
        });
        Ok(())
    });
    driven.expect("holds for every talk");
}

both_modes! {
    async fn whoever_was_answered_finds_it_in_the_next_list(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let room = world.room(&["ann", "bob"]).await;
        for number in 1..=50 {
            let text = format!("{number}");
            world.posted(&room, "ann", &text).await;
            // Nothing is waited for but the answer.
            let page = world.node.conversations(&company, &person("ann"), first(), 10).await;
            let last = page.expect("listed").conversations[0].summary.last.clone();
            assert_eq!(&*last.expect("a message").preview, text);
            // And where little happens, what others did is there too.
            world.clock.advance_ms(HURRY_WAIT_MS);
            let unread = world.node.totals(&company, &person("bob")).await.expect("listed");
            assert_eq!(unread.unread_messages, 1, "said {number}");
            world.mark(&room, "bob", number).await;
            let unread = world.node.totals(&company, &person("bob")).await.expect("listed");
            assert_eq!(unread.unread_messages, 0, "read {number}");
        }
    }

    async fn a_list_is_read_in_pages_without_gap_or_double(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        for number in 0..25 {
            let room = world.room(&["ann", "bob"]).await;
            if number % 3 == 0 {
                world.posted(&room, "bob", "hi").await;
            }
            if number % 5 == 0 {
                world.clock.advance_ms(1_000);
            }
        }
        let mut seen = Vec::new();
        let mut from = first();
        loop {
            let page = world.node.conversations(&company, &person("bob"), from, 7).await;
            let page = page.expect("listed");
            assert_eq!(page.totals.rooms, 25);
            seen.extend(page.conversations.iter().map(|found| found.summary.conversation.0));
            let Some(next) = page.next else {
                // And back again.
                let mut back: Vec<u64> = Vec::new();
                let mut previous = page.previous;
                while let Some(cursor) = previous {
                    let from = ListFrom::Before(cursor);
                    let page = world.node.conversations(&company, &person("bob"), from, 7).await;
                    let page = page.expect("listed");
                    let numbers = page.conversations.iter();
                    let numbers = numbers.map(|found| found.summary.conversation.0);
                    back.splice(0..0, numbers);
                    previous = page.previous;
                }
                assert_eq!(back, seen[..21]);
                break;
            };
            from = ListFrom::After(next);
        }
        let mut once = seen.clone();
        once.sort_unstable();
        assert_eq!(once, (1..=25).collect::<Vec<u64>>());
        let whole = world.node.conversations(&company, &person("bob"), first(), 100).await;
        let whole: Vec<u64> = whole
            .expect("listed")
            .conversations
            .iter()
            .map(|found| found.summary.conversation.0)
            .collect();
        assert_eq!(seen, whole);
    }

    async fn nobody_lists_what_is_not_theirs(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "secret").await;
        for (company, who) in [(company_of("SPA001"), "ann"), (company.clone(), "eve")] {
            let page = world.node.conversations(&company, &person(who), first(), 10).await;
            assert_eq!(page.expect("listed").conversations, []);
            let none = world.node.totals(&company, &person(who)).await;
            assert_eq!(none.expect("listed"), Totals::default());
            let room = room_id(&room);
            let found = world.node.summary(&company, &person(who), &room).await;
            assert_eq!(found.expect("listed"), None);
        }
    }

    async fn lists_that_were_lost_are_made_again_from_the_rooms(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let rooms = [world.room(&["ann", "bob"]).await, world.room(&["cy", "dee"]).await];
        for room in &rooms {
            world.fill(room, if room == &rooms[0] { "ann" } else { "cy" }, 30).await;
        }
        let before = totals(&world, &person("bob")).await;
        assert_eq!(before.unread_messages, 30);
        for table in rows::tables_of_lists().into_iter().chain([b'v']) {
            let found = world.node.directory.rows(&company, &[table], &[table + 1], false, 1_000);
            let gone = found.expect("rows").into_iter().map(|(key, _)| Row { key, value: None });
            let gone = gone.collect();
            let put = world.node.directory.put_rows(&company, gone, RowsWait::Durable);
            put.expect("written");
        }
        let reborn = world.reborn(Crash::PowerLoss).await;
        assert_eq!(totals(&reborn, &person("bob")).await, before);
        reborn.assert_lists_are_true(&rooms).await;
        // Wrong rows, not lost ones: made again when asked to.
        let wrong = rows::totals_key(&person("bob"));
        let wrong = crate::company::tables::set(wrong, &Totals::default());
        let put = reborn.node.directory.put_rows(&company, vec![wrong], RowsWait::Durable);
        put.expect("written");
        reborn.node.rebuild_lists(&company).await.expect("rebuilt");
        assert_eq!(totals(&reborn, &person("bob")).await, before);
    }

    async fn a_busy_room_is_one_row_and_not_one_for_each_message(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        // The clock of these tests stands, so nothing is due by itself but once.
        let before = world.node.index.written();
        world.fill(&room, "ann", 500).await;
        let company = company_of("TES001");
        assert_eq!(totals(&world, &person("bob")).await.unread_messages, 500);
        let key = rows::list_bounds(&person("bob"));
        let listed = world.node.directory.rows(&company, &key.0, &key.1, false, 10);
        let listed: BTreeMap<_, _> = listed.expect("rows").into_iter().collect();
        assert_eq!(listed.len(), 1);
        // Filled 64 at a time, and looked at twice; a row for each message would be 500 writes.
        let written = world.node.index.written() - before;
        assert!(written < 50, "{written} writes");
        world.all_asleep().await;
    }

    async fn a_room_that_is_given_up_costs_nobody_elses_list(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let broken = world.room(&["ann", "bob"]).await;
        let sound = world.room(&["ann", "cy"]).await;
        world.posted(&broken, "ann", "hello").await;
        for _ in 0..=RESTART_COUNT_MAX {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        world.post(&broken, "ann", "lost", fresh_cid()).await;
        world.posted(&sound, "ann", "hi").await;
        for name in ["ann", "bob", "cy"] {
            let page = world.node.conversations(&company, &person(name), first(), 10).await;
            assert!(page.is_ok(), "{name}: {page:?}");
        }
    }

    async fn what_a_crashed_actor_wrote_is_listed_before_it_is_answered(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let room = world.room(&["ann", "bob"]).await;
        for number in 1..=6 {
            world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
            world.post(&room, "ann", &number.to_string(), fresh_cid()).await;
            let page = world.node.conversations(&company, &person("ann"), first(), 10).await;
            let last = page.expect("listed").conversations[0].summary.last.clone();
            assert_eq!(&*last.expect("a message").preview, number.to_string());
        }
    }

    async fn a_node_serves_before_it_knows_what_is_owed_and_lists_wait(serialize: bool) {
        let world = World::new(serialize).await;
        let (company, bob) = (company_of("TES001"), person("bob"));
        let rooms = [world.room(&["ann", "bob"]).await, world.room(&["cy", "bob"]).await];
        // Nothing is written into lists from here on.
        let _held = world.node.index.writers.acquire().await;
        for (room, who) in [(&rooms[0], "ann"), (&rooms[1], "cy")] {
            world.posted(room, who, "1").await;
            world.posted(room, who, "2").await;
        }
        let reborn = world.reborn_with(Crash::Killed, Faults::hold_marks).await;
        for room in &rooms {
            assert!(reborn.journal().pending_of(room).expect("read").is_some());
        }
        // One comes up and tells before anyone knows that it owed something.
        reborn.posted(&rooms[1], "cy", "3").await;
        let is_listed = || reborn.journal().pending_of(&rooms[1]).expect("read").is_none();
        eventually("what it owed is listed", is_listed).await;
        let refused = reborn.node.totals(&company, &bob).await.expect_err("not known");
        assert_eq!(refused.code, ErrorCode::Unavailable);
        reborn.release();
        assert_eq!(totals(&reborn, &bob).await.unread_messages, 5);
        eventually("nothing is owed", || {
            reborn.journal().pending().expect("read").is_empty()
        })
        .await;
    }

    async fn a_node_that_cannot_read_what_is_owed_is_not_ready_and_tries_again(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let _held = world.node.index.writers.acquire().await;
        for text in ["1", "2"] {
            world.posted(&room, "ann", text).await;
        }
        let reborn = world.reborn_with(Crash::Killed, Faults::fail_next_marks).await;
        eventually("it is known", || reborn.node.index.unread().is_some()).await;
        assert!(reborn.node.probe().await.expect_err("red").contains("what is owed"));
        eventually("it was tried again", || reborn.node.index.unread().is_none()).await;
        assert_eq!(totals(&reborn, &person("bob")).await.unread_messages, 2);
        reborn.node.probe().await.expect("ready");
    }

    async fn more_rooms_than_come_up_at_once_and_one_that_is_up_are_listed(serialize: bool) {
        let world = World::new(serialize).await;
        let (company, bob) = (company_of("TES001"), person("bob"));
        let mut rooms = Vec::new();
        for _ in 0..WAKE_AT_ONCE_COUNT + 8 {
            rooms.push(world.room(&["ann", "bob"]).await);
        }
        // Nothing is written into lists from here on.
        let _held = world.node.index.writers.acquire().await;
        for room in &rooms {
            world.posted(room, "ann", "hello").await;
        }
        let reborn = world.reborn_with(Crash::Killed, Faults::hold_marks).await;
        reborn.posted(&rooms[0], "ann", "again").await;
        reborn.release();
        let unread = reborn.node.totals(&company, &bob).await.expect("listed").unread_messages;
        assert_eq!(unread, rooms.len() as u64 + 1);
    }

    async fn companies_without_anyone_awake_keep_no_lists_in_memory(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "hello").await;
        world.all_asleep().await;
        eventually("nothing is kept", || {
            world.node.index.rest();
            world.node.index.companies.is_empty()
        })
        .await;
        assert_eq!(totals(&world, &person("bob")).await.unread_messages, 1);
    }

    async fn a_page_is_in_the_order_of_what_it_shows(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let ann = person("ann");
        for _ in 0..2 {
            world.room(&["ann", "bob"]).await;
            world.clock.advance_ms(1_000);
        }
        let numbers = async || {
            let page = world.node.conversations(&company, &ann, first(), 10).await;
            let found = page.expect("listed").conversations.into_iter();
            found.map(|found| found.summary).collect::<Vec<_>>()
        };
        let before = numbers().await;
        // The newest has moved up since its place was read: behind the other, as if it were older.
        let place = (before[0].changed_at, before[0].conversation);
        let value = world
            .node
            .directory
            .row(&company, &rows::list_key(&ann, place))
            .expect("read")
            .expect("listed");
        let moved = [(place, None), ((Timestamp(1), place.1), Some(value))];
        let moved = moved.map(|(place, value)| Row {
            key: rows::list_key(&ann, place),
            value,
        });
        let written = world.node.directory.put_rows(&company, moved.into(), RowsWait::Applied);
        written.expect("written");
        assert_eq!(numbers().await, before);
    }
}
