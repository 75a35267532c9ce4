//! The part of a connection that others may touch: edges queue frames, entities bring outcomes, the
//! wheel asks for a look, the node announces a drain. Everything is noted under one short lock and
//! the connection's task is woken.
//!
//! Invariants: nothing here blocks, awaits or calls back into an edge; the task is the only one who
//! takes things out.
//! Never: touches the socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use frontdesk_actors::edge::EphemeralKey;
use frontdesk_actors::{DialectId, Door, Listener, Outcome};
use frontdesk_protocol::command::{Card, Principal};
use frontdesk_protocol::{PersonId, RoomId, Seq};
use uuid::Uuid;

use super::feed::STIRRED_ROOM_COUNT_MAX;
use super::outbox::{Bounds, Outbox};

/// The part of the hard bound that durable frames leave to replies and notices: an eighth.
const REPLY_SHARE: usize = 8;

/// What others left for the task.
#[derive(Default)]
pub(super) struct Mail {
    /// Outcomes of commands.
    pub(super) answers: Vec<(u64, Outcome)>,
    /// Rooms in which the connection fell behind.
    pub(super) behind: Vec<RoomId>,
    /// Rooms that stirred, each with the first event that was said.
    pub(super) stirred: BTreeMap<RoomId, Seq>,
    /// More rooms stirred than may wait.
    pub(super) has_overflown: bool,
    /// The wheel asks for a look at the clock.
    pub(super) look: bool,
    /// The node drains; leave after this many milliseconds.
    pub(super) drain_after_ms: Option<u64>,
    /// The token that opened the connection is void.
    pub(super) is_revoked: bool,
    /// Something happened to an upload of the connection.
    pub(super) has_streams: bool,
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.answers.is_empty()
            && self.behind.is_empty()
            && self.stirred.is_empty()
            && !self.has_overflown
            && !self.look
            && self.drain_after_ms.is_none()
            && !self.is_revoked
            && !self.has_streams
    }
}

struct Inner {
    outbox: Outbox,
    mail: Mail,
    waker: Option<Waker>,
    /// The task knows that frames wait and cannot write now: no need to wake it for more.
    is_blocked: bool,
}

/// See the module's text.
pub(crate) struct Shared {
    principal: OnceLock<(Arc<Principal>, Option<Uuid>)>,
    dialect: AtomicU8,
    has_feed: AtomicBool,
    bounds: Bounds,
    inner: Mutex<Inner>,
}

impl Shared {
    pub(crate) fn new(dialect: DialectId, bounds: Bounds) -> Self {
        let inner = Inner {
            outbox: Outbox::default(),
            mail: Mail::default(),
            waker: None,
            is_blocked: false,
        };
        Self {
            principal: OnceLock::new(),
            dialect: AtomicU8::new(dialect.0),
            has_feed: AtomicBool::new(false),
            bounds,
            inner: Mutex::new(inner),
        }
    }

    /// Says whose connection it is, and by which login of an account; true the first time.
    pub(crate) fn set_principal(&self, principal: Arc<Principal>, login: Option<Uuid>) -> bool {
        self.principal.set((principal, login)).is_ok()
    }

