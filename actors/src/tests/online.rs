//! Who is online: counted by connection, told at once when they come and after the grace when they
//! go, to those who share a conversation with them.

use std::sync::Arc;

use frontdesk_storage::testing::Crash;

use super::listeners::Ear;
use super::{PATIENCE, START, World, both_modes, company_of, eventually, person, principal};
use crate::clock::Clock;
use crate::edge::Listener;
use crate::limits::PRESENCE_LEAVE_MS;

impl World {
    fn is_online(&self, name: &str) -> bool {
        self.node.is_online(&company_of("TES001"), &person(name))
    }

    async fn seen(&self, name: &str) -> Option<u64> {
        let (company, person) = (company_of("TES001"), person(name));
        let seen = self.node.last_seen(&company, &person).await;
        seen.expect("read").map(|at| at.0)
    }

    /// Waits until it is written when they were last seen.
    async fn sees(&self, name: &str, at: u64) {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(1));
        let written = async {
            while self.seen(name).await != Some(at) {
                tick.tick().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, written).await;
        assert!(in_time.is_ok(), "{name} was never seen at {at}");
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().0
    }

    fn pass_online(&self, by_ms: u64) {
        self.clock.advance_ms(by_ms);
        self.node.tick_online();
    }
}

both_modes! {
    async fn a_person_is_online_while_a_connection_counts_and_a_grace_after(serialize: bool) {
        let world = World::new(serialize).await;
        assert!(!world.is_online("ann"));
        assert_eq!(world.seen("ann").await, None);
        let one = world.node.arrive(&principal("ann"));
        let two = world.node.arrive(&principal("ann"));
        drop(one);
        world.pass_online(PRESENCE_LEAVE_MS);
        assert!(world.is_online("ann"));
        drop(two);
        world.pass_online(PRESENCE_LEAVE_MS - 1);
        assert!(world.is_online("ann"), "a reconnect is no news");
        let back = world.node.arrive(&principal("ann"));
        world.pass_online(1);
        assert!(world.is_online("ann"), "who came back did not go");
        let left_at = world.now_ms();
        drop(back);
        world.pass_online(PRESENCE_LEAVE_MS);
        assert!(!world.is_online("ann"));
        world.sees("ann", left_at).await;
        assert!(!world.node.is_online(&company_of("SPA001"), &person("ann")));
    }

    async fn partners_with_a_feed_are_told(serialize: bool) {
        let world = World::new(serialize).await;
        world.room(&["ann", "bob"]).await;
        let company = company_of("TES001");
        eventually("ann's list is there", || world.node.index.is_settled(&company)).await;
        let (ear, eve) = (Ear::of_feed("bob"), Ear::of_feed("eve"));
        let _bob = world.node.open_feed(&company, Arc::clone(&ear) as Arc<dyn Listener>);
        let _eve = world.node.open_feed(&company, Arc::clone(&eve) as Arc<dyn Listener>);
        let ann = world.node.arrive(&principal("ann"));
        let again = world.node.arrive(&principal("ann"));
        eventually("bob is told", || !ear.ephemerals().is_empty()).await;
        drop((ann, again));
        world.pass_online(PRESENCE_LEAVE_MS);
        eventually("bob is told again", || ear.ephemerals().len() == 2).await;
        assert_eq!(ear.ephemerals(), ["status ann true", "status ann false"]);
        assert!(eve.ephemerals().is_empty());
    }

    async fn who_was_here_when_the_node_ended_was_seen_then(serialize: bool) {
        let world = World::new(serialize).await;
        let _ann = world.node.arrive(&principal("ann"));
        assert!(world.node.drain(PATIENCE).await);
        let at = world.now_ms();
        let next = world.reborn(Crash::Killed).await;
        assert_eq!(next.seen("ann").await, Some(at));
        assert!(at >= START.0);
    }
}
