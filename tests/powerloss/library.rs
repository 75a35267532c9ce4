//! The library keeps what was synced, loses what was not, and notices what it cannot track.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::child::Watched;
use crate::loss::{Dirs, Mode, PowerLoss, Report, Syncs};

/// A folder to watch, with its power supply.
struct Place {
    _folder: TempDir,
    dir: PathBuf,
    loss: PowerLoss,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let dir = folder.path().join("watched");
        Self {
            loss: PowerLoss::new(&dir).dirs(Dirs::Ext4),
            _folder: folder,
            dir,
        }
    }

    fn with(change: impl FnOnce(PowerLoss) -> PowerLoss) -> Self {
        let place = Self::new();
        Self {
            loss: change(place.loss),
            ..place
        }
    }

    /// Puts a file there before the child starts: it is on disk.
    fn holding(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Runs a scenario to its end, kills it; answers what it said.
    fn run(&self, scenario: &str, extra: &[(&str, &str)]) -> Vec<String> {
        let extra: Vec<_> = extra
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        let mut child = Watched::start(&self.loss, scenario, &extra);
        let said = child.until("done");
        child.kill();
        said
    }

    fn lose_whole(&self) -> Report {
        self.loss.lose(Mode::Whole, 0)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.dir.join(name)).unwrap()).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.dir.join(name).exists()
    }
}

#[test]
fn only_synced_bytes_remain() {
    let place = Place::new();
    place.run("overwrite", &[]);
    assert_eq!(fs::metadata(place.dir.join("file")).unwrap().len(), 10_010);
    let report = place.lose_whole();
    assert_eq!(place.read("file"), "synced bytes");
    assert_eq!((report.undone, report.kept), (2, 0));
}

#[test]
fn every_way_of_writing_is_seen() {
    let place = Place::new()
        .holding("file", "0123456789")
        .holding("source", "g");
    let said = place.run("every_way", &[]);
    assert_eq!(said, ["h1abcg67d9ef"]);
    place.lose_whole();
    assert_eq!(place.read("file"), "0123456789");
}

#[test]
fn truncation_and_growth_are_undone() {
    let long = "0123456789".repeat(500_000);
    let place = Place::new()
        .holding("cut", &long)
        .holding("emptied", "full")
        .holding("grown", "small")
        .holding("both", "abcdef");
    place.run("truncate", &[]);
    place.lose_whole();
    assert!(place.read("cut") == long);
    assert_eq!(place.read("emptied"), "full");
    assert_eq!(place.read("grown"), "small");
    assert_eq!(place.read("both"), "abcdef");
}

#[test]
fn an_unsynced_creation_is_gone_and_a_synced_file_keeps_its_name() {
    let place = Place::new();
    place.run("create", &[]);
    place.lose_whole();
    assert_eq!(place.read("folder/synced"), "synced");
    assert!(!place.has("folder/unsynced") && !place.has("later"));
}

#[test]
fn strict_names_want_their_folder_synced() {
    let place = Place::with(|loss| loss.dirs(Dirs::Strict));
    place.run("create", &[]);
    place.lose_whole();
    assert!(!place.has("folder"));

    place.run("create", &[("SYNC_FOLDERS", "1")]);
    place.lose_whole();
    assert_eq!(place.read("folder/synced"), "synced");
    // The name is on disk, the bytes and the names below `later` are not.
    assert_eq!(place.read("folder/unsynced"), "");
    assert!(place.has("later") && !place.has("later/file"));
}

#[test]
fn a_rename_lasts_after_fsync_of_file_or_folder_but_not_after_fdatasync() {
    for (sync, expected) in [
        ("none", "old"),
        ("fdatasync", "old"),
        ("fsync", "new"),
        ("folder", "new"),
    ] {
        let place = Place::new().holding("current", "old");
        place.run("rename", &[("SYNC_WITH", sync)]);
        assert_eq!(place.read("current"), "new");
        place.lose_whole();
        assert_eq!(place.read("current"), expected, "after {sync}");
        assert_eq!(place.has("fresh"), expected == "old", "after {sync}");
    }
}

#[test]
fn removed_files_come_back_with_their_bytes() {
    let place = Place::new()
        .holding("file", "first")
        .holding("folder/inner", "inner");
    place.run("remove", &[]);
    assert!(!place.has("folder"));
    place.lose_whole();
    assert_eq!(place.read("file"), "first");
    assert_eq!(place.read("folder/inner"), "inner");
}

#[test]
fn a_sync_covers_the_writes_of_every_handle_before_it() {
    let place = Place::new();
    place.run("handles", &[]);
    place.lose_whole();
    assert_eq!(place.read("file"), "one two three ");
}

#[test]
fn racing_writers_lose_exactly_what_came_after_the_sync() {
    let place = Place::new();
    place.run("threads", &[]);
    place.lose_whole();
    assert!(place.read("file") == place.read("synced"));
    assert_eq!(place.read("file").len(), 49 * 500 + 2000);
}

#[test]
fn torn_overwrites_leave_each_sector_old_or_new() {
    let mut outcomes = BTreeSet::new();
    let mut torn = 0;
    for seed in 0..12 {
        let place = Place::new().holding("file", [b'o'; 65_536]);
        place.run("sectors", &[]);
        let written = fs::read(place.dir.join("file")).unwrap();
        torn += place.loss.lose(Mode::Torn, seed).torn;
        let left = fs::read(place.dir.join("file")).unwrap();
        assert_eq!(left.len(), written.len());
        let mut pattern = Vec::new();
        for (sector, (left, written)) in left.chunks(512).zip(written.chunks(512)).enumerate() {
            let is_old = left.iter().all(|byte| *byte == b'o');
            // Where two writes met, the sector may hold the first one alone.
            let is_between = (22_000 / 512..24_576 / 512 + 1).contains(&sector);
            assert!(
                is_old || left == written || is_between,
                "seed {seed}, sector {sector}"
            );
            pattern.push(left == written);
        }
        outcomes.insert(pattern);
    }
    assert!(
        outcomes.len() > 6 && torn > 6,
        "{} outcomes, {torn} torn",
        outcomes.len()
    );
}

