//! Both engines through power loss: what was acknowledged is there, once, in order, with all that
//! was written beside it; what was not acknowledged may be there as the room's next record or not
//! at all; and the store opens, round after round, whatever was lost.
//!
//! A round opens the store under the library, checks it, appends, is killed after a number of
//! acknowledgements that the seed says (at times while it still opens, at times within a sync), and
//! loses its power, whole or torn. The next round goes on where it ended.

use std::env;
use std::fmt::Debug;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use tempfile::TempDir;

use crate::appender::ROOM_COUNT;
use crate::child::Watched;
use crate::loss::{Mode, PowerLoss, Report, Syncs};

/// Rounds on one folder in a normal run, each engine and mode; `POWERLOSS_ROUNDS` for more.
const ROUNDS: u64 = 5;
/// Of them, one in so many also runs on a fresh folder.
const FRESH_SHARE: u64 = 2;
/// Lines read after opening and before the kill, at most: some dozens of group commits.
const LINES_MAX: u64 = 400;
/// Longest wait between the first line and a kill that shall hit the opening.
const OPENING_MS_MAX: u64 = 40;
/// Long enough for the writer to run into a sync that hangs.
const HANGING: Duration = Duration::from_millis(10);

/// What the child says when the store gives an error, and what is said of a child that panicked.
const DOES_NOT_OPEN: &str = "does not open";
const ENDED: &str = "the store's process ended while it opened";

/// What a room may end at.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    /// The last pos that was acknowledged or shown.
    least: u64,
    /// Where it ends if the append in flight is there too.
    most: u64,
}

/// What rounds on one folder came to.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    acknowledged: u64,
    rooms_checked: u64,
    undone: usize,
    torn: usize,
    names_undone: usize,
}

impl Figures {
    fn add(&mut self, other: &Figures) {
        self.rounds += other.rounds;
        self.acknowledged += other.acknowledged;
        self.rooms_checked += other.rooms_checked;
        self.undone += other.undone;
        self.torn += other.torn;
        self.names_undone += other.names_undone;
    }
}

/// One folder, its power, and what must be in it.
struct Trial {
    _folder: TempDir,
    loss: PowerLoss,
    engine: &'static str,
    rooms: [Bounds; ROOM_COUNT as usize],
    figures: Figures,
}

impl Trial {
    fn new(engine: &'static str, change: impl FnOnce(PowerLoss) -> PowerLoss) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let loss = change(PowerLoss::new(&folder.path().join("watched")));
        Self {
            _folder: folder,
            loss,
            engine,
            rooms: [Bounds { least: 0, most: 0 }; ROOM_COUNT as usize],
            figures: Figures::default(),
        }
    }

    /// One life of the process and its end; a fault in words when the store broke a promise.
    fn round(&mut self, mode: Mode, seed: u64) -> Result<(), String> {
        let engine = self.engine.to_owned();
        let mut child = Watched::start(&self.loss, "store", &[("STORE_ENGINE", engine)]);
        let lived = self.live(&mut child, seed);
        child.kill();
        self.loss.set_syncs(Syncs::Work);
        // What it had said before it was killed counts.
        let lived = lived.and_then(|()| self.hear(&mut child, u64::MAX));
        self.note(self.loss.lose(mode, seed));
        lived
    }

    fn live(&mut self, child: &mut Watched, seed: u64) -> Result<(), String> {
        if child.next().as_deref() != Some("opening") {
            return Err("the child did not start".into());
        }
        if seed % 5 == 4 {
            pause(Duration::from_millis(seed / 5 % OPENING_MS_MAX));
            return Ok(());
        }
        self.hear_until_opened(child)?;
        self.hear(child, seed.wrapping_mul(0x9e37_79b9) % LINES_MAX)?;
        if seed.is_multiple_of(2) {
            // Let the kill hit a sync: what the group wrote is certain to be at stake.
            self.loss.set_syncs(Syncs::Hang);
            pause(HANGING);
        }
        Ok(())
    }

    fn note(&mut self, report: Report) {
        self.figures.rounds += 1;
        self.figures.undone += report.undone;
        self.figures.torn += report.torn;
        self.figures.names_undone += report.names_undone;
    }

    fn hear_until_opened(&mut self, child: &mut Watched) -> Result<(), String> {
        loop {
            match child.next() {
                None => return Err(ENDED.into()),
                Some(line) if line == "opened" => return Ok(()),
                Some(line) => self.take_in(&line)?,
            }
        }
    }

    /// Takes in so many lines, or all there are.
    fn hear(&mut self, child: &mut Watched, count: u64) -> Result<(), String> {
        for _ in 0..count {
            let Some(line) = child.next() else { break };
            self.take_in(&line)?;
        }
        Ok(())
    }

