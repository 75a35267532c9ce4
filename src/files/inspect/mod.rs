//! Whether a file that came may be passed on, and as what: all that is asked of it, in one place.
//!
//! In this order: what it is, whether that is taken, what is in it, whether a scanner finds
//! anything, and for a picture what is private in it; what passes is packed if that is wished and
//! worth it. The cheap questions come first, and nothing decodes a picture that a scanner has not
//! seen.
//!
//! Invariants:
//! 1. A file is read from where it lies and never changed; what is made of it is beside `work`.
//! 2. No file is in memory as a whole but a picture of a bounded length, and of those at most one
//!    for each thread of the pool.
//! 3. Whatever is refused leaves nothing behind; no verdict names a path.
//!
//! Never: publishes, removes or renames the file that it was asked about.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use frontdesk_actors::clock::Clock;
use frontdesk_protocol::upload::{FileKind, UploadFailure};

use super::archive::{self, Contents, Strictness};
use super::images::{self, Treated};
use super::names;
use super::packing::{self, is_worth_a_try};
use super::policy::{self, Taken};
use super::pool::Pool;
pub use super::pool::Whose;
use super::scan::{Address, Canary, ScanVerdict, Scanner};
use super::sniff::{self, Nature, Sniffed};
use crate::config::{Files, ScanPolicy};

/// Threads that look at files and unpack archives: one large archive holds up no other file.
const LOOK_THREAD_COUNT: usize = 2;
/// Threads that pack what passed. Two could be at the same file, where an inspection that was cut
/// off is begun again while its packing goes on.
const PACK_THREAD_COUNT: usize = 1;
/// First wait for a scanner that does not answer, milliseconds; doubled each time.
const SCAN_PAUSE_MS: u64 = 250;
/// Longest wait between two questions, milliseconds.
const SCAN_PAUSE_MS_MAX: u64 = 5_000;

/// What is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub kind: FileKind,
    /// The file to pass on instead of the one that came: at `work` with `.stripped` behind it, on
    /// disk. Whoever asked owns it.
    pub rewritten: Option<PathBuf>,
    /// A small picture of it, always a JPEG: at `work` with `.thumbnail` behind it, on disk.
    /// Whoever asked owns it.
    pub thumbnail: Option<PathBuf>,
    /// What is passed on, packed, to be stored in its place: at `work` with `.packed` behind it, on
    /// disk. Whoever asked owns it.
    pub packed: Option<PathBuf>,
}

/// Why nothing is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The file's fault, or nobody could scan it for as long as is waited.
    Refused(UploadFailure),
    /// Our fault, a disk's say: asking again may help.
    TryLater,
}

/// A file to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who sent it.
    pub whose: &'a Whose,
    /// Where it lies.
    pub file: &'a Path,
    /// Where what is made of it may lie: a path that nobody else uses, in a folder that exists, to
    /// which endings are added.
    pub work: &'a Path,
    /// What it is called.
    pub shown_name: &'a str,
    /// What its sender says it is.
    pub declared_mime: &'a str,
    /// What is taken of it.
    pub taken: &'a Taken,
}

/// All that looks at files, with its threads. They end when this is dropped.
pub struct Inspector {
    looks: Pool,
    images: Arc<Pool>,
    /// None where nothing is packed.
    packs: Option<Pool>,
    scanner: Option<Scanner>,
    scan_policy: ScanPolicy,
    scan_wait_ms: u64,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

impl Inspector {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives none, or the scanner's address is none.
    pub fn new(settings: &Files, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let scanner = match &settings.clamav {
            None => None,
            Some(text) => {
                let address: Address = text.parse().map_err(io::Error::other)?;
                let answer_limit = Duration::from_millis(settings.scan_answer_ms);
                Some(Scanner::new(address, settings.scan_threads, answer_limit)?)
            }
        };
        Ok(Self {
            looks: Pool::new("look", LOOK_THREAD_COUNT)?,
            images: Arc::new(Pool::new("image", settings.image_threads)?),
            packs: match settings.compress {
                true => Some(Pool::new("pack", PACK_THREAD_COUNT)?),
                false => None,
            },
            scanner,
            scan_policy: settings.scan_policy,
            scan_wait_ms: settings.scan_wait_ms,
            clock,
        })
    }

    /// Has the scanner look at what it must find, and tells the log; `None` without a scanner. To
    /// be asked when the node starts.
    pub async fn canary(&self) -> Option<Canary> {
        let canary = self.scanner.as_ref()?.canary().await;
        match canary {
            Canary::Finds => tracing::info!("the scanner answers and finds the test file"),
            Canary::Blind => {
                tracing::error!("the scanner does not find the test file: has it signatures?");
            }
            Canary::Silent => tracing::error!("the scanner does not answer"),
        }
        Some(canary)
    }

