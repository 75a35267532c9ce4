//! Uploads whose bytes come on a connection: which frames are taken, what may be sent next, and
//! what is said about both.
//!
//! Owns: [`Streams`], the connection's side; in `lane` what it and the tasks that write leave for
//! each other, in `writing` those tasks.
//!
//! Invariants:
//! 1. A frame is taken or refused at once: nothing here waits for a disk, so chat never does.
//! 2. What a client may send is counted in the memory of uploads before it is told, and nothing is
//!    granted while the disk is behind.
//! 3. Every byte is taken once, in its place.
//! 4. Credit that is granted and not used counts against what the other uploads of a connection
//!    get, and while memory is short nobody gets more than a little.
//!
//! Never: writes a file, or knows a room.

mod lane;
mod take;
mod writing;

use std::sync::Arc;

use frontdesk_actors::task::spawn;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::limits::CONNECTION_STREAM_COUNT_MAX;
use frontdesk_protocol::native::{Push, ResetReason, ServerFrame};
use frontdesk_protocol::websocket::{Opcode, server_frame, server_message};
use frontdesk_protocol::{CloseCode, UploadId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::desk::Desk;
use crate::uploads::window::{FIRST_BYTES, Window};
use crate::uploads::{Job, Uploads, Writer};
use lane::{Lane, LaneEnd};
pub(crate) use writing::Teller;
use writing::{LOOK_MS, Writing};

/// Bytes after which what came is acknowledged at once.
const ACK_BYTES: u64 = 256 * 1024;
/// Bytes that wait for the disk before nothing more is granted: a few of its writes.
const BEHIND_BYTES: u64 = 1024 * 1024;
/// A share of the window that must have been used before credit is told again: a quarter.
const TELL_SHARE: u64 = 4;
/// How long a stream counts for sharing the window after bytes came, milliseconds.
const ACTIVE_MS: u64 = 2_000;
/// Pause between an answer to a ping and the next ping, milliseconds.
const PING_MS: u64 = 50;
/// An answer that does not come is counted as having taken this long, and as long again,
/// milliseconds.
const UNANSWERED_MS: u64 = 1_000;
/// A stream that has credit and brings nothing is ended after this, milliseconds: it holds memory.
const IDLE_MS: u64 = 30_000;
/// What must come in that time, bytes: a kilobyte a second.
const PACE_BYTES: u64 = 30 * 1024;
/// Uploads whose end a connection waits for although it sends nothing of them: each is read from
/// time to time. As many as a person may have under way, if the settings do not say otherwise.
const WATCH_COUNT_MAX: usize = 64;
/// Times that more may be sent than was granted before the connection is closed.
const VIOLATION_COUNT_MAX: u32 = 2;

/// One upload whose bytes come here.
struct Stream {
    number: u16,
    upload: UploadId,
    lane: Arc<Lane>,
    /// Where the next frame belongs.
    next: u64,
    /// Up to where bytes may be sent, as the client was told.
    limit: u64,
    /// Where the file ends at the latest.
    end_max: u64,
    /// Where it ends, if that is known.
    size: Option<u64>,
    has_ended: bool,
    /// The longest payload the client was ever told of, and the one it was told last.
    chunk_ceiling: u64,
    chunk_told: u64,
    /// What was acknowledged last, and when.
    acked: (u64, u64),
    acked_ms: u64,
    must_ack: bool,
    /// A gap was told: what follows in it is dropped in silence.
    is_nacked: bool,
    /// When bytes came last, or could not come.
    moved_ms: u64,
    /// Since when its pace is measured, and what had come by then.
    paced: (u64, u64),
}

struct Ping {
    number: u64,
    sent_ms: u64,
    /// When it is counted as answered although it is not.
    due_ms: u64,
}

/// See the module's text.
pub(crate) struct Streams {
    codec: Codec,
    open: Vec<Stream>,
    last_number: u16,
    window: Window,
    /// Bytes that came on this connection.
    came_bytes: u64,
    came_ms: u64,
    ping: Option<Ping>,
    ping_count: u64,
    answered_ms: u64,
    violation_count: u32,
    /// Places to wait for the end of an upload that is not sent here.
    watches: Arc<Semaphore>,
}

/// What a stream begins with.
pub(crate) struct Opening {
    pub(crate) teller: Teller,
    pub(crate) job: Arc<Job>,
    pub(crate) writer: Writer,
    pub(crate) size: Option<u64>,
    pub(crate) size_max: u64,
}

/// What the client is told of a stream.
pub(crate) struct Opened {
    pub(crate) stream: u16,
    pub(crate) offset: u64,
    pub(crate) credit: u64,
    pub(crate) chunk_max: u32,
}

impl Drop for Streams {
    fn drop(&mut self) {
        for stream in &self.open {
            stream.lane.close();
        }
    }
}

impl Streams {
    fn new(codec: Codec) -> Self {
        Self {
            codec,
            open: Vec::new(),
            last_number: 0,
            window: Window::new(),
            came_bytes: 0,
            came_ms: 0,
            ping: None,
            ping_count: 0,
            answered_ms: 0,
            violation_count: 0,
            watches: Arc::new(Semaphore::new(WATCH_COUNT_MAX)),
        }
    }

    /// A number that no open stream bears, and none has borne for long.
    fn fresh_number(&mut self) -> u16 {
        loop {
            self.last_number = self.last_number.wrapping_add(1);
            if self
                .open
                .iter()
                .all(|stream| stream.number != self.last_number)
            {
                return self.last_number;
            }
        }
    }

    /// How much of the window a stream has.
    fn share(&self, number: u16, now_ms: u64, is_plenty: bool) -> u64 {
        let others = || {
            let open = self.open.iter();
            open.filter(|stream| stream.number != number && !stream.has_ended)
        };
        let active = others().filter(|stream| stream.moved_ms + ACTIVE_MS > now_ms);
        let even = self.window.bytes() / (1 + active.count() as u64);
        // One that went quiet has its credit yet, and may use it at any moment.
        let unused: u64 = others().map(|stream| stream.limit - stream.next).sum();
        let little = even.min(FIRST_BYTES);
        match is_plenty {
            true => even
                .min(self.window.bytes().saturating_sub(unused))
                .max(little),
            false => little,
        }
    }

    /// Grants a stream what it may have now; whether the client is to be told.
    fn grant(&mut self, index: usize, uploads: &Uploads, now_ms: u64) -> bool {
        let is_plenty = uploads.is_memory_plenty();
        let share = self.share(self.open[index].number, now_ms, is_plenty);
        let chunk = self.window.chunk_bytes();
        let stream = &mut self.open[index];
        let written = stream.lane.stand().written;
        let is_behind = stream.next.saturating_sub(written) > BEHIND_BYTES;
        let wanted = match is_behind || stream.has_ended {
            true => stream.limit,
            false => (stream.next + share).min(stream.end_max).max(stream.limit),
        };
        let left = stream.limit.saturating_sub(stream.next);
        let is_worth = wanted - stream.limit >= share / TELL_SHARE || left < chunk;
        let wanted = match is_worth {
            true => wanted,
            false => stream.limit,
        };
        let held = stream.lane.hold(wanted.saturating_sub(written), |units| {
            uploads.take_memory(units)
        });
        let granted = wanted.min(written.saturating_add(held));
        if granted <= stream.limit {
            return false;
        }
        stream.limit = granted;
        stream.chunk_told = chunk;
        stream.chunk_ceiling = stream.chunk_ceiling.max(chunk);
        true
    }

    fn credit(&self, index: usize) -> Push {
        let stream = &self.open[index];
        Push::UploadCredit {
            stream: stream.number,
            limit: stream.limit,
            chunk_max: u32::try_from(stream.chunk_told).unwrap_or(u32::MAX),
        }
    }

    fn ack(&mut self, index: usize, now_ms: u64) -> Push {
        let stream = &mut self.open[index];
        let durable = stream.lane.stand().durable;
        (stream.acked, stream.acked_ms) = ((stream.next, durable), now_ms);
        stream.must_ack = false;
        Push::UploadAck {
            stream: stream.number,
            received: stream.next,
            durable,
        }
    }

    /// Ends a stream; what came is kept.
    fn reset(&mut self, index: usize, reason: ResetReason) -> Push {
        let stream = self.open.remove(index);
        stream.lane.close();
        Push::UploadReset {
            stream: stream.number,
            upload: stream.upload,
            reason,
        }
    }

    /// A ping, unless one is under way or was a moment ago.
    fn ping(&mut self, now_ms: u64) -> Option<[u8; 8]> {
        if let Some(ping) = &mut self.ping {
            if ping.due_ms <= now_ms {
                // Whoever does not answer is slow, or is to be taken for it.
                ping.due_ms = now_ms + UNANSWERED_MS;
                let took_ms = now_ms.saturating_sub(ping.sent_ms);
                self.window.answered(took_ms, now_ms, self.came_bytes);
            }
            return None;
        }
        if self.answered_ms + PING_MS > now_ms {
            return None;
        }
        self.ping_count += 1;
        self.ping = Some(Ping {
            number: self.ping_count,
            sent_ms: now_ms,
            due_ms: now_ms + UNANSWERED_MS,
        });
        Some(self.ping_count.to_be_bytes())
    }

    /// Whether a stream has credit and makes nothing of it.
    fn is_idle(stream: &mut Stream, now_ms: u64) -> bool {
        if stream.has_ended || stream.limit <= stream.next {
            // It cannot send: nobody is to blame.
            (stream.moved_ms, stream.paced) = (now_ms, (now_ms, stream.next));
            return false;
        }
        if stream.moved_ms + IDLE_MS <= now_ms {
            return true;
        }
        let (since_ms, before) = stream.paced;
        if since_ms + IDLE_MS > now_ms {
            return false;
        }
        stream.paced = (now_ms, stream.next);
        stream.next - before < PACE_BYTES
    }

    /// Looks at everything that time or the disk has changed; what is to be said.
    fn look(&mut self, uploads: &Uploads, now_ms: u64) -> Vec<Push> {
        let mut pushes = Vec::new();
        let mut index = 0;
        while index < self.open.len() {
            let stream = &mut self.open[index];
            let stand = stream.lane.stand();
            let is_news = stream.must_ack || stream.acked != (stream.next, stand.durable);
            let is_due = stream.acked_ms + LOOK_MS <= now_ms || stand.outcome.is_some();
            let end = match stand.outcome {
                None if Self::is_idle(stream, now_ms) => Some(LaneEnd::Reset(ResetReason::Idle)),
                other => other,
            };
            if is_news && is_due {
                pushes.push(self.ack(index, now_ms));
            }
            match end {
                None => {
                    if self.grant(index, uploads, now_ms) {
                        pushes.push(self.credit(index));
                    }
                    index += 1;
                }
                Some(LaneEnd::Reset(reason)) => pushes.push(self.reset(index, reason)),
                Some(LaneEnd::Done | LaneEnd::Closed) => drop(self.open.remove(index)),
            }
        }
        pushes
    }
}

impl Desk {
    /// Whether one more upload may be sent here at the same time.
    pub(crate) fn has_stream_left(&self) -> bool {
        let open = self
            .streams
            .as_ref()
            .map_or(0, |streams| streams.open.len());
        open < CONNECTION_STREAM_COUNT_MAX
    }

    /// A place to wait for the end of an upload that is not sent here, if there is one.
    pub(crate) fn take_watch(&mut self, codec: Codec) -> Option<OwnedSemaphorePermit> {
        let streams = self
            .streams
            .get_or_insert_with(|| Box::new(Streams::new(codec)));
        Arc::clone(&streams.watches).try_acquire_owned().ok()
    }

    /// Measures the link before the first bytes of a file are on it.
    pub(crate) fn measure_link(&mut self, codec: Codec) {
        let now_ms = self.app.node.clock().monotonic_ms();
        let streams = self
            .streams
            .get_or_insert_with(|| Box::new(Streams::new(codec)));
        if let Some(payload) = streams.ping(now_ms) {
            self.reply(server_frame(Opcode::Ping, &payload));
        }
    }

    /// Begins to take an upload's bytes.
    pub(crate) fn open_stream(&mut self, opening: Opening) -> Opened {
        let now_ms = self.app.node.clock().monotonic_ms();
        let codec = opening.teller.codec;
        let streams = self
            .streams
            .get_or_insert_with(|| Box::new(Streams::new(codec)));
        let (offset, number) = (opening.writer.kept(), streams.fresh_number());
        let lane = Arc::new(Lane::new(offset));
        let chunk = streams.window.chunk_bytes();
        streams.open.push(Stream {
            number,
            upload: opening.teller.upload,
            lane: Arc::clone(&lane),
            next: offset,
            limit: offset,
            end_max: opening.size.unwrap_or(opening.size_max),
            size: opening.size,
            has_ended: false,
            chunk_ceiling: chunk,
            chunk_told: chunk,
            acked: (offset, offset),
            acked_ms: now_ms,
            must_ack: false,
            is_nacked: false,
            moved_ms: now_ms,
            paced: (now_ms, offset),
        });
        let index = streams.open.len() - 1;
        streams.grant(index, &self.app.uploads, now_ms);
        let stream = &streams.open[index];
        let opened = Opened {
            stream: number,
            offset,
            credit: stream.limit,
            chunk_max: u32::try_from(stream.chunk_told).unwrap_or(u32::MAX),
        };
        let writing = Writing {
            teller: opening.teller,
            lane,
            job: opening.job,
            writer: opening.writer,
            is_sized: opening.size.is_some(),
        };
        spawn(writing.run());
        opened
    }

    /// Something may have changed for an upload.
    pub(super) fn look_at_streams(&mut self) {
        let now_ms = self.app.node.clock().monotonic_ms();
        let Some(streams) = self.streams.as_mut() else {
            return;
        };
        let codec = streams.codec;
        let pushes = streams.look(&self.app.uploads, now_ms);
        let is_moving = streams.came_ms + ACTIVE_MS > now_ms;
        let ping = match is_moving {
            true => streams.ping(now_ms),
            false => {
                streams.window.rested();
                None
            }
        };
        if let Some(payload) = ping {
            self.reply(server_frame(Opcode::Ping, &payload));
        }
        for push in pushes {
            self.reply(server_message(codec, &ServerFrame::Push(push)));
        }
    }

    /// An answer to a ping.
    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        let now_ms = self.app.node.clock().monotonic_ms();
        let Some(streams) = self.streams.as_mut() else {
            return;
        };
        let is_of = |ping: &mut Ping| ping.number.to_be_bytes() == *payload;
        if let Some(ping) = streams.ping.take_if(is_of) {
            let took_ms = now_ms.saturating_sub(ping.sent_ms);
            streams.answered_ms = now_ms;
            streams.window.answered(took_ms, now_ms, streams.came_bytes);
        }
    }

    /// Rules of sending were broken: the stream ends, and the second time the connection does.
    fn note_violation(&mut self) {
        let Some(streams) = self.streams.as_mut() else {
            return;
        };
        streams.violation_count += 1;
        if streams.violation_count >= VIOLATION_COUNT_MAX {
            let code = CloseCode::PolicyViolation;
            self.close(code, code.reason());
        }
    }
}

#[cfg(test)]
mod tests;
