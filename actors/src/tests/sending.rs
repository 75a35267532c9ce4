//! Files whose message nobody was told the outcome of: they are sent in no other room until it is
//! known, or can be nothing new any more. Time is leapt, which one thread alone allows.

use frontdesk_protocol::FileNo;

use super::uploads::{ended, send, uploaded, wish};
use super::*;
use crate::limits::DECIDED_MS;
use crate::node::ASK_TIMEOUT_MS;

/// A file of `ann` that waits, and two rooms of hers.
async fn with_a_file() -> (World, EntityId, EntityId) {
    let world = World::new(false).await;
    let rooms = (
        world.room(&["ann", "bob"]).await,
        world.room(&["ann", "eve"]).await,
    );
    let upload = uploaded(&world, 1, wish("a.txt", None)).await;
    ended(&world, &upload).await;
    world.writer_is_idle().await;
    (world, rooms.0, rooms.1)
}

async fn leap_ms(ms: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(ms)).await;
    tokio::time::resume();
}

/// Sends the file to a room whose append is held, until its sender was told that nobody knows.
async fn stalled(world: &World, room: &EntityId) {
    world.hold_commits().await;
    let door = world.door();
    door.submit(room, "ann", send(&[1]), fresh_cid(), 1);
    let faults = world.memory.faults();
    eventually("it is held", || faults.wait_until_held(Duration::ZERO)).await;
    leap_ms(ASK_TIMEOUT_MS).await;
    assert_eq!(door.heard(1).await, [(1, Outcome::Unknown)]);
}

async fn sent_in(world: &World, room: &EntityId) -> Outcome {
    let (who, command) = (principal("ann"), send(&[1]));
    let asked = world.node.ask(room.clone(), who, command, fresh_cid());
    asked.await
}

#[tokio::test]
async fn a_file_that_a_stalled_room_may_send_is_sent_in_no_other() {
    let (world, room, other) = with_a_file().await;
    stalled(&world, &room).await;
    assert_eq!(
        refusal(&sent_in(&world, &other).await),
        ErrorCode::Busy,
        "the first room has decided"
    );
    world.release();
    eventually("its outcome is known", || world.node.sending.count() == 0).await;
    world.writer_is_idle().await;
    let refused = sent_in(&world, &other).await;
    assert_eq!(refusal(&refused), ErrorCode::BadField, "it was sent before");
    let company = company_of("TES001");
    let file = world.node.file(&company, FileNo(1)).await.expect("read");
    assert_eq!(file.expect("kept").room, Some(room_id(&room)));
}

#[tokio::test]
async fn a_file_of_a_room_that_stays_silent_is_free_after_a_while() {
    let (world, room, _) = with_a_file().await;
    stalled(&world, &room).await;
    leap_ms(DECIDED_MS / 2).await;
    assert_eq!(world.node.sending.count(), 1);
    leap_ms(DECIDED_MS).await;
    eventually("it is free", || world.node.sending.count() == 0).await;
}
