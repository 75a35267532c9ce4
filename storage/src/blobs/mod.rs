//! Blobs: whole immutable objects under a company, in a folder, in a bucket or in memory, through
//! one interface.
//!
//! Invariants:
//! 1. Keys begin with their company; a listing names one company's blobs only.
//! 2. When a put answers, the blob is whole, and on disk if the store was made with
//!    [`Durability::Fsync`].
//!
//! Never: changes a part of a blob, or keeps rows about it; those are the directory's.

#[cfg(feature = "s3")]
mod bucket;
mod errors;
mod packed;
mod publishing;
mod reader;
mod staged;
#[cfg(feature = "s3")]
mod unfinished;

use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::CompanyId;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::{Semaphore, SemaphorePermit};

#[cfg(feature = "s3")]
use bucket::Bucket;
#[cfg(feature = "s3")]
pub use bucket::BucketOptions;
use errors::failed;
pub use packed::{PACKED_BYTES_MAX, Packed, pack};
pub use reader::BlobReader;

use crate::files;
use crate::journal::{Durability, Error, Result};
use crate::keys::{self, BlobKey};

/// Requests to the store at once; more wait for their turn. A folder has fewer threads than that, a
/// bucket answers some dozens as quickly as one.
const REQUESTS_AT_ONCE: usize = 32;

/// Two at once would not know of each other's parts.
const UNDER_WAY: Error = Error::Away("is being given this very blob");

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

/// What a store says of a blob that it serves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedAs<'a> {
    /// `Content-Type`.
    pub content_type: &'a str,
    /// `Content-Disposition`.
    pub disposition: &'a str,
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
    /// file stays its owner's, who takes it away and does not write to it any more. Cut off, it is
    /// asked for again with the same file, and goes on where it was.
    fn publish<'call>(
        &'call self,
        key: &'call BlobKey,
        from: &'call Path,
    ) -> BlobFuture<'call, bool>;

    /// The blobs of which something was begun and did not end, be somebody at it or not: parts
    /// in a bucket, half-written files in a folder.
    fn unfinished<'call>(&'call self) -> BlobFuture<'call, Vec<BlobKey>>;

    /// Takes back what was begun of a blob that nobody makes any more; false if there was nothing,
    /// or somebody is at it. The blob itself, if there is one, stays.
    fn abandon<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, bool>;

    /// A link by which anyone gets the blob from the store itself, for a while; `None` where the
    /// store answers nobody but this node. Whether there is such a blob is not looked at.
    fn sign<'call>(
        &'call self,
        key: &'call BlobKey,
        expires_in: Duration,
        served: &'call ServedAs<'call>,
    ) -> BlobFuture<'call, Option<String>>;

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
    place: Place,
    requests: Semaphore,
    under_way: Mutex<HashSet<BlobKey>>,
}

/// What the object store is, where that matters.
enum Place {
    Memory,
    Folder(Folder),
    #[cfg(feature = "s3")]
    Bucket(Box<Bucket>),
}

/// The same store as a folder, where files can be moved to.
struct Folder {
    root: PathBuf,
    files: LocalFileSystem,
    durability: Durability,
}

impl ObjectBlobs {
    /// What a folder names lasts: without it a loss of power brings back what was removed, when
    /// nobody knows of it any more.
    async fn sync_names(&self, key: &BlobKey) -> Result<()> {
        let Place::Folder(folder) = &self.place else {
            return Ok(());
        };
        if folder.durability != Durability::Fsync {
            return Ok(());
        }
        let path = folder.files.path_to_filesystem(&key.path());
        let path = path.map_err(failed)?;
        publishing::off_the_loop(move || match path.parent() {
            Some(folder) if folder.exists() => files::sync_folder(folder),
            _ => Ok(()), // nothing was ever stored for this company
        })
        .await
    }

    /// In a folder, which is made if missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn in_folder(path: &Path, durability: Durability) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(files::failed("make the blobs' folder"))?;
        if let (Durability::Fsync, Some(above)) = (durability, path.parent()) {
            files::sync_folder(above)?;
        }
        let objects = LocalFileSystem::new_with_prefix(path).map_err(failed)?;
        let objects = objects.with_fsync(durability == Durability::Fsync);
        let files = LocalFileSystem::new_with_prefix(path).map_err(failed)?;
        let folder = Folder {
            root: path.to_owned(),
            files,
            durability,
        };
        Ok(Self::over(Arc::new(objects), Place::Folder(folder)))
    }

    /// In a bucket that speaks S3. Nothing is sent yet.
    ///
    /// # Errors
    /// When the options make no address, or the folder for unfinished sendings cannot be made.
    #[cfg(feature = "s3")]
    pub fn in_bucket(options: &BucketOptions) -> Result<Self> {
        let bucket = Bucket::open(options)?;
        Ok(Self::over(
            bucket.objects(),
            Place::Bucket(Box::new(bucket)),
        ))
    }

    /// In memory, for tests.
    pub fn in_memory() -> Self {
        Self::over(Arc::new(InMemory::new()), Place::Memory)
    }

    fn over(objects: Arc<dyn ObjectStore>, place: Place) -> Self {
        Self {
            objects,
            place,
            requests: Semaphore::new(REQUESTS_AT_ONCE),
            under_way: Mutex::default(),
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

    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        let closed = |_| Error::Away("is closed");
        self.requests.acquire().await.map_err(closed)
    }

    /// Takes a key for a while in which nobody else makes its blob or takes back what is left of
    /// one; `None` when somebody has it.
    fn take(&self, key: &BlobKey) -> Option<Taken<'_>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(key.clone()).then(|| Taken {
            blobs: self,
            key: key.clone(),
        })
    }

    async fn make(&self, key: &BlobKey, from: &Path) -> Result<bool> {
        match &self.place {
            #[cfg(feature = "s3")]
            Place::Bucket(bucket) => return bucket.publish(key, from).await,
            Place::Folder(folder) => {
                let to = folder.files.path_to_filesystem(&key.path());
                let (from, to) = (from.to_owned(), to.map_err(failed)?);
                let durability = folder.durability;
                let moved = move || publishing::move_in(&from, &to, durability);
                if let Some(is_new) = publishing::off_the_loop(moved).await? {
                    return Ok(is_new);
                }
            }
            Place::Memory => {}
        }
        let _turn = self.turn().await?;
        publishing::send(&*self.objects, &key.path(), from.to_owned()).await
    }
}

