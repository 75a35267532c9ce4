//! Nothing is told to anyone before it is durable; one append is in flight; batches.

use super::{World, both_modes, eventually, fresh_cid, is_done, person, place};

both_modes! {
    async fn nothing_is_answered_or_published_before_the_sync(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        let door = world.door();
        world.hold_syncs().await;
        door.post(&room, "ann", "hello", fresh_cid(), 1);
        world.held();
        assert_eq!(door.count(), 0);
        assert_eq!(bob.ear.count(), 0);
        assert_eq!(world.texts(&room).await, []);
        let facts = world.node.room_for(&room, &person("ann")).await;
        assert_eq!(facts.expect("read").expect("a room").head.0, 0);
        world.release();
        assert_eq!(place(&door.heard(1).await[0].1), (1, false));
        bob.has_all(1, 1).await;
        assert_eq!(world.texts(&room).await, [(1, "hello".to_owned())]);
    }

    async fn one_append_is_in_flight_and_up_to_64_commands_share_the_next(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "first", fresh_cid(), 0);
        world.held();
        for number in 1..=200 {
            door.post(&room, "ann", "more", fresh_cid(), number);
        }
        assert_eq!(world.memory.store().queue_depth(), 0, "one append, already taken");
        world.release();
        let heard = door.heard(201).await;
        let order: Vec<u64> = heard.iter().map(|(cseq, _)| *cseq).collect();
        assert_eq!(order, (0..=200).collect::<Vec<u64>>());
        assert_eq!(world.record_sizes(&room), [1, 1, 64, 64, 64, 8]);
    }

    async fn a_batch_is_bounded_in_bytes(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "first", fresh_cid(), 0);
        world.held();
        let longest = "\u{1F600}".repeat(10_000);
        for number in 1..=12 {
            door.post(&room, "ann", &longest, fresh_cid(), number);
        }
        world.release();
        let heard = door.heard(13).await;
        assert!(heard.iter().all(|(_, told)| is_done(told)));
        assert_eq!(world.record_sizes(&room), [1, 1, 6, 6]);
    }

    async fn a_failed_sync_answers_nobody_and_what_was_acknowledged_stays(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        world.posted(&room, "ann", "kept").await;
        let door = world.door();
        world.memory.faults().fail_next_sync();
        door.post(&room, "ann", "lost", fresh_cid(), 1);
        eventually("the store has failed", || world.journal().failure().is_some()).await;
        assert!(world.node.probe().await.is_err());
        assert!(door.outcomes().iter().all(|(_, told)| !is_done(told)));
        let reborn = world.reborn(frontdesk_storage::testing::Crash::PowerLoss).await;
        assert_eq!(reborn.texts(&room).await, [(1, "kept".to_owned())]);
        assert_eq!(reborn.posted(&room, "ann", "after").await.0, 2);
    }
}
