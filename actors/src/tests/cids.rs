//! A command that is sent twice is done once, whatever lies between the two.

use frontdesk_protocol::limits::CID_KEPT_MS;
use frontdesk_protocol::{Cid, ErrorCode, Timestamp};
use frontdesk_storage::testing::{Crash, Verdict};

use super::{START, World, both_modes, cid_at, person, place, refusal};
use crate::entity::named::find_in_records;
use crate::entity::{CidBy, Named};
use crate::limits::{CID_SWEEP_MS, CID_WINDOW_COUNT, NODE_CLOCKS_APART_MS};

fn by_node(cid: Cid) -> Named {
    let by = CidBy::Node;
    Named { cid, by }
}

both_modes! {
    async fn a_cid_twice_in_one_batch_is_done_once(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "first", world.cid(1), 0);
        world.held();
        for cseq in 1..=2 {
            door.post(&room, "ann", "twice", world.cid(2), cseq);
        }
        world.release();
        let heard = door.heard(3).await;
        assert_eq!(place(&heard[1].1), (2, false));
        assert_eq!(place(&heard[2].1), (2, true));
        assert_eq!(world.record_sizes(&room), [1, 1, 1]);
    }

    async fn a_cid_again_is_answered_with_its_first_place_awake_or_woken(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let cid = world.cid(1);
        let first = world.post(&room, "ann", "once", cid).await;
        assert_eq!(place(&first), (1, false));
        assert_eq!(place(&world.post(&room, "ann", "once", cid).await), (1, true));
        world.all_asleep().await;
        assert_eq!(place(&world.post(&room, "ann", "once", cid).await), (1, true));
        let other = world.post(&room, "bob", "once", cid).await;
        assert_eq!(place(&other), (2, false), "another person's cid is another command");
    }

    async fn a_cid_is_found_in_the_index_after_newer_ones_and_a_snapshot(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let cid = cid_at(Timestamp(START.0 - 1_000), 1);
        assert_eq!(place(&world.post(&room, "ann", "old", cid).await), (1, false));
        world.fill(&room, "ann", CID_WINDOW_COUNT as u64 + 44).await;
        assert_eq!(place(&world.post(&room, "ann", "old", cid).await), (1, true));
        world.all_asleep().await;
        assert_eq!(place(&world.post(&room, "ann", "old", cid).await), (1, true));
        for number in 0..20 {
            world.posted(&room, "ann", &number.to_string()).await;
        }
        world.all_asleep().await;
        world.writer_is_idle().await;
        assert!(world.journal().snapshot(&room).expect("read").is_some());
        assert_eq!(place(&world.post(&room, "ann", "old", cid).await), (1, true));
    }

    async fn a_cid_that_a_node_made_is_in_no_index_and_found_in_the_records(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let named = by_node(world.cid(1));
        assert_eq!(place(&world.post(&room, "ann", "old", named).await), (1, false));
        assert_eq!(place(&world.post(&room, "ann", "old", named).await), (1, true));
        for number in 2..CID_WINDOW_COUNT as u64 + 44 {
            let more = by_node(world.cid(number));
            assert_eq!(place(&world.post(&room, "ann", "more", more).await), (number, false));
        }
        assert_eq!(place(&world.post(&room, "ann", "old", named).await), (1, true));
        world.all_asleep().await;
        world.writer_is_idle().await;
        assert!(world.journal().snapshot(&room).expect("read").is_some());
        assert_eq!(place(&world.post(&room, "ann", "old", named).await), (1, true));
        let row = world.journal().cid(&room, &person("ann"), &named.cid);
        assert!(row.expect("read").is_none());
        let bobs = world.post(&room, "bob", "bob's", named).await;
        assert!(!place(&bobs).1, "another person's cid is another command");
        let fresh = by_node(cid_at(START, u64::MAX >> 1));
        assert!(!place(&world.post(&room, "ann", "new", fresh).await).1);
    }

    async fn a_nodes_cid_is_found_though_clocks_are_a_minute_apart_and_no_more(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let ahead = |by_ms| cid_at(Timestamp(START.0 + by_ms), 1);
        let made = [0, NODE_CLOCKS_APART_MS, NODE_CLOCKS_APART_MS + 1];
        for by_ms in made {
            world.post(&room, "ann", "done", by_node(ahead(by_ms))).await;
        }
        let find = |cids: &[Cid]| {
            let wanted = cids.iter().map(|cid| (person("ann"), *cid)).collect();
            let found = find_in_records(&**world.journal(), &room, wanted).expect("read");
            let mut seqs: Vec<u64> = found.values().map(|row| row.seq.0).collect();
            seqs.sort_unstable();
            seqs
        };
        let all = made.map(ahead);
        assert_eq!(find(&all), [1, 2, 3], "the newest records are looked at in any case");
        assert_eq!(find(&[world.cid(9)]), [0; 0], "never done");
        for number in 10..110 {
            world.post(&room, "ann", "later", by_node(world.cid(number))).await;
        }
        assert_eq!(all.map(|cid| find(&[cid]).len()), [1, 1, 0]);
        assert_eq!(find(&all), [1, 2, 3], "as far back as for the first of them");
    }

    async fn a_cid_that_its_own_batch_pushes_out_of_memory_is_still_known(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let oldest = world.cid(1);
        world.post(&room, "ann", "oldest", oldest).await;
        for number in 2..=CID_WINDOW_COUNT as u64 - 1 {
            world.post(&room, "ann", "more", world.cid(number)).await;
        }
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "held", world.cid(1_000), 0);
        world.held();
        door.post(&room, "ann", "pushes", world.cid(1_001), 1);
        door.post(&room, "ann", "oldest", oldest, 2);
        world.release();
        let heard = door.heard(3).await;
        assert_eq!(place(&heard[2].1), (1, true));
    }

    async fn a_written_command_whose_answer_was_lost_is_answered_from_the_journal(
        serialize: bool
    ) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        assert_eq!(place(&world.post(&room, "ann", "once", world.cid(1)).await), (1, true));
        assert_eq!(world.texts(&room).await, [(1, "once".to_owned())]);
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let named = by_node(world.cid(2));
        assert_eq!(place(&world.post(&room, "ann", "again", named).await), (2, true));
        assert_eq!(world.texts(&room).await.len(), 2);
    }

    async fn a_dropped_command_whose_answer_was_lost_is_done_afresh(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        assert_eq!(place(&world.post(&room, "ann", "once", world.cid(1)).await), (1, false));
        assert_eq!(world.texts(&room).await, [(1, "once".to_owned())]);
    }

    async fn a_cid_in_flight_when_the_node_dies_is_resolved_by_the_next(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_syncs().await;
        door.post(&room, "ann", "once", world.cid(1), 1);
        world.held();
        let lost = world.reborn(Crash::PowerLoss).await;
        assert_eq!(place(&lost.post(&room, "ann", "once", world.cid(1)).await), (1, false));
        world.release();
        door.heard(1).await;
        let kept = world.reborn(Crash::PowerLoss).await;
        assert_eq!(place(&kept.post(&room, "ann", "once", world.cid(1)).await), (1, true));
    }

    async fn a_cid_used_for_another_text_is_refused(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.post(&room, "ann", "one", world.cid(1)).await;
        let other = world.post(&room, "ann", "two", world.cid(1)).await;
        assert_eq!(refusal(&other), ErrorCode::CidReused);
        world.all_asleep().await;
        let other = world.post(&room, "ann", "two", world.cid(1)).await;
        assert_eq!(refusal(&other), ErrorCode::CidReused);
        assert_eq!(world.texts(&room).await, [(1, "one".to_owned())]);
    }

    async fn a_cid_is_known_for_a_day_and_then_expired(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let known = world.cid(1);
        world.post(&room, "ann", "known", known).await;
        let unknown = world.cid(2);
        world.clock.advance_ms(CID_KEPT_MS);
        assert_eq!(place(&world.post(&room, "ann", "known", known).await), (1, true));
        world.clock.advance_ms(CID_SWEEP_MS);
        for cid in [unknown, known] {
            let refused = world.post(&room, "ann", "known", cid).await;
            assert_eq!(refusal(&refused), ErrorCode::CidExpired);
        }
        assert_eq!(world.texts(&room).await.len(), 1);
    }

    async fn a_key_without_a_time_is_known_for_a_day_and_no_longer(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let key = Cid::from_digest([7; 16]);
        assert_eq!(place(&world.post(&room, "ann", "key", key).await), (1, false));
        world.fill(&room, "ann", CID_WINDOW_COUNT as u64).await;
        world.clock.advance_ms(CID_KEPT_MS);
        for _ in 0..2 {
            let again = world.post(&room, "ann", "key", key).await;
            assert_eq!(place(&again), (1, true), "before and after a look at what is over");
        }
        world.clock.advance_ms(CID_SWEEP_MS);
        world.mark(&room, "ann", 1).await;
        let anew = world.post(&room, "ann", "key", key).await;
        assert_eq!(place(&anew), (CID_WINDOW_COUNT as u64 + 2, false));
    }
}
