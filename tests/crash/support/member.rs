//! A member: a native client who posts to several rooms at once, reconnects when the server is
//! gone, resumes where it stopped and sends again what was not answered.
//!
//! Invariants: what is unanswered is sent again in its order, with its cids, before anything new;
//! everything delivered goes to the ledger, and a gap, a repeat or a wrong order is a fault.
//! Never: waits for a server without an end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

use super::ledger::{Ledger, Line, text_of};

/// Longest silence of a server before a member gives up: beyond its pings.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);
/// Pause of a member whose connection ended, as clients make one; orders end it.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The close code that stands for "no close frame came".
const NO_CLOSE: u16 = 1006;
/// Name of the frame that connects.
const CONNECT_ID: u64 = 1;

/// A client's socket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// What members shall do now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    /// Where the server is; without one members wait.
    pub(crate) server: Option<SocketAddr>,
    /// Whether new messages are posted.
    pub(crate) posting: bool,
    /// Whether to hang up and end.
    pub(crate) leave: bool,
}

/// Why a connection is over.
enum Over {
    /// It was told to leave.
    Left,
    /// The server is gone; come back.
    Lost,
}

/// A message without an answer.
struct Unanswered {
    id: u64,
    place: usize,
    cid: String,
    text: String,
}

/// A room as this member knows it.
#[derive(Default)]
struct Place {
    room: String,
    history_id: Option<String>,
    /// Everything up to here was shown.
    seq: u64,
    /// Live events are shown up to here while older ones are still being asked for.
    ahead: Option<u64>,
    posted: u64,
}

/// See the module's text.
pub(crate) struct Member {
    person: String,
    token: String,
    in_flight_max: usize,
    ledger: Arc<Ledger>,
    orders: watch::Receiver<Orders>,
    places: Vec<Place>,
    unanswered: VecDeque<Unanswered>,
    next_id: u64,
    /// Frames that ask for pages, and the place each is for.
    pages: Vec<(u64, usize)>,
    next_place: usize,
    is_joined: bool,
    /// Pushes that came before the answer that says where the room stands.
    early: Vec<Value>,
}

impl Member {
    pub(crate) fn new(
        person: &str,
        rooms: &[String],
        in_flight_max: usize,
        ledger: Arc<Ledger>,
        orders: watch::Receiver<Orders>,
    ) -> Self {
        let place = |room: &String| Place {
            room: room.clone(),
            ..Place::default()
        };
        Self {
            person: person.to_owned(),
            token: super::http::token(person),
            in_flight_max,
            ledger,
            orders,
            places: rooms.iter().map(place).collect(),
            unanswered: VecDeque::new(),
            next_id: CONNECT_ID,
            pages: Vec::new(),
            next_place: 0,
            is_joined: false,
            early: Vec::new(),
        }
    }

    /// Talks until it is told to leave.
    pub(crate) async fn run(mut self) {
        loop {
            let orders = self.orders.borrow_and_update().clone();
            let server = match orders {
                Orders { leave: true, .. } => return,
                Orders { server: None, .. } => {
                    if self.orders.changed().await.is_err() {
                        return; // the test is over
                    }
                    continue;
                }
                Orders {
                    server: Some(server),
                    ..
                } => server,
            };
            if let Ok(socket) = connect(server, "/v1/ws", &self.token).await
                && let Over::Left = self.live(socket).await
            {
                return;
            }
            if let Ok(Err(_)) = timeout(RETRY_PAUSE, self.orders.changed()).await {
                return; // the test is over
            }
        }
    }

