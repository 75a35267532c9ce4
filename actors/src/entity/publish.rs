//! Telling what is durable: the edges of an entity get its events, its people's feeds hear that it
//! stirred.
//!
//! Invariants: edges are told before feeds, so that whoever attaches because of a feed finds what
//! it heard of; what an actor did not live to tell, its successor does.
//! Never: called with what is not durable.

use std::sync::Arc;

use frontdesk_protocol::Epoch;
use frontdesk_protocol::event::RoomEvent;

use super::Rules;
use super::slot::Slot;
use crate::bus::{BusMessage, Publish};
use crate::node::Node;

/// Tells the edges, and the feeds too unless nothing of it can be new.
pub(super) fn publish<R: Rules>(
    node: &Arc<Node>,
    slot: &Slot,
    rules: &R,
    epoch: Epoch,
    events: Vec<RoomEvent>,
    is_news: bool,
) {
    let (head, events) = (rules.seq(), Arc::<[RoomEvent]>::from(events));
    let publish = Publish {
        epoch,
        head,
        events: Arc::clone(&events),
    };
    node.send(BusMessage::Publish(slot.entity.clone(), publish));
    let first = slot.published(head);
    if is_news {
        node.stir(&slot.entity, rules, first, &events);
    }
}
