//! An edge: a room's presence on one node. It holds the attached connections with their cursors,
//! what was said lately as ready-made frames, and what is shown now and stored never.
//!
//! A room publishes once an edge; the edge encodes once a dialect and hands the same bytes to every
//! connection. Join with history, resume, gap and lag are one mechanism: a cursor that is behind,
//! fed with pages from the ring or the journal until it is at the head (see `replay`).
//!
//! Invariants:
//! 1. A connection gets a room's events in seq order, each once. While it is behind, live events
//!    are not queued for it; it goes live in one step under the edge's lock, at `next` and nowhere
//!    else.
//! 2. Only durable events come here, so everything that is queued is durable.
//! 3. Nobody is waited for: a full outbox makes its own connection fall behind and no other.
//!
//! Never: decides a command, writes anything, or calls a listener that calls back.

mod fan_out;
mod now;
mod place;
mod replay;
mod reseat;
mod ring;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use frontdesk_protocol::command::Card;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{Resume, Since};
use frontdesk_protocol::{ConversationNo, ErrorCode, HistoryId, PersonId, Rejection, RoomId, Seq};
use frontdesk_storage::EntityId;

pub(crate) use place::Dialects;
pub use place::{
    Attachment, ChatContext, DIALECT_COUNT_MAX, Dialect, DialectId, EphemeralKey, EphemeralSubject,
    Joined, Joining, LeftAt, Listener, RoomContext, Start,
};
pub use replay::ReplayStep;
pub(crate) use table::EdgeTable;

use self::fan_out::Pushed;
use self::now::Now;
use self::ring::Ring;
use crate::bus::Publish;
use crate::limits::RESUME_PUSH_COUNT_MAX;
use crate::node::Node;
use crate::task::lock;

/// What an edge knows of its room.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) exists: bool,
    pub(crate) conversation: ConversationNo,
    pub(crate) history_id: Option<HistoryId>,
    pub(crate) head: Seq,
    pub(crate) marks: BTreeMap<PersonId, Seq>,
    pub(crate) bot: Option<PersonId>,
    pub(crate) chat: Option<Arc<ChatContext>>,
}

impl View {
    /// One's own words are read.
    fn note_author(&mut self, event: &RoomEvent) {
        if let RoomEvent::MessagePosted(message) = event {
            let mark = self.marks.entry(message.author.id.clone()).or_default();
            *mark = (*mark).max(message.seq);
        }
    }

    /// What was published while this was read from the journal; only participants have a mark.
    fn merge(&mut self, published: &View) {
        self.head = self.head.max(published.head);
        for (person, mark) in &mut self.marks {
            let newer = published.marks.get(person).copied();
            *mark = (*mark).max(newer.unwrap_or_default());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    Live,
    /// The next event this connection needs.
    Behind(Seq),
    /// It is here to show what it does; of what is said it gets nothing.
    Muted,
}

struct Member {
    number: u64,
    listener: Arc<dyn Listener>,
    cursor: Cursor,
}

struct EdgeState {
    closed: bool,
    loaded: bool,
    /// Something was published while the view was being read.
    stale: bool,
    view: View,
    /// The last event seen that changed who has a seat.
    seats_at: Seq,
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    next_number: u64,
    ring: Ring,
    now: Now,
    enrolled: bool,
}

/// See the module's text.
pub struct Edge {
    entity: EntityId,
    room: RoomId,
    node: std::sync::Weak<Node>,
    dialects: Dialects,
    state: Mutex<EdgeState>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edge({})", self.entity)
    }
}

impl Edge {
    fn new(node: &Arc<Node>, entity: EntityId, room: RoomId) -> Self {
        let state = EdgeState {
            closed: false,
            loaded: false,
            stale: false,
            view: View::default(),
            seats_at: Seq(0),
            members: Vec::new(),
            free: Vec::new(),
            next_number: 0,
            ring: Ring::default(),
            now: Now::default(),
            enrolled: false,
        };
        let dialects = node.dialects.clone();
        Self {
            entity,
            room,
            node: Arc::downgrade(node),
            dialects,
            state: Mutex::new(state),
        }
    }

    /// The room's entity.
    pub fn entity(&self) -> &EntityId {
        &self.entity
    }

