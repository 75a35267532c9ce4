//! Reads below the traits: records put together from their parts, and rows under the veil of a
//! commit in progress.
//!
//! Invariant: what is returned was wholly written by one write, and is durable where its kind says
//! so.
//!
//! Never: writes.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::{CompanyId, Pos, Seq};

use crate::engine::Engine;
use crate::journal::{EntityId, Error, Record, Result, Tail};
use crate::keys::{self, KeyRange};
use crate::parts;
use crate::store::Shared;

/// How often a read that met a write half way starts again at once: a write is half done for some
/// microseconds.
const READ_TRY_COUNT_MAX: u32 = 16;
/// How often it then looks again after a rest. On a busy machine the writer may lose its core in
/// the middle of a write, for some milliseconds; what is not whole after this long is damage.
const READ_REST_COUNT_MAX: u32 = 500;
/// A rest.
const READ_REST: Duration = Duration::from_millis(1);

/// Bytes before a record's payload: its seq.
pub(crate) const RECORD_HEADER_BYTES: usize = 8;

/// How much a page may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimit {
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

/// Collects a scan's parts into records.
struct Assembler {
    reverse: bool,
    limit: PageLimit,
    bytes: usize,
    /// Parts of the record that is being met, in the order of the scan.
    parts: Vec<(u16, Bytes)>,
    pos: Pos,
    records: Vec<Record>,
    fault: Option<Error>,
    torn: bool,
}

impl Assembler {
    fn new(reverse: bool, limit: PageLimit) -> Self {
        Self {
            reverse,
            limit,
            bytes: 0,
            parts: Vec::new(),
            pos: Pos(0),
            records: Vec::new(),
            fault: None,
            torn: false,
        }
    }

    fn visit(&mut self, key: &[u8], value: &[u8]) -> bool {
        match self.meet(key, value) {
            Ok(more) => more && !self.torn,
            Err(error) => {
                self.fault = Some(error);
                false
            }
        }
    }

    fn meet(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        let (pos, part) = keys::record_place(key)?;
        if self.parts.is_empty() {
            self.pos = pos;
        } else if self.pos != pos {
            self.torn = true;
            return Ok(false);
        }
        if self.parts.is_empty() && part == 0 && parts::first(value)?.part_count == 1 {
            self.push(record(pos, parts::first(value)?.bytes)?);
            return Ok(self.wants_more());
        }
        self.parts.push((part, Bytes::copy_from_slice(value)));
        let first = if self.reverse {
            self.parts.last()
        } else {
            self.parts.first()
        };
        let Some((0, first)) = first else {
            // In reverse the first part comes last; forward a record without it is half seen.
            self.torn = !self.reverse;
            return Ok(self.reverse);
        };
        if self.parts.len() < usize::from(parts::first(first)?.part_count) {
            self.torn = self.reverse;
            return Ok(!self.reverse);
        }
        self.finish_parts()?;
        Ok(self.wants_more())
    }

    fn finish_parts(&mut self) -> Result<()> {
        let mut parts = std::mem::take(&mut self.parts);
        if self.reverse {
            parts.reverse();
        }
        let part = |number: u16| {
            let found = parts.get(usize::from(number));
            Ok(found
                .filter(|(n, _)| *n == number)
                .map(|(_, value)| value.clone()))
        };
        match parts::join(&parts[0].1, part)? {
            Some(joined) => {
                let seq_after = record_seq(&joined)?;
                self.push(Record {
                    pos: self.pos,
                    seq_after,
                    payload: joined.slice(RECORD_HEADER_BYTES..),
                });
            }
            None => self.torn = true,
        }
        Ok(())
    }

    fn push(&mut self, record: Record) {
        // The oldest are erased first, so a gap is an erasing that was met half way.
        let (earlier, later) = match (self.reverse, self.records.last()) {
            (_, None) => (None, record.pos),
            (false, Some(last)) => (Some(last.pos), record.pos),
            (true, Some(last)) => (Some(record.pos), last.pos),
        };
        if earlier.is_some_and(|earlier| earlier.next() != later) {
            self.torn = true;
            return;
        }
        self.bytes += record.payload.len();
        self.records.push(record);
    }