    /// Whether the scanner, if there is one, takes files of this length; tells the log if not.
    pub async fn scans_files_of(&self, size_bytes: u64) -> bool {
        let Some(scanner) = &self.scanner else {
            return true;
        };
        let takes = scanner.takes(size_bytes).await;
        if !takes {
            tracing::warn!(
                size_bytes,
                "the scanner does not take files of this size: raise its StreamMaxLength"
            );
        }
        takes
    }

    /// Looks at a file.
    ///
    /// # Errors
    /// Why it may not be passed on.
    pub async fn inspect(&self, asked: &Asked<'_>) -> Result<Inspection, Verdict> {
        let mut passed = self.judge(asked).await?;
        let Some(packs) = self.packs.as_ref().filter(|_| is_worth_a_try(&passed.kind)) else {
            return Ok(passed);
        };
        let from = passed.rewritten.as_deref().unwrap_or(asked.file).to_owned();
        let work = asked.work.to_owned();
        let pack = move || packing::pack(&from, &work);
        let packed = packs.run(asked.whose, pack).await;
        let Some(packed) = packed else {
            tracing::error!("a thread that packed a file panicked");
            return Ok(passed);
        };
        passed.packed = packed.map_err(|error| ours(&error))?;
        passed.kind.is_packed = passed.packed.is_some();
        Ok(passed)
    }

    async fn judge(&self, asked: &Asked<'_>) -> Result<Inspection, Verdict> {
        let look = Look {
            file: asked.file.to_owned(),
            work: asked.work.to_owned(),
            shown: names::shown(asked.shown_name),
            declared: asked.declared_mime.to_owned(),
            taken: asked.taken.clone(),
        };
        let looked = look.clone();
        let looked = self.looks.run(asked.whose, move || looked.look()).await;
        let seen = looked.unwrap_or(Err(PANICKED))?;
        self.scan(asked, &seen).await?;
        if seen.sniffed.nature.is_dangerous() && seen.sniffed.mime.starts_with("image/") {
            // Kept by those who keep everything, and shown by nobody.
            return Ok(seen.into_bytes());
        }
        let picture = match seen.sniffed.nature {
            Nature::Image => images::Kind::of(&seen.sniffed.mime),
            _ => None,
        };
        let Some(kind) = picture else {
            return Ok(seen.into_what_came());
        };
        let (path, work) = (asked.file.to_owned(), asked.work.to_owned());
        let treat = move || images::treat(&path, &work, kind);
        match self.images.run(asked.whose, treat).await {
            Some(Ok(treated)) => Ok(seen.into_picture(treated)),
            Some(Err(images::Fault::Disk(error))) => Err(ours(&error)),
            Some(Err(images::Fault::Refused(_))) | None if *asked.taken == Taken::Everything => {
                self.keep_whole(asked.whose, look, seen).await
            }
            Some(Err(images::Fault::Refused(failure))) => Err(Verdict::Refused(failure)),
            None => Err(PANICKED),
        }
    }

    /// A picture that cannot be taken apart is kept by those who keep everything, and never shown.
    /// Nothing is cut from it, so that what hides in it is looked at as in any file.
    async fn keep_whole(
        &self,
        whose: &Whose,
        look: Look,
        mut seen: Seen,
    ) -> Result<Inspection, Verdict> {
        let sniffed = seen.sniffed.clone();
        let looking = self.looks.run(whose, move || look.archived(&sniffed));
        let looked = looking.await;
        seen.contents = looked.unwrap_or(Err(PANICKED))?;
        if self.scanner.is_some() && seen.contents.is_encrypted {
            self.refuse_unless_open(UploadFailure::Unscannable)?;
        }
        Ok(seen.into_bytes())
    }

    /// What could not be scanned is taken where nobody has to have looked.
    fn refuse_unless_open(&self, failure: UploadFailure) -> Result<(), Verdict> {
        match self.scan_policy {
            ScanPolicy::Closed => Err(Verdict::Refused(failure)),
            ScanPolicy::Open => Ok(()),
        }
    }

