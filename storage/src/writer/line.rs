//! The line before the writer: commands in order, and who works them off.
//!
//! Invariants:
//! 1. Commands leave in the order in which they came, whoever works.
//! 2. A command that came while somebody worked is seen by them or by the writer's thread.
//!
//! Never: holds the queue's lock while a command is worked off.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::{Op, Writer};

/// How long the idle writer sleeps before it looks for something to sweep.
const IDLE_WAIT: Duration = Duration::from_secs(1);

thread_local! {
    /// This thread is working commands off for itself and others.
    static WORKS: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct Queue {
    ops: VecDeque<Op>,
    is_closed: bool,
}

/// See the module's text.
pub(crate) struct Line {
    queue: Mutex<Queue>,
    came: Condvar,
    writer: Mutex<Writer>,
    /// Whoever asks may work it off.
    is_quick: bool,
}

impl Line {
    pub(crate) fn new(writer: Writer, is_quick: bool) -> Self {
        let queue = Mutex::default();
        Self {
            queue,
            came: Condvar::new(),
            writer: Mutex::new(writer),
            is_quick,
        }
    }

    /// Queues a command, and works it off if that is quick and nobody else does. A closed line
    /// gives it back.
    pub(crate) fn enter(&self, op: Op) -> Result<(), Op> {
        {
            let mut queue = self.queue();
            if queue.is_closed {
                return Err(op);
            }
            queue.ops.push_back(op);
        }
        let free = if self.is_quick {
            self.writer.try_lock()
        } else {
            Err(TryLockError::WouldBlock)
        };
        match free {
            Ok(mut writer) => {
                let before = WORKS.replace(true);
                writer.work(self);
                WORKS.set(before);
                drop(writer);
                // What came between the last look and the unlocking is nobody's but the thread's.
                if !self.queue().ops.is_empty() {
                    self.came.notify_one();
                }
            }
            Err(_) => self.came.notify_one(),
        }
        Ok(())
    }

    /// The next command.
    pub(super) fn next(&self) -> Option<Op> {
        self.queue().ops.pop_front()
    }

    /// Lets nothing in any more; what was still waiting.
    pub(super) fn close(&self) -> VecDeque<Op> {
        let mut queue = self.queue();
        queue.is_closed = true;
        self.came.notify_one();
        std::mem::take(&mut queue.ops)
    }

    /// The writer's thread: works until the line is closed, erases and sweeps while it is idle.
    pub(crate) fn run(&self) {
        loop {
            let erases_on = {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                if !writer.work(self) {
                    return;
                }
                self.sweep(&mut writer)
            };
            let mut queue = self.queue();
            while queue.ops.is_empty() && !queue.is_closed && !erases_on {
                let waited = self.came.wait_timeout(queue, IDLE_WAIT);
                let (guard, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                queue = guard;
                if waited.timed_out() {
                    break;
                }
            }
            if queue.is_closed {
                return;
            }
        }
    }

    /// Whether the calling thread is inside the writer, so that it must not wait for it.
    pub(crate) fn is_own_thread() -> bool {
        WORKS.get()
    }

    /// True when there is more to erase at once.
    fn sweep(&self, writer: &mut Writer) -> bool {
        let swept = catch_unwind(AssertUnwindSafe(|| {
            writer.sweep_a_slice();
            writer.erase_a_slice()
        }));
        swept.unwrap_or_else(|_| {
            writer.shared.fail("the journal's sweep panicked");
            false
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