#[test]
fn torn_growth_leaves_old_bytes_new_bytes_or_zeros_and_never_other_sizes() {
    let mut sizes = BTreeSet::new();
    for seed in 0..12 {
        let place = Place::new().holding("file", [b'o'; 1000]);
        place.run("grow", &[]);
        place.loss.lose(Mode::Torn, seed);
        let left = fs::read(place.dir.join("file")).unwrap();
        assert!(
            left.len() >= 1000 && left.len() <= 25_000,
            "seed {seed}: {} bytes",
            left.len()
        );
        assert!(left[..1000].iter().all(|byte| *byte == b'o'));
        assert!(left[1000..].iter().all(|byte| matches!(byte, b'n' | 0)));
        sizes.insert(left.len());
    }
    assert!(sizes.len() > 3, "only {sizes:?}");
}

#[test]
fn the_same_seed_loses_the_same() {
    let lose = |seed| {
        let place = Place::new().holding("file", [b'o'; 65_536]);
        place.run("sectors", &[]);
        let report = place.loss.lose(Mode::Torn, seed);
        (report, fs::read(place.dir.join("file")).unwrap())
    };
    assert!(lose(7) == lose(7));
    assert!(lose(7) != lose(8));
}

#[test]
fn skipped_syncs_lose_what_was_synced() {
    let place = Place::with(PowerLoss::skip_sync);
    place.run("overwrite", &[]);
    place.lose_whole();
    assert!(!place.has("file"));
}

#[test]
fn a_failed_sync_answers_eio_once_and_later_ones_do_not_cover_it() {
    let place = Place::with(|loss| loss.fail_sync_after(2)).holding("file", [0; 20_000]);
    let said = place.run("syncs", &[("SYNC_COUNT", "5")]);
    assert_eq!(
        said,
        [
            "synced 0",
            "synced 1",
            "failed 2: 5",
            "synced 3",
            "synced 4"
        ]
    );
    place.lose_whole();
    let left = fs::read(place.dir.join("file")).unwrap();
    let numbers: Vec<_> = left.chunks(4096).map(|block| block[0]).collect();
    assert_eq!(numbers, [1, 2, 0, 4, 5]);
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_covered_with_its_size() {
    let place = Place::with(|loss| loss.fail_sync_after(0)).holding("file", "here");
    place.run("write_again", &[]);
    place.lose_whole();
    assert_eq!(
        fs::read_to_string(place.dir.join("file")).unwrap(),
        "heremore of it"
    );
}

#[test]
fn syncs_fail_and_hang_while_the_test_says_so() {
    let place = Place::new();
    place.loss.set_syncs(Syncs::Fail);
    let said = place.run("syncs", &[("SYNC_COUNT", "2")]);
    assert_eq!(said, ["failed 0: 5", "failed 1: 5"]);
    place.lose_whole();
    assert!(!place.has("file"));

    place.loss.set_syncs(Syncs::Hang);
    let mut child = Watched::start(&place.loss, "syncs", &[("SYNC_COUNT", "1".into())]);
    let file = place.dir.join("file");
    wait_until(|| fs::metadata(&file).is_ok_and(|found| found.len() == 8));
    place.loss.set_syncs(Syncs::Work);
    assert_eq!(child.until("done"), ["synced 0"]);
    child.kill();
    place.lose_whole();
    assert!(place.has("file"));
}

#[test]
fn an_incomplete_last_record_is_left_out() {
    let place = Place::new();
    place.run("overwrite", &[]);
    let log = place.dir.with_extension("undo").join("log");
    let mut log = fs::OpenOptions::new().append(true).open(log).unwrap();
    log.write_all(&[7; 63]).unwrap();
    place.lose_whole();
    assert_eq!(place.read("file"), "synced bytes");
}

#[test]
fn sync_file_range_covers_nothing_and_stdio_is_seen() {
    for call in ["range", "stdio"] {
        let place = Place::new().holding("file", "old");
        let mut child = calls(&place, call);
        child.until("done");
        child.kill();
        assert_eq!(place.read("file"), "NEW");
        place.lose_whole();
        assert_eq!(place.read("file"), "old", "after {call}");
    }
}

#[test]
fn a_shared_writable_mapping_ends_the_process() {
    let place = Place::new().holding("file", "old");
    assert!(!calls(&place, "mapping").ended_well());
    assert_eq!(place.read("file"), "old");
}

/// Starts the C child with one call on the file.
fn calls(place: &Place, call: &str) -> Watched {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powerloss/preload/calls.c");
    let program = place.dir.with_extension("calls");
    let built = Command::new("cc")
        .arg("-o")
        .arg(&program)
        .arg(source)
        .status()
        .unwrap();
    assert!(built.success());
    let mut command = Command::new(program);
    command.arg(call).arg(place.dir.join("file"));
    Watched::spawn(&place.loss, command)
}

/// Looks again and again until it is so, for at most ten seconds.
fn wait_until(is_so: impl Fn() -> bool) {
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        let _ = pause.recv_timeout(std::time::Duration::from_millis(5));
    }
    panic!("it did not come about in ten seconds");
}
