//! What the node says of itself: log lines on standard error, figures at `/metrics`, request ids.
//!
//! Invariants: standard output is left to the program's own answers; labels of metrics come from
//! closed sets, so that clients cannot add series; a log line never holds a token.
//! Never: decides what is worth saying.

mod metrics;
mod request_id;
mod server;
mod uploads;

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{self, LogFormat};

pub use metrics::{METRICS_CONTENT_TYPE, Metrics};
pub use request_id::request_id;
pub(crate) use server::{RateMetrics, ServerMetrics};
pub(crate) use uploads::UploadMetrics;

/// Why log lines cannot be written as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `telemetry.log` cannot be read.
    #[error("telemetry.log is not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else in this process writes them already.
    #[error("log lines are written elsewhere already: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts writing log lines to standard error, for the whole process; to be called once, by `main`.
pub fn init(settings: &config::Telemetry) -> Result<(), Error> {
    let ansi = std::io::stderr().is_terminal();
    init_over(settings, std::io::stderr, ansi)
}

/// The same, to what `writer` gives for each line.
pub fn init_over<W: Write + 'static>(
    settings: &config::Telemetry,
    writer: impl Fn() -> W + Send + Sync + 'static,
    ansi: bool,
) -> Result<(), Error> {
    let subscriber = subscriber(settings, BoxMakeWriter::new(writer), ansi)?;
    tracing_subscriber::util::SubscriberInitExt::try_init(subscriber)?;
    Ok(())
}

/// What [`init`] installs, over any writer.
fn subscriber(
    settings: &config::Telemetry,
    writer: BoxMakeWriter,
    ansi: bool,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, Error> {
    // It writes the numbers it judges, which are people's.
    let no_numbers = "rlibphonenumber=off".parse();
    let filter =
        EnvFilter::try_new(&settings.log)?.add_directive(no_numbers.expect("a valid directive"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(ansi);
    Ok(match settings.log_format {
        LogFormat::Text => Box::new(lines.finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(log: &str, log_format: LogFormat) -> String {
        let written = Written::default();
        let writer = written.clone();
        let settings = config::Telemetry {
            log: log.to_owned(),
            log_format,
        };
        let writer = BoxMakeWriter::new(move || writer.clone());
        let subscriber = subscriber(&settings, writer, false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(room_count = 3, "rooms awake");
            tracing::debug!("not asked for");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_carry_their_fields_and_the_filter_holds() {
        let lines = lines_of("info", LogFormat::Json);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
        assert_eq!(line["room_count"], 3);
        assert_eq!(line["message"], "rooms awake");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn text_lines_are_plain() {
        let lines = lines_of("debug", LogFormat::Text);
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(lines.contains("rooms awake room_count=3"), "{lines}");
        assert!(!lines.contains('\u{1b}'), "{lines}");
        assert_eq!(lines_of("error", LogFormat::Text), "");
    }
}
