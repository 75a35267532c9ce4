//! The same over each engine on disk: drained, closed, opened again.

use std::sync::Arc;

use frontdesk_protocol::native::Resume;
use frontdesk_storage::testing::ManualClock as StoreClock;
use frontdesk_storage::{Durability, EngineKind, OpenOptions, Store, open};

use super::{PATIENCE, START, World, both_modes, eventually, place};

fn try_store(folder: &std::path::Path, engine: EngineKind) -> Option<Arc<Store>> {
    let options = OpenOptions {
        path: folder.to_owned(),
        engine,
        durability: Durability::Buffered,
        cache_bytes: 16 * 1024 * 1024,
        clock: StoreClock::at(START).to_clock(),
        fatal: Arc::new(|why| panic!("the store failed: {why}")),
    };
    open(&options).ok()
}

/// Opens the store as soon as whoever had it before has let go.
async fn store(folder: &std::path::Path, engine: EngineKind) -> Arc<Store> {
    let mut opened = None;
    eventually("the store opens", || {
        opened = try_store(folder, engine);
        opened.is_some()
    })
    .await;
    opened.expect("opened")
}

both_modes! {
    async fn a_node_goes_on_over_a_store_that_was_closed_and_opened_again(serialize: bool) {
        for engine in EngineKind::ALL {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let opened = store(folder.path(), engine).await;
            let world = World::on(Arc::clone(&opened), serialize).await;
            let room = world.room(&["ann", "bob"]).await;
            let bob = world.join(&room, "bob", None).await;
            world.fill(&room, "ann", 300).await;
            bob.has_all(1, 300).await;
            let once = world.post(&room, "ann", "once", world.cid(1)).await;
            assert_eq!(place(&once), (301, false));
            assert!(world.node.drain(PATIENCE).await);
            opened.close().expect("closes");
            let since = bob.since(250);
            drop((bob, opened, world));
            let again = World::on(store(folder.path(), engine).await, serialize).await;
            let twice = again.post(&room, "ann", "once", again.cid(1)).await;
            assert_eq!(place(&twice), (301, true), "{engine:?}");
            let bob = again.join(&room, "bob", since).await;
            assert_eq!(bob.joined.resume, Resume::Ok, "closed in order: the same log");
            bob.catch_up().await;
            assert_eq!(again.posted(&room, "ann", "more").await.0, 302);
            bob.has_all(251, 302).await;
        }
    }
}
