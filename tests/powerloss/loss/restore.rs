//! What the disk holds after the power went: replays the undo log backwards.
//!
//! Invariants:
//! 1. A change that a successful sync covered stays. One that a failed sync should have covered may
//!    be lost, whatever later syncs said.
//! 2. A sector (512 bytes) ends as it was after some change, or before all unsynced ones: when a
//!    later change of it is kept, undoing an earlier one leaves it alone, for the page that was
//!    written held both.
//! 3. A file that grew and kept the new bytes keeps the size that goes with them; bytes between
//!    that did not reach the disk read as zeros. A truncation is kept when later growth is. What is
//!    kept of a write keeps the size it needs, although the write that had made the file grow was
//!    spoilt: a disk's blocks are written with the size that reaches them.
//!
//! What is more forgiving in ext4 than here: a sync that allocates blocks commits the journal and
//! with it every name; here it covers only names up to the file's own. Stricter is safe.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::undo_log::{Ino, Kind, UndoLog};
use super::{Dirs, Mode};

/// What a disk writes at once.
const SECTOR_BYTES: u64 = 512;

/// What a power loss did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Records in the log.
    pub(crate) records: usize,
    /// Writes and changes of size that no sync covered and that are gone.
    pub(crate) undone: usize,
    /// Those that no sync covered and that stayed all the same.
    pub(crate) kept: usize,
    /// Writes of which a part stayed.
    pub(crate) torn: usize,
    /// Creations, renames and removals that are gone.
    pub(crate) names_undone: usize,
    /// Those that no sync covered and that stayed all the same.
    pub(crate) names_kept: usize,
}

/// Replays the log in `undo`, which stays as it is.
pub(super) fn restore(undo: &Path, mode: Mode, dirs: Dirs, seed: u64) -> Report {
    let log = UndoLog::read(&undo.join("log"));
    let mut loss = Loss {
        durable: durable(&log.kinds, dirs),
        log,
        undo,
        mode,
        chance: Chance::new(seed),
        report: Report::default(),
    };
    loss.report.records = loss.log.kinds.len();
    let mut changes: BTreeMap<Ino, Vec<usize>> = BTreeMap::new();
    for (index, kind) in loss.log.kinds.iter().enumerate() {
        if let Some(ino) = kind.content_of() {
            changes.entry(ino).or_default().push(index);
        }
    }
    for (ino, indices) in &changes {
        if indices.iter().any(|index| !loss.durable[*index]) {
            loss.restore_file(*ino, indices);
        }
    }
    loss.restore_names(dirs);
    loss.report
}

/// A seeded sequence (splitmix64): the same seed loses the same.
struct Chance {
    state: u64,
    keep_percent: u64,
}

impl Chance {
    /// Seeds differ also in how much they lose: a fifth to four fifths.
    fn new(seed: u64) -> Self {
        let mut chance = Self {
            state: seed,
            keep_percent: 0,
        };
        chance.keep_percent = [20, 50, 80][chance.below(3) as usize];
        chance
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn keeps(&mut self) -> bool {
        self.below(100) < self.keep_percent
    }
}

impl Kind {
    /// The file whose bytes or size the record changes.
    fn content_of(&self) -> Option<Ino> {
        match self {
            Kind::Write { ino, .. } | Kind::Lost { ino, .. } | Kind::Truncate { ino, .. } => {
                Some(*ino)
            }
            _ => None,
        }
    }

    /// The names the record changes; none when it is about something else.
    fn names(&self) -> Vec<&Path> {
        match self {
            Kind::Entry { path, .. } | Kind::MakeDir { path } | Kind::RemoveDir { path } => {
                vec![path]
            }
            Kind::Rename { from, to, .. } => vec![from, to],
            _ => Vec::new(),
        }
    }
}

/// Which records are on disk for certain.
fn durable(kinds: &[Kind], dirs: Dirs) -> Vec<bool> {
    let mut durable = vec![false; kinds.len()];
    let mut unsynced: HashMap<Ino, Vec<usize>> = HashMap::new();
    let mut names: Vec<usize> = Vec::new();
    // Per file: its last name's creation, and its last rename, which fdatasync does not cover.
    let mut made: HashMap<Ino, Vec<(usize, bool)>> = HashMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        if !kind.names().is_empty() {
            names.push(index);
        }
        match kind {
            Kind::Write { ino, .. } | Kind::Lost { ino, .. } | Kind::Truncate { ino, .. } => {
                unsynced.entry(*ino).or_default().push(index);
            }
            Kind::Entry { after, .. } if *after != 0 => {
                made.entry(*after).or_default().push((index, false));
            }
            Kind::Bind { ino, entry } => {
                made.entry(*ino).or_default().push((*entry as usize, false));
            }
            Kind::Rename { ino, .. } => made.entry(*ino).or_default().push((index, true)),
            Kind::Sync {
                ino,
                upto,
                data_only,
            } => {
                for covered in take_below(&mut unsynced, *ino, *upto) {
                    durable[covered] = true;
                }
                let own = made
                    .get(ino)
                    .into_iter()
                    .flatten()
                    .rev()
                    .find(|(at, renamed)| (*at as u64) < *upto && !(*renamed && *data_only));
                if let (Dirs::Ext4, Some((last, _))) = (dirs, own) {
                    names
                        .iter()
                        .filter(|at| **at <= *last)
                        .for_each(|at| durable[*at] = true);
                }
            }
            Kind::SyncFailed { ino, upto } => drop(take_below(&mut unsynced, *ino, *upto)),
            Kind::SyncDir { path, upto } => {
                cover_names(kinds, &names, &mut durable, (path, *upto), dirs);
            }
            _ => {}
        }
        names.retain(|at| !durable[*at]);
    }
    durable
}

