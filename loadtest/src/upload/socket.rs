//! One file on a socket, as fast as its credit allows, beside a chat on the same socket.
//!
//! Invariants: a chat message is sent when it is due, whatever the file does; nothing of the file
//! is sent beyond its credit.
//! Never: reads an answer but for what it measures.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_protocol::codec::{Codec, decode_server, encode_client};
use frontdesk_protocol::file_frame::{FileFrame, FileFrameKind};
use frontdesk_protocol::native::{
    Answer, ClientFrame, ClientRequest, FrameRef, Push, RoomName, ServerFrame, UploadOpen,
};
use frontdesk_protocol::websocket::{Flow, FrameReader, Incoming, Opcode, client_frame};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until, timeout};

use crate::check::Violation;
use crate::clock::Clock;
use crate::load::latency_histogram;
use crate::options::UploadOptions;
use crate::report::Report;
use crate::steady::{Target, bearers, opening};
use crate::upgrade;

/// Between two chat messages, nanoseconds.
const CHAT_NS: u64 = 50_000_000;
/// The `id` of the upload's beginning; messages count from the next.
const OPENED: u64 = 1;
/// The file's bytes repeat after this many.
const FILE_BYTES: usize = 1024 * 1024;
/// Longest message of the server, bytes.
const MESSAGE_BYTES_MAX: u32 = 1024 * 1024;
/// The mask of every frame: what it hides from proxies needs no hiding here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// What is still due may take so long, seconds.
const DRAIN_SECS: u64 = 20;

/// What the server said.
struct Heard {
    /// When each message that has no answer was due, by its number.
    due: Vec<(u64, u64)>,
    latency: Histogram<u64>,
    refused: Vec<String>,
    stream: Option<u16>,
    limit: u64,
    chunk_max: usize,
    received: u64,
    nack: Option<u64>,
    is_over: bool,
}

/// The socket, and what came over it.
struct Wire {
    clock: Clock,
    heard: RefCell<Heard>,
    news: Notify,
    writer: Mutex<OwnedWriteHalf>,
}

impl Wire {
    async fn send(&self, opcode: Opcode, payload: &[u8]) -> Result<(), String> {
        let frame = client_frame(opcode, payload, MASK);
        let written = self.writer.lock().await.write_all(&frame).await;
        written.map_err(|error| format!("the socket takes nothing: {error}"))
    }

    async fn ask(&self, id: u64, request: ClientRequest) -> Result<(), String> {
        let id = Some(FrameRef::Number(id));
        let frame = encode_client(Codec::Json, &ClientFrame { id, request });
        self.send(Opcode::Text, &frame).await
    }

    fn hear(&self, message: &[u8]) {
        let now_ns = self.clock.now_ns();
        let mut heard = self.heard.borrow_mut();
        match decode_server(Codec::Json, message) {
            Ok(ServerFrame::Ok {
                ok: Answer::UploadOpened(opened),
                ..
            }) => {
                heard.stream = opened.stream;
                heard.limit = opened.credit;
                heard.chunk_max = opened.chunk_max as usize;
            }
            Ok(ServerFrame::Ok {
                id: FrameRef::Number(number),
                ok: Answer::Posted(_),
            }) => {
                let found = heard.due.iter().position(|(of, _)| *of == number);
                if let Some(found) = found {
                    let (_, due_ns) = heard.due.swap_remove(found);
                    let took_us = now_ns.saturating_sub(due_ns) / 1_000;
                    heard.latency.saturating_record(took_us);
                }
            }
            Ok(ServerFrame::Error { error, .. }) => heard.refused.push(error.message),
            Ok(ServerFrame::Push(push)) => take(&mut heard, &push),
            Ok(ServerFrame::Ok { .. }) | Err(_) => {}
        }
    }
}

fn take(heard: &mut Heard, push: &Push) {
    match push {
        Push::UploadCredit {
            limit, chunk_max, ..
        } => {
            heard.limit = heard.limit.max(*limit);
            heard.chunk_max = *chunk_max as usize;
        }
        Push::UploadAck { received, .. } => heard.received = heard.received.max(*received),
        Push::UploadNack { expected, .. } => heard.nack = Some(*expected),
        Push::UploadReset { reason, .. } => {
            let why = format!("the stream was reset: {}", reason.as_str());
            heard.refused.push(why);
            heard.stream = None;
        }
        _ => {}
    }
}

