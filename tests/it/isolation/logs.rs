//! What the server writes to its log while everything is tried, at its most talkative.
//!
//! Invariant: every line of this process is looked at, whichever test caused it: the words are only
//! in this walk's companies.
//! Never: looks at what libraries write; those are set to warnings, as the server's default is.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use frontdesk::config::Config;
use frontdesk::telemetry;

use super::world::{PASSWORD, World};

/// All that our own crates can say.
const MOST: &str = "warn,frontdesk=trace,frontdesk_actors=trace,frontdesk_storage=trace,\
                    frontdesk_protocol=trace";

/// What was written so far.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on lines are kept; there is one log a process.
pub(super) fn listen() -> Lines {
    static LINES: LazyLock<Lines> = LazyLock::new(|| {
        let lines = Lines::default();
        let mut settings = Config::default().telemetry;
        MOST.clone_into(&mut settings.log);
        let to = lines.clone();
        telemetry::init_over(&settings, move || to.clone(), false).expect("nobody else listens");
        lines
    });
    LINES.clone()
}

/// Nothing of what people said, are called or prove themselves with was written down. Rooms are
/// named: whoever looks for a fault must find them.
pub(super) fn tell_nothing(lines: &Lines, world: &World) {
    let lines = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&lines);
    assert!(text.contains("frontdesk"), "something is written at all");
    let rooms = [&world.ours.talk.room, &world.ours.chat_room];
    let canaries = world.canaries();
    let words = canaries.iter().filter(|word| !rooms.contains(word));
    for word in words.map(String::as_str).chain([PASSWORD]) {
        let line = text.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word}");
    }
}
