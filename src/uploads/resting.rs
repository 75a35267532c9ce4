//! Which uploads have their files open: those that somebody is at, and of the others those whose
//! bytes came last.
//!
//! An upload goes on for a day and belongs to no connection, so that a few people could hold all
//! the open files that a process may have. One that is closed is opened again when somebody comes
//! back, which reads its bytes.
//!
//! Invariant: nothing is closed under somebody's hands.
//! Never: ends an upload.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use super::{Key, Uploads};

/// Part of the files that a process may open that uploads nobody is at may have: two each.
const FILES_PART: u64 = 4;
/// Open files of an upload: its bytes and its marks.
const UPLOAD_FILE_COUNT: u64 = 2;
/// Uploads with open files at most, if the system allows many: more are not gone on with within
/// seconds.
const OPEN_COUNT_MAX: u64 = 1_024;
/// Of those open, the part that stays so when there are too many: closing takes a look at all.
const STAYING: (usize, usize) = (7, 8);
/// Without a byte for so long an upload's file is closed, milliseconds.
const REST_MS: u64 = 10 * 60 * 1_000;

/// How many are open.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenCount(Arc<AtomicUsize>);

impl OpenCount {
    pub(super) fn one(&self) -> OpenOne {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenOne(self.clone())
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that is open.
pub(super) struct OpenOne(OpenCount);

impl Drop for OpenOne {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Uploads that may have open files, by what the system allows this process.
pub(super) fn open_count_max() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = (files / FILES_PART / UPLOAD_FILE_COUNT).clamp(1, OPEN_COUNT_MAX);
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Uploads {
    /// Closes files of uploads that nobody is at, where too many are open.
    pub(super) fn rest_some(&self) {
        let open = self.disk.open.now();
        if open <= self.open_count_max {
            return;
        }
        let (part, of) = STAYING;
        let too_many = open - self.open_count_max * part / of;
        let idle = self
            .jobs
            .iter()
            .filter(|job| Arc::strong_count(job) == 1 && job.is_open());
        let mut idle: Vec<(u64, Key)> = idle
            .map(|job| (job.touched_ms.load(Ordering::Relaxed), job.key().clone()))
            .collect();
        idle.sort_unstable_by_key(|(touched_ms, _)| *touched_ms);
        for (_, key) in idle.into_iter().take(too_many) {
            self.rest_if(&key, |_| true);
        }
    }

    /// Closes an upload's file of which nothing was heard for long.
    pub(super) fn rest_if_quiet(&self, key: &Key) {
        let now_ms = self.disk.now_ms();
        self.rest_if(key, |job| job.is_quiet_for(now_ms, REST_MS));
    }

    fn rest_if(&self, key: &Key, may: impl Fn(&super::Job) -> bool) {
        // While it is held here nobody can get at it.
        if let Some(job) = self.jobs.get_mut(key)
            && Arc::strong_count(&job) == 1
            && may(&job)
        {
            job.rest();
        }
    }
}
