//! A connection's desk: the rooms it has joined, the commands it waits for, the one longer piece of
//! work that is under way. Dialects work on it; the connection's task drives it.
//!
//! Invariants:
//! 1. Frames of a client are handled in order: while a piece of work is under way, none is read.
//! 2. Commands that wait for an answer are bounded in number and bytes; at the bound reading stops,
//!    and also while the outbox holds more than its soft bound, so that replies always have space,
//!    and while frames come faster than their rate.
//! 3. A command that was answered `busy` and whose client cannot repeat it is kept and sent again,
//!    with its cid, before anything that came after it.
//!
//! Never: reads or writes the socket.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::edge::{Attachment, ReplayStep};
use frontdesk_actors::{
    Arrival, CidBy, Command, DoorId, Edge, Joined, Joining, LeftAt, Named, Outcome, Start,
};
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::native::{FrameRef, RoomName};
use frontdesk_protocol::{
    Cid, CloseCode, ConversationNo, ErrorCode, Rejection, RoomId, Seq, Timestamp,
};
use frontdesk_storage::EntityId;

use super::feed::RoomFeed;
use super::shared::Shared;
use super::streams::Streams;
use crate::app::App;
use crate::profiles::direct;
use crate::rates::Pace;

/// What a piece of work leaves to be done on the desk.
pub(crate) type Continuation = Box<dyn FnOnce(&mut Desk) + Send>;
/// A piece of work that awaits something.
pub(crate) type Work = Pin<Box<dyn Future<Output = Continuation> + Send>>;
type Replay = Pin<Box<dyn Future<Output = (Arc<Edge>, Attachment, ReplayStep)> + Send>>;

/// A joined room.
pub(crate) struct JoinedRoom {
    pub(crate) room: RoomId,
    pub(crate) conversation: ConversationNo,
    /// When it last stirred, in stirs of this connection; only with a feed.
    pub(super) stirred_at: u64,
    place: Place,
    is_behind: bool,
}

impl JoinedRoom {
    /// The room's edge on this node.
    pub(crate) fn edge(&self) -> &Arc<Edge> {
        &self.place.edge
    }

    /// Whether a replay is owed.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Whether the edge has not put it out.
    pub(crate) fn is_held(&self) -> bool {
        self.place.edge.holds(self.place.attachment)
    }

    /// Something was said from `first` on: a place that was muted gets it.
    pub(super) fn unmute(&mut self, first: Seq) {
        self.is_behind |= self.place.edge.unmute(self.place.attachment, first);
    }

    /// Gives the place up; where it stopped.
    pub(super) fn let_go(self) -> Option<LeftAt> {
        self.place.edge.detach(self.place.attachment)
    }
}

/// A place at an edge; dropping it gives it up, so that no way out of a join leaves one behind.
pub(crate) struct Place {
    edge: Arc<Edge>,
    attachment: Attachment,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.edge.detach(self.attachment);
    }
}

/// A command without an answer yet.
pub(crate) struct Waiting {
    /// How the client named it, if it wants to know.
    pub(crate) frame: Option<FrameRef>,
    entity: EntityId,
    command: Command,
    /// Its cid. What a client named the client repeats, the rest is repeated from here.
    named: Named,
    weight_bytes: usize,
    /// It was refused for now and is sent again with the next look at the clock.
    put_off: bool,
}

/// See the module's text.
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) door: DoorId,
    /// When the token ends, for dialects whose clients refresh it.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) rooms: Vec<JoinedRoom>,
    pub(crate) close: Option<(CloseCode, String)>,
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    next_cseq: u64,
    has_put_off: bool,
    pace: Pace,
    /// A frame is owed to the pace, and no further one is read before this; 0 when none is.
    paced_until_ms: u64,
    /// Per room, the command that the client was told to send again first.
    told_busy: BTreeMap<EntityId, Cid>,
    pub(super) work: Option<Work>,
    replay: Option<Replay>,
    /// The rooms of a connection that hears of all its person's rooms.
    pub(super) feed: Option<Box<RoomFeed>>,
    /// A large frame that is being read.
    pub(crate) inline: Option<Box<direct::Inline>>,
    /// Counts the person as online.
    arrival: Option<Arrival>,
    /// The uploads whose bytes come here.
    pub(super) streams: Option<Box<Streams>>,
    /// What was read last is paid for otherwise.
    pub(super) is_paid: bool,
}

impl Desk {
    pub(super) fn new(app: Arc<App>, shared: Arc<Shared>) -> Self {
        let door = app
            .node
            .open_door(Arc::clone(&shared) as Arc<dyn frontdesk_actors::Door>);
        Self {
            app,
            shared,
            door,
            expires_at: None,
            rooms: Vec::new(),
            close: None,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            next_cseq: 0,
            has_put_off: false,
            pace: Pace::default(),
            paced_until_ms: 0,
            told_busy: BTreeMap::new(),
            work: None,
            replay: None,
            feed: None,
            inline: None,
            arrival: None,
            streams: None,
            is_paid: false,
        }
    }

