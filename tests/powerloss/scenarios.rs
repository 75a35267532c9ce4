//! What children do under the library: plain `std::fs`, and once rustix, whose system calls bypass
//! the C library as those of the engines' own dependencies do.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::child::{say, wait_for_the_end};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env::var("POWERLOSS_DIR").unwrap()).join(name)
}

fn read_write(name: &str) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path(name))
        .unwrap()
}

/// Runs the scenario of that name; most wait to be killed.
pub(crate) fn run(scenario: &str) {
    match scenario {
        "overwrite" => overwrite(),
        "every_way" => every_way(),
        "truncate" => truncate(),
        "create" => create(),
        "rename" => rename(),
        "remove" => remove(),
        "handles" => handles(),
        "sectors" => sectors(),
        "grow" => grow(),
        "syncs" => syncs(),
        "write_again" => write_again(),
        "threads" => threads(),
        "store" => crate::appender::run(),
        "spool" => crate::spool::run(),
        other => panic!("no scenario `{other}`"),
    }
}

fn overwrite() {
    let file = read_write("file");
    file.write_all_at(b"synced bytes", 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"UNSYNCED", 3).unwrap();
    file.write_all_at(b"far behind", 10_000).unwrap();
    wait_for_the_end();
}

/// The file holds "0123456789"; each letter of the alphabet comes in another way.
fn every_way() {
    let mut file = read_write("file");
    file.seek(SeekFrom::Start(2)).unwrap();
    file.write_all(b"a").unwrap();
    let parts = [IoSlice::new(b"b"), IoSlice::new(b"c")];
    assert_eq!(file.write_vectored(&parts).unwrap(), 2);
    file.write_all_at(b"d", 8).unwrap();
    let mut appending = OpenOptions::new().append(true).open(path("file")).unwrap();
    appending.write_all(b"e").unwrap();
    appending.write_all(b"f").unwrap();
    // copy_file_range or sendfile, as std sees fit.
    std::io::copy(&mut File::open(path("source")).unwrap(), &mut file).unwrap();
    rustix::io::pwrite(&file, b"h", 0).unwrap();
    let mut now = String::new();
    File::open(path("file"))
        .unwrap()
        .read_to_string(&mut now)
        .unwrap();
    say(&now);
    wait_for_the_end();
}

fn truncate() {
    read_write("cut").set_len(5).unwrap();
    File::create(path("emptied")).unwrap();
    let grown = read_write("grown");
    grown.set_len(100_000).unwrap();
    grown.write_all_at(b"in the new part", 50_000).unwrap();
    let both = read_write("both");
    both.set_len(3).unwrap();
    both.write_all_at(b"xyz", 3).unwrap();
    wait_for_the_end();
}

fn create() {
    fs::create_dir(path("folder")).unwrap();
    let synced = read_write("folder/synced");
    synced.write_all_at(b"synced", 0).unwrap();
    synced.sync_all().unwrap();
    fs::write(path("folder/unsynced"), b"unsynced").unwrap();
    fs::create_dir(path("later")).unwrap();
    fs::write(path("later/file"), b"unsynced").unwrap();
    if env::var("SYNC_FOLDERS").is_ok() {
        File::open(path("folder")).unwrap().sync_all().unwrap();
        File::open(path("")).unwrap().sync_all().unwrap();
    }
    wait_for_the_end();
}

/// As programs replace a file: write aside, sync, rename over it. rustix renames by its own system
/// call.
fn rename() {
    let fresh = read_write("fresh");
    fresh.write_all_at(b"new", 0).unwrap();
    fresh.sync_all().unwrap();
    rustix::fs::rename(path("fresh"), path("current")).unwrap();
    match env::var("SYNC_WITH").as_deref() {
        Ok("fsync") => fresh.sync_all().unwrap(),
        Ok("fdatasync") => fresh.sync_data().unwrap(),
        Ok("folder") => File::open(path("")).unwrap().sync_all().unwrap(),
        _ => {}
    }
    wait_for_the_end();
}

fn remove() {
    fs::write(path("file"), b"overwritten, then removed").unwrap();
    fs::remove_file(path("file")).unwrap();
    fs::write(path("file"), b"another file of that name").unwrap();
    fs::remove_dir_all(path("folder")).unwrap();
    wait_for_the_end();
}

fn handles() {
    let first = read_write("file");
    let second = OpenOptions::new().write(true).open(path("file")).unwrap();
    let mut third = first.try_clone().unwrap();
    first.write_all_at(b"one ", 0).unwrap();
    second.write_all_at(b"two ", 4).unwrap();
    third.seek(SeekFrom::Start(8)).unwrap();
    third.write_all(b"three ").unwrap();
    // A handle that never wrote covers what the others wrote.
    File::open(path("file")).unwrap().sync_data().unwrap();
    drop(first);
    second.write_all_at(b"LOST", 0).unwrap();
    third.write_all(b"LOST").unwrap();
    wait_for_the_end();
}

/// The file is 64 KiB of `o`: overwrites of many sizes, none synced.
fn sectors() {
    let file = read_write("file");
    for (at, length) in [
        (0, 8192),
        (10_000, 300),
        (20_480, 4096),
        (22_000, 20_000),
        (60_000, 700),
    ] {
        file.write_all_at(&vec![b'n'; length], at).unwrap();
    }
    wait_for_the_end();
}

fn grow() {
    let mut file = OpenOptions::new().append(true).open(path("file")).unwrap();
    for _ in 0..8 {
        file.write_all(&[b'n'; 3000]).unwrap();
    }
    wait_for_the_end();
}

/// Writes and syncs until a sync fails, then syncs once more; says how often each worked.
fn syncs() {
    let file = read_write("file");
    let count: u64 = env::var("SYNC_COUNT").unwrap().parse().unwrap();
    for i in 0..count {
        file.write_all_at(&[i as u8 + 1; 8], i * 4096).unwrap();
        match file.sync_data() {
            Ok(()) => say(&format!("synced {i}")),
            Err(error) => say(&format!(
                "failed {i}: {}",
                error.raw_os_error().unwrap_or(0)
            )),
        }
    }
    wait_for_the_end();
}

/// Makes a file grow, twice by the same bytes: the first sync of them fails, the second does not.
fn write_again() {
    let file = read_write("file");
    for _ in 0..2 {
        file.write_all_at(b"more of it", 4).unwrap();
        // The test says which one fails.
        let _ = file.sync_data();
    }
    wait_for_the_end();
}

/// Eight threads write the same bytes at once, each byte its writer's name; one part is synced.
fn threads() {
    let file = read_write("file");
    let race = || {
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let file = &file;
                scope.spawn(move || {
                    for i in 0..50 {
                        file.write_all_at(&[b'a' + writer; 2000], i * 500).unwrap();
                    }
                });
            }
        });
    };
    race();
    file.sync_all().unwrap();
    let mut synced = Vec::new();
    File::open(path("file"))
        .unwrap()
        .read_to_end(&mut synced)
        .unwrap();
    fs::write(path("synced"), &synced).unwrap();
    File::open(path("synced")).unwrap().sync_all().unwrap();
    race();
    wait_for_the_end();
}
