//! The settings themselves: one tree, a default for each, the unit at the end of each name.
//!
//! Invariants: every field is listed in [`super::keys`] (a test compares the two), and every
//! default passes [`super::validate`].
//! Never: reads a file, a variable or a flag.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use frontdesk_protocol::CompanyId;
use frontdesk_storage::{Durability, EngineKind};
use serde::{Deserialize, Serialize};

use super::files::Files;
use super::secret::Secret;

/// The engine of a node that names none.
pub const ENGINE_DEFAULT: EngineKind = EngineKind::Fjall;

/// Everything an operator can set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how the node listens.
    pub server: Server,
    /// Where and how conversations are kept.
    pub storage: Storage,
    /// Where files are kept, how long links to them are good, what is asked of them.
    pub files: Files,
    /// Who is believed.
    pub auth: Auth,
    /// What is created at start.
    pub provision: Provision,
    /// What a client may use up.
    pub limits: Limits,
    /// How clients of earlier systems are served.
    pub profiles: Profiles,
    /// How entities talk to each other.
    pub bus: Bus,
    /// What the node says of itself.
    pub telemetry: Telemetry,
}

/// Where and how the node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Addresses as `ip:port`; port 0 takes a free one. Loopback unless an operator opens it.
    pub listen: Vec<SocketAddr>,
    /// Address that clients see, for absolute links, when it is not the `Host` they send.
    pub public_url: Option<String>,
    /// Connections that may wait to be accepted: bursts of reconnecting clients must not cost a
    /// second of SYN retry. The kernel cuts it at `net.core.somaxconn`.
    pub backlog_connections: u32,
    /// Time for sockets to leave and for queues to empty when the node stops, milliseconds.
    pub drain_ms: u64,
    /// Origins whose pages may read answers; none by default. `*` alone is any, without
    /// credentials.
    pub cors_origins: Vec<String>,
    /// Threads that serve connections; 0 is one for each core but one, which is left to the store's
    /// writer and to the kernel's own work for the sockets.
    pub worker_threads: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            public_url: None,
            backlog_connections: 4096,
            drain_ms: 10_000,
            cors_origins: Vec::new(),
            worker_threads: 0,
        }
    }
}

/// Where and how conversations are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Which engine; a store is opened only by the engine that made it.
    pub engine: EngineKind,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// Folder of the store, made when it is missing; relative to the working directory.
    pub path: PathBuf,
    /// Memory for the engine's block cache, bytes: its own default grows with the load.
    pub cache_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            engine: ENGINE_DEFAULT,
            durability: Durability::Fsync,
            path: PathBuf::from("data"),
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Who is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Secret that the host application signs its tokens with (HS256).
    pub jwt_secret: Option<Secret>,
    /// Further secrets by key id (`kid`), so that a host can change its key without an outage.
    pub keys: BTreeMap<String, Secret>,
    /// Company of tokens that name none; without it they are refused.
    pub default_company: Option<CompanyId>,
    /// How far the host's clock may be from ours, seconds.
    pub leeway_s: u64,
    /// Time for a socket to say who it is, milliseconds: longer only serves those who never will.
    pub connect_timeout_ms: u64,
    /// Threads that hash passwords, 19 MiB of memory each from its first login on.
    pub password_threads: usize,
    /// Logins that may wait for a hashing thread; more are refused at once, with a time to retry.
    pub password_queue: usize,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            jwt_secret: None,
            keys: BTreeMap::new(),
            default_company: None,
            leeway_s: 5,
            connect_timeout_ms: 10_000,
            password_threads: 1,
            password_queue: 8,
        }
    }
}

/// What is created at start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provision {
    /// Companies that exist after start; missing ones are made, none is ever removed.
    pub companies: Vec<CompanyId>,
    /// Who runs the installation. The account is made if its e-mail address has none; a password
    /// that was changed since stays.
    pub superadmin: Option<Superadmin>,
}

/// Who runs the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superadmin {
    /// What they log in with.
    pub email: String,
    /// Their first password: 8 to 128 characters.
    pub password: Secret,
}

