//! The one place that starts background tasks, those of the server among them, and takes locks, so
//! that both are done alike.
//!
//! Never: holds a lock across an await; `lock` guards are for a few instructions.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

/// Starts a task that nobody awaits; its owner ends it through its own messages.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that spawns in the whole program"
)]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Waits.
pub(crate) async fn pause(for_ms: u64) {
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
}

/// Runs a read of the store off the event loop. The pool is tokio's; callers are bounded by the
/// connections and entities that wait for them.
pub(crate) async fn blocking<T, F>(work: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await, // the runtime is shutting down
    }
}

/// Takes a lock. A panic of another holder left the value consistent: every critical section here
/// changes it in steps that are each valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
