//! Listeners without space: they fall behind, alone, and get everything when they have space again.

use frontdesk_protocol::Seq;

use super::{World, both_modes, person};
use crate::edge::ReplayStep;
use crate::limits::RING_EVENT_COUNT_MAX;

both_modes! {
    async fn a_listener_without_space_lags_alone_and_replays_from_the_ring(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob", "cy"]).await;
        let bob = world.join(&room, "bob", None).await;
        let cy = world.join(&room, "cy", None).await;
        bob.ear.set_space(3);
        world.fill(&room, "ann", 10).await;
        cy.has_all(1, 10).await;
        assert!(bob.ear.is_behind() && !cy.ear.is_behind());
        bob.has_all(1, 3).await;
        assert_eq!(bob.step().await, ReplayStep::Full);
        bob.ear.set_space(usize::MAX);
        bob.catch_up().await;
        bob.has_all(1, 10).await;
        world.posted(&room, "ann", "11").await;
        bob.has_all(1, 11).await;
        let same = bob.ear.frames()[10].as_ptr() == cy.ear.frames()[10].as_ptr();
        assert!(same, "one encoding for everyone");
    }

    async fn beyond_the_ring_a_replay_reads_the_journal(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        bob.ear.set_space(1);
        let last = 3 * RING_EVENT_COUNT_MAX as u64;
        world.fill(&room, "ann", last).await;
        for space in [5, 1, 130] {
            bob.ear.set_space(space);
            while bob.step().await == ReplayStep::More {}
        }
        bob.has_all(1, 137).await;
        bob.ear.set_space(usize::MAX);
        bob.catch_up().await;
        bob.has_all(1, last).await;
    }

    async fn a_ring_that_rests_is_dropped_and_replay_goes_on(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        bob.ear.set_space(0);
        world.fill(&room, "ann", 10).await;
        world.clock.advance_ms(crate::limits::RING_IDLE_MS);
        world.node.edges.tick(&world.node);
        bob.ear.set_space(usize::MAX);
        bob.catch_up().await;
        bob.has_all(1, 10).await;
    }

    async fn detaching_ends_a_replay(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        world.fill(&room, "ann", 400).await;
        let bob = world.join(&room, "bob", ann.since(0)).await;
        assert_eq!(bob.step().await, ReplayStep::More);
        let pushed = bob.ear.count();
        bob.leave();
        assert_eq!(bob.step().await, ReplayStep::Gone);
        // The place is taken by another; the old name of it still means nothing.
        let again = world.join(&room, "bob", None).await;
        assert_eq!(bob.step().await, ReplayStep::Gone);
        bob.leave();
        world.posted(&room, "ann", "401").await;
        again.has_all(401, 401).await;
        assert_eq!(bob.ear.count(), pushed);
    }

    async fn the_last_to_leave_takes_the_edge_along(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        assert_eq!(ann.edge.present(), [person("ann"), person("bob")]);
        ann.leave();
        assert_eq!(world.node.counts().edges, 1);
        bob.leave();
        assert_eq!(world.node.counts().edges, 0);
        assert_eq!(world.posted(&room, "ann", "unheard").await, Seq(1));
        let bob = world.join(&room, "bob", None).await;
        assert_eq!(bob.joined.head, Seq(1));
    }

    async fn a_room_restarts_under_its_listeners_without_their_notice(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        for number in 1..=5 {
            world.posted(&room, "ann", "said").await;
            world.restart(&room).await;
            bob.has_all(1, number).await;
        }
        world.all_asleep().await;
        world.posted(&room, "ann", "woken").await;
        bob.has_all(1, 6).await;
        assert!(!bob.ear.is_behind());
    }
}
