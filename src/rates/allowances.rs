//! The allowances of many: one number for each key, in a map that is bounded and shrinks.
//!
//! Never: reads a clock, or knows a rate.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use super::ALLOWANCE_COUNT_MAX;

/// See the module's text.
pub(super) struct Allowances<K: Eq + Hash> {
    known: DashMap<K, AtomicU64>,
    /// Everybody who came when the map was full.
    rest: AtomicU64,
}

impl<K: Eq + Hash + Clone> Allowances<K> {
    pub(super) fn new() -> Self {
        Self {
            known: DashMap::new(),
            rest: AtomicU64::new(0),
        }
    }
}

impl<K: Eq + Hash + Clone> StateStore for Allowances<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(allowance) = self.known.get(key) {
            return replace(&allowance, decide);
        }
        // Two who come at once may both find the last place: the bound is for memory, not exact.
        if self.known.len() >= ALLOWANCE_COUNT_MAX {
            return replace(&self.rest, decide);
        }
        let allowance = self.known.entry(key.clone()).or_default().downgrade();
        replace(&allowance, decide)
    }
}

impl<K: Eq + Hash + Clone> ShrinkableKeyedStateStore<K> for Allowances<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let oldest = drop_below.as_u64();
        self.known
            .retain(|_, allowance| allowance.load(Ordering::Relaxed) > oldest);
    }

    fn shrink_to_fit(&self) {
        self.known.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Decides on what the allowance holds and puts the new state there; again if another was quicker.
fn replace<T, E>(
    allowance: &AtomicU64,
    decide: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
) -> Result<T, E> {
    let mut seen = allowance.load(Ordering::Acquire);
    loop {
        let (outcome, next) = decide((seen != 0).then(|| Nanos::from(seen)))?;
        let put =
            allowance.compare_exchange_weak(seen, next.into(), Ordering::AcqRel, Ordering::Acquire);
        match put {
            Ok(_) => return Ok(outcome),
            Err(now) => seen = now,
        }
    }
}
