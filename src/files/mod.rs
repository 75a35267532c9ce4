//! Files: what they are called and what they are, before anybody is shown one; where they are kept,
//! and how they are linked to.
//!
//! Owns: `names`, what a client's name for a file becomes; `sniff`, what its bytes are whatever is
//! claimed of them; `policy`, whether it is taken; `archive`, what is in it; `images`, what is
//! private in a picture and the small picture of it; `scan`, whether a scanner finds anything;
//! `packing`, whether it is stored packed; `inspect`, all of that in one; `store`, where the
//! settings keep them; `links`, the addresses that are told of them; `downloads`, whose turn it is.
//!
//! Never: takes a name from outside for a path; what it writes goes where it is told.

mod archive;
pub(crate) mod downloads;
mod images;
pub mod inspect;
pub(crate) mod links;
pub mod names;
mod packing;
pub mod policy;
mod pool;
#[cfg(test)]
mod samples;
pub mod scan;
pub mod sniff;
pub mod store;

use std::sync::Arc;

use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{CompanyId, Timestamp};
use frontdesk_storage::Blobs;

use crate::auth::own::OwnKeys;
use crate::config::Config;
use downloads::Downloads;
use links::{Life, Linked, Links, Variant};
use names::Disposition;
use sniff::Nature;

/// What every request may use of files.
pub(crate) struct Files {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) links: Links,
    /// Whether the store answers downloads itself, where it can.
    pub(crate) redirects: bool,
    pub(crate) downloads: Downloads,
}

impl Files {
    pub(crate) fn new(blobs: Arc<dyn Blobs>, keys: &OwnKeys, config: &Config) -> Self {
        let settings = &config.files;
        Self {
            blobs,
            links: Links::new(keys.links(), settings),
            redirects: settings.s3.redirect,
            downloads: Downloads::new(&config.limits),
        }
    }
}

/// A file of a company, to be linked to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkOf<'a> {
    pub(crate) company: &'a CompanyId,
    pub(crate) file: &'a SharedFile,
    pub(crate) variant: Variant,
    pub(crate) life: Life,
}

impl Files {
    /// A link, as path and query: pictures are shown where they are, the rest is to be kept.
    pub(crate) fn link(
        &self,
        of: &LinkOf<'_>,
        settings: &CompanySettings,
        now: Timestamp,
    ) -> String {
        let disposition = match of.variant {
            Variant::Original => shown_as(&of.file.mime, nature_of(&of.file.mime)),
            Variant::Thumbnail => Disposition::Inline,
        };
        let linked = Linked {
            company: of.company,
            no: of.file.no,
            name: &of.file.name,
            variant: of.variant,
            disposition,
        };
        self.links.path(&linked, of.life, settings, now)
    }
}

/// How a file of this kind is shown.
pub(crate) fn shown_as(mime: &str, nature: Nature) -> Disposition {
    match policy::is_shown_inline(mime, nature) {
        true => Disposition::Inline,
        false => Disposition::Attachment,
    }
}

/// What a kept file is, whose row has no more than its type: what runs is not kept as a picture.
pub(crate) fn nature_of(mime: &str) -> Nature {
    match mime.starts_with("image/") {
        true => Nature::Image,
        false => Nature::Other,
    }
}
