//! The layout of keys: the one place that builds them.
//!
//! ```text
//! company 0x00 'r' entity pos part      a record's parts
//! company 0x00 'c' entity cid person    a command's first outcome
//! company 0x00 's' entity part          the snapshot
//! company 0x00 'i' row-key              an index row's first part
//! company 0x00 'j' len row-key part     an index row's further parts
//! 0x00 'b'                              the boot record
//! 0x00 'n' company 0x00                 the list of companies
//! 0x00 'p' company 0x00 entity          pending marks
//! 0x00 'e' company 0x00 entity          before which record everything is to be erased
//! ```
//! An entity is `0x00` (the company), `0x01` and a room's 16 bytes, `0x02` (the staff), `0x03` (the
//! companies) or `0x04` and a part (login names); numbers are big-endian.
//!
//! Invariants:
//! 1. A company's name holds no 0x00, so no company's prefix is a prefix of another's.
//! 2. Entities are prefix-free, so a scan of one never meets another's keys.
//! 3. The order of keys is the order of positions, parts and row keys.
//!
//! Never: reads or writes.

use frontdesk_protocol::{Cid, CompanyId, PersonId, Pos, RoomId, UploadId};

use crate::journal::{EntityId, EntityKind, Error, Result};

const RECORD: u8 = b'r';
const CID: u8 = b'c';
const SNAPSHOT: u8 = b's';
const ROW: u8 = b'i';
const ROW_PART: u8 = b'j';
const BOOT: u8 = b'b';
const COMPANY: u8 = b'n';
const PENDING: u8 = b'p';
const ERASURE: u8 = b'e';

/// The byte after a company's name; no name holds it.
const END: u8 = 0x00;
const KIND_COMPANY: u8 = 0x00;
const KIND_ROOM: u8 = 0x01;
const KIND_STAFF: u8 = 0x02;
const KIND_COMPANIES: u8 = 0x03;
const KIND_NAMES: u8 = 0x04;
const KIND_UPLOAD: u8 = 0x05;

/// Half-open range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl KeyRange {
    /// Everything that starts with `prefix`, whose last byte is never 0xFF.
    fn below(prefix: Vec<u8>) -> Self {
        let mut to = prefix.clone();
        match to.last_mut() {
            Some(last) if *last < 0xFF => *last += 1,
            _ => to.push(0xFF),
        }
        Self { from: prefix, to }
    }

    /// The whole store.
    pub(crate) fn all() -> Self {
        Self {
            from: Vec::new(),
            to: vec![0xFF],
        }
    }
}

fn company_purpose(company: &CompanyId, purpose: u8, more_bytes: usize) -> Vec<u8> {
    let name = company.as_str().as_bytes();
    let mut key = Vec::with_capacity(name.len() + 2 + more_bytes);
    key.extend_from_slice(name);
    key.push(END);
    key.push(purpose);
    key
}

fn push_entity(key: &mut Vec<u8>, kind: &EntityKind) {
    match kind {
        EntityKind::Company => key.push(KIND_COMPANY),
        EntityKind::Room(room) => {
            key.push(KIND_ROOM);
            key.extend_from_slice(room.bits());
        }
        EntityKind::Staff => key.push(KIND_STAFF),
        EntityKind::Companies => key.push(KIND_COMPANIES),
        EntityKind::Names(part) => key.extend_from_slice(&[KIND_NAMES, *part]),
        EntityKind::Upload(upload) => {
            key.push(KIND_UPLOAD);
            key.extend_from_slice(upload.bits());
        }
    }
}

fn entity_purpose(entity: &EntityId, purpose: u8, more_bytes: usize) -> Vec<u8> {
    let mut key = company_purpose(&entity.company, purpose, 17 + more_bytes);
    push_entity(&mut key, &entity.kind);
    key
}