    fn wants_more(&self) -> bool {
        self.records.len() < self.limit.count_max && self.bytes < self.limit.bytes_max
    }

    /// The records, or `None` when a write was met half way.
    fn finish(self) -> Result<Option<Vec<Record>>> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let torn = self.torn || !self.parts.is_empty();
        Ok((!torn).then_some(self.records))
    }
}

fn record_seq(bytes: &[u8]) -> Result<Seq> {
    let seq = bytes.first_chunk::<RECORD_HEADER_BYTES>();
    let seq = seq.ok_or_else(|| Error::Damaged("a record without its seq".into()))?;
    Ok(Seq(u64::from_be_bytes(*seq)))
}

fn record(pos: Pos, bytes: &[u8]) -> Result<Record> {
    Ok(Record {
        pos,
        seq_after: record_seq(bytes)?,
        payload: Bytes::copy_from_slice(&bytes[RECORD_HEADER_BYTES..]),
    })
}

/// Runs a read until it meets no write half way.
pub(crate) fn until_whole<T>(what: &str, mut read: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    for tried in 0..READ_TRY_COUNT_MAX + READ_REST_COUNT_MAX {
        if let Some(whole) = read()? {
            return Ok(whole);
        }
        match tried < READ_TRY_COUNT_MAX {
            true => std::thread::yield_now(),
            false => std::thread::park_timeout(READ_REST),
        }
    }
    Err(Error::Damaged(format!("{what} is missing a part")))
}

/// The end of a journal as the engine shows it.
pub(crate) fn engine_tail(engine: &dyn Engine, entity: &EntityId) -> Result<Tail> {
    let mut last = None;
    let range = keys::records(entity, Pos(0), Pos(u64::MAX));
    engine.scan(&range, true, &mut |key, _| {
        last = Some(keys::record_place(key));
        false
    })?;
    let Some(place) = last else {
        return Ok(Tail::default());
    };
    let (pos, _) = place?;
    let seq = engine_seq(engine, entity, pos)?;
    let seq = seq.ok_or_else(|| Error::Damaged(format!("{entity}: record {pos} has no start")))?;
    Ok(Tail { pos, seq })
}

/// The first record that was not erased.
pub(crate) fn engine_first(engine: &dyn Engine, entity: &EntityId) -> Result<Option<Pos>> {
    let mut first = None;
    let range = keys::records(entity, Pos(0), Pos(u64::MAX));
    engine.scan(&range, false, &mut |key, _| {
        first = Some(keys::record_place(key));
        false
    })?;
    Ok(first.transpose()?.map(|(pos, _)| pos))
}

/// Seq after the record at `pos`.
pub(crate) fn engine_seq(engine: &dyn Engine, entity: &EntityId, pos: Pos) -> Result<Option<Seq>> {
    match engine.get(&keys::record(entity, pos, 0))? {
        Some(value) => record_seq(parts::first(&value)?.bytes).map(Some),
        None => Ok(None),
    }
}

/// A value in parts whose first stands at `key(0)`. `None` inside when there is none.
pub(crate) fn engine_value(
    engine: &dyn Engine,
    what: &str,
    key: impl Fn(u16) -> Vec<u8>,
) -> Result<Option<Bytes>> {
    until_whole(what, || {
        let Some(first) = engine.get(&key(0))? else {
            return Ok(Some(None));
        };
        let joined = parts::join(&first, |part| engine.get(&key(part)))?;
        Ok(joined.map(Some))
    })
}

