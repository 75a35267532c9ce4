//! Connections as edges see them: listeners that remember what they were given and can be told to
//! have no space, in a dialect that says seq and text and nothing else.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use frontdesk_protocol::ephemeral::{Ephemeral, Passer};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::Since;
use frontdesk_protocol::{HistoryId, PersonId, Rejection, RoomId, Seq};
use frontdesk_storage::EntityId;

use super::{World, eventually, person, seq_and_text};
use crate::edge::{
    Dialect, DialectId, Edge, EphemeralKey, Joined, Joining, Listener, ReplayStep, RoomContext,
    Start,
};
use crate::task::lock;

/// The dialect of these tests.
pub(super) struct SeqAndText;

impl Dialect for SeqAndText {
    fn event(&self, _room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let (seq, text) = seq_and_text(event);
        Some(Bytes::from(format!("{seq} {text}")))
    }

    fn ephemeral(&self, _room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let names = |passers: &[Passer]| -> String {
            let name = |passer: &Passer| format!(" {}", passer.person);
            passers.iter().map(name).collect()
        };
        let shown = match ephemeral {
            Ephemeral::Typing { person, active, .. } => format!("typing {person} {active}"),
            Ephemeral::Presence { joined, left } => {
                format!("presence +{} -{}", names(joined), names(left))
            }
            Ephemeral::Read { person, seq, .. } => format!("read {person} {seq}"),
            Ephemeral::UploadProgress {
                upload, received, ..
            } => format!("upload {upload} {received}"),
        };
        Some(Bytes::from(shown))
    }
}

/// The same for clients that tell their own words from others' and know themselves.
pub(super) struct OwnWords;

impl Dialect for OwnWords {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        SeqAndText.event(room, event)
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        SeqAndText.ephemeral(room, ephemeral)
    }

    fn tells_authors(&self) -> bool {
        true
    }

    fn own_event(&self, _room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let (seq, _) = seq_and_text(event);
        Some(Bytes::from(format!("{seq} own")))
    }

    fn hides_viewer(&self) -> bool {
        true
    }

    fn status(&self, person: &PersonId, is_online: bool) -> Option<Bytes> {
        Some(Bytes::from(format!("status {person} {is_online}")))
    }
}

/// A connection that remembers.
pub(super) struct Ear {
    person: PersonId,
    dialect: AtomicU8,
    has_feed: bool,
    stirs: Mutex<Vec<(RoomId, u64)>>,
    /// Frames that still fit.
    space: AtomicUsize,
    behind: AtomicBool,
    /// The next ephemeral makes it panic, as a bug in a connection would.
    breaks: AtomicBool,
    frames: Mutex<Vec<Bytes>>,
    ephemerals: Mutex<Vec<String>>,
}

impl Ear {
    pub(super) fn of(name: &str) -> Arc<Self> {
        Self::with(name, 0, false)
    }

    /// One that speaks [`OwnWords`].
    pub(super) fn of_own_words(name: &str) -> Arc<Self> {
        Self::with(name, 1, false)
    }

    /// One with a feed, in [`OwnWords`].
    pub(super) fn of_feed(name: &str) -> Arc<Self> {
        Self::with(name, 1, true)
    }

    fn with(name: &str, dialect: u8, has_feed: bool) -> Arc<Self> {
        Arc::new(Self {
            person: person(name),
            dialect: AtomicU8::new(dialect),
            has_feed,
            stirs: Mutex::default(),
            space: AtomicUsize::new(usize::MAX),
            behind: AtomicBool::new(false),
            breaks: AtomicBool::new(false),
            frames: Mutex::default(),
            ephemerals: Mutex::default(),
        })
    }

    pub(super) fn speak(&self, dialect: u8) {
        self.dialect.store(dialect, Ordering::SeqCst);
    }

    /// What its feed was told: room and first event.
    pub(super) fn stirs(&self) -> Vec<(RoomId, u64)> {
        lock(&self.stirs).clone()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let text = |frame: &Bytes| String::from_utf8(frame.to_vec()).expect("a text");
        lock(&self.frames).iter().map(text).collect()
    }

    pub(super) fn set_space(&self, frames: usize) {
        self.space.store(frames, Ordering::SeqCst);
    }

