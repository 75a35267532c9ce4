//! One socket spoken by hand: for tests that look at single frames.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::member::{Socket, connect};

/// Longest wait for a frame.
const FRAME_LIMIT: Duration = Duration::from_secs(20);
/// The close code that stands for "no close frame came".
const NO_CLOSE: u16 = 1006;

/// See the module's text.
pub(crate) struct Talk {
    socket: Socket,
    next_id: u64,
    /// Pushes that came while an answer was awaited.
    pub(crate) pushes: Vec<Value>,
}

impl Talk {
    /// Opens a socket and says nothing.
    pub(crate) async fn open(server: SocketAddr, path: &str, token: &str) -> Self {
        let socket = connect(server, path, token).await.unwrap();
        Self::of(socket)
    }

    /// Opens a socket on a server that may be gone.
    pub(crate) async fn try_open(server: SocketAddr, path: &str, token: &str) -> Option<Self> {
        let socket = connect(server, path, token).await;
        Some(Self::of(socket.ok()?))
    }

    fn of(socket: Socket) -> Self {
        Self {
            socket,
            next_id: 1,
            pushes: Vec::new(),
        }
    }

    /// Opens a native socket and connects, resuming these rooms; the answer's `rooms`.
    pub(crate) async fn connect(server: SocketAddr, token: &str, resume: Value) -> (Self, Value) {
        let mut talk = Self::open(server, "/v1/ws", token).await;
        let hello = json!({"type": "connect", "resume": resume});
        let mut connected = talk.ask(hello).await.unwrap();
        (talk, connected["rooms"].take())
    }

    /// The next frame that is not empty; the close code once there is none.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let next = timeout(FRAME_LIMIT, self.socket.next()).await;
            match next.expect("a frame in time") {
                Some(Ok(Message::Text(text))) if text.is_empty() => {}
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(close))) => {
                    return Err(close.map_or(1005, |close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(NO_CLOSE),
            }
        }
    }

    /// Sends a command and waits for its answer; pushes are kept.
    pub(crate) async fn ask(&mut self, frame: Value) -> Result<Value, Value> {
        self.try_ask(frame).await.expect("the server is there")
    }

    /// The same of a server that may go away: then the close code.
    pub(crate) async fn try_ask(&mut self, mut frame: Value) -> Result<Result<Value, Value>, u16> {
        let id = self.next_id;
        self.next_id += 1;
        frame["id"] = id.into();
        let text = Message::text(frame.to_string());
        let sent = self.socket.send(text).await;
        sent.map_err(|_| NO_CLOSE)?;
        loop {
            let mut frame = self.next().await?;
            if frame["id"] != id {
                self.pushes.push(frame);
            } else if frame["error"].is_null() {
                return Ok(Ok(frame["ok"].take()));
            } else {
                return Ok(Err(frame["error"].take()));
            }
        }
    }

    /// Reads until the socket is closed: the frames before, and the code.
    pub(crate) async fn until_closed(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code),
            }
        }
    }
}
