//! Acknowledged means journaled: a server is killed at random moments under load, again and again
//! on one folder, and nothing that was acknowledged or shown is missing, doubled or moved.
//!
//! SIGKILL leaves what was written with the kernel, so this holds for `buffered` as well; what a
//! sync is worth is for `power_loss`.

use std::time::Duration;

use crate::support::ledger::Figures;
use crate::support::trial::Trial;
use crate::support::{mixed, pause, setting};

/// Kills on one folder in a normal run.
const ROUNDS: u64 = 6;
/// Acknowledgements between two kills, at most.
const ACKNOWLEDGED_MAX: u64 = 300;
/// One round in so many is killed while it starts.
const STARTING_SHARE: u64 = 5;
/// Longest time such a server gets.
const STARTING_MS_MAX: u64 = 150;

/// Runs all rounds; the figures, for `--nocapture`.
fn survives(engine: &'static str, durability: &'static str) -> Result<Figures, String> {
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let first = setting("CRASH_SEED", 1);
    let mut trial = Trial::new(engine, durability);
    for seed in first..first + rounds {
        round(&mut trial, seed).map_err(|fault| format!("seed {seed}: {fault}"))?;
    }
    let server = trial.start()?;
    trial.finish(&server)?;
    let figures = trial.figures();
    println!("{engine} {durability}: {rounds} rounds, {figures:?}");
    match server.stop()?.as_str() {
        "" => Ok(figures),
        said => Err(format!("it complained: {said}")),
    }
}

fn round(trial: &mut Trial, seed: u64) -> Result<(), String> {
    if seed.is_multiple_of(STARTING_SHARE) {
        let mut starting = trial.settings.spawn();
        pause(Duration::from_millis(mixed(seed) % STARTING_MS_MAX));
        starting.kill();
    }
    let mut server = trial.start()?;
    let was_read = !trial.rooms[0].history_id.is_empty();
    let kept = trial.check(&server, false)?;
    let must_keep = trial.settings.durability == "fsync" || !was_read;
    if kept != must_keep {
        return Err(format!("logs kept their names: {kept}"));
    }
    trial.talk(&server);
    trial.wait_for_acknowledgements(1 + mixed(seed) % ACKNOWLEDGED_MAX)?;
    trial.forget_server();
    server.kill();
    Ok(())
}

fn assert_something_was_at_stake(figures: &Figures, resets: bool) {
    assert!(figures.acknowledged > 0 && figures.delivered > figures.acknowledged);
    assert!(figures.closes.contains_key(&1006), "{figures:?}");
    assert_eq!(figures.resets > 0, resets, "{figures:?}");
}

#[test]
fn sled_synced_keeps_what_it_acknowledged_when_killed() {
    let figures = survives("sled", "fsync").unwrap();
    assert_something_was_at_stake(&figures, false);
}

#[test]
fn sled_buffered_keeps_what_it_acknowledged_when_killed() {
    let figures = survives("sled", "buffered").unwrap();
    assert_something_was_at_stake(&figures, true);
}

#[test]
fn fjall_synced_keeps_what_it_acknowledged_when_killed() {
    let figures = survives("fjall", "fsync").unwrap();
    assert_something_was_at_stake(&figures, false);
}

#[test]
fn fjall_buffered_keeps_what_it_acknowledged_when_killed() {
    let figures = survives("fjall", "buffered").unwrap();
    assert_something_was_at_stake(&figures, true);
}
