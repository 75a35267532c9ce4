//! Waking whatever owed something when its node went down.
//!
//! The marks are read while the node serves: the engine walks over what is left of marks that were
//! settled lately, one for each room that was in use. Until they are read no list is, and then none
//! of a company until each of its rooms that had a mark is up and has said by itself how far behind
//! it is. While they cannot be read the node is not ready.
//!
//! Never: judges whether something is still owed; an entity that comes up knows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use frontdesk_storage::EntityId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::entity::{Command, Outcome};
use crate::limits::{EFFECT_RETRY_MS, EFFECT_RETRY_MS_MAX, WAKE_AT_ONCE_COUNT};
use crate::node::{ASK_DOOR, ASK_TIMEOUT_MS, Node};
use crate::task::{blocking, pause, spawn};

/// Wakes what owes something, for as long as the node runs.
pub(crate) async fn wake_owing(node: Weak<Node>) {
    let Some(mut owing) = read_owing(&node).await else {
        return;
    };
    match running(&node) {
        Some(node) => {
            owing.retain(|entity| !node.registry.is_up(entity));
            node.index.await_up(&owing);
        }
        None => return,
    }
    let permits = Arc::new(Semaphore::new(WAKE_AT_ONCE_COUNT));
    for entity in owing {
        // The semaphore is never closed.
        let permit = Arc::clone(&permits).acquire_owned().await;
        let (node, permits) = (Weak::clone(&node), Arc::clone(&permits));
        spawn(async move {
            let mut is_done = try_wake(&node, &entity).await;
            drop(permit);
            while !is_done {
                pause(EFFECT_RETRY_MS).await;
                let _permit = permits.acquire().await;
                is_done = try_wake(&node, &entity).await;
            }
        });
    }
}

fn running(node: &Weak<Node>) -> Option<Arc<Node>> {
    node.upgrade().filter(|node| !node.registry.is_closing())
}

/// What has a mark; `None` when the node ended.
async fn read_owing(node: &Weak<Node>) -> Option<Vec<EntityId>> {
    let mut pause_ms = EFFECT_RETRY_MS;
    loop {
        let journal = Arc::clone(&running(node)?.journal);
        // A task of its own: this one goes on although that one panics.
        let read = spawn(blocking(move || journal.pending())).await;
        let why = match read {
            Ok(Ok(marks)) => return Some(marks.into_iter().map(|(entity, _)| entity).collect()),
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        tracing::error!(
            why,
            "what is owed cannot be read: nothing wakes, lists wait"
        );
        running(node)?.index.owing_unread(why);
        pause(pause_ms).await;
        pause_ms = (2 * pause_ms).min(EFFECT_RETRY_MS_MAX);
    }
}

/// Has an entity come up. False when it may be tried again.
async fn try_wake(node: &Weak<Node>, entity: &EntityId) -> bool {
    let Some(running) = running(node) else {
        return true;
    };
    let (cseq, outcome) = running.ask.expect();
    running.request(entity.clone(), Command::Wake, ASK_DOOR, cseq);
    drop(running); // what never answers holds no node
    let outcome = timeout(Duration::from_millis(ASK_TIMEOUT_MS), outcome).await;
    let Some(node) = node.upgrade() else {
        return true;
    };
    node.ask.forget(cseq);
    match outcome {
        Ok(Ok(Outcome::Done(_))) => node.index.is_up(entity),
        // It is busy: whoever is refused by an actor that runs was heard by one that came up.
        _ if node.registry.is_up(entity) => node.index.is_up(entity),
        // It is woken by whoever asks for it next.
        _ if node.registry.is_given_up(entity) => node.index.forget(entity),
        _ => return !node.index.awaits(entity),
    }
    true
}