    /// Attaches a connection of one of the room's people.
    pub fn attach(self: &Arc<Self>, joining: Joining) -> Result<Joined, AttachError> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(AttachError::Gone);
        }
        let person = joining.listener.person().clone();
        if !state.view.exists || !state.view.marks.contains_key(&person) {
            return Err(AttachError::Refused(Rejection::new(ErrorCode::UnknownRoom)));
        }
        let history_id = state.view.history_id.unwrap_or(HistoryId(0));
        let head = state.view.head;
        let (resume, cursor) = start_at(joining.start, history_id, head);
        let comes = !joining.listener.has_feed();
        let card = joining.listener.card();
        let attachment = state.add(joining.listener, cursor);
        let joined = Joined {
            attachment,
            context: self.context(&state),
            resume,
            history_id,
            head,
            marks: state.view.marks.clone(),
            is_behind: matches!(cursor, Cursor::Behind(_)),
        };
        if comes {
            self.person_came(&mut state, &person, card);
        }
        Ok(joined)
    }

    /// Detaches a connection; replay for it ends. Where it stopped, unless it was detached before.
    pub fn detach(self: &Arc<Self>, attachment: Attachment) -> Option<LeftAt> {
        let (left_at, is_empty) = {
            let mut state = lock(&self.state);
            let member = state.remove(attachment)?;
            self.person_went(&mut state, &*member.listener);
            let head = state.view.head;
            let left_at = match member.cursor {
                Cursor::Live => LeftAt::Before(head.next()),
                Cursor::Behind(next) if next > head => LeftAt::Before(next),
                Cursor::Behind(next) => LeftAt::Missing(next),
                Cursor::Muted => LeftAt::Nowhere,
            };
            (left_at, state.members.len() == state.free.len())
        };
        if is_empty && let Some(node) = self.node.upgrade() {
            node.edges.drop_if_empty(self);
        }
        Some(left_at)
    }

    /// A muted connection gets everything from `first` on; true when it was muted.
    pub fn unmute(&self, attachment: Attachment, first: Seq) -> bool {
        let mut state = lock(&self.state);
        match state.member(attachment) {
            Some(member) if member.cursor == Cursor::Muted => {
                member.cursor = Cursor::Behind(first);
                true
            }
            _ => false,
        }
    }

    /// Whether a connection still has its place: whoever is put out of a room loses theirs.
    pub fn holds(&self, attachment: Attachment) -> bool {
        lock(&self.state).member(attachment).is_some()
    }

    /// What makes the room a visitor's chat.
    pub fn chat(&self) -> Option<Arc<ChatContext>> {
        lock(&self.state).view.chat.clone()
    }

    pub(crate) fn loaded_view(&self) -> Option<View> {
        let state = lock(&self.state);
        state.loaded.then(|| state.view.clone())
    }

    /// Everyone with a connection here, in order; a feed is no presence.
    pub fn present(&self) -> Vec<PersonId> {
        let state = lock(&self.state);
        let people = state
            .members
            .iter()
            .flatten()
            .filter(|member| !member.listener.has_feed())
            .map(|member| member.listener.person());
        let present: std::collections::BTreeSet<&PersonId> = people.collect();
        present.into_iter().cloned().collect()
    }

    /// Durable events of the room, in order, and where its head is.
    pub(crate) fn on_publish(self: &Arc<Self>, publish: &Publish) {
        let mut state = lock(&self.state);
        if !state.loaded {
            // Nobody is attached yet. The load that is under way reads bookkeeping again; of shown
            // events it only has to know how far they go, since they are in the journal.
            let says_more = |event: &RoomEvent| {
                event.seq().is_none() || matches!(event, RoomEvent::HandoffMoved { .. })
            };
            state.stale |= publish.events.iter().any(says_more);
            state.view.head = state.view.head.max(publish.head);
            for event in publish.events.iter() {
                state.view.note_author(event);
            }
            return;
        }
        let first = publish.events.iter().find_map(RoomEvent::seq);
        let first = first.unwrap_or(publish.head.next());
        if first > state.view.head.next() {
            state.gap_before(first, self.room);
            if state.view.chat.is_some() {
                self.count_seats();
            }
        }
        let mut context = None;
        let mut pushed = Pushed::default();
        for event in publish.events.iter() {
            match event.seq() {
                Some(seq) if seq > state.view.head => {
                    let context = context.get_or_insert_with(|| self.context(&state));
                    pushed.add(self.fan_out(&mut state, seq, event, context));
                }
                Some(_) => {} // seen before: published again after a restart of the room
                None => self.note(&mut state, event),
            }
            if !matches!(event, RoomEvent::MessagePosted(_)) {
                context = None; // it may have changed what the next is shown in
            }
        }
        self.note_pushed(&mut state, pushed);
    }

    /// Bookkeeping that the edge shows or keeps.
    fn note(self: &Arc<Self>, state: &mut EdgeState, event: &RoomEvent) {
        match event {
            RoomEvent::ReadMarked { person, seq, .. } => {
                let after = match state.view.marks.get_mut(person) {
                    Some(mark) if *mark < *seq => std::mem::replace(mark, *seq),
                    _ => return, // shown before: told again after a restart of the room
                };
                let read = Ephemeral::Read {
                    person: person.clone(),
                    card: state.card_of(person),
                    after,
                    seq: *seq,
                };
                self.show(state, &read);
            }
            RoomEvent::RoomCreated {
                conversation,
                participants,
                history_base,
                chat,
                ..
            } => {
                let Some(node) = self.node.upgrade() else {
                    return;
                };
                state.view.exists = true;
                state.view.conversation = *conversation;
                state.view.history_id = Some(node.history_id(*history_base));
                state.view.chat = ChatContext::new(chat.as_ref(), participants);
                for person in participants {
                    state.view.marks.entry(person.clone()).or_default();
                }
            }
            RoomEvent::Forgotten { .. } => self.close_room(state),
            RoomEvent::MessagePosted(_)
            | RoomEvent::MessageDeleted { .. }
            | RoomEvent::HandoffMoved { .. }
            | RoomEvent::RoomChanged { .. }
            | RoomEvent::TurnPassed { .. }
            | RoomEvent::TurnOwed { .. }
            | RoomEvent::FormAnswered { .. }
            | RoomEvent::FileTurnedAway { .. }
            | RoomEvent::FormForgotten { .. } => {}
        }
    }

    fn context(&self, state: &EdgeState) -> RoomContext {
        RoomContext {
            company: self.entity.company.clone(),
            room: self.room,
            conversation: state.view.conversation,
            chat: state.view.chat.clone(),
        }
    }

    fn enroll(self: &Arc<Self>, node: &Node, state: &mut EdgeState) {
        if !state.enrolled {
            state.enrolled = true;
            node.edges.enroll(self);
        }
    }
}

