//! Power loss under the whole server: after each kill everything that no sync covered is taken
//! back, whole or torn, and what was acknowledged or shown is there all the same.
//!
//! Half of the rounds kill the server within a sync, so that a group of appends is certain to be at
//! stake. After a torn loss a store may refuse to open, which is counted; it may never open with
//! less than it acknowledged.

use std::time::Duration;

use crate::loss::{Mode, PowerLoss, Syncs};
use crate::support::server::Server;
use crate::support::trial::Trial;
use crate::support::{mixed, pause, setting};

/// Losses on one folder in a normal run.
const ROUNDS: u64 = 4;
/// Acknowledgements before a loss, at most: the library makes each write slow.
const ACKNOWLEDGED_MAX: u64 = 80;
/// One round in so many also loses its power while the server starts.
const STARTING_SHARE: u64 = 4;
/// Longest time such a server gets.
const STARTING_MS_MAX: u64 = 200;
/// Long enough for the writer to run into a sync that hangs.
const HANGING: Duration = Duration::from_millis(30);

/// What rounds came to.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    acknowledged: u64,
    delivered: u64,
    duplicates: u64,
    undone: usize,
    torn: usize,
    names_undone: usize,
    refused: Vec<String>,
}

/// A trial with its power supply.
struct Powered {
    trial: Trial,
    loss: PowerLoss,
}

impl Powered {
    fn new(engine: &'static str) -> Self {
        let mut trial = Trial::new(engine, "fsync");
        let loss = PowerLoss::new(&trial.settings.data);
        trial.settings.env = loss.env();
        Self { trial, loss }
    }

    /// One life and its end. The error of a server that does not start is told apart.
    fn round(&mut self, mode: Mode, seed: u64, figures: &mut Figures) -> Result<(), Fault> {
        if seed.is_multiple_of(STARTING_SHARE) {
            let mut starting = self.trial.settings.spawn();
            pause(Duration::from_millis(mixed(seed) % STARTING_MS_MAX));
            starting.kill();
            // It may have been killed before it wrote anything.
            if self.trial.beside("store.undo/log").exists() {
                self.loss.lose(mode, seed);
            }
        }
        let mut server = self.trial.start().map_err(Fault::Start)?;
        let lived = self.live(&server, seed);
        self.trial.forget_server();
        server.kill();
        self.loss.set_syncs(Syncs::Work);
        let report = self.loss.lose(mode, seed);
        figures.rounds += 1;
        figures.undone += report.undone;
        figures.torn += report.torn;
        figures.names_undone += report.names_undone;
        lived.map_err(Fault::Promise)
    }

    fn live(&mut self, server: &Server, seed: u64) -> Result<(), String> {
        let kept = self.trial.check(server, false)?;
        if !kept {
            return Err("a log changed its name".to_owned());
        }
        self.trial.talk(server);
        let count = 1 + mixed(seed) % ACKNOWLEDGED_MAX;
        self.trial.wait_for_acknowledgements(count)?;
        if seed.is_multiple_of(2) {
            self.loss.set_syncs(Syncs::Hang);
            pause(HANGING);
        }
        Ok(())
    }

    /// The last server, which is not killed before everything is answered and delivered.
    fn finish(&mut self) -> Result<(), Fault> {
        let server = self.trial.start().map_err(Fault::Start)?;
        self.trial.finish(&server).map_err(Fault::Promise)?;
        // One engine warns of a lost file that it can do without; that is no fault.
        server.stop().map(drop).map_err(Fault::Promise)
    }
}

/// What went wrong.
#[derive(Debug)]
enum Fault {
    /// The server did not start.
    Start(String),
    /// It broke a promise.
    Promise(String),
}

/// Runs all rounds; a folder whose store refuses to open is replaced by a new one.
fn survives(engine: &'static str, mode: Mode) -> Figures {
    let first = setting("CRASH_SEED", 1);
    let mut seeds = first..first + setting("CRASH_ROUNDS", ROUNDS);
    let mut figures = Figures::default();
    while !seeds.is_empty() {
        let mut powered = Powered::new(engine);
        let lived = seeds
            .by_ref()
            .try_for_each(|seed| powered.round(mode, seed, &mut figures))
            .and_then(|()| powered.finish());
        match lived {
            Ok(()) => {}
            Err(Fault::Start(why)) if mode == Mode::Torn => figures.refused.push(why),
            Err(fault) => panic!("{engine} {mode:?}, before {seeds:?}: {fault:?}; {figures:?}"),
        }
        let sums = powered.trial.figures();
        figures.acknowledged += sums.acknowledged;
        figures.delivered += sums.delivered;
        figures.duplicates += sums.duplicates;
    }
    println!("{engine} {mode:?}: {figures:#?}");
    assert!(
        figures.acknowledged > 0 && figures.undone > 0,
        "nothing was at stake"
    );
    figures
}

/// The check itself is checked: after a good round, syncs that do nothing must be found out.
fn loses_without_syncs(engine: &'static str) {
    let mut powered = Powered::new(engine);
    let mut figures = Figures::default();
    powered.round(Mode::Whole, 1, &mut figures).unwrap();
    powered.loss = PowerLoss::new(&powered.trial.settings.data).skip_sync();
    powered.trial.settings.env = powered.loss.env();
    powered.round(Mode::Whole, 3, &mut figures).unwrap();
    let fault = powered.round(Mode::Whole, 5, &mut figures).unwrap_err();
    let Fault::Promise(broken) = &fault else {
        panic!("the good round is still a store: {fault:?}");
    };
    let is_loss = broken.contains(", acknowledged at") || broken.contains(" was seen, there is ");
    assert!(is_loss, "{broken}");
}

#[test]
fn sled_server_keeps_what_it_acknowledged_through_whole_loss() {
    assert!(survives("sled", Mode::Whole).refused.is_empty());
}

#[test]
fn fjall_server_keeps_what_it_acknowledged_through_whole_loss() {
    assert!(survives("fjall", Mode::Whole).refused.is_empty());
}

#[test]
fn sled_server_after_torn_loss_holds_everything_or_refuses_to_open() {
    let figures = survives("sled", Mode::Torn);
    assert!(
        (figures.refused.len() as u64) < figures.rounds,
        "{figures:?}"
    );
}

#[test]
fn fjall_server_after_torn_loss_holds_everything_or_refuses_to_open() {
    let figures = survives("fjall", Mode::Torn);
    assert!(
        (figures.refused.len() as u64) < figures.rounds,
        "{figures:?}"
    );
}

#[test]
fn sled_server_without_syncs_is_noticed() {
    loses_without_syncs("sled");
}

#[test]
fn fjall_server_without_syncs_is_noticed() {
    loses_without_syncs("fjall");
}