impl Shared {
    /// Durable records with `from <= pos < to`.
    pub(crate) fn page(
        &self,
        entity: &EntityId,
        (from, to): (Pos, Pos),
        reverse: bool,
        limit: PageLimit,
    ) -> Result<Vec<Record>> {
        if limit.count_max == 0 {
            return Ok(Vec::new());
        }
        until_whole("a record", || {
            let durable_before = self.durable(entity);
            let to = durable_before.map_or(to, |tail| to.min(tail.pos.next()));
            let mut assembler = Assembler::new(reverse, limit);
            let range = keys::records(entity, from, to);
            self.engine.scan(&range, reverse, &mut |key, value| {
                assembler.visit(key, value)
            })?;
            // Only now, see the module's second invariant.
            let durable_after = match durable_before {
                Some(_) => None,
                None => self.durable(entity),
            };
            let Some(mut records) = assembler.finish()? else {
                return Ok(None);
            };
            if let Some(tail) = durable_after {
                let met_count = records.len();
                records.retain(|record| record.pos <= tail.pos);
                if reverse && records.len() < met_count {
                    // The page was filled from beyond the end: read again, below it.
                    return Ok(None);
                }
            }
            Ok(Some(records))
        })
    }

    /// An index row as it is durable.
    pub(crate) fn visible_row(&self, company: &CompanyId, row_key: &[u8]) -> Result<Option<Bytes>> {
        let key = |part| keys::row(company, row_key, part);
        let value = engine_value(self.engine.as_ref(), "a row", key)?;
        match self.hidden().get(&key(0)) {
            Some(old) => Ok(old.clone()),
            None => Ok(value),
        }
    }

    /// First parts in a range, as they are durable, at most `count_max`: engine keys with whole
    /// values.
    pub(crate) fn visible_rows(
        &self,
        company: &CompanyId,
        range: &KeyRange,
        reverse: bool,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let mut scan_count_max = count_max;
        loop {
            let met = self.scan_rows(company, range, reverse, scan_count_max)?;
            // Only now: what was committed meanwhile is hidden until it lasts.
            let hidden = self.hidden();
            let veiled = match range.from < range.to {
                true => hidden.range(range.from.clone()..range.to.clone()).count(),
                false => 0,
            };
            if veiled == 0 {
                return Ok(first_of(met, count_max));
            }
            // Hidden rows may push others out of the page, so it must have been read longer.
            let needed = count_max.saturating_add(veiled);
            if scan_count_max < needed {
                scan_count_max = needed;
                continue;
            }
            let mut rows: std::collections::BTreeMap<_, _> = met.into_iter().collect();
            for (key, old) in hidden.range(range.from.clone()..range.to.clone()) {
                match old {
                    Some(old) => rows.insert(key.clone(), old.clone()),
                    None => rows.remove(key),
                };
            }
            let mut rows: Vec<_> = rows.into_iter().collect();
            if reverse {
                rows.reverse();
            }
            return Ok(first_of(rows, count_max));
        }
    }

    fn scan_rows(
        &self,
        company: &CompanyId,
        range: &KeyRange,
        reverse: bool,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let mut firsts = Vec::new();
        if count_max == 0 {
            return Ok(firsts);
        }
        self.engine.scan(range, reverse, &mut |key, value| {
            firsts.push((key.to_vec(), Bytes::copy_from_slice(value)));
            firsts.len() < count_max
        })?;
        let mut rows = Vec::with_capacity(firsts.len());
        for (key, value) in firsts {
            let first = parts::first(&value)?;
            if first.part_count == 1 {
                let bytes = value.slice(value.len() - first.bytes.len()..);
                rows.push((key, bytes));
                continue;
            }
            let row_key = keys::row_key(company, &key);
            let part_key = |part| keys::row(company, row_key, part);
            if let Some(joined) = engine_value(self.engine.as_ref(), "a row", part_key)? {
                rows.push((key, joined));
            }
        }
        Ok(rows)
    }
}

fn first_of<T>(mut rows: Vec<T>, count_max: usize) -> Vec<T> {
    rows.truncate(count_max);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_outlasts_a_writer_that_lost_its_core_and_not_damage() {
        let mut tried = 0;
        let read = until_whole("a row", || {
            tried += 1;
            Ok((tried > 40).then_some(tried))
        });
        assert_eq!(read.expect("it was whole in the end"), 41);
        let damaged = until_whole("a row", || Ok(None::<()>));
        assert!(matches!(damaged, Err(Error::Damaged(why)) if why.contains("a row")));
    }
}