impl EdgeState {
    fn add(&mut self, listener: Arc<dyn Listener>, cursor: Cursor) -> Attachment {
        self.next_number += 1;
        let number = self.next_number;
        let member = Some(Member {
            number,
            listener,
            cursor,
        });
        let index = match self.free.pop() {
            Some(index) => {
                self.members[index] = member;
                index
            }
            None => {
                self.members.push(member);
                self.members.len() - 1
            }
        };
        Attachment { index, number }
    }

    /// What is known here of a person: by a connection, else by what they said lately.
    fn card_of(&self, person: &PersonId) -> Card {
        let is_theirs = |member: &&Member| member.listener.person() == person;
        match self.members.iter().flatten().find(is_theirs) {
            Some(member) => member.listener.card(),
            None => self.ring.card_of(person).unwrap_or_default(),
        }
    }

    fn member(&mut self, attachment: Attachment) -> Option<&mut Member> {
        let member = self.members.get_mut(attachment.index)?.as_mut()?;
        (member.number == attachment.number).then_some(member)
    }

    fn remove(&mut self, attachment: Attachment) -> Option<Member> {
        self.member(attachment)?;
        self.free.push(attachment.index);
        self.members[attachment.index].take()
    }

    /// Events before `next` were not seen here: whoever is live reads them from the journal.
    fn gap_before(&mut self, next: Seq, room: RoomId) {
        let from = self.view.head.next();
        for member in self.members.iter_mut().flatten() {
            if member.cursor == Cursor::Live {
                member.cursor = Cursor::Behind(from);
                member.listener.fell_behind(room);
            }
        }
        self.ring.clear();
        self.view.head = Seq(next.0 - 1);
    }
}

/// Why a connection was not attached.
#[derive(Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The edge was just dropped: find it again.
    Gone,
    /// No.
    Refused(Rejection),
}

fn start_at(start: Start, history_id: HistoryId, head: Seq) -> (Resume, Cursor) {
    match start {
        Start::Head => (Resume::Ok, Cursor::Live),
        Start::Since(since) => resume_from(since, history_id, head),
        Start::At(next) => (Resume::Ok, Cursor::Behind(next)),
        Start::Muted => (Resume::Ok, Cursor::Muted),
    }
}

fn resume_from(since: Since, history_id: HistoryId, head: Seq) -> (Resume, Cursor) {
    if since.history_id != history_id || since.seq > head {
        return (Resume::Reset, Cursor::Live);
    }
    match head.0 - since.seq.0 {
        0 => (Resume::Ok, Cursor::Live),
        missing if missing > RESUME_PUSH_COUNT_MAX => (Resume::Page, Cursor::Live),
        _ => (Resume::Ok, Cursor::Behind(since.seq.next())),
    }
}
