//! The state of a run on its one thread: rooms, connections, the checker and the clocks' figures.
//!
//! Owns: everything that changes while messages flow. Connection tasks hand in the bytes they read;
//! the steps of a run (in [`crate::steady`]) start and stop the flow.
//! Invariants:
//! 1. A room has one sender at a time: with more than one message under way it never changes.
//! 2. Of a room's members the stalling ones are the last; only the others are waited for.
//!
//! Never: awaits. Bytes that a socket does not take at once are kept and flushed by their own task.

use std::collections::BTreeSet;
use std::rc::Rc;

use frontdesk_protocol::CloseCode;
use frontdesk_protocol::websocket::{Flow, FrameReader, Incoming, Opcode, client_frame};
use hdrhistogram::Histogram;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::check::{Checker, Delivery, Violation};
use crate::clock::{self, Clock};
use crate::dialect::{Dialect, Received, RoomTarget};
use crate::marker::Marker;
use crate::memo::Memo;

/// Latencies beyond this are recorded as this, nanoseconds (2 minutes).
const LATENCY_NS_MAX: u64 = 120_000_000_000;

/// The mask of every frame. It protects proxies from scripts, and here are neither; it is not zero,
/// so that the server has to undo it.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x96, 0x0F];

/// How the end of a connection begins to be told when the server closed it.
pub(crate) const CLOSED_BY_SERVER: &str = "closed by the server";

/// The same when the server refused a step before the messages.
pub(crate) const REFUSED: &str = "refused";

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// On its way to the upgrade.
    Opening,
    /// Upgraded; the server does not know yet who speaks, or has not said so.
    Upgraded,
    /// Welcome, not in its room.
    Welcome,
    /// In its room.
    Joined,
    /// Over.
    Closed,
}

/// One connection; the reading half lives in its task.
pub(crate) struct Connection {
    pub(crate) room: usize,
    pub(crate) phase: Phase,
    /// Whether its task must not read now.
    pub(crate) is_stalled: bool,
    /// Whether it stalls at any time in this run.
    pub(crate) is_staller: bool,
    memo_hint: u8,
    writer: Option<OwnedWriteHalf>,
    /// Bytes the socket did not take yet.
    unsent: Vec<u8>,
    /// Held while the server owes this connection a step; freed with it.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// One room.
struct Room {
    target: RoomTarget,
    first_member: usize,
    /// Members that never stall.
    active_count: usize,
    /// Deliveries to active members, so far and when the next message is due in a closed loop.
    delivered: u64,
    delivered_due: u64,
    memo: Memo,
    /// Told when a post over a socket was kept, in dialects that say so without a number.
    kept: Rc<Notify>,
}

/// A message that is about to be posted.
pub(crate) struct Announced {
    /// Whose turn it is.
    pub(crate) sender: usize,
    pub(crate) number: u64,
    pub(crate) text: String,
}

/// How new messages come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Not at all.
    Still,
    /// One for each that has reached every active member.
    Closed,
    /// By the clock.
    Open,
}

/// The state of a run.
pub(crate) struct Load {
    pub(crate) clock: Clock,
    pub(crate) dialect: Dialect,
    pub(crate) pace: Pace,
    pub(crate) checker: Checker,
    /// The same of the bots' answers, one a message where they are due.
    pub(crate) answers: Checker,
    pub(crate) has_bot: bool,
    pub(crate) connections: Vec<Connection>,
    pub(crate) posted: u64,
    pub(crate) lag_count: u64,
    /// When the last connection was welcomed.
    pub(crate) welcomed_ns: u64,
    pub(crate) latency: Histogram<u64>,
    pub(crate) staller_latency: Histogram<u64>,
    /// From a question to its answer.
    pub(crate) answer_latency: Histogram<u64>,
    /// Whether connections that end do so by our wish.
    pub(crate) is_ending: bool,
    /// Connections with unsent bytes.
    pub(crate) unsent: BTreeSet<usize>,
    rooms: Vec<Room>,
    run: u32,
    size_bytes: usize,
    is_sender_fixed: bool,
    started_unix_ms: u64,
}

