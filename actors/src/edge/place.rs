//! What edges and those who use them say to each other: connections as edges see them, the
//! dialects that events are encoded in, and how a place at an edge is taken and left.
//!
//! Never: holds a lock or a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::chat::ChatOpening;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{Resume, Since};
use frontdesk_protocol::{
    ChatId, CompanyId, ConversationNo, HistoryId, PersonId, RoomId, Seq, UploadId,
};

use crate::feed::HandoffNotice;

/// Dialects a node can speak at most: bounds the frames kept for each event.
pub const DIALECT_COUNT_MAX: usize = 10;

/// Index of a dialect in the list the node was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DialectId(pub u8);

/// What an encoder may know of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomContext {
    /// Whose it is.
    pub company: CompanyId,
    /// The room.
    pub room: RoomId,
    /// Its number within the company.
    pub conversation: ConversationNo,
    /// What makes it a visitor's chat. Read marks that come to a feed do not say so.
    pub chat: Option<Arc<ChatContext>>,
}

/// What an encoder may know of a visitor's chat: nothing that ever changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatContext {
    /// The widget's name for it.
    pub id: ChatId,
    /// Who opened it.
    pub visitor: PersonId,
}

impl ChatContext {
    /// Of a room as it was made: a chat is its first participant's.
    pub(super) fn new(
        opening: Option<&ChatOpening>,
        participants: &[PersonId],
    ) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            id: opening?.id.clone(),
            visitor: participants.first()?.clone(),
        }))
    }
}

/// Encodes events for one kind of client, as complete frames with their WebSocket header. What is
/// several frames to a client may stand in one `Bytes`, one behind the other.
pub trait Dialect: Send + Sync + 'static {
    /// A durable event; `None` when these clients are shown nothing.
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes>;

    /// Something to show now; `None` when these clients know no such thing.
    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes>;

    /// Whether the author of a message is shown another frame than the others. Asked once.
    fn tells_authors(&self) -> bool {
        false
    }

    /// An event as its author is shown it, if [`Dialect::tells_authors`].
    fn own_event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        self.event(room, event)
    }

    /// Whether these clients are never told of their own coming and going. Asked once.
    fn hides_viewer(&self) -> bool {
        false
    }

    /// A person went online or offline, for clients with a feed.
    fn status(&self, _person: &PersonId, _is_online: bool) -> Option<Bytes> {
        None
    }

    /// A chat went from the bot to people or back, for the company's people.
    fn handoff(&self, _notice: &HandoffNotice) -> Option<Bytes> {
        None
    }
}

/// The dialects of a node, with what is asked of them for every frame at hand.
#[derive(Clone)]
pub(crate) struct Dialects {
    encoders: Arc<[Box<dyn Dialect>]>,
    telling_authors: u16,
    hiding_viewers: u16,
}

impl Dialects {
    pub(crate) fn new(encoders: Vec<Box<dyn Dialect>>) -> Self {
        assert!(encoders.len() <= DIALECT_COUNT_MAX, "one bit for each");
        let bits = |holds: fn(&dyn Dialect) -> bool| {
            let mut bits = 0;
            for (index, encoder) in encoders.iter().enumerate() {
                bits |= u16::from(holds(&**encoder)) << index;
            }
            bits
        };
        Self {
            telling_authors: bits(|encoder| encoder.tells_authors()),
            hiding_viewers: bits(|encoder| encoder.hides_viewer()),
            encoders: encoders.into(),
        }
    }

    /// The encoder of a dialect.
    pub(crate) fn of(&self, dialect: DialectId) -> &dyn Dialect {
        &*self.encoders[usize::from(dialect.0)]
    }

    /// See [`Dialect::tells_authors`].
    pub(crate) fn tells_authors(&self, dialect: DialectId) -> bool {
        self.telling_authors >> dialect.0 & 1 == 1
    }

