//! Rows that a batch has changed and the index does not show yet: what rules look at before what
//! was read for them.
//!
//! Never: outlives its batch.

use std::collections::BTreeMap;

use bytes::Bytes;
use frontdesk_storage::Row;
use serde::de::DeserializeOwned;

use super::Known;
use crate::company::tables;

/// See the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written(BTreeMap<Vec<u8>, Option<Bytes>>);

impl Written {
    /// A batch begins.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// An event of the batch changes these.
    pub(crate) fn take(&mut self, rows: Vec<Row>) {
        self.0
            .extend(rows.into_iter().map(|row| (row.key, row.value)));
    }

    /// A row as it stands; one that cannot be read counts as absent.
    pub(crate) fn row<T: DeserializeOwned>(&self, known: &Known, key: &[u8]) -> Option<T> {
        let value = match self.0.get(key) {
            Some(written) => written.as_ref(),
            None => known.rows.get(key)?.as_ref(),
        };
        tables::read(value?)
    }
}
