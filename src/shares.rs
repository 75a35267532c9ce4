//! Shares of what there are few of: nobody holds more of it at once than they may.
//!
//! Invariant: who holds nothing and waits for nothing is forgotten.
//! Never: bounds how much there is in all; whose it is does that.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Holders<K> = DashMap<K, Arc<Semaphore>>;

/// What each holder has of it.
pub(crate) struct Shares<K: Eq + Hash>(Arc<Holders<K>>);

/// One of those that its holder may have, until it is dropped.
pub(crate) struct Share<K: Eq + Hash> {
    holder: K,
    holders: Arc<Holders<K>>,
    count: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        drop((self.permit.take(), self.count.take()));
        let is_unused = |_: &K, count: &Arc<Semaphore>| Arc::strong_count(count) == 1;
        self.holders.remove_if(&self.holder, is_unused);
    }
}

impl<K: Eq + Hash> Default for Shares<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// One more for this holder, who may have so many; nothing if within this time none of theirs
    /// ended. The limit is that of the holder's first, for as long as they hold any.
    pub(crate) async fn take(&self, holder: K, limit: usize, wait_ms: u64) -> Option<Share<K>> {
        let (mut share, count) = self.enter(holder, limit);
        share.permit = within(&count, wait_ms).await;
        // A clone that outlived the share would keep its holder from being forgotten.
        drop(count);
        share.permit.is_some().then_some(share)
    }

    /// The same, however long it takes.
    pub(crate) async fn wait(&self, holder: K, limit: usize) -> Option<Share<K>> {
        let (mut share, count) = self.enter(holder, limit);
        share.permit = count.acquire_owned().await.ok();
        share.permit.is_some().then_some(share)
    }

    fn enter(&self, holder: K, limit: usize) -> (Share<K>, Arc<Semaphore>) {
        let fresh = || Arc::new(Semaphore::new(limit));
        let count = Arc::clone(&self.0.entry(holder.clone()).or_insert_with(fresh));
        let share = Share {
            holder,
            holders: Arc::clone(&self.0),
            count: Some(Arc::clone(&count)),
            permit: None,
        };
        (share, count)
    }
}

/// A permit, unless there is none for so long.
pub(crate) async fn within(
    permits: &Arc<Semaphore>,
    limit_ms: u64,
) -> Option<OwnedSemaphorePermit> {
    let limit = Duration::from_millis(limit_ms);
    let taken = tokio::time::timeout(limit, Arc::clone(permits).acquire_owned()).await;
    taken.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_holder_with_a_full_share_waits_for_their_own_alone() {
        let shares = Shares::default();
        let first = shares.take("ann", 2, 1_000).await;
        let _second = shares.take("ann", 2, 1_000).await.expect("two are allowed");
        assert!(shares.take("ann", 2, 1_000).await.is_none());
        assert!(shares.take("bob", 2, 1_000).await.is_some());
        let third = async { shares.take("ann", 2, 1_000).await.is_some() };
        let ends = async { drop(first) };
        assert_eq!(tokio::join!(third, ends), (true, ()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_nothing_is_forgotten() {
        let shares = Shares::default();
        let first = shares.take("ann", 1, 1_000).await.expect("one is allowed");
        assert!(shares.take("ann", 1, 1_000).await.is_none());
        assert_eq!(shares.0.len(), 1);
        drop(first);
        assert_eq!(shares.0.len(), 0);
    }
}
