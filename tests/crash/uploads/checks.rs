//! What the store, the room and the folders hold, compared with what the senders know.
//!
//! Invariants checked: a file that was said to be ready stands with the bytes that were sent, under
//! one number, with one message if it is for the room; a cancelled one stands nowhere; whatever
//! else is there was begun by a request whose answer was lost, and no more often than that.
//! Never: changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk_protocol::CompanyId;
use frontdesk_storage::{BlobKey, BlobReader, Durability, ObjectBlobs};
use reqwest::Method;
use serde_json::Value;

use super::entry::{Entry, Made};
use super::sender::{Sender, Stop, Way};
use crate::support::server::COMPANY;

/// What a packed file begins with, and none that is sent here.
const PACKED_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// What the name of a small picture ends with.
const THUMBNAIL_END: &str = ".thumb";

/// A message with a file.
#[derive(Debug)]
pub(super) struct Shown {
    seq: u64,
    upload: String,
    name: String,
    file: u64,
    text: String,
}

impl Shown {
    pub(super) fn read(event: &Value) -> Option<Self> {
        let file = event.get("file").filter(|file| file.is_object())?;
        Some(Self {
            seq: event["seq"].as_u64()?,
            upload: file["upload"].as_str()?.to_owned(),
            name: file["name"].as_str()?.to_owned(),
            file: file["no"].as_u64()?,
            text: event["text"].as_str()?.to_owned(),
        })
    }
}

/// Compares the room with what the senders know.
pub(super) fn check_room(shown: &[Shown], senders: &[Sender]) -> Result<(), String> {
    let entries = || {
        senders
            .iter()
            .flat_map(|one| one.over.iter().chain(&one.open))
    };
    let by_name: BTreeMap<String, &Entry> =
        entries().map(|entry| (entry.plan.name(), entry)).collect();
    let mut by_upload: BTreeMap<&str, &Shown> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for one in shown {
        if let Some(other) = by_upload.insert(&one.upload, one) {
            return Err(format!("{other:?} and {one:?} are of one upload"));
        }
        let entry = by_name.get(&one.name).filter(|entry| entry.plan.has_room);
        let Some(entry) = entry else {
            return Err(format!("nobody sent {one:?}"));
        };
        if one.text != format!("caption of {}", entry.plan.number) {
            return Err(format!("{one:?} says something else"));
        }
        let count = counts.entry(&one.name).or_default();
        *count += 1;
        let is_known = entry.whole.id.as_deref() == Some(&one.upload);
        let may_be = entry.begun_count - u64::from(entry.whole.id.is_some() && !is_known);
        if *count > entry.begun_count || may_be == 0 || (is_known && entry.is_cancelled) {
            return Err(format!("{one:?} is too much: {:?}", entry.plan));
        }
    }
    for entry in entries() {
        let (Some(made), Some(id)) = (entry.made, &entry.whole.id) else {
            continue;
        };
        let there = by_upload.get(id.as_str());
        let there = there.map(|one| Made {
            file: one.file,
            seq: Some(one.seq),
        });
        let is_right = match entry.plan.has_room {
            true => there == Some(made),
            false => there.is_none(),
        };
        if !is_right {
            return Err(format!("{id} is {made:?}, and the room shows {there:?}"));
        }
    }
    Ok(())
}

/// Compares a file's bytes with what was sent; whether they stand packed.
pub(super) async fn check_bytes(files: &Path, entry: &Entry) -> Result<bool, String> {
    check_object(files, entry.whole.id.as_deref().unwrap_or_default(), entry).await
}

async fn check_object(files: &Path, id: &str, entry: &Entry) -> Result<bool, String> {
    let wanted = entry.plan.stored();
    let failed = |what: &dyn std::fmt::Display| format!("{id}: {what}: {:?}", entry.plan);
    let mut found = std::fs::read(files.join(id)).map_err(|error| failed(&error))?;
    let is_packed = found.starts_with(&PACKED_MAGIC);
    if is_packed {
        let unpacked = unpacked(files, id, wanted.len() as u64).await;
        found = unpacked.map_err(|error| failed(&error))?;
    }
    match found == wanted {
        true => Ok(is_packed),
        false => Err(failed(&format!("{} other bytes", found.len()))),
    }
}

