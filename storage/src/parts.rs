//! Long values as several short ones: an engine's value has a bound, a record or row may exceed it.
//!
//! The first part is `part_count: u16, stamp: u64, bytes`, every further one `stamp: u64, bytes`.
//! The stamp is the same in all parts of one write, so a reader that met the parts of two writes
//! (rows and snapshots are overwritten) notices and reads again.
//!
//! Never: reads or writes.

use bytes::{Bytes, BytesMut};

use crate::engine::VALUE_BYTES_MAX;
use crate::journal::{Error, Result};

const FIRST_HEADER_BYTES: usize = 10;
const FURTHER_HEADER_BYTES: usize = 8;
const FIRST_BYTES_MAX: usize = VALUE_BYTES_MAX - FIRST_HEADER_BYTES;
const FURTHER_BYTES_MAX: usize = VALUE_BYTES_MAX - FURTHER_HEADER_BYTES;

/// Cuts `header` and `body` into the values to store, in order of their parts.
pub(crate) fn split(stamp: u64, header: &[u8], body: &[u8]) -> Vec<Bytes> {
    let first_body_bytes = (FIRST_BYTES_MAX - header.len()).min(body.len());
    let (first_body, rest) = body.split_at(first_body_bytes);
    let further = rest.chunks(FURTHER_BYTES_MAX);
    let part_count = u16::try_from(1 + further.len()).expect("a value is a megabyte at most");
    let mut parts = Vec::with_capacity(1 + further.len());
    let mut first = BytesMut::with_capacity(FIRST_HEADER_BYTES + header.len() + first_body.len());
    first.extend_from_slice(&part_count.to_be_bytes());
    first.extend_from_slice(&stamp.to_be_bytes());
    first.extend_from_slice(header);
    first.extend_from_slice(first_body);
    parts.push(first.freeze());
    for chunk in further {
        let mut part = BytesMut::with_capacity(FURTHER_HEADER_BYTES + chunk.len());
        part.extend_from_slice(&stamp.to_be_bytes());
        part.extend_from_slice(chunk);
        parts.push(part.freeze());
    }
    parts
}

/// A first part taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First<'value> {
    pub(crate) part_count: u16,
    pub(crate) stamp: u64,
    pub(crate) bytes: &'value [u8],
}

/// Reads a first part.
pub(crate) fn first(value: &[u8]) -> Result<First<'_>> {
    let damaged = || Error::Damaged("a first part is too short".into());
    let (part_count, rest) = value.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (stamp, bytes) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok(First {
        part_count: u16::from_be_bytes(*part_count).max(1),
        stamp: u64::from_be_bytes(*stamp),
        bytes,
    })
}

/// The bytes of a further part, if it belongs to the write with this stamp.
pub(crate) fn further(value: &[u8], stamp: u64) -> Option<&[u8]> {
    let (found, bytes) = value.split_first_chunk::<FURTHER_HEADER_BYTES>()?;
    (u64::from_be_bytes(*found) == stamp).then_some(bytes)
}

/// Puts a value together whose first part is `value`; `part` finds the further ones. `None` when a
/// part is missing or belongs to another write.
pub(crate) fn join(
    value: &[u8],
    mut part: impl FnMut(u16) -> Result<Option<Bytes>>,
) -> Result<Option<Bytes>> {
    let first = first(value)?;
    if first.part_count == 1 {
        return Ok(Some(Bytes::copy_from_slice(first.bytes)));
    }
    let mut joined = BytesMut::with_capacity(usize::from(first.part_count) * VALUE_BYTES_MAX);
    joined.extend_from_slice(first.bytes);
    for number in 1..first.part_count {
        let Some(value) = part(number)? else {
            return Ok(None);
        };
        match further(&value, first.stamp) {
            Some(bytes) => joined.extend_from_slice(bytes),
            None => return Ok(None),
        }
    }
    Ok(Some(joined.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_length_comes_back_whole() {
        for bytes in [
            0,
            1,
            FIRST_BYTES_MAX - 8,
            FIRST_BYTES_MAX - 7,
            50_000,
            1 << 20,
        ] {
            let body: Vec<u8> = (0..bytes).map(|i| i as u8).collect();
            let parts = split(7, b"8 octets", &body);
            assert!(parts.iter().all(|part| part.len() <= VALUE_BYTES_MAX));
            let joined = join(&parts[0], |part| Ok(parts.get(usize::from(part)).cloned()));
            let joined = joined.expect("well-formed").expect("complete");
            assert_eq!(&joined[..8], b"8 octets");
            assert_eq!(&joined[8..], &body[..]);
        }
    }

    #[test]
    fn parts_of_two_writes_are_not_joined() {
        let old = split(1, b"", &[1; 20_000]);
        let new = split(2, b"", &[2; 20_000]);
        let mixed = join(&new[0], |part| Ok(old.get(usize::from(part)).cloned()));
        assert_eq!(mixed.expect("well-formed"), None);
    }
}
