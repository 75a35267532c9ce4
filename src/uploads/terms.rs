//! What an upload may come to: how large, of which kinds, until when. The company's settings count
//! for more than the door's, and the server's ceiling for more than both.
//!
//! Never: looks at a file.

use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::upload::{Kinds, UploadTerms};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};

use crate::config::Limits;

/// The largest file of the widget's and of direct's clients, bytes.
const LARGE_BYTES: u64 = 25 * 1024 * 1024;
/// The largest file of the other old clients, bytes.
const SMALL_BYTES: u64 = 10 * 1024 * 1024;
/// What the widget's clients may send.
const WIDGET_TYPES: [&str; 4] = ["image/jpeg", "image/png", "application/pdf", "text/plain"];
/// Uploads a minute of one person through the widget's routes: what its clients are promised.
const WIDGET_PER_MINUTE: u32 = 10;
/// The same elsewhere: more than a person can choose.
const OTHERS_PER_MINUTE: u32 = 120;

/// Which clients' way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// `/v1`: tus, the resumable draft, the native socket.
    Native,
    /// The widget's.
    Widget,
    /// Direct's.
    Direct,
    /// Helpdesk's.
    Helpdesk,
    /// Inbox's.
    Inbox,
    /// Crm's.
    Crm,
}

impl Door {
    /// Uploads a minute of one person, as the settings say or as its clients expect; 0 is no limit.
    pub(crate) fn per_minute(self, limits: &Limits) -> u32 {
        let expected = match self {
            Door::Widget => WIDGET_PER_MINUTE,
            _ => OTHERS_PER_MINUTE,
        };
        limits.uploads_per_minute.unwrap_or(expected)
    }

    fn bytes_max(self, limits: &Limits) -> u64 {
        match self {
            Door::Native => limits.file_bytes_max,
            Door::Widget | Door::Direct => LARGE_BYTES,
            Door::Helpdesk | Door::Inbox | Door::Crm => SMALL_BYTES,
        }
    }

    fn kinds(self) -> Kinds {
        match self {
            Door::Widget => Kinds::Only(WIDGET_TYPES.map(Into::into).to_vec()),
            // Any file was promised; none is shown where it is.
            Door::Direct => Kinds::Everything,
            Door::Native | Door::Helpdesk | Door::Inbox | Door::Crm => Kinds::Harmless,
        }
    }
}

/// The largest file that a company takes at a door, bytes.
pub(crate) fn bytes_max(limits: &Limits, settings: &CompanySettings, door: Door) -> u64 {
    let wanted = settings.file_bytes_max.unwrap_or(door.bytes_max(limits));
    wanted.min(limits.file_bytes_max)
}

pub(super) fn terms(
    limits: &Limits,
    settings: &CompanySettings,
    door: Door,
    now: Timestamp,
) -> UploadTerms {
    let kinds = match settings.file_types.as_slice() {
        [] => door.kinds(),
        types => Kinds::Only(types.to_vec()),
    };
    UploadTerms {
        size_max: bytes_max(limits, settings, door),
        expires_at: Timestamp(now.0.saturating_add(limits.upload_lifetime_ms)),
        kinds,
    }
}

pub(super) fn too_large(size: u64, limit: u64) -> Rejection {
    let why = format!("{size} bytes, limit {limit}");
    Rejection::because(ErrorCode::FileTooLarge, why)
}