/// Chat alone, then chat beside a file.
pub(super) async fn run(
    options: &UploadOptions,
    target: &Target,
    link: SocketAddr,
    report: &mut Report,
) -> Result<(), String> {
    let people = bearers(target, 2)?;
    let token = people[0].token.clone();
    let rooms = opening::rooms_of(&people, 2, false);
    let rooms = opening::open_rooms(target.address, rooms).await?;
    let room: RoomName = rooms[0].id.parse().map_err(|_| "a room without an id")?;
    let wire = connect(link, &token).await?;
    wire.ask(0, ClientRequest::Join { room, since: None })
        .await?;
    let idle = chat(&wire, room, options.idle_secs, 1_000_000).await?;
    wire.ask(OPENED, open()).await?;
    let sending = Rc::clone(&wire);
    let sending = spawn_local(async move { send_file(&sending).await });
    while wire.heard.borrow().stream.is_none() {
        let opened = timeout(Duration::from_secs(DRAIN_SECS), wire.news.notified());
        opened.await.map_err(|_| "the upload does not begin")?;
    }
    let (from_ns, from_bytes) = (wire.clock.now_ns(), wire.heard.borrow().received);
    let loaded = chat(&wire, room, options.secs, 2_000_000).await?;
    let took_ns = wire.clock.now_ns() - from_ns;
    let came_bytes = wire.heard.borrow().received - from_bytes;
    wire.heard.borrow_mut().is_over = true;
    wire.news.notify_waiters();
    sending.abort();
    let ms =
        |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    report.add("chat_idle_p50_ms", ms(&idle, 0.5));
    report.add("chat_idle_p99_ms", ms(&idle, 0.99));
    report.add("chat_loaded_p50_ms", ms(&loaded, 0.5));
    report.add("chat_loaded_p99_ms", ms(&loaded, 0.99));
    report.add("chat_loaded_max_ms", loaded.max() as f64 / 1e3);
    report.add("chat_more_p99_ms", ms(&loaded, 0.99) - ms(&idle, 0.99));
    report.add("chat_messages_count", (idle.len() + loaded.len()) as f64);
    report.add("upload_bytes", came_bytes as f64);
    let megabits = came_bytes as f64 * 8.0 / 1e6;
    report.add("upload_mbit_per_second", megabits / (took_ns as f64 / 1e9));
    for why in &wire.heard.borrow().refused {
        report.note(Violation::Refused, why.clone());
    }
    Ok(())
}

fn open() -> ClientRequest {
    ClientRequest::UploadOpen(Box::new(UploadOpen {
        room: None,
        name: "load.txt".to_owned(),
        size: None,
        mime: None,
        caption: None,
        sha256: None,
        cid: None,
    }))
}

