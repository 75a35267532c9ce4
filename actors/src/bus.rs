//! What entities, edges and connections say to one another. In process the messages are handed over
//! as they are; with `serialize` each is encoded and decoded on its way, as between nodes, so that
//! nothing of one side can be reached from the other.
//!
//! Invariants: messages hold no channel, lock or actor reference; order between one sender and one
//! receiver is kept.
//! Never: waits for an answer. Answers are messages too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{AccountNo, CompanyId, ConversationNo, Epoch, PersonId, Seq, Timestamp};
use frontdesk_storage::EntityId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::{Envelope, Outcome, ReplyTo};
use crate::feed::HandoffNotice;

/// Durable events of a room on their way to its edges, and where they leave its head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publish {
    /// The room's ownership term.
    pub epoch: Epoch,
    /// Seq of the last shown event, these included.
    pub head: Seq,
    /// What happened, in order.
    pub events: Arc<[RoomEvent]>,
}

/// A room said something: its people's feeds hear of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stirred {
    /// The room's number.
    pub conversation: ConversationNo,
    /// Everyone in it.
    pub people: Arc<[PersonId]>,
    /// The first shown event that was never published before; `None` when no event was shown.
    pub first: Option<Seq>,
    /// Whose read marks moved, and where they stand.
    pub reads: Vec<(PersonId, Seq)>,
}

/// A person went online or offline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Who.
    pub person: PersonId,
    /// Whether they are online now.
    pub is_online: bool,
    /// Who is told.
    pub partners: Vec<PersonId>,
}

/// Somebody's tokens are void from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revoked {
    /// All of an account that were made before this.
    Account {
        /// Which.
        account: AccountNo,
        /// Before when.
        before: Timestamp,
    },
    /// Those of these logins.
    Families(Vec<Uuid>),
    /// All of a company.
    Company(CompanyId),
}

/// Everything that travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum BusMessage {
    /// A command to an entity.
    Request(EntityId, Arc<Envelope>),
    /// An outcome to whoever asked.
    Reply(ReplyTo, Outcome),
    /// Durable events to a room's edges.
    Publish(EntityId, Publish),
    /// Something to show now, to a room's edges.
    Ephemeral(EntityId, Ephemeral),
    /// A room said something, to its people's feeds.
    Stirred(EntityId, Stirred),
    /// Someone came or went, to their partners' feeds.
    Status(CompanyId, Status),
    /// A chat went from the bot to people or back, to the company's people.
    Handoff(CompanyId, HandoffNotice),
    /// Tokens are void, to every node's connections.
    Revoked(Revoked),
    /// A company has other settings, to every node that keeps them.
    SettingsChanged(CompanyId),
    /// A company named other origins, to every node: all there are now.
    OriginsNoted(CompanyId, Vec<Arc<str>>),
}

/// How messages travel on this node.
#[derive(Debug)]
pub(crate) struct Bus {
    serialize: bool,
    message_count: AtomicU64,
    message_bytes: AtomicU64,
}

impl Bus {
    /// A bus; with `serialize` nothing crosses that is not bytes.
    pub(crate) fn new(serialize: bool) -> Self {
        Self {
            serialize,
            message_count: AtomicU64::new(0),
            message_bytes: AtomicU64::new(0),
        }
    }

    /// Takes a message across.
    pub(crate) fn carry(&self, message: BusMessage) -> BusMessage {
        if !self.serialize {
            return message;
        }
        let bytes = rmp_serde::to_vec_named(&message).expect("a bus message always encodes");
        self.message_count.fetch_add(1, Ordering::Relaxed);
        self.message_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        rmp_serde::from_slice(&bytes).expect("what this build encodes it decodes")
    }

    /// Messages and bytes that crossed encoded.
    pub(crate) fn carried(&self) -> (u64, u64) {
        let count = self.message_count.load(Ordering::Relaxed);
        (count, self.message_bytes.load(Ordering::Relaxed))
    }
}