/// A folder was synced: its names are on disk, and in ext4 all before them.
fn cover_names(
    kinds: &[Kind],
    names: &[usize],
    durable: &mut [bool],
    (folder, upto): (&Path, u64),
    dirs: Dirs,
) {
    let within = |at: &usize| {
        let mut paths = kinds[*at].names().into_iter();
        (*at as u64) < upto && paths.all(|path| path.parent() == Some(folder))
    };
    let made = |at: &usize| matches!(&kinds[*at], Kind::MakeDir { path } if path == folder);
    match dirs {
        Dirs::Strict => names
            .iter()
            .filter(|at| within(at))
            .for_each(|at| durable[*at] = true),
        Dirs::Ext4 => {
            let last = names.iter().rev().find(|at| within(at) || made(at));
            let Some(last) = last else { return };
            names
                .iter()
                .filter(|at| *at <= last)
                .for_each(|at| durable[*at] = true);
        }
    }
}

fn take_below(lists: &mut HashMap<Ino, Vec<usize>>, ino: Ino, upto: u64) -> Vec<usize> {
    let Some(list) = lists.get_mut(&ino) else {
        return Vec::new();
    };
    let cut = list.partition_point(|index| (*index as u64) < upto);
    list.drain(..cut).collect()
}

struct Loss<'a> {
    log: UndoLog,
    durable: Vec<bool>,
    undo: &'a Path,
    mode: Mode,
    chance: Chance,
    report: Report,
}

/// A file while its records are replayed, latest first.
struct Replay {
    file: File,
    /// Sectors that hold a kept change: earlier ones do not touch them.
    fixed: BTreeSet<u64>,
    /// From here on every sector was cut off by a kept truncation.
    fixed_from: u64,
    /// A kept change settled the size.
    size_fixed: bool,
    /// Where the kept changes end: no size is smaller.
    size_least: u64,
    /// What became of the truncation whose lost bytes come next.
    truncation_undone: bool,
}

