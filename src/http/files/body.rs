//! A body that is read from the store as the client takes it.
//!
//! Invariants: at most one piece waits here; a body that breaks off ends its connection, so nobody
//! takes half a file for a whole.
//!
//! Never: reads ahead.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use frontdesk_storage::{BlobReader, Error};
use hyper::body::{Frame, SizeHint};

use crate::files::downloads::Turn;

type Reading = Pin<Box<dyn Future<Output = (BlobReader, Result<Option<Bytes>, Error>)> + Send>>;

/// See the module's text.
pub(super) struct FileBody {
    first: Option<Bytes>,
    reader: Option<BlobReader>,
    reading: Option<Reading>,
    left_bytes: u64,
    _turn: Turn,
}

impl FileBody {
    /// A piece that was read, and what follows it.
    pub(super) fn new(first: Option<Bytes>, reader: BlobReader, turn: Turn) -> Self {
        let first_bytes = first.as_ref().map_or(0, Bytes::len) as u64;
        Self {
            left_bytes: first_bytes + reader.left_bytes(),
            first,
            reader: Some(reader),
            reading: None,
            _turn: turn,
        }
    }

    fn give(&mut self, piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.left_bytes = self.left_bytes.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return self.give(first);
        }
        if let Some(mut reader) = self.reader.take() {
            if reader.left_bytes() == 0 {
                return Poll::Ready(None);
            }
            self.reading = Some(Box::pin(async move {
                let piece = reader.next().await;
                (reader, piece)
            }));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let Poll::Ready((reader, piece)) = reading.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.reading = None;
        match piece {
            Ok(Some(piece)) => {
                self.reader = Some(reader);
                self.give(piece)
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