    /// Once it is known whose desk it is, they are online.
    pub(super) fn note_arrival(&mut self) {
        if self.arrival.is_none()
            && self.close.is_none()
            && let Some(principal) = self.shared.principal()
        {
            self.arrival = Some(self.app.node.arrive(principal));
        }
    }

    /// Whose desk it is, once that is known.
    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        self.shared.principal().map(Arc::clone)
    }

    /// Queues a frame for the client.
    pub(crate) fn reply(&self, frame: Bytes) {
        self.shared.push_control(frame);
    }

    /// Closes the connection once what is queued has left.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        self.close.get_or_insert_with(|| (code, reason.to_owned()));
    }

    /// Starts a longer piece of work; no frame is read until it is done.
    pub(crate) fn start(&mut self, work: impl Future<Output = Continuation> + Send + 'static) {
        debug_assert!(self.work.is_none(), "invariant 1");
        self.work = Some(Box::pin(work));
    }

    /// Sends a command to an entity. Without a cid of the client's one is made here.
    pub(crate) fn submit(
        &mut self,
        frame: Option<FrameRef>,
        entity: EntityId,
        command: Command,
        cid: Option<Cid>,
        weight_bytes: usize,
    ) {
        let Some(principal) = self.principal() else {
            return;
        };
        self.next_cseq += 1;
        let cseq = self.next_cseq;
        let named = cid.map_or_else(Named::by_node, Named::from);
        let kept = match named.by {
            CidBy::Client => Command::Wake,
            CidBy::Node => command.clone(),
        };
        let waiting = Waiting {
            frame,
            entity: entity.clone(),
            command: kept,
            named,
            weight_bytes,
            put_off: false,
        };
        self.waiting_bytes += weight_bytes;
        self.waiting.insert(cseq, waiting);
        self.app
            .node
            .submit(entity, principal, command, named, self.door, cseq);
    }

    /// An outcome came. What the dialect has to tell, if anything.
    pub(super) fn answered(&mut self, cseq: u64, outcome: Outcome) -> Option<(Waiting, Outcome)> {
        let waiting = self.waiting.get_mut(&cseq)?;
        let is_later = matches!(
            &outcome,
            Outcome::Refused(why)
                if matches!(why.code, ErrorCode::Busy | ErrorCode::Unavailable)
        );
        // Once the client was told to repeat a command, what it sent after that is its to repeat.
        let client_repeats = waiting.named.by == CidBy::Client;
        let is_clients = client_repeats || self.told_busy.contains_key(&waiting.entity);
        if is_later && !is_clients {
            waiting.put_off = true;
            self.has_put_off = true;
            return None;
        }
        if is_later && client_repeats {
            let told = self.told_busy.entry(waiting.entity.clone());
            told.or_insert(waiting.named.cid);
        } else if self.told_busy.get(&waiting.entity) == Some(&waiting.named.cid) {
            self.told_busy.remove(&waiting.entity);
        }
        let waiting = self.waiting.remove(&cseq)?;
        self.waiting_bytes -= waiting.weight_bytes;
        Some((waiting, outcome))
    }

    /// Sends what was put off again, oldest first.
    pub(super) fn send_again(&mut self) {
        let Some(principal) = self.principal() else {
            return;
        };
        self.has_put_off = false;
        for (cseq, waiting) in self
            .waiting
            .iter_mut()
            .filter(|(_, waiting)| waiting.put_off)
        {
            waiting.put_off = false;
            let (entity, command) = (waiting.entity.clone(), waiting.command.clone());
            let principal = Arc::clone(&principal);
            self.app
                .node
                .submit(entity, principal, command, waiting.named, self.door, *cseq);
        }
    }

    /// Whether something was put off.
    pub(super) fn has_put_off(&self) -> bool {
        self.has_put_off
    }

    /// Whether any command has no answer yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A frame was read. Beyond the rate it is owed, and reading pauses until it is paid.
    pub(super) fn count_frame(&mut self) {
        if std::mem::take(&mut self.is_paid) {
            return;
        }
        if let Err(refused) = self.app.rates.take_command(&self.pace) {
            let now_ms = self.app.node.clock().monotonic_ms();
            self.paced_until_ms = now_ms + refused.wait_ms;
        }
    }

    /// Until when reading pauses, if it does.
    pub(super) fn paced_until_ms(&self) -> Option<u64> {
        (self.paced_until_ms > 0).then_some(self.paced_until_ms)
    }

    /// Pays what is owed, once that is possible.
    pub(super) fn settle_pace(&mut self, now_ms: u64) {
        if self.paced_until_ms > 0 && self.paced_until_ms <= now_ms {
            self.paced_until_ms = 0;
            self.count_frame();
        }
    }

    /// Whether no further frame may be read now.
    pub(super) fn must_pause(&self) -> bool {
        let limits = &self.app.limits;
        self.work.is_some()
            || self.close.is_some()
            || self.paced_until_ms > 0
            || self.waiting.len() >= limits.connection_unanswered_count as usize
            || self.waiting_bytes >= limits.connection_unanswered_bytes
            || self.shared.queued_bytes().0 >= limits.outbox_soft_bytes
    }

    /// A joined room.
    pub(crate) fn room(&self, name: RoomName) -> Option<&JoinedRoom> {
        self.rooms.iter().find(|joined| match name {
            RoomName::Id(room) => joined.room == room,
            RoomName::Conversation(conversation) => joined.conversation == conversation,
        })
    }

    /// Takes a place in a room; a second join of the same room replaces the first.
    pub(crate) fn take_place(&mut self, place: Place, joined: &Joined) {
        self.leave(RoomName::Id(joined.context.room));
        self.rooms.push(JoinedRoom {
            room: joined.context.room,
            conversation: joined.context.conversation,
            stirred_at: 0,
            place,
            // It may have fallen behind since it was attached, before anyone knew of it here; a
            // replay that finds nothing missing costs one step.
            is_behind: true,
        });
    }

    /// Leaves a room; false when it was not joined.
    pub(crate) fn leave(&mut self, name: RoomName) -> bool {
        let Some(room) = self.room(name).map(|joined| joined.room) else {
            return false;
        };
        self.rooms.retain(|joined| joined.room != room);
        true
    }

    /// Leaves everything; nothing reaches the connection any more.
    pub(super) fn leave_all(&mut self) {
        self.feed = None;
        self.rooms.clear();
        self.arrival = None;
        self.app.node.close_door(self.door);
        self.work = None;
        self.inline = None;
        self.replay = None;
        self.streams = None;
    }

    /// These rooms fell behind. Returns those that had not been.
    pub(super) fn fell_behind(&mut self, rooms: &[RoomId]) -> Vec<RoomId> {
        let mut newly = Vec::new();
        for joined in self
            .rooms
            .iter_mut()
            .filter(|joined| rooms.contains(&joined.room))
        {
            if !joined.is_behind {
                joined.is_behind = true;
                newly.push(joined.room);
            }
        }
        newly
    }

    /// Whether a replay is owed.
    pub(super) fn is_behind(&self) -> bool {
        self.rooms.iter().any(|joined| joined.is_behind)
    }

    /// Goes on with replaying rooms that are behind; true when something moved.
    pub(super) fn poll_replay(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        if self.replay.is_none() {
            let behind = self.rooms.iter().find(|joined| joined.is_behind);
            let Some(behind) = behind.filter(|_| self.shared.has_space()) else {
                return false;
            };
            let (edge, attachment) = (Arc::clone(behind.edge()), behind.place.attachment);
            self.replay = Some(Box::pin(async move {
                let step = edge.replay(attachment).await;
                (edge, attachment, step)
            }));
        }
        let Some(replay) = self.replay.as_mut() else {
            return false;
        };
        let std::task::Poll::Ready((edge, attachment, step)) = replay.as_mut().poll(cx) else {
            return false;
        };
        self.replay = None;
        // The room may have been left and joined again meanwhile: that is another place.
        let replayed = self.rooms.iter_mut().find(|joined| {
            Arc::ptr_eq(&joined.place.edge, &edge) && joined.place.attachment == attachment
        });
        match (step, replayed) {
            // A room that fell behind again meanwhile has said so in the mail.
            (ReplayStep::Live, Some(joined)) => joined.is_behind = false,
            (ReplayStep::Gone, Some(joined)) if joined.is_held() => {
                self.close(CloseCode::Internal, "history cannot be read now");
            }
            (ReplayStep::Gone, Some(joined)) => {
                // They were put out of it: of the others nothing changes.
                let room = joined.room;
                self.rooms.retain(|joined| joined.room != room);
            }
            (ReplayStep::More, _) | (_, None) => {}
            // Something is queued, so the socket wakes the task once it has left.
            (ReplayStep::Full, Some(_)) => return false,
        }
        true
    }
}

/// Attaches a connection to a room.
pub(crate) async fn join(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    entity: &EntityId,
    start: Start,
) -> Result<(Place, Joined), Rejection> {
    let joining = || Joining {
        listener: Arc::clone(shared) as Arc<dyn frontdesk_actors::Listener>,
        start,
    };
    let (edge, joined) = app.node.join(entity, joining).await?;
    Ok((
        Place {
            edge,
            attachment: joined.attachment,
        },
        joined,
    ))
}
