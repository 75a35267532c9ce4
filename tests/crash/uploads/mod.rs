//! Uploads through crashes: people send files over tus in every way there is, the server is killed
//! at random moments, and each goes on where the server says that it stands.
//!
//! - `plans`: what is sent and how.
//! - `entry`: one upload and its next request.
//! - `sender`: a person with several of them.
//! - `checks`: what must be there afterwards, and what must not.
//! - `leftovers`: what a dead server can leave behind, made by hand.
//! - `traces`: what is left of uploads that are over, and for how long.
//! - `full_disk`: a disk that has no space for a while.

mod checks;
mod entry;
mod full_disk;
mod leftovers;
mod plans;
mod sender;
mod traces;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::checks::{Kept, Shown, check_bytes, check_files, check_room, names_in};
use self::sender::{Sender, Way};
use crate::loss::{Mode, PowerLoss};
use crate::support::http::{Asker, token};
use crate::support::server::{COMPANY, Server, Settings};
use crate::support::{mixed, pause, setting, wait_for};

/// Kills on one folder in a normal run.
const ROUNDS: u64 = 6;
/// Losses of power on one folder in a normal run: the library makes each write slow.
const LOSSES: u64 = 3;
/// Answers between two kills, at most.
const ANSWERS_MAX: u64 = 300;
const ANSWERS_UNDER_LOSS_MAX: u64 = 80;
/// Longest time from the last of them to the kill, microseconds.
const MOMENT_US_MAX: u64 = 20_000;
/// One round in so many is killed while it starts.
const STARTING_SHARE: u64 = 4;
/// Longest time such a server gets.
const STARTING_MS_MAX: u64 = 400;
/// Longest time for a round, or for everything to come to rest.
const LOAD_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait for what a server does by itself when it starts.
const START_LOOK_LIMIT: Duration = Duration::from_secs(20);
/// People who send.
const PERSON_COUNT: u64 = 6;

/// Whether files are packed is switched from round to round.
const COMPRESS: &str = "FRONTDESK_FILES__COMPRESS";

/// How long what was dropped is kept for a message on its way.
const TRACE: &str = "FRONTDESK_LIMITS__UPLOAD_TRACE_MS";

/// What rounds came to.
#[derive(Debug, Default)]
struct Figures {
    answers: u64,
    files: u64,
    cancelled: u64,
    /// Files whose beginning was not answered, and which their sender sent again.
    lost_and_kept: u64,
    /// Files that stand packed.
    packed: u64,
    bytes: u64,
    messages: usize,
}

/// One folder, one server after another on it, people who send files.
struct Trial {
    settings: Settings,
    runtime: Runtime,
    room: String,
    senders: Vec<Sender>,
    under_way: Vec<JoinHandle<(Sender, Result<(), String>)>>,
    answers: Arc<AtomicU64>,
    /// Files of each sender whose bytes were compared.
    compared: Vec<usize>,
    loss: Option<PowerLoss>,
    _folder: TempDir,
}

fn person(index: u64) -> String {
    format!("sender-{index}")
}