/// A key that somebody works on.
struct Taken<'blobs> {
    blobs: &'blobs ObjectBlobs,
    key: BlobKey,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let under_way = self.blobs.under_way.lock();
        let mut under_way = under_way.unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}

fn outside(range: Option<Range<u64>>, bytes: Option<u64>) -> Error {
    let range = range.unwrap_or_default();
    let of = bytes
        .map(|bytes| format!(" of {bytes}"))
        .unwrap_or_default();
    let (start, end) = (range.start, range.end);
    Error::Refused(format!("bytes {start} to {end}{of} are none"))
}

impl Blobs for ObjectBlobs {
    fn put<'call>(
        &'call self,
        key: &'call BlobKey,
        bytes: Bytes,
        kind: PutKind,
    ) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            let _taken = self.take(key).ok_or(UNDER_WAY)?;
            let _turn = self.turn().await?;
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
            let _turn = self.turn().await?;
            if range.as_ref().is_some_and(Range::is_empty) {
                return Err(outside(range, None));
            }
            let options = GetOptions {
                range: range.clone().map(Into::into),
                ..GetOptions::default()
            };
            let found = match self.objects.get_opts(&key.path(), options).await {
                Ok(found) => found.bytes().await,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => Err(error),
            };
            match found {
                Ok(bytes) => Ok(Some(bytes)),
                // Stores say each in its way that a range lies outside, and most ranges do not.
                Err(error) => match self.meta(key).await {
                    Ok(Some(meta)) if range.as_ref().is_some_and(|r| r.start >= meta.bytes) => {
                        Err(outside(range, Some(meta.bytes)))
                    }
                    Ok(None) => Ok(None),
                    _ => Err(failed(error)),
                },
            }
        })
    }

    fn publish<'call>(
        &'call self,
        key: &'call BlobKey,
        from: &'call Path,
    ) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            let _taken = self.take(key).ok_or(UNDER_WAY)?;
            self.make(key, from).await
        })
    }

    fn unfinished<'call>(&'call self) -> BlobFuture<'call, Vec<BlobKey>> {
        Box::pin(async move {
            match &self.place {
                Place::Memory => Ok(Vec::new()),
                Place::Folder(folder) => {
                    let root = folder.root.clone();
                    publishing::off_the_loop(move || staged::list(&root)).await
                }
                #[cfg(feature = "s3")]
                Place::Bucket(bucket) => bucket.unfinished().await,
            }
        })
    }

    fn abandon<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            let Some(_taken) = self.take(key) else {
                return Ok(false);
            };
            match &self.place {
                Place::Memory => Ok(false),
                Place::Folder(folder) => {
                    let (root, key) = (folder.root.clone(), key.clone());
                    publishing::off_the_loop(move || staged::remove(&root, &key)).await
                }
                #[cfg(feature = "s3")]
                Place::Bucket(bucket) => bucket.abandon(key).await,
            }
        })
    }

    fn sign<'call>(
        &'call self,
        key: &'call BlobKey,
        expires_in: Duration,
        served: &'call ServedAs<'call>,
    ) -> BlobFuture<'call, Option<String>> {
        Box::pin(async move {
            match &self.place {
                #[cfg(feature = "s3")]
                Place::Bucket(bucket) => bucket.sign(key, expires_in, served).await.map(Some),
                _ => {
                    let _ = (key, expires_in, served);
                    Ok(None)
                }
            }
        })
    }

    fn head<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, Option<BlobMeta>> {
        Box::pin(async move {
            let _turn = self.turn().await?;
            self.meta(key).await
        })
    }

    fn delete<'call>(&'call self, key: &'call BlobKey) -> BlobFuture<'call, bool> {
        Box::pin(async move {
            let _turn = self.turn().await?;
            // A bucket does not say whether there was one.
            let was_there = match self.meta(key).await? {
                None => false,
                Some(_) => match self.objects.delete(&key.path()).await {
                    Ok(()) => true,
                    Err(object_store::Error::NotFound { .. }) => false,
                    Err(error) => return Err(failed(error)),
                },
            };
            // Where it was gone, too: whoever removed it may not have come to this.
            self.sync_names(key).await?;
            Ok(was_there)
        })
    }

    fn list<'call>(&'call self, company: &'call CompanyId) -> BlobFuture<'call, Vec<BlobMeta>> {
        Box::pin(async move {
            let _turn = self.turn().await?;
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
