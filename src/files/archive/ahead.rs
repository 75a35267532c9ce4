//! What an entry of a tar says ahead: of the next entry, or of all that follow.
//!
//! Invariants: read within [`SAID_BYTES_MAX`]; records are found by the lengths that stand before
//! them, as other programs find them, whatever their values hold.
//! Never: believes what is said; names and links are there to be judged, and nothing is read by a
//! length that stands here.

use std::io::Read;

use tar::{Entry, EntryType};

use super::Finding;

/// What is said in one entry, bytes: systems know no name of more than 4,096.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Names in their order; of several for one entry programs take the last.
    pub(super) names: Vec<String>,
    /// Where links are to lead.
    pub(super) links: Vec<String>,
    /// Whether programs come to different entries by it: a length other than the one in the head,
    /// a file with holes, or records that do not stand where their lengths say.
    pub(super) is_ambiguous: bool,
    is_for_all: bool,
}

impl Ahead {
    /// How the next entry is called. What is said for all is passed over by many programs.
    pub(super) fn next_name(self) -> Option<String> {
        self.names
            .into_iter()
            .next_back()
            .filter(|_| !self.is_for_all)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        match key {
            // Said again as nothing, a name is the one in the head.
            b"path" if value.is_empty() => self.is_ambiguous = true,
            b"path" => self.names.push(text(value)),
            b"linkpath" => self.links.push(text(value)),
            b"size" => self.is_ambiguous = true,
            _ if key.starts_with(b"GNU.sparse.") => self.is_ambiguous = true,
            _ => {}
        }
    }
}

/// Reads what an entry says; `None` if it is none of that kind.
pub(super) fn read<R: Read>(
    entry: &mut Entry<'_, R>,
    kind: EntryType,
) -> Result<Option<Ahead>, Finding> {
    /// As Solaris wrote records before POSIX did.
    const OLD_RECORDS: u8 = b'X';
    let is_name = matches!(kind, EntryType::GNULongName | EntryType::GNULongLink);
    let is_for_all = kind == EntryType::XGlobalHeader;
    let is_for_next = kind == EntryType::XHeader || kind.as_byte() == OLD_RECORDS;
    if !is_name && !is_for_all && !is_for_next {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    entry.take(SAID_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SAID_BYTES_MAX {
        return Err(Finding::Broken);
    }
    let mut said = Ahead {
        is_for_all,
        ..Ahead::default()
    };
    let whole = || text(bytes.strip_suffix(b"\0").unwrap_or(&bytes));
    match kind {
        EntryType::GNULongName => said.names.push(whole()),
        EntryType::GNULongLink => said.links.push(whole()),
        _ => take_records(&mut said, &bytes),
    }
    Ok(Some(said))
}

fn take_records(said: &mut Ahead, mut rest: &[u8]) {
    while !rest.is_empty() {
        let Some(record) = first_record(rest) else {
            said.is_ambiguous = true;
            return;
        };
        said.take(record.key, record.value);
        rest = record.rest;
    }
}

struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// A length in digits that counts itself, a space, a key, `=`, a value of any bytes, a line end.
fn first_record(bytes: &[u8]) -> Option<Record<'_>> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let digits = bytes[..space].iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(&bytes[..space])
        .ok()
        .filter(|_| digits)?;
    let length: usize = length.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(Record {
        key: &record[..equals],
        value: &record[equals + 1..],
        rest: &bytes[length..],
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
