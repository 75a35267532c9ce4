//! What a run may be asked for, and what of it is possible.

use std::path::PathBuf;

use clap::Args;

use crate::dialect::Dialect;

/// Rooms' members are named when the room is made; more than this many are refused by the server.
const MEMBERS_MAX: usize = frontdesk_protocol::limits::OPEN_PARTICIPANT_COUNT_MAX + 1;

/// Conversations on a page of a list that the server gives.
const PAGE_COUNT_MAX: usize = 100;

/// Characters of a message that the routes of `crm` take.
const CRM_TEXT_CHARS_MAX: usize = 1_000;

/// Options of `steady`: rooms of a fixed size, each with a steady flow of messages.
#[derive(Debug, Clone, Args)]
pub struct SteadyOptions {
    /// Rooms.
    #[arg(long, default_value_t = 10)]
    pub rooms: usize,
    /// Members a room, each with a connection of its own.
    #[arg(long, default_value_t = 10)]
    pub members: usize,
    /// Seconds of messages; 0 sends none.
    #[arg(long, default_value_t = 5.0)]
    pub secs: f64,
    /// Closed loop: messages under way a room.
    #[arg(long, default_value_t = 1)]
    pub window: u64,
    /// Open loop: messages a second over all rooms, sent by the clock whatever comes back.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// What is spoken on the sockets.
    #[arg(long, value_enum, default_value_t = Dialect::NativeJson)]
    pub dialect: Dialect,
    /// Connects a second; 0 goes as fast as 256 at a time allow.
    #[arg(long, default_value_t = 0.0)]
    pub connect_rate: f64,
    /// Seconds to wait after everyone has joined, before memory is read.
    #[arg(long, default_value_t = 0.0)]
    pub idle: f64,
    /// Connections that stop reading when the messages start.
    #[arg(long, default_value_t = 0)]
    pub stall: usize,
    /// Seconds for which they do not read.
    #[arg(long, default_value_t = 10.0)]
    pub stall_secs: f64,
    /// Seconds to wait for what is due after the last message.
    #[arg(long, default_value_t = 20.0)]
    pub drain_secs: f64,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// What every scenario can be told: which server, how often, what to print.
#[derive(Debug, Clone, Args)]
pub struct ServerOptions {
    /// Runs; figures are then medians.
    #[arg(long, default_value_t = 1)]
    pub runs: usize,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Server to load, HOST:PORT or http://HOST:PORT; without it one is built and started.
    #[arg(long)]
    pub address: Option<String>,
    /// Process id of that server, for CPU and memory.
    #[arg(long, requires = "address")]
    pub pid: Option<u32>,
    /// HS256 secret of that server, to mint tokens of company LOAD001.
    #[arg(long, requires = "address", conflicts_with = "tokens")]
    pub secret: Option<String>,
    /// File of tokens for that server: line i for member i, cyclic.
    #[arg(long, requires = "address")]
    pub tokens: Option<PathBuf>,
    /// Server to start; without it one is built.
    #[arg(long, conflicts_with = "address")]
    pub binary: Option<PathBuf>,
    /// Storage engine of the server that is started.
    #[arg(long, conflicts_with = "address")]
    pub engine: Option<String>,
    /// Durability of the server that is started: fsync or buffered.
    #[arg(long, conflicts_with = "address")]
    pub durability: Option<String>,
}

impl SteadyOptions {
    /// Connections of the run.
    pub fn connection_count(&self) -> usize {
        self.rooms * self.members
    }

    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        let sane = |number: f64| number.is_finite() && number >= 0.0;
        let all_sane = [
            self.secs,
            self.connect_rate,
            self.idle,
            self.stall_secs,
            self.drain_secs,
            self.rate.unwrap_or(0.0),
        ];
        let stalled_a_room = self.stall.div_ceil(self.rooms.max(1));
        let rules = [
            (self.rooms > 0, "--rooms must be at least 1"),
            (self.members > 0, "--members must be at least 1"),
            (self.members <= MEMBERS_MAX, "--members must be at most 257"),
            (self.window > 0, "--window must be at least 1"),
            (self.server.runs > 0, "--runs must be at least 1"),
            (self.rate != Some(0.0), "--rate must be above 0"),
            (
                all_sane.into_iter().all(sane),
                "seconds and rates must not be negative",
            ),
            (
                self.stall == 0 || stalled_a_room < self.members,
                "--stall must leave a reader in every room",
            ),
            (
                self.stall == 0 || self.stall_secs < self.secs,
                "--stall-secs must be less than --secs",
            ),
        ];
        first_broken(&rules)
    }
}

fn first_broken(rules: &[(bool, &str)]) -> Result<(), String> {
    let broken = rules.iter().find(|(holds, _)| !holds);
    broken.map_or(Ok(()), |(_, why)| Err((*why).to_owned()))
}