/// A histogram of latencies, nanoseconds to two significant digits and a half.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_NS_MAX, 3).expect("the bounds are valid constants")
}

/// What a run needs to know at its start.
pub(crate) struct Setup {
    pub(crate) run: u32,
    pub(crate) dialect: Dialect,
    pub(crate) size_bytes: usize,
    pub(crate) is_sender_fixed: bool,
    pub(crate) member_count: usize,
    pub(crate) staller_count: usize,
    pub(crate) targets: Vec<RoomTarget>,
}

impl Load {
    pub(crate) fn new(setup: Setup) -> Self {
        let mut checker = Checker::new(setup.run, setup.dialect.is_native());
        let mut answers = Checker::new(setup.run, false);
        let mut connections = Vec::new();
        let mut rooms = Vec::new();
        let room_count = setup.targets.len();
        for (room, target) in setup.targets.into_iter().enumerate() {
            let stallers = (setup.staller_count + room_count - 1 - room) / room_count;
            let active_count = setup.member_count - stallers;
            checker.add_room(setup.member_count);
            answers.add_room(setup.member_count);
            rooms.push(Room {
                target,
                first_member: connections.len(),
                active_count,
                delivered: 0,
                delivered_due: 0,
                memo: Memo::default(),
                kept: Rc::default(),
            });
            connections.extend((0..setup.member_count).map(|member| Connection {
                room,
                phase: Phase::Opening,
                is_stalled: false,
                is_staller: member >= active_count,
                memo_hint: 0,
                writer: None,
                unsent: Vec::new(),
                permit: None,
            }));
        }
        Self {
            clock: Clock::start(),
            dialect: setup.dialect,
            pace: Pace::Still,
            checker,
            answers,
            has_bot: false,
            connections,
            posted: 0,
            lag_count: 0,
            welcomed_ns: 0,
            latency: latency_histogram(),
            staller_latency: latency_histogram(),
            answer_latency: latency_histogram(),
            is_ending: false,
            unsent: BTreeSet::new(),
            rooms,
            run: setup.run,
            size_bytes: setup.size_bytes,
            is_sender_fixed: setup.is_sender_fixed,
            started_unix_ms: clock::unix_ms(),
        }
    }

    pub(crate) fn target(&self, member: usize) -> &RoomTarget {
        &self.rooms[self.connections[member].room].target
    }

    /// The upgrade is done; the connection may write.
    pub(crate) fn upgraded(&mut self, member: usize, writer: OwnedWriteHalf, token: &str) {
        let connection = &mut self.connections[member];
        connection.writer = Some(writer);
        connection.phase = Phase::Upgraded;
        if let Some(payload) = self.dialect.connect(token) {
            self.send(member, &payload);
        }
    }

    /// Asks to join the connection's room. `false` when there is nothing to ask.
    pub(crate) fn join(&mut self, member: usize) -> bool {
        let Some(payload) = self.dialect.join(self.target(member)) else {
            return false;
        };
        let may = self.connections[member].phase == Phase::Welcome;
        if may {
            self.send(member, &payload);
        }
        may
    }

    /// Starts the closed loop: so many messages a room are under way from now on.
    pub(crate) fn start_closed(&mut self, window: u64) {
        self.pace = Pace::Closed;
        let now_ns = self.clock.now_ns();
        for room in 0..self.rooms.len() {
            self.rooms[room].delivered_due = self.rooms[room].active_count as u64;
            for _ in 0..window {
                self.post(room, now_ns);
            }
        }
    }

    /// Posts to a room; latency counts from `sent_ns`.
    pub(crate) fn post(&mut self, room: usize, sent_ns: u64) {
        let announced = self.announce(room, sent_ns);
        let Announced {
            sender,
            number,
            text,
        } = announced;
        let cid = self.cid(room, number);
        let target = &self.rooms[room].target;
        let payload = self.dialect.post(target, number, cid, text);
        self.send(sender, &payload);
    }

