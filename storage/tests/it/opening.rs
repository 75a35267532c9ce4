//! Who may open a folder, and what is refused.

use frontdesk_storage::testing::ManualClock;
use frontdesk_storage::{Durability, EngineKind, Error, Journal, open};

use crate::support::{NOW, fill, options, room, tail};

fn refused<T>(opened: Result<T, Error>) -> String {
    match opened {
        Err(Error::Refused(why)) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn a_store_in_use_is_refused() {
    let clock = ManualClock::at(NOW);
    for engine in EngineKind::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path(), engine, Durability::Fsync, &clock);
        let first = open(&options).expect("opens");
        assert!(refused(open(&options)).contains("in use"));
        drop(first);
        open(&options).expect("opens when the first is gone");
    }
}

#[test]
fn another_engine_than_the_folders_own_is_refused() {
    let clock = ManualClock::at(NOW);
    let folder = tempfile::tempdir().expect("a folder");
    let sled = options(folder.path(), EngineKind::Sled, Durability::Fsync, &clock);
    let fjall = options(folder.path(), EngineKind::Fjall, Durability::Fsync, &clock);
    let store = open(&sled).expect("opens");
    fill(&store, &room(1), 2);
    store.close().expect("closes");
    drop(store);
    let why = refused(open(&fjall));
    assert!(why.contains("export") && why.contains("import"), "{why}");
    assert!(!folder.path().join("fjall").exists());
    let store = open(&sled).expect("opens");
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(2, 2));
}

#[test]
fn a_store_says_how_much_it_takes_on_disk() {
    let clock = ManualClock::at(NOW);
    for engine in EngineKind::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path(), engine, Durability::Fsync, &clock);
        let store = open(&options).expect("opens");
        fill(&store, &room(1), 50);
        assert!(store.disk_bytes().expect("reads") > 0, "{engine:?}");
    }
}
