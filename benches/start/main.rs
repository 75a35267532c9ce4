//! The bars of start and wake: how long a node takes until it listens, with few rooms and with
//! many, and how long a room that sleeps takes to answer its first command.
//!
//! Not a bench of many rounds: whatever was read once is in memory afterwards. So every figure is
//! from a process of its own (this program again, see [`steps`]) over a store on disk that another
//! process built.

mod steps;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use frontdesk_loadtest::clock::Clock;
use frontdesk_storage::EngineKind;
use rustix::fs::{Advice, fadvise};

use steps::Step;

/// What start may take with many rooms, microseconds.
const START_BAR_US: u64 = 1_000_000;
/// What our part of it may take more than with few rooms, microseconds.
const OURS_BAR_US: u64 = 20_000;
/// What waking a room may take, the median, microseconds.
const WAKE_BAR_US: u64 = 5_000;

/// Rooms that are woken differ by up to this many messages, the records between two snapshots: how
/// much a room reads again after a kill depends on how far its last snapshot lies back.
const SPREAD_EVENT_COUNT: &str = "256";

/// What is measured.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Rooms of the large store.
    #[arg(long, default_value_t = 100_000)]
    rooms: u64,
    /// Messages in each room of the small and the large store.
    #[arg(long, default_value_t = 10)]
    events: u64,
    /// Rooms of the small store, and rooms that are woken.
    #[arg(long, default_value_t = 100)]
    few_rooms: u64,
    /// Messages in each room that is woken.
    #[arg(long, default_value_t = 10_000)]
    wake_events: u64,
    /// Starts of each store.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// `fjall` or `sled`.
    #[arg(long, default_value = "fjall", value_parser = engine)]
    engine: EngineKind,
    /// Drop the stores' files from the system's page cache before each step.
    #[arg(long)]
    evict: bool,
    /// A small run that shows that everything works; its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// What a child of the bench does.
    #[arg(long, value_enum, hide = true)]
    step: Option<Step>,
    /// The store of a child.
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
    /// Posts of one room under way while a child builds.
    #[arg(long, hide = true, default_value_t = 1)]
    window: u64,
    /// The last room gets this many messages more than the first, the others in between.
    #[arg(long, hide = true, default_value_t = 0)]
    spread: u64,
    /// A child ends as if it were killed.
    #[arg(long, hide = true)]
    killed: bool,
}

fn engine(name: &str) -> Result<EngineKind, String> {
    let found = EngineKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name);
    found.ok_or_else(|| "fjall or sled".to_owned())
}

/// What a child said: figures by name, all of a name in the order in which they came.
struct Said {
    figures: BTreeMap<String, Vec<u64>>,
    /// From its start to its first word, which it says when it is ready to serve, microseconds.
    ready_us: u64,
}

impl Said {
    fn one(&self, name: &str) -> u64 {
        self.figures[name][0]
    }
}

impl Options {
    /// One step over a store, in a process of its own.
    fn child(&self, step: &str, store: &Path, more: &[&str]) -> Said {
        if self.evict {
            evict(store);
        }
        let program = std::env::current_exe().expect("this program has a path");
        let clock = Clock::start();
        let mut child = Command::new(program)
            .args(["--step", step, "--engine", self.engine.as_str()])
            .arg("--store")
            .arg(store)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut ready_us = 0;
        let mut figures = BTreeMap::<String, Vec<u64>>::new();
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        for line in lines {
            let line = line.expect("a line of text");
            if ready_us == 0 {
                ready_us = clock.now_ns() / 1_000;
            }
            if let Some((name, value)) = line.split_once(' ') {
                let value = value.parse().expect("a number");
                figures.entry(name.to_owned()).or_default().push(value);
            }
        }
        let status = child.wait().expect("it was started");
        assert!(status.success(), "step {step} failed: {status}");
        Said { figures, ready_us }
    }

    fn build(&self, store: &Path, rooms: u64, events: u64, more: &[&str]) {
        let (rooms, events) = (rooms.to_string(), events.to_string());
        let sizes = ["--rooms", &rooms, "--events", &events];
        let said = self.child("build", store, &[&sizes, more].concat());
        println!(
            "built {rooms} rooms of {events} messages in {:.1} s: {} MiB on disk",
            said.one("built_us") as f64 / 1e6,
            said.one("disk_bytes") / (1024 * 1024),
        );
    }

