//! The scenario `companies`: an installation of many companies beside an empty one.
//!
//! Owns: the order of steps: a store is seeded, exported and imported; the server starts on it and
//! on an empty store in turn; some companies are active until they sleep again; lists are read.
//! Invariant: a start that is measured finds a store that was started on before, so that neither
//! makes its first accounts in it.
//!
//! Never: loads the server beyond what one client asks.

mod activity;
mod lists;
mod seeding;

use crate::options::CompaniesOptions;
use crate::report::Report;
use crate::server::{Folder, Launch, Server};
use crate::steady::{Target, run_steps};

/// What the server is told beside what all scenarios tell it: entities fall asleep soon, and
/// everyone may log in at once.
const SETTINGS: [(&str, &str); 3] = [
    ("FRONTDESK_LIMITS__ROOM_IDLE_MS", "2000"),
    ("FRONTDESK_LIMITS__LOGINS_PER_MINUTE_NAME", "0"),
    ("FRONTDESK_LIMITS__LOGINS_PER_MINUTE_ADDRESS", "0"),
];
/// Further connections beside the one that asks.
const CONNECTION_COUNT: usize = 1;
const NS_PER_US: f64 = 1e3;

/// What must not be exceeded. A node with nothing to do has nothing awake, whatever its store.
const BARS: [(&str, f64); 5] = [
    ("start_more_us", 50_000.0),
    ("companies_page_p99_us", 10_000.0),
    ("admins_page_p99_us", 10_000.0),
    ("accounts_page_p99_us", 10_000.0),
    ("awake_after_count", 1.0),
];

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &CompaniesOptions, launch: &Launch) -> Result<Report, String> {
    options.check()?;
    let mut report = Report::default();
    let mut launch = launch.clone().with_root();
    let settings = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    launch.settings.extend(settings);
    let folder = Folder::make()?;
    let many = folder.path().join("many");
    seeding::seed(options, &launch, folder.path(), &many, &mut report)?;
    let many = launch.over(&many);
    let empty = launch.over(&folder.path().join("empty"));
    let server = starts(options.starts, &empty, &many, &mut report)?;
    let steps = steps(options, &server.target, &mut report);
    run_steps(CONNECTION_COUNT, steps)?;
    if options.bars {
        report.hold(&BARS);
    }
    Ok(report)
}

async fn steps(
    options: &CompaniesOptions,
    target: &Target,
    report: &mut Report,
) -> Result<(), String> {
    activity::run(options, target, report).await?;
    lists::run(options, target, report).await?;
    report.add("rss_after_lists_bytes", target.rss_bytes() as f64);
    Ok(())
}

/// A server's start.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Start {
    us: f64,
    rss_bytes: f64,
}

impl Start {
    fn of(server: &Server) -> Self {
        Self {
            us: server.start_ns as f64 / NS_PER_US,
            rss_bytes: server.target.rss_bytes() as f64,
        }
    }
}

/// Starts both in turn; the server of the large store's last start goes on.
fn starts(
    count: usize,
    empty: &Launch,
    many: &Launch,
    report: &mut Report,
) -> Result<Server, String> {
    for launch in [empty, many] {
        drop(Server::start(launch)?); // makes the account of who runs the installation
    }
    let mut of_empty = Vec::new();
    let mut of_many = Vec::new();
    let mut last = None;
    for _ in 0..count {
        drop(last.take());
        let server = Server::start(empty)?;
        of_empty.push(Start::of(&server));
        drop(server);
        let server = Server::start(many)?;
        of_many.push(Start::of(&server));
        last = Some(server);
    }
    let time = |start: &Start| start.us;
    let memory = |start: &Start| start.rss_bytes;
    let (empty_us, many_us) = (median(&of_empty, time), median(&of_many, time));
    report.add("start_empty_us", empty_us);
    report.add("start_many_us", many_us);
    report.add("start_more_us", many_us - empty_us);
    report.add("rss_start_empty_bytes", median(&of_empty, memory));
    report.add("rss_start_many_bytes", median(&of_many, memory));
    last.ok_or_else(|| "--starts must be at least 1".to_owned())
}

fn median(starts: &[Start], of: impl Fn(&Start) -> f64) -> f64 {
    let mut values: Vec<f64> = starts.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_start_is_no_median() {
        let start = |us: f64| Start { us, rss_bytes: 1.0 };
        let starts = [start(900.0), start(10.0), start(12.0)];
        assert_eq!(median(&starts, |start| start.us), 12.0);
    }
}
