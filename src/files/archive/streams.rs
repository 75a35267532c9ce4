//! gzip and tar: read from front to end, once.
//!
//! Invariants: names that stand before their entries are read within [`NAME_BYTES_MAX`].
//! Never: follows a link.

use std::fs::File;
use std::io::{BufReader, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::budget::Counted;
use super::{Finding, Packing, Place, Strictness, Walk, names};

/// A name that stands in an entry of its own, bytes; systems know none of more than 4,096.
const NAME_BYTES_MAX: u64 = 64 * 1024;

impl Walk {
    /// One packed file, or several one behind the other that are one.
    pub(super) fn look_into_gzip(&mut self, file: File, place: &Place) -> Result<(), Finding> {
        self.budget.take_entries(1)?;
        self.check_name(&place.stem, place)?;
        let packed_bytes = file.metadata()?.len();
        let inflated = MultiGzDecoder::new(BufReader::new(file));
        let mut source = Counted::new(inflated, packed_bytes, Rc::clone(&self.budget));
        self.look_at(&place.stem, Packing::Packed, &mut source, place)
    }

    pub(super) fn look_into_tar<R: Read>(
        &mut self,
        source: R,
        place: &Place,
    ) -> Result<(), Finding> {
        let mut archive = Archive::new(source);
        let mut long_name = None;
        // Raw: otherwise the library reads names of any length into memory.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.budget.take_entries(1)?;
            let kind = entry.header().entry_type();
            if let Some(name) = name_ahead(&mut entry, kind)? {
                long_name = name.or(long_name);
                continue;
            }
            let own_name = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = long_name.take().unwrap_or_else(own_name);
            self.check_name(&name, place)?;
            if self.strictness == Strictness::Harmless {
                check_kind(&entry, kind)?;
            }
            self.look_at(&name, Packing::AsIs, &mut entry, place)?;
        }
        Ok(())
    }
}

/// What an entry says of the next one; `None` if it says nothing of that kind.
fn name_ahead<R: Read>(
    entry: &mut Entry<'_, R>,
    kind: EntryType,
) -> Result<Option<Option<String>>, Finding> {
    let is_name = matches!(kind, EntryType::GNULongName | EntryType::GNULongLink);
    let is_record = matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader);
    if !is_name && !is_record {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    entry.take(NAME_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > NAME_BYTES_MAX {
        return Err(Finding::Broken);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = match kind {
        EntryType::GNULongName => Some(text(bytes.strip_suffix(b"\0").unwrap_or(&bytes))),
        EntryType::XHeader => {
            let mut records = tar::PaxExtensions::new(&bytes).filter_map(Result::ok);
            let path = records.find(|record| record.key_bytes() == b"path");
            path.map(|record| text(record.value_bytes()))
        }
        _ => None,
    };
    Ok(Some(name))
}

/// Files, folders, and links that stay inside; devices are nothing to send.
fn check_kind<R: Read>(entry: &Entry<'_, R>, kind: EntryType) -> Result<(), Finding> {
    match kind {
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            match names::leaves_folder(&String::from_utf8_lossy(&target)) {
                true => Err(Finding::Leaves),
                false => Ok(()),
            }
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err(Finding::Runs),
        _ => Ok(()),
    }
}
