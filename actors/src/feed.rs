//! Person feeds: a connection that hears of every room of its person without being attached to all
//! of them.
//!
//! A room that says something tells the feeds of its people that it stirred, and from which event
//! on; the connection then attaches to the room's edge, behind from there, and the one replay
//! mechanism does the rest. What is shown and not kept (typing, read marks, who is online) reaches
//! a feed as it is.
//!
//! Invariants: a feed is told of every publication after it was opened, in rooms of at most
//! [`FEED_ROOM_PERSON_COUNT_MAX`] people; a node without feeds pays one load for a publication.
//! Never: calls an edge, or keeps an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use frontdesk_protocol::chat::{Chat, HandoffStep};
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::{Author, RoomEvent};
use frontdesk_protocol::{CompanyId, ConversationNo, PersonId, RoomId, Seq, Timestamp};
use frontdesk_storage::{EntityId, EntityKind};

use serde::{Deserialize, Serialize};

use crate::bus::{BusMessage, Status, Stirred};
use crate::edge::{
    DIALECT_COUNT_MAX, Dialect, EphemeralKey, EphemeralSubject, Listener, RoomContext,
};
use crate::entity::Rules;
use crate::node::Node;

/// Rooms of more people than this tell no feeds: each publication would look every one of them up.
pub const FEED_ROOM_PERSON_COUNT_MAX: usize = 256;

/// Whom a room tells of what it publishes.
#[derive(Debug, Clone)]
pub struct Audience {
    /// The room's number.
    pub conversation: ConversationNo,
    /// Everyone who may have a feed.
    pub people: Vec<PersonId>,
}

/// A chat went from the bot to people or back: whoever serves the company's visitors hears of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HandoffNotice {
    /// The chat's room.
    pub room: RoomId,
    /// Its number.
    pub conversation: ConversationNo,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Author,
    /// What.
    pub step: HandoffStep,
    /// The chat as it is now.
    pub chat: Box<Chat>,
}

impl HandoffNotice {
    /// What is told to colleagues of whoever has the chat: that it is taken, or done with.
    fn to_colleagues(&self) -> Self {
        let mut notice = self.clone();
        notice.chat.form = None;
        if let Some(handoff) = notice.chat.handoff.as_mut() {
            handoff.reason = "".into();
            handoff.notes = "".into();
        }
        notice
    }
}

struct Open {
    number: u64,
    listener: Arc<dyn Listener>,
}

/// The feed of somebody who serves visitors.
struct OpenDesk {
    number: u64,
    listener: Arc<dyn Listener>,
    sees_all: bool,
}

impl OpenDesk {
    /// Whether they may see the chat as it is.
    fn sees(&self, chat: &Chat) -> bool {
        self.sees_all || chat.is_shown_to(self.listener.person())
    }
}

/// The feeds of a node.
#[derive(Default)]
pub(crate) struct Feeds {
    count: AtomicUsize,
    next_number: AtomicU64,
    open: DashMap<(CompanyId, PersonId), Vec<Open>>,
    staff: DashMap<CompanyId, Vec<OpenDesk>>,
}

impl Feeds {
    /// Whether anyone on this node has a feed.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn each(&self, company: &CompanyId, person: &PersonId, mut tell: impl FnMut(&dyn Listener)) {
        if let Some(open) = self.open.get(&(company.clone(), person.clone())) {
            open.iter().for_each(|feed| tell(&*feed.listener));
        }
    }
}

/// An open feed; dropping it closes it.
pub struct Feed {
    node: Arc<Node>,
    company: CompanyId,
    /// `None` for what all of the company's people hear.
    person: Option<PersonId>,
    number: u64,
}

impl Drop for Feed {
    fn drop(&mut self) {
        let feeds = &self.node.feeds;
        match &self.person {
            Some(person) => {
                let key = (self.company.clone(), person.clone());
                let remove = |_: &_, open: &mut Vec<Open>| {
                    open.retain(|feed| feed.number != self.number);
                    open.is_empty()
                };
                feeds.open.remove_if_mut(&key, remove);
            }
            None => {
                let remove = |_: &_, open: &mut Vec<OpenDesk>| {
                    open.retain(|feed| feed.number != self.number);
                    open.is_empty()
                };
                feeds.staff.remove_if_mut(&self.company, remove);
            }
        }
        feeds.count.fetch_sub(1, Ordering::Release);
    }
}

impl Node {
    /// Opens a feed for a connection of one of the company's people. From now on it is told of
    /// every room of theirs that stirs.
    pub fn open_feed(self: &Arc<Self>, company: &CompanyId, listener: Arc<dyn Listener>) -> Feed {
        let number = self.feeds.next_number.fetch_add(1, Ordering::Relaxed);
        let person = listener.person().clone();
        self.feeds.count.fetch_add(1, Ordering::AcqRel);
        let key = (company.clone(), person.clone());
        let opened = Open { number, listener };
        self.feeds.open.entry(key).or_default().push(opened);
        Feed {
            node: Arc::clone(self),
            company: company.clone(),
            person: Some(person),
            number,
        }
    }

