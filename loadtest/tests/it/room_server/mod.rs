//! A server just good enough to be loaded: rooms in memory, `POST /v1/rooms`, native v1, the
//! dialects `direct` and `crm` with the routes that post, and a bot where a conversation has one.
//! On demand it breaks one promise, once, so that the check of it can be proven.
//!
//! What one read brings is answered with one write a member, as a good server would.
//!
//! Never: stores, authenticates, or pushes back: a full socket gets the rest with the next post.

mod frames;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use frontdesk_protocol::codec::{self, Codec};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::native::{
    Answer, ClientFrame, ClientRequest, Connected, FrameRef, Joined, Posted, Resume, RoomName,
    ServerFrame,
};
use frontdesk_protocol::websocket::{
    Flow, FrameReader, Incoming, Opcode, server_frame, server_message,
};
use frontdesk_protocol::{Cid, ConversationNo, HistoryId, PersonId, Seq, Timestamp};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use frames::{direct_message, native_event, refusal, room_id};
use world::{FAULT_SEQ, Member, Room, Spoken, World, Writer};

/// The one promise that is broken, at message [`FAULT_SEQ`] of room 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// Every promise is kept.
    None,
    /// One member does not get the message.
    Drop,
    /// One member gets it twice.
    Double,
    /// One member gets it after the next one.
    Swap,
    /// A member of room 1 gets it too.
    WrongRoom,
    /// One member sees it under another seq.
    WrongSeq,
    /// The acknowledgement names another seq.
    LyingAck,
    /// It is never acknowledged.
    NoAck,
    /// It is refused.
    Refuse,
    /// One member's connection is closed right after it.
    Close,
    /// One member gets bytes that are no frame right after it.
    Garbage,
    /// The bot does not answer it.
    NoAnswer,
    /// The bot answers it twice.
    TwoAnswers,
}

/// A running server; ends when dropped.
pub(crate) struct RoomServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RoomServer {
    /// Starts one on a free port of the loopback.
    pub(crate) fn start(fault: Fault) -> Self {
        let (bound, address) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime starts");
            let world = Rc::new(RefCell::new(World {
                fault,
                ..World::default()
            }));
            LocalSet::new().block_on(&runtime, async move {
                let listener = listen();
                let address = listener.local_addr().expect("the listener is bound");
                bound.send(address).expect("the starter waits");
                tokio::task::spawn_local(accept(listener, world));
                // Resolves when the handle is dropped.
                drop(stopped.await);
            });
        });
        Self {
            address: address.recv().expect("the thread binds before all else"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for RoomServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// With room for every connection that the load opens at once.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(address).expect("loopback has free ports");
    socket.listen(1_024).expect("a bound socket can listen")
}

async fn accept(listener: TcpListener, world: Rc<RefCell<World>>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("sockets can be set");
        tokio::task::spawn_local(serve(stream, Rc::clone(&world)));
    }
}

/// Serves HTTP requests until one upgrades, then frames. Ends with the stream.
async fn serve(stream: TcpStream, world: Rc<RefCell<World>>) -> Option<()> {
    let (mut reader, half) = stream.into_split();
    let unsent = RefCell::default();
    let writer = Rc::new(Writer { half, unsent });
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => read_more(&mut reader, &mut bytes).await?,
            }
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).ok()?;
        if let Some(key) = header(&head, "sec-websocket-key") {
            let codec = header(&head, "sec-websocket-protocol").and_then(Codec::from_subprotocol);
            let accept =
                tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let subprotocol = codec.map_or_else(String::new, |codec| {
                format!("Sec-WebSocket-Protocol: {}\r\n", codec.subprotocol())
            });
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{subprotocol}\r\n"
            );
            writer.push(answer.as_bytes());
            writer.flush();
            let path = head.split(' ').nth(1)?.to_owned();
            return Peer::new(world, writer, codec, &path)?.read(reader).await;
        }
        let length: usize = header(&head, "content-length")?.parse().ok()?;
        while bytes.len() < length {
            read_more(&mut reader, &mut bytes).await?;
        }
        let body: Vec<u8> = bytes.drain(..length).collect();
        let path = head.split(' ').nth(1)?;
        let answer = match path {
            "/api/user-response/" => said(&world, &body)?,
            _ => open_room(&mut world.borrow_mut(), path.starts_with("/api/")),
        };
        writer.push(answer.as_bytes());
        writer.flush();
    }
}

/// A message over HTTP.
fn said(world: &Rc<RefCell<World>>, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let number: usize = body["conversation_id"].as_str()?.parse().ok()?;
    let room = number.checked_sub(1)?;
    let mut world = world.borrow_mut();
    world.say(room, body["message"].as_str()?);
    world.flush(room);
    Some(created(&json!({"conversation_id": number.to_string()})))
}

fn created(body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\n\r\n{body}")
}