    /// Counts a message that is posted by other means.
    pub(crate) fn announce(&mut self, room: usize, sent_ns: u64) -> Announced {
        let number = self.checker.post(room);
        if self.has_bot {
            self.answers.post(room);
        }
        self.posted += 1;
        let marker = Marker {
            run: self.run,
            room: room as u32,
            number,
            sent_ns,
        };
        let place = &self.rooms[room];
        let turn = match self.is_sender_fixed {
            true => 0,
            false => usize::try_from(number).unwrap_or(0) % place.active_count,
        };
        Announced {
            sender: place.first_member + turn,
            number,
            text: marker.text(self.size_bytes),
        }
    }

    /// Tells when the next post over a socket of this room was kept.
    pub(crate) fn kept(&self, room: usize) -> Rc<Notify> {
        Rc::clone(&self.rooms[room].kept)
    }

    /// A UUIDv7 whose random bits are the run, the room and the number.
    fn cid(&self, room: usize, number: u64) -> [u8; 16] {
        let mut cid = [0; 16];
        cid[..6].copy_from_slice(&self.started_unix_ms.to_be_bytes()[2..]);
        cid[6] = 0x70;
        cid[8] = 0x80;
        cid[7] = (self.run >> 8) as u8;
        cid[9..12].copy_from_slice(&(room as u32).to_be_bytes()[1..]);
        cid[12..].copy_from_slice(&(number as u32).to_be_bytes());
        cid
    }

    /// What a connection's socket gave.
    #[inline]
    pub(crate) fn received(
        &mut self,
        member: usize,
        reader: &mut FrameReader,
        bytes: &mut [u8],
    ) -> Result<(), String> {
        let now_ns = self.clock.now_ns();
        let mut outcome = Ok(());
        let read = reader.feed(bytes, &mut |incoming| {
            outcome = self.on_incoming(member, incoming, now_ns);
            match outcome {
                Ok(()) => Flow::Go,
                Err(_) => Flow::Pause,
            }
        });
        outcome.and(read.map(|_| ()).map_err(|error| error.to_string()))
    }

    #[inline]
    fn on_incoming(
        &mut self,
        member: usize,
        incoming: Incoming<'_>,
        now_ns: u64,
    ) -> Result<(), String> {
        match incoming {
            Incoming::Message { text, payload } => self.on_payload(member, text, payload, now_ns),
            Incoming::Ping(payload) => {
                self.write(member, Opcode::Pong, payload);
                Ok(())
            }
            Incoming::Pong(_) | Incoming::Piece { .. } => Ok(()),
            Incoming::Close { code, reason } => {
                let code = code.unwrap_or_default();
                Err(format!("{CLOSED_BY_SERVER} with {code} {reason}"))
            }
            Incoming::Oversize { announced_bytes } => {
                Err(format!("a message of {announced_bytes} bytes"))
            }
        }
    }

    #[inline]
    fn on_payload(
        &mut self,
        member: usize,
        text: bool,
        payload: &[u8],
        now_ns: u64,
    ) -> Result<(), String> {
        let connection = &mut self.connections[member];
        let room = &mut self.rooms[connection.room];
        if let Some(delivery) = room.memo.find(&mut connection.memo_hint, payload) {
            self.on_delivery(member, &delivery, now_ns);
            return Ok(());
        }
        if payload.is_empty() {
            // The native ping: the same empty frame answers it.
            self.send(member, b"");
            return Ok(());
        }
        if text == self.dialect.is_binary() {
            return Err("a message of the wrong opcode".to_owned());
        }
        let received = self.dialect.read(payload)?;
        if let Received::Delivery(delivery) = &received {
            let connection = &mut self.connections[member];
            let memo = &mut self.rooms[connection.room].memo;
            memo.keep(&mut connection.memo_hint, payload, *delivery);
            self.on_delivery(member, delivery, now_ns);
            return Ok(());
        }
        self.on_received(member, received, now_ns)
    }

