//! Bytes that came before it was known whose they are: kept in a file without a name until that is
//! said, and gone with whoever holds it.
//!
//! Invariants: spills at once are few and each is bounded, those of one holder are fewer, and those
//! of clients that proved nothing leave places for the others; one survives no restart.
//! Never: becomes a file of a company by itself.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId, Rejection};
use frontdesk_storage::Nameless;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Disk, Door, Uploads, WriteError, memory, refused, terms};
use crate::config::Limits;
use crate::rates::network;
use crate::shares::{Share, Shares, within};

/// Spills at once: each is of a client that says last what it should say first.
const SPILL_COUNT_MAX: usize = 64;
/// Of these, those of clients that proved nothing: what is left nobody can take without a token.
const UNKNOWN_COUNT_MAX: usize = 32;
/// Of these, those of one person: files that a page sends at once.
const PERSON_COUNT_MAX: usize = 8;
/// How long somebody who holds as many as they may waits for one of their own to end,
/// milliseconds: as long as a photo takes on a phone's way.
const OWN_WAIT_MS: u64 = 5_000;
/// Read at once, bytes.
const READ_BYTES: usize = 256 * 1024;
/// Bytes that wait to be written.
const WRITE_BYTES: usize = 256 * 1024;

/// Whose place it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// Of whoever it is that comes from there.
    Address(IpAddr),
    /// Of somebody whom a host or an account vouches for.
    Person(CompanyId, PersonId),
}

impl Holder {
    /// Visitors whom nobody vouches for are as many as an address likes.
    pub(crate) fn of(who: Option<&Principal>, address: IpAddr) -> Self {
        match who.filter(|who| !who.person.is_visitor()) {
            Some(who) => Self::Person(who.company.clone(), who.person.clone()),
            None => Self::Address(network(address)),
        }
    }
}

/// All places, and who holds how many.
pub(super) struct Places {
    all: Arc<Semaphore>,
    unknown: Arc<Semaphore>,
    own: Shares<Holder>,
    of_address_count: usize,
}

/// One of them.
struct Place {
    _one: OwnedSemaphorePermit,
    _unknown: Option<OwnedSemaphorePermit>,
    _own: Share<Holder>,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        let of_address_count = match limits.forms_undecided_address {
            0 => UNKNOWN_COUNT_MAX,
            count => count as usize,
        };
        Self {
            all: Arc::new(Semaphore::new(SPILL_COUNT_MAX)),
            unknown: Arc::new(Semaphore::new(UNKNOWN_COUNT_MAX)),
            own: Shares::default(),
            of_address_count,
        }
    }

    async fn take(&self, holder: Holder) -> Result<Place, Rejection> {
        let is_unknown = matches!(holder, Holder::Address(_));
        let own = self.take_own(holder).await?;
        let unknown = match is_unknown {
            true => Some(within(&self.unknown, memory::MEMORY_WAIT_MS).await),
            false => None,
        };
        let busy = || Rejection::new(ErrorCode::Busy);
        let unknown = unknown.map(|permit| permit.ok_or_else(busy)).transpose()?;
        let one = within(&self.all, memory::MEMORY_WAIT_MS).await;
        Ok(Place {
            _one: one.ok_or_else(busy)?,
            _unknown: unknown,
            _own: own,
        })
    }

    async fn take_own(&self, holder: Holder) -> Result<Share<Holder>, Rejection> {
        let (limit, of) = match &holder {
            Holder::Address(_) => (self.of_address_count, "this address"),
            Holder::Person(..) => (PERSON_COUNT_MAX, "this person"),
        };
        let share = self.own.take(holder, limit, OWN_WAIT_MS).await;
        share.ok_or_else(|| {
            let why =
                format!("{limit} files of {of} wait for the form's other fields: send those first");
            Rejection::because(ErrorCode::RateLimited, why)
        })
    }
}

/// See the module's text.
pub(crate) struct Spill {
    file: Arc<Nameless>,
    bytes: u64,
    limit: u64,
    waiting: Vec<u8>,
    _place: Place,
}

impl Uploads {
    /// The largest file that a company takes at a door; without a company's settings the largest
    /// that the door's clients expect.
    pub(crate) fn spill_max(&self, settings: &CompanySettings, door: Door) -> u64 {
        terms::bytes_max(&self.limits, settings, door)
    }

    /// Now, for the pace of a body.
    pub(crate) fn now_ms(&self) -> u64 {
        self.disk.now_ms()
    }

    /// A place for so many bytes, none yet.
    ///
    /// # Errors
    /// When all places are taken, or the holder's, or the disk is full or fails.
    pub(crate) async fn spill(&self, holder: Holder, limit_bytes: u64) -> Result<Spill, Rejection> {
        let place = self.spills.take(holder).await?;
        let spool = self.spool.clone();
        let file = self.disk.run(move || spool.nameless()).await;
        let file = file.map_err(|error| refused(&WriteError::Disk(error)))?;
        Ok(Spill {
            file: Arc::new(file),
            bytes: 0,
            limit: limit_bytes.min(self.limits.file_bytes_max),
            waiting: Vec::new(),
            _place: place,
        })
    }

    /// Adds bytes to a spill.
    ///
    /// # Errors
    /// When it holds too many, or the disk is full or fails.
    pub(crate) async fn spill_on(&self, spill: &mut Spill, bytes: &[u8]) -> Result<(), Rejection> {
        let size = spill.bytes() + bytes.len() as u64;
        if size > spill.limit {
            return Err(terms::too_large(size, spill.limit));
        }
        spill.waiting.extend_from_slice(bytes);
        match spill.waiting.len() < WRITE_BYTES {
            true => Ok(()),
            false => self.spilled(spill).await,
        }
    }

    /// Writes what of a spill waits for more.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub(crate) async fn spilled(&self, spill: &mut Spill) -> Result<(), Rejection> {
        let (file, at) = (Arc::clone(&spill.file), spill.bytes);
        let waiting = std::mem::take(&mut spill.waiting);
        spill.bytes += waiting.len() as u64;
        let written = self.disk.run(move || file.write_at(&waiting, at)).await;
        written.map_err(|error| refused(&WriteError::Disk(error)))
    }
}

impl Spill {
    /// How much there is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.waiting.len() as u64
    }

    /// Bytes from an offset on, at least one unless there are none; all must have been written.
    pub(super) async fn read(&self, disk: &Disk, at: u64) -> Result<Bytes, Rejection> {
        let left = self.bytes.saturating_sub(at);
        let wanted = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        let file = Arc::clone(&self.file);
        let read = disk.run(move || {
            let mut buffer = vec![0; wanted];
            file.read_at(&mut buffer, at).map(|()| Bytes::from(buffer))
        });
        read.await
            .map_err(|error| refused(&WriteError::Disk(error)))
    }
}
