//! A sync of the spool that fails once: what the upload's client is told afterwards outlives the
//! power, although later syncs succeed.

use std::env;
use std::path::Path;

use frontdesk_protocol::{CompanyId, UploadId};
use frontdesk_storage::{Durability, Spool, SpoolFile};
use tempfile::TempDir;

use crate::child::{Watched, say, wait_for_the_end};
use crate::loss::{Dirs, Mode, PowerLoss};

/// An upload's length, bytes.
const TOTAL_BYTES: u64 = 12_000;
/// Kept at once, bytes: neither sectors nor pages end with it.
const GROUP_BYTES: u64 = 1_500;
/// Syncs of the spool's folder, of the company's and of its names.
const NAME_SYNC_COUNT: u64 = 3;
/// Syncs of a group: its bytes and its mark.
const GROUP_SYNC_COUNT: u64 = 2;

fn ids() -> (CompanyId, UploadId) {
    let company = CompanyId::new("TES001").unwrap();
    (company, UploadId::from_bits([1; 16]))
}

fn byte(at: u64) -> u8 {
    (at % 251) as u8
}

fn bytes(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(byte).collect()
}

/// In the child: sends an upload group by group, as a client that goes on where it is told.
pub(crate) fn run() {
    let folder = env::var("POWERLOSS_DIR").unwrap();
    let spool = until_done(|| Spool::open(&Path::new(&folder).join("spool"), Durability::Fsync));
    let (company, upload) = ids();
    let mut file = until_done(|| spool.create(&company, &upload));
    while file.kept() < TOTAL_BYTES {
        if let Err(error) = send_group(&mut file) {
            say(&format!("failed: {error}"));
            let again = || spool.reopen(&company, &upload);
            file = until_done(again).expect("it was made");
        }
        say(&format!("kept {}", file.kept()));
    }
    wait_for_the_end();
}

fn send_group(file: &mut SpoolFile) -> frontdesk_storage::Result<u64> {
    let end = file.end();
    file.write(&bytes(end, TOTAL_BYTES.min(end + GROUP_BYTES)))?;
    file.keep()
}

/// One sync fails, so that what needed it works when it is done again.
fn until_done<T>(mut work: impl FnMut() -> frontdesk_storage::Result<T>) -> T {
    let first = work();
    first.or_else(|_| work()).expect("only one sync fails")
}

/// What was said to be kept, and what is there after the power went.
fn told_and_left(failing: u64, groups: usize) -> (u64, u64) {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let loss = PowerLoss::new(&folder.path().join("watched"));
    let loss = loss.dirs(Dirs::Ext4).fail_sync_after(failing);
    let mut child = Watched::start(&loss, "spool", &[]);
    let mut told = 0;
    let mut heard = 0;
    while heard < groups {
        let said = child.next().expect("it goes on to the end");
        if let Some(kept) = said.strip_prefix("kept ") {
            let kept = kept.parse().unwrap();
            assert!(kept >= told, "{kept} after {told}");
            told = kept;
            heard += 1;
        } else if said == "done" {
            break;
        }
    }
    child.kill();
    loss.lose(Mode::Whole, failing);
    let spool = Spool::open(&folder.path().join("watched/spool"), Durability::Fsync).unwrap();
    let (company, upload) = ids();
    let file = spool.reopen(&company, &upload).unwrap();
    let file = file.expect("its names were synced");
    let mut left = vec![0; usize::try_from(file.kept()).unwrap()];
    file.read_at(&mut left, 0).unwrap();
    assert_eq!(left, bytes(0, file.kept()), "other bytes");
    (told, file.kept())
}

#[test]
fn what_was_told_after_a_sync_that_failed_outlives_the_power() {
    for failing in NAME_SYNC_COUNT..NAME_SYNC_COUNT + 3 * GROUP_SYNC_COUNT {
        // What is told right after the failure, after one more group, and at the end.
        let of_group = usize::try_from((failing - NAME_SYNC_COUNT) / GROUP_SYNC_COUNT).unwrap();
        for groups in [of_group + 1, of_group + 2, usize::MAX] {
            let (told, left) = told_and_left(failing, groups);
            assert!(left >= told, "sync {failing}: {left} of {told} are left");
        }
    }
}
