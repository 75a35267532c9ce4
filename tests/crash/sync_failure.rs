//! Syncs that fail or hang under load: a failed sync ends the server, because a second one would
//! lie; while one hangs the server says that it is not ready, and acknowledges nothing.

use std::time::Duration;

use crate::loss::{Mode, PowerLoss, Syncs};
use crate::support::trial::Trial;
use crate::support::wait_for;

/// Acknowledgements before the disk breaks.
const ACKNOWLEDGED: u64 = 40;
/// Longest time until a hanging sync shows, or is forgotten: a probe takes two seconds to give up.
const NOTICE_LIMIT: Duration = Duration::from_secs(30);

fn watched(engine: &'static str) -> (Trial, PowerLoss) {
    let mut trial = Trial::new(engine, "fsync");
    let loss = PowerLoss::new(&trial.settings.data);
    trial.settings.env = loss.env();
    (trial, loss)
}

/// The failed sync's writes are lost as well, so an acknowledgement too many would be found.
fn a_failed_sync_ends_it(engine: &'static str) -> Result<(), String> {
    let (mut trial, loss) = watched(engine);
    let mut server = trial.start()?;
    trial.talk(&server);
    trial.wait_for_acknowledgements(ACKNOWLEDGED)?;
    trial.forget_server();
    loss.set_syncs(Syncs::Fail);
    let status = server.wait_for_end()?;
    assert_eq!(status.code(), Some(1), "{status}");
    let said = server.complaint();
    let plain = said.lines().find(|line| line.starts_with("frontdesk: "));
    let plain = plain.unwrap_or_else(|| panic!("no plain message in {said:?}"));
    assert!(plain.contains("Input/output error"), "{plain}");
    assert!(!said.contains("panicked"), "{said}");
    loss.lose(Mode::Whole, 1);
    loss.set_syncs(Syncs::Work);
    let server = trial.start()?;
    assert!(trial.check(&server, false)?, "a log changed its name");
    trial.finish(&server)?;
    server.stop().map(drop)
}

fn a_hanging_sync_shows(engine: &'static str) -> Result<(), String> {
    let (mut trial, loss) = watched(engine);
    let server = trial.start()?;
    let address = server.address();
    let status = |trial: &Trial, path| {
        let asked = trial.asker.status(address, path);
        trial.runtime.block_on(asked).unwrap()
    };
    assert_eq!(status(&trial, "/readyz"), 200);
    trial.talk(&server);
    trial.wait_for_acknowledgements(ACKNOWLEDGED)?;
    assert_eq!(status(&trial, "/readyz"), 200);
    loss.set_syncs(Syncs::Hang);
    wait_for("a red /readyz", NOTICE_LIMIT, || {
        (status(&trial, "/readyz") == 503).then_some(())
    })?;
    assert_eq!(status(&trial, "/healthz"), 200);
    let acknowledged = trial.figures().acknowledged;
    assert_eq!(status(&trial, "/readyz"), 503);
    assert_eq!(trial.figures().acknowledged, acknowledged);
    loss.set_syncs(Syncs::Work);
    wait_for("a green /readyz", NOTICE_LIMIT, || {
        (status(&trial, "/readyz") == 200).then_some(())
    })?;
    trial.wait_for_acknowledgements(ACKNOWLEDGED)?;
    trial.finish(&server)?;
    assert!(trial.figures().closes.is_empty(), "a socket was lost");
    server.stop().map(drop)
}

#[test]
fn a_failed_sync_of_sled_ends_the_server_and_nothing_more_is_acknowledged() {
    a_failed_sync_ends_it("sled").unwrap();
}

#[test]
fn a_failed_sync_of_fjall_ends_the_server_and_nothing_more_is_acknowledged() {
    a_failed_sync_ends_it("fjall").unwrap();
}

#[test]
fn a_hanging_sync_of_sled_turns_readyz_red_until_it_returns() {
    a_hanging_sync_shows("sled").unwrap();
}

#[test]
fn a_hanging_sync_of_fjall_turns_readyz_red_until_it_returns() {
    a_hanging_sync_shows("fjall").unwrap();
}
