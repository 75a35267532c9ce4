//! The ends of HTTP connections: of one whose client takes nothing of its answer, and of one whose
//! last request was answered before it had been read.
//!
//! Who takes nothing holds what their answer needs, be it a file that is read. So a write that
//! waits for longer than the limit ends the connection.
//!
//! A socket that is closed with bytes unread is reset, and a reset takes the answer away from a
//! peer that writes everything before it reads. So what still comes is read and dropped for a
//! while.
//!
//! Invariants: a connection lingers only for a body that was cut off, and within both limits; there
//! is a timer only while a write waits. What is upgraded leaves this, and has rules of its own.
//! Never: keeps or looks at what it drops.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What is dropped at most, bytes: a photo that was sent by mistake, not a stream.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time for it, milliseconds: as long as a person's slowest network gets for a head.
const LINGER_MS: u64 = 10_000;
/// What is dropped at once, bytes.
const PIECE_BYTES: usize = 8 * 1024;

/// Whether a connection's body was cut off.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutOff(Arc<AtomicBool>);

/// A request's body that tells when it is dropped before its end.
pub(crate) struct Watched {
    body: Incoming,
    has_ended: bool,
    cut_off: CutOff,
}

impl Watched {
    /// Watches a body.
    pub(crate) fn new(body: Incoming, cut_off: CutOff) -> Self {
        Self {
            body,
            has_ended: false,
            cut_off,
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.has_ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.cut_off.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A stream that fails when its peer takes nothing, and lingers in its shutdown.
pub(crate) struct Lingering<S> {
    stream: S,
    stall_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    cut_off: CutOff,
    is_shut: bool,
    left_bytes: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    /// A write waits for no longer than this. Lingers if by then a body was cut off.
    pub(crate) fn new(stream: S, stall_limit: Duration, cut_off: CutOff) -> Self {
        Self {
            stream,
            stall_limit,
            stalled: None,
            cut_off,
            is_shut: false,
            left_bytes: LINGER_BYTES_MAX,
            deadline: None,
        }
    }

    /// The stream as it is.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// What became of a write, or its end when it has waited for too long.
    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.stall_limit;
        let timer = || Box::pin(tokio::time::sleep(limit));
        let stalled = self.stalled.get_or_insert_with(timer);
        ready!(stalled.as_mut().poll(cx));
        let why = "the client takes nothing";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Drops what comes until the peer has read its answer and ends, or a limit is reached.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = || Box::pin(tokio::time::sleep(Duration::from_millis(LINGER_MS)));
        let deadline = self.deadline.get_or_insert_with(limit);
        while self.left_bytes > 0 && deadline.as_mut().poll(cx).is_pending() {
            let mut piece = [0; PIECE_BYTES];
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece));
            if read.is_err() || piece.filled().is_empty() {
                break;
            }
            self.left_bytes = self.left_bytes.saturating_sub(piece.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        if self.cut_off.0.load(Ordering::Relaxed) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    fn cut_off() -> CutOff {
        CutOff(Arc::new(AtomicBool::new(true)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_waited_for_until_the_deadline() {
        let (ours, _theirs) = duplex(64);
        let begun = Instant::now();
        Lingering::new(ours, STALL, cut_off())
            .shutdown()
            .await
            .unwrap();
        assert_eq!(begun.elapsed().as_millis() / 10, u128::from(LINGER_MS / 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_ends_ends_it_at_once() {
        let (ours, mut theirs) = duplex(64);
        let begun = Instant::now();
        let peer = async {
            theirs.write_all(&[b'x'; 100_000]).await.unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            drop(theirs);
        };
        let mut stream = Lingering::new(ours, STALL, cut_off());
        let (shut, ()) = tokio::join!(stream.shutdown(), peer);
        shut.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_is_read() {
        let (ours, mut theirs) = duplex(1024 * 1024);
        let mut stream = Lingering::new(ours, STALL, cut_off());
        let mut written_bytes = 0;
        let flood = async {
            while let Ok(count) = theirs.write(&[b'x'; PIECE_BYTES]).await {
                written_bytes += count;
            }
        };
        let close = async {
            stream.shutdown().await.unwrap();
            drop(stream);
        };
        tokio::join!(flood, close);
        assert!((LINGER_BYTES_MAX..LINGER_BYTES_MAX + 2 * 1024 * 1024).contains(&written_bytes));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_read_everything_does_not_linger() {
        let (ours, _theirs) = duplex(64);
        let begun = Instant::now();
        let mut stream = Lingering::new(ours, STALL, CutOff::default());
        stream.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails_at_the_limit() {
        let (ours, _theirs) = duplex(64);
        let mut stream = Lingering::new(ours, STALL, CutOff::default());
        let begun = Instant::now();
        let error = stream.write_all(&[b'x'; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_little_now_and_then_is_waited_for() {
        let (ours, mut theirs) = duplex(64);
        let mut stream = Lingering::new(ours, STALL, CutOff::default());
        let begun = Instant::now();
        let takes = async {
            let mut pause = tokio::time::interval(STALL / 2);
            for _ in 0..10 {
                pause.tick().await;
                theirs.read_exact(&mut [0; 64]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[b'x'; 640]), takes);
        written.unwrap();
        assert!(begun.elapsed() > STALL * 4);
        assert!(stream.stalled.is_none(), "no timer without a write");
    }
}
