//! Entities: the one shape of everything that lasts. Pure rules decide and apply; one engine around
//! them appends, recovers, answers, publishes and delivers effects.
//!
//! Owns: the vocabulary (envelopes, outcomes, [`Rules`]) and, in its files, the engine: `actor`
//! the loop, `slot` what survives a crash of the actor, `batch` deciding, `cids` idempotency,
//! `named` who repeats a command, `effects` what leaves the entity, `owing` how it is paid,
//! `recover` reading it back.
//!
//! Never: knows what a room is; never lets rules see a clock, a disk or an actor.

pub(crate) mod actor;
pub(crate) mod batch;
pub(crate) mod cids;
pub(crate) mod effects;
pub(crate) mod internal;
pub(crate) mod named;
mod owing;
mod publish;
pub(crate) mod recover;
pub(crate) mod slot;
mod written;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::command::{CompanyCommand, Principal, Prompt, RoomCommand};
use frontdesk_protocol::companies::CompaniesCommand;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::staff::{NameCommand, StaffCommand};
use frontdesk_protocol::upload::UploadCommand;
use frontdesk_protocol::{Cid, ConversationNo, PersonId, Rejection, RoomId, Seq, Timestamp};
use frontdesk_storage::{EntityId, Erases, Record, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bus::{BusMessage, Revoked};
use crate::door::DoorId;
use crate::feed::{Audience, HandoffNotice};
use crate::limits::ENVELOPE_OVERHEAD_BYTES;
use crate::room::Summary;

pub use named::{CidBy, Named};
pub(crate) use written::Written;

/// A command with everything its entity must know; travels as bytes between nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Where the outcome goes.
    pub reply_to: ReplyTo,
    /// The command's name: sending it twice does it once.
    pub cid: Cid,
    /// Who made it, and may send it twice.
    pub named_by: CidBy,
    /// Who asks.
    pub caller: Caller,
    /// What is asked.
    pub command: Command,
}

impl Envelope {
    /// What it weighs in a queue, bytes.
    pub fn weight_bytes(&self) -> usize {
        let body_bytes = match &self.command {
            Command::Room(
                RoomCommand::PostMessage { text, rich, .. }
                | RoomCommand::PostAnswer { text, rich, .. },
            ) => text.len() + rich.as_ref().map_or(0, String::len),
            Command::Room(RoomCommand::CreateRoom { participants, .. })
            | Command::Company(CompanyCommand::OpenRoom { participants, .. }) => {
                // In the journal each id stands twice: in the room's list and as a known person.
                let id_bytes = |person: &PersonId| 2 * person.as_str().len() + 64;
                participants.iter().map(id_bytes).sum()
            }
            Command::Company(CompanyCommand::SetPrompts { prompts }) => {
                let prompt_bytes = |prompt: &Prompt| prompt.title.len() + prompt.text.len() + 64;
                // In the journal and again as a row.
                prompts.iter().map(prompt_bytes).sum::<usize>() * 2
            }
            Command::Room(
                RoomCommand::Escalate { reason: text, .. } | RoomCommand::Resolve { notes: text },
            ) => text.len(),
            Command::Room(RoomCommand::AnswerForm { answers })
            | Command::Company(CompanyCommand::KeepProfile { answers, .. }) => {
                let answer_bytes = |(key, text): (&String, &Option<String>)| {
                    key.len() + text.as_ref().map_or(0, String::len) + 16
                };
                // In the journal and again as a row.
                2 * answers.iter().map(answer_bytes).sum::<usize>()
            }
            Command::Company(
                CompanyCommand::ChangeSettings { .. } | CompanyCommand::KeepFile { .. },
            )
            | Command::Room(RoomCommand::PostFile { .. })
            | Command::Staff(_)
            | Command::Companies(_)
            | Command::Upload(_)
            | Command::Name(_) => {
                // Rare, and of many texts; in the journal and again as a row.
                let bytes = rmp_serde::to_vec_named(&self.command);
                bytes.map_or(0, |bytes| 2 * bytes.len())
            }
            _ => 0,
        };
        body_bytes + ENVELOPE_OVERHEAD_BYTES
    }
}