    /// Asks the scanner, for a while if it does not answer.
    async fn scan(&self, asked: &Asked<'_>, seen: &Seen) -> Result<(), Verdict> {
        let Some(scanner) = &self.scanner else {
            return Ok(());
        };
        let is_closed = self.scan_policy == ScanPolicy::Closed;
        let refuse = |failure| self.refuse_unless_open(failure);
        let began_ms = self.clock.monotonic_ms();
        let mut pause_ms = SCAN_PAUSE_MS;
        loop {
            let scanned = scanner.scan(asked.whose, asked.file).await;
            match scanned.map_err(|error| ours(&error))? {
                // What was behind a password was not looked at.
                ScanVerdict::Clean if seen.contents.is_encrypted => {
                    return refuse(UploadFailure::Unscannable);
                }
                ScanVerdict::Clean => return Ok(()),
                ScanVerdict::Infected(name) => {
                    tracing::warn!(name, "a file is infected");
                    return Err(Verdict::Refused(UploadFailure::Infected));
                }
                ScanVerdict::Unscannable => return refuse(UploadFailure::Unscannable),
                ScanVerdict::Unavailable => {}
            }
            let waited_ms = self.clock.monotonic_ms().saturating_sub(began_ms);
            if !is_closed || waited_ms + pause_ms > self.scan_wait_ms {
                tracing::warn!(waited_ms, is_closed, "nobody scanned a file");
                return refuse(UploadFailure::ScannerUnavailable);
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(SCAN_PAUSE_MS_MAX);
        }
    }
}

/// A decoder that fails its own assertions was given what nobody should open.
const PANICKED: Verdict = Verdict::Refused(UploadFailure::Unscannable);

fn ours(error: &dyn std::error::Error) -> Verdict {
    tracing::error!(%error, "a file could not be inspected");
    Verdict::TryLater
}

/// What is asked of a file without a scanner and before its pixels.
#[derive(Clone)]
struct Look {
    file: PathBuf,
    work: PathBuf,
    shown: String,
    declared: String,
    taken: Taken,
}

/// What it came to.
struct Seen {
    sniffed: Sniffed,
    contents: Contents,
    size_bytes: u64,
}

impl Look {
    fn look(&self) -> Result<Seen, Verdict> {
        let (sniffed, size_bytes) = self.sniff().map_err(|error| ours(&error))?;
        let sniffed = policy::heard(sniffed, &self.shown);
        if size_bytes == 0 {
            return Err(Verdict::Refused(UploadFailure::Empty));
        }
        policy::judge(&self.taken, &self.shown, &self.declared, &sniffed)
            .map_err(Verdict::Refused)?;
        let contents = self.contents(&sniffed)?;
        Ok(Seen {
            sniffed,
            contents,
            size_bytes,
        })
    }

    fn sniff(&self) -> io::Result<(Sniffed, u64)> {
        let file = File::open(&self.file)?;
        let size_bytes = file.metadata()?.len();
        Ok((sniff::sniff(file)?, size_bytes))
    }

    fn contents(&self, sniffed: &Sniffed) -> Result<Contents, Verdict> {
        let kind = images::Kind::of(&sniffed.mime);
        if sniffed.nature == Nature::Image && kind.is_some_and(images::Kind::is_cut) {
            // What hides in a picture or behind it is gone from what is passed on. If it turns out
            // that the picture cannot be cut, this is made up for.
            return Ok(Contents::default());
        }
        self.archived(sniffed)
    }

    /// What is found in it if it is an archive, or ends as one.
    fn archived(&self, sniffed: &Sniffed) -> Result<Contents, Verdict> {
        let strictness = match self.taken {
            Taken::Everything => Strictness::NoBomb,
            Taken::Harmless | Taken::Only(_) => Strictness::Harmless,
        };
        archive::look(&self.file, &self.work, &self.shown, sniffed, strictness).map_err(|finding| {
            tracing::debug!(?finding, "an archive may not pass");
            match (finding.failure(), finding) {
                (Some(failure), _) => Verdict::Refused(failure),
                (None, archive::Finding::Disk(error)) => ours(&error),
                (None, _) => Verdict::TryLater,
            }
        })
    }
}

impl Seen {
    fn into_what_came(self) -> Inspection {
        Inspection {
            kind: FileKind {
                mime: self.sniffed.mime.into(),
                pixels: None,
                has_thumbnail: false,
                stored_size: self.size_bytes,
                is_rewritten: false,
                is_packed: false,
            },
            rewritten: None,
            thumbnail: None,
            packed: None,
        }
    }

    /// As nothing that anybody would show.
    fn into_bytes(self) -> Inspection {
        let mut inspection = self.into_what_came();
        inspection.kind.mime = sniff::UNKNOWN.into();
        inspection
    }

    fn into_picture(self, treated: Treated) -> Inspection {
        Inspection {
            kind: FileKind {
                mime: self.sniffed.mime.into(),
                pixels: treated.pixels,
                has_thumbnail: treated.thumbnail.is_some(),
                stored_size: treated.stored_bytes,
                is_rewritten: treated.rewritten.is_some(),
                is_packed: false,
            },
            rewritten: treated.rewritten,
            thumbnail: treated.thumbnail,
            packed: None,
        }
    }
}

#[cfg(test)]
mod tests;