/// Options of `lists`: one person with many conversations, whose list is read while nothing happens
/// and while others write.
#[derive(Debug, Clone, Args)]
pub struct ListsOptions {
    /// Conversations of the person whose list is read.
    #[arg(long, default_value_t = 10_000)]
    pub conversations: usize,
    /// Conversations that get messages, each by a person and a native socket of its own.
    #[arg(long, default_value_t = 1_000)]
    pub active: usize,
    /// Seconds of reading while nothing happens, and again under load.
    #[arg(long, default_value_t = 10.0)]
    pub secs: f64,
    /// Messages a second under load, over all active conversations.
    #[arg(long, default_value_t = 1_000.0)]
    pub rate: f64,
    /// Rounds of reading a second: the first page, some other page, the unread count.
    #[arg(long, default_value_t = 20.0)]
    pub read_rate: f64,
    /// Conversations on a page.
    #[arg(long, default_value_t = 50)]
    pub page: usize,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Seconds to wait for what is due after the last message.
    #[arg(long, default_value_t = 20.0)]
    pub drain_secs: f64,
    /// Fail where a figure is beyond its bar: for the 99th percentile 10 ms of pages, 2 ms of
    /// counts.
    #[arg(long)]
    pub bars: bool,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

impl ListsOptions {
    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        first_broken(&[
            (self.active > 0, "--active must be at least 1"),
            (
                self.active <= self.conversations,
                "--active must be at most --conversations",
            ),
            (
                (1..=PAGE_COUNT_MAX).contains(&self.page),
                "--page must be 1 to 100",
            ),
            (self.secs > 0.0, "--secs must be above 0"),
            (self.read_rate > 0.0, "--read-rate must be above 0"),
        ])?;
        self.writing().check()
    }

    /// The messages of this run as `steady` would send them: one writer a conversation.
    pub(crate) fn writing(&self) -> SteadyOptions {
        SteadyOptions {
            rooms: self.active,
            members: 1,
            secs: self.secs,
            window: 1,
            rate: Some(self.rate),
            size: self.size,
            dialect: Dialect::NativeJson,
            connect_rate: 0.0,
            idle: 0.0,
            stall: 0,
            stall_secs: 0.0,
            drain_secs: self.drain_secs,
            server: self.server.clone(),
        }
    }
}

/// Options of `crm`: conversations with a bot, posted to over HTTP and sockets in turn.
#[derive(Debug, Clone, Args)]
pub struct CrmOptions {
    /// Sockets, each of another person.
    #[arg(long, default_value_t = 100)]
    pub sockets: usize,
    /// People a conversation, beside the bot.
    #[arg(long, default_value_t = 2)]
    pub members: usize,
    /// Seconds of messages.
    #[arg(long, default_value_t = 10.0)]
    pub secs: f64,
    /// Messages a second over all conversations, half of them over HTTP; bots answer each.
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Seconds to wait for what is due after the last message.
    #[arg(long, default_value_t = 20.0)]
    pub drain_secs: f64,
    /// Fail where a figure is beyond its bar: for the 99th percentile 50 ms of events, 200 ms of
    /// posts over HTTP.
    #[arg(long)]
    pub bars: bool,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

impl CrmOptions {
    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        first_broken(&[
            (self.rate > 0.0, "--rate must be above 0"),
            (self.members > 0, "--members must be at least 1"),
            (
                self.sockets.checked_rem(self.members) == Some(0),
                "--sockets must be a multiple of --members",
            ),
            (
                self.size <= CRM_TEXT_CHARS_MAX,
                "--size must be at most 1000",
            ),
        ])?;
        self.talking().check()
    }

    /// The sockets of this run as `steady` would open them.
    pub(crate) fn talking(&self) -> SteadyOptions {
        SteadyOptions {
            rooms: self.sockets / self.members,
            members: self.members,
            secs: self.secs,
            window: 1,
            rate: None,
            size: self.size,
            dialect: Dialect::Crm,
            connect_rate: 0.0,
            idle: 0.0,
            stall: 0,
            stall_secs: 0.0,
            drain_secs: self.drain_secs,
            server: self.server.clone(),
        }
    }
}

/// Options of `logins`: more logins than one thread can hash, beside a steady chat.
#[derive(Debug, Clone, Args)]
pub struct LoginsOptions {
    /// Logins a second, tried by the clock whatever comes back.
    #[arg(long, default_value_t = 200.0)]
    pub attempts: f64,
    /// Accounts that are tried, with the right password and with a wrong one.
    #[arg(long, default_value_t = 20)]
    pub names: usize,
    /// Seconds of chat alone, and again of chat beside logins.
    #[arg(long, default_value_t = 20.0)]
    pub secs: f64,
    /// Rooms of the chat, each with four members.
    #[arg(long, default_value_t = 10)]
    pub rooms: usize,
    /// Messages a second over all rooms.
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Fail where a figure is beyond its bar: 20 served a second, 100 ms for the 99th percentile
    /// of refusals, chat at twice its 99th percentile alone, 40 MB of memory more.
    #[arg(long)]
    pub bars: bool,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Members of a room beside logins.
const LOGINS_MEMBERS: usize = 4;

impl LoginsOptions {
    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        first_broken(&[
            (self.attempts > 0.0, "--attempts must be above 0"),
            (self.names > 0, "--names must be at least 1"),
            (self.secs > 0.0, "--secs must be above 0"),
            own_server(&self.server),
        ])?;
        self.chatting(self.secs).check()
    }

