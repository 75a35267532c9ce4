//! Removes cid rows that are too old to matter, a slice at a time, while the writer has nothing to
//! do.
//!
//! It walks the companies by seeking from one to the next, so it needs no list of them.
//!
//! Never: looks at more than a slice of keys before it lets the writer go on.

use frontdesk_protocol::{Timestamp, limits};

use crate::engine::{Batch, Lasting};
use crate::journal::Result;
use crate::keys::{self, KeyRange};
use crate::store::{Shared, cid_time};
use crate::writer::Writer;

/// Keys looked at in one slice: some hundred microseconds.
const SLICE_KEYS_MAX: usize = 512;
/// Between two slices, so that a writer that is idle between commits is not always sweeping, ms.
const SLICE_PAUSE_MS: u64 = 1_000;
/// Between two walks over the whole store: rows live a day, so an hour more is little, ms.
const WALK_PAUSE_MS: u64 = 60 * 60 * 1_000;

/// Where the walk stands.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    not_before: Timestamp,
    /// The next key to look at; empty at the start of a walk.
    cursor: Vec<u8>,
}

impl Writer {
    /// Looks at one slice of cid rows if it is time to.
    pub(super) fn sweep_a_slice(&mut self) {
        let now = (self.shared.clock)();
        if now < self.sweep.not_before {
            return;
        }
        let mut batch = Batch::default();
        let walked = self.sweep.slice(&self.shared, now, &mut batch);
        let ended = walked.and_then(|ended| {
            if !batch.is_empty() {
                self.shared.engine.commit(&batch, Lasting::Later)?;
            }
            Ok(ended)
        });
        match ended {
            Ok(ended) => {
                let pause = if ended { WALK_PAUSE_MS } else { SLICE_PAUSE_MS };
                self.sweep.not_before = Timestamp(now.0.saturating_add(pause));
            }
            Err(error) => self.shared.fail(&format!("the sweep failed: {error}")),
        }
    }
}

impl Sweep {
    /// Stages the removal of expired rows; true when the walk has reached the end of the store.
    fn slice(&mut self, shared: &Shared, now: Timestamp, batch: &mut Batch) -> Result<bool> {
        let mut left = SLICE_KEYS_MAX;
        while left > 0 {
            left -= 1;
            let Some(next_key) = next_key(shared, &self.cursor)? else {
                self.cursor.clear();
                return Ok(true);
            };
            let company = keys::company_of(&next_key);
            let cids = keys::cids_of(company);
            if company.is_empty() || next_key >= cids.to {
                self.cursor = keys::after_company(company);
                continue;
            }
            let mut from = cids.from.clone().max(self.cursor.clone());
            let mut ended = true;
            let range = KeyRange {
                from: from.clone(),
                to: cids.to,
            };
            shared.engine.scan(&range, false, &mut |key, value| {
                if left == 0 {
                    from = key.to_vec();
                    ended = false;
                    return false;
                }
                left -= 1;
                if is_expired(value, now) {
                    batch.remove(key.to_vec());
                }
                true
            })?;
            self.cursor = match ended {
                true => keys::after_company(company),
                false => from,
            };
        }
        Ok(false)
    }
}

fn is_expired(value: &[u8], now: Timestamp) -> bool {
    cid_time(value).is_some_and(|at| at.0.saturating_add(limits::CID_KEPT_MS) < now.0)
}

fn next_key(shared: &Shared, cursor: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut found = None;
    let range = KeyRange {
        from: cursor.to_vec(),
        ..KeyRange::all()
    };
    shared.engine.scan(&range, false, &mut |key, _| {
        found = Some(key.to_vec());
        false
    })?;
    Ok(found)
}
