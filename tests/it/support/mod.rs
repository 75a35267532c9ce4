//! A node in this process, and the clients that talk to it.

#[cfg(feature = "s3")]
#[expect(dead_code, reason = "storage's own tests do more to it")]
#[path = "../../../storage/tests/it/support/bucket.rs"]
pub(crate) mod bucket;
pub(crate) mod chats;
pub(crate) mod files;
pub(crate) mod forms;
pub(crate) mod msgpack;
pub(crate) mod raw;
pub(crate) mod sending;
pub(crate) mod socket;
pub(crate) mod staff;
pub(crate) mod token;
pub(crate) mod uploads;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontdesk::config::{Config, Secret};
use frontdesk::node::{Running, start_with};
use frontdesk::telemetry::Metrics;
use frontdesk_actors::clock::{Clock, SystemClock};
use frontdesk_actors::node::NodeCounts;
use frontdesk_protocol::{CompanyId, Timestamp};
use frontdesk_storage::Store;
use frontdesk_storage::testing::{Crash, Faults, MemoryOptions, MemoryStore};
use serde_json::{Value, json};

use socket::Socket;
use token::token_of;

/// Time for anything that must happen at all, milliseconds: far beyond a busy machine's worst.
const DEADLINE_MS: u64 = 10_000;
/// Pause between looks at a condition, milliseconds.
const LOOK_MS: u64 = 5;
/// The companies of every node here.
pub(crate) const COMPANY: &str = "TES001";
/// The other one.
pub(crate) const OTHER_COMPANY: &str = "SPA001";

/// How messages travel between the entities of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    /// By reference.
    Plain,
    /// As bytes, as if everybody lived on another machine.
    Serialized,
}

/// Makes two tests of each fact, one for each [`Bus`].
macro_rules! in_both_buses {
    ($($fact:ident),+ $(,)?) => {
        mod plain_bus {
            $(#[test] fn $fact() {
                crate::support::run(super::$fact(crate::support::Bus::Plain));
            })+
        }
        mod serialized_bus {
            $(#[test] fn $fact() {
                crate::support::run(super::$fact(crate::support::Bus::Serialized));
            })+
        }
    };
}
pub(crate) use in_both_buses;

/// Runs one fact on a runtime of its own.
pub(crate) fn run(fact: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(fact);
    // What the node still does is of no interest any more.
    runtime.shutdown_background();
}

/// Awaits something that must happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let limit = Duration::from_millis(DEADLINE_MS);
    match tokio::time::timeout(limit, happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {DEADLINE_MS} ms"),
    }
}

/// A text for clients speaks of fields and of JSON, not of how the server is written.
pub(crate) fn names_no_type(message: &str) {
    let ours = [
        "struct", "enum", "variant", "tuple", "sequence", "::", "u32", "u64", "i64", "f64",
        "usize", "Marker", "Fix",
    ];
    let found = ours.iter().find(|word| message.contains(**word));
    assert_eq!(found, None, "{message}");
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        let mut interval = tokio::time::interval(Duration::from_millis(LOOK_MS));
        while !holds() {
            interval.tick().await;
        }
    };
    soon(what, look).await;
}

/// The machine's clock with leaps.
#[derive(Default)]
pub(crate) struct LeapingClock {
    machine: SystemClock,
    ahead_ms: AtomicU64,
}

impl LeapingClock {
    /// It is this much later now.
    pub(crate) fn leap_ms(&self, by_ms: u64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for LeapingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.machine.now().0 + self.ahead_ms.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        self.machine.monotonic_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }
}

/// A node on a store in memory.
pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) clock: Arc<LeapingClock>,
    pub(crate) address: SocketAddr,
    store: MemoryStore,
    files: Arc<tempfile::TempDir>,
    http: reqwest::Client,
}

/// A room as its opener knows it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) number: u64,
}

impl Site {
    /// Where it keeps files.
    pub(crate) fn folder(&self) -> &Path {
        self.files.path()
    }

    /// With the default limits.
    pub(crate) async fn start(bus: Bus) -> Self {
        Self::with(bus, |_| {}).await
    }

    /// With changed settings.
    pub(crate) async fn with(bus: Bus, change: impl FnOnce(&mut Config)) -> Self {
        Self::over(bus, |_| {}, change).await
    }

    /// The same, over a store that something was done to before.
    pub(crate) async fn over(
        bus: Bus,
        before: impl FnOnce(&Store),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        // As the program does: handles that are made before the recorder is there record nothing.
        let _ = Metrics::of_program();
        let clock = Arc::new(LeapingClock::default());
        let of_store = Arc::clone(&clock);
        let store = MemoryStore::new(MemoryOptions {
            clock: Arc::new(move || of_store.now()),
            ..MemoryOptions::default()
        });
        let store = store.expect("a store in memory opens");
        before(&store.store());
        let files = Arc::new(tempfile::tempdir().expect("a folder"));
        Self::on(store, files, clock, bus, change).await
    }

