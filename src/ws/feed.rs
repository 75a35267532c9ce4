//! The rooms of a connection that hears of all of its person's rooms: it attaches to those that
//! stir, a few at a time, gives up the stillest for them, and leaves those that stay still.
//!
//! Invariants:
//! 1. Everything said after the feed was opened is delivered once and in order: a room is attached
//!    behind from where it stirred, or from where it was left; a room that lacks something is not
//!    forgotten when it is left.
//! 2. One room is attached at a time, and nothing else attaches rooms to such a connection.
//! 3. At most [`ATTACHED_ROOM_COUNT_MAX`] rooms are attached; those that wait are bounded too.
//!
//! Never: holds an event.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use frontdesk_actors::{Feed, Joined, LeftAt, Listener, Start};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{CloseCode, CompanyId, ErrorCode, Rejection, RoomId, Seq};
use frontdesk_storage::{EntityId, EntityKind};

use super::desk::{Desk, Place, join};

/// Rooms attached at once: those in which something is going on.
const ATTACHED_ROOM_COUNT_MAX: usize = 64;
/// Rooms that were left and whose position is remembered; for others the next stir says it.
const LEFT_ROOM_COUNT_MAX: usize = 1_024;
/// A room in which nothing stirred for this long is left, milliseconds: an edge costs memory, and
/// coming back costs one read.
const STILL_MS: u64 = 60_000;
/// Rooms that stirred and wait for their turn: with more the client reads too slowly for its
/// conversations.
pub(super) const STIRRED_ROOM_COUNT_MAX: usize = 1_024;

type Attached = (RoomId, Wanted, Result<(Place, Joined), Rejection>);

/// Why a room is to be attached.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    /// Something was said from here on.
    first: Option<Seq>,
    /// The client writes there.
    types: bool,
}

/// See the module's text.
pub(super) struct RoomFeed {
    _open: Feed,
    /// What happens at the company's desks, for those who serve its visitors.
    staff: Option<Feed>,
    company: CompanyId,
    queue: VecDeque<RoomId>,
    wanted: BTreeMap<RoomId, Wanted>,
    left: BTreeMap<RoomId, Seq>,
    left_order: VecDeque<RoomId>,
    stir_count: u64,
    /// When still rooms were left last, and what had stirred until then.
    rested_ms: u64,
    rested_count: u64,
    attaching: Option<Pin<Box<dyn Future<Output = Attached> + Send>>>,
}

impl RoomFeed {
    fn want(&mut self, room: RoomId, first: Option<Seq>, types: bool) {
        let queue = &mut self.queue;
        let wanted = self.wanted.entry(room).or_insert_with(|| {
            queue.push_back(room);
            Wanted::default()
        });
        // The earliest counts; `None` is no place at all.
        wanted.first = match (wanted.first, first) {
            (Some(known), Some(newer)) => Some(known.min(newer)),
            (known, newer) => known.or(newer),
        };
        wanted.types |= types;
    }

    fn next_wanted(&mut self) -> Option<(RoomId, Wanted)> {
        let room = self.queue.pop_front()?;
        let wanted = self.wanted.remove(&room).unwrap_or_default();
        Some((room, wanted))
    }

    fn remember(&mut self, room: RoomId, next: Seq) {
        if self.left.insert(room, next).is_none() {
            self.left_order.push_back(room);
        }
        while self.left.len() > LEFT_ROOM_COUNT_MAX
            && let Some(oldest) = self.left_order.pop_front()
        {
            self.left.remove(&oldest);
        }
    }

    fn recall(&mut self, room: RoomId) -> Option<Seq> {
        let next = self.left.remove(&room)?;
        self.left_order.retain(|left| *left != room);
        Some(next)
    }
}

impl Desk {
    /// From now on the connection hears of all its person's rooms.
    pub(crate) fn open_feed(&mut self) {
        let Some(principal) = self.principal() else {
            return;
        };
        self.shared.set_feed();
        let listener = Arc::clone(&self.shared) as Arc<dyn Listener>;
        let open = self.app.node.open_feed(&principal.company, listener);
        self.feed = Some(Box::new(RoomFeed {
            _open: open,
            staff: None,
            company: principal.company.clone(),
            queue: VecDeque::new(),
            wanted: BTreeMap::new(),
            left: BTreeMap::new(),
            left_order: VecDeque::new(),
            stir_count: 0,
            rested_ms: self.app.node.clock().monotonic_ms(),
            rested_count: 0,
            attaching: None,
        }));
    }

    /// From now on the connection, which has a feed, also hears of every chat of the company that
    /// people are wanted in, get or are done with. The caller has checked that it may.
    pub(crate) fn open_staff_feed(&mut self) {
        let sees_all = self.principal().is_some_and(|it| it.role != Role::Agent);
        if let Some(feed) = self.feed.as_mut() {
            let listener = Arc::clone(&self.shared) as Arc<dyn Listener>;
            let node = &self.app.node;
            feed.staff = Some(node.open_staff_feed(&feed.company, listener, sees_all));
        }
    }

    /// The client writes in a room, or stopped. Whoever is not there yet comes first.
    pub(crate) fn type_in(&mut self, room: EntityId, active: bool) {
        let Some(principal) = self.principal() else {
            return;
        };
        let EntityKind::Room(id) = room.kind else {
            return;
        };
        let wanted = Wanted {
            first: None,
            types: active,
        };
        if self.touch(id, wanted) {
            if let Some(joined) = self.room(RoomName::Id(id)).filter(|_| !active) {
                joined.edge().typing(&principal, false);
            }
            return;
        }
        let Some(feed) = self.feed.as_mut() else {
            return;
        };
        if active {
            feed.want(id, None, true);
        } else if let Some(wanted) = feed.wanted.get_mut(&id) {
            wanted.types = false;
        }
        self.check_bound(false);
    }

