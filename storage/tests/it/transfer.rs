//! Moving stores between folders and engines.

use std::path::Path;
use std::sync::Arc;

use frontdesk_protocol::Pos;
use frontdesk_storage::testing::ManualClock;
use frontdesk_storage::{
    Directory, Durability, EngineKind, Erases, Error, Journal, Snapshot, Store, export, import,
    open,
};

use crate::support::{
    NOW, append, append_of, cid, cid_row, company, fence, fill, ok, options, person, positions,
    room, room_of, row, settle_queue, tail,
};

fn open_in(folder: &Path, engine: EngineKind) -> Arc<Store> {
    let clock = ManualClock::at(NOW);
    open(&options(folder, engine, Durability::Fsync, &clock)).expect("opens")
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: 2,
        at: tail(3, 3),
        payload: vec![5; 50_000].into(),
    }
}

/// A store with something of everything; returns its salt and boot count.
fn furnish(folder: &Path, engine: EngineKind) -> (u64, u32) {
    let store = open_in(folder, engine);
    store.create_company(&company("TES001")).expect("created");
    fill(&store, &room(1), 3);
    let mut record = append_of(&room(1), 1, 3, &[9; 700_000]);
    record.cids = vec![cid_row(1, 4, NOW)];
    record.rows = vec![row(b"k", &[8; 100_000])];
    record.pending = Some(Pos(4));
    assert_eq!(append(&store, record), ok(4));
    fill(&store, &room_of("SPA001", 2), 40);
    store.put_snapshot(&room(1), snapshot());
    settle_queue(&store);
    store.close().expect("closes");
    (store.history_salt(), store.boot_count())
}

fn check(store: &Store) {
    assert_eq!(store.companies().expect("reads"), [company("TES001")]);
    let page = store
        .read_after(&room(1), Pos(0), 100, usize::MAX)
        .expect("reads");
    assert_eq!(positions(&page), [1, 2, 3, 4]);
    assert_eq!(page[3].payload, vec![9; 700_000]);
    assert_eq!(
        store.tail(&room_of("SPA001", 2)).expect("reads"),
        tail(40, 40)
    );
    let found = store.cid(&room(1), &person("5"), &cid(1)).expect("reads");
    assert_eq!(found, Some(cid_row(1, 4, NOW)));
    assert_eq!(store.pending().expect("reads"), vec![(room(1), Pos(4))]);
    let found = store
        .row(&company("TES001"), b"k")
        .expect("reads")
        .expect("is there");
    assert_eq!(found, vec![8; 100_000]);
    assert_eq!(store.snapshot(&room(1)).expect("reads"), Some(snapshot()));
    fence(store, &room(1), 9).expect("fenced");
    assert_eq!(append(store, append_of(&room(1), 9, 4, b"on")), ok(5));
}

fn exported(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let moved = export(folder, &mut bytes).expect("exports");
    assert!(moved.row_count > 100);
    bytes
}

fn refused<T: std::fmt::Debug>(tried: Result<T, Error>, word: &str) {
    match tried {
        Err(Error::Refused(why)) => assert!(why.contains(word), "{why}"),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_store_moves_between_engines_with_everything() {
    for from in EngineKind::ALL {
        for to in EngineKind::ALL {
            let old = tempfile::tempdir().expect("a folder");
            let new = tempfile::tempdir().expect("a folder");
            let (salt, boot_count) = furnish(old.path(), from);
            let bytes = exported(old.path());
            import(new.path(), to, &mut &bytes[..], false).expect("imports");
            let store = open_in(new.path(), to);
            assert_eq!(store.history_salt(), salt);
            assert_eq!(store.boot_count(), boot_count + 1);
            check(&store);
            // The source is as it was.
            check(&open_in(old.path(), from));
        }
    }
}

#[test]
fn an_export_holds_nothing_that_is_to_be_erased() {
    for engine in EngineKind::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open_in(folder.path(), engine);
        fill(&store, &room(1), 300);
        let mut erasing = append_of(&room(1), 1, 300, b"all that is known");
        erasing.erases = Some(Erases::RecordsAndCids);
        assert_eq!(append(&store, erasing), ok(301));
        store.close().expect("closes");
        drop(store);
        let mut bytes = Vec::new();
        export(folder.path(), &mut bytes).expect("exports");
        let has = |words: &[u8]| bytes.windows(words.len()).any(|found| found == words);
        assert!(has(b"all that is known") && !has(b"record "));
    }
}

/// Bytes in the journal of a fjall store, up to the zeroes that it was made with.
fn journal_bytes(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder.join("fjall")).expect("lists");
    let files = entries.map(|entry| entry.expect("lists"));
    let journals = files.filter(|file| file.path().extension().is_some_and(|end| end == "jnl"));
    let written = journals.map(|file| {
        let bytes = std::fs::read(file.path()).expect("is there");
        bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1)
    });
    written.sum()
}

#[test]
fn imported_rows_are_not_read_again_at_each_opening() {
    let old = tempfile::tempdir().expect("a folder");
    let new = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Fjall);
    let bytes = exported(old.path());
    import(new.path(), EngineKind::Fjall, &mut &bytes[..], false).expect("imports");
    let left = journal_bytes(new.path());
    assert!(left < 1_000, "{left} of {} bytes", bytes.len());
}

