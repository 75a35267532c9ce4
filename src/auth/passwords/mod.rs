//! Passwords of the installation's own accounts: their hashes, and the few threads that make them.
//!
//! Owns: the hashing threads and what they hash with: argon2id, version 19, 19 MiB, two passes, one
//! lane, the least that OWASP's password storage cheat sheet asks for.
//!
//! Invariants:
//! 1. At most `thread_count` hashes are made at once. A thread takes 19 MiB for its first one and
//!    makes all others in the same memory, so a storm of logins costs no more than one login.
//! 2. At most `queue_count_max` more wait; whoever comes then is refused at once.
//! 3. A password that is checked for an unknown name costs what one for a known name costs.
//! 4. No password is shown by `Debug`, and none is kept after its hash was made.
//!
//! Never: knows accounts, counts wrong attempts, or hashes on a thread of the runtime.

mod hash;
mod password;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, Block};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::random;
use hash::{OUTPUT_BYTES, Recipe, SALT_BYTES};

pub use hash::{BadHash, PasswordHash};
pub use password::{BadPassword, Password, TYPED_BYTES_MAX};

/// What a hash is promised to take at most, milliseconds: it tells the refused when to come again.
const HASH_MS_MAX: u64 = 50;
/// How much hashing threads yield to others: with both cores busy a chat message goes first, and
/// logins still get a quarter of a core.
const NICENESS: i32 = 5;

/// All threads are busy and as many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logins at once, retry after {retry_after_ms} ms")]
pub struct Overloaded {
    /// When those who wait now will have been served, milliseconds.
    pub retry_after_ms: u64,
}

/// The hashing threads. They end when this is dropped.
pub struct Passwords {
    jobs: Sender<Job>,
    /// One permit for each that is hashed or waits.
    admission: Arc<Semaphore>,
    overloaded: Overloaded,
    /// What an unknown name is checked against; nobody's password makes it.
    nobody: PasswordHash,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

/// One hash to make.
struct Job {
    password: Password,
    recipe: Recipe,
    reply: oneshot::Sender<[u8; OUTPUT_BYTES]>,
    /// Given back when the hash is made or nobody waits for it any more.
    permit: OwnedSemaphorePermit,
}

impl Passwords {
    /// Starts the threads.
    pub fn new(thread_count: usize, queue_count_max: usize) -> std::io::Result<Self> {
        assert!(thread_count > 0, "the settings allow no fewer");
        let admission = Arc::new(Semaphore::new(thread_count + queue_count_max));
        let (jobs, received) = channel();
        let received = Arc::new(Mutex::new(received));
        for index in 0..thread_count {
            let worker = Worker {
                jobs: Arc::clone(&received),
                memory: Vec::new(),
            };
            std::thread::Builder::new()
                .name(format!("password-{index}"))
                .spawn(move || worker.run())?;
        }
        let rounds = (queue_count_max / thread_count) as u64 + 1;
        Ok(Self {
            jobs,
            admission,
            overloaded: Overloaded {
                retry_after_ms: rounds * HASH_MS_MAX,
            },
            nobody: PasswordHash::new(Recipe::fresh(random::bytes()), &random::bytes()),
        })
    }

    /// Hashes a password with a salt of its own.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Overloaded> {
        let recipe = Recipe::fresh(random::bytes::<SALT_BYTES>());
        let output = self.output(password, recipe.clone()).await?;
        Ok(PasswordHash::new(recipe, &output))
    }

    /// Whether a password makes a hash. Without a hash it never does, and takes as long to say so.
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, Overloaded> {
        // Nobody has such a password, whatever the name, so this tells nothing.
        if password.is_overlong() {
            return Ok(false);
        }
        let expected = hash.unwrap_or(&self.nobody);
        let output = self.output(password, expected.recipe()).await?;
        Ok(expected.is_made_of(&output) && hash.is_some())
    }

    async fn output(
        &self,
        password: Password,
        recipe: Recipe,
    ) -> Result<[u8; OUTPUT_BYTES], Overloaded> {
        let admission = Arc::clone(&self.admission);
        let permit = admission.try_acquire_owned().map_err(|_| self.overloaded)?;
        let (reply, output) = oneshot::channel();
        let job = Job {
            password,
            recipe,
            reply,
            permit,
        };
        // Fails only if every thread is gone, which their own panic would have told.
        self.jobs.send(job).map_err(|_| self.overloaded)?;
        output.await.map_err(|_| self.overloaded)
    }
}

/// One hashing thread.
struct Worker {
    jobs: Arc<Mutex<Receiver<Job>>>,
    memory: Vec<Block>,
}

impl Worker {
    fn run(mut self) {
        // Refused only where the system forbids it; hashing goes on as it is.
        let _ = rustix::process::nice(NICENESS);
        while let Some(job) = self.next() {
            self.serve(job);
        }
    }

    fn next(&self) -> Option<Job> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.recv().ok()
    }

    fn serve(&mut self, job: Job) {
        let Job {
            password,
            recipe,
            reply,
            permit,
        } = job;
        // Whoever asked has gone; their place is free.
        if reply.is_closed() {
            return;
        }
        let mut output = [0; OUTPUT_BYTES];
        let params = recipe.params();
        self.memory.resize(params.block_count(), Block::new());
        Argon2::new(hash::ALGORITHM, hash::VERSION, params)
            .hash_password_into_with_memory(
                password.as_bytes(),
                &recipe.salt,
                &mut output,
                &mut self.memory[..],
            )
            .expect("lengths of password, salt, output and memory are all within bounds");
        // First the place, then the answer: whoever has it may ask again at once.
        drop((password, permit));
        // Nobody may be waiting any more.
        let _ = reply.send(output);
    }
}
