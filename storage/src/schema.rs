//! What a store says about itself: the version of its rows, how often it was opened, how it closed.
//!
//! Invariant: a record of a newer version is refused, never guessed at.
//!
//! Never: reads or writes; the opener does.

use serde::{Deserialize, Serialize};

use crate::journal::{Durability, Error, Result};

/// Version of the layout of keys and values. A change to either raises it and adds an upgrade.
pub const SCHEMA_VERSION: u32 = 1;

/// The store's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootRecord {
    /// [`SCHEMA_VERSION`] of the writer.
    pub(crate) schema_version: u32,
    /// Names this store, for logs and exports.
    pub(crate) store_id: u64,
    /// How often it was opened.
    pub(crate) boot_count: u32,
    /// See [`crate::Journal::history_salt`].
    pub(crate) history_salt: u64,
    /// Whether it was closed in order after the last opening.
    pub(crate) closed_clean: bool,
    /// What an acknowledgement meant since the last opening.
    pub(crate) durability: Durability,
}

impl BootRecord {
    /// The record of a store that was never opened.
    pub(crate) fn fresh(random: &mut dyn FnMut() -> u64) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            store_id: random(),
            boot_count: 0,
            history_salt: random(),
            closed_clean: true,
            durability: Durability::Fsync,
        }
    }

    /// The record after one more opening. If acknowledged records may have been lost since the
    /// previous one, logs get new names.
    pub(crate) fn opened(&self, durability: Durability, random: &mut dyn FnMut() -> u64) -> Self {
        let may_have_lost = self.durability == Durability::Buffered && !self.closed_clean;
        Self {
            schema_version: SCHEMA_VERSION,
            boot_count: self.boot_count + 1,
            history_salt: if may_have_lost {
                random()
            } else {
                self.history_salt
            },
            closed_clean: false,
            durability,
            store_id: self.store_id,
        }
    }

    /// The record after closing in order.
    pub(crate) fn closed(&self) -> Self {
        Self {
            closed_clean: true,
            ..self.clone()
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("numbers and words always encode")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        /// Only what every version has, so that a newer record is refused and not misread.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let damaged = |error| Error::Damaged(format!("the boot record: {error}"));
        let version: Version = rmp_serde::from_slice(bytes).map_err(damaged)?;
        if version.schema_version > SCHEMA_VERSION {
            return Err(Error::Refused(format!(
                "the store was written by a newer version (schema {}, this one knows {})",
                version.schema_version, SCHEMA_VERSION
            )));
        }
        rmp_serde::from_slice(bytes).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> impl FnMut() -> u64 {
        let mut last = 0;
        move || {
            last += 1;
            last
        }
    }

    #[test]
    fn only_an_unclean_buffered_store_changes_its_salt() {
        let mut random = counter();
        for (durability, clean, changes) in [
            (Durability::Fsync, false, false),
            (Durability::Fsync, true, false),
            (Durability::Buffered, true, false),
            (Durability::Buffered, false, true),
        ] {
            let fresh = BootRecord::fresh(&mut random);
            let mut first = fresh.opened(durability, &mut random);
            if clean {
                first = first.closed();
            }
            let second = first.opened(Durability::Fsync, &mut random);
            assert_eq!(second.boot_count, 2);
            let changed = second.history_salt != first.history_salt;
            assert_eq!(changed, changes, "{durability:?} clean {clean}");
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut record = BootRecord::fresh(&mut counter());
        record.schema_version = SCHEMA_VERSION + 1;
        let refused = BootRecord::decode(&record.encode());
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
}
