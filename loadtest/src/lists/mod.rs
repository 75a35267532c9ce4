//! The scenario `lists`: one person with many conversations, whose list and unread count are read
//! over HTTP while nothing happens, and again while others write to that person.
//!
//! Owns: the order of steps: conversations, writers' sockets, a walk through the whole list, idle
//! reading, reading under load, what is still due, a last walk.
//! Invariants:
//! 1. The reader has a thread and a connection of its own: it neither waits for the writers' work
//!    nor shows it as the server's.
//! 2. The last walk comes after everything was delivered, so each count has one right value.
//!
//! Never: marks anything as read.

mod check;
mod reader;

use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::check::Expected;
use self::reader::{Plan, Reader, Readings};
use crate::check::Violation;
use crate::http::Wanted;
use crate::options::ListsOptions;
use crate::report::{LatencyNames, Report, latency_names};
use crate::steady::{Steps, Target, bearers, flow, opening, run_number, run_steps};

const IDLE_NAMES: [LatencyNames; 3] = [
    latency_names!("idle_first_page"),
    latency_names!("idle_other_page"),
    latency_names!("idle_unread_count"),
];
const LOAD_NAMES: [LatencyNames; 3] = [
    latency_names!("load_first_page"),
    latency_names!("load_other_page"),
    latency_names!("load_unread_count"),
];
/// The scenario's bars, microseconds.
const BARS: [(&str, f64); 6] = [
    ("idle_first_page_p99_us", 10_000.0),
    ("idle_other_page_p99_us", 10_000.0),
    ("idle_unread_count_p99_us", 2_000.0),
    ("load_first_page_p99_us", 10_000.0),
    ("load_other_page_p99_us", 10_000.0),
    ("load_unread_count_p99_us", 2_000.0),
];

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &ListsOptions, target: &Target) -> Result<Report, String> {
    options.check()?;
    run_steps(options.active, steps(options, target))
}

async fn steps(options: &ListsOptions, target: &Target) -> Result<Report, String> {
    let mut report = Report::default();
    report.rss_start_bytes = target.rss_bytes();
    let bearers = bearers(target, options.active)?;
    let reader = target.tokens.newcomer(run_number(), options.active)?;
    let conversations = (0..options.conversations).map(|index| Wanted {
        token: bearers[index % options.active].token.clone(),
        others: vec![reader.person.clone()],
        with_bot: false,
    });
    let mut targets = opening::open_rooms(target.address, conversations.collect()).await?;
    let mut expected = Expected::new(targets.iter().map(|room| room.conversation));
    report.rss_rooms_bytes = target.rss_bytes();
    targets.truncate(options.active);
    let numbers: Vec<u64> = targets.iter().map(|room| room.conversation).collect();
    let writing = options.writing();
    let steps = Steps::connect(&writing, target, bearers, targets, &mut report).await;
    if report.joined == report.connections {
        let plan = Plan::new(options, target.address, reader.token);
        let idle = read(plan.clone(), expected.clone()).await?;
        take(idle, &IDLE_NAMES, &mut report);

        let (reading, done) = start(plan.clone(), expected.clone().changing());
        flow::messages(&writing, target, &steps.shared, &mut report).await;
        take(finish(reading, done).await?, &LOAD_NAMES, &mut report);

        for (room, number) in numbers.iter().enumerate() {
            let posted = steps.shared.load.borrow().checker.kept_count(room);
            expected.posted(*number, posted);
        }
        let last = read(plan.walking(), expected).await?;
        take(last, &LOAD_NAMES, &mut report);
    }
    steps.end(target, &mut report).await;
    if options.bars {
        report.hold(&BARS);
    }
    Ok(report)
}

type Outcome = Result<Readings, String>;

/// Starts reading on a thread of its own.
fn start(plan: Plan, expected: Expected) -> (JoinHandle<()>, oneshot::Receiver<Outcome>) {
    let (done, outcome) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        // Nobody waits only where the run ended early.
        drop(done.send(Reader::run(plan, expected)));
    });
    (thread, outcome)
}

async fn finish(thread: JoinHandle<()>, done: oneshot::Receiver<Outcome>) -> Outcome {
    let outcome = done.await;
    // It has sent its outcome, or panicked: then the channel said so.
    drop(thread.join());
    outcome.map_err(|_| "the reader fell".to_owned())?
}

async fn read(plan: Plan, expected: Expected) -> Outcome {
    let (thread, done) = start(plan, expected);
    finish(thread, done).await
}

fn take(readings: Readings, names: &[LatencyNames; 3], report: &mut Report) {
    for (names, latency) in names.iter().zip(readings.latencies) {
        if !latency.is_empty() {
            report.further.push((*names, latency));
        }
    }
    for (violation, what) in readings.found {
        match violation {
            Violation::WrongCount | Violation::WrongList => report.note(violation, what),
            _ => report.note(Violation::Refused, what),
        }
    }
}
