//! What becomes of a frame of a file.
//!
//! Invariant: whatever a frame holds, it is answered by at most a few small frames.
//! Never: keeps a frame that it does not take.

use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::file_frame::{FileFrame, FileFrameKind};
use frontdesk_protocol::native::{Push, ResetReason, ServerFrame};
use frontdesk_protocol::websocket::server_message;
use frontdesk_protocol::{ErrorCode, Rejection};

use super::{ACK_BYTES, Desk, Stream, Streams};
use crate::native::wire_error;

/// A frame with less than this is counted as a command, bytes: what it costs is not its bytes.
const PAID_BYTES: usize = 1024;

/// What a frame comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its bytes, from this one on, are next in the file.
    Taken { from: usize },
    /// It says what is known.
    Known,
    /// It cannot be used now.
    Missed,
    /// More than the file may have came.
    TooLong,
    /// The stream ends.
    Refused(ResetReason),
    /// The client ends it.
    Left,
}

impl Stream {
    /// What a frame comes to. Where the file ends is looked at once its bytes are taken.
    pub(super) fn fate(&self, frame: &FileFrame<'_>) -> Fate {
        if frame.kind == FileFrameKind::Reset {
            return Fate::Left;
        }
        if frame.payload.len() as u64 > self.chunk_ceiling {
            return Fate::Refused(ResetReason::FrameTooLarge);
        }
        let Some(end) = frame.end() else {
            return Fate::Refused(ResetReason::FlowControl);
        };
        if frame.offset <= self.next && end > self.end_max {
            return Fate::TooLong;
        }
        if end > self.limit {
            return Fate::Refused(ResetReason::FlowControl);
        }
        if !frame.is_whole() || frame.offset > self.next {
            return Fate::Missed;
        }
        let is_end = frame.kind == FileFrameKind::End;
        if is_end && (end < self.next || self.size.is_some_and(|size| size != end)) {
            return Fate::Refused(ResetReason::WrongEnd);
        }
        if self.has_ended || end < self.next || (end == self.next && !is_end) {
            return Fate::Known;
        }
        let from = usize::try_from(self.next - frame.offset).unwrap_or(frame.payload.len());
        Fate::Taken { from }
    }

    /// Whether the client has gone back to what it was told to send again.
    fn is_back(&self, frame: &FileFrame<'_>) -> bool {
        frame.offset <= self.next
    }
}

impl Streams {
    fn take(&mut self, index: usize, frame: &FileFrame<'_>, now_ms: u64) -> Option<Push> {
        let stream = &mut self.open[index];
        let fate = stream.fate(frame);
        match fate {
            Fate::Taken { from } => {
                let bytes = &frame.payload[from..];
                stream.next += bytes.len() as u64;
                (stream.moved_ms, stream.is_nacked) = (now_ms, false);
                if !bytes.is_empty() {
                    stream.lane.push(bytes);
                }
                if frame.kind == FileFrameKind::End || stream.size == Some(stream.next) {
                    stream.has_ended = true;
                    stream.lane.end(stream.next);
                }
                self.came_bytes += bytes.len() as u64;
                self.came_ms = now_ms;
                let is_due = self.open[index].next - self.open[index].acked.0 >= ACK_BYTES;
                is_due.then(|| self.ack(index, now_ms))
            }
            Fate::Known => {
                stream.must_ack = true;
                stream.is_nacked = false;
                None
            }
            Fate::Missed => {
                let is_told = stream.is_nacked && !stream.is_back(frame);
                stream.is_nacked = true;
                let (stream, expected) = (stream.number, stream.next);
                (!is_told).then_some(Push::UploadNack { stream, expected })
            }
            Fate::TooLong => {
                stream.has_ended = true;
                stream.lane.too_long();
                None
            }
            Fate::Refused(reason) => Some(self.reset(index, reason)),
            Fate::Left => {
                self.open.remove(index).lane.close();
                None
            }
        }
    }
}

impl Desk {
    /// A frame of a file came.
    pub(crate) fn take_file_frame(&mut self, codec: Codec, message: &[u8]) {
        let now_ms = self.app.node.clock().monotonic_ms();
        let frame = FileFrame::parse(message);
        self.is_paid = frame.is_some_and(|frame| frame.payload.len() >= PAID_BYTES);
        let Some(streams) = self.streams.as_mut() else {
            return self.refuse_file_frame(codec, frame.is_some());
        };
        let Some(frame) = frame else {
            return self.refuse_file_frame(codec, false);
        };
        // Of a stream that has ended; the client has been told, or ended it.
        let is_of = |stream: &Stream| stream.number == frame.stream;
        let Some(index) = streams.open.iter().position(is_of) else {
            return;
        };
        let push = streams.take(index, &frame, now_ms);
        let mut pushes: Vec<Push> = push.into_iter().collect();
        if streams.open.get(index).is_some_and(is_of)
            && streams.grant(index, &self.app.uploads, now_ms)
        {
            pushes.push(streams.credit(index));
        }
        let is_violated = pushes.iter().any(|push| {
            let reason = ResetReason::FlowControl;
            matches!(push, Push::UploadReset { reason: found, .. } if *found == reason)
        });
        for push in pushes {
            self.reply(server_message(codec, &ServerFrame::Push(push)));
        }
        if is_violated {
            self.note_violation();
        }
    }

    fn refuse_file_frame(&mut self, codec: Codec, is_readable: bool) {
        if is_readable {
            return; // of a stream that never was, or has ended
        }
        let why = "a file's frame is cut short, or of no kind there is";
        let error = wire_error(Rejection::because(ErrorCode::BadFrame, why));
        self.reply(server_message(
            codec,
            &ServerFrame::Error { id: None, error },
        ));
    }
}
