//! The store of files that the settings ask for, and what a file is called in it.
//!
//! Never: looks whether a bucket answers; that is found out when a file is wanted.

use std::path::Path;
use std::sync::Arc;

use frontdesk_protocol::{CompanyId, UploadId};
use frontdesk_storage::{BlobKey, Blobs, ObjectBlobs, Result};

use crate::config::{Config, FileStore};

/// What is known of unfinished sendings to a bucket, in the folder of the store.
#[cfg(feature = "s3")]
const SENDINGS_FOLDER: &str = "sendings";

/// What the name of a small picture ends with.
pub(crate) const THUMBNAIL_END: &str = ".thumb";

/// What small pictures are, whatever they are of: `images` makes no others.
pub(crate) const THUMBNAIL_MIME: &str = "image/jpeg";

/// Where the object of an upload's file stands.
pub fn object_key(company: &CompanyId, upload: &UploadId) -> BlobKey {
    let key = BlobKey::new(company.clone(), &upload.to_string());
    key.expect("an id is a plain name")
}

/// Where the small picture of it stands.
pub fn thumbnail_key(company: &CompanyId, upload: &UploadId) -> BlobKey {
    let key = BlobKey::new(company.clone(), &format!("{upload}{THUMBNAIL_END}"));
    key.expect("an id is a plain name")
}

/// Opens the store of files.
///
/// # Errors
/// When its folder cannot be made, or the settings name no bucket.
pub fn open(config: &Config) -> Result<Arc<dyn Blobs>> {
    let store = &config.storage.path;
    match config.files.store {
        FileStore::Folder => {
            let folder = config.files.folder_in(store);
            let blobs = ObjectBlobs::in_folder(&folder, config.storage.durability)?;
            Ok(Arc::new(blobs))
        }
        FileStore::S3 => in_bucket(config, store),
    }
}

#[cfg(feature = "s3")]
fn in_bucket(config: &Config, store: &Path) -> Result<Arc<dyn Blobs>> {
    let s3 = &config.files.s3;
    let blobs = ObjectBlobs::in_bucket(&frontdesk_storage::BucketOptions {
        endpoint: s3.endpoint.clone(),
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        access_key: exposed(s3.access_key.as_ref()),
        secret_key: exposed(s3.secret_key.as_ref()),
        allow_http: s3.allow_http,
        unfinished: store.join(SENDINGS_FOLDER),
    })?;
    Ok(Arc::new(blobs))
}

#[cfg(feature = "s3")]
fn exposed(secret: Option<&crate::config::Secret>) -> String {
    secret.map_or_else(String::new, |secret| secret.expose().to_owned())
}

#[cfg(not(feature = "s3"))]
fn in_bucket(_config: &Config, _store: &Path) -> Result<Arc<dyn Blobs>> {
    let why = "this build knows no buckets: it was made without its feature s3";
    Err(frontdesk_storage::Error::Refused(why.to_owned()))
}
