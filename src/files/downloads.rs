//! Turns of downloads: each holds memory for as long as its client takes the file, and a client may
//! take a little a minute for ever.
//!
//! Invariant: those at once are few, and those of one address are a part of them.
//! Never: ends a download.

use std::net::IpAddr;
use std::sync::Arc;

use frontdesk_protocol::{ErrorCode, Rejection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::rates::network;
use crate::shares::{Share, Shares};

/// Downloads through this node at once: each has a piece of half a MiB in memory, and of a packed
/// file a frame of 128 KiB and a table of up to as much.
const DOWNLOADS_AT_ONCE: usize = 512;
/// How long an address that has as many as it may waits for one of its own to end, milliseconds:
/// small pictures of a page that an office opens go in less.
const OWN_WAIT_MS: u64 = 2_000;

/// See the module's text.
pub(crate) struct Downloads {
    all: Arc<Semaphore>,
    own: Shares<IpAddr>,
    /// 0 for no limit of their own.
    of_address_count: usize,
}

/// One download's.
pub(crate) struct Turn {
    _one: OwnedSemaphorePermit,
    _own: Option<Share<IpAddr>>,
}

impl Downloads {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(DOWNLOADS_AT_ONCE)),
            own: Shares::default(),
            of_address_count: limits.downloads_address as usize,
        }
    }

    /// A turn for a client at this address.
    ///
    /// # Errors
    /// When all are taken, or all that the address may have.
    pub(crate) async fn turn(&self, address: IpAddr) -> Result<Turn, Rejection> {
        let own = match self.of_address_count {
            0 => None,
            limit => Some(self.own_turn(network(address), limit).await?),
        };
        let one = Arc::clone(&self.all).try_acquire_owned();
        Ok(Turn {
            _one: one.map_err(|_| Rejection::new(ErrorCode::Busy))?,
            _own: own,
        })
    }

    async fn own_turn(&self, address: IpAddr, limit: usize) -> Result<Share<IpAddr>, Rejection> {
        let own = self.own.take(address, limit, OWN_WAIT_MS).await;
        own.ok_or_else(|| {
            let why = format!("{limit} downloads of this address are under way");
            Rejection::because(ErrorCode::RateLimited, why)
        })
    }
}
