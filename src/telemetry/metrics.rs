//! The recorder of all figures, in the text form that Prometheus reads.
//!
//! Invariants: there is one recorder a process, however many nodes tests start in it; histograms
//! have fixed buckets, chosen by the unit at the end of their name.
//! Never: names a metric; that is done where it is counted.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// What `/metrics` is served as.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bounds for `_seconds`: from a memory access through a sync of a disk to a timeout.
const SECONDS_BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Bounds for `_bytes`: from a short frame to the largest body, in powers of four.
const BYTES_BUCKETS: [f64; 10] = [
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
/// Bounds for everything else, such as `_count`: the size of a batch or a room.
const COUNT_BUCKETS: [f64; 12] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0,
];

/// The figures of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// The recorder of this process, installed at the first call.
    pub fn of_program() -> &'static Metrics {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(|| {
            let builder = builder().expect("the bucket tables are not empty");
            let handle = builder.install_recorder();
            Metrics {
                handle: handle.expect("nothing else in this program installs a recorder"),
            }
        })
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what histograms have collected since the last call; the node calls this every few
    /// seconds, or their memory grows until somebody reads `/metrics`.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    PrometheusBuilder::new()
        .set_buckets(&COUNT_BUCKETS)?
        .set_buckets_for_metric(suffix("_seconds"), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(suffix("_bytes"), &BYTES_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_have_buckets_of_their_unit() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("frontdesk_append_seconds").record(0.002);
            metrics::histogram!("frontdesk_batch_count").record(3.0);
            metrics::counter!("frontdesk_messages_total", "role" => "agent").increment(2);
        });
        handle.run_upkeep();
        let text = handle.render();
        assert!(
            text.contains("# TYPE frontdesk_append_seconds histogram"),
            "{text}"
        );
        assert!(
            text.contains("frontdesk_append_seconds_bucket{le=\"0.0025\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("frontdesk_batch_count_bucket{le=\"4\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("frontdesk_messages_total{role=\"agent\"} 2"),
            "{text}"
        );
    }

    #[test]
    fn the_recorder_of_the_program_is_one() {
        let first: *const Metrics = Metrics::of_program();
        assert!(std::ptr::eq(first, Metrics::of_program()));
    }
}