    fn start(&self, folder: &Path) {
        let stores = [folder.join("few"), folder.join("many")];
        let room_counts = [self.few_rooms, self.rooms];
        for (store, rooms) in stores.iter().zip(room_counts) {
            self.build(store, rooms, self.events, &["--killed"]);
            let said = self.child("start", store, &[]);
            println!(
                "first start, after the kill: store opens {} ms, our part {} ms, in all {} ms",
                ms(said.one("open_us")),
                ms(said.one("ours_us")),
                ms(said.ready_us)
            );
        }
        let mut said: [Vec<Said>; 2] = Default::default();
        for _ in 0..self.runs {
            for (store, said) in stores.iter().zip(&mut said) {
                said.push(self.child("start", store, &[]));
            }
        }
        println!("start, median of {} alternating runs:", self.runs);
        println!(
            "rooms | store opens ms | our part ms | process to listening ms | \
             from there to a list ms | RSS MiB"
        );
        let mut rows = Vec::new();
        for (rooms, said) in room_counts.into_iter().zip(&said) {
            let median_of = |name: &str| median(said.iter().map(|said| said.one(name)).collect());
            let total_us = median(said.iter().map(|said| said.ready_us).collect());
            let (open_us, ours_us) = (median_of("open_us"), median_of("ours_us"));
            println!(
                "{rooms} | {} | {} | {} | {} | {}",
                ms(open_us),
                ms(ours_us),
                ms(total_us),
                ms(median_of("list_us")),
                median_of("rss_bytes") / (1024 * 1024),
            );
            rows.push((open_us, ours_us, total_us));
        }
        let ((few_open_us, few_ours_us, _), (open_us, ours_us, total_us)) = (rows[0], rows[1]);
        println!(
            "opening the store: {} ms more, {:.2} times",
            ms(open_us.saturating_sub(few_open_us)),
            open_us as f64 / few_open_us as f64
        );
        bar("process to listening", total_us, START_BAR_US, self.quick);
        let more_us = ours_us.saturating_sub(few_ours_us);
        bar(
            "our part, more than with few rooms",
            more_us,
            OURS_BAR_US,
            self.quick,
        );
    }

    fn wake(&self, folder: &Path) {
        // Closed in order each room has a snapshot at its end; killed it has what came after its
        // last one to read again. Many posts under way make few records of many events.
        let cases: [(&str, &str, &[&str]); 3] = [
            ("closed in order, an event a record", "closed", &[]),
            ("killed, an event a record", "killed", &["--killed"]),
            (
                "killed, full batches",
                "batches",
                &["--killed", "--window", "64"],
            ),
        ];
        for (title, name, more) in cases {
            println!("{title}:");
            let store = folder.join(name);
            let spread = ["--spread", SPREAD_EVENT_COUNT];
            self.build(
                &store,
                self.few_rooms,
                self.wake_events,
                &[&spread, more].concat(),
            );
            let rooms = self.few_rooms.to_string();
            // A child that leaves things as they were ends as if killed, like the one that built.
            for (what, step) in [
                ("join", "join"),
                ("page of 50", "page"),
                ("first post", "wake"),
            ] {
                let said = self.child(step, &store, &["--rooms", &rooms, "--killed"]);
                let mut us = said.figures[&format!("{step}_us")].clone();
                us.sort_unstable();
                let (p50_us, p99_us) = (percentile(&us, 50), percentile(&us, 99));
                let worst_us = us[us.len() - 1];
                println!(
                    "{what}: p50 {} ms, p99 {} ms, worst {} ms",
                    ms(p50_us),
                    ms(p99_us),
                    ms(worst_us)
                );
                if step == "wake" {
                    bar("waking, p50", p50_us, WAKE_BAR_US, self.quick);
                }
            }
        }
    }
}

fn bar(what: &str, measured_us: u64, bar_us: u64, quick: bool) {
    let verdict = match measured_us <= bar_us {
        _ if quick => "not judged",
        true => "kept",
        false => "MISSED",
    };
    println!(
        "{what}: {} ms, bar {} ms: {verdict}",
        ms(measured_us),
        ms(bar_us)
    );
}

fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1_000.0)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    percentile(&values, 50)
}

/// The smallest value that so many of a hundred do not exceed.
fn percentile(sorted: &[u64], of_hundred: usize) -> u64 {
    sorted[(sorted.len() * of_hundred).div_ceil(100).max(1) - 1]
}

/// Has the system forget what it keeps of a folder's files.
fn evict(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return; // a store that is built next has no folder
    };
    for entry in entries {
        let path = entry.expect("a folder's entry").path();
        if path.is_dir() {
            evict(&path);
        } else {
            let file = std::fs::File::open(&path).expect("a store's file");
            // Pages that are not on disk yet stay.
            file.sync_data().expect("synced");
            fadvise(&file, 0, None, Advice::DontNeed).expect("forgotten");
        }
    }
}

fn main() {
    let mut options = Options::parse();
    if let Some(step) = options.step {
        return steps::run(step, &options);
    }
    if options.quick {
        options.rooms = options.rooms.min(1_000);
        options.few_rooms = options.few_rooms.min(10);
        options.wake_events = options.wake_events.min(500);
        options.runs = 1;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let caches = match options.evict {
        true => "page cache emptied before each step",
        false => "page cache as the last step left it",
    };
    println!("{}, buffered, {caches}", options.engine.as_str());
    options.start(folder.path());
    options.wake(folder.path());
}