    /// The chat of this run as `steady` would have it.
    pub(crate) fn chatting(&self, secs: f64) -> SteadyOptions {
        SteadyOptions {
            rooms: self.rooms,
            members: LOGINS_MEMBERS,
            secs,
            window: 1,
            rate: Some(self.rate),
            size: 64,
            dialect: Dialect::NativeJson,
            connect_rate: 0.0,
            idle: 0.0,
            stall: 0,
            stall_secs: 0.0,
            drain_secs: 20.0,
            server: self.server.clone(),
        }
    }
}

/// Options of `companies`: an installation of many companies beside an empty one.
#[derive(Debug, Clone, Args)]
pub struct CompaniesOptions {
    /// Companies.
    #[arg(long, default_value_t = 10_000)]
    pub companies: u64,
    /// Agents of each, beside its admin.
    #[arg(long, default_value_t = 10)]
    pub agents: u64,
    /// Companies that are active for a while.
    #[arg(long, default_value_t = 50)]
    pub active: u64,
    /// Starts of each installation.
    #[arg(long, default_value_t = 5)]
    pub starts: usize,
    /// Seconds of reading lists.
    #[arg(long, default_value_t = 10.0)]
    pub secs: f64,
    /// Rounds of reading a second, each a page of each of three lists.
    #[arg(long, default_value_t = 20.0)]
    pub read_rate: f64,
    /// Program that fills a store; without it `examples/seed.rs` is built.
    #[arg(long)]
    pub seeder: Option<PathBuf>,
    /// Fail where a figure is beyond its bar: 50 ms more until it listens, 10 ms for the 99th
    /// percentile of each list, no entity awake that need not be.
    #[arg(long)]
    pub bars: bool,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

impl CompaniesOptions {
    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        first_broken(&[
            (self.active > 0, "--active must be at least 1"),
            (
                self.active <= self.companies,
                "--active must be at most --companies",
            ),
            (
                self.agents < PAGE_COUNT_MAX as u64,
                "--agents must be at most 99",
            ),
            (self.starts > 0, "--starts must be at least 1"),
            (self.secs > 0.0, "--secs must be above 0"),
            (self.read_rate > 0.0, "--read-rate must be above 0"),
            own_server(&self.server),
        ])
    }
}

/// Options of `upload`: one file on a socket over a slow link beside a chat, one over tus, or many
/// at once.
#[derive(Debug, Clone, Args)]
pub struct UploadOptions {
    /// One file on a socket, over a link of so many Mbit/s with a round trip of 20 ms.
    #[arg(long, conflicts_with = "uploads")]
    pub shape: Option<u32>,
    /// Files over tus at once, each of another person; without this and --shape it is one.
    #[arg(long)]
    pub uploads: Option<usize>,
    /// Where another server takes tus uploads, http://HOST:PORT/path: one file goes to it and to
    /// ours in turn.
    #[arg(long, conflicts_with_all = ["uploads", "shape"])]
    pub beside: Option<String>,
    /// Seconds of the file on a socket.
    #[arg(long, default_value_t = 60.0)]
    pub secs: f64,
    /// Seconds of chat alone before it.
    #[arg(long, default_value_t = 10.0)]
    pub idle_secs: f64,
    /// Bytes of each file over tus.
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    pub size: u64,
    /// Bytes of each request of it.
    #[arg(long, default_value_t = 8 * 1024 * 1024)]
    pub chunk: usize,
    /// Fail where a figure is beyond its bar: chat's 99th percentile and the file's rate on links
    /// of 2, 10 and 100 Mbit/s; 128 MiB more of memory with many at once; twice another server's
    /// rate with --durability buffered, and as much otherwise.
    #[arg(long)]
    pub bars: bool,
    /// Runs, report and server.
    #[command(flatten)]
    pub server: ServerOptions,
}

impl UploadOptions {
    /// Whether the options make sense together.
    pub fn check(&self) -> Result<(), String> {
        first_broken(&[
            (self.shape != Some(0), "--shape must be at least 1"),
            (self.uploads != Some(0), "--uploads must be at least 1"),
            (self.secs > 0.0, "--secs must be above 0"),
            (self.idle_secs > 0.0, "--idle-secs must be above 0"),
            (self.size > 0, "--size must be at least 1"),
            (self.chunk > 0, "--chunk must be at least 1"),
            (self.server.runs > 0, "--runs must be at least 1"),
        ])
    }
}

/// A rule of scenarios that start a server with settings of their own.
fn own_server(options: &ServerOptions) -> (bool, &'static str) {
    let why = "--address: this scenario starts servers of its own";
    (options.address.is_none(), why)
}