    /// See [`Dialect::hides_viewer`].
    pub(crate) fn hides_viewer(&self, dialect: DialectId) -> bool {
        self.hiding_viewers >> dialect.0 & 1 == 1
    }
}

/// A connection as edges see it. Every method queues and returns; none calls an edge.
pub trait Listener: Send + Sync + 'static {
    /// Its dialect; it may change while the connection is attached.
    fn dialect(&self) -> DialectId;
    /// Whose connection it is.
    fn person(&self) -> &PersonId;
    /// What is known of that person.
    fn card(&self) -> Card {
        Card::default()
    }
    /// Queues a durable frame; false when there is no room for it. Replayed frames leave some space
    /// for others.
    fn push_durable(&self, frame: &Bytes, is_replay: bool) -> bool;
    /// Queues a frame that may be dropped; a newer one with the same key takes its place.
    fn push_ephemeral(&self, key: EphemeralKey, frame: &Bytes);
    /// The connection is behind in this room now: it asks for pages when it has space.
    fn fell_behind(&self, room: RoomId);
    /// Whether it hears of all its person's rooms through a feed (see [`crate::feed`]). Such a
    /// connection comes to rooms as they stir, which is nobody's coming or going.
    fn has_feed(&self) -> bool {
        false
    }
    /// Something was said from `first` on in a room of its person; only with a feed.
    fn stirred(&self, _room: RoomId, _first: Seq) {}
}

/// What a newer ephemeral replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EphemeralKey {
    /// Where; `None` for what is of no one room.
    pub room: Option<RoomId>,
    /// What it shows; presence carries differences and replaces nothing.
    pub subject: EphemeralSubject,
}

/// What an ephemeral shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EphemeralSubject {
    /// Whether someone writes.
    Typing(PersonId),
    /// How far someone read.
    Read(PersonId),
    /// Who came and went.
    Presence,
    /// Whether someone is online.
    Status(PersonId),
    /// Who has a chat.
    Handoff,
    /// How far an upload came.
    Upload(UploadId),
}

impl EphemeralSubject {
    /// What an ephemeral shows.
    pub(crate) fn of(ephemeral: &Ephemeral) -> Self {
        match ephemeral {
            Ephemeral::Typing { person, .. } => EphemeralSubject::Typing(person.clone()),
            Ephemeral::Read { person, .. } => EphemeralSubject::Read(person.clone()),
            Ephemeral::Presence { .. } => EphemeralSubject::Presence,
            Ephemeral::UploadProgress { upload, .. } => EphemeralSubject::Upload(*upload),
        }
    }
}

/// Where a connection begins when it attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Live, at the head.
    Head,
    /// Where its client stopped.
    Since(Since),
    /// At this event, which the server itself has noted: however much that is.
    At(Seq),
    /// It gets no events until it is unmuted: it is there to show what it does.
    Muted,
}

impl From<Option<Since>> for Start {
    fn from(since: Option<Since>) -> Self {
        since.map_or(Start::Head, Start::Since)
    }
}

/// What a connection asks for when it attaches.
pub struct Joining {
    /// The connection.
    pub listener: Arc<dyn Listener>,
    /// Where it begins.
    pub start: Start,
}

/// A connection's place in an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    pub(super) index: usize,
    pub(super) number: u64,
}

/// Where a connection stopped when it was detached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAt {
    /// It has everything there was before this event.
    Before(Seq),
    /// It has everything before this event, and lacks what has come since.
    Missing(Seq),
    /// It was muted.
    Nowhere,
}

/// What came of attaching.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its place, for detaching and replay.
    pub attachment: Attachment,
    /// The room.
    pub context: RoomContext,
    /// How the client goes on.
    pub resume: Resume,
    /// Names the log.
    pub history_id: HistoryId,
    /// The last event.
    pub head: Seq,
    /// Everyone's read mark.
    pub marks: BTreeMap<PersonId, Seq>,
    /// Whether pages must be asked for now.
    pub is_behind: bool,
}
