//! What the people of a room see of a file that is on its way to it.
//!
//! Invariant: told seldom, and never stored.
//! Never: tells its owner, who knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use frontdesk_actors::Node;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::upload::UploadWish;
use frontdesk_protocol::{CompanyId, PersonId, UploadId};
use frontdesk_storage::EntityId;

/// Pause between two tellings, milliseconds: what an eye follows.
const TELL_MS: u64 = 500;
/// Stands for a length that is not known.
const UNKNOWN: u64 = u64::MAX;

/// See the module's text.
pub(crate) struct Progress {
    node: Weak<Node>,
    room: EntityId,
    person: PersonId,
    upload: UploadId,
    name: Arc<str>,
    size: AtomicU64,
    /// When it was told last, milliseconds of the clock that never goes back; 0 is never.
    told_ms: AtomicU64,
}

impl Progress {
    /// Of an upload that is for a room.
    pub(super) fn of(
        node: &Arc<Node>,
        (company, upload): &(CompanyId, UploadId),
        owner: &PersonId,
        wish: &UploadWish,
    ) -> Option<Self> {
        Some(Self {
            node: Arc::downgrade(node),
            room: EntityId::room(company.clone(), wish.room?),
            person: owner.clone(),
            upload: *upload,
            name: Arc::clone(&wish.name),
            size: AtomicU64::new(wish.size.unwrap_or(UNKNOWN)),
            told_ms: AtomicU64::new(0),
        })
    }

    /// How long it is has become known.
    pub(super) fn sized(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
    }

    /// Bytes came, up to here.
    pub(super) fn came(&self, received: u64, now_ms: u64) {
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        let is_soon = told_ms > 0 && now_ms.saturating_sub(told_ms) < TELL_MS;
        let Some(node) = self.node.upgrade().filter(|_| !is_soon) else {
            return;
        };
        self.told_ms.store(now_ms.max(1), Ordering::Relaxed);
        let size = self.size.load(Ordering::Relaxed);
        let progress = Ephemeral::UploadProgress {
            person: self.person.clone(),
            upload: self.upload,
            name: Arc::clone(&self.name),
            received,
            size: (size != UNKNOWN).then_some(size),
        };
        node.show_upload(&self.room, progress);
    }
}