    fn take_in(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        match words.next() {
            Some("tail") => {
                let room = &mut self.rooms[number::<usize>(words.next())];
                let pos = number(words.next());
                if pos < room.least || pos > room.most {
                    return Err(format!("`{line}`, but it must be {room:?}"));
                }
                // It was shown, so it may not be lost from now on.
                *room = Bounds {
                    least: pos,
                    most: pos + 1,
                };
                self.figures.rooms_checked += 1;
            }
            Some("ack") => {
                let room = &mut self.rooms[number::<usize>(words.next())];
                let pos = number(words.next());
                if pos != room.most {
                    return Err(format!("`{line}`, but the next must be {room:?}"));
                }
                *room = Bounds {
                    least: pos,
                    most: pos + 1,
                };
                self.figures.acknowledged += 1;
            }
            Some("opening" | "opened") => {}
            _ => return Err(line.to_owned()),
        }
        Ok(())
    }

    /// A last opening that is not killed before it has checked everything.
    fn check(&mut self) -> Result<(), String> {
        let extra = [
            ("STORE_ENGINE", self.engine.to_owned()),
            ("STORE_ONLY_CHECK", "1".into()),
        ];
        let mut child = Watched::start(&self.loss, "store", &extra);
        self.hear_until_opened(&mut child)?;
        child.until("done");
        child.kill();
        self.loss.keep();
        Ok(())
    }

    /// Rounds in sequence on the same folder, then the check. Takes from `seeds` what it used.
    fn rounds(&mut self, mode: Mode, seeds: &mut Range<u64>) -> Result<(), String> {
        for seed in seeds.by_ref() {
            self.round(mode, seed)
                .map_err(|fault| format!("seed {seed} {mode:?}: {fault}"))?;
        }
        self.check()
            .map_err(|fault| format!("check at the end, {mode:?}: {fault}"))
    }
}

fn number<N: FromStr<Err: Debug>>(word: Option<&str>) -> N {
    word.unwrap().parse().unwrap()
}

/// Lets the child work for a while: a kill at an unknown moment is the point, not a condition.
fn pause(time: Duration) {
    let (_never, end) = std::sync::mpsc::channel::<()>();
    let _ = end.recv_timeout(time);
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Whether a store may say after a loss that it cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It must open.
    Never,
    /// It may, but it must not open with less than it acknowledged.
    Allowed,
}

/// Words of a store that does not open; anything else is a broken promise.
fn is_refusal(fault: &str) -> bool {
    fault.contains(DOES_NOT_OPEN) || fault.contains(ENDED)
}

/// All rounds of one engine and mode, in sequence on one folder, and half as many each on a fresh
/// one. A folder that is refused is replaced. Figures are printed for `--nocapture`.
fn survives(engine: &'static str, mode: Mode, refusal: Refusal) {
    let rounds = setting("POWERLOSS_ROUNDS", ROUNDS);
    let first = setting("POWERLOSS_SEED", 1);
    let (mut figures, mut refused) = (Figures::default(), Vec::new());
    let fresh = (first..first + rounds / FRESH_SHARE).map(|seed| seed..seed + 1);
    for mut seeds in std::iter::once(first..first + rounds).chain(fresh) {
        while !seeds.is_empty() {
            let mut trial = Trial::new(engine, |loss| loss);
            let outcome = trial.rounds(mode, &mut seeds);
            figures.add(&trial.figures);
            let Err(fault) = outcome else { break };
            let counted =
                refusal == Refusal::Allowed || setting("POWERLOSS_COUNT_REFUSALS", 0) == 1;
            let allowed = counted && is_refusal(&fault);
            assert!(allowed, "{engine}: {fault}; so far {figures:?}");
            refused.push(fault);
        }
    }
    println!(
        "{engine} {mode:?}: {figures:?}, refused {}: {refused:#?}",
        refused.len()
    );
    assert!(
        figures.acknowledged > 0 && figures.undone > 0,
        "nothing was at stake"
    );
}

/// The check itself is checked: with syncs that do nothing it must find a loss.
fn loses_without_syncs(engine: &'static str) {
    let mut trial = Trial::new(engine, PowerLoss::skip_sync);
    let fault = trial
        .rounds(Mode::Whole, &mut (1..3))
        .expect_err("a loss had to be noticed");
    assert!(
        trial.figures.acknowledged > 0 && fault.contains("must be"),
        "{fault}"
    );
}

#[test]
fn sled_keeps_what_it_acknowledged_through_whole_loss() {
    survives("sled", Mode::Whole, Refusal::Never);
}

#[test]
fn fjall_keeps_what_it_acknowledged_through_whole_loss() {
    survives("fjall", Mode::Whole, Refusal::Never);
}

#[test]
fn sled_after_torn_loss_holds_everything_or_refuses_to_open() {
    survives("sled", Mode::Torn, Refusal::Allowed);
}

#[test]
fn fjall_after_torn_loss_holds_everything_or_refuses_to_open() {
    survives("fjall", Mode::Torn, Refusal::Allowed);
}

#[test]
fn sled_without_syncs_is_noticed() {
    loses_without_syncs("sled");
}

#[test]
fn fjall_without_syncs_is_noticed() {
    loses_without_syncs("fjall");
}
