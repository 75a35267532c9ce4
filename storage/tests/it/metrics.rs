//! The journal's metrics say what happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use frontdesk_storage::testing::{MemoryOptions, MemoryStore};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{append, append_of, fence, ok, room};

/// Keeps every metric's last sum, by name and labels.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

struct Sum {
    sums: Sums,
    name: String,
}

impl Sums {
    fn change(&self, name: &str, change: impl FnOnce(f64) -> f64) {
        let mut sums = self.0.lock().expect("not poisoned");
        let sum = sums.entry(name.to_owned()).or_default();
        *sum = change(*sum);
    }

    fn of(&self, name: &str) -> f64 {
        let sums = self.0.lock().expect("not poisoned");
        *sums.get(name).unwrap_or(&f64::NAN)
    }

    fn sum(&self, key: &Key) -> Arc<Sum> {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.change(&name, |sum| sum);
        let sums = self.clone();
        Arc::new(Sum { sums, name })
    }
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.sums.change(&self.name, |sum| sum + value as f64);
    }
    fn absolute(&self, value: u64) {
        self.sums.change(&self.name, |_| value as f64);
    }
}

impl GaugeFn for Sum {
    fn increment(&self, value: f64) {
        self.sums.change(&self.name, |sum| sum + value);
    }
    fn decrement(&self, value: f64) {
        self.sums.change(&self.name, |sum| sum - value);
    }
    fn set(&self, value: f64) {
        self.sums.change(&self.name, |_| value);
    }
}

impl HistogramFn for Sum {
    fn record(&self, value: f64) {
        self.sums.change(&self.name, |sum| sum + value);
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.sum(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.sum(key))
    }
}

#[test]
fn every_outcome_is_counted_and_a_failure_shows() {
    let sums = Sums::default();
    let memory = metrics::with_local_recorder(&sums, || {
        MemoryStore::new(MemoryOptions::default()).expect("opens")
    });
    let store = memory.store();
    append(&store, append_of(&room(1), 1, 0, b"fenced"));
    fence(&store, &room(1), 1).expect("fenced");
    assert_eq!(append(&store, append_of(&room(1), 1, 0, b"ok")), ok(1));
    assert_eq!(append(&store, append_of(&room(1), 1, 1, b"ok")), ok(2));
    append(&store, append_of(&room(1), 1, 7, b"wrong"));
    assert_eq!(sums.of("frontdesk_storage_failed"), 0.0);
    memory.faults().fail_next_sync();
    append(&store, append_of(&room(1), 1, 2, b"unknown"));
    for (outcome, count) in [
        ("ok", 2.0),
        ("fenced", 1.0),
        ("wrong_pos", 1.0),
        ("unknown", 1.0),
    ] {
        let name = format!("frontdesk_journal_appends_total outcome={outcome}");
        assert_eq!(sums.of(&name), count, "{outcome}");
    }
    assert_eq!(sums.of("frontdesk_journal_group_appends"), 5.0);
    assert_eq!(sums.of("frontdesk_journal_queue_appends"), 0.0);
    assert_eq!(sums.of("frontdesk_storage_failed"), 1.0);
    assert!(sums.of("frontdesk_journal_commit_seconds") > 0.0);
}
