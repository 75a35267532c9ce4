//! A request's body on its way into an upload.
//!
//! Runs in the request's own task: on the way to another one each piece would wake a thread. What
//! came before its client went away is kept even so. How fast it must
//! come is said in `pace`.
//!
//! Never: speaks HTTP; a door turns what became of a body into its own words.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::{Body, Bytes};
use frontdesk_actors::task::spawn;
use tokio::runtime::Handle;

use super::job::WriteError;
use super::pace::BodyPace;
use super::writer::Writer;

/// Time without a byte after which what came is written, milliseconds: meanwhile others use the
/// memory.
const GATHER_MS: u64 = 500;

/// Why a body was not taken to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PumpError {
    /// More came than may.
    #[error("more bytes than were announced or may come")]
    TooLong,
    /// The client went away, or the body is broken.
    #[error("the body was cut off")]
    Cut,
    /// It comes too slowly.
    #[error("the body comes too slowly")]
    Slow,
    /// It is not what its checksum is of.
    #[error("checksum mismatch")]
    Mismatch,
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What became of a body.
pub(crate) struct Pumped {
    /// Up to where the upload's bytes are kept.
    pub(crate) kept: u64,
    /// Whether all of the body is among them.
    pub(crate) outcome: Result<(), PumpError>,
}

/// A body that counts only if this is its digest.
pub(crate) struct Checking {
    hash: Hash,
    expected: Vec<u8>,
}

enum Hash {
    /// SHA-1 or SHA-256.
    Sha(digest::Context),
    Blake3(Box<blake3::Hasher>),
    Crc32c(u32),
}

impl Checking {
    /// The names of all algorithms.
    pub(crate) const ALGORITHMS: [&str; 4] = ["sha1", "sha256", "crc32c", "blake3"];

    /// By an algorithm's name; `None` when nobody here knows it.
    pub(crate) fn new(algorithm: &str, expected: Vec<u8>) -> Option<Self> {
        let hash = match algorithm {
            "sha1" => Hash::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            "sha256" => Hash::Sha(digest::Context::new(&digest::SHA256)),
            "blake3" => Hash::Blake3(Box::default()),
            "crc32c" => Hash::Crc32c(0),
            _ => return None,
        };
        Some(Self { hash, expected })
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.hash {
            Hash::Sha(context) => context.update(bytes),
            Hash::Blake3(hasher) => drop(hasher.update(bytes)),
            Hash::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
        }
    }

    fn holds(self) -> bool {
        match self.hash {
            Hash::Sha(context) => context.finish().as_ref() == self.expected,
            Hash::Blake3(hasher) => hasher.finalize().as_bytes() == &*self.expected,
            Hash::Crc32c(sum) => sum.to_be_bytes() == *self.expected,
        }
    }
}

/// A writer whose client may go away at any moment.
struct Held(Option<Writer>);

impl Drop for Held {
    fn drop(&mut self) {
        // Of what is on trial nothing counts: the next turn takes it back.
        let writer = self.0.take().filter(|writer| !writer.is_trial());
        if let (Some(mut writer), Ok(_)) = (writer, Handle::try_current()) {
            spawn(async move {
                if let Err(error) = writer.keep().await {
                    tracing::debug!(%error, "what came before a client left is not kept");
                }
            });
        }
    }
}

/// Takes a body of at most so many bytes into an upload; what came of it is kept although its
/// client may go.
pub(crate) async fn pump(
    writer: Writer,
    body: Body,
    limit_bytes: u64,
    mut checking: Option<Checking>,
) -> Pumped {
    let over = writer.turn_over();
    let mut held = Held(Some(writer));
    let Held(Some(writer)) = &mut held else {
        unreachable!("it was put there");
    };
    let taken = async {
        if checking.is_some() {
            writer.try_out().await?;
        }
        take(writer, body, limit_bytes, &mut checking).await
    };
    let outcome = tokio::select! {
        outcome = taken => outcome,
        () = over => Err(PumpError::Write(WriteError::Overtaken)),
    };
    let outcome = end(writer, outcome, checking).await;
    let kept = match &outcome {
        // Others may have gone on from there already.
        Ok(()) => writer.written(),
        Err(_) => writer.kept(),
    };
    drop(held.0.take());
    Pumped { kept, outcome }
}

/// Keeps what came of a body, or takes it back if it is not what it should be.
async fn end(
    writer: &mut Writer,
    outcome: Result<(), PumpError>,
    checking: Option<Checking>,
) -> Result<(), PumpError> {
    match (outcome, checking.map(Checking::holds)) {
        (Err(PumpError::Write(error)), _) => Err(error.into()),
        (Ok(()), Some(false)) => {
            writer.take_back().await?;
            Err(PumpError::Mismatch)
        }
        // Part of what was to be checked cannot be.
        (Err(why), Some(_)) => {
            writer.take_back().await?;
            Err(why)
        }
        (outcome, _) => {
            writer.keep().await?;
            outcome
        }
    }
}

async fn take(
    writer: &mut Writer,
    mut body: Body,
    limit_bytes: u64,
    checking: &mut Option<Checking>,
) -> Result<(), PumpError> {
    let mut left = limit_bytes;
    let mut pace = BodyPace::begin(writer.now_ms());
    while let Some(mut bytes) = next_of(&mut body, &mut pace, writer).await? {
        let now_ms = writer.now_ms();
        let is_too_long = bytes.len() as u64 > left;
        if is_too_long {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        left -= bytes.len() as u64;
        if let Some(checking) = checking {
            checking.update(&bytes);
        }
        writer.write(bytes).await?;
        // What our disk takes is not the client's to answer for.
        pace.waited(writer.now_ms().saturating_sub(now_ms));
        if is_too_long {
            return Err(PumpError::TooLong);
        }
    }
    Ok(())
}

/// The next piece of a body. While none comes, what came is written.
async fn next_of(
    body: &mut Body,
    pace: &mut BodyPace,
    writer: &mut Writer,
) -> Result<Option<Bytes>, PumpError> {
    let next = pace.next(body, || writer.now_ms());
    if let Ok(next) = tokio::time::timeout(Duration::from_millis(GATHER_MS), next).await {
        return next;
    }
    let now_ms = writer.now_ms();
    writer.write_out().await?;
    pace.waited(writer.now_ms().saturating_sub(now_ms));
    pace.next(body, || writer.now_ms()).await
}
