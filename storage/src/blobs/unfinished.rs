//! What is known of blobs that are being sent to a bucket in parts: a file for each, made before
//! its first part is sent, so that whoever comes after a crash goes on with it or takes it back.
//!
//! ```text
//! frontdesk parts 1
//! size 20971520
//! part-bytes 8388608
//! id what the bucket calls it
//! part 27d4eb2f165667c5… what the bucket calls the part
//! completing
//! ```
//! A part's number is a digest of its bytes: it is not sent again if they are the same.
//!
//! Invariants: the head is on disk before it is acted on; a line that is not whole is not there.
//! Blocks: to be called on threads that may. Never: speaks to the bucket.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::staged::names_by_company;
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::BlobKey;

const FORMAT: &str = "frontdesk parts 1";

/// A part that the bucket has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentPart {
    pub(super) digest: u128,
    pub(super) name: String,
}

/// A blob that is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) size: u64,
    pub(super) part_bytes: u64,
    /// What the bucket calls it.
    pub(super) id: String,
    /// In their order.
    pub(super) parts: Vec<SentPart>,
    /// How often its end was tried.
    pub(super) completing_count: u32,
}

/// All of them, in a folder.
#[derive(Debug, Clone)]
pub(super) struct Unfinished {
    folder: PathBuf,
}

impl Unfinished {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(files::failed("make the folder of parts"))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.folder.join(key.company().as_str()).join(key.name())
    }

    /// What is known of a blob; `None` also where it broke off before anything could be sent.
    pub(super) fn load(&self, key: &BlobKey) -> Result<Option<Sending>> {
        match std::fs::read_to_string(self.path(key)) {
            Ok(text) => Ok(parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(files::failed("read what was sent of a file")(error)),
        }
    }

    /// Begins, with everything on disk.
    pub(super) fn begin(&self, key: &BlobKey, sending: &Sending) -> Result<()> {
        if sending.id.is_empty() || sending.id.chars().any(char::is_control) {
            return Err(Error::Away("gave a name that is none"));
        }
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.exists() {
            std::fs::create_dir_all(folder).map_err(files::failed("make a folder of parts"))?;
            files::sync_folder(&self.folder)?;
        }
        let head = format!(
            "{FORMAT}\nsize {}\npart-bytes {}\nid {}\n",
            sending.size, sending.part_bytes, sending.id
        );
        let mut file = File::create(&path).map_err(files::failed("note parts"))?;
        let written = file.write_all(head.as_bytes());
        let synced = written.and_then(|()| file.sync_all());
        synced.map_err(files::failed("note parts"))?;
        files::sync_folder(folder)
    }

    /// Notes a part. It need not outlive a loss of power: then it is sent again.
    pub(super) fn sent(&self, key: &BlobKey, part: &SentPart) -> Result<()> {
        if part.name.chars().any(char::is_control) {
            return Err(Error::Away("gave a name that is none"));
        }
        self.add(key, &format!("part {:032x} {}\n", part.digest, part.name))
    }

    /// Notes that the end is tried.
    pub(super) fn completing(&self, key: &BlobKey) -> Result<()> {
        self.add(key, "completing\n")
    }

    fn add(&self, key: &BlobKey, line: &str) -> Result<()> {
        let file = File::options().append(true).open(self.path(key));
        let added = file.and_then(|mut file| file.write_all(line.as_bytes()));
        added.map_err(files::failed("note a part"))
    }

    /// Forgets a blob.
    pub(super) fn forget(&self, key: &BlobKey) -> Result<()> {
        match std::fs::remove_file(self.path(key)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(files::failed("forget parts")(error)),
        }
    }

    /// All blobs of which something is known.
    pub(super) fn list(&self) -> Result<Vec<BlobKey>> {
        names_by_company(&self.folder, |company, name| {
            BlobKey::new(company.clone(), name).ok()
        })
    }
}

fn parse(text: &str) -> Option<Sending> {
    // What follows the last line's end was being written when it broke off.
    let (whole, _) = text.rsplit_once('\n')?;
    let mut lines = whole.split('\n');
    let mut head = |name: &str| lines.next()?.strip_prefix(name);
    head(FORMAT).filter(|rest| rest.is_empty())?;
    let mut sending = Sending {
        size: head("size ")?.parse().ok()?,
        part_bytes: head("part-bytes ")?.parse().ok()?,
        id: head("id ")?.to_owned(),
        parts: Vec::new(),
        completing_count: 0,
    };
    for line in lines {
        if line == "completing" {
            sending.completing_count += 1;
            continue;
        }
        let (digest, name) = line.strip_prefix("part ")?.split_once(' ')?;
        sending.parts.push(SentPart {
            digest: u128::from_str_radix(digest, 16).ok()?,
            name: name.to_owned(),
        });
    }
    Some(sending)
}