/// Part `part` of the record at `pos`.
pub(crate) fn record(entity: &EntityId, pos: Pos, part: u16) -> Vec<u8> {
    let mut key = entity_purpose(entity, RECORD, 10);
    key.extend_from_slice(&pos.0.to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// Records with `from <= pos < to`.
pub(crate) fn records(entity: &EntityId, from: Pos, to: Pos) -> KeyRange {
    KeyRange {
        from: record(entity, from, 0),
        to: record(entity, to, 0),
    }
}

/// Pos and part of a record's key, which end it.
pub(crate) fn record_place(key: &[u8]) -> Result<(Pos, u16)> {
    let damaged = || Error::Damaged("a record's key is too short".into());
    let (rest, part) = key.split_last_chunk::<2>().ok_or_else(damaged)?;
    let (_, pos) = rest.split_last_chunk::<8>().ok_or_else(damaged)?;
    Ok((Pos(u64::from_be_bytes(*pos)), u16::from_be_bytes(*part)))
}

/// A person's command in an entity.
pub(crate) fn cid(entity: &EntityId, cid: &Cid, person: &PersonId) -> Vec<u8> {
    let person = person.as_str().as_bytes();
    let mut key = entity_purpose(entity, CID, 16 + person.len());
    key.extend_from_slice(cid.bits());
    key.extend_from_slice(person);
    key
}

/// All cid rows of an entity.
pub(crate) fn cids_of_entity(entity: &EntityId) -> KeyRange {
    KeyRange::below(entity_purpose(entity, CID, 0))
}

/// All cid rows of a company named by its bytes.
pub(crate) fn cids_of(company: &[u8]) -> KeyRange {
    KeyRange::below([company, &[END, CID]].concat())
}

/// Where the keys after a company's begin.
pub(crate) fn after_company(company: &[u8]) -> Vec<u8> {
    [company, &[END + 1]].concat()
}

/// The company's bytes of any key; empty for the node's own.
pub(crate) fn company_of(key: &[u8]) -> &[u8] {
    let end = key.iter().position(|byte| *byte == END);
    &key[..end.unwrap_or(key.len())]
}

/// Part `part` of the entity's snapshot.
pub(crate) fn snapshot(entity: &EntityId, part: u16) -> Vec<u8> {
    let mut key = entity_purpose(entity, SNAPSHOT, 2);
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// Part `part` of an index row. Only the first stands in the order that scans follow.
pub(crate) fn row(company: &CompanyId, row_key: &[u8], part: u16) -> Vec<u8> {
    if part == 0 {
        let mut key = company_purpose(company, ROW, row_key.len());
        key.extend_from_slice(row_key);
        return key;
    }
    let mut key = company_purpose(company, ROW_PART, row_key.len() + 4);
    let len = u16::try_from(row_key.len()).expect("row keys are at most 512 bytes");
    key.extend_from_slice(&len.to_be_bytes());
    key.extend_from_slice(row_key);
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// Index rows with `from <= key < to`.
pub(crate) fn rows(company: &CompanyId, from: &[u8], to: &[u8]) -> KeyRange {
    KeyRange {
        from: row(company, from, 0),
        to: row(company, to, 0),
    }
}

/// The row key within an engine key that [`row`] made for part 0.
pub(crate) fn row_key<'key>(company: &CompanyId, key: &'key [u8]) -> &'key [u8] {
    key.get(company.as_str().len() + 2..).unwrap_or_default()
}

/// The boot record.
pub(crate) fn boot() -> Vec<u8> {
    vec![END, BOOT]
}

/// A company's place in the list.
pub(crate) fn company(company: &CompanyId) -> Vec<u8> {
    let mut key = vec![END, COMPANY];
    key.extend_from_slice(company.as_str().as_bytes());
    key.push(END);
    key
}

/// The list of companies.
pub(crate) fn companies() -> KeyRange {
    KeyRange::below(vec![END, COMPANY])
}

/// The company that a key of the list names.
pub(crate) fn listed_company(key: &[u8]) -> Result<CompanyId> {
    parse_company(key.get(2..).unwrap_or_default()).map(|(company, _)| company)
}

/// An entity's pending mark.
pub(crate) fn pending(entity: &EntityId) -> Vec<u8> {
    mark(PENDING, entity)
}

/// The mark that something of an entity is to be erased.
pub(crate) fn erasure(entity: &EntityId) -> Vec<u8> {
    mark(ERASURE, entity)
}

fn mark(purpose: u8, entity: &EntityId) -> Vec<u8> {
    let mut key = vec![END, purpose];
    key.extend_from_slice(entity.company.as_str().as_bytes());
    key.push(END);
    push_entity(&mut key, &entity.kind);
    key
}

/// Every pending mark of the node.
pub(crate) fn pendings() -> KeyRange {
    KeyRange::below(vec![END, PENDING])
}

/// Every mark that something is to be erased.
pub(crate) fn erasures() -> KeyRange {
    KeyRange::below(vec![END, ERASURE])
}

/// The entity that the key of a mark names.
pub(crate) fn marked_entity(key: &[u8]) -> Result<EntityId> {
    let (company, entity) = parse_company(key.get(2..).unwrap_or_default())?;
    let kind = match entity.split_first() {
        Some((&KIND_COMPANY, [])) => EntityKind::Company,
        Some((&KIND_STAFF, [])) => EntityKind::Staff,
        Some((&KIND_COMPANIES, [])) => EntityKind::Companies,
        Some((&KIND_NAMES, &[part])) => EntityKind::Names(part),
        Some((&KIND_ROOM, room)) => {
            let bits = <[u8; 16]>::try_from(room);
            EntityKind::Room(RoomId::from_bits(bits.map_err(|_| bad_key("room"))?))
        }
        Some((&KIND_UPLOAD, upload)) => {
            let bits = <[u8; 16]>::try_from(upload);
            EntityKind::Upload(UploadId::from_bits(bits.map_err(|_| bad_key("upload"))?))
        }
        _ => return Err(bad_key("entity")),
    };
    Ok(EntityId { company, kind })
}

fn parse_company(bytes: &[u8]) -> Result<(CompanyId, &[u8])> {
    let name = company_of(bytes);
    let rest = bytes.get(name.len() + 1..).ok_or_else(|| bad_key("end"))?;
    let text = std::str::from_utf8(name).map_err(|_| bad_key("company"))?;
    let company = CompanyId::new(text).map_err(|_| bad_key("company"))?;
    Ok((company, rest))
}

fn bad_key(part: &str) -> Error {
    Error::Damaged(format!("a key's {part} is not one"))
}

/// Longest name of a blob, bytes: fits every file system's limit with an engine's own suffix.
pub const BLOB_NAME_BYTES_MAX: usize = 128;

/// The key of a blob: its company first, then a flat name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    company: CompanyId,
    name: String,
}

impl BlobKey {
    /// Checks the name: 1 to 128 of `A-Z a-z 0-9 . _ -`, not starting with a dot, so that it is a
    /// file's name everywhere and never a way out of its company's folder.
    pub fn new(company: CompanyId, name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let length_fits = (1..=BLOB_NAME_BYTES_MAX).contains(&name.len());
        if !length_fits || name.starts_with('.') || !name.bytes().all(allowed) {
            return Err(Error::Refused(format!(
                "not a blob's name: 1 to {BLOB_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -"
            )));
        }
        Ok(Self {
            company,
            name: name.to_owned(),
        })
    }

    /// Whose it is.
    pub fn company(&self) -> &CompanyId {
        &self.company
    }

    /// The name within the company.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path within the bucket or folder.
    pub(crate) fn path(&self) -> object_store::path::Path {
        object_store::path::Path::from_iter([self.company.as_str(), &self.name])
    }
}

/// Where a company's blobs stand within the bucket or folder.
pub(crate) fn blobs_of(company: &CompanyId) -> object_store::path::Path {
    object_store::path::Path::from_iter([company.as_str()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn companies() -> impl Strategy<Value = CompanyId> {
        "[A-B0_]{1,3}".prop_map(|name| CompanyId::new(&name).expect("a company id"))
    }

    fn entities() -> impl Strategy<Value = EntityId> {
        let bits = prop::collection::vec(prop::sample::select(vec![0u8, 1, 114, 255]), 16);
        (companies(), prop::option::of(bits)).prop_map(|(company, bits)| match bits {
            None => EntityId::company(company),
            Some(bits) => {
                let bits = bits.try_into().expect("sixteen bytes");
                EntityId::room(company, RoomId::from_bits(bits))
            }
        })
    }

    fn contains(range: &KeyRange, key: &[u8]) -> bool {
        range.from[..] <= *key && *key < range.to[..]
    }

    /// Every key that an entity's or its company's rows can have, for these numbers.
    fn keys_of(entity: &EntityId, pos: u64, part: u16, row_key: &[u8]) -> Vec<Vec<u8>> {
        let person = PersonId::new("5").expect("a person id");
        vec![
            record(entity, Pos(pos), part),
            super::cid(entity, &Cid::from_digest([part as u8; 16]), &person),
            snapshot(entity, part),
            row(&entity.company, row_key, part),
            pending(entity),
            company(&entity.company),
            erasure(entity),
            boot(),
        ]
    }

    proptest! {
        #[test]
        fn a_scan_of_one_entity_or_company_never_meets_anothers(
            mine in entities(),
            other in entities(),
            pos in 0..u64::MAX,
            part in any::<u16>(),
            row_key in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let foreign = keys_of(&other, pos, part, &row_key);
            let records = records(&mine, Pos(0), Pos(u64::MAX));
            let rows = rows(&mine.company, b"", &[0xFF; 512]);
            let cids = cids_of(mine.company.as_str().as_bytes());
            let own_cids = cids_of_entity(&mine);
            for (i, key) in foreign.iter().enumerate() {
                let (is_record, is_cid, is_row) = (i == 0, i == 1, i == 3 && part == 0);
                let same_company = mine.company == other.company;
                prop_assert_eq!(contains(&records, key), is_record && mine == other);
                prop_assert_eq!(contains(&cids, key), is_cid && same_company);
                prop_assert_eq!(contains(&own_cids, key), is_cid && mine == other);
                prop_assert_eq!(contains(&rows, key), is_row && same_company);
                prop_assert_eq!(contains(&pendings(), key), i == 4);
                prop_assert_eq!(contains(&super::companies(), key), i == 5);
                prop_assert_eq!(contains(&erasures(), key), i == 6);
                prop_assert!(contains(&KeyRange::all(), key));
            }
            prop_assert_eq!(marked_entity(&pending(&other)).expect("parses"), other.clone());
            let listed = listed_company(&company(&other.company)).expect("parses");
            prop_assert_eq!(listed, other.company);
        }

        #[test]
        fn keys_stand_in_the_order_of_positions_and_row_keys(
            entity in entities(),
            places in prop::collection::vec((any::<u64>(), any::<u16>()), 2),
            row_keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 2),
        ) {
            let key = |place: (u64, u16)| record(&entity, Pos(place.0), place.1);
            prop_assert_eq!(key(places[0]).cmp(&key(places[1])), places[0].cmp(&places[1]));
            let (pos, part) = record_place(&key(places[0])).expect("parses");
            prop_assert_eq!((pos.0, part), places[0]);
            let key = |row_key: &[u8]| row(&entity.company, row_key, 0);
            let order = key(&row_keys[0]).cmp(&key(&row_keys[1]));
            prop_assert_eq!(order, row_keys[0].cmp(&row_keys[1]));
            let first = key(&row_keys[0]);
            prop_assert_eq!(row_key(&entity.company, &first), &row_keys[0][..]);
        }

        #[test]
        fn different_rows_and_parts_have_different_keys(
            keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..4), 2),
            parts in prop::collection::vec(0u16..3, 2),
        ) {
            let company = CompanyId::new("A").expect("a company id");
            let same = keys[0] == keys[1] && parts[0] == parts[1];
            let first = row(&company, &keys[0], parts[0]);
            prop_assert_eq!(first == row(&company, &keys[1], parts[1]), same);
        }
    }

    #[test]
    fn a_blobs_name_cannot_leave_its_company() {
        let company = CompanyId::new("A").expect("a company id");
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(129),
        ] {
            assert!(BlobKey::new(company.clone(), bad).is_err(), "{bad:?}");
        }
        let key = BlobKey::new(company, "f_01-a.png").expect("a name");
        assert_eq!(key.path().as_ref(), "A/f_01-a.png");
    }
}
