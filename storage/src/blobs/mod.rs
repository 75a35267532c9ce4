//! Blobs: whole immutable objects under a company, in a folder or in memory, through one interface.
//!
//! Invariants:
//! 1. Keys begin with their company; a listing names one company's blobs only.
//! 2. When a put answers, the blob is whole, and on disk if the store was made with
//!    [`Durability::Fsync`].
//!
//! Never: changes a part of a blob, or keeps rows about it; those are the directory's.

mod publishing;

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::CompanyId;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::files;
use crate::journal::{Durability, Error, Result};
use crate::keys::{self, BlobKey};

/// An answer that takes its time.
pub type BlobFuture<'call, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'call>>;

/// What is known about a blob without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobMeta {
    /// Its key.
    pub key: BlobKey,
    /// Its length.
    pub bytes: u64,
}

/// Whether a put may replace a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutKind {
    /// Only if there is none yet.
    Create,
    /// Whatever was there.
    Replace,
}

/// Whole objects by key.
pub trait Blobs: Send + Sync + 'static {
    /// Stores a blob; false when `Create` found one there, which stays as it is.
    fn put<'call>(
        &'call self,
        key: &'call BlobKey,
        bytes: Bytes,
        kind: PutKind,
    ) -> BlobFuture<'call, bool>;

    /// A blob's bytes, or those of a range that is cut at the blob's end; `None` when there is no
    /// such blob. A range that is empty or begins beyond the end is refused.
    fn get<'call>(
        &'call self,
        key: &'call BlobKey,
        range: Option<Range<u64>>,
    ) -> BlobFuture<'call, Option<Bytes>>;

    /// Makes a blob of a file's bytes; false when there is one already, which stays as it is. The
    /// file stays its owner's, who takes it away and does not write to it any more.
    fn publish<'call>(
        &'call self,
        key: &'call BlobKey,
        from: &'call Path,
    ) -> BlobFuture<'call, bool>;

    /// What is known about a blob.
    fn head<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, Option<BlobMeta>>;

    /// Removes a blob; false when there was none.
    fn delete<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, bool>;

    /// A company's blobs, in the order of their names.
    fn list<'call>(&'call self, company: &'call CompanyId) -> BlobFuture<'call, Vec<BlobMeta>>;
}

/// Blobs in an object store.
pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
}

/// The same store as a folder, where files can be moved to.
struct Folder {
    files: LocalFileSystem,
    durability: Durability,
}

impl ObjectBlobs {
    /// In a folder, which is made if missing.
    pub fn in_folder(path: &Path, durability: Durability) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(files::failed("make the blobs' folder"))?;
        let objects = LocalFileSystem::new_with_prefix(path).map_err(failed)?;
        let objects = objects.with_fsync(durability == Durability::Fsync);
        let files = LocalFileSystem::new_with_prefix(path).map_err(failed)?;
        Ok(Self {
            objects: Arc::new(objects),
            folder: Some(Folder { files, durability }),
        })
    }

    /// In memory, for tests.
    pub fn in_memory() -> Self {
        Self {
            objects: Arc::new(InMemory::new()),
            folder: None,
        }
    }

    async fn meta(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        match self.objects.head(&key.path()).await {
            Ok(meta) => Ok(Some(BlobMeta {
                key: key.clone(),
                bytes: meta.size,
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: object_store::Error) -> Error {
    Error::Engine(format!("blobs: {error}"))
}

impl Blobs for ObjectBlobs {
    fn put<'call>(
        &'call self,
        key: &'call BlobKey,
        bytes: Bytes,
        kind: PutKind,
    ) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            let mode = match kind {
                PutKind::Create => PutMode::Create,
                PutKind::Replace => PutMode::Overwrite,
            };
            let options = PutOptions::from(mode);
            match self
                .objects
                .put_opts(&key.path(), bytes.into(), options)
                .await
            {
                Ok(_) => Ok(true),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn get<'call>(
        &'call self,
        key: &'call BlobKey,
        range: Option<Range<u64>>,
    ) -> BlobFuture<'call, Option<Bytes>> {
        Box::pin(async move {
            if let Some(range) = &range {
                let Some(meta) = self.meta(key).await? else {
                    return Ok(None);
                };
                if range.is_empty() || range.start >= meta.bytes {
                    return Err(Error::Refused(format!(
                        "bytes {} to {} are outside of {}",
                        range.start, range.end, meta.bytes
                    )));
                }
            }
            let options = GetOptions {
                range: range.map(Into::into),
                ..GetOptions::default()
            };
            match self.objects.get_opts(&key.path(), options).await {
                Ok(found) => found.bytes().await.map(Some).map_err(failed),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn publish<'call>(
        &'call self,
        key: &'call BlobKey,
        from: &'call Path,
    ) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            if let Some(folder) = &self.folder {
                let to = folder.files.path_to_filesystem(&key.path());
                let (from, to) = (from.to_owned(), to.map_err(failed)?);
                let durability = folder.durability;
                let moved = move || publishing::move_in(&from, &to, durability);
                if let Some(is_new) = publishing::off_the_loop(moved).await? {
                    return Ok(is_new);
                }
            }
            publishing::send(&*self.objects, &key.path(), from.to_owned()).await
        })
    }

    fn head<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, Option<BlobMeta>> {
        Box::pin(self.meta(key))
    }

    fn delete<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            // A bucket does not say whether there was one.
            if self.meta(key).await?.is_none() {
                return Ok(false);
            }
            match self.objects.delete(&key.path()).await {
                Ok(()) => Ok(true),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn list<'call>(&'call self, company: &'call CompanyId) -> BlobFuture<'call, Vec<BlobMeta>> {
        Box::pin(async move {
            // Names are flat, so one level is everything.
            let prefix = keys::blobs_of(company);
            let listed = self
                .objects
                .list_with_delimiter(Some(&prefix))
                .await
                .map_err(failed)?;
            let mut found = Vec::with_capacity(listed.objects.len());
            for object in listed.objects {
                let name = object.location.filename().unwrap_or_default();
                // A file that somebody else put there is not a blob.
                if let Ok(key) = BlobKey::new(company.clone(), name) {
                    found.push(BlobMeta {
                        key,
                        bytes: object.size,
                    });
                }
            }
            found.sort_by(|left, right| left.key.cmp(&right.key));
            Ok(found)
        })
    }
}
