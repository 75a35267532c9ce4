//! Feeds: rooms that stir, places that begin at a seq or muted, and what is shown now without being
//! attached.

use std::sync::Arc;

use frontdesk_protocol::Seq;
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::Verdict;

use super::listeners::{Ear, Seat};
use super::{World, both_modes, eventually, fresh_cid, person, place, principal, room_id};
use crate::edge::{LeftAt, Listener, Start};
use crate::feed::{FEED_ROOM_PERSON_COUNT_MAX, Feed};
use crate::limits::TYPING_EXPIRES_MS;

impl World {
    /// An open feed and what it hears.
    fn feed(&self, name: &str) -> (Feed, Arc<Ear>) {
        let ear = Ear::of_feed(name);
        let company = &principal(name).company;
        let listener = Arc::clone(&ear) as Arc<dyn Listener>;
        (self.node.open_feed(company, listener), ear)
    }

    async fn seat_at(&self, room: &EntityId, ear: &Arc<Ear>, start: Start) -> Seat {
        self.seat(room, Arc::clone(ear), start)
            .await
            .expect("joined")
    }
}

both_modes! {
    async fn a_room_stirs_the_feeds_of_its_people_and_of_nobody_else(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "before").await;
        let (_ann, ann) = world.feed("ann");
        let (bobs, bob) = world.feed("bob");
        let (_eve, eve) = world.feed("eve");
        for text in ["one", "two"] {
            world.posted(&room, "ann", text).await;
        }
        let id = room_id(&room);
        eventually("both are told", || ann.stirs().len() == 2 && bob.stirs().len() == 2).await;
        assert_eq!(ann.stirs(), [(id, 2), (id, 3)]);
        assert_eq!(bob.stirs(), ann.stirs());
        drop(bobs);
        world.posted(&room, "ann", "three").await;
        eventually("ann is told", || ann.stirs().len() == 3).await;
        assert_eq!(bob.stirs().len(), 2, "a closed feed hears nothing");
        assert!(eve.stirs().is_empty());
    }

    async fn what_a_room_did_not_live_to_publish_its_successor_stirs(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "one").await;
        let (_feed, bob) = world.feed("bob");
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let outcome = world.post(&room, "ann", "two", fresh_cid()).await;
        assert_eq!(place(&outcome).0, 2);
        eventually("it is told", || !bob.stirs().is_empty()).await;
        assert_eq!(bob.stirs(), [(room_id(&room), 2)]);
        world.restart(&room).await;
        world.posted(&room, "ann", "three").await;
        eventually("the next is told", || bob.stirs().len() == 2).await;
        assert_eq!(bob.stirs()[1], (room_id(&room), 3), "a restart alone is no news");
    }

    async fn a_room_that_slept_stirs_from_what_is_new(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "one").await;
        let (_feed, bob) = world.feed("bob");
        world.all_asleep().await;
        world.posted(&room, "ann", "two").await;
        eventually("it is told", || !bob.stirs().is_empty()).await;
        assert_eq!(bob.stirs(), [(room_id(&room), 2)]);
    }

    async fn a_place_that_begins_at_a_seq_gets_everything_from_there(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 1_500).await;
        let ear = Ear::of("bob");
        let bob = world.seat_at(&room, &ear, Start::At(Seq(101))).await;
        assert!(bob.joined.is_behind);
        bob.catch_up().await;
        bob.has_all(101, 1_500).await;
        world.posted(&room, "ann", "1501").await;
        bob.has_all(101, 1_501).await;
        let left = bob.edge.detach(bob.joined.attachment);
        assert_eq!(left, Some(LeftAt::Before(Seq(1_502))));
        assert_eq!(bob.edge.detach(bob.joined.attachment), None, "left once");
        world.posted(&room, "ann", "1502").await;
        let again = world.seat_at(&room, &ear, Start::At(Seq(1_502))).await;
        again.catch_up().await;
        again.has_all(101, 1_502).await;
    }

    async fn who_leaves_behind_something_is_told_so(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        bob.ear.set_space(1);
        world.fill(&room, "ann", 3).await;
        eventually("bob falls behind", || bob.ear.is_behind()).await;
        let left = bob.edge.detach(bob.joined.attachment);
        assert_eq!(left, Some(LeftAt::Missing(Seq(2))));
    }

    async fn a_muted_place_gets_nothing_until_it_is_unmuted(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let other = world.join(&room, "ann", None).await;
        let ear = Ear::of_feed("bob");
        let bob = world.seat_at(&room, &ear, Start::Muted).await;
        assert!(!bob.joined.is_behind);
        world.fill(&room, "ann", 3).await;
        other.has_all(1, 3).await;
        assert_eq!(ear.count(), 0);
        assert!(bob.edge.unmute(bob.joined.attachment, Seq(2)));
        assert!(!bob.edge.unmute(bob.joined.attachment, Seq(1)), "once");
        bob.catch_up().await;
        bob.has_all(2, 3).await;
        world.posted(&room, "ann", "4").await;
        bob.has_all(2, 4).await;
        let muted = world.seat_at(&room, &ear, Start::Muted).await;
        let left = muted.edge.detach(muted.joined.attachment);
        assert_eq!(left, Some(LeftAt::Nowhere));
    }

    async fn typing_and_reading_reach_a_feed_once_attached_or_not(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        world.fill(&room, "ann", 2).await;
        let (_feed, bob) = world.feed("bob");
        let (_own, own) = world.feed("ann");
        let ann = world.join(&room, "ann", None).await;
        for attached in [false, true] {
            let seat = match attached {
                true => Some(world.seat_at(&room, &bob, Start::Head).await),
                false => None,
            };
            let before = bob.ephemerals().len();
            ann.edge.typing(&principal("ann"), true);
            world.pass(TYPING_EXPIRES_MS);
            let told = bob.ephemerals().split_off(before);
            assert_eq!(told, ["typing ann true", "typing ann false"], "{attached}");
            drop(seat);
        }
        // No edge is needed for a read mark.
        ann.leave();
        world.mark(&room, "bob", 2).await;
        eventually("ann is told", || !own.ephemerals().is_empty()).await;
        assert_eq!(own.ephemerals(), ["read bob 2"]);
        assert_eq!(bob.ephemerals().len(), 4, "nobody is told of themselves");
    }

    async fn typing_of_who_leaves_an_empty_room_ends_in_feeds(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let (_feed, bob) = world.feed("bob");
        let ann = world.join(&room, "ann", None).await;
        ann.edge.typing(&principal("ann"), true);
        ann.leave();
        assert_eq!(bob.ephemerals(), ["typing ann true", "typing ann false"]);
    }

    async fn a_feed_that_comes_to_a_room_is_no_presence(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.seat_at(&room, &Ear::of_feed("bob"), Start::Head).await;
        assert_eq!(bob.edge.present(), [person("ann")]);
        world.pass(crate::limits::PRESENCE_DELAY_MS);
        bob.leave();
        world.pass(crate::limits::PRESENCE_LEAVE_MS);
        assert_eq!(ann.ear.ephemerals(), ["presence + ann -"]);
    }

    async fn rooms_of_very_many_people_tell_no_feeds(serialize: bool) {
        let world = World::new(serialize).await;
        let count = FEED_ROOM_PERSON_COUNT_MAX + 1;
        let names: Vec<String> = (0..count).map(|i| format!("p{i}")).collect();
        let people: Vec<&str> = names.iter().map(String::as_str).collect();
        let (many, few) = (world.room(&people).await, world.room(&people[..count - 1]).await);
        let (_feed, ear) = world.feed("p1");
        world.posted(&many, "p0", "one").await;
        world.posted(&few, "p0", "one").await;
        eventually("as many as may be", || !ear.stirs().is_empty()).await;
        assert_eq!(ear.stirs(), [(room_id(&few), 1)]);
    }

    async fn typing_without_a_connection_leaves_no_edge_behind(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let (_feed, ear) = world.feed("bob");
        for active in [false, true, false] {
            world.node.typing(&room, &principal("ann"), active).await;
            world.pass(crate::limits::TYPING_EXPIRES_MS);
            world.pass(crate::limits::RING_IDLE_MS);
            eventually("the edge is left", || {
                world.pass(100);
                world.node.counts().edges == 0
            })
            .await;
        }
        assert_eq!(ear.ephemerals(), ["typing ann true", "typing ann false"]);
    }
}
