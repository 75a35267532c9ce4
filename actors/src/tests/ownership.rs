//! Who may append is decided by the journal's fence, not by this node's maps.

use frontdesk_protocol::{Epoch, ErrorCode};
use frontdesk_storage::Tail;
use tokio::sync::oneshot;

use super::{World, both_modes, eventually, fresh_cid, place, refusal};

async fn fence(world: &World, room: &frontdesk_storage::EntityId, epoch: u64) -> Tail {
    let (sender, receiver) = oneshot::channel();
    let done = Box::new(move |tail| drop(sender.send(tail)));
    world.journal().fence(room, Epoch(epoch), done);
    receiver.await.expect("answered").expect("fenced")
}

both_modes! {
    async fn a_room_fenced_by_a_newer_owner_appends_no_more(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let neighbour = world.room(&["ann"]).await;
        world.posted(&room, "ann", "mine").await;
        let tail = fence(&world, &room, u64::MAX).await;
        assert_eq!(tail.seq.0, 1);
        let refused = world.post(&room, "ann", "not mine", world.cid(1)).await;
        assert_eq!(refusal(&refused), ErrorCode::Unavailable);
        assert_eq!(world.journal().tail(&room).expect("a tail"), tail);
        assert_eq!(world.texts(&room).await, [(1, "mine".to_owned())]);
        assert_eq!(world.posted(&neighbour, "ann", "beside").await.0, 1);
        eventually("no dead actor is counted", || world.node.counts().actors == 2).await;
    }

    async fn a_room_fenced_with_an_append_in_flight_doubles_nothing(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "1", world.cid(1), 1);
        world.held();
        door.post(&room, "ann", "2", world.cid(2), 2);
        // As another owner would, between this node's terms.
        world.node.registry.crash(&room);
        world.release();
        let heard = door.heard(2).await;
        let places: Vec<u64> = heard.iter().map(|(_, told)| place(told).0).collect();
        assert_eq!(places, [1, 2]);
        assert_eq!(world.texts(&room).await.len(), 2);
    }

    async fn a_repeat_after_a_new_owner_is_told_its_first_place(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        let cid = fresh_cid();
        world.post(&room, "ann", "once", cid).await;
        let reborn = world.reborn(frontdesk_storage::testing::Crash::Killed).await;
        assert_eq!(place(&reborn.post(&room, "ann", "once", cid).await), (1, true));
    }
}
