//! A bucket that speaks S3: requests are signed, bounded in number and in time; what is larger than
//! a part is sent in parts.
//!
//! What the bucket calls such a sending is on this machine's disk before the first part is sent
//! (see [`super::unfinished`]): after a crash, publishing goes on where it was, and what nobody
//! publishes any more is taken back. Only a sending that the bucket began and this machine did not
//! live to note is left to the bucket's own rule for unfinished uploads; it has no parts.
//!
//! Invariants:
//! 1. An object is seen whole or not at all, and is never replaced: what is small is put where
//!    nothing is, and before the end of parts it is looked whether something is there.
//! 2. At most [`PARTS_AT_ONCE`] parts are in memory, of all that is published.
//!
//! Never: prints a key, or hands an address to anyone but whom a link is signed for.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::multipart::{MultipartStore, PartId};
use object_store::signer::{Method, SignedUrlOptions, Signer};
use object_store::{BackoffConfig, ClientOptions, Error as ObjectError, RetryConfig};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::Semaphore;
use twox_hash::XxHash3_128;

use super::ServedAs;
use super::errors::failed;
use super::publishing::{PART_BYTES, off_the_loop};
use super::unfinished::{Sending, SentPart, Unfinished};
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::BlobKey;

/// The most parts of one object.
const PARTS_MAX: u64 = 10_000;
/// Parts on their way at once, of all objects: each is 8 MiB of memory.
const PARTS_AT_ONCE: usize = 4;
/// How often the end of one sending is tried before it begins anew.
const COMPLETING_MAX: u32 = 3;

/// Time for a connection, seconds: a bucket is near, or it is not there.
const CONNECT_S: u64 = 5;
/// Time in which a bucket says nothing, seconds.
const SILENCE_S: u64 = 30;
/// Time for a request with its answer, seconds: a part of 8 MiB at 1 Mbit/s is 67.
const REQUEST_S: u64 = 120;
/// How often a request is sent again, and for how long, seconds; whoever asked waits meanwhile.
const RETRY_COUNT: usize = 3;
const RETRY_S: u64 = 60;
/// The longest that a signed link is good, seconds: the signature allows a week.
const LINK_S_MAX: u64 = 7 * 24 * 60 * 60;

