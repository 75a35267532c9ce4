//! Answers that cannot be forgotten: dropping one says that nobody knows.
//!
//! Never: answers twice.

use std::sync::Arc;

use crate::journal::{AppendOutcome, OnOutcome, Result, Tail};
use crate::store::Shared;

/// The answer owed to an appender.
pub(crate) struct Answer {
    shared: Arc<Shared>,
    done: Option<OnOutcome>,
}

impl Answer {
    pub(crate) fn new(shared: Arc<Shared>, done: OnOutcome) -> Self {
        Self {
            shared,
            done: Some(done),
        }
    }

    pub(crate) fn give(mut self, outcome: AppendOutcome) {
        self.say(outcome);
    }

    fn say(&mut self, outcome: AppendOutcome) {
        if let Some(done) = self.done.take() {
            self.shared.metrics.append(&outcome);
            done(outcome);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.say(AppendOutcome::Unknown);
    }
}

type OnFence = Box<dyn FnOnce(Result<Tail>) + Send>;

/// The answer owed to who fences.
pub(crate) struct FenceAnswer {
    shared: Arc<Shared>,
    done: Option<OnFence>,
}

impl FenceAnswer {
    pub(crate) fn new(shared: Arc<Shared>, done: OnFence) -> Self {
        Self {
            shared,
            done: Some(done),
        }
    }

    pub(crate) fn give(mut self, answer: Result<Tail>) {
        if let Some(done) = self.done.take() {
            done(answer);
        }
    }
}

impl Drop for FenceAnswer {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(self.shared.failed_error()));
        }
    }
}