#[test]
fn what_is_written_over_imported_rows_is_found_after_each_opening() {
    let old = tempfile::tempdir().expect("a folder");
    let new = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Fjall);
    let bytes = exported(old.path());
    import(new.path(), EngineKind::Fjall, &mut &bytes[..], false).expect("imports");
    check(&open_in(new.path(), EngineKind::Fjall));
    for epoch in 10..14 {
        let store = open_in(new.path(), EngineKind::Fjall);
        let found = store.row(&company("TES001"), b"k").expect("reads");
        let expected = match epoch {
            10 => vec![8; 100_000],
            _ => vec![epoch as u8 - 1; 10],
        };
        assert_eq!(found.expect("is there"), expected);
        fence(&store, &room(1), epoch).expect("fenced");
        let mut record = append_of(&room(1), epoch, epoch - 5, b"over");
        record.rows = vec![row(b"k", &[epoch as u8; 10])];
        assert_eq!(append(&store, record), ok(epoch - 4));
    }
}

#[test]
fn a_restore_names_the_logs_anew() {
    let old = tempfile::tempdir().expect("a folder");
    let new = tempfile::tempdir().expect("a folder");
    let (salt, _) = furnish(old.path(), EngineKind::Fjall);
    let bytes = exported(old.path());
    import(new.path(), EngineKind::Fjall, &mut &bytes[..], true).expect("imports");
    let store = open_in(new.path(), EngineKind::Fjall);
    assert_ne!(store.history_salt(), salt);
    check(&store);
}

#[test]
fn a_store_in_use_is_neither_exported_nor_filled() {
    let old = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Sled);
    let bytes = exported(old.path());
    let store = open_in(old.path(), EngineKind::Sled);
    refused(export(old.path(), &mut Vec::new()), "in use");
    refused(
        import(old.path(), EngineKind::Sled, &mut &bytes[..], false),
        "in use",
    );
    drop(store);
    refused(
        import(old.path(), EngineKind::Fjall, &mut &bytes[..], false),
        "not empty",
    );
    check(&open_in(old.path(), EngineKind::Sled));
}

#[test]
fn a_folder_without_a_store_is_not_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    refused(export(folder.path(), &mut Vec::new()), "no store");
    refused(
        export(&folder.path().join("none"), &mut Vec::new()),
        "no store",
    );
}

#[test]
fn a_torn_or_altered_export_leaves_no_store() {
    let old = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Fjall);
    let whole = exported(old.path());
    let mut bad: Vec<Vec<u8>> = [0, 1, 11, 100, whole.len() / 2, whole.len() - 1]
        .map(|length| whole[..length].to_vec())
        .into();
    for at in [3, 9, 14, whole.len() / 3, whole.len() - 2] {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        bad.push(altered);
    }
    bad.push([&whole[..], b"more"].concat());
    for bytes in bad {
        let new = tempfile::tempdir().expect("a folder");
        let tried = import(new.path(), EngineKind::Fjall, &mut &bytes[..], false);
        refused(tried, "nothing was imported");
        let left = std::fs::read_dir(new.path()).expect("lists");
        let left: Vec<_> = left
            .map(|entry| entry.expect("lists").file_name())
            .collect();
        assert!(left.is_empty(), "{left:?}: {} bytes", bytes.len());
    }
    let new = tempfile::tempdir().expect("a folder");
    import(new.path(), EngineKind::Fjall, &mut &whole[..], false).expect("the whole one is fine");
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("lists");
    let names = entries.map(|entry| entry.expect("lists").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_import_that_fails_leaves_the_folder_as_it_was() {
    let old = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Fjall);
    let whole = exported(old.path());
    let torn = &whole[..whole.len() / 2];
    for kind in EngineKind::ALL {
        let place = tempfile::tempdir().expect("a folder");
        let missing = place.path().join("srv/frontdesk");
        refused(import(&missing, kind, &mut &torn[..], false), "too early");
        assert_eq!(names_in(place.path()), [""; 0], "nothing was there");
        import(&missing, kind, &mut &whole[..], false).expect("a second try");
        check(&open_in(&missing, kind));
        let full = tempfile::tempdir().expect("a folder");
        std::fs::write(full.path().join("letter"), b"mine").expect("written");
        refused(
            import(full.path(), kind, &mut &whole[..], false),
            "not empty",
        );
        assert_eq!(names_in(full.path()), ["letter"]);
    }
}

#[test]
fn an_import_that_was_cut_off_is_no_store_and_can_be_run_again() {
    let old = tempfile::tempdir().expect("a folder");
    furnish(old.path(), EngineKind::Fjall);
    let bytes = exported(old.path());
    let new = tempfile::tempdir().expect("a folder");
    let half = new.path().join("incoming/sled");
    std::fs::create_dir_all(&half).expect("made");
    std::fs::write(half.join("db"), b"half").expect("written");
    let clock = ManualClock::at(NOW);
    let settings = options(new.path(), EngineKind::Sled, Durability::Fsync, &clock);
    refused(open(&settings).map(drop), "cut off");
    import(new.path(), EngineKind::Sled, &mut &bytes[..], false).expect("imports");
    check(&open_in(new.path(), EngineKind::Sled));
}