async fn unpacked(files: &Path, id: &str, plain_bytes: u64) -> frontdesk_storage::Result<Vec<u8>> {
    let store = files.parent().expect("a folder for each company");
    let blobs = ObjectBlobs::in_folder(store, Durability::Buffered)?;
    let key = BlobKey::new(CompanyId::new(COMPANY).expect("valid"), id)?;
    let mut reader = BlobReader::of_packed(Arc::new(blobs), key, plain_bytes, 0..plain_bytes);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What a folder holds; nothing, when it is not there.
pub(super) fn names_in(folder: &Path) -> BTreeSet<String> {
    let Ok(listed) = std::fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    let names = listed.map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// What is there at the very end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) file_count: u64,
    pub(super) lost_and_kept_count: u64,
    pub(super) packed_count: u64,
    pub(super) bytes: u64,
}

/// Compares everything in the files' folder with the senders, when all of them are done.
pub(super) async fn check_files(
    files: &Path,
    senders: &[Sender],
    ways: &[Way],
) -> Result<Kept, String> {
    let mut left = names_in(files);
    let mut numbers = BTreeSet::new();
    let mut kept = Kept::default();
    let mut number = |file: u64| match numbers.insert(file) {
        true => Ok(()),
        false => Err(format!("two files have the number {file}")),
    };
    for (sender, way) in senders.iter().zip(ways) {
        for entry in &sender.over {
            let id = entry.whole.id.as_deref().unwrap_or_default();
            let Some(made) = entry.made else {
                continue;
            };
            let status = way.status(id).await.map_err(said)?;
            let now = (
                status["state"].as_str(),
                status["file"].as_u64(),
                status["seq"].as_u64(),
            );
            if now != (Some("ready"), Some(made.file), made.seq) {
                return Err(format!("{id} was {made:?} and is {status}"));
            }
            number(made.file)?;
            kept.packed_count += u64::from(check_bytes(files, entry).await?);
            left.remove(id);
            left.remove(&format!("{id}{THUMBNAIL_END}"));
            kept.bytes += entry.plan.stored().len() as u64;
        }
    }
    let unknown: Vec<String> = left
        .iter()
        .filter(|name| !name.contains('.'))
        .cloned()
        .collect();
    for id in unknown {
        let (file, entry) = lost(&id, senders, ways).await?;
        number(file)?;
        kept.packed_count += u64::from(check_object(files, &id, entry).await?);
        left.remove(&id);
        left.remove(&format!("{id}{THUMBNAIL_END}"));
        kept.bytes += entry.plan.stored().len() as u64;
        kept.lost_and_kept_count += 1;
    }
    kept.file_count = numbers.len() as u64;
    // Who cancels an upload that was done meanwhile takes its file away, and its number with it.
    let taken_back = senders.iter().flat_map(|sender| &sender.over);
    let taken_back = taken_back.filter(|entry| entry.is_cancelled).count() as u64;
    let last = numbers.last().copied().unwrap_or_default();
    let is_gapless = (kept.file_count..=kept.file_count + taken_back).contains(&last);
    match (left.is_empty(), is_gapless) {
        (true, true) => Ok(kept),
        (false, _) => Err(format!("nobody's: {left:?}")),
        (true, false) => Err(format!(
            "{} files have numbers up to {:?}",
            kept.file_count,
            numbers.last()
        )),
    }
}

/// A file whose beginning was never answered: its number, and which one it is.
async fn lost<'a>(
    id: &str,
    senders: &'a [Sender],
    ways: &[Way],
) -> Result<(u64, &'a Entry), String> {
    for (sender, way) in senders.iter().zip(ways) {
        let answer = way
            .ask(Method::HEAD, id, &[], Vec::new())
            .await
            .map_err(said)?;
        let Some(metadata) = answer.header("upload-metadata") else {
            continue;
        };
        let is_it = |entry: &&Entry| {
            let name = STANDARD.encode(entry.plan.name());
            metadata.split(',').next() == Some(&format!("filename {name}"))
        };
        let entry = sender.over.iter().find(is_it);
        let known = |entry: &&Entry| u64::from(entry.whole.id.is_some());
        let entry = entry.filter(|entry| entry.begun_count > known(entry));
        let entry = entry.ok_or_else(|| format!("{id} was begun by nobody: {metadata}"))?;
        let status = way.status(id).await.map_err(said)?;
        let file = status["file"]
            .as_u64()
            .filter(|_| status["state"] == "ready");
        return Ok((file.ok_or_else(|| format!("{id} is {status}"))?, entry));
    }
    Err(format!("{id} is of nobody"))
}

fn said(stop: Stop) -> String {
    format!("{stop:?}")
}
