//! The scenario `upload`: files on their way to the server.
//!
//! Owns: its four forms. With `--shape` one file goes over a socket on a slow link, beside a chat
//! on the same socket (`link`, `socket`); without it one goes over tus as fast as it can; with
//! `--beside` the same goes to another server in turn; with `--uploads` many go at once, and the
//! server's memory is watched (`tus`).
//! Invariant: a form measures one thing, on a server of its own unless one is named.
//!
//! Never: sends more than the server granted.

mod link;
mod socket;
mod tus;

use crate::options::UploadOptions;
use crate::report::Report;
use crate::server::Launch;
use crate::steady::{Target, run_steps};

/// Room for a minute on the fastest link, bytes.
const FILE_BYTES_MAX: &str = "8589934592";

/// What chat may lose and an upload must reach on a link: Mbit/s, milliseconds of the 99th
/// percentile more than alone, Mbit/s of the file.
const BARS: [(u32, f64, f64); 3] = [(2, 400.0, 1.0), (10, 150.0, 7.5), (100, 200.0, 70.0)];
/// Memory that many uploads may take beside what is set for them, bytes.
const MORE_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// How often as fast as another server a server must be, by its durability: one that syncs does
/// what others leave out.
const BESIDE_BUFFERED: f64 = 2.0;
const BESIDE_FSYNC: f64 = 1.0;
/// The server's own setting for them, unless it is told otherwise, bytes.
const BUDGET_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// The server of a run, with room for its files.
pub fn prepare(launch: &Launch) -> Launch {
    let mut launch = launch.clone();
    let settings = [
        ("FRONTDESK_LIMITS__FILE_BYTES_MAX", FILE_BYTES_MAX),
        ("FRONTDESK_LIMITS__UPLOADS_PER_MINUTE", "0"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    launch.settings.extend(settings);
    launch
}

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &UploadOptions, target: &Target) -> Result<Report, String> {
    options.check()?;
    let mut report = Report::default();
    match (options.shape, options.uploads) {
        (Some(megabits), _) => {
            let address = link::start(target.address, megabits)?;
            run_steps(1, socket::run(options, target, address, &mut report))?;
            if options.bars {
                hold(&mut report, megabits)?;
            }
        }
        (None, Some(count)) => {
            run_steps(count, tus::many(options, target, count, &mut report))?;
            if options.bars {
                report.hold(&[("rss_more_bytes", MORE_BYTES + BUDGET_BYTES)]);
            }
        }
        (None, None) => match &options.beside {
            None => run_steps(1, tus::one(options, target, &mut report))?,
            Some(other) => {
                run_steps(1, tus::beside(options, target, other, &mut report))?;
                if options.bars {
                    let is_buffered = options.server.durability.as_deref() == Some("buffered");
                    let bar = if is_buffered {
                        BESIDE_BUFFERED
                    } else {
                        BESIDE_FSYNC
                    };
                    report.hold_least(&[("beside_ratio", bar)]);
                }
            }
        },
    }
    Ok(report)
}

fn hold(report: &mut Report, megabits: u32) -> Result<(), String> {
    let bar = BARS.iter().find(|(of, ..)| *of == megabits);
    let (_, more_ms, least) = bar.ok_or("--bars are known for --shape 2, 10 and 100")?;
    report.hold(&[("chat_more_p99_ms", *more_ms)]);
    report.hold_least(&[("upload_mbit_per_second", *least)]);
    Ok(())
}

/// Bytes of a file: lines of text, so that nothing about it is refused.
fn text(length: usize) -> Vec<u8> {
    let line = b"a line of a long and rather dull report of nothing in particular\n";
    line.iter().copied().cycle().take(length).collect()
}
