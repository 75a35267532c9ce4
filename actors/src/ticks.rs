//! The beat of a node's own chores.
//!
//! Never: keeps a node alive that nobody else holds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

use crate::node::Node;

/// Ticks for as long as a node runs; one that comes late moves those after it.
pub(crate) struct Ticks {
    node: Weak<Node>,
    interval: Interval,
}

impl Ticks {
    pub(crate) fn of(node: &Arc<Node>, tick_ms: u64) -> Self {
        let mut interval = tokio::time::interval(Duration::from_millis(tick_ms));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let node = Arc::downgrade(node);
        Self { node, interval }
    }

    pub(crate) async fn next(&mut self) -> Option<Arc<Node>> {
        self.interval.tick().await;
        let node = self.node.upgrade()?;
        (!node.is_stopped()).then_some(node)
    }
}
