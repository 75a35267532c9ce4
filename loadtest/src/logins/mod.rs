//! The scenario `logins`: far more logins than one thread can hash, beside a steady chat.
//!
//! Owns: the order of steps: accounts on a first server; a second one over the same store, which
//! has hashed nothing yet; chat alone; chat beside the storm of logins.
//! Invariants:
//! 1. The server's throttles of logins are off: what refuses is the queue for hashing.
//! 2. Logins have a thread of their own: the chat does not wait for the generator's own work.
//!
//! Never: counts a login that was answered after the storm's end as served in it.

mod accounts;
mod storm;

use std::rc::Rc;

use hdrhistogram::Histogram;
use tokio::sync::oneshot;

use self::accounts::Name;
use self::storm::{Plan, Storm};
use crate::check::Violation;
use crate::connection::Shared;
use crate::load::latency_histogram;
use crate::options::LoginsOptions;
use crate::report::{LatencyNames, Report, latency_names};
use crate::server::{Folder, Launch, Server};
use crate::steady::{Steps, Target, bearers, flow, opening, run_steps};

/// Chat before anything is measured: the first messages fill caches, seconds.
const WARM_UP_SECS: f64 = 1.0;
/// A megabyte, as the bar of memory counts it.
const MB: f64 = 1e6;

const IDLE_NAMES: LatencyNames = latency_names!("idle_chat");
const STORM_NAMES: LatencyNames = latency_names!("storm_chat");
const LATENESS_NAMES: LatencyNames = latency_names!("chat_send_lateness");
const SERVED_NAMES: LatencyNames = latency_names!("served");
const REFUSED_NAMES: LatencyNames = latency_names!("refused");

/// What must not be exceeded.
const BARS: [(&str, f64); 3] = [
    ("refused_p99_us", 100_000.0),
    ("chat_p99_by_idle_ratio", 2.0),
    ("rss_grown_bytes", 40.0 * MB),
];
/// What must be reached.
const BARS_LEAST: [(&str, f64); 1] = [("served_per_second", 20.0)];

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &LoginsOptions, launch: &Launch) -> Result<Report, String> {
    options.check()?;
    let folder = Folder::make()?;
    let mut launch = launch.over(folder.path()).with_root();
    launch.settings.extend([
        ("FRONTDESK_AUTH__PASSWORD_THREADS", "1".to_owned()),
        ("FRONTDESK_LIMITS__LOGINS_PER_MINUTE_NAME", "0".to_owned()),
        (
            "FRONTDESK_LIMITS__LOGINS_PER_MINUTE_ADDRESS",
            "0".to_owned(),
        ),
    ]);
    let server = Server::start(&launch)?;
    let making = accounts::make(server.target.address, options.names);
    let names = run_steps(1, making)?;
    drop(server);

    let server = Server::start(&launch)?;
    let connection_count = options.chatting(0.0).connection_count();
    let steps = steps(options, &server.target, names);
    run_steps(connection_count + storm::CONNECTION_COUNT_MAX, steps)
}

async fn steps(
    options: &LoginsOptions,
    target: &Target,
    names: Vec<Name>,
) -> Result<Report, String> {
    let mut report = Report::default();
    report.rss_start_bytes = target.rss_bytes();
    let chatting = options.chatting(options.secs);
    let bearers = bearers(target, chatting.connection_count())?;
    let rooms = opening::rooms_of(&bearers, chatting.members, false);
    let targets = opening::open_rooms(target.address, rooms).await?;
    report.rss_rooms_bytes = target.rss_bytes();
    let steps = Steps::connect(&chatting, target, bearers, targets, &mut report).await;
    if report.joined == report.connections {
        let shared = &steps.shared;
        let warming = options.chatting(WARM_UP_SECS);
        flow::messages(&warming, target, shared, &mut report).await;
        drop(take_latency(shared));
        flow::messages(&chatting, target, shared, &mut report).await;
        let idle = take_latency(shared);

        let idle_bytes = target.rss_bytes();
        let storm = start(Plan::new(options, target, names));
        flow::messages(&chatting, target, shared, &mut report).await;
        if report.server_cpu_us > 0.0 {
            let percent = report.server_cpu_us / 1e4 / (report.flow_ns as f64 / 1e9);
            report.add("storm_server_cpu_percent", percent);
        }
        let storm = storm.await.map_err(|_| "the storm fell".to_owned())??;
        let beside = take_latency(shared);
        note(&mut report, storm, idle_bytes);
        compare(&mut report, idle, beside);
    }
    steps.end(target, &mut report).await;
    // Of three times of chat, which are told apart; figures over all of them would mean nothing.
    let posted = std::mem::take(&mut report.posted);
    report.add("chat_posts_count", posted as f64);
    let lateness = std::mem::replace(&mut report.lateness, latency_histogram());
    report.further.push((LATENESS_NAMES, lateness));
    if options.bars {
        report.hold(&BARS);
        report.hold_least(&BARS_LEAST);
    }
    Ok(report)
}

/// Starts the storm on a thread of its own.
fn start(plan: Plan) -> oneshot::Receiver<Result<Storm, String>> {
    let (done, outcome) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody waits only where the run ended early.
        drop(done.send(storm::run(plan)));
    });
    outcome
}

fn take_latency(shared: &Rc<Shared>) -> Histogram<u64> {
    let mut load = shared.load.borrow_mut();
    std::mem::replace(&mut load.latency, latency_histogram())
}

/// Takes over what the storm counted.
fn note(report: &mut Report, storm: Storm, idle_bytes: u64) {
    report.add("attempts_per_second", storm.attempts_per_second());
    report.add("served_per_second", storm.served_per_second());
    report.add("logged_in_count", storm.logged_in as f64);
    report.add("wrong_count", storm.wrong as f64);
    report.add("refused_count", storm.refused as f64);
    report.add("rss_idle_bytes", idle_bytes as f64);
    report.add("rss_peak_bytes", storm.rss_peak_bytes as f64);
    let grown = storm.rss_peak_bytes.saturating_sub(idle_bytes);
    report.add("rss_grown_bytes", grown as f64);
    for what in storm.unexpected {
        report.note(Violation::Refused, what);
    }
    report.further.push((SERVED_NAMES, storm.served_latency));
    report.further.push((REFUSED_NAMES, storm.refused_latency));
}

/// Takes over the chat's latencies, and how they differ.
fn compare(report: &mut Report, idle: Histogram<u64>, beside: Histogram<u64>) {
    let p99 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99) as f64;
    if p99(&idle) > 0.0 {
        report.add("chat_p99_by_idle_ratio", p99(&beside) / p99(&idle));
    }
    report.further.push((IDLE_NAMES, idle));
    report.further.push((STORM_NAMES, beside));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_beside_logins_is_compared_with_chat_alone() {
        let mut report = Report::default();
        let of = |us: u64| {
            let mut histogram = latency_histogram();
            histogram.saturating_record(us * 1_000);
            histogram
        };
        compare(&mut report, of(100), of(250));
        let ratio = report.figure("chat_p99_by_idle_ratio").expect("a ratio");
        assert!((ratio - 2.5).abs() < 0.01, "{ratio}");
        report.hold(&BARS);
        assert_eq!(report.findings().found().count(), 1);
        let mut nothing = Report::default();
        compare(&mut nothing, latency_histogram(), of(1));
        assert_eq!(nothing.figure("chat_p99_by_idle_ratio"), None);
    }
}
