//! The spool against a model, with crashes and power losses in between, and a full disk.

use proptest::prelude::*;

use super::*;

fn company() -> CompanyId {
    CompanyId::new("TES001").expect("valid")
}

fn upload(number: u8) -> UploadId {
    UploadId::from_bits([number; 16])
}

fn spool(folder: &Path) -> Spool {
    Spool::open(folder, Durability::Fsync).expect("opens")
}

fn all_of(file: &SpoolFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.kept()).expect("small") + 1];
    let count = file.read_at(&mut bytes, 0).expect("reads");
    bytes.truncate(count);
    bytes
}

/// What may happen to an upload.
#[derive(Debug, Clone)]
enum Turn {
    Write(Vec<u8>),
    Keep,
    Cut,
    /// The process dies; everything written is there.
    Die,
    /// The power fails: of what was not kept so much is left of the bytes and of a mark, and the
    /// rest of the bytes up to where they were written may be zeroes.
    LosePower {
        bytes_left: u64,
        is_zeroed: bool,
        mark_left: usize,
    },
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..2_000).prop_map(Turn::Write),
        3 => Just(Turn::Keep),
        1 => Just(Turn::Cut),
        1 => Just(Turn::Die),
        1 => (0..3_000_u64, any::<bool>(), 0..=24_usize).prop_map(
            |(bytes_left, is_zeroed, mark_left)| Turn::LosePower {
                bytes_left,
                is_zeroed,
                mark_left,
            }
        ),
    ]
}

/// The power fails while a mark of everything written is under way.
fn lose_power(folder: &Path, file: SpoolFile, (bytes_left, is_zeroed): (u64, bool), left: usize) {
    let (kept, end) = (file.kept, file.end);
    let at = file.marks.count_bytes();
    let mark = Mark {
        end,
        group: file.group.number(),
    };
    drop(file);
    let spool = spool(folder);
    let bytes = OpenOptions::new()
        .write(true)
        .open(spool.bytes_path(&company(), &upload(1)))
        .expect("is there");
    let whole = kept + bytes_left.min(end - kept);
    bytes.set_len(whole).expect("cut");
    if is_zeroed {
        bytes.set_len(end).expect("filled with zeroes");
    }
    let marks = OpenOptions::new()
        .write(true)
        .open(spool.path(&company(), &upload(1), MARKS_END))
        .expect("is there");
    marks
        .write_all_at(&mark.encode()[..left], at)
        .expect("written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_kept_is_there_after_anything(
        turns in proptest::collection::vec(any_turn(), 1..24)
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = spool(folder.path()).create(&company(), &upload(1)).expect("made");
        // All that was written and not cut, and how much of it was promised.
        let (mut written, mut promised): (Vec<u8>, usize) = (Vec::new(), 0);
        for turn in turns {
            match turn {
                Turn::Write(bytes) => {
                    file.write(&bytes).expect("written");
                    written.extend(bytes);
                }
                Turn::Keep => {
                    let kept = file.keep().expect("kept");
                    prop_assert_eq!(kept, written.len() as u64);
                    promised = written.len();
                }
                Turn::Cut => {
                    file.cut().expect("cut");
                    written.truncate(promised);
                }
                Turn::Die | Turn::LosePower { .. } => {
                    if let Turn::LosePower { bytes_left, is_zeroed, mark_left } = turn {
                        lose_power(folder.path(), file, (bytes_left, is_zeroed), mark_left);
                    } else {
                        drop(file);
                    }
                    let found = spool(folder.path()).reopen(&company(), &upload(1));
                    file = found.expect("opens").expect("is there");
                    let kept = all_of(&file);
                    prop_assert!(kept.len() >= promised, "{} of {promised}", kept.len());
                    prop_assert!(written.starts_with(&kept), "other bytes");
                    promised = kept.len();
                    written = kept;
                }
            }
            prop_assert_eq!((file.end(), file.kept()), (written.len() as u64, promised as u64));
        }
    }
}

#[test]
fn a_byte_that_changed_on_disk_is_not_handed_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path());
    let mut file = spool.create(&company(), &upload(1)).expect("made");
    for group in [b"one", b"two", b"six"] {
        file.write(group).expect("written");
        file.keep().expect("kept");
    }
    file.bytes.write_all_at(b"x", 4).expect("written");
    drop(file);
    let file = spool.reopen(&company(), &upload(1)).expect("opens");
    assert_eq!(all_of(&file.expect("is there")), b"one");
}

#[test]
fn uploads_are_listed_and_gone_once_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path());
    let other = CompanyId::new("SPA001").expect("valid");
    for (of, number) in [(&company(), 1), (&company(), 2), (&other, 1)] {
        let mut file = spool.create(of, &upload(number)).expect("made");
        file.write(&vec![1; usize::from(number)]).expect("written");
    }
    std::fs::write(folder.path().join("TES001/letter"), b"mine").expect("written");
    std::fs::remove_file(spool.bytes_path(&other, &upload(1))).expect("cut off");
    for (of, number) in [(&company(), 1), (&other, 2)] {
        let made = spool.work_path(of, &upload(number));
        for end in MADE_ENDS {
            std::fs::write(made.with_extension(end), b"made of it").expect("written");
        }
    }
    let mut found = spool.list().expect("lists");
    found.sort_by_key(|found| (found.company.clone(), found.upload));
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.company.as_str(), found.upload, found.bytes))
        .collect();
    let expected = [
        ("SPA001", upload(1), 0),
        ("SPA001", upload(2), 0),
        ("TES001", upload(1), 1),
        ("TES001", upload(2), 2),
    ];
    assert_eq!(found, expected);
    for (company, upload, _) in expected {
        let company = CompanyId::new(company).expect("valid");
        spool.remove(&company, &upload).expect("removed");
        assert!(spool.reopen(&company, &upload).expect("looks").is_none());
    }
    assert_eq!(spool.list().expect("lists"), []);
}

#[test]
fn a_full_disk_is_told_and_costs_nothing_that_was_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path());
    let mut file = spool.create(&company(), &upload(1)).expect("made");
    file.write(b"kept").expect("written");
    file.keep().expect("kept");
    let full = OpenOptions::new().write(true).open("/dev/full");
    let on_disk = std::mem::replace(&mut file.bytes, full.expect("is there"));
    let refused = file.write(b"more than fits");
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    let refused = file.write_all(&[b"more ", b"still"], || {
        unreachable!("nothing was written")
    });
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    assert_eq!((file.end(), file.kept()), (4, 4));
    file.bytes = on_disk;
    file.write(b" and on").expect("written");
    file.keep().expect("kept");
    assert_eq!(all_of(&file), b"kept and on");
}

#[test]
fn a_writer_whose_sync_failed_keeps_nothing_more_until_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(folder.path());
    let mut file = spool.create(&company(), &upload(1)).expect("made");
    file.write(b"one ").expect("written");
    file.keep().expect("kept");
    file.write(b"two ").expect("written");
    // What cannot be synced: no file of a disk.
    let null = OpenOptions::new().write(true).open("/dev/null");
    let on_disk = std::mem::replace(&mut file.bytes, null.expect("is there"));
    let failed = file.keep();
    assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
    file.bytes = on_disk;
    let refused = file.keep();
    assert!(matches!(refused, Err(Error::Failed(_))), "{refused:?}");
    assert_eq!(file.kept(), 4, "what was kept before");
    drop(file);
    let file = spool.reopen(&company(), &upload(1)).expect("opens");
    let mut file = file.expect("is there");
    assert_eq!(all_of(&file), b"one two ");
    file.write(b"six").expect("written");
    assert_eq!(file.keep().expect("kept"), 11);
}
