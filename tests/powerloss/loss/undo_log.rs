//! Reading the undo log that the preloaded library writes; the layout is preload/powerloss.h's.
//!
//! Invariants:
//! 1. An incomplete record at the end is left out: its change never happened. Anything else that
//!    does not check out is a panic, for then nothing can be said about the disk.
//! 2. Payloads stay in the file until they are asked for.

use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: u64 = 0x3147_4f4c_5353_4f4c;
const HEAD_BYTES: usize = 64;

/// An inode number; 0 stands for none.
pub(super) type Ino = u64;

/// What a record says. Positions called `upto` are indices in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `length` bytes at `offset` were overwritten; the payload holds those that existed.
    Write {
        ino: Ino,
        offset: u64,
        size_before: u64,
        length: u64,
    },
    /// Bytes that the next `Truncate` of the inode cut off.
    Lost { ino: Ino, offset: u64 },
    /// The size changed.
    Truncate { ino: Ino, before: u64, after: u64 },
    /// A name stood for `before`, and then for something else.
    Entry {
        path: PathBuf,
        before: Ino,
        after: Ino,
    },
    /// What the creation in an earlier `Entry` made.
    Bind { ino: Ino, entry: u64 },
    /// A file changed its name; `over` is what the new name had stood for.
    Rename {
        ino: Ino,
        from: PathBuf,
        to: PathBuf,
        over: Ino,
    },
    /// A folder was made.
    MakeDir { path: PathBuf },
    /// A folder was removed.
    RemoveDir { path: PathBuf },
    /// Records of the file below `upto` are on disk.
    Sync {
        ino: Ino,
        upto: u64,
        data_only: bool,
    },
    /// Names of the folder below `upto` are on disk.
    SyncDir { path: PathBuf, upto: u64 },
    /// Records of the file below `upto` will never be on disk.
    SyncFailed { ino: Ino, upto: u64 },
}

/// A log, opened.
#[derive(Debug)]
pub(super) struct UndoLog {
    file: File,
    /// The records in order.
    pub(super) kinds: Vec<Kind>,
    payloads: Vec<(u64, usize)>,
}

impl UndoLog {
    /// Reads and checks the whole log.
    pub(super) fn read(path: &Path) -> Self {
        let file = File::open(path).expect("the library was not loaded: no undo log");
        let end = file.metadata().unwrap().len();
        let mut log = Self {
            file,
            kinds: Vec::new(),
            payloads: Vec::new(),
        };
        let mut at = 0;
        while at + HEAD_BYTES as u64 <= end {
            let mut head = [0; HEAD_BYTES];
            log.file.read_exact_at(&mut head, at).unwrap();
            let mut words = [0; 8];
            for (word, bytes) in words.iter_mut().zip(head.chunks_exact(8)) {
                *word = u64::from_ne_bytes(bytes.try_into().unwrap());
            }
            assert_eq!(words[0], MAGIC, "undo log is damaged at {at}");
            let payload_at = at + HEAD_BYTES as u64;
            if payload_at + words[2] > end {
                break;
            }
            log.payloads.push((payload_at, words[2] as usize));
            let payload = log.payload(log.payloads.len() - 1);
            let sum = checksum(checksum(0xcbf2_9ce4_8422_2325, &head[16..]), &payload);
            assert_eq!(words[1], sum, "undo log is damaged at {at}");
            log.kinds.push(kind(&words, payload));
            at = payload_at + words[2];
        }
        log
    }

    /// The bytes a record carries.
    pub(super) fn payload(&self, index: usize) -> Vec<u8> {
        let (at, length) = self.payloads[index];
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }
}

fn kind(words: &[u64; 8], payload: Vec<u8>) -> Kind {
    let [_, _, _, kind, ino, first, second, third] = *words;
    let path = |bytes: Vec<u8>| PathBuf::from(std::ffi::OsString::from_vec(bytes));
    match kind {
        1 => Kind::Write {
            ino,
            offset: first,
            size_before: second,
            length: third,
        },
        2 => Kind::Lost { ino, offset: first },
        3 => Kind::Truncate {
            ino,
            before: first,
            after: second,
        },
        4 => Kind::Entry {
            path: path(payload),
            before: ino,
            after: first,
        },
        5 => Kind::Bind { ino, entry: first },
        6 => {
            let cut = payload
                .iter()
                .position(|byte| *byte == 0)
                .expect("two names");
            let to = path(payload[cut + 1..].to_vec());
            Kind::Rename {
                ino,
                from: path(payload[..cut].to_vec()),
                to,
                over: first,
            }
        }
        7 => Kind::MakeDir {
            path: path(payload),
        },
        8 => Kind::RemoveDir {
            path: path(payload),
        },
        9 => Kind::Sync {
            ino,
            upto: first,
            data_only: second == 1,
        },
        10 => Kind::SyncDir {
            path: path(payload),
            upto: first,
        },
        11 => Kind::SyncFailed { ino, upto: first },
        other => panic!("undo log holds a record of kind {other}"),
    }
}

/// As preload/undo.c: words of eight bytes, then what is left byte by byte, then a fold.
fn checksum(mut sum: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        sum = (sum ^ u64::from_ne_bytes(word.try_into().unwrap())).wrapping_mul(PRIME);
    }
    for byte in rest {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    sum ^ (sum >> 29)
}
