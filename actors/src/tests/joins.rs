//! Joins and resumes: at the head, behind it, from another log, and racing what is said.

use std::sync::Arc;

use frontdesk_protocol::native::{PageFrom, Resume};
use frontdesk_protocol::{ErrorCode, HistoryId, Seq};
use frontdesk_storage::testing::{Crash, Verdict};

use super::listeners::since;
use super::{World, both_modes, company_of, eventually, fresh_cid, person, place, seq_and_text};
use crate::edge::ReplayStep;
use crate::limits::RESUME_PUSH_COUNT_MAX;

both_modes! {
    async fn a_join_is_live_at_the_head(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 3).await;
        let bob = world.join(&room, "bob", None).await;
        assert_eq!((bob.joined.resume, bob.joined.head), (Resume::Ok, Seq(3)));
        assert!(!bob.joined.is_behind);
        assert_eq!(bob.joined.marks[&person("ann")], Seq(3));
        world.posted(&room, "ann", "4").await;
        bob.has_all(4, 4).await;
        assert_eq!(bob.step().await, ReplayStep::Live);
        bob.has_all(4, 4).await;
    }

    async fn a_stranger_cannot_join_nor_learn_that_there_is_a_room(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let none = frontdesk_storage::EntityId::room(
            company_of("TES001"),
            crate::clock::fresh_room_id(),
        );
        for room in [room, none] {
            let refused = world.try_join(&room, "eve", None).await.err().expect("refused");
            assert_eq!(refused.code, ErrorCode::UnknownRoom);
        }
        assert_eq!(world.node.counts().edges, 0);
    }

    async fn a_resume_gets_what_it_missed_and_then_lives(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 300).await;
        let first = world.join(&room, "bob", None).await;
        let bob = world.join(&room, "bob", first.since(10)).await;
        assert_eq!(bob.joined.resume, Resume::Ok);
        assert!(bob.joined.is_behind);
        world.posted(&room, "ann", "301").await;
        assert_eq!(bob.ear.count(), 0, "live events are not queued for who is behind");
        bob.catch_up().await;
        bob.has_all(11, 301).await;
        world.posted(&room, "ann", "302").await;
        bob.has_all(11, 302).await;
    }

    async fn a_resume_at_the_head_is_live_at_once(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 5).await;
        let first = world.join(&room, "bob", None).await;
        let idle = world.join(&room, "bob", first.since(5)).await;
        assert_eq!(idle.joined.resume, Resume::Ok);
        assert!(!idle.joined.is_behind);
        assert_eq!(idle.step().await, ReplayStep::Live);
        assert_eq!(idle.ear.count(), 0);
        world.posted(&room, "ann", "6").await;
        idle.has_all(6, 6).await;
    }

    async fn a_resume_of_another_log_or_from_the_future_is_reset(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 5).await;
        let first = world.join(&room, "bob", None).await;
        let other = HistoryId(first.joined.history_id.0 ^ 1);
        for since in [since(other, 3), first.since(6), first.since(u64::MAX)] {
            let bob = world.join(&room, "bob", since).await;
            assert_eq!(bob.joined.resume, Resume::Reset);
            world.posted(&room, "ann", "next").await;
            eventually("live from the head on", || bob.ear.count() == 1).await;
            assert_eq!(bob.ear.seqs(), [bob.joined.head.0 + 1]);
            bob.leave();
            let page = world.node.history(&room, PageFrom::After(bob.joined.head), 10).await;
            assert_eq!(page.expect("a page").events.len(), 1);
            if bob.joined.head.0 >= 5 {
                return;
            }
        }
    }

    async fn a_resume_that_misses_too_much_is_told_to_page(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", RESUME_PUSH_COUNT_MAX + 1).await;
        let first = world.join(&room, "bob", None).await;
        let page = world.join(&room, "bob", first.since(0)).await;
        assert_eq!((page.joined.resume, page.joined.is_behind), (Resume::Page, false));
        let whole = world.join(&room, "bob", first.since(1)).await;
        assert_eq!((whole.joined.resume, whole.joined.is_behind), (Resume::Ok, true));
        whole.catch_up().await;
        whole.has_all(2, RESUME_PUSH_COUNT_MAX + 1).await;
        assert_eq!(page.ear.count(), 0);
    }

    async fn resumes_that_race_live_messages_miss_and_double_nothing(serialize: bool) {
        let world = Arc::new(World::new(serialize).await);
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 2).await;
        let history_id = world.join(&room, "bob", None).await.joined.history_id;
        for round in 0..60 {
            let head = world.journal().tail(&room).expect("a tail").seq.0;
            let door = world.door();
            let posting = async {
                for number in 0..40 {
                    door.post(&room, "ann", "live", fresh_cid(), number);
                    if number % 4 == round % 4 {
                        tokio::task::yield_now().await;
                    }
                }
            };
            let resuming = async {
                let from = head - round % 3;
                let bob = world.join(&room, "bob", since(history_id, from)).await;
                bob.catch_up().await;
                (bob, from)
            };
            let ((), (bob, from)) = tokio::join!(posting, resuming);
            door.heard(40).await;
            bob.has_all(from + 1, head + 40).await;
            bob.leave();
        }
    }

    async fn a_page_of_the_journal_never_runs_ahead_of_the_edge(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 2).await;
        let history_id = world.join(&room, "ann", None).await.joined.history_id;
        // The edge is new, so its ring is empty and pages come from the journal.
        let bob = world.join(&room, "bob", since(history_id, 1)).await;
        let frozen = world.journal().tail(&room).expect("a tail");
        assert_eq!(frozen.seq, Seq(2));
        let page = world.node.events_after(&room, Seq(1), 10, usize::MAX).await.expect("a page");
        let mut ahead = page.clone();
        let frontdesk_protocol::event::RoomEvent::MessagePosted(last) = &page[0] else {
            panic!("a message");
        };
        let mut next = last.clone();
        next.seq = Seq(3);
        ahead.push(frontdesk_protocol::event::RoomEvent::MessagePosted(next.clone()));
        // Durable, read by a replay, and published only then.
        bob.edge.replay_page(bob.joined.attachment, Seq(1), &ahead);
        assert_eq!(bob.step().await, ReplayStep::Live);
        bob.edge.on_publish(&crate::bus::Publish {
            epoch: frontdesk_protocol::Epoch(1),
            head: Seq(3),
            events: vec![frontdesk_protocol::event::RoomEvent::MessagePosted(next)].into(),
        });
        bob.has_all(2, 3).await;
    }

    async fn an_event_that_was_durable_and_never_published_is_replayed(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        world.posted(&room, "ann", "1").await;
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        assert_eq!(place(&world.post(&room, "ann", "2", world.cid(1)).await), (2, true));
        eventually("the gap is noticed", || bob.ear.is_behind()).await;
        bob.catch_up().await;
        bob.has_all(1, 2).await;
        world.posted(&room, "ann", "3").await;
        bob.has_all(1, 3).await;
    }

    async fn a_gap_before_an_event_is_replayed_before_it(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let door = world.door();
        for number in 1..=100 {
            door.post(&room, "ann", "said", fresh_cid(), number);
        }
        door.heard(100).await;
        eventually("the gap is noticed", || bob.ear.is_behind()).await;
        bob.catch_up().await;
        bob.has_all(1, 100).await;
    }

    async fn a_restarted_node_resumes_where_the_client_stopped(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 50).await;
        let bob = world.join(&room, "bob", None).await;
        let reborn = world.reborn(Crash::PowerLoss).await;
        let again = reborn.join(&room, "bob", bob.since(20)).await;
        assert_eq!(again.joined.resume, Resume::Ok);
        again.catch_up().await;
        again.has_all(21, 50).await;
    }

    async fn history_pages_meet_without_gap_or_overlap(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.fill(&room, "ann", 250).await;
        let mut seqs = Vec::new();
        let mut from = PageFrom::Latest;
        loop {
            let page = world.node.history(&room, from, 60).await.expect("a page");
            let page_seqs = page.events.iter().map(|event| seq_and_text(event).0);
            let page_seqs: Vec<u64> = page_seqs.collect();
            from = PageFrom::Before(Seq(page_seqs[0]));
            seqs.splice(0..0, page_seqs);
            if !page.more {
                break;
            }
        }
        assert_eq!(seqs, (1..=250).collect::<Vec<u64>>());
        for beyond in [250, 251, u64::MAX] {
            let page = world.node.history(&room, PageFrom::After(Seq(beyond)), 10).await;
            let page = page.expect("a page");
            assert!(page.events.is_empty() && !page.more);
        }
    }
}
