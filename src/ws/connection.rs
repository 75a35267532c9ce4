//! A connection: one task that reads, writes, and works its desk.
//!
//! It waits until the socket is readable, reads into a scratch buffer of its worker thread and
//! parses there, so that an idle connection holds no buffer. What leaves are complete, shared
//! frames in vectored writes.
//!
//! Invariants:
//! 1. While a client's command waits, or the outbox is full, the client is not read: it is pushed
//!    back by TCP, and not blamed for silence meanwhile.
//! 2. A peer that takes nothing for `limits.write_stall_ms` is closed; it resumes where it stopped.
//! 3. A close code is sent after the upgrade was accepted, and the peer gets time to read it.
//!
//! Never: blocks its worker; every await is the socket's, the desk's or the clock's.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::CloseCode;
use frontdesk_protocol::websocket::{
    Flow, FrameReader, Incoming, Opcode, close_frame, server_frame,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::clockwork::Clockwork;
use super::desk::Desk;
use super::outbox::WRITE_FRAME_COUNT_MAX;
use super::shared::{Mail, Shared};
use super::speaker::Speaker;
use crate::app::{App, Counted};

/// Scratch of one worker, bytes: what a socket buffer holds.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Time to write a close frame and for the peer to take it, milliseconds.
const GOODBYE_MS: u64 = 2_000;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
    static BATCH: RefCell<Vec<Bytes>> = RefCell::new(Vec::with_capacity(WRITE_FRAME_COUNT_MAX));
}

/// See the module's text.
pub(crate) struct Connection {
    stream: TcpStream,
    reader: FrameReader,
    speaker: Speaker,
    desk: Desk,
    clockwork: Clockwork,
    has_kept_input: bool,
    /// What came behind the request: it waits while the token is checked.
    early: Vec<u8>,
}

/// The peer is gone: nothing can be said to it any more.
struct Gone;

impl Connection {
    /// A connection right after its upgrade; `early` came behind the request.
    pub(crate) fn new(
        app: Arc<App>,
        stream: TcpStream,
        early: &[u8],
        speaker: Speaker,
        begin: impl FnOnce(&mut Desk),
    ) -> Self {
        let bounds = app.outbox_bounds();
        let shared = Arc::new(Shared::new(speaker.dialect(), bounds));
        let now_ms = app.node.clock().monotonic_ms();
        let mut desk = Desk::new(app, shared);
        let clockwork = Clockwork::new(now_ms, desk.door, &desk.app.limits);
        begin(&mut desk);
        let reader = FrameReader::new(speaker.message_bytes_max())
            .streaming(speaker.streamed_bytes_max(&desk.app.limits));
        let mut connection = Self {
            stream,
            reader,
            speaker,
            desk,
            clockwork,
            has_kept_input: false,
            early: early.to_vec(),
        };
        connection.clockwork.plan(&connection.desk, now_ms);
        connection
    }

