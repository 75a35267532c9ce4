//! The edges of a node: found by room, loaded once, dropped when the last connection leaves.
//!
//! Invariants: an edge is in the table before its view is read, so that what is published meanwhile
//! is noticed; it leaves the table only while empty, under the table's lock.
//! Never: wakes a room. Joining reads the journal, not an actor.

use std::sync::{Arc, Mutex, Weak};

use dashmap::DashMap;
use frontdesk_protocol::RoomId;
use frontdesk_storage::{EntityId, Result};
use tokio::sync::OnceCell;

use super::{Edge, View};
use crate::node::Node;
use crate::task::lock;

/// Reads of a view that changes while it is read; more than this means that something is wrong.
const LOAD_COUNT_MAX: usize = 16;

struct Entry {
    edge: Arc<Edge>,
    loaded: Arc<OnceCell<()>>,
}

/// The edges of a node.
#[derive(Default)]
pub(crate) struct EdgeTable {
    edges: DashMap<EntityId, Entry>,
    enrolled: Mutex<Vec<Weak<Edge>>>,
}

impl EdgeTable {
    /// The edge of a room, if it is in use here.
    pub(crate) fn get(&self, entity: &EntityId) -> Option<Arc<Edge>> {
        self.edges.get(entity).map(|entry| Arc::clone(&entry.edge))
    }

    /// The edge of a room, loaded.
    pub(crate) async fn open(
        &self,
        node: &Arc<Node>,
        entity: &EntityId,
        room: RoomId,
    ) -> Result<Arc<Edge>> {
        let (edge, loaded) = {
            let entry = self.edges.entry(entity.clone()).or_insert_with(|| Entry {
                edge: Arc::new(Edge::new(node, entity.clone(), room)),
                loaded: Arc::default(),
            });
            (Arc::clone(&entry.edge), Arc::clone(&entry.loaded))
        };
        // Whoever waits here may go away meanwhile; the edge must not stay without anyone.
        let mut abandoned = Abandoned {
            table: self,
            edge: Some(&edge),
        };
        loaded.get_or_try_init(|| load(node, &edge)).await?;
        abandoned.edge = None;
        drop(abandoned);
        Ok(edge)
    }

    /// Forgets an edge that nobody is attached to.
    pub(crate) fn drop_if_empty(&self, edge: &Arc<Edge>) {
        self.edges.remove_if(&edge.entity, |_, entry| {
            if !Arc::ptr_eq(&entry.edge, edge) {
                return false;
            }
            let mut state = lock(&edge.state);
            state.closed = state.members.len() == state.free.len();
            state.closed
        });
    }

    /// Has the edge ticked until it rests.
    pub(crate) fn enroll(&self, edge: &Arc<Edge>) {
        lock(&self.enrolled).push(Arc::downgrade(edge));
    }

    /// Ten times a second: lets what is over end.
    pub(crate) fn tick(&self, node: &Arc<Node>) {
        let enrolled = std::mem::take(&mut *lock(&self.enrolled));
        let mut restless = Vec::with_capacity(enrolled.len());
        for weak in enrolled {
            let Some(edge) = weak.upgrade() else { continue };
            match edge.tick(node) {
                true => restless.push(weak),
                // It may have been here for something to show alone.
                false => self.drop_if_empty(&edge),
            }
        }
        lock(&self.enrolled).append(&mut restless);
        node.metrics.edges.set(self.edges.len() as f64);
    }

    /// Edges in use.
    pub(crate) fn count(&self) -> usize {
        self.edges.len()
    }
}

/// Drops an edge that was opened for someone who is gone.
struct Abandoned<'a> {
    table: &'a EdgeTable,
    edge: Option<&'a Arc<Edge>>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(edge) = self.edge {
            self.table.drop_if_empty(edge);
        }
    }
}

pub(super) async fn load(node: &Arc<Node>, edge: &Arc<Edge>) -> Result<()> {
    for _ in 0..LOAD_COUNT_MAX {
        lock(&edge.state).stale = false;
        let mut read = node.room_view(&edge.entity).await?;
        let mut state = lock(&edge.state);
        if !state.stale {
            read.merge(&state.view);
            state.view = read;
            state.loaded = true;
            return Ok(());
        }
    }
    let why = format!("view of {} never settled", edge.entity);
    Err(frontdesk_storage::Error::Damaged(why))
}

impl View {
    /// A room that does not exist.
    pub(crate) fn none() -> Self {
        Self::default()
    }
}
