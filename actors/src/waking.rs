//! Waking whatever owed something when its node went down.
//!
//! The marks are read while the node serves: the engine walks over what is left of marks that were
//! settled lately, one for each room that was in use. Until they are read no list is, and then none
//! of a company until each of its rooms that had a mark is awake and has said by itself how far
//! behind it is.
//!
//! Never: judges whether something is still owed; an entity that comes up knows.

use std::sync::{Arc, Weak};

use frontdesk_storage::EntityId;
use tokio::sync::Semaphore;

use crate::entity::{Command, Outcome};
use crate::limits::{EFFECT_RETRY_MS, WAKE_AT_ONCE_COUNT};
use crate::node::{ASK_DOOR, Node};
use crate::task::{blocking, pause, spawn};

/// Wakes what owes something, for as long as the node runs.
pub(crate) async fn wake_owing(node: Weak<Node>) {
    let Some(owing) = read_owing(&node).await else {
        return;
    };
    match running(&node) {
        Some(node) => node.index.are_coming_up(&owing),
        None => return,
    }
    let permits = Arc::new(Semaphore::new(WAKE_AT_ONCE_COUNT));
    for entity in owing {
        // The semaphore is never closed.
        let permit = Arc::clone(&permits).acquire_owned().await;
        let node = Weak::clone(&node);
        spawn(async move {
            wake(&node, entity).await;
            drop(permit);
        });
    }
}

fn running(node: &Weak<Node>) -> Option<Arc<Node>> {
    node.upgrade().filter(|node| !node.registry.is_closing())
}

/// What has a mark; `None` when the node ended.
async fn read_owing(node: &Weak<Node>) -> Option<Vec<EntityId>> {
    loop {
        let journal = Arc::clone(&running(node)?.journal);
        match blocking(move || journal.pending()).await {
            Ok(marks) => return Some(marks.into_iter().map(|(entity, _)| entity).collect()),
            Err(error) => tracing::error!(%error, "what is owed cannot be read, lists wait"),
        }
        pause(EFFECT_RETRY_MS).await;
    }
}

/// Until it has come up, or was given up.
async fn wake(node: &Weak<Node>, entity: EntityId) {
    while let Some(running) = running(node) {
        let (cseq, outcome) = running.ask.expect();
        running.request(entity.clone(), Command::Wake, ASK_DOOR, cseq);
        drop(running); // what never answers holds no node
        let Ok(outcome) = outcome.await else {
            return;
        };
        let Some(node) = node.upgrade() else {
            return;
        };
        if matches!(outcome, Outcome::Done(_)) {
            return node.index.is_up(&entity);
        }
        if !node.index.is_coming_up(&entity) {
            return;
        }
        drop(node);
        pause(EFFECT_RETRY_MS).await;
    }
}