/// Sends messages by the clock and waits for all their answers.
async fn chat(
    wire: &Rc<Wire>,
    room: RoomName,
    secs: f64,
    first: u64,
) -> Result<Histogram<u64>, String> {
    let count = (secs * 1e9 / CHAT_NS as f64) as u64;
    let from_ns = wire.clock.now_ns();
    for index in 0..count {
        let due_ns = from_ns + index * CHAT_NS;
        sleep_until(wire.clock.instant(due_ns).into()).await;
        let number = first + index;
        wire.heard.borrow_mut().due.push((number, due_ns));
        let post = ClientRequest::PostMessage {
            room,
            cid: None,
            text: "still there?".to_owned(),
            rich: None,
            reply_to: None,
            files: Vec::new(),
        };
        let (wire, post) = (Rc::clone(wire), post);
        // Not waited for: the next one is due whatever becomes of this one.
        spawn_local(async move { wire.ask(number, post).await });
    }
    let answered = async {
        while !wire.heard.borrow().due.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(DRAIN_SECS);
    let answered = timeout(limit, answered).await;
    answered.map_err(|_| "messages were not answered".to_owned())?;
    let empty = latency_histogram();
    Ok(std::mem::replace(
        &mut wire.heard.borrow_mut().latency,
        empty,
    ))
}

/// Sends the file for as long as it is wanted, as far as credit goes.
async fn send_file(wire: &Wire) -> Result<(), String> {
    let file = super::text(FILE_BYTES);
    let mut offset = 0_u64;
    loop {
        let (stream, limit, chunk_max) = {
            let mut heard = wire.heard.borrow_mut();
            if heard.is_over {
                return Ok(());
            }
            offset = heard.nack.take().unwrap_or(offset);
            (heard.stream, heard.limit, heard.chunk_max)
        };
        let (Some(stream), true) = (stream, offset < limit) else {
            wire.news.notified().await;
            continue;
        };
        let at = usize::try_from(offset).unwrap_or(0) % FILE_BYTES;
        let left = usize::try_from(limit - offset).unwrap_or(usize::MAX);
        let length = chunk_max.min(left).min(FILE_BYTES - at);
        let payload = &file[at..at + length];
        let frame = FileFrame::new(FileFrameKind::Bytes, stream, offset, payload);
        wire.send(Opcode::Binary, &frame.encode()).await?;
        offset += length as u64;
    }
}

async fn connect(link: SocketAddr, token: &str) -> Result<Rc<Wire>, String> {
    let failed = |error: std::io::Error| format!("cannot connect: {error}");
    let mut stream = TcpStream::connect(link).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let request = upgrade::upgrade_request(&link.to_string(), "/v1/ws", None);
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::new();
    let used = loop {
        if let Some(used) = upgrade::upgrade_answer(&head, None)? {
            break used;
        }
        if stream.read_buf(&mut head).await.map_err(failed)? == 0 {
            return Err("the server closed the stream before the upgrade".to_owned());
        }
    };
    let (reader, writer) = stream.into_split();
    let heard = Heard {
        due: Vec::new(),
        latency: latency_histogram(),
        refused: Vec::new(),
        stream: None,
        limit: 0,
        chunk_max: 0,
        received: 0,
        nack: None,
        is_over: false,
    };
    let wire = Rc::new(Wire {
        clock: Clock::start(),
        heard: RefCell::new(heard),
        news: Notify::new(),
        writer: Mutex::new(writer),
    });
    spawn_local(read(Rc::clone(&wire), reader, head.split_off(used)));
    let connect = ClientRequest::Connect {
        token: Some(token.to_owned()),
        resume: Default::default(),
    };
    wire.ask(0, connect).await?;
    Ok(wire)
}

async fn read(wire: Rc<Wire>, mut stream: OwnedReadHalf, mut bytes: Vec<u8>) {
    let mut frames = FrameReader::of_client(MESSAGE_BYTES_MAX);
    loop {
        let mut answers = Vec::new();
        let fed = frames.feed(&mut bytes, &mut |incoming| {
            match incoming {
                Incoming::Message { payload: [], .. } => {
                    answers.push((Opcode::Text, Vec::new()));
                }
                Incoming::Message { payload, .. } => wire.hear(payload),
                Incoming::Ping(payload) => answers.push((Opcode::Pong, payload.to_vec())),
                Incoming::Close { code, reason } => {
                    let why = format!("the server closed: {code:?} {reason}");
                    wire.heard.borrow_mut().refused.push(why);
                }
                Incoming::Oversize { .. } | Incoming::Pong(_) | Incoming::Piece { .. } => {}
            }
            Flow::Go
        });
        wire.news.notify_one();
        if fed.is_err() {
            wire.heard
                .borrow_mut()
                .refused
                .push("a bad frame".to_owned());
            return;
        }
        for (opcode, payload) in answers {
            if wire.send(opcode, &payload).await.is_err() {
                return;
            }
        }
        bytes.resize(64 * 1024, 0);
        match stream.read(&mut bytes).await {
            Ok(count) if count > 0 => bytes.truncate(count),
            _ => return,
        }
    }
}