    /// Opens a feed of what happens at the company's desks: chats that want a person, get one, are
    /// resolved. The caller has checked that the connection is of one of the company's people, and
    /// whether they see every chat; who does not is told of colleagues' chats who has them, and
    /// nothing that the visitor said.
    pub fn open_staff_feed(
        self: &Arc<Self>,
        company: &CompanyId,
        listener: Arc<dyn Listener>,
        sees_all: bool,
    ) -> Feed {
        let number = self.feeds.next_number.fetch_add(1, Ordering::Relaxed);
        self.feeds.count.fetch_add(1, Ordering::AcqRel);
        let opened = OpenDesk {
            number,
            listener,
            sees_all,
        };
        let staff = &self.feeds.staff;
        staff.entry(company.clone()).or_default().push(opened);
        Feed {
            node: Arc::clone(self),
            company: company.clone(),
            person: None,
            number,
        }
    }

    /// A chat went from the bot to people or back.
    pub(crate) fn on_handoff(&self, company: &CompanyId, notice: &HandoffNotice) {
        let Some(open) = self.feeds.staff.get(company) else {
            return;
        };
        let key = EphemeralKey {
            room: Some(notice.room),
            subject: EphemeralSubject::Handoff,
        };
        let to_colleagues = notice.to_colleagues();
        let mut frames = [const { [const { None }; DIALECT_COUNT_MAX] }; 2];
        for feed in open.iter() {
            let dialect = feed.listener.dialect();
            let sees = feed.sees(&notice.chat);
            let told = if sees { notice } else { &to_colleagues };
            let frame = frames[usize::from(sees)][usize::from(dialect.0)]
                .get_or_insert_with(|| self.dialects.of(dialect).handoff(told));
            if let Some(frame) = frame {
                feed.listener.push_ephemeral(key.clone(), frame);
            }
        }
    }

    /// A room published: `first` is the first shown event that was never published before.
    pub(crate) fn stir<R: Rules>(
        self: &Arc<Self>,
        room: &EntityId,
        rules: &R,
        first: Option<Seq>,
        events: &[RoomEvent],
    ) {
        if !self.feeds.any() {
            return;
        }
        if first.is_some() {
            let notices = events.iter().filter_map(|event| rules.notice(room, event));
            for notice in notices {
                self.send(BusMessage::Handoff(room.company.clone(), notice));
            }
        }
        let moved = |event: &RoomEvent| match event {
            RoomEvent::ReadMarked { person, seq, .. } => Some((person.clone(), *seq)),
            _ => None,
        };
        let reads: Vec<(PersonId, Seq)> = events.iter().filter_map(moved).collect();
        if first.is_none() && reads.is_empty() {
            return;
        }
        let Some(audience) = rules.audience() else {
            return;
        };
        let stirred = Stirred {
            conversation: audience.conversation,
            people: audience.people.into(),
            first,
            reads,
        };
        self.send(BusMessage::Stirred(room.clone(), stirred));
    }

    /// A room stirred: its people's feeds hear of it.
    pub(crate) fn on_stirred(&self, entity: &EntityId, stirred: &Stirred) {
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        if let Some(first) = stirred.first {
            for person in stirred.people.iter() {
                let tell = |listener: &dyn Listener| listener.stirred(room, first);
                self.feeds.each(&entity.company, person, tell);
            }
        }
        let context = RoomContext {
            company: entity.company.clone(),
            room,
            conversation: stirred.conversation,
            chat: None,
        };
        for (person, seq) in &stirred.reads {
            let read = Ephemeral::Read {
                person: person.clone(),
                card: frontdesk_protocol::command::Card::default(),
                after: Seq(0),
                seq: *seq,
            };
            self.show_in_feeds(&entity.company, stirred.people.iter(), &context, &read);
        }
    }

    /// Shows something of a room in its people's feeds, but not to whom it is about.
    pub(crate) fn show_in_feeds<'a>(
        &self,
        company: &CompanyId,
        people: impl Iterator<Item = &'a PersonId>,
        context: &RoomContext,
        ephemeral: &Ephemeral,
    ) {
        let key = EphemeralKey {
            room: Some(context.room),
            subject: EphemeralSubject::of(ephemeral),
        };
        let others = people.filter(|person| ephemeral.about() != Some(*person));
        self.push_to_feeds(company, others, &key, |encoder| {
            encoder.ephemeral(context, ephemeral)
        });
    }

    /// Someone went online or offline: tells those who share a conversation with them.
    pub(crate) fn on_status(&self, company: &CompanyId, status: &Status) {
        let key = EphemeralKey {
            room: None,
            subject: EphemeralSubject::Status(status.person.clone()),
        };
        let partners = status.partners.iter();
        self.push_to_feeds(company, partners, &key, |encoder| {
            encoder.status(&status.person, status.is_online)
        });
    }

    fn push_to_feeds<'a>(
        &self,
        company: &CompanyId,
        people: impl Iterator<Item = &'a PersonId>,
        key: &EphemeralKey,
        encode: impl Fn(&dyn Dialect) -> Option<bytes::Bytes>,
    ) {
        if !self.feeds.any() {
            return;
        }
        let mut frames = [const { None }; DIALECT_COUNT_MAX];
        for person in people {
            self.feeds.each(company, person, |listener| {
                let dialect = listener.dialect();
                let frame = frames[usize::from(dialect.0)]
                    .get_or_insert_with(|| encode(self.dialects.of(dialect)));
                if let Some(frame) = frame {
                    listener.push_ephemeral(key.clone(), frame);
                }
            });
        }
    }
}
