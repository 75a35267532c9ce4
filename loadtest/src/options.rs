//! What a run may be asked for, and what of it is possible.

use std::path::PathBuf;

use clap::Args;

use crate::dialect::Dialect;

/// Rooms' members are named when the room is made; more than this many are refused by the server.
const MEMBERS_MAX: usize = frontdesk_protocol::limits::OPEN_PARTICIPANT_COUNT_MAX + 1;

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
            (self.runs > 0, "--runs must be at least 1"),
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
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, why)| Err(why.to_owned()))
    }
}