    async fn live(&mut self, mut socket: Socket) -> Over {
        self.ledger.count(|figures| figures.connections += 1);
        self.is_joined = false;
        self.pages.clear();
        self.early.clear();
        for place in &mut self.places {
            place.ahead = None;
        }
        if self.say_hello(&mut socket).await.is_err() {
            return self.lost(NO_CLOSE);
        }
        loop {
            if self.is_joined && self.post(&mut socket).await.is_err() {
                return self.lost(NO_CLOSE);
            }
            let message = tokio::select! {
                message = timeout(SILENCE_LIMIT, socket.next()) => message,
                changed = self.orders.changed() => {
                    if changed.is_err() || self.orders.borrow_and_update().leave {
                        return Over::Left;
                    }
                    continue;
                }
            };
            let Ok(message) = message else {
                self.ledger
                    .fault(format!("{}: no sign of life", self.person));
                return self.lost(NO_CLOSE);
            };
            let handled = match message {
                Some(Ok(Message::Text(text))) if text.is_empty() => {
                    socket.send(Message::text("")).await.map_err(|_| NO_CLOSE)
                }
                Some(Ok(Message::Text(text))) => self.take_in(&mut socket, &text).await,
                Some(Ok(Message::Close(close))) => {
                    Err(close.map_or(NO_CLOSE, |close| close.code.into()))
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => Err(NO_CLOSE),
            };
            if let Err(code) = handled {
                return self.lost(code);
            }
        }
    }

    fn lost(&self, code: u16) -> Over {
        self.ledger
            .count(|figures| *figures.closes.entry(code).or_default() += 1);
        Over::Lost
    }

    async fn send(&self, socket: &mut Socket, frame: Value) -> Result<(), u16> {
        let sent = socket.send(Message::text(frame.to_string())).await;
        sent.map_err(|_| NO_CLOSE)
    }

    /// Connects: with all rooms in one frame where they are known, else by joining them from 0.
    async fn say_hello(&mut self, socket: &mut Socket) -> Result<(), u16> {
        let known = self.places.iter().filter_map(|place| {
            let since = json!({"history_id": place.history_id.as_ref()?, "seq": place.seq});
            Some((place.room.clone(), since))
        });
        let resume: serde_json::Map<_, _> = known.collect();
        let hello = json!({"type": "connect", "id": CONNECT_ID, "resume": resume});
        self.send(socket, hello).await?;
        self.next_id = CONNECT_ID;
        for place in &self.places {
            self.next_id += 1;
            if place.history_id.is_none() {
                let join = json!({"type": "join", "id": self.next_id, "room": place.room});
                self.send(socket, join).await?;
            }
        }
        Ok(())
    }

    async fn post(&mut self, socket: &mut Socket) -> Result<(), u16> {
        while self.orders.borrow().posting && self.unanswered.len() < self.in_flight_max {
            self.next_place = (self.next_place + 1) % self.places.len();
            let place = &mut self.places[self.next_place];
            place.posted += 1;
            self.next_id += 1;
            let message = Unanswered {
                id: self.next_id,
                place: self.next_place,
                cid: Uuid::now_v7().to_string(),
                text: text_of(&self.person, place.posted),
            };
            self.ledger
                .posted(&place.room, &message.cid, &self.person, &message.text);
            let frame = frame_of(&message, &place.room);
            self.unanswered.push_back(message);
            self.send(socket, frame).await?;
        }
        Ok(())
    }

    /// Handles one frame; an error ends the connection with this code.
    async fn take_in(&mut self, socket: &mut Socket, text: &str) -> Result<(), u16> {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        if frame["type"] == "drain" {
            self.ledger.count(|figures| figures.drains += 1);
            return Ok(());
        }
        if frame["type"] == "event" {
            match self.is_joined {
                true => self.on_event(&frame),
                false => self.early.push(frame),
            }
            return Ok(());
        }
        let Some(id) = frame["id"].as_u64() else {
            return Ok(()); // a push of a kind that members do not use
        };
        if !frame["error"].is_null() {
            return self.on_error(&frame);
        }
        let ok = &frame["ok"];
        if id == CONNECT_ID {
            let rooms = ok["rooms"].as_object().cloned().unwrap_or_default();
            for index in 0..self.places.len() {
                if let Some(joined) = rooms.get(&self.places[index].room) {
                    self.on_joined(index, joined)?;
                }
            }
        } else if !self.is_joined {
            self.on_joined((id - CONNECT_ID - 1) as usize, ok)?;
        } else if let Some(at) = self.pages.iter().position(|(page, _)| *page == id) {
            let (_, index) = self.pages.swap_remove(at);
            self.on_page(socket, index, ok).await?;
        } else {
            self.on_posted(id, ok);
        }
        if !self.is_joined && self.places.iter().all(|place| place.ahead.is_some()) {
            self.begin(socket).await?;
        }
        Ok(())
    }

    /// Every room is joined: shows what came early and sends again what was not answered.
    async fn begin(&mut self, socket: &mut Socket) -> Result<(), u16> {
        self.is_joined = true;
        for place in &mut self.places {
            place.ahead = place.ahead.filter(|ahead| *ahead != place.seq);
        }
        for event in std::mem::take(&mut self.early) {
            self.on_event(&event);
        }
        let mut frames = Vec::new();
        for message in &mut self.unanswered {
            self.next_id += 1;
            message.id = self.next_id;
            frames.push(frame_of(message, &self.places[message.place].room));
        }
        for frame in frames {
            self.send(socket, frame).await?;
        }
        for index in 0..self.places.len() {
            if self.places[index].ahead.is_some() {
                self.ask_for_page(socket, index).await?;
            }
        }
        Ok(())
    }

    fn on_joined(&mut self, index: usize, joined: &Value) -> Result<(), u16> {
        let place = &mut self.places[index];
        let (Some(id), Some(head)) = (joined["history_id"].as_str(), joined["head"].as_u64())
        else {
            self.ledger.fault(format!("{}: {joined}", self.person));
            return Err(NO_CLOSE);
        };
        let is_first = place.history_id.is_none();
        place.history_id = Some(id.to_owned());
        match joined["resume"].as_str() {
            Some("ok") if !is_first => place.ahead = Some(place.seq),
            // What is older than the join is asked for from the start.
            Some("ok") => place.ahead = Some(head),
            Some("page") => place.ahead = Some(head),
            Some("reset") => {
                self.ledger.count(|figures| figures.resets += 1);
                place.seq = 0;
                place.ahead = Some(head);
            }
            other => {
                let fault = format!("{}: resume is {other:?}", self.person);
                self.ledger.fault(fault);
                return Err(NO_CLOSE);
            }
        }
        self.ledger.reached(&self.person, &place.room, place.seq);
        Ok(())
    }

    async fn ask_for_page(&mut self, socket: &mut Socket, index: usize) -> Result<(), u16> {
        self.ledger.count(|figures| figures.pages += 1);
        self.next_id += 1;
        self.pages.push((self.next_id, index));
        let place = &self.places[index];
        let ask = json!({"type": "history", "id": self.next_id, "room": place.room,
            "after_seq": place.seq, "limit": 100});
        self.send(socket, ask).await
    }

    async fn on_page(
        &mut self,
        socket: &mut Socket,
        index: usize,
        page: &Value,
    ) -> Result<(), u16> {
        for event in page["events"].as_array().into_iter().flatten() {
            let place = &mut self.places[index];
            match Line::read(event) {
                // A page may overtake pushes: what lies ahead comes as one.
                Ok(line) if place.ahead.is_none_or(|ahead| line.seq > ahead) => break,
                Ok(line) if line.seq == place.seq + 1 => {
                    place.seq += 1;
                    self.ledger.seen(&place.room, line);
                }
                other => {
                    let fault = format!("{}: page after {}: {other:?}", self.person, place.seq);
                    self.ledger.fault(fault);
                    return Err(NO_CLOSE);
                }
            }
        }
        let place = &mut self.places[index];
        match place.ahead {
            Some(ahead) if place.seq < ahead => return self.ask_for_page(socket, index).await,
            _ => place.ahead = None,
        }
        self.ledger.reached(&self.person, &place.room, place.seq);
        Ok(())
    }

    fn on_event(&mut self, event: &Value) {
        let room = event["room"].as_str().unwrap_or_default();
        let place = self.places.iter_mut().find(|place| place.room == room);
        let (Some(place), Ok(line)) = (place, Line::read(event)) else {
            let fault = format!("{}: a strange event {event}", self.person);
            return self.ledger.fault(fault);
        };
        let last = place.ahead.unwrap_or(place.seq);
        if line.seq != last + 1 {
            let (person, seq) = (&self.person, line.seq);
            let pages = self.pages.len();
            let fault = format!(
                "{person}: {room}: {seq} was pushed after {last}: {}, {:?}, {pages} pages",
                place.seq, place.ahead
            );
            return self.ledger.fault(fault);
        }
        match &mut place.ahead {
            Some(ahead) => *ahead += 1,
            None => place.seq += 1,
        }
        self.ledger.seen(room, line);
        self.ledger.reached(&self.person, room, place.seq);
    }

    fn on_posted(&mut self, id: u64, ok: &Value) {
        let found = self.unanswered.iter().position(|message| message.id == id);
        let answer = (ok["seq"].as_u64(), ok["dup"].as_bool());
        let (Some(at), (Some(seq), Some(dup))) = (found, answer) else {
            let fault = format!("{}: a strange answer {id}: {ok}", self.person);
            return self.ledger.fault(fault);
        };
        let message = self.unanswered.remove(at).expect("it was just found");
        let room = &self.places[message.place].room;
        self.ledger.acknowledged(room, &message.cid, seq, dup);
    }

    /// What may be repeated is, on the next connection; anything else is a fault.
    fn on_error(&self, frame: &Value) -> Result<(), u16> {
        let retry = frame["error"]["retry"].as_str();
        if !matches!(retry, Some("later" | "resume")) {
            self.ledger.fault(format!("{}: {frame}", self.person));
        }
        Err(NO_CLOSE)
    }
}

fn frame_of(message: &Unanswered, room: &str) -> Value {
    json!({"type": "post_message", "id": message.id, "room": room,
        "cid": message.cid, "text": message.text})
}

/// Opens a socket with a token in its header.
pub(crate) async fn connect(
    server: SocketAddr,
    path: &str,
    token: &str,
) -> Result<Socket, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = format!("ws://{server}{path}").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    if path.starts_with("/v1/") {
        headers.insert("sec-websocket-protocol", "frontdesk.v1.json".parse()?);
    }
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = timeout(
        SILENCE_LIMIT,
        tokio_tungstenite::client_async(request, stream),
    )
    .await??;
    Ok(socket)
}
