//! Doors: where outcomes of commands come back to. A command names its door by number, so that the
//! entity that answers holds nothing of the asker and the two may stand on different nodes.
//!
//! Never: blocks; a door queues or wakes and returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::entity::Outcome;
use crate::node::Node;

/// Names a door within one boot of a node. 0 is nobody.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DoorId(pub u64);

impl DoorId {
    /// Wants no answer.
    pub const NOBODY: DoorId = DoorId(0);
}

/// Someone who asks entities.
pub trait Door: Send + Sync + 'static {
    /// The outcome of the command that was sent as `cseq`. Called once for each, from any thread.
    fn answered(&self, cseq: u64, outcome: Outcome);
}

/// The open doors of a node.
#[derive(Default)]
pub(crate) struct Doors {
    next: AtomicU64,
    open: DashMap<u64, Arc<dyn Door>>,
}

impl Doors {
    /// Opens a door.
    pub(crate) fn open(&self, door: Arc<dyn Door>) -> DoorId {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.insert(id, door);
        DoorId(id)
    }

    /// Closes a door; outcomes that come later are dropped.
    pub(crate) fn close(&self, door: DoorId) {
        self.open.remove(&door.0);
    }

    /// Brings an outcome. A closed door has nobody left who waits.
    pub(crate) fn answer(&self, door: DoorId, cseq: u64, outcome: Outcome) {
        let found = self
            .open
            .get(&door.0)
            .map(|entry| Arc::clone(entry.value()));
        if let Some(found) = found {
            found.answered(cseq, outcome);
        }
    }

    /// Doors open now.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }
}

/// A door that is closed when whoever opened it is gone, however it ends.
pub(crate) struct OwnDoor {
    node: Arc<Node>,
    pub(crate) id: DoorId,
}

impl OwnDoor {
    /// Opens a door.
    pub(crate) fn open(node: &Arc<Node>, door: Arc<dyn Door>) -> Self {
        let node = Arc::clone(node);
        let id = node.doors.open(door);
        Self { node, id }
    }
}

impl Drop for OwnDoor {
    fn drop(&mut self) {
        self.node.doors.close(self.id);
    }
}

/// The door of callers that await: each command has a oneshot.
#[derive(Default)]
pub(crate) struct AskDoor {
    next: AtomicU64,
    waiting: DashMap<u64, oneshot::Sender<Outcome>>,
}

impl AskDoor {
    /// A number for a command and where its outcome will be.
    pub(crate) fn expect(&self) -> (u64, oneshot::Receiver<Outcome>) {
        let cseq = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(cseq, sender);
        (cseq, receiver)
    }

    /// Stops expecting.
    pub(crate) fn forget(&self, cseq: u64) {
        self.waiting.remove(&cseq);
    }
}

impl Door for AskDoor {
    fn answered(&self, cseq: u64, outcome: Outcome) {
        if let Some((_, sender)) = self.waiting.remove(&cseq) {
            // The asker may have given up; then nobody wants to know.
            let _ = sender.send(outcome);
        }
    }
}
