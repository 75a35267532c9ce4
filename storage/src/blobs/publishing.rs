//! Making a blob of a file: in a folder the file itself is moved there; where that cannot be, it is
//! copied in parts.
//!
//! Invariants: a blob is seen whole or not at all, whenever this is cut off; at most one part is
//! held in memory. What a copy that was cut off leaves in a folder is found by its name.
//!
//! Never: replaces a blob.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::errors::failed;
use crate::files;
use crate::journal::{Durability, Error, Result};

/// A part that is sent at once, bytes: more than the least that buckets take (5 MiB), and 10,000 of
/// them, the most, are 80 GiB.
pub(super) const PART_BYTES: u64 = 8 * 1024 * 1024;

/// Moves a file to its place; false when there is a blob already. `None` when the two are on
/// different file systems.
pub(super) fn move_in(from: &Path, to: &Path, durability: Durability) -> Result<Option<bool>> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder).map_err(files::failed("make a company's blobs"))?;
    let synced = durability == Durability::Fsync;
    if synced {
        let file = File::open(from).map_err(files::failed("open a file to publish it"))?;
        file.sync_all()
            .map_err(files::failed("sync a file to publish it"))?;
    }
    // A link, not a rename: that would replace what is there.
    let is_new = match std::fs::hard_link(from, to) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) if error.kind() == ErrorKind::CrossesDevices => return Ok(None),
        Err(error) => return Err(files::failed("publish a file")(error)),
    };
    if synced {
        files::sync_folder(folder)?;
        folder.parent().map_or(Ok(()), files::sync_folder)?;
    }
    Ok(Some(is_new))
}

/// Sends a file in parts; false when there is a blob already.
pub(super) async fn send(
    objects: &dyn ObjectStore,
    to: &object_store::path::Path,
    from: PathBuf,
) -> Result<bool> {
    match objects.head(to).await {
        Ok(_) => return Ok(false),
        Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => return Err(failed(error)),
    }
    let mut parts = Parts::open(from).await?;
    let first = parts.next().await?;
    if (first.len() as u64) < PART_BYTES {
        let options = PutOptions::from(PutMode::Create);
        return match objects.put_opts(to, first.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        };
    }
    let mut upload = objects.put_multipart(to).await.map_err(failed)?;
    let sent = send_parts(upload.as_mut(), first, &mut parts).await;
    if sent.is_err() {
        // What cannot be taken back now is found by its name.
        let _ = upload.abort().await;
    }
    sent.map(|()| true)
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    first: Bytes,
    parts: &mut Parts,
) -> Result<()> {
    let mut part = first;
    while !part.is_empty() {
        upload.put_part(part.into()).await.map_err(failed)?;
        part = parts.next().await?;
    }
    upload.complete().await.map(drop).map_err(failed)
}

/// A file read part by part, off the event loop.
struct Parts {
    file: Option<File>,
}

impl Parts {
    async fn open(path: PathBuf) -> Result<Self> {
        let open = move || File::open(path).map_err(files::failed("open a file to publish it"));
        Ok(Self {
            file: Some(off_the_loop(open).await?),
        })
    }

    /// A whole part; less only at the end.
    async fn next(&mut self) -> Result<Bytes> {
        let Some(mut file) = self.file.take() else {
            return Ok(Bytes::new());
        };
        let read = move || {
            let mut part = Vec::new();
            let mut limited = (&mut file).take(PART_BYTES);
            limited
                .read_to_end(&mut part)
                .map_err(files::failed("read a file to publish it"))?;
            Ok((file, Bytes::from(part)))
        };
        let (file, part) = off_the_loop(read).await?;
        self.file = Some(file);
        Ok(part)
    }
}

/// Does what blocks on a thread that may.
pub(super) async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::Engine(format!("a thread for blobs ended: {error}"))))
}