    pub(super) fn break_once(&self) {
        self.breaks.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::SeqCst)
    }

    pub(super) fn frames(&self) -> Vec<Bytes> {
        lock(&self.frames).clone()
    }

    pub(super) fn seqs(&self) -> Vec<u64> {
        let seq = |frame: &Bytes| {
            let text = std::str::from_utf8(frame).expect("a text");
            let (seq, _) = text.split_once(' ').expect("seq and text");
            seq.parse().expect("a seq")
        };
        lock(&self.frames).iter().map(seq).collect()
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.frames).len()
    }

    pub(super) fn ephemerals(&self) -> Vec<String> {
        lock(&self.ephemerals).clone()
    }
}

impl Listener for Ear {
    fn dialect(&self) -> DialectId {
        DialectId(self.dialect.load(Ordering::SeqCst))
    }

    fn has_feed(&self) -> bool {
        self.has_feed
    }

    fn stirred(&self, room: RoomId, first: Seq) {
        lock(&self.stirs).push((room, first.0));
    }

    fn person(&self) -> &PersonId {
        &self.person
    }

    fn push_durable(&self, frame: &Bytes, _is_replay: bool) -> bool {
        let take = |space: usize| match space {
            usize::MAX => Some(usize::MAX),
            _ => space.checked_sub(1),
        };
        let fits = self
            .space
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok();
        if fits {
            lock(&self.frames).push(frame.clone());
        }
        fits
    }

    fn push_ephemeral(&self, _key: EphemeralKey, frame: &Bytes) {
        let breaks = self.breaks.swap(false, Ordering::SeqCst);
        assert!(!breaks, "a test asked this listener to break");
        let text = String::from_utf8(frame.to_vec()).expect("a text");
        lock(&self.ephemerals).push(text);
    }

    fn fell_behind(&self, _room: RoomId) {
        self.behind.store(true, Ordering::SeqCst);
    }
}

/// A connection in a room.
pub(super) struct Seat {
    pub(super) edge: Arc<Edge>,
    pub(super) joined: Joined,
    pub(super) ear: Arc<Ear>,
}

impl Seat {
    /// One step of replay, as a connection with space asks for it.
    pub(super) async fn step(&self) -> ReplayStep {
        self.edge.replay(self.joined.attachment).await
    }

    /// Replays until nothing is missing.
    pub(super) async fn catch_up(&self) {
        self.ear.behind.store(false, Ordering::SeqCst);
        loop {
            match self.step().await {
                ReplayStep::More => {}
                ReplayStep::Live => return,
                step => panic!("replay ended: {step:?}"),
            }
        }
    }

    pub(super) fn leave(&self) {
        self.edge.detach(self.joined.attachment);
    }

    /// Where this connection would go on.
    pub(super) fn since(&self, seq: u64) -> Option<Since> {
        since(self.joined.history_id, seq)
    }

    /// Waits for the event and checks that everything from `first` on came once and in order.
    pub(super) async fn has_all(&self, first: u64, last: u64) {
        let count = (last + 1 - first) as usize;
        eventually("the last event comes", || self.ear.count() >= count).await;
        assert_eq!(self.ear.seqs(), (first..=last).collect::<Vec<u64>>());
    }
}

pub(super) fn since(history_id: HistoryId, seq: u64) -> Option<Since> {
    Some(Since {
        history_id,
        seq: Seq(seq),
    })
}

impl World {
    pub(super) async fn try_join(
        &self,
        room: &EntityId,
        name: &str,
        since: Option<Since>,
    ) -> Result<Seat, Rejection> {
        self.seat(room, Ear::of(name), since.into()).await
    }

    /// Attaches an ear.
    pub(super) async fn seat(
        &self,
        room: &EntityId,
        ear: Arc<Ear>,
        start: Start,
    ) -> Result<Seat, Rejection> {
        let joining = || Joining {
            listener: Arc::clone(&ear) as Arc<dyn Listener>,
            start,
        };
        let (edge, joined) = self.node.join(room, joining).await?;
        Ok(Seat { edge, joined, ear })
    }

    pub(super) async fn join(&self, room: &EntityId, name: &str, since: Option<Since>) -> Seat {
        self.try_join(room, name, since).await.expect("joined")
    }
}