/// The address of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The boot of the node that asked: an answer from before a restart reaches nobody.
    pub boot: u32,
    /// The door there.
    pub door: DoorId,
    /// The asker's own number for the command.
    pub cseq: u64,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A person whose token was verified.
    Person(Arc<Principal>),
    /// Another entity, delivering an effect.
    Entity(EntityId),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Of a room.
    Room(RoomCommand),
    /// Of a company.
    Company(CompanyCommand),
    /// Of a company's staff.
    Staff(StaffCommand),
    /// Of the installation's companies.
    Companies(CompaniesCommand),
    /// Of the installation's login names.
    Name(NameCommand),
    /// Of an upload.
    Upload(UploadCommand),
    /// Nothing: wakes the entity, so that it goes on with what it owes, and answers `Done`.
    Wake,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done and durable.
    Done(Answer),
    /// Refused; nothing changed.
    Refused(Rejection),
    /// Nobody knows: send the same cid again.
    Unknown,
}

/// What a command that was done has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing.
    Done,
    /// The message stands here.
    Posted {
        /// Its place.
        seq: Seq,
        /// When it was accepted.
        at: Timestamp,
        /// Whether it had been accepted before.
        dup: bool,
    },
    /// The read mark as it stands.
    Marked {
        /// Everything up to here is read.
        read: Seq,
    },
    /// The bot owes no answer to what was said before the question; up to `question` everything was
    /// dealt with when this was decided.
    Answered {
        /// The last message that was dealt with.
        question: Seq,
    },
    /// What was made has this number.
    Numbered {
        /// The number.
        number: u64,
        /// Whom the entity owes something before the answer is true; the entity itself where that
        /// is known by the number alone.
        owed_to: Option<EntityId>,
    },
    /// A refresh token was taken for another, or it came a second time and its login is closed.
    Rotated {
        /// Whether it came a second time.
        is_reuse: bool,
    },
    /// The room is there.
    Opened {
        /// Its id.
        room: RoomId,
        /// Its number.
        conversation: ConversationNo,
        /// Whether this command made it.
        created: bool,
    },
}

/// A command as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Of whom.
    pub entity: &'a EntityId,
    /// Who asks.
    pub caller: &'a Caller,
    /// The command's name.
    pub cid: Cid,
    /// What is asked.
    pub command: &'a Command,
}

/// What rules asked to be read for them before they decide.
#[derive(Debug, Default)]
pub struct Known {
    /// Index rows by key; absent ones are `None`.
    pub rows: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// Records by the seq of an event in them; those that are not durable yet are absent.
    pub records: BTreeMap<Seq, Record>,
}

/// What rules decided.
#[derive(Debug)]
pub struct Decided<E> {
    /// What happens; empty when nothing changes.
    pub events: Vec<E>,
    /// What the caller is told.
    pub answer: Answer,
    /// Remember the cid, with this number for [`Rules::repeat`].
    pub remember: Option<u64>,
}

impl<E> Decided<E> {
    /// Nothing changes.
    pub fn nothing(answer: Answer) -> Self {
        Self {
            events: Vec::new(),
            answer,
            remember: None,
        }
    }
}

/// A command that another entity is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whom.
    pub to: EntityId,
    /// What.
    pub command: Command,
}

