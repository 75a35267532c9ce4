//! Lists and unread counts after a crash: people post, read, take back and open conversations over
//! HTTP and sockets, the server is killed at random moments, and whatever it then says of lists
//! must be what a recount of the rooms says.
//!
//! - `people`: those who do something, with a number that chooses what.
//! - `accounts`: what they were told is done.
//! - `recount`: what the rooms hold.
//! - `listed`: what the lists say, and the comparison.

mod accounts;
mod listed;
mod people;
mod recount;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::accounts::{Accounts, Figures};
use self::people::{PERSON_COUNT, Place, person};
use crate::loss::{Mode, PowerLoss};
use crate::support::http::{Asker, token};
use crate::support::server::{Server, Settings};
use crate::support::{mixed, pause, setting, wait_for};

/// Kills on one folder in a normal run.
const ROUNDS: u64 = 3;
/// Things done between two kills, at most.
const DONE_MAX: u64 = 250;
/// The same where each write is slow.
const DONE_UNDER_LOSS_MAX: u64 = 60;
/// One round in so many is killed while it starts.
const STARTING_SHARE: u64 = 4;
/// Longest time such a server gets.
const STARTING_MS_MAX: u64 = 400;
/// Longest time for things to be done, and for bots to have answered.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// One folder, one server after another on it, people who do something.
struct Trial {
    settings: Settings,
    accounts: Arc<Accounts>,
    runtime: Runtime,
    people: Vec<JoinHandle<()>>,
    loss: Option<PowerLoss>,
    _folder: TempDir,
}

impl Trial {
    fn new(engine: &'static str, durability: &'static str) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let settings = Settings::new(&folder.path().join("store"), engine, durability)
            .with("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_PERSON", "0")
            .with("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_ADDRESS", "0");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            settings,
            accounts: Arc::default(),
            runtime,
            people: Vec::new(),
            loss: None,
            _folder: folder,
        }
    }

    /// Whatever no sync covered is lost with each kill.
    fn losing(mut self) -> Self {
        let loss = PowerLoss::new(&self.settings.data);
        self.settings.env.extend(loss.env());
        self.loss = Some(loss);
        self
    }

    fn rounds(&mut self, rounds: u64, done_max: u64) -> Result<Figures, String> {
        let first = setting("CRASH_SEED", 1);
        for seed in first..first + rounds {
            let round = self.round(seed, done_max);
            round.map_err(|fault| format!("seed {seed}: {fault}"))?;
        }
        let server = self.settings.start()?;
        self.check(server.address())?;
        match (server.stop()?.as_str(), &self.loss) {
            // One engine warns of a lost file that it can do without; that is no fault.
            ("", _) | (_, Some(_)) => Ok(self.accounts.figures()),
            (said, None) => Err(format!("it complained: {said}")),
        }
    }

    fn round(&mut self, seed: u64, done_max: u64) -> Result<(), String> {
        if seed.is_multiple_of(STARTING_SHARE) {
            let starting = self.settings.spawn();
            pause(Duration::from_millis(mixed(seed) % STARTING_MS_MAX));
            self.kill(starting, seed);
        }
        let server = self.settings.start()?;
        self.check(server.address())?;
        self.act(server.address(), seed);
        let acted = self.wait(1 + mixed(seed) % done_max);
        self.kill(server, seed);
        for person in self.people.drain(..) {
            self.runtime.block_on(person).map_err(|_| "a person fell")?;
        }
        acted
    }

    fn kill(&self, mut server: Server, seed: u64) {
        server.kill();
        // It may have been killed before it wrote anything.
        let has_written = self.settings.data.with_extension("undo").join("log");
        if let (Some(loss), true) = (&self.loss, has_written.exists()) {
            loss.lose(Mode::Whole, seed);
        }
    }

    /// Everyone acts at two places at once: over HTTP and on a socket.
    fn act(&mut self, server: SocketAddr, seed: u64) {
        for index in 0..PERSON_COUNT {
            let place = |part: u64| {
                let seed = mixed(seed ^ ((index as u64 * 2 + part) << 32));
                Place::new(index, server, seed, Arc::clone(&self.accounts))
            };
            let (over_http, on_socket) = (place(0), place(1));
            self.people.push(self.runtime.spawn(over_http.ask()));
            self.people.push(self.runtime.spawn(on_socket.talk()));
        }
    }

    fn wait(&self, count: u64) -> Result<(), String> {
        let wanted = self.accounts.figures().all() + count;
        wait_for("things done", LOAD_LIMIT, || {
            let faults = self.accounts.faults().is_err();
            (faults || self.accounts.figures().all() >= wanted).then_some(())
        })?;
        self.accounts.faults()
    }

    /// Compares lists with the rooms. What was done before the kill must be right at once; what was
    /// under way is judged when it came to rest.
    fn check(&self, server: SocketAddr) -> Result<(), String> {
        self.accounts.faults()?;
        let names: Vec<String> = (0..PERSON_COUNT).map(person).collect();
        let askers: Vec<Asker> = names.iter().map(|name| Asker::new(token(name))).collect();
        let lists = || self.runtime.block_on(listed::read(server, &names, &askers));
        let rooms = || self.runtime.block_on(recount::read(server, &names));
        let first = lists()?;
        let mut held = rooms()?;
        self.accounts.check(&held)?;
        let opened = |person: &str| self.accounts.conversations_of(person);
        listed::compare_settled(&first, &held, opened)?;
        let mut look = || {
            let lists = lists()?;
            let again = rooms()?;
            let is_quiet = again == held && held.values().all(recount::Room::is_quiet);
            held = again;
            is_quiet.then(|| listed::compare(&lists, &held)).transpose()
        };
        wait_for("rest", LOAD_LIMIT, || look().transpose())?
    }
}

fn survives(engine: &'static str, durability: &'static str) {
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let mut trial = Trial::new(engine, durability);
    let figures = trial.rounds(rounds, DONE_MAX).unwrap();
    println!("{engine} {durability}: {rounds} rounds, {figures:?}");
    assert!(figures.posted > 0 && figures.marked > 0 && figures.opened > 0);
}

fn survives_loss(engine: &'static str) {
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let mut trial = Trial::new(engine, "fsync").losing();
    let figures = trial.rounds(rounds, DONE_UNDER_LOSS_MAX).unwrap();
    println!("{engine} loss: {rounds} rounds, {figures:?}");
    assert!(figures.posted > 0 && figures.opened > 0);
}

#[test]
fn sled_synced_counts_unread_messages_right_when_killed() {
    survives("sled", "fsync");
}

#[test]
fn sled_buffered_counts_unread_messages_right_when_killed() {
    survives("sled", "buffered");
}

#[test]
fn fjall_synced_counts_unread_messages_right_when_killed() {
    survives("fjall", "fsync");
}

#[test]
fn fjall_buffered_counts_unread_messages_right_when_killed() {
    survives("fjall", "buffered");
}

#[test]
fn sled_counts_unread_messages_right_through_power_loss() {
    survives_loss("sled");
}

#[test]
fn fjall_counts_unread_messages_right_through_power_loss() {
    survives_loss("fjall");
}