/// Which bucket, and who this node is to it.
#[derive(Clone)]
pub struct BucketOptions {
    /// Where it is; without it Amazon's own, by region.
    pub endpoint: Option<String>,
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Whose access.
    pub access_key: String,
    /// What requests are signed with.
    pub secret_key: String,
    /// Whether the endpoint may be without TLS.
    pub allow_http: bool,
    /// A folder of this machine for what is known of unfinished sendings.
    pub unfinished: PathBuf,
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOptions")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// The bucket.
pub(super) struct Bucket {
    s3: Arc<AmazonS3>,
    unfinished: Unfinished,
    parts: Semaphore,
}

impl Bucket {
    pub(super) fn open(options: &BucketOptions) -> Result<Self> {
        let is_plain = |endpoint: &str| endpoint.starts_with("http://");
        // Without TLS nobody needs to be trusted, and a machine may know nobody to trust.
        let without_roots = options.endpoint.as_deref().is_some_and(is_plain);
        let client = ClientOptions::new()
            .with_allow_http(options.allow_http)
            .with_no_system_certificates(without_roots)
            .with_connect_timeout(Duration::from_secs(CONNECT_S))
            .with_read_timeout(Duration::from_secs(SILENCE_S))
            .with_timeout(Duration::from_secs(REQUEST_S));
        let retries = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRY_COUNT,
            retry_timeout: Duration::from_secs(RETRY_S),
        };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retries)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(&options.access_key)
            .with_secret_access_key(&options.secret_key);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let s3 = builder.build();
        // Nothing was sent yet, so what is wrong is in the settings.
        let s3 = s3.map_err(|error| Error::Refused(format!("files.s3: {error}")))?;
        Ok(Self {
            s3: Arc::new(s3),
            unfinished: Unfinished::open(&options.unfinished)?,
            parts: Semaphore::new(PARTS_AT_ONCE),
        })
    }

    pub(super) fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.s3) as Arc<dyn ObjectStore>
    }

    /// Makes a blob of a file's bytes; false when there is one already.
    pub(super) async fn publish(&self, key: &BlobKey, from: &Path) -> Result<bool> {
        let begun = self.noted(key, Unfinished::load).await?;
        if self.stands(key).await?.is_some() {
            if let Some(begun) = begun {
                // Its end came through and was not noted; what is left is for the next look.
                let _ = self.take_back(key, &begun).await;
            }
            return Ok(false);
        }
        let source = Source::open(from).await?;
        if source.size <= PART_BYTES {
            if let Some(begun) = begun {
                self.take_back(key, &begun).await?;
            }
            return self.put_small(key, &source).await;
        }
        let sending = self.go_on(key, begun, &source).await?;
        self.send_rest(key, sending, &source).await.map(|()| true)
    }

    async fn put_small(&self, key: &BlobKey, source: &Source) -> Result<bool> {
        let _turn = self.turn().await?;
        let (bytes, _) = source.part(0, source.size).await?;
        let options = PutOptions::from(PutMode::Create);
        match self.s3.put_opts(&key.path(), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(ObjectError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// What was begun, if it is of this file and can still end well, or a new beginning.
    async fn go_on(
        &self,
        key: &BlobKey,
        begun: Option<Sending>,
        source: &Source,
    ) -> Result<Sending> {
        let part_bytes = part_bytes(source.size);
        match begun {
            Some(begun)
                if begun.size == source.size
                    && begun.part_bytes == part_bytes
                    && begun.completing_count < COMPLETING_MAX =>
            {
                return Ok(begun);
            }
            Some(begun) => match self.abort(key, &begun).await {
                // A bucket that knows us and still refuses has ended it by itself.
                Ok(()) | Err(ObjectError::PermissionDenied { .. }) => {}
                Err(error) => return Err(failed(error)),
            },
            None => {}
        }
        let created = self.s3.create_multipart(&key.path()).await;
        let sending = Sending {
            size: source.size,
            part_bytes,
            id: created.map_err(failed)?,
            parts: Vec::new(),
            completing_count: 0,
        };
        let noted = sending.clone();
        self.noted(key, move |unfinished, key| unfinished.begin(key, &noted))
            .await?;
        Ok(sending)
    }

    /// Sends what the bucket does not have, and ends the sending.
    async fn send_rest(&self, key: &BlobKey, sending: Sending, source: &Source) -> Result<()> {
        let path = key.path();
        let count = source.size.div_ceil(sending.part_bytes);
        let mut names = Vec::new();
        for i in 0..count {
            let _turn = self.turn().await?;
            let start = i * sending.part_bytes;
            let length = sending.part_bytes.min(source.size - start);
            let (bytes, digest) = source.part(start, length).await?;
            let known = sending.parts.get(names.len());
            if let Some(known) = known.filter(|part| part.digest == digest) {
                names.push(known.name.clone());
                continue;
            }
            let sent = self
                .s3
                .put_part(&path, &sending.id, names.len(), bytes.into());
            let name = match sent.await {
                Ok(part) => part.content_id,
                Err(error) => return Err(self.broke_off(key, error).await),
            };
            names.push(name.clone());
            // Parts are noted in their order: what follows one that changed is sent again.
            if names.len() > sending.parts.len() {
                let part = SentPart { digest, name };
                self.noted(key, move |unfinished, key| unfinished.sent(key, &part))
                    .await?;
            }
        }
        self.noted(key, Unfinished::completing).await?;
        let parts = names.into_iter();
        let parts = parts.map(|content_id| PartId { content_id }).collect();
        let ended = self.s3.complete_multipart(&path, &sending.id, parts).await;
        if let Err(error) = ended {
            // The answer may be what was lost.
            if self.stands(key).await? != Some(source.size) {
                return Err(self.broke_off(key, error).await);
            }
        }
        self.noted(key, Unfinished::forget).await
    }

    /// What to say of a sending that broke off. One that the bucket knows no more begins anew.
    async fn broke_off(&self, key: &BlobKey, error: ObjectError) -> Error {
        use ObjectError::{NotFound, PermissionDenied};
        if matches!(error, NotFound { .. } | PermissionDenied { .. }) {
            let spent = |unfinished: &Unfinished, key: &BlobKey| {
                (0..COMPLETING_MAX).try_for_each(|_| unfinished.completing(key))
            };
            if let Err(error) = self.noted(key, spent).await {
                return error;
            }
        }
        failed(error)
    }

    /// All that was begun and did not end.
    pub(super) async fn unfinished(&self) -> Result<Vec<BlobKey>> {
        let unfinished = self.unfinished.clone();
        off_the_loop(move || unfinished.list()).await
    }

    /// Takes back what was begun of a blob; false when nothing was.
    pub(super) async fn abandon(&self, key: &BlobKey) -> Result<bool> {
        match self.noted(key, Unfinished::load).await? {
            Some(begun) => self.take_back(key, &begun).await.map(|()| true),
            None => self.noted(key, Unfinished::forget).await.map(|()| false),
        }
    }

    async fn take_back(&self, key: &BlobKey, begun: &Sending) -> Result<()> {
        self.abort(key, begun).await.map_err(failed)?;
        self.noted(key, Unfinished::forget).await
    }

    async fn abort(&self, key: &BlobKey, begun: &Sending) -> object_store::Result<()> {
        match self.s3.abort_multipart(&key.path(), &begun.id).await {
            Err(ObjectError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// A link that the bucket itself answers.
    pub(super) async fn sign(
        &self,
        key: &BlobKey,
        expires_in: Duration,
        served: &ServedAs<'_>,
    ) -> Result<String> {
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", served.content_type),
            ("response-content-disposition", served.disposition),
        ]);
        let expires_in = expires_in.min(Duration::from_secs(LINK_S_MAX));
        let (s3, path) = (&self.s3, key.path());
        let signed = s3.signed_url_opts(Method::GET, &path, expires_in, &options);
        signed.await.map(String::from).map_err(failed)
    }

    /// How long the blob is that stands there.
    async fn stands(&self, key: &BlobKey) -> Result<Option<u64>> {
        match self.s3.head(&key.path()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let closed = |_| Error::Away("is closed");
        self.parts.acquire().await.map_err(closed)
    }

    async fn noted<T: Send + 'static>(
        &self,
        key: &BlobKey,
        work: impl FnOnce(&Unfinished, &BlobKey) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (unfinished, key) = (self.unfinished.clone(), key.clone());
        off_the_loop(move || work(&unfinished, &key)).await
    }
}

/// How long each part is, bytes: whole MiB, all the same, and few enough.
fn part_bytes(size: u64) -> u64 {
    const MIB: u64 = 1024 * 1024;
    let needed = size.div_ceil(PARTS_MAX).next_multiple_of(MIB);
    needed.max(PART_BYTES)
}

/// A file that is read part by part, off the event loop.
struct Source {
    file: Arc<File>,
    size: u64,
}

impl Source {
    async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let open = move || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            let file = Arc::new(file);
            Ok(Self { file, size })
        };
        let opening = files::failed("open a file to publish it");
        off_the_loop(move || open().map_err(opening)).await
    }

    /// A part and its digest.
    async fn part(&self, start: u64, length: u64) -> Result<(Bytes, u128)> {
        let file = Arc::clone(&self.file);
        let read = move || {
            let length = usize::try_from(length).map_err(|_| Error::Full)?;
            let mut part = vec![0; length];
            let read = file.read_exact_at(&mut part, start);
            read.map_err(files::failed("read a file to publish it"))?;
            let digest = XxHash3_128::oneshot(&part);
            Ok((Bytes::from(part), digest))
        };
        off_the_loop(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_before_there_are_too_many() {
        let (mib, gib) = (1024 * 1024, 1024 * 1024 * 1024);
        for (size, wanted) in [
            (9 * mib, 8 * mib),
            (78 * gib, 8 * mib),
            (80_000 * mib, 8 * mib),
            (80_000 * mib + 1, 9 * mib),
            (5 * 1024 * gib, 525 * mib),
        ] {
            let part = part_bytes(size);
            assert_eq!(part, wanted, "{size}");
            assert!(size.div_ceil(part) <= PARTS_MAX, "{size}");
        }
    }

    #[test]
    fn what_is_printed_of_a_bucket_holds_no_key() {
        let options = BucketOptions {
            endpoint: None,
            bucket: "b".to_owned(),
            region: "r".to_owned(),
            access_key: "hush-name".to_owned(),
            secret_key: "hush-key".to_owned(),
            allow_http: false,
            unfinished: PathBuf::new(),
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains("\"b\"") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