impl Loss<'_> {
    fn restore_file(&mut self, ino: Ino, indices: &[usize]) {
        let path = self.undo.join(ino.to_string());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let mut replay = Replay {
            file,
            fixed: BTreeSet::new(),
            fixed_from: u64::MAX,
            size_fixed: false,
            size_least: 0,
            truncation_undone: false,
        };
        for index in indices.iter().rev().copied() {
            match self.log.kinds[index] {
                Kind::Write {
                    offset,
                    size_before,
                    length,
                    ..
                } => {
                    let (from, to) = self.kept_part(index, offset, offset + length);
                    let old = self.log.payload(index);
                    replay.undo_bytes(offset, from, offset, &old);
                    replay.undo_bytes(to, offset + length, offset, &old);
                    replay.keep_bytes(from, to);
                    if offset + length > size_before {
                        replay.settle_size(size_before, (from < to).then_some(to));
                    }
                }
                Kind::Truncate { before, after, .. } => {
                    let keeps = self.durable[index]
                        || replay.size_fixed
                        || (self.mode == Mode::Torn && self.chance.keeps());
                    self.count(index, keeps);
                    replay.truncation_undone = !keeps;
                    if keeps {
                        replay.size_fixed = true;
                        let cut = before.min(after) / SECTOR_BYTES;
                        replay.fixed_from = replay.fixed_from.min(cut);
                    } else {
                        replay.file.set_len(before.max(replay.size_least)).unwrap();
                    }
                }
                Kind::Lost { offset, .. } if replay.truncation_undone => {
                    let old = self.log.payload(index);
                    replay.undo_bytes(offset, offset + old.len() as u64, offset, &old);
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, index: usize, keeps: bool) {
        match (self.durable[index], keeps) {
            (true, _) => {}
            (false, true) => self.report.kept += 1,
            (false, false) => self.report.undone += 1,
        }
    }

    /// The part of a write that reached the disk; empty when `from == to`.
    fn kept_part(&mut self, index: usize, start: u64, end: u64) -> (u64, u64) {
        let first = start / SECTOR_BYTES + 1;
        let boundary_count = (end.saturating_sub(1) / SECTOR_BYTES + 1).saturating_sub(first);
        let whole = self.durable[index] || self.mode == Mode::Whole;
        if whole || boundary_count == 0 || self.chance.below(3) > 0 {
            let keeps = self.durable[index] || (self.mode == Mode::Torn && self.chance.keeps());
            self.count(index, keeps);
            return if keeps { (start, end) } else { (end, end) };
        }
        self.report.torn += 1;
        let boundary = (first + self.chance.below(boundary_count)) * SECTOR_BYTES;
        if self.chance.below(2) == 0 {
            (start, boundary)
        } else {
            (boundary, end)
        }
    }

    fn restore_names(&mut self, dirs: Dirs) {
        let changed = |index: &usize| !self.log.kinds[*index].names().is_empty();
        let names: Vec<usize> = (0..self.log.kinds.len()).filter(changed).collect();
        let open = names.iter().filter(|index| !self.durable[**index]).count() as u64;
        // In ext4 the journal's end is lost: what is lost are the last changes.
        let mut left = match self.mode {
            Mode::Whole => open,
            Mode::Torn => self.chance.below(open + 1),
        };
        let mut fixed: HashSet<PathBuf> = HashSet::new();
        for index in names.into_iter().rev() {
            let keeps = self.durable[index]
                || match (self.mode, dirs) {
                    (Mode::Whole, _) => false,
                    (Mode::Torn, Dirs::Ext4) => left == 0,
                    (Mode::Torn, Dirs::Strict) => self.chance.keeps(),
                };
            if keeps {
                self.report.names_kept += usize::from(!self.durable[index]);
                let names = self.log.kinds[index].names();
                fixed.extend(names.into_iter().map(Path::to_owned));
            } else {
                left = left.saturating_sub(1);
                self.report.names_undone += 1;
                self.undo_name(&self.log.kinds[index], &fixed);
            }
        }
    }

    fn undo_name(&self, kind: &Kind, fixed: &HashSet<PathBuf>) {
        let set = |path: &Path, ino: Ino| {
            if !fixed.contains(path) {
                self.set_name(path, ino);
            }
        };
        match kind {
            Kind::Entry { path, before, .. } => set(path, *before),
            Kind::Rename {
                ino,
                from,
                to,
                over,
            } => {
                set(from, *ino);
                set(to, *over);
            }
            Kind::MakeDir { path } if !fixed.contains(path) && path.exists() => {
                fs::remove_dir_all(path).unwrap();
            }
            Kind::RemoveDir { path } if !fixed.contains(path) => {
                fs::create_dir_all(path).unwrap();
            }
            _ => {}
        }
    }

    /// Makes a name stand for a file again, or for none. Without its folder there is no name.
    fn set_name(&self, path: &Path, ino: Ino) {
        let present = fs::symlink_metadata(path).ok().map(|found| found.ino());
        let parent_exists = path.parent().is_some_and(Path::exists);
        if present == Some(ino) || (present.is_none() && ino == 0) || !parent_exists {
            return;
        }
        if present.is_some() {
            fs::remove_file(path).unwrap();
        }
        if ino != 0 {
            fs::hard_link(self.undo.join(ino.to_string()), path).unwrap();
        }
    }
}

impl Replay {
    fn is_fixed(&self, sector: u64) -> bool {
        sector >= self.fixed_from || self.fixed.contains(&sector)
    }

    /// Puts old bytes back in `[from, to)`, sector by sector; `old` begins at `old_at`, and what it
    /// does not reach had not existed: zeros, which a shorter size may then cut off.
    fn undo_bytes(&mut self, from: u64, to: u64, old_at: u64, old: &[u8]) {
        let to = to.min(self.file.metadata().unwrap().len());
        let mut bytes = old.to_vec();
        bytes.resize(bytes.len().max(to.saturating_sub(old_at) as usize), 0);
        let mut at = from;
        while at < to {
            let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(to);
            if !self.is_fixed(at / SECTOR_BYTES) {
                let part = &bytes[(at - old_at) as usize..(end - old_at) as usize];
                self.file.write_all_at(part, at).unwrap();
            }
            at = end;
        }
    }

    fn keep_bytes(&mut self, from: u64, to: u64) {
        if from < to {
            self.size_least = self.size_least.max(to);
            self.fixed
                .extend(from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES);
        }
    }

    /// A write had made the file grow; `kept_to` is where the part that stayed ends.
    fn settle_size(&mut self, size_before: u64, kept_to: Option<u64>) {
        if self.size_fixed {
            return;
        }
        let kept_to = kept_to.filter(|end| *end > size_before);
        self.size_fixed = kept_to.is_some();
        let size = kept_to.unwrap_or(size_before).max(self.size_least);
        if self.file.metadata().unwrap().len() > size {
            self.file.set_len(size).unwrap();
        }
    }
}