/// What a client may use up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sockets from one address, 0 for no limit: an office behind one address is a few hundred.
    pub connections_per_address: u32,
    /// HTTP requests and new sockets of one address a second, 0 for no limit; five times as many
    /// at once. An office behind one address is a few hundred people.
    pub requests_per_second_address: u32,
    /// Passwords tried with one name a minute, 0 for no limit: a person mistypes, a program
    /// guesses.
    pub logins_per_minute_name: u32,
    /// Passwords tried from one address a minute, 0 for no limit: an office that opens in the
    /// morning.
    pub logins_per_minute_address: u32,
    /// Passwords that a company's admins may have made a minute, 0 for no limit: one hashing thread
    /// makes some twenty a second, for all companies.
    pub passwords_per_minute_company: u32,
    /// Chats opened by visitors of one address in a minute, as many at once: each is a room that
    /// lasts; 0 for no limit.
    pub chats_per_minute_address: u32,
    /// Forms of one address whose file comes before it is said whose it is, at once, without a
    /// token; 0 for no limit of their own: each takes one of 32 places for as long as it takes.
    pub forms_undecided_address: u32,
    /// Downloads of one address through the node at once, 0 for no limit of their own: a quarter
    /// of the 512 that there are, so that no client holds them all by taking a little a minute,
    /// and enough for an office whose people all open a page with pictures.
    pub downloads_address: u32,
    /// HTTP requests of one person a second, 0 for no limit; ten times as many at once.
    pub requests_per_second_person: u32,
    /// Frames of one connection a second, 0 for no limit; beyond, its reader pauses, which pushes
    /// the client back without refusing anything.
    pub commands_per_second_connection: u32,
    /// Commands of one connection that wait for an answer; its reader stops beyond, which pushes
    /// the client back without refusing anything.
    pub connection_unanswered_count: u32,
    /// The same in bytes: one message of the largest size is always admitted.
    pub connection_unanswered_bytes: usize,
    /// Bytes queued for one connection beyond which ephemerals are dropped.
    pub outbox_soft_bytes: usize,
    /// Bytes queued for one connection beyond which durable events wait in the journal instead.
    pub outbox_hard_bytes: usize,
    /// Commands that wait in one room, bytes: a room answers slowly before it grows.
    pub room_waiting_bytes: usize,
    /// Time a peer may take nothing from a full socket before it is closed, milliseconds.
    pub write_stall_ms: u64,
    /// Time an HTTP client may take nothing of an answer before its connection is ended,
    /// milliseconds. Longer than a socket's: kernels take a file in large pieces, and who is cut
    /// off begins anew.
    pub response_stall_ms: u64,
    /// Silence after which the server pings, milliseconds: below the usual 60 s of proxies.
    pub ping_ms: u64,
    /// Silence after which a socket is closed, milliseconds: two pings unanswered.
    pub idle_ms: u64,
    /// Body of an HTTP request, bytes.
    pub http_body_bytes: usize,
    /// Time without a connection or a command after which a room sleeps, milliseconds: an actor
    /// costs memory, waking costs one snapshot.
    pub room_idle_ms: u64,
    /// The largest file, bytes, whatever a company's settings say.
    pub file_bytes_max: u64,
    /// Uploads begun by one person in a minute, as many at once, 0 for no limit; unset 10 on the
    /// widget's routes, which is what its clients are promised, and 120 elsewhere.
    pub uploads_per_minute: Option<u32>,
    /// Uploads of one person under way, 0 for no limit: a client sends a few at a time.
    pub uploads_open_person: u32,
    /// Bytes of uploads that wait in memory to be written, and that sockets may still send; whoever
    /// brings more waits.
    pub upload_memory_bytes: usize,
    /// Time for an upload's bytes to come, milliseconds: a day, so that a client may go on
    /// tomorrow. A file that is sent with no message in as much time after is dropped.
    pub upload_lifetime_ms: u64,
    /// How long it is told of an upload that came to no file what became of it, milliseconds: an
    /// hour, in which a client that was away asks again. Then its name and caption are forgotten.
    pub upload_trace_ms: u64,
    /// Bytes of all files of one company, those under way among them; 0 for no limit.
    pub company_file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address: 1_000,
            requests_per_second_address: 2_000,
            logins_per_minute_name: 10,
            logins_per_minute_address: 300,
            passwords_per_minute_company: 60,
            chats_per_minute_address: 60,
            forms_undecided_address: 8,
            downloads_address: 128,
            requests_per_second_person: 100,
            commands_per_second_connection: 10_000,
            connection_unanswered_count: 64,
            connection_unanswered_bytes: 256 * 1024,
            outbox_soft_bytes: 256 * 1024,
            outbox_hard_bytes: 1024 * 1024,
            room_waiting_bytes: 4 * 1024 * 1024,
            write_stall_ms: 15_000,
            response_stall_ms: 60_000,
            ping_ms: 25_000,
            idle_ms: 60_000,
            http_body_bytes: 1024 * 1024,
            room_idle_ms: 30_000,
            file_bytes_max: 100 * 1024 * 1024,
            uploads_per_minute: None,
            uploads_open_person: 64,
            upload_memory_bytes: 64 * 1024 * 1024,
            upload_lifetime_ms: 24 * 60 * 60 * 1_000,
            upload_trace_ms: 60 * 60 * 1_000,
            company_file_bytes: 0,
        }
    }
}

/// What clients of earlier systems speak on the address that two of them share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatSocket {
    /// Both, until the client's first frame tells which.
    #[default]
    Union,
    /// The profile `direct`.
    Direct,
    /// The profile `crm`.
    Crm,
}

/// How clients of earlier systems are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// What is spoken on `/ws/chat/{conversation}/` to a client that does not say.
    pub chat_socket: ChatSocket,
    /// Whether clients of the profile `crm` get their own messages back; without it only the
    /// acknowledgement, for pages that have shown the message already.
    pub echo_to_sender: bool,
    /// Whose shapes the shared routes answer with where nothing in the request tells.
    pub rest: RestStyle,
}

/// Whose shapes are shown on routes that several profiles share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestStyle {
    /// Arrays, numbers for ids.
    Inbox,
    /// The same, with pictures as files.
    Direct,
    /// Envelopes, texts for ids.
    Crm,
}

impl Default for Profiles {
    fn default() -> Self {
        Self {
            chat_socket: ChatSocket::Union,
            echo_to_sender: true,
            rest: RestStyle::Inbox,
        }
    }
}

/// How entities talk to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Encodes every message between entities as if they were on other machines; for tests.
    pub serialize: bool,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Which log lines are written, for example `info` or `info,frontdesk=debug`.
    pub log: String,
    /// How they are written.
    pub log_format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}
