//! The scenario `steady`: rooms of a fixed size, everyone connected, a steady flow of messages.
//!
//! Owns: the order of a run's steps: rooms, connections, joins, rest, messages, what is still due,
//! end; and the figures taken between them.
//! Invariant: figures of the server are taken at the edges of the same time in which deliveries are
//! counted, and what comes later is checked and not counted.

pub(crate) mod flow;
pub(crate) mod opening;

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::runtime::Builder;
use tokio::task::{JoinHandle, LocalSet};

use crate::connection::Shared;
use crate::dialect::RoomTarget;
use crate::load::{Load, Setup};
use crate::options::SteadyOptions;
use crate::report::Report;
use crate::token::{Bearer, Tokens};
use crate::usage::{self, TcpCounters};

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, where its CPU and memory can be read.
    pub pid: Option<u32>,
    /// Tokens it accepts.
    pub tokens: Tokens,
}

impl Target {
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.pid.and_then(usage::rss_bytes).unwrap_or(0)
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.pid.and_then(usage::cpu_us).unwrap_or(0.0)
    }
}

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &SteadyOptions, target: &Target) -> Result<Report, String> {
    options.check()?;
    run_steps(options.connection_count(), steps(options, target))
}

/// Runs a scenario's steps to their end, on this thread.
pub(crate) fn run_steps<T>(
    connection_count: usize,
    steps: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    raise_file_limit(connection_count)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    LocalSet::new().block_on(&runtime, steps)
}

/// Tokens of the first so many people.
pub(crate) fn bearers(target: &Target, count: usize) -> Result<Vec<Bearer>, String> {
    (0..count).map(|member| target.tokens.of(member)).collect()
}

async fn steps(options: &SteadyOptions, target: &Target) -> Result<Report, String> {
    let mut report = Report::default();
    report.rss_start_bytes = target.rss_bytes();
    let bearers = bearers(target, options.connection_count())?;
    let rooms = opening::rooms_of(&bearers, options.members, false);
    let targets = opening::open_rooms(target.address, rooms).await?;
    report.rss_rooms_bytes = target.rss_bytes();

    let steps = Steps::connect(options, target, bearers, targets, &mut report).await;
    if options.secs > 0.0 && report.joined == report.connections {
        flow::messages(options, target, &steps.shared, &mut report).await;
    }
    steps.end(target, &mut report).await;
    Ok(report)
}

/// A run whose sockets are open.
pub(crate) struct Steps {
    pub(crate) shared: Rc<Shared>,
    flusher: JoinHandle<()>,
}

impl Steps {
    /// Connects everyone and joins their rooms.
    pub(crate) async fn connect(
        options: &SteadyOptions,
        target: &Target,
        bearers: Vec<Bearer>,
        targets: Vec<RoomTarget>,
        report: &mut Report,
    ) -> Self {
        let load = Load::new(Setup {
            run: run_number(),
            dialect: options.dialect,
            size_bytes: options.size,
            is_sender_fixed: options.window > 1 || options.rate.is_some(),
            member_count: options.members,
            staller_count: options.stall,
            targets,
        });
        let shared = Shared::new(load, target.address);
        let flusher = tokio::task::spawn_local(flow::flush_forever(Rc::clone(&shared)));
        let tcp_before = TcpCounters::read();
        let cpu_before_us = target.cpu_us();
        opening::connect(options, &shared, bearers, report).await;
        report.connect_cpu_us = target.cpu_us() - cpu_before_us;
        report.tcp = TcpCounters::read().since(tcp_before);
        opening::join(&shared, report).await;
        flow::rest(options.idle).await;
        report.rss_joined_bytes = target.rss_bytes();
        Self { shared, flusher }
    }

    /// Closes everything and takes over what was found.
    pub(crate) async fn end(self, target: &Target, report: &mut Report) {
        report.rss_end_bytes = target.rss_bytes();
        flow::end(&self.shared).await;
        self.flusher.abort();
        report.take(&self.shared.load);
    }
}

/// Tells this run's messages from those of others in the same process and before.
pub(crate) fn run_number() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let started = (crate::clock::unix_ms() / 1_000) as u32;
    started.wrapping_add(RUNS.fetch_add(1, Ordering::Relaxed))
}

/// Files beside the connections: runtime, HTTP, the report.
const FILES_BESIDE: u64 = 100;

fn raise_file_limit(connection_count: usize) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = connection_count as u64 + FILES_BESIDE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).map_err(|error| error.to_string())?;
    }
    match limit.maximum {
        Some(maximum) if maximum < needed => Err(format!(
            "{connection_count} connections need {needed} open files, the limit is {maximum}"
        )),
        _ => Ok(()),
    }
}