    /// These rooms stirred, each from this event on; with `has_overflown` there were more.
    pub(super) fn stirred(&mut self, rooms: BTreeMap<RoomId, Seq>, has_overflown: bool) {
        for (room, first) in rooms {
            let wanted = Wanted {
                first: Some(first),
                types: false,
            };
            if !self.touch(room, wanted)
                && let Some(feed) = self.feed.as_mut()
            {
                feed.want(room, Some(first), false);
            }
        }
        self.check_bound(has_overflown);
    }

    fn check_bound(&mut self, has_overflown: bool) {
        let waiting = self.feed.as_ref().map_or(0, |feed| feed.wanted.len());
        if has_overflown || waiting > STIRRED_ROOM_COUNT_MAX {
            let why = "too many conversations at once for this reader";
            self.close(CloseCode::NoWriteProgress, why);
        }
    }

    /// A room is wanted; true when it is attached, so that what is said there comes by itself.
    fn touch(&mut self, room: RoomId, wanted: Wanted) -> bool {
        let (Some(feed), Some(principal)) = (self.feed.as_mut(), self.shared.principal()) else {
            return true;
        };
        let Some(index) = self.rooms.iter().position(|joined| joined.room == room) else {
            return false;
        };
        if !self.rooms[index].is_held() {
            // They were put out of it, and are perhaps back.
            self.rooms.swap_remove(index);
            return false;
        }
        let joined = &mut self.rooms[index];
        feed.stir_count += 1;
        joined.stirred_at = feed.stir_count;
        if let Some(first) = wanted.first {
            joined.unmute(first);
        }
        if wanted.types {
            joined.edge().typing(principal, true);
        }
        true
    }

    /// Attaches rooms that stirred; true when something moved.
    pub(super) fn poll_feed(&mut self, cx: &mut Context<'_>) -> bool {
        let is_attaching = match &self.feed {
            None => return false,
            Some(feed) => feed.attaching.is_some(),
        };
        if !is_attaching && !self.begin_attaching() {
            return false;
        }
        let attaching = self.feed.as_mut().and_then(|feed| feed.attaching.as_mut());
        let Some(Poll::Ready((room, wanted, taken))) =
            attaching.map(|attaching| attaching.as_mut().poll(cx))
        else {
            return false;
        };
        if let Some(feed) = self.feed.as_mut() {
            feed.attaching = None;
        }
        match taken {
            Ok((place, joined)) => {
                self.take_place(place, &joined);
                self.touch(
                    room,
                    Wanted {
                        first: None,
                        ..wanted
                    },
                );
            }
            // Not theirs: there is nothing to hear.
            Err(why) if why.code == ErrorCode::UnknownRoom => {}
            Err(why) => self.close(CloseCode::Internal, &why.message),
        }
        true
    }

    fn begin_attaching(&mut self) -> bool {
        loop {
            let next = self.feed.as_mut().and_then(|feed| feed.next_wanted());
            let Some((room, wanted)) = next else {
                return false;
            };
            if self.touch(room, wanted) {
                continue;
            }
            let is_full = self.rooms.len() >= ATTACHED_ROOM_COUNT_MAX;
            let has_place = !is_full || self.leave_stillest();
            let Some(feed) = self.feed.as_mut() else {
                return false;
            };
            if !has_place {
                // All of them lack something: a place is free once one has caught up.
                feed.queue.push_front(room);
                feed.wanted.insert(room, wanted);
                return false;
            }
            // Where it was left lies before, or at, whatever has stirred since.
            let start = match feed.recall(room).or(wanted.first) {
                Some(next) => Start::At(next),
                None => Start::Muted,
            };
            let entity = EntityId::room(feed.company.clone(), room);
            let (app, shared) = (Arc::clone(&self.app), Arc::clone(&self.shared));
            feed.attaching = Some(Box::pin(async move {
                (room, wanted, join(&app, &shared, &entity, start).await)
            }));
            return true;
        }
    }

    /// Now and then: leaves rooms in which nothing has stirred since the last time.
    pub(super) fn rest_feed(&mut self, now_ms: u64) {
        let Some(feed) = self.feed.as_mut() else {
            return;
        };
        if feed.rested_ms + STILL_MS > now_ms {
            return;
        }
        let until = feed.rested_count;
        (feed.rested_ms, feed.rested_count) = (now_ms, feed.stir_count);
        while let Some(index) = self.stillest()
            && self.rooms[index].stirred_at <= until
        {
            self.leave_at(index);
        }
    }

    /// Leaves the room that has been still for longest, if there is one that lacks nothing.
    fn leave_stillest(&mut self) -> bool {
        let stillest = self.stillest();
        stillest.map(|index| self.leave_at(index)).is_some()
    }

    fn stillest(&self) -> Option<usize> {
        let rooms = self.rooms.iter().enumerate();
        let complete = rooms.filter(|(_, joined)| !joined.is_behind());
        let stillest = complete.min_by_key(|(_, joined)| joined.stirred_at);
        stillest.map(|(index, _)| index)
    }

    fn leave_at(&mut self, index: usize) {
        let Some(feed) = self.feed.as_mut() else {
            return;
        };
        let joined = self.rooms.swap_remove(index);
        let room = joined.room;
        match joined.let_go() {
            Some(LeftAt::Before(next)) => feed.remember(room, next),
            Some(LeftAt::Missing(next)) => feed.want(room, Some(next), false),
            Some(LeftAt::Nowhere) | None => {}
        }
    }
}
