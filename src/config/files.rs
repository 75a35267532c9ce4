//! The settings of files.
//!
//! Never: opens what they name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// What files are kept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStore {
    /// A folder of this machine.
    #[default]
    Folder,
    /// A bucket that speaks S3.
    S3,
}

/// Where files are kept, how long links to them are good, and what is asked of them before anybody
/// gets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// What they are kept in. Files do not move when this changes.
    pub store: FileStore,
    /// Folder of the files; without it `files` in the folder of the store.
    pub folder: Option<PathBuf>,
    /// Whether texts and the like are packed before they are kept. Both kinds are read whatever
    /// this is.
    pub compress: bool,
    /// How long a link is good that a native client asked for, seconds: it asks again.
    pub link_ttl_s: u64,
    /// How long a link is good that stands in what a profile's client was told, seconds: such
    /// clients never ask again, so it is as long as a page stays open.
    pub profile_link_ttl_s: u64,
    /// The bucket.
    pub s3: S3,
    /// Where a ClamAV daemon listens: `host:port`, or the path of its socket. Without one nothing
    /// is scanned.
    pub clamav: Option<String>,
    /// What becomes of a file that it could not look at.
    pub scan_policy: ScanPolicy,
    /// Time for which a scanner that does not answer is asked again, milliseconds: it restarts
    /// within that when its signatures are renewed.
    pub scan_wait_ms: u64,
    /// Longest that it may take over one file, milliseconds: one that hangs is given up then. The
    /// default is its own limit for a file, unless it is told another (`MaxScanTime`).
    pub scan_answer_ms: u64,
    /// Files that are scanned at once; no more than the scanner's own `MaxThreads`.
    pub scan_threads: usize,
    /// Threads that make small pictures: each takes some 70 MB for a picture of 12
    /// megapixels and 300 MB for one of 40.
    pub image_threads: usize,
}

impl Files {
    /// The folder of the files in the folder of the store, where none is set.
    pub fn folder_in(&self, store: &Path) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.clone(),
            None => store.join("files"),
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            store: FileStore::Folder,
            folder: None,
            compress: false,
            link_ttl_s: 600,
            profile_link_ttl_s: 86_400,
            s3: S3::default(),
            clamav: None,
            scan_policy: ScanPolicy::Closed,
            scan_wait_ms: 60_000,
            scan_answer_ms: 120_000,
            scan_threads: 4,
            image_threads: 1,
        }
    }
}

/// A bucket that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Where it is, for example `https://s3.example`; without it Amazon's own, by region.
    pub endpoint: Option<String>,
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Whose access, as the bucket knows it.
    pub access_key: Option<Secret>,
    /// What requests are signed with.
    pub secret_key: Option<Secret>,
    /// Whether the endpoint may be without TLS.
    pub allow_http: bool,
    /// Whether downloads are sent to the bucket's own signed links instead of through this node.
    pub redirect: bool,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            endpoint: None,
            bucket: String::new(),
            region: "us-east-1".to_owned(),
            access_key: None,
            secret_key: None,
            allow_http: false,
            redirect: false,
        }
    }
}

/// What becomes of a file that a scanner could not look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanPolicy {
    /// It is refused.
    #[default]
    Closed,
    /// It is taken.
    Open,
}
