//! What a viewer is shown of themselves: own messages in own words, live and replayed, and no
//! coming and going of their own. A dialect may change while the connection is attached.

use frontdesk_protocol::Seq;

use super::listeners::{Ear, Seat};
use super::{World, both_modes, eventually};
use crate::edge::Start;
use crate::limits::{PRESENCE_DELAY_MS, PRESENCE_LEAVE_MS, RING_EVENT_COUNT_MAX};

async fn own(world: &World, room: &frontdesk_storage::EntityId, name: &str, start: Start) -> Seat {
    let seat = world.seat(room, Ear::of_own_words(name), start).await;
    seat.expect("joined")
}

both_modes! {
    async fn an_author_gets_own_words_and_the_others_the_message(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = own(&world, &room, "ann", Start::Head).await;
        let bob = own(&world, &room, "bob", Start::Head).await;
        let plain = world.join(&room, "ann", None).await;
        world.posted(&room, "ann", "from ann").await;
        world.posted(&room, "bob", "from bob").await;
        plain.has_all(1, 2).await;
        assert_eq!(ann.ear.texts(), ["1 own", "2 from bob"]);
        assert_eq!(bob.ear.texts(), ["1 from ann", "2 own"]);
        assert_eq!(plain.ear.texts(), ["1 from ann", "2 from bob"]);
    }

    async fn replays_tell_authors_as_live_frames_do(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let _keeper = world.join(&room, "bob", None).await;
        let count = RING_EVENT_COUNT_MAX as u64 + 2;
        world.fill(&room, "ann", count).await;
        // Ten events are left of the ring when this one asks; the first of them it must read.
        for first in [1, count - 9] {
            let ann = own(&world, &room, "ann", Start::At(Seq(first))).await;
            let bob = own(&world, &room, "bob", Start::At(Seq(first))).await;
            ann.catch_up().await;
            bob.catch_up().await;
            let expected: Vec<String> = (first..=count).map(|seq| format!("{seq} own")).collect();
            assert_eq!(ann.ear.texts(), expected);
            let expected: Vec<String> = (first..=count).map(|seq| format!("{seq} {seq}")).collect();
            assert_eq!(bob.ear.texts(), expected);
        }
    }

    async fn nobody_who_minds_is_told_of_their_own_coming_and_going(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob", "eve"]).await;
        let ann = own(&world, &room, "ann", Start::Head).await;
        let eve = world.join(&room, "eve", None).await;
        world.pass(PRESENCE_DELAY_MS);
        let again = own(&world, &room, "ann", Start::Head).await;
        let bob = own(&world, &room, "bob", Start::Head).await;
        world.pass(PRESENCE_DELAY_MS);
        bob.leave();
        world.pass(PRESENCE_LEAVE_MS);
        assert_eq!(
            ann.ear.ephemerals(),
            ["presence + eve -", "presence + bob -", "presence + - bob"]
        );
        assert_eq!(again.ear.ephemerals(), ["presence + bob -", "presence + - bob"]);
        assert!(eve.ear.ephemerals()[0].contains("ann"), "others are told");
    }

    async fn a_dialect_may_change_while_attached(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let ann = world.join(&room, "ann", None).await;
        world.posted(&room, "ann", "one").await;
        eventually("the first comes", || ann.ear.count() == 1).await;
        ann.ear.speak(1);
        world.posted(&room, "ann", "two").await;
        eventually("the second comes", || ann.ear.count() == 2).await;
        assert_eq!(ann.ear.texts(), ["1 one", "2 own"]);
    }
}