    /// A new node over what this one leaves when it is killed.
    pub(crate) async fn reborn(&self, bus: Bus, change: impl FnOnce(&mut Config)) -> Self {
        let store = self.store.crash(Crash::Killed).expect("opens again");
        let (files, clock) = (Arc::clone(&self.files), Arc::clone(&self.clock));
        Self::on(store, files, clock, bus, change).await
    }

    async fn on(
        store: MemoryStore,
        files: Arc<tempfile::TempDir>,
        clock: Arc<LeapingClock>,
        bus: Bus,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::default();
        config.server.listen = vec!["127.0.0.1:0".parse().expect("an address")];
        config.auth.jwt_secret = Some(Secret::new(token::SECRET));
        config.provision.companies = [COMPANY, OTHER_COMPANY]
            .map(|name| CompanyId::new(name).expect("a valid id"))
            .to_vec();
        config.bus.serialize = bus == Bus::Serialized;
        config.storage.path = files.path().to_owned();
        change(&mut config);
        let running = start_with(&config, store.store(), Arc::clone(&clock) as Arc<dyn Clock>);
        let running = running.await.expect("the node starts");
        Self {
            address: running.addresses[0],
            running,
            clock,
            store,
            files,
            http: reqwest::Client::new(),
        }
    }

    /// What runs on the node now.
    pub(crate) fn counts(&self) -> NodeCounts {
        self.running.node().counts()
    }

    /// What the node keeps.
    pub(crate) fn store(&self) -> Arc<Store> {
        self.store.store()
    }

    /// What may go wrong in the store.
    pub(crate) fn faults(&self) -> Arc<Faults> {
        self.store.faults()
    }

    /// A request with a body, or without one if it is null; status and JSON of the answer.
    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let (status, text) = self.http_text(method, path, token, body).await;
        let parsed = serde_json::from_str(&text);
        (status, parsed.unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// The same with the answer as text.
    pub(crate) async fn http_text(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> (u16, String) {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let response = soon("an answer", request.send()).await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.text().await.expect("a body"))
    }

    /// A request to be completed.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        let method = method.parse().expect("a method");
        self.http.request(method, url)
    }

    /// A room of these people, opened by the first of them.
    pub(crate) async fn room(&self, people: &[&str]) -> Room {
        let token = token_of(people[0]);
        let body = json!({"participants": people});
        let (status, opened) = self.http("POST", "/v1/rooms", Some(&token), &body).await;
        assert_eq!(status, 201, "{opened}");
        Room {
            id: opened["id"].as_str().expect("a room id").to_owned(),
            number: opened["conversation_id"].as_u64().expect("a number"),
        }
    }

    /// A native socket of this person, connected.
    pub(crate) async fn connect(&self, person: &str) -> Socket {
        self.connect_with(&token_of(person)).await
    }

    /// A native socket that was opened with this token.
    pub(crate) async fn connect_with(&self, token: &str) -> Socket {
        let mut socket = Socket::open(self.address, &[]).await;
        socket
            .ask(json!({"type": "connect", "token": token}))
            .await
            .expect("connected");
        socket
    }

    /// The same, in this room.
    pub(crate) async fn join(&self, person: &str, room: &Room) -> Socket {
        let mut socket = self.connect(person).await;
        socket.join(&room.id).await;
        socket
    }

    /// A socket of the `direct` profile.
    pub(crate) async fn direct(&self, room: &Room, token: &str) -> Socket {
        self.chat(room, token, "dialect=direct").await
    }

    /// The same behind its greeting.
    pub(crate) async fn greeted(&self, room: &Room, token: &str) -> Socket {
        greeted(self.direct(room, token).await).await
    }

    /// A socket on a conversation, with more in its query.
    pub(crate) async fn chat(&self, room: &Room, token: &str, query: &str) -> Socket {
        let path = format!("/ws/chat/{}/?token={token}&{query}", room.number);
        Socket::dial(self.address, &path, &[], &[]).await
    }

    /// A person's own socket of the `inbox` profile, behind its greeting.
    pub(crate) async fn inbox(&self, token: &str) -> Socket {
        let path = format!("/ws/chat/?token={token}");
        greeted(Socket::dial(self.address, &path, &[], &[]).await).await
    }

    /// Waits until nothing of any connection is left on the node.
    pub(crate) async fn until_left(&self) {
        until("leaving nothing behind", || {
            let counts = self.counts();
            (counts.edges, counts.doors) == (0, 0) && self.running.outboxes().is_empty()
        })
        .await;
    }
}

/// A socket of a profile behind its greeting.
pub(crate) async fn greeted(mut socket: Socket) -> Socket {
    let hello = socket.next().await;
    assert_eq!(hello["type"], "connection_established", "{hello}");
    assert!(hello["message"].is_string(), "{hello}");
    socket
}

/// A UUID of version 7, made at this time with this number in it.
pub(crate) fn cid_at(at: Timestamp, number: u64) -> String {
    let head = format!("{:012x}", at.0);
    format!("{}-{}-7000-8000-{number:012x}", &head[..8], &head[8..],)
}
