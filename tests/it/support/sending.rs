//! Sending files on a socket, as docs/PROTOCOL.md says how.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::socket::Socket;

/// Bytes of the file, and more follow.
pub(crate) const BYTES: u8 = 1;
/// The file ends behind these.
pub(crate) const END: u8 = 2;
/// The client ends the stream.
pub(crate) const RESET: u8 = 3;

/// Bytes that look like text of no kind in particular, and like no other bytes of it.
pub(crate) fn text_of(length: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line: u64| format!("line {line} of a long report\n").into_bytes());
    lines.take(length).collect()
}

/// A file's frame.
pub(crate) fn frame(kind: u8, stream: u16, offset: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc1, kind];
    out.extend(stream.to_be_bytes());
    out.extend(crc32c::crc32c(payload).to_be_bytes());
    out.extend(offset.to_be_bytes());
    out.extend(payload);
    out
}

/// An upload on a socket, as far as its client knows it.
pub(crate) struct Sending {
    pub(crate) upload: String,
    pub(crate) ticket: String,
    pub(crate) stream: u16,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
    pub(crate) chunk_max: usize,
}

impl Sending {
    /// Begins an upload.
    pub(crate) async fn open(socket: &mut Socket, mut wanted: Value) -> Self {
        wanted["type"] = json!("upload_open");
        Self::of(&socket.ask(wanted).await.expect("begun"))
    }

    /// Goes on with one.
    pub(crate) async fn resume(socket: &mut Socket, upload: &str, ticket: Option<&str>) -> Self {
        let wanted = json!({"type": "upload_resume", "upload": upload, "ticket": ticket});
        Self::of(&socket.ask(wanted).await.expect("gone on with"))
    }

    /// As it was answered.
    pub(crate) fn of(opened: &Value) -> Self {
        let number = |name: &str| opened[name].as_u64().unwrap_or_else(|| panic!("{opened}"));
        let text = |name: &str| opened[name].as_str().expect("a text").to_owned();
        Self {
            upload: text("upload"),
            ticket: text("ticket"),
            stream: u16::try_from(number("stream")).expect("16 bits"),
            offset: number("offset"),
            limit: number("credit"),
            chunk_max: usize::try_from(number("chunk_max")).expect("a length"),
        }
    }

    /// Sends one frame, whatever comes of it.
    pub(crate) async fn frame(&self, socket: &mut Socket, kind: u8, offset: u64, payload: &[u8]) {
        let bytes = frame(kind, self.stream, offset, payload);
        socket.send_message(Message::binary(bytes)).await;
    }

    /// Takes note of credit that comes, until some is there.
    pub(crate) async fn credit(&mut self, socket: &mut Socket) {
        let stream = self.stream;
        let push = socket
            .next_that(|push| push["type"] == "upload_credit" && push["stream"] == stream)
            .await;
        let limit = push["limit"].as_u64().expect("a limit");
        assert!(limit > self.limit, "credit grows: {push}");
        self.limit = limit;
        let chunk = push["chunk_max"].as_u64().expect("a length");
        self.chunk_max = usize::try_from(chunk).expect("a length");
    }

    /// Sends a file up to here, as credit allows.
    pub(crate) async fn send(&mut self, socket: &mut Socket, file: &[u8], end: u64) {
        while self.offset < end {
            if self.offset >= self.limit {
                self.credit(socket).await;
            }
            let until = end.min(self.limit).min(self.offset + self.chunk_max as u64);
            let (from, to) = (self.offset as usize, until as usize);
            self.frame(socket, BYTES, self.offset, &file[from..to])
                .await;
            self.offset = until;
        }
    }

    /// Waits until bytes are kept up to here.
    pub(crate) async fn kept(&self, socket: &mut Socket, end: u64) {
        let stream = self.stream;
        socket
            .next_that(|push| {
                let is_ack = push["type"] == "upload_ack" && push["stream"] == stream;
                is_ack && push["durable"].as_u64() >= Some(end)
            })
            .await;
    }

    /// The state that the upload comes to next.
    pub(crate) async fn state(&self, socket: &mut Socket) -> Value {
        socket
            .next_that(|push| push["type"] == "upload_state" && push["upload"] == *self.upload)
            .await
    }

    /// The state that it ends in.
    pub(crate) async fn ended(&self, socket: &mut Socket) -> Value {
        loop {
            let state = self.state(socket).await;
            let word = state["state"].as_str().expect("a word").to_owned();
            if ["ready", "failed", "cancelled", "expired"].contains(&&*word) {
                return state;
            }
        }
    }

    /// Why the stream ended.
    pub(crate) async fn reset(&self, socket: &mut Socket) -> String {
        let stream = self.stream;
        let push = socket
            .next_that(|push| push["type"] == "upload_reset" && push["stream"] == stream)
            .await;
        assert_eq!(push["upload"], *self.upload, "{push}");
        push["reason"].as_str().expect("a word").to_owned()
    }
}
