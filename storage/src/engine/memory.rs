//! Rows in memory behind [`Engine`]: for tests and simulation, with faults that tests ask for.
//!
//! It keeps three states apart, what is readable, what a dead process would leave with the
//! operating system, and what a power loss would leave on disk, so that either crash can be played.
//!
//! Never: touches a disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;

use crate::engine::{Batch, Engine, Lasting, Visitor};
use crate::journal::{Error, Result};
use crate::keys::{self, KeyRange};
use crate::testing::Faults;

type Rows = BTreeMap<Vec<u8>, Bytes>;

#[derive(Default)]
struct Left {
    handed: Rows,
    synced: Rows,
    not_handed: Vec<Batch>,
    not_synced: Vec<Batch>,
}

pub(crate) struct MemoryEngine {
    readable: RwLock<Rows>,
    left: Mutex<Left>,
    faults: Arc<Faults>,
}

fn apply(rows: &mut Rows, batch: &Batch) {
    for (key, value) in batch.writes() {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

impl Left {
    fn hand(&mut self) {
        for batch in self.not_handed.drain(..) {
            apply(&mut self.handed, &batch);
            self.not_synced.push(batch);
        }
    }

    fn sync(&mut self) {
        self.hand();
        for batch in self.not_synced.drain(..) {
            apply(&mut self.synced, &batch);
        }
    }
}

impl MemoryEngine {
    pub(crate) fn new(rows: Rows, faults: Arc<Faults>) -> Self {
        let left = Left {
            handed: rows.clone(),
            synced: rows.clone(),
            ..Left::default()
        };
        Self {
            readable: RwLock::new(rows),
            left: Mutex::new(left),
            faults,
        }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the operating system has: the state after the death of the process.
    pub(crate) fn handed(&self) -> Rows {
        self.left().handed.clone()
    }

    /// What the disk has: the state after a power loss.
    pub(crate) fn synced(&self) -> Rows {
        self.left().synced.clone()
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let rows = self.readable.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(key).cloned())
    }

    fn scan(&self, range: &KeyRange, reverse: bool, visit: &mut Visitor<'_>) -> Result<()> {
        if range.from >= range.to {
            return Ok(());
        }
        if *range == keys::pendings() {
            self.faults.before_marks().map_err(Error::Engine)?;
        }
        let rows = self.readable.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = (
            Bound::Included(&range.from[..]),
            Bound::Excluded(&range.to[..]),
        );
        let mut rows = rows.range::<[u8], _>(bounds);
        loop {
            let row = if reverse {
                rows.next_back()
            } else {
                rows.next()
            };
            match row {
                Some((key, value)) if visit(key, value) => {}
                _ => return Ok(()),
            }
        }
    }

    fn commit(&self, batch: &Batch, lasting: Lasting) -> Result<()> {
        self.faults.before_commit().map_err(Error::Engine)?;
        let mut rows = self
            .readable
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        apply(&mut rows, batch);
        drop(rows);
        self.left().not_handed.push(batch.clone());
        if lasting == Lasting::Later {
            return Ok(());
        }
        self.faults.before_sync().map_err(Error::Engine)?;
        match lasting {
            Lasting::Synced => self.left().sync(),
            Lasting::Handed | Lasting::Later => self.left().hand(),
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.left().sync();
        Ok(())
    }

    fn shows_before_lasting(&self) -> bool {
        true
    }

    fn disk_bytes(&self) -> Result<u64> {
        Ok(0)
    }
}
