//! Commands are admitted as far as there is space and time, and refusals keep their order.

use frontdesk_protocol::ErrorCode;

use super::{World, both_modes, fresh_cid, is_done, place, principal_of, refusal, say};
use crate::limits::{ENVELOPE_OVERHEAD_BYTES, Limits};

both_modes! {
    async fn beyond_its_bytes_an_entity_is_busy_and_order_holds(serialize: bool) {
        let limits = Limits {
            entity_waiting_bytes: 4 * (ENVELOPE_OVERHEAD_BYTES + 1),
            ..Limits::default()
        };
        let world = World::with_limits(serialize, limits).await;
        let room = world.room(&["ann", "bob"]).await;
        let (door, other) = (world.door(), world.door());
        world.hold_commits().await;
        door.post(&room, "ann", "0", world.cid(0), 0);
        world.held();
        for number in 1..=6 {
            door.post(&room, "ann", &number.to_string(), world.cid(number), number);
        }
        let counts = world.node.counts();
        assert_eq!(counts.waiting_bytes, 4 * (ENVELOPE_OVERHEAD_BYTES + 1));
        let refused = door.heard(2).await;
        assert_eq!(refused.iter().map(|told| told.0).collect::<Vec<u64>>(), [5, 6]);
        assert!(refused.iter().all(|(_, told)| refusal(told) == ErrorCode::Busy));
        world.release();
        door.heard(7).await;
        door.post(&room, "ann", "6", world.cid(6), 7);
        assert_eq!(refusal(&door.heard(8).await[7].1), ErrorCode::Busy, "5 comes first");
        other.post(&room, "bob", "b", fresh_cid(), 1);
        assert!(is_done(&other.heard(1).await[0].1), "another door is free");
        door.post(&room, "ann", "5", world.cid(5), 8);
        door.post(&room, "ann", "6", world.cid(6), 9);
        let heard = door.heard(10).await;
        assert_eq!(place(&heard[8].1), (7, false));
        assert_eq!(place(&heard[9].1), (8, false));
    }

    async fn what_waits_too_long_for_the_journal_is_busy(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "in flight", world.cid(1), 1);
        world.held();
        door.post(&room, "ann", "waits", world.cid(2), 2);
        world.clock.advance_ms(5_000);
        world.node.registry.tick(&world.node);
        assert_eq!(door.count(), 0, "five seconds are not too long");
        world.clock.advance_ms(1);
        world.node.registry.tick(&world.node);
        let heard = door.heard(1).await;
        assert_eq!((heard[0].0, refusal(&heard[0].1)), (2, ErrorCode::Busy));
        door.post(&room, "ann", "later", world.cid(3), 3);
        assert_eq!(refusal(&door.heard(2).await[1].1), ErrorCode::Busy);
        world.release();
        assert_eq!(place(&door.heard(3).await[2].1), (1, false));
        door.post(&room, "ann", "waits", world.cid(2), 4);
        assert_eq!(place(&door.heard(4).await[3].1), (2, false));
    }

    async fn strangers_and_other_companies_are_refused_at_the_door(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let refused = world.post(&room, "eve", "hello", fresh_cid()).await;
        assert_eq!(refusal(&refused), ErrorCode::UnknownRoom);
        let caller = principal_of("SPA001", "ann");
        let crossed = world.node.ask(room.clone(), caller, say("x"), fresh_cid()).await;
        assert_eq!(refusal(&crossed), ErrorCode::Forbidden);
        assert_eq!(world.texts(&room).await, []);
    }
}