    /// What others may touch.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.desk.shared
    }

    /// Serves until one side is done.
    // Not an `async fn`: that would hold the connection twice, as its argument and as its local.
    #[expect(
        clippy::manual_async_fn,
        reason = "two fifths of an idle connection's memory"
    )]
    pub(crate) fn run(mut self, counted: Option<Counted>) -> impl Future<Output = ()> + Send {
        async move {
            let outcome = poll_fn(|cx| self.poll(cx)).await;
            // Boxed, so that an open connection holds no space for its end.
            Box::pin(self.end(outcome)).await;
            drop(counted);
        }
    }

    async fn end(&mut self, outcome: Result<(CloseCode, String), Gone>) {
        self.desk.leave_all();
        if let Ok((code, reason)) = outcome {
            self.desk.app.metrics.closed(code);
            let is_stalled = code == CloseCode::NoWriteProgress;
            let goodbye = self.say_goodbye(code, &reason, is_stalled);
            // A peer that does not take its goodbye is left without one.
            let _ = timeout(Duration::from_millis(GOODBYE_MS), goodbye).await;
        }
        let (_, peak_bytes) = self.desk.shared.queued_bytes();
        self.desk.app.metrics.outbox_peak(peak_bytes);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(CloseCode, String), Gone>> {
        loop {
            let mut moved = false;
            while let Some(mail) = self.desk.shared.take_mail(cx.waker()) {
                self.on_mail(mail);
                moved = true;
            }
            moved |= self.poll_work(cx);
            moved |= self.desk.poll_feed(cx);
            moved |= self.desk.poll_replay(cx);
            match self.poll_write(cx) {
                // What comes meanwhile wakes the task; only a replay waits for the space made.
                Ok(wrote) => moved |= wrote && self.desk.is_behind(),
                Err(Gone) => return Poll::Ready(Err(Gone)),
            }
            if let Some(close) = self.desk.close.take() {
                return Poll::Ready(Ok(close));
            }
            match self.poll_read(cx) {
                Ok(read) => moved |= read,
                Err(Gone) => return Poll::Ready(Err(Gone)),
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    fn on_mail(&mut self, mail: Mail) {
        for (cseq, outcome) in mail.answers {
            if let Some((waiting, outcome)) = self.desk.answered(cseq, outcome) {
                self.speaker.answered(&mut self.desk, waiting, outcome);
            }
        }
        if self.desk.has_put_off() {
            self.clockwork.plan_now(&self.desk);
        }
        if !mail.stirred.is_empty() || mail.has_overflown {
            self.desk.stirred(mail.stirred, mail.has_overflown);
        }
        if !mail.behind.is_empty() {
            let rooms = self.desk.fell_behind(&mail.behind);
            if !rooms.is_empty() {
                self.speaker.lagged(&mut self.desk, rooms);
            }
        }
        if let Some(after_ms) = mail.drain_after_ms {
            self.speaker.draining(&mut self.desk, after_ms);
            self.clockwork.leave_after(&self.desk, after_ms);
        }
        if mail.is_revoked {
            let why = "the login or the account behind this connection has ended";
            self.desk.close(CloseCode::Unauthenticated, why);
        }
        if mail.has_streams {
            self.desk.look_at_streams();
        }
        if mail.look {
            self.clockwork.look(&mut self.desk, self.speaker);
        }
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(work) = self.desk.work.as_mut() else {
            return false;
        };
        let Poll::Ready(go_on) = work.as_mut().poll(cx) else {
            return false;
        };
        self.desk.work = None;
        go_on(&mut self.desk);
        self.desk.note_arrival();
        // A token may have become known, with an end of its own.
        self.clockwork.plan_now(&self.desk);
        true
    }

    /// Writes what is queued until the socket takes no more; whether anything was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        BATCH.with_borrow_mut(|batch| {
            let mut wrote = false;
            loop {
                batch.clear();
                if !self.desk.shared.take_frames(batch) {
                    return Ok(wrote);
                }
                match poll_write_batch(&mut self.stream, cx, batch) {
                    Poll::Ready(Ok(0) | Err(_)) => return Err(Gone),
                    Poll::Ready(Ok(written)) => {
                        let has_more = self.desk.shared.wrote(batch, written, false);
                        self.clockwork.wrote();
                        if !has_more {
                            return Ok(true);
                        }
                        wrote = true;
                    }
                    Poll::Pending => {
                        self.desk.shared.wrote(batch, 0, true);
                        self.clockwork.blocked(&self.desk);
                        return Ok(wrote);
                    }
                }
            }
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if self.desk.must_pause() || self.clockwork.is_leaving() {
            self.clockwork.paused(&self.desk);
            return Ok(false);
        }
        if !self.early.is_empty() {
            let mut early = std::mem::take(&mut self.early);
            self.feed(&mut early);
            return Ok(true);
        }
        if self.has_kept_input {
            self.feed(&mut []);
            return Ok(true);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => Ok(false),
                Poll::Ready(Err(_)) => Err(Gone),
                Poll::Ready(Ok(())) => {
                    let input = buffer.filled_mut();
                    if input.is_empty() {
                        return Err(Gone);
                    }
                    self.clockwork.heard(&self.desk);
                    self.feed(input);
                    Ok(true)
                }
            }
        })
    }

    /// Reads frames from input until it is used up or the desk wants a pause.
    fn feed(&mut self, input: &mut [u8]) {
        let Self {
            reader,
            speaker,
            desk,
            clockwork,
            ..
        } = self;
        let fed = reader.feed(input, &mut |incoming| {
            match incoming {
                Incoming::Message { payload: [], .. } if speaker.has_empty_pings() => {
                    if clockwork.answers_ping(desk) {
                        desk.reply(speaker.ping());
                    }
                }
                Incoming::Message { text, payload } => speaker.message(desk, text, payload),
                Incoming::Piece { payload, is_last } => {
                    speaker.piece(desk, payload, is_last);
                    if !is_last {
                        return flow_of(desk);
                    }
                }
                Incoming::Oversize { announced_bytes } => speaker.oversize(desk, announced_bytes),
                Incoming::Ping(payload) => desk.reply(server_frame(Opcode::Pong, payload)),
                Incoming::Pong(payload) => desk.on_pong(payload),
                Incoming::Close { .. } => desk.close(CloseCode::Normal, ""),
            }
            desk.count_frame();
            flow_of(desk)
        });
        self.has_kept_input = matches!(fed, Ok(Flow::Pause));
        if self.desk.paced_until_ms().is_some() {
            self.clockwork.plan_now(&self.desk);
        }
        if let Err(error) = fed {
            self.desk.close(error.close_code(), &error.to_string());
        }
    }

    async fn write_all(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| match self.poll_write(cx) {
            Ok(_) if self.desk.shared.queued_bytes().0 == 0 => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(Gone) => Poll::Ready(Err(Gone)),
        })
        .await
    }

    /// Writes what is queued and the close frame, and waits for the peer to take it: closing at
    /// once would reset the connection and lose both.
    async fn say_goodbye(&mut self, code: CloseCode, reason: &str, is_stalled: bool) {
        if is_stalled {
            self.desk.shared.clear_frames();
        }
        // The close frame is the last: what is queued leaves before it.
        if self.write_all().await.is_err() {
            return;
        }
        self.desk.shared.push_control(close_frame(code, reason));
        if self.write_all().await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; 512];
        while let Ok(count) = self.stream.read(&mut rest).await {
            if count == 0 {
                return;
            }
        }
    }
}

/// Whether more may be read.
fn flow_of(desk: &Desk) -> Flow {
    match desk.must_pause() {
        true => Flow::Pause,
        false => Flow::Go,
    }
}

/// One call for a batch; a lone frame goes the shorter way through the kernel.
fn poll_write_batch(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    batch: &[Bytes],
) -> Poll<std::io::Result<usize>> {
    if let [frame] = batch {
        return Pin::new(stream).poll_write(cx, frame);
    }
    let mut slices = [IoSlice::new(&[]); WRITE_FRAME_COUNT_MAX];
    for (slice, frame) in slices.iter_mut().zip(batch) {
        *slice = IoSlice::new(frame);
    }
    Pin::new(stream).poll_write_vectored(cx, &slices[..batch.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_connection_holds_little_more_than_its_own_state() {
        fn future_bytes<F: Future>(_: fn(Connection, Option<Counted>) -> F) -> usize {
            size_of::<F>()
        }
        let more_bytes = future_bytes(Connection::run) - size_of::<Connection>();
        assert!(more_bytes <= 128, "{more_bytes}");
    }
}
