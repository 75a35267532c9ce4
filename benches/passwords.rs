//! What a login costs: one password checked on one hashing thread, for a known name and for an
//! unknown one, which must not be told apart by their time.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use frontdesk::auth::passwords::{Password, Passwords};
use tokio::runtime::Builder;

/// Rounds of one measurement.
const SAMPLE_COUNT: usize = 20;
/// Length of one measurement.
const MEASURED: Duration = Duration::from_secs(5);
/// Nobody waits behind the one login under way.
const QUEUE_COUNT_MAX: usize = 0;
const TEXT: &str = "correct horse battery";

fn main() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let passwords = Passwords::new(1, QUEUE_COUNT_MAX).expect("a thread");
    let typed = || Password::typed(TEXT.to_owned());
    let known = runtime.block_on(passwords.hash(typed())).expect("a place");
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("passwords");
    group
        .sample_size(SAMPLE_COUNT)
        .measurement_time(MEASURED)
        .throughput(Throughput::Elements(1));
    for (name, hash) in [("known", Some(&known)), ("unknown", None)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let right = runtime.block_on(passwords.verify(typed(), hash));
                assert_eq!(right, Ok(hash.is_some()));
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