impl Trial {
    fn new(engine: &'static str, durability: &'static str) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut settings = Settings::new(&folder.path().join("store"), engine, durability);
        for limit in [
            "REQUESTS_PER_SECOND_PERSON",
            "REQUESTS_PER_SECOND_ADDRESS",
            "UPLOADS_PER_MINUTE",
            "UPLOADS_OPEN_PERSON",
        ] {
            settings = settings.with(&format!("FRONTDESK_LIMITS__{limit}"), "0");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let first = setting("CRASH_SEED", 1) * 1_000_000;
        let senders = (0..PERSON_COUNT)
            .map(|index| Sender::new(person(index), first + index, PERSON_COUNT))
            .collect();
        Self {
            settings,
            runtime,
            room: String::new(),
            senders,
            under_way: Vec::new(),
            answers: Arc::default(),
            compared: vec![0; usize::try_from(PERSON_COUNT).unwrap()],
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

    fn folder(&self, name: &str) -> PathBuf {
        self.settings.data.join(name).join(COMPANY)
    }

    fn start(&mut self) -> Result<Server, String> {
        let server = self.settings.start()?;
        if self.room.is_empty() {
            let people: Vec<String> = (0..PERSON_COUNT).map(person).collect();
            let asker = Asker::new(token(&person(0)));
            let opened = asker.open_room(server.address(), &people);
            self.room = self.runtime.block_on(opened)?.0;
        }
        Ok(server)
    }

    fn rounds(&mut self, rounds: u64, answers_max: u64) -> Result<Figures, String> {
        let first = setting("CRASH_SEED", 1);
        for seed in first..first + rounds {
            let round = self.round(seed, answers_max);
            round.map_err(|fault| format!("seed {seed}: {fault}"))?;
        }
        self.finish()
    }

    fn round(&mut self, seed: u64, answers_max: u64) -> Result<(), String> {
        self.settings.env.retain(|(name, _)| name != COMPRESS);
        let packs = (!seed.is_multiple_of(2)).to_string();
        self.settings.env.push((COMPRESS.to_owned(), packs));
        if seed.is_multiple_of(STARTING_SHARE) {
            let starting = self.settings.spawn();
            pause(Duration::from_millis(mixed(seed) % STARTING_MS_MAX));
            self.kill(starting, seed);
        }
        let server = self.start()?;
        self.check(server.address())?;
        self.send(server.address(), true);
        let wanted = self.answers.load(Ordering::Relaxed) + 1 + mixed(seed) % answers_max;
        let answered = wait_for("answers", LOAD_LIMIT, || {
            let is_ended = self.under_way.iter().any(JoinHandle::is_finished);
            (is_ended || self.answers.load(Ordering::Relaxed) >= wanted).then_some(())
        });
        pause(Duration::from_micros(mixed(!seed) % MOMENT_US_MAX));
        self.kill(server, seed);
        self.join()?;
        answered
    }

    fn kill(&self, mut server: Server, seed: u64) {
        server.kill();
        self.lose(seed);
    }

    /// In order; what it did not sync even so is lost as well.
    fn stop(&self, server: Server) -> Result<(), String> {
        let said = server.stop()?;
        self.lose(0);
        match said.is_empty() || self.loss.is_some() {
            // One engine warns of a lost file that it can do without; that is no fault.
            true => Ok(()),
            false => Err(format!("it complained: {said}")),
        }
    }

    fn lose(&self, seed: u64) {
        // It may have been killed before it wrote anything.
        let has_written = self.settings.data.with_extension("undo").join("log");
        if let (Some(loss), true) = (&self.loss, has_written.exists()) {
            loss.lose(Mode::Whole, seed);
        }
    }

    fn ways(&self, server: SocketAddr) -> Vec<Way> {
        let people = self.senders.iter().map(|sender| &sender.person);
        people
            .map(|person| Way::new(person, server, &self.room, &self.answers))
            .collect()
    }

    fn send(&mut self, server: SocketAddr, begins: bool) {
        let ways = self.ways(server);
        for (sender, way) in self.senders.drain(..).zip(ways) {
            self.under_way
                .push(self.runtime.spawn(sender.run(way, begins)));
        }
    }

    fn join(&mut self) -> Result<(), String> {
        let mut faults = Vec::new();
        for sender in self.under_way.drain(..) {
            let (sender, result) = self.runtime.block_on(sender).map_err(|_| "a sender fell")?;
            self.senders.push(sender);
            faults.extend(result.err());
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(faults.join("; ")),
        }
    }

    /// What was said to be done before the kill must be there at once.
    fn check(&mut self, server: SocketAddr) -> Result<usize, String> {
        let shown = self.shown(server)?;
        check_room(&shown, &self.senders)?;
        let files = self.folder("files");
        for (sender, compared) in self.senders.iter().zip(&mut self.compared) {
            for entry in &sender.over[*compared..] {
                if entry.made.is_some() {
                    self.runtime.block_on(check_bytes(&files, entry))?;
                }
            }
            *compared = sender.over.len();
        }
        Ok(shown.len())
    }

    fn shown(&self, server: SocketAddr) -> Result<Vec<Shown>, String> {
        let asker = Asker::new(token(&person(0)));
        let (_, events) = self.runtime.block_on(asker.events(server, &self.room))?;
        Ok(events.iter().filter_map(Shown::read).collect())
    }

    /// Everything is sent to its end; what is left over goes; a last server looks at what is there.
    fn finish(&mut self) -> Result<Figures, String> {
        let server = self.start()?;
        self.check(server.address())?;
        self.send(server.address(), false);
        self.wait_for_rest()?;
        self.join()?;
        self.give_up_the_rest(server.address())?;
        self.stop(server)?;
        self.settings = self.settings.clone().with(TRACE, "1");
        let server = self.start()?;
        let spool = self.folder("spool");
        wait_for("an empty spool", LOAD_LIMIT, || {
            names_in(&spool).is_empty().then_some(())
        })
        .map_err(|error| format!("{error}: {:?}", names_in(&spool)))?;
        let messages = self.check(server.address())?;
        let ways = self.ways(server.address());
        let files = self.folder("files");
        let check = || {
            let checked = check_files(&files, &self.senders, &ways);
            self.runtime.block_on(checked)
        };
        // What was dropped goes with the first look; a fault stays.
        let kept = wait_for("no file of nobody", START_LOOK_LIMIT, || check().ok());
        let kept = kept.or_else(|_| check())?;
        self.stop(server)?;
        self.check_bytes_of_company(&kept)?;
        let over = || self.senders.iter().flat_map(|sender| &sender.over);
        Ok(Figures {
            answers: self.answers.load(Ordering::Relaxed),
            files: kept.file_count,
            cancelled: over().filter(|entry| entry.is_cancelled).count() as u64,
            lost_and_kept: kept.lost_and_kept_count,
            packed: kept.packed_count,
            bytes: kept.bytes,
            messages,
        })
    }

    fn wait_for_rest(&self) -> Result<(), String> {
        wait_for("rest", LOAD_LIMIT, || {
            let mut under_way = self.under_way.iter();
            under_way.all(JoinHandle::is_finished).then_some(())
        })
    }

    /// What was begun without an answer is nobody's to go on with. What its sender knows is over,
    /// but its bytes may stand for a moment: they have to go by themselves, and who cancels a file
    /// takes it away.
    fn give_up_the_rest(&self, server: SocketAddr) -> Result<(), String> {
        let over = || self.senders.iter().flat_map(|sender| &sender.over);
        let known: BTreeSet<&str> = over()
            .filter_map(|entry| entry.whole.id.as_deref())
            .collect();
        let ids = names_in(&self.folder("spool"));
        let ids = ids.iter().filter_map(|name| name.strip_suffix(".bytes"));
        let ids = ids.filter(|id| !known.contains(id));
        for (id, way) in ids.flat_map(|id| self.ways(server).into_iter().map(move |way| (id, way)))
        {
            let asked = way.ask(Method::DELETE, id, &[], Vec::new());
            let answer = self.runtime.block_on(asked);
            let answer = answer.map_err(|stop| format!("{stop:?}"))?;
            let is_expected = matches!(
                answer.status,
                StatusCode::NO_CONTENT
                    | StatusCode::NOT_FOUND
                    | StatusCode::GONE
                    | StatusCode::CONFLICT
            );
            if !is_expected {
                return Err(format!("{id}: {answer:?}"));
            }
        }
        Ok(())
    }

    /// The company's space is used up by exactly the files that stand.
    fn check_bytes_of_company(&mut self, kept: &Kept) -> Result<(), String> {
        const LEFT: u64 = 1_000;
        let limit = (kept.bytes + LEFT).to_string();
        let before = self.settings.clone();
        self.settings = before
            .clone()
            .with("FRONTDESK_LIMITS__COMPANY_FILE_BYTES", &limit);
        let server = self.start()?;
        let way = self.ways(server.address()).swap_remove(0);
        let begin = |bytes: u64| {
            let (way, bytes) = (way.clone(), bytes.to_string());
            let headers = [("Upload-Length", bytes.as_str())];
            let asked = way.ask(Method::POST, "", &headers, Vec::new());
            self.runtime
                .block_on(asked)
                .map_err(|stop| format!("{stop:?}"))
        };
        let (over, exact) = (begin(LEFT + 1)?, begin(LEFT)?);
        self.settings = before;
        self.stop(server)?;
        match (over.status, exact.status) {
            (StatusCode::INSUFFICIENT_STORAGE, StatusCode::CREATED) => Ok(()),
            _ => Err(format!("with {kept:?}: {over:?}, {exact:?}")),
        }
    }
}

fn survives(engine: &'static str, durability: &'static str) {
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let mut trial = Trial::new(engine, durability);
    let figures = trial.rounds(rounds, ANSWERS_MAX).unwrap();
    println!("{engine} {durability}: {rounds} rounds, {figures:?}");
    let was_at_stake = figures.answers > 10 * rounds && figures.bytes > 0;
    assert!(was_at_stake && figures.files > rounds, "{figures:?}");
    assert!(figures.messages > 0 && figures.cancelled > 0, "{figures:?}");
    let packs_some = (1..figures.files).contains(&figures.packed);
    assert!(packs_some, "{figures:?}");
    assert!(figures.files >= figures.lost_and_kept, "{figures:?}");
}

#[test]
fn uploads_over_sled_synced_survive_kills() {
    survives("sled", "fsync");
}

#[test]
fn uploads_over_fjall_buffered_survive_kills() {
    survives("fjall", "buffered");
}

#[test]
fn uploads_survive_the_loss_of_power() {
    let rounds = setting("CRASH_ROUNDS", LOSSES);
    let mut trial = Trial::new("fjall", "fsync").losing();
    let figures = trial.rounds(rounds, ANSWERS_UNDER_LOSS_MAX).unwrap();
    println!("fjall, losses of power: {rounds} rounds, {figures:?}");
    assert!(figures.files > 0, "{figures:?}");
}
