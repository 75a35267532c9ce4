//! A WebSocket client over a library that the server does not use.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{msgpack, soon};

/// The subprotocol of JSON sockets.
pub(crate) const JSON: &str = "frontdesk.v1.json";
/// The subprotocol of MessagePack sockets.
pub(crate) const MSGPACK: &str = "frontdesk.v1.msgpack";

/// A connected client. What is not waited for is kept until it is.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    is_msgpack: bool,
    kept: VecDeque<Value>,
    asked: u64,
    /// Subprotocol that the server chose.
    pub(crate) chosen: Option<String>,
    /// Empty messages that came.
    pub(crate) empty_count: usize,
    /// Empty messages are answered, as the protocol wants.
    pub(crate) answers_pings: bool,
}

impl Socket {
    /// A native socket that speaks JSON; more subprotocols may be offered.
    pub(crate) async fn open(address: SocketAddr, more: &[&str]) -> Self {
        let offered: Vec<&str> = [JSON].iter().chain(more).copied().collect();
        Self::dial(address, "/v1/ws", &offered, &[]).await
    }

    /// Any socket of the server.
    pub(crate) async fn dial(
        address: SocketAddr,
        path: &str,
        offered: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        Self::over(stream, path, offered, headers).await
    }

    /// One whose system keeps little of what is not read.
    pub(crate) async fn dial_narrow(address: SocketAddr, path: &str, offered: &[&str]) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let stream = socket.connect(address).await.expect("connected");
        Self::over(stream, path, offered, &[]).await
    }

    async fn over(
        stream: TcpStream,
        path: &str,
        offered: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Self {
        let address = stream.peer_addr().expect("connected");
        stream.set_nodelay(true).expect("a TCP socket");
        let mut request = format!("ws://{address}{path}")
            .into_client_request()
            .expect("a request");
        let mut set = |name: &'static str, value: &str| {
            let value = value.parse().expect("a header");
            request.headers_mut().insert(name, value);
        };
        if !offered.is_empty() {
            set("sec-websocket-protocol", &offered.join(", "));
        }
        headers.iter().for_each(|(name, value)| set(name, value));
        let handshake = tokio_tungstenite::client_async(request, stream);
        let (stream, response) = soon("a handshake", handshake).await.expect("upgraded");
        let chosen = response.headers().get("sec-websocket-protocol");
        let chosen = chosen.map(|name| name.to_str().expect("text").to_owned());
        Self {
            stream,
            is_msgpack: chosen.as_deref() == Some(MSGPACK),
            kept: VecDeque::new(),
            asked: 0,
            chosen,
            empty_count: 0,
            answers_pings: true,
        }
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: &Value) {
        let message = match self.is_msgpack {
            true => Message::binary(msgpack::encode(frame)),
            false => Message::text(frame.to_string()),
        };
        self.send_message(message).await;
    }

    /// Sends any message.
    pub(crate) async fn send_message(&mut self, message: Message) {
        let sent = soon("sending", self.stream.send(message)).await;
        sent.expect("the connection is open");
    }

    /// Sends an empty message.
    pub(crate) async fn ping(&mut self) {
        let message = match self.is_msgpack {
            true => Message::binary(Vec::new()),
            false => Message::text(""),
        };
        self.send_message(message).await;
    }

    /// The next message or the end, without a deadline.
    async fn receive(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let message = match self.stream.next().await {
                None | Some(Err(_)) => return Err(None),
                Some(Ok(message)) => message,
            };
            let is_binary = message.is_binary();
            match message {
                Message::Close(frame) => return Err(frame),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Text(_) | Message::Binary(_) if message.is_empty() => {
                    assert_eq!(is_binary, self.is_msgpack, "a ping of the other kind");
                    self.empty_count += 1;
                    if self.answers_pings {
                        self.ping().await;
                    }
                    return Ok(Value::Null);
                }
                Message::Text(text) => {
                    assert!(!self.is_msgpack, "a text on a MessagePack socket");
                    return Ok(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Message::Binary(bytes) => {
                    assert!(self.is_msgpack, "a binary on a JSON socket");
                    return Ok(msgpack::decode(&bytes));
                }
            }
        }
    }

    async fn fresh(&mut self) -> Value {
        let frame = soon("a frame", async {
            loop {
                match self.receive().await {
                    Ok(Value::Null) => {}
                    other => return other,
                }
            }
        });
        match frame.await {
            Ok(frame) => frame,
            Err(close) => panic!("closed instead of a frame: {close:?}"),
        }
    }

    /// The next frame, of whatever kind.
    pub(crate) async fn next(&mut self) -> Value {
        match self.kept.pop_front() {
            Some(frame) => frame,
            None => self.fresh().await,
        }
    }

    /// The next frame that fits; the others are kept in order.
    pub(crate) async fn next_that(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.kept.iter().position(&fits) {
            return self.kept.remove(index).expect("it was found there");
        }
        loop {
            let frame = self.fresh().await;
            if fits(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
    }

    /// Waits for an empty message.
    pub(crate) async fn next_empty(&mut self) {
        let before = self.empty_count;
        while self.empty_count == before {
            match soon("an empty frame", self.receive()).await {
                Ok(Value::Null) => {}
                Ok(frame) => self.kept.push_back(frame),
                Err(close) => panic!("closed instead of a ping: {close:?}"),
            }
        }
    }

    /// Sends a command and waits for its reply: what stands in `ok`, or in `error`.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Result<Value, Value> {
        let id = self.start(&mut frame).await;
        self.reply(id).await
    }

    /// Sends a command and returns the number its reply will bear.
    pub(crate) async fn start(&mut self, frame: &mut Value) -> u64 {
        self.asked += 1;
        frame["id"] = json!(self.asked);
        self.send(frame).await;
        self.asked
    }

    /// Waits for a reply.
    pub(crate) async fn reply(&mut self, id: u64) -> Result<Value, Value> {
        let mut reply = self.next_that(|frame| frame["id"] == id).await;
        match reply.get("ok").is_some() {
            true => Ok(reply["ok"].take()),
            false => Err(reply["error"].take()),
        }
    }

    /// Joins a room live.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        let joined = self.ask(json!({"type": "join", "room": room})).await;
        joined.expect("joined")
    }

    /// Posts a text and returns what was answered.
    pub(crate) async fn post(&mut self, room: &str, text: &str) -> Value {
        let frame = json!({"type": "post_message", "room": room, "text": text});
        self.ask(frame).await.expect("posted")
    }

    /// The next push of this type.
    pub(crate) async fn push(&mut self, kind: &str) -> Value {
        self.next_that(|frame| frame["type"] == kind).await
    }

    /// The next event of a room.
    pub(crate) async fn event(&mut self, room: &str) -> Value {
        self.next_that(|frame| frame["type"] == "event" && frame["room"] == room)
            .await
    }

    /// The next ephemeral of this kind.
    pub(crate) async fn ephemeral(&mut self, kind: &str) -> Value {
        self.next_that(|frame| frame["type"] == "ephemeral" && frame["kind"] == kind)
            .await
    }

    /// The next `count` events of a room must be those from `first` on.
    pub(crate) async fn events(&mut self, room: &str, first: u64, count: u64) -> Vec<Value> {
        let mut events = Vec::new();
        for seq in first..first + count {
            let event = self.event(room).await;
            assert_eq!(event["seq"], seq, "{event}");
            events.push(event);
        }
        events
    }

    /// Everything that came before the answer to a frame sent now: what has not come will not.
    pub(crate) async fn settled(&mut self, room: &str) -> Vec<Value> {
        let asked = self.ask(json!({"type": "presence", "room": room})).await;
        asked.expect("in the room");
        self.kept.drain(..).collect()
    }

    /// The next frame, or nothing once the connection has ended, however it did.
    pub(crate) async fn next_or_end(&mut self) -> Option<Value> {
        if let Some(frame) = self.kept.pop_front() {
            return Some(frame);
        }
        soon("a frame or the end", self.receive()).await.ok()
    }

    /// The next frame, or the code that the connection was closed with.
    pub(crate) async fn next_or_code(&mut self) -> Result<Value, u16> {
        if let Some(frame) = self.kept.pop_front() {
            return Ok(frame);
        }
        let frame = soon("a frame or a close frame", self.receive()).await;
        frame.map_err(|close| close.map_or(0, |close| close.code.into()))
    }

    /// Sends one frame on a connection that the server may have closed.
    pub(crate) async fn try_send(&mut self, frame: &Value) {
        let message = Message::text(frame.to_string());
        // Whether it arrived is told by what comes next.
        let _ = soon("sending", self.stream.send(message)).await;
    }

    /// Waits for the server's close frame.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match soon("a close frame", self.receive()).await {
                Ok(frame) => self.kept.push_back(frame),
                Err(Some(close)) => return (close.code.into(), close.reason.to_string()),
                Err(None) => panic!("the connection ended without a close frame"),
            }
        }
    }

    /// Closes and waits for the server's side of it.
    pub(crate) async fn close(mut self) {
        self.stream
            .close(None)
            .await
            .expect("the connection is open");
        while soon("the end", self.stream.next()).await.is_some() {}
    }
}