async fn read_more(reader: &mut OwnedReadHalf, bytes: &mut Vec<u8>) -> Option<()> {
    let count = reader.read_buf(bytes).await.ok()?;
    (count > 0).then_some(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

fn open_room(world: &mut World, has_bot: bool) -> String {
    world.rooms.push(Room {
        has_bot,
        ..Room::default()
    });
    let number = world.rooms.len();
    match has_bot {
        true => created(&json!({"id": number.to_string()})),
        false => created(&json!({"id": room_id(number - 1), "conversation_id": number})),
    }
}

/// One upgraded connection.
struct Peer {
    world: Rc<RefCell<World>>,
    writer: Rc<Writer>,
    spoken: Spoken,
    room: usize,
}

impl Peer {
    fn new(
        world: Rc<RefCell<World>>,
        writer: Rc<Writer>,
        codec: Option<Codec>,
        path: &str,
    ) -> Option<Self> {
        let spoken = match codec {
            Some(codec) => Spoken::Native(codec),
            None if path.ends_with("dialect=crm") => Spoken::Crm,
            None => Spoken::Direct,
        };
        let mut peer = Self {
            world,
            writer,
            spoken,
            room: 0,
        };
        if codec.is_none() {
            let rest = path.strip_prefix("/ws/chat/")?;
            let (number, _) = rest.split_once('/')?;
            peer.enter(number.parse::<usize>().ok()?.checked_sub(1)?);
            let hello = json!({"type": "connection_established", "message": "connected"});
            peer.writer
                .push(&server_frame(Opcode::Text, hello.to_string().as_bytes()));
            peer.writer.flush();
        }
        Some(peer)
    }

    fn enter(&mut self, room: usize) {
        self.room = room;
        let member = Member {
            writer: Rc::clone(&self.writer),
            dialect: self.spoken,
            held: None,
        };
        self.world.borrow_mut().rooms[room].members.push(member);
    }

    /// The room forgets the connection, and with it the socket closes.
    fn leave(&self) {
        let mut world = self.world.borrow_mut();
        if let Some(room) = world.rooms.get_mut(self.room) {
            let is_other = |member: &Member| !Rc::ptr_eq(&member.writer, &self.writer);
            room.members.retain(is_other);
        }
    }

    async fn read(mut self, reader: OwnedReadHalf) -> Option<()> {
        let ended = self.read_all(reader).await;
        self.leave();
        ended
    }

    async fn read_all(&mut self, mut reader: OwnedReadHalf) -> Option<()> {
        let mut frames = FrameReader::new(1 << 20);
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = reader.read(&mut buffer).await.ok()?;
            if count == 0 {
                return None;
            }
            let mut is_over = false;
            let read = frames.feed(&mut buffer[..count], &mut |incoming| {
                match incoming {
                    Incoming::Message { payload, .. } => self.on_message(payload),
                    Incoming::Close { .. } => is_over = true,
                    _ => {}
                }
                Flow::Go
            });
            self.flush();
            if read.is_err() || is_over {
                return None;
            }
        }
    }

    fn on_message(&mut self, payload: &[u8]) {
        match self.spoken {
            Spoken::Native(codec) => {
                let frame = codec::decode_client(codec, payload).expect("the load writes frames");
                self.on_native(codec, frame);
            }
            Spoken::Direct => {
                let frame: Value = serde_json::from_slice(payload).expect("the load writes JSON");
                let text = frame["message"].as_str().expect("the load only posts");
                self.post(None, text);
            }
            Spoken::Crm => {
                let frame: Value = serde_json::from_slice(payload).expect("the load writes JSON");
                let text = frame["text"].as_str().expect("the load only posts");
                let seq = self.world.borrow_mut().say(self.room, text);
                let ack = json!({"type": "message:ack", "message_id": seq.to_string()});
                let ack = server_frame(Opcode::Text, ack.to_string().as_bytes());
                self.writer.push(&ack);
            }
        }
    }

    fn on_native(&mut self, codec: Codec, frame: ClientFrame) {
        let id = frame.id.clone().expect("the load names its frames");
        let answer = match frame.request {
            ClientRequest::Connect { .. } => Answer::Connected(Connected {
                person: PersonId::new("someone").expect("a valid id"),
                role: Role::Agent,
                ping_ms: 25_000,
                expires_at: None,
                rooms: BTreeMap::new(),
            }),
            ClientRequest::Join { room, .. } => {
                let RoomName::Id(room) = room else {
                    panic!("the load names rooms by id");
                };
                let index = u128::from_be_bytes(*room.bits()) as usize;
                self.enter(index);
                Answer::Joined(Joined {
                    room,
                    conversation_id: ConversationNo(index as u64 + 1),
                    resume: Resume::Ok,
                    history_id: HistoryId(1),
                    head: Seq(0),
                    marks: BTreeMap::new(),
                })
            }
            ClientRequest::PostMessage { text, cid, .. } => {
                self.post(Some((codec, id, cid.expect("the load makes cids"))), &text);
                return;
            }
            other => panic!("the load does not send {}", other.kind()),
        };
        self.writer
            .push(&server_message(codec, &ServerFrame::Ok { id, ok: answer }));
    }

    /// Accepts a post, answers it where the dialect does, and sends it to the room.
    fn post(&self, native: Option<(Codec, FrameRef, Cid)>, text: &str) {
        let mut world = self.world.borrow_mut();
        let fault = world.fault;
        let next_seq = world.rooms[self.room].head + 1;
        let is_at = |at: Fault| self.room == 0 && next_seq == FAULT_SEQ && fault == at;
        if let Some((codec, id, cid)) = &native {
            if is_at(Fault::Refuse) {
                world.fault = Fault::None;
                self.writer.push(&refusal(*codec, id));
                return;
            }
            let posted = Posted {
                seq: Seq(next_seq + u64::from(is_at(Fault::LyingAck))),
                at: Timestamp(0),
                dup: false,
            };
            if !is_at(Fault::NoAck) {
                let ok = Answer::Posted(posted);
                self.writer.push(&server_message(
                    *codec,
                    &ServerFrame::Ok { id: id.clone(), ok },
                ));
            }
            let encode = |seq| native_event(*codec, self.room, seq, *cid, text);
            world.publish(self.room, next_seq, encode);
        } else {
            world.publish(self.room, next_seq, |seq| {
                direct_message(self.room, seq, text)
            });
        }
    }

    fn flush(&self) {
        self.writer.flush();
        self.world.borrow().flush(self.room);
    }
}
