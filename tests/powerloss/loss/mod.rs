//! Power loss for a process of a test: the preloaded library around it, and what the disk would
//! hold after the power went.
//!
//! Owns: building the library, its settings, the undo folder beside the watched one.
//! A test starts its process with [`PowerLoss::env`], kills it, calls [`PowerLoss::lose`], and
//! starts it again on what is left.
//!
//! Never: kills the process (the test holds it), or looks into the store.

#![allow(dead_code, reason = "each test binary uses its part")]

mod restore;
mod undo_log;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, process};

pub(crate) use restore::Report;

/// How unsynced changes are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// None of them reached the disk.
    Whole,
    /// By chance each reached the disk, did not, or did in part, in sectors of 512 bytes.
    Torn,
}

/// What makes names (creations, renames, removals) durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dirs {
    /// As ext4 in its default mode: its journal commits in order, so a sync of a file makes durable
    /// what made its name, and every change of a name before that; an fdatasync counts for the
    /// creation but not for a later rename, which changes only the inode's times. Names that are
    /// lost are the last ones.
    Ext4,
    /// As POSIX promises: only a sync of the folder, and names are lost in any combination.
    Strict,
}

/// What syncs do while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// They work.
    Work,
    /// They answer EIO.
    Fail,
    /// They do not return.
    Hang,
}

/// The power supply of one folder.
#[derive(Debug)]
pub(crate) struct PowerLoss {
    dir: PathBuf,
    undo: PathBuf,
    control: PathBuf,
    dirs: Dirs,
    faults: Vec<(String, String)>,
}

impl PowerLoss {
    /// Watches `dir`, which is created; the undo folder stands beside it. `POWERLOSS_DIRS=strict`
    /// in the test's environment chooses [`Dirs::Strict`].
    pub(crate) fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let dir = dir.canonicalize().unwrap();
        let dirs = match env::var("POWERLOSS_DIRS").as_deref() {
            Ok("strict") => Dirs::Strict,
            Ok("ext4") | Err(_) => Dirs::Ext4,
            Ok(other) => panic!("POWERLOSS_DIRS is `{other}`, not `strict` or `ext4`"),
        };
        let loss = Self {
            undo: dir.with_extension("undo"),
            control: dir.with_extension("control"),
            dir,
            dirs,
            faults: Vec::new(),
        };
        fs::create_dir_all(&loss.undo).unwrap();
        loss
    }

    /// Chooses what makes names durable.
    pub(crate) fn dirs(mut self, dirs: Dirs) -> Self {
        self.dirs = dirs;
        self
    }

    /// The mutation: syncs do nothing and say they did. A test must then find losses.
    pub(crate) fn skip_sync(mut self) -> Self {
        self.faults.push(("POWERLOSS_SKIP_SYNC".into(), "1".into()));
        self
    }

    /// The sync after `count` good ones answers EIO, once, and what it should have covered is
    /// covered by no later one.
    pub(crate) fn fail_sync_after(mut self, count: u64) -> Self {
        let count = count.to_string();
        self.faults
            .push(("POWERLOSS_FAIL_SYNC_AFTER".into(), count));
        self
    }

    /// Files whose paths hold this text find no space while [`PowerLoss::set_full`] says so.
    pub(crate) fn without_space_for(mut self, part: &str) -> Self {
        self.faults.push(("POWERLOSS_NO_SPACE".into(), part.into()));
        self
    }

    /// The environment of the process; it must not start other processes.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("test paths are UTF-8").to_owned();
        let mut vars = vec![
            ("LD_PRELOAD".to_owned(), text(library())),
            ("POWERLOSS_DIR".to_owned(), text(&self.dir)),
            ("POWERLOSS_UNDO".to_owned(), text(&self.undo)),
            ("POWERLOSS_CONTROL".to_owned(), text(&self.control)),
        ];
        vars.extend(self.faults.iter().cloned());
        vars
    }

    /// Changes what syncs do in the running process.
    pub(crate) fn set_syncs(&self, syncs: Syncs) {
        let word = match syncs {
            Syncs::Work => "work",
            Syncs::Fail => "fail",
            Syncs::Hang => "hang",
        };
        self.say(word);
    }

    /// Whether the disk has no space for some of the files, in the running process.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.say(if is_full { "no space" } else { "work" });
    }

    fn say(&self, word: &str) {
        let fresh = self.control.with_extension("fresh");
        fs::write(&fresh, word).unwrap();
        fs::rename(&fresh, &self.control).unwrap();
    }

    /// The power goes: takes back what no sync covered. The process must have ended.
    pub(crate) fn lose(&self, mode: Mode, seed: u64) -> Report {
        let report = restore::restore(&self.undo, mode, self.dirs, seed);
        self.keep();
        report
    }

    /// The power stays: everything written is on disk. For a process that ended by itself and
    /// whose folder goes on under another one.
    pub(crate) fn keep(&self) {
        fs::remove_dir_all(&self.undo).unwrap();
        fs::create_dir_all(&self.undo).unwrap();
    }
}

/// The library, built once by the C compiler that linking Rust needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powerloss/preload");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join("libpowerloss.so");
        // Other test binaries may build at the same time: build aside, then rename.
        let fresh = folder.join(format!("libpowerloss.{}.so", process::id()));
        let built = Command::new("cc")
            .args([
                "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
            ])
            .arg(&fresh)
            .args(["powerloss.c", "trap.c", "undo.c"].map(|name| sources.join(name)))
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler `cc` is needed, as for linking");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "cc failed: {said}");
        fs::rename(&fresh, &library).unwrap();
        library
    })
}
