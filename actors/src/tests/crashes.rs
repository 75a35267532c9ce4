//! What a crash of an actor, of a company's supervisor or of a node leaves whole.

use frontdesk_protocol::ErrorCode;
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::{Crash, Verdict};

use super::{World, both_modes, company_of, eventually, fresh_cid, is_done, place, refusal};
use crate::entity::{CidBy, Named};
use crate::limits::{CID_WINDOW_COUNT, RESTART_COUNT_MAX, RESTART_WINDOW_MS};

both_modes! {
    async fn a_room_that_crashes_keeps_its_commands_in_order(serialize: bool) {
        let world = World::new(serialize).await;
        let (room, neighbour) = (world.room(&["ann"]).await, world.room(&["ann"]).await);
        let ear = world.join(&room, "ann", None).await;
        let door = world.door();
        world.hold_commits().await;
        for number in 1..=100 {
            door.post(&room, "ann", &number.to_string(), world.cid(number), number);
        }
        world.held();
        world.node.registry.crash(&room);
        door.post(&room, "ann", "101", world.cid(101), 101);
        door.post(&neighbour, "ann", "beside", fresh_cid(), 102);
        world.release();
        let heard = door.heard(102).await;
        let seqs: Vec<u64> = heard
            .iter()
            .filter(|(cseq, _)| *cseq <= 101)
            .map(|(_, told)| place(told).0)
            .collect();
        assert_eq!(seqs, (1..=101).collect::<Vec<u64>>());
        let texts: Vec<String> = (1..=101).map(|number| number.to_string()).collect();
        let stored: Vec<String> = world.texts(&room).await.into_iter().map(|at| at.1).collect();
        assert_eq!(stored, texts);
        assert_eq!(world.texts(&neighbour).await.len(), 1);
        eventually("the head is known", || ear.ear.is_behind() || ear.ear.count() == 101).await;
        ear.catch_up().await;
        ear.has_all(1, 101).await;
    }

    async fn every_fault_of_an_append_is_survived_without_loss_or_double(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let faults = [
            Verdict::WriteAnswerUnknown,
            Verdict::DropAnswerUnknown,
            Verdict::AnswerFenced,
        ];
        for (number, fault) in (1_u64..).zip(faults) {
            world.memory.faults().next_append(fault);
            let outcome = world.post(&room, "ann", "said", world.cid(number)).await;
            assert_eq!(place(&outcome).0, number, "{fault:?}");
        }
        let seqs: Vec<u64> = world.texts(&room).await.iter().map(|at| at.0).collect();
        assert_eq!(seqs, [1, 2, 3]);
    }

    async fn a_room_that_crashes_while_it_starts_is_started_again(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "hello").await;
        let seat = world.join(&room, "ann", None).await;
        // The mark is durable and its actor gone; the next one shows it before it serves anyone.
        seat.ear.break_once();
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        world.mark(&room, "bob", 1).await;
        assert_eq!(world.posted(&room, "bob", "served").await.0, 2);
        world.all_asleep().await;
    }

    async fn a_room_without_budget_is_unavailable_and_comes_back_later(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let neighbour = world.room(&["ann"]).await;
        for _ in 0..=RESTART_COUNT_MAX {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        let refused = world.post(&room, "ann", "hello", world.cid(1)).await;
        assert_eq!(refusal(&refused), ErrorCode::Unavailable);
        let refused = world.post(&room, "ann", "hello", world.cid(1)).await;
        assert_eq!(refusal(&refused), ErrorCode::Unavailable);
        assert_eq!(world.posted(&neighbour, "ann", "beside").await.0, 1);
        world.clock.advance_ms(RESTART_WINDOW_MS);
        assert_eq!(place(&world.post(&room, "ann", "hello", world.cid(1)).await), (1, false));
        world.all_asleep().await;
    }

    async fn what_was_written_as_a_room_was_given_up_is_not_done_again_for_its_node(
        serialize: bool
    ) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        for _ in 0..RESTART_COUNT_MAX {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let by = CidBy::Node;
        let named = |number| Named { cid: world.cid(number), by };
        let told = world.post(&room, "ann", "hello", named(1)).await;
        assert_eq!(refusal(&told), ErrorCode::Unavailable);
        world.clock.advance_ms(RESTART_WINDOW_MS);
        assert_eq!(place(&world.post(&room, "ann", "hello", named(1)).await), (1, true));
        for number in 2..CID_WINDOW_COUNT as u64 + 10 {
            world.post(&room, "ann", "more", named(number)).await;
        }
        world.all_asleep().await;
        assert_eq!(place(&world.post(&room, "ann", "hello", named(1)).await), (1, true));
    }

    async fn an_entity_that_was_given_up_leaves_the_registry(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        for _ in 0..=RESTART_COUNT_MAX {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        let refused = world.post(&room, "ann", "hello", world.cid(1)).await;
        assert_eq!(refusal(&refused), ErrorCode::Unavailable);
        world.clock.advance_ms(RESTART_WINDOW_MS);
        world.all_asleep().await;
    }

    async fn a_crash_of_a_companys_supervisor_restarts_that_company_only(serialize: bool) {
        let world = World::new(serialize).await;
        let here = world.room_of("TES001", &["ann"]).await;
        let sleeper = world.room_of("TES001", &["ann"]).await;
        let there = world.room_of("SPA001", &["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&here, "ann", "1", world.cid(1), 1);
        world.held();
        door.post(&there, "ann", "there", fresh_cid(), 3);
        world.node.supervisors.crash(&company_of("TES001"));
        door.post(&here, "ann", "2", world.cid(2), 2);
        world.release();
        let heard = door.heard(3).await;
        assert!(heard.iter().all(|(_, told)| is_done(told)), "{heard:?}");
        eventually("the company is up again", || {
            let entity = EntityId::company(company_of("TES001"));
            world.node.registry.incarnation(&entity) > Some(0)
                && world.node.registry.incarnation(&sleeper) > Some(0)
        })
        .await;
        assert_eq!(world.posted(&sleeper, "ann", "hello").await.0, 1);
        let texts = [(1, "1".to_owned()), (2, "2".to_owned())];
        assert_eq!(world.texts(&here).await, texts);
        let more = world.room_of("TES001", &["ann"]).await;
        assert_eq!(world.posted(&more, "ann", "new").await.0, 1);
        world.all_asleep().await;
    }

    async fn an_entity_that_leaves_while_its_supervisor_crashes_is_found_again(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        for round in 1..=20 {
            let outcome = world.post(&room, "ann", "again", world.cid(round)).await;
            assert_eq!(place(&outcome).0, round);
            world.clock.advance_ms(60_000);
            world.node.registry.tick(&world.node);
            world.node.supervisors.crash(&company_of("TES001"));
        }
        world.all_asleep().await;
    }

    async fn a_node_that_is_killed_loses_nothing_it_acknowledged(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.fill(&room, "ann", 300).await;
        for crash in [Crash::Killed, Crash::PowerLoss] {
            let reborn = world.reborn(crash).await;
            let texts = reborn.texts(&room).await;
            assert_eq!(texts, world.texts(&room).await);
            assert_eq!(reborn.posted(&room, "ann", "after").await.0, 301);
        }
    }
}