    /// Whose connection it is, once that is known.
    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.get().map(|(principal, _)| principal)
    }

    /// The login of an account that the connection was opened by.
    pub(crate) fn login(&self) -> Option<Uuid> {
        self.principal.get().and_then(|(_, login)| *login)
    }

    /// From now on the client is spoken to in another dialect; what is queued stays as it is.
    pub(crate) fn set_dialect(&self, dialect: DialectId) {
        self.dialect.store(dialect.0, Ordering::Release);
    }

    /// From now on the connection hears of all its person's rooms.
    pub(super) fn set_feed(&self) {
        self.has_feed.store(true, Ordering::Release);
    }

    /// Queues a control frame.
    pub(crate) fn push_control(&self, frame: Bytes) {
        self.note(|inner| inner.outbox.push_control(frame));
    }

    /// Asks the task to look at the clock.
    pub(super) fn look(&self) {
        self.tell(|mail| mail.look = true);
    }

    /// Asks the task to leave within this time.
    pub(crate) fn drain(&self, after_ms: u64) {
        self.tell(|mail| mail.drain_after_ms = Some(after_ms));
    }

    /// Has the task close the connection: the token that opened it is void.
    pub(crate) fn revoke(&self) {
        self.tell(|mail| mail.is_revoked = true);
    }

    /// Has the task look at its uploads.
    pub(super) fn stir_streams(&self) {
        self.tell(|mail| mail.has_streams = true);
    }

    /// Takes what others left; when there is nothing, remembers whom to wake.
    pub(super) fn take_mail(&self, waker: &Waker) -> Option<Mail> {
        let mut inner = self.lock();
        if !inner.mail.is_empty() {
            return Some(std::mem::take(&mut inner.mail));
        }
        if !inner
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            inner.waker = Some(waker.clone());
        }
        None
    }

    /// Takes frames for one write; returns whether there are any.
    pub(super) fn take_frames(&self, batch: &mut Vec<Bytes>) -> bool {
        let mut inner = self.lock();
        inner.is_blocked = false;
        inner.outbox.take(batch);
        !batch.is_empty()
    }

    /// Notes how much of a batch was written, and says whether more waits. With `is_blocked` the
    /// socket takes no more for now.
    pub(super) fn wrote(&self, batch: &mut Vec<Bytes>, written: usize, is_blocked: bool) -> bool {
        let mut inner = self.lock();
        inner.is_blocked = is_blocked;
        inner.outbox.wrote(batch, written)
    }

    /// Gives back the space for frames, if none waits.
    pub(super) fn rest(&self) {
        self.lock().outbox.rest();
    }

    /// Bytes that wait now, and the most that ever did.
    pub(crate) fn queued_bytes(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.outbox.queued_bytes(), inner.outbox.peak_bytes())
    }

    /// Whether replayed pages have space.
    pub(super) fn has_space(&self) -> bool {
        self.lock().outbox.queued_bytes() < self.bounds.soft_bytes / 2
    }

    /// Drops what waits, but for a frame that was started.
    pub(super) fn clear_frames(&self) {
        self.lock().outbox.clear_unstarted();
    }

    fn tell(&self, change: impl FnOnce(&mut Mail)) {
        let waker = {
            let mut inner = self.lock();
            change(&mut inner.mail);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn note<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner);
        let waker = if inner.is_blocked {
            None
        } else {
            inner.waker.take()
        };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door for Shared {
    fn answered(&self, cseq: u64, outcome: Outcome) {
        self.tell(|mail| mail.answers.push((cseq, outcome)));
    }
}

impl Listener for Shared {
    fn dialect(&self) -> DialectId {
        DialectId(self.dialect.load(Ordering::Acquire))
    }

    fn person(&self) -> &PersonId {
        &self
            .principal()
            .expect("attached only once it is known whose it is")
            .person
    }

    fn card(&self) -> Card {
        self.principal()
            .map(|principal| principal.card.clone())
            .unwrap_or_default()
    }

    fn has_feed(&self) -> bool {
        self.has_feed.load(Ordering::Acquire)
    }

    fn stirred(&self, room: RoomId, first: Seq) {
        self.tell(|mail| {
            if let Some(known) = mail.stirred.get_mut(&room) {
                *known = first.min(*known);
            } else if mail.stirred.len() < STIRRED_ROOM_COUNT_MAX {
                mail.stirred.insert(room, first);
            } else {
                mail.has_overflown = true;
            }
        });
    }

    fn push_durable(&self, frame: &Bytes, is_replay: bool) -> bool {
        let bound_bytes = if is_replay {
            self.bounds.soft_bytes
        } else {
            self.bounds.hard_bytes - self.bounds.hard_bytes / REPLY_SHARE
        };
        self.note(|inner| inner.outbox.push_durable(frame, bound_bytes))
    }

    fn push_ephemeral(&self, key: EphemeralKey, frame: &Bytes) {
        self.note(|inner| {
            inner
                .outbox
                .push_ephemeral(key, frame, self.bounds.soft_bytes)
        });
    }

    fn fell_behind(&self, room: RoomId) {
        self.tell(|mail| mail.behind.push(room));
    }
}