    fn on_received(
        &mut self,
        member: usize,
        received: Received,
        now_ns: u64,
    ) -> Result<(), String> {
        let connection = &mut self.connections[member];
        let room = connection.room;
        match received {
            Received::Welcome => {
                connection.phase = Phase::Welcome;
                connection.permit = None;
                self.welcomed_ns = now_ns;
            }
            Received::Joined { head } => {
                if connection.phase == Phase::Upgraded {
                    self.welcomed_ns = now_ns;
                }
                connection.phase = Phase::Joined;
                connection.permit = None;
                if self.dialect.is_native() {
                    self.checker.joined(member, head);
                }
            }
            Received::Acked { number, seq, dup } => self.checker.acked(room, number, seq, dup),
            Received::Refused { number, why } => match number {
                Some(number) => self.checker.refused(room, number, &why),
                None if connection.phase == Phase::Joined => {
                    self.checker.broke(Violation::Refused, member, &why);
                }
                None => return Err(format!("{REFUSED}: {why}")),
            },
            Received::Lag => self.lag_count += 1,
            Received::Kept => self.rooms[room].kept.notify_one(),
            Received::Answer(answer) => {
                if self.answers.delivered(member, &answer) {
                    let latency_ns = now_ns.saturating_sub(answer.marker.sent_ns);
                    self.answer_latency.saturating_record(latency_ns);
                }
            }
            Received::Delivery(_) | Received::Other => {}
        }
        Ok(())
    }

    #[inline]
    fn on_delivery(&mut self, member: usize, delivery: &Delivery, now_ns: u64) {
        if !self.checker.delivered(member, delivery) {
            return;
        }
        let latency_ns = now_ns.saturating_sub(delivery.marker.sent_ns);
        let connection = &self.connections[member];
        if connection.is_staller {
            self.staller_latency.saturating_record(latency_ns);
            return;
        }
        self.latency.saturating_record(latency_ns);
        let room = &mut self.rooms[connection.room];
        room.delivered += 1;
        if self.pace == Pace::Closed && room.delivered >= room.delivered_due {
            room.delivered_due += room.active_count as u64;
            let room = connection.room;
            self.post(room, now_ns);
        }
    }

    /// A connection's task is over.
    pub(crate) fn closed(&mut self, member: usize, violation: Violation, why: &str) {
        let connection = &mut self.connections[member];
        connection.phase = Phase::Closed;
        connection.permit = None;
        connection.writer = None;
        self.unsent.remove(&member);
        if !self.is_ending {
            self.checker.broke(violation, member, why);
        }
    }

    /// Ends every connection.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
        let code = CloseCode::Normal.number().to_be_bytes();
        for member in 0..self.connections.len() {
            self.write(member, Opcode::Close, &code);
        }
    }

    fn send(&mut self, member: usize, payload: &[u8]) {
        let opcode = match self.dialect.is_binary() {
            true => Opcode::Binary,
            false => Opcode::Text,
        };
        self.write(member, opcode, payload);
    }

    fn write(&mut self, member: usize, opcode: Opcode, payload: &[u8]) {
        let connection = &mut self.connections[member];
        let Some(writer) = &connection.writer else {
            return;
        };
        let frame = client_frame(opcode, payload, MASK);
        let taken = match connection.unsent.is_empty() {
            // A broken socket shows at its reader.
            true => writer.try_write(&frame).unwrap_or(0),
            false => 0,
        };
        if taken < frame.len() {
            connection.unsent.extend_from_slice(&frame[taken..]);
            self.unsent.insert(member);
        }
    }

    /// Tries again what sockets did not take.
    pub(crate) fn flush(&mut self) {
        let connections = &mut self.connections;
        self.unsent.retain(|member| {
            let connection = &mut connections[*member];
            let Some(writer) = &connection.writer else {
                return false;
            };
            let taken = writer.try_write(&connection.unsent).unwrap_or(0);
            connection.unsent.drain(..taken);
            !connection.unsent.is_empty()
        });
    }
}