/// Pure rules of one kind of entity: no clock, no disk, no socket, no actor. The same functions run
/// in live work, recovery and tests. Serialised, a value is its own snapshot.
pub trait Rules: Serialize + DeserializeOwned + Send + Sync + Sized + 'static {
    /// What happens to it.
    type Event: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// Version of the snapshot format; another one is ignored and the journal read instead.
    const STATE_VERSION: u32;

    /// Whether lists show it: then every record changes its summary.
    const IS_LISTED: bool = false;

    /// Before anything happened.
    fn new(entity: &EntityId) -> Self;

    /// Seq of the last shown event; nothing is shown of most entities.
    fn seq(&self) -> Seq {
        Seq(0)
    }

    /// A batch begins: everything applied so far is in the index rows.
    fn begin_batch(&mut self) {}

    /// Keys of index rows that `decide` wants to see.
    fn lookups(&self, _asked: &Asked<'_>) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Seqs of events that `decide` wants to see.
    fn rereads(&self, _asked: &Asked<'_>) -> Vec<Seq> {
        Vec::new()
    }

    /// What a command does. It sees every earlier command of its batch applied.
    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<Self::Event>, Rejection>;

    /// The answer to a command that was done before and remembered with `number` at `at`.
    fn repeat(&self, asked: &Asked<'_>, number: u64, at: Timestamp) -> Answer;

    /// What goes because of an event: one that erases says by itself all that is still to be known,
    /// whatever stood before it.
    fn erases(_event: &Self::Event) -> Option<Erases> {
        None
    }

    /// What else must hear of an event once it is durable: every node's connections.
    fn announce(_event: &Self::Event) -> Option<Revoked> {
        None
    }

    /// What every node must forget or learn because of an event, once it is durable.
    fn spread(_entity: &EntityId, _event: &Self::Event) -> Option<BusMessage> {
        None
    }

    /// The same for events of a predecessor that died between the journal and the bus.
    fn spread_again(_entity: &EntityId) -> Option<BusMessage> {
        None
    }

    /// Whose debts must be paid before a caller is given this answer, the first time or again: the
    /// entity that the answer speaks of as being there.
    fn waits_for(&self, _entity: &EntityId, _answer: &Answer) -> Option<EntityId> {
        None
    }

    /// Whether a debt is one that [`Rules::waits_for`] speaks of.
    fn is_awaited(&self, other: &EntityId, _answer: &Answer, effect: &Effect) -> bool {
        effect.to == *other
    }

    /// An event changes the state.
    fn apply(&mut self, event: &Self::Event);

    /// Index rows written with an event.
    fn rows(&self, _entity: &EntityId, _event: &Self::Event) -> Vec<Row> {
        Vec::new()
    }

    /// What others are owed because of an event.
    fn effects(&self, _entity: &EntityId, _event: &Self::Event) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether an effect of an earlier record is still owed, as far as the state knows.
    fn is_owed(&self, _effect: &Effect) -> bool {
        true
    }

    /// In whose name an event happened that another entity asked for: their lists show it before
    /// they are answered.
    fn on_behalf(_event: &Self::Event) -> Option<&PersonId> {
        None
    }

    /// What lists across entities show; `None` for entities that are in none.
    fn summarise(&self) -> Option<Summary> {
        None
    }

    /// Bookkeeping that edges may have missed when a predecessor died between the journal and them.
    fn catch_up(&self, _now: Timestamp) -> Vec<RoomEvent> {
        Vec::new()
    }

    /// Whose feeds hear of what is published; `None` for nobody's.
    fn audience(&self) -> Option<Audience> {
        None
    }

    /// What the company's people hear of an event that was just published.
    fn notice(&self, _entity: &EntityId, _event: &RoomEvent) -> Option<HandoffNotice> {
        None
    }

    /// The event as a room's edges get it.
    fn publish(_event: &Self::Event) -> Option<RoomEvent> {
        None
    }
}

/// Whose cid window and quota a command belongs to.
pub(crate) fn person_of(caller: &Caller) -> Option<&PersonId> {
    match caller {
        Caller::Person(principal) => Some(&principal.person),
        Caller::Entity(_) => None,
    }
}

/// Fingerprint of a command, stable across builds: a cid used for another command is noticed.
pub(crate) fn digest(command: &Command) -> u64 {
    let bytes = rmp_serde::to_vec_named(command).expect("a command always encodes");
    // Collisions only hide a client's own mistake from itself.
    fingerprint(&bytes)
}

/// FNV-1a of 64 bits, stable across builds.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
