//! Crafted archives: bombs that must not go off, and what must not be carried in.

use zip::CompressionMethod;

use super::super::samples::{self, docx, gzip, tar, zip, zip_with};
use super::*;

fn looked_at(shown: &str, bytes: &[u8], strictness: Strictness) -> Result<Contents, Finding> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("came");
    std::fs::write(&path, bytes).unwrap();
    let sniffed = sniff::sniff(File::open(&path).unwrap()).unwrap();
    let found = look(
        &path,
        &folder.path().join("made"),
        shown,
        &sniffed,
        strictness,
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but what came is in the folder");
    found
}

fn failure(shown: &str, bytes: &[u8]) -> Option<UploadFailure> {
    let found = looked_at(shown, bytes, Strictness::Harmless);
    found
        .err()
        .map(|finding| finding.failure().expect("the disk is well"))
}

const PASSES: Option<UploadFailure> = None;
const REFUSED: Option<UploadFailure> = Some(UploadFailure::RefusedType);
const UNSCANNABLE: Option<UploadFailure> = Some(UploadFailure::Unscannable);

/// Replaces a word wherever it stands, by one of its length.
fn with(bytes: &[u8], word: &[u8], other: &[u8]) -> Vec<u8> {
    assert_eq!(word.len(), other.len());
    let mut bytes = bytes.to_vec();
    let found: Vec<usize> = positions(&bytes, word);
    assert!(!found.is_empty());
    for at in found {
        bytes[at..at + word.len()].copy_from_slice(other);
    }
    bytes
}

fn positions(bytes: &[u8], word: &[u8]) -> Vec<usize> {
    let is_here = |at: &usize| bytes[*at..].starts_with(word);
    (0..bytes.len()).filter(is_here).collect()
}

fn zeros(mebibytes: usize) -> Vec<u8> {
    vec![0; mebibytes * 1024 * 1024]
}

#[test]
fn archives_that_people_send_pass() {
    let text: &[u8] = b"minutes of the meeting, and a few more words of it. ";
    let photo = samples::encoded(image::ImageFormat::Jpeg, 40, 20);
    let inner = zip(&[("deep.txt", text)]);
    let plain = zip(&[("notes/", b""), ("notes/a.txt", text), ("b.jpg", &photo)]);
    for (shown, bytes) in [
        ("empty.zip", zip(&[])),
        ("plain.zip", plain),
        (
            "stored.zip",
            zip_with(CompressionMethod::Stored, &[("a", text)]),
        ),
        ("two.zip", zip(&[("inner.zip", &inner), ("a.txt", text)])),
        ("log.txt.gz", gzip(&text.repeat(10_000))),
        (
            "all.tar.gz",
            gzip(&tar(&[("a.txt", text), ("b/c.txt", text)])),
        ),
        ("all.tgz", gzip(&tar(&[("inner.zip", &inner)]))),
        (
            "letter.docx",
            docx(&[("word/media/a.svg", b"<svg onload=''/>")]),
        ),
        ("a.txt", text.to_vec()),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04and more".to_vec()),
    ] {
        assert_eq!(failure(shown, &bytes), PASSES, "{shown}");
    }
}

#[test]
fn an_archive_that_was_written_as_a_stream_passes() {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    let options = zip::write::SimpleFileOptions::default();
    for name in ["a.txt", "b.txt"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(&b"words and words ".repeat(999)).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(failure("a.zip", &bytes), PASSES);
}

#[test]
fn much_that_comes_of_little_is_refused_whatever_the_sizes_say() {
    let bomb = zip(&[("zeros", &zeros(64))]);
    assert!(bomb.len() < 100_000);
    assert_eq!(failure("a.zip", &bomb), UNSCANNABLE);
    let size = u32::try_from(zeros(64).len()).unwrap().to_le_bytes();
    let liar = with(&bomb, &size, &100_u32.to_le_bytes());
    assert_eq!(failure("a.zip", &liar), UNSCANNABLE, "it says 100 bytes");
    assert_eq!(failure("a.gz", &gzip(&zeros(64))), UNSCANNABLE);
    let of_tar = gzip(&tar(&[("zeros", &zeros(64))]));
    assert_eq!(failure("a.tar.gz", &of_tar), UNSCANNABLE);
    let several = [gzip(&zeros(32)), gzip(&zeros(32))].concat();
    assert_eq!(
        failure("a.gz", &several),
        UNSCANNABLE,
        "one behind the other"
    );
    let everything = looked_at("a.zip", &bomb, Strictness::NoBomb);
    assert!(matches!(everything, Err(Finding::TooMuch)));
}

#[test]
fn a_bomb_in_an_archive_in_an_archive_is_found() {
    let level = |inner: &[u8]| {
        let names = ["1", "2", "3", "4", "5", "6", "7", "8"];
        zip(&names.map(|name| (name, inner)))
    };
    // Each level alone unpacks to less than a hundred times its length.
    let bottom = zip(&[("text", &b"0123456789abcdef".repeat(60_000))]);
    assert_eq!(failure("a.zip", &level(&level(&bottom))), UNSCANNABLE);
    let packed = gzip(&gzip(&zeros(32)));
    assert_eq!(failure("a.gz", &packed), UNSCANNABLE);
}

#[test]
fn three_archives_in_each_other_are_looked_through_and_four_are_not() {
    let one = zip(&[("a.txt", b"words")]);
    let two = zip(&[("1.zip", &one)]);
    let three = zip(&[("2.zip", &two)]);
    assert_eq!(failure("a.zip", &three), PASSES);
    let four = zip(&[("3.zip", &three)]);
    assert_eq!(failure("a.zip", &four), UNSCANNABLE);
    let mut many = four;
    for _ in 0..20 {
        many = zip_with(CompressionMethod::Stored, &[("more.zip", &many)]);
    }
    assert_eq!(failure("a.zip", &many), UNSCANNABLE);
}

#[test]
fn more_entries_than_anybody_sends_are_refused() {
    let names: Vec<String> = (0..10_001).map(|index| format!("{index}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
    assert_eq!(failure("a.zip", &zip(&entries[..10_000])), PASSES);
    assert_eq!(failure("a.zip", &zip(&entries)), UNSCANNABLE);
    let halves = [
        ("1.zip", zip(&entries[..6_000])),
        ("2.zip", zip(&entries[..6_000])),
    ];
    let both = halves.each_ref().map(|(name, bytes)| (*name, &bytes[..]));
    assert_eq!(failure("a.zip", &zip(&both)), UNSCANNABLE, "together");
    assert_eq!(failure("a.tgz", &gzip(&tar(&entries))), UNSCANNABLE);
}

#[test]
fn a_directory_that_fills_the_memory_is_not_read() {
    let names: Vec<String> = (0..9_000).map(|index| format!("{index:01000}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
    assert_eq!(failure("a.zip", &zip(&entries)), UNSCANNABLE);
    let mut many = zip(&[("a.txt", b"words")]);
    let end = positions(&many, b"PK\x05\x06")[0];
    many[end + 8..end + 12].copy_from_slice(&[0xFE; 4]);
    let stated = looked_at("a.zip", &many, Strictness::Harmless);
    assert!(
        matches!(stated, Err(Finding::TooMuch)),
        "it states 65,278 entries"
    );
}

#[test]
fn entries_that_lie_over_each_other_are_refused() {
    let text = b"the same words for both";
    let mut bytes = zip(&[("a.txt", text), ("b.txt", text)]);
    let second = positions(&bytes, b"PK\x01\x02")[1];
    // Where the second entry begins: where the first one does.
    bytes[second + 42..second + 46].copy_from_slice(&[0; 4]);
    assert_eq!(failure("a.zip", &bytes), UNSCANNABLE);
    let everything = looked_at("a.zip", &bytes, Strictness::NoBomb);
    assert!(matches!(everything, Err(Finding::TooMuch)));
}

#[test]
fn an_archive_that_programs_read_differently_is_refused() {
    let text: &[u8] = b"words";
    let twice = with(
        &zip(&[("a.txt", text), ("b.txt", text)]),
        b"b.txt",
        b"a.txt",
    );
    assert_eq!(failure("a.zip", &twice), UNSCANNABLE, "one name twice");
    let unlisted = [zip(&[("run.exe", b"MZ")]), zip(&[("a.txt", text)])].concat();
    assert_eq!(
        failure("a.zip", &unlisted),
        UNSCANNABLE,
        "not in the directory"
    );
    let whole = zip(&[("a.txt", text)]);
    let cut = &whole[..whole.len() - 30];
    assert_eq!(failure("a.zip", cut), UNSCANNABLE, "without its directory");
    let mut inside = whole.clone();
    let directory = positions(&inside, b"PK\x01\x02")[0];
    // Of two names for one entry, the one in front of it is the other.
    inside[directory + 46] = b'z';
    assert_eq!(failure("a.zip", &inside), UNSCANNABLE);
    let mut gz = gzip(&text.repeat(1_000));
    gz.truncate(gz.len() - 12);
    assert_eq!(failure("a.gz", &gz), UNSCANNABLE, "cut off");
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused() {
    for name in [
        "../../etc/passwd",
        "/abs/olute",
        "..\\..\\x",
        "a/../../b",
        "C:/x",
        "\\\\host\\x",
    ] {
        let inside = "x".repeat(name.len());
        let plain = zip(&[(&inside, b"words")]);
        let bytes = with(&plain, inside.as_bytes(), name.as_bytes());
        assert_eq!(failure("a.zip", &bytes), REFUSED, "{name}");
        assert_eq!(
            failure("a.tgz", &gzip(&tar(&[(name, b"words")]))),
            REFUSED,
            "{name}"
        );
    }
    let zero = with(&zip(&[("xxxx", b"words")]), b"xxxx", b"a\0.x");
    assert!(failure("a.zip", &zero).is_some());
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.add_symlink("link", "/etc/passwd", options).unwrap();
    let link = writer.finish().unwrap().into_inner();
    assert_eq!(failure("a.zip", &link), REFUSED, "a link");
}

#[test]
fn a_long_name_of_a_tar_is_judged_as_well() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/run.exe", "folder".repeat(40));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    builder
        .append_data(&mut header, &long, &b"words"[..])
        .unwrap();
    let bytes = builder.into_inner().unwrap();
    assert_eq!(failure("a.tar", &bytes), REFUSED);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", &b"../up"[..])])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    builder
        .append_data(&mut header, "plain", &b"words"[..])
        .unwrap();
    let bytes = builder.into_inner().unwrap();
    assert_eq!(failure("a.tar", &bytes), REFUSED);
}

/// As the seventh edition of Unix wrote it: without the word by which later ones are known.
fn old_tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, contents) in entries {
        let mut header = tar::Header::new_old();
        header.set_path(name).unwrap();
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn an_old_tar_is_known_by_the_sum_of_its_head() {
    let program: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0";
    let plain = old_tar(&[("a.txt", b"words"), ("b.txt", b"more")]);
    assert!(positions(&plain, b"ustar").is_empty());
    assert_eq!(failure("a.tar", &plain), PASSES);
    for entries in [
        [("a.txt", &b"words"[..]), ("run.exe", b"words")],
        [("a", b""), ("b", program)],
    ] {
        let bytes = old_tar(&entries);
        assert_eq!(failure("a.tar", &bytes), REFUSED);
        assert_eq!(failure("a.bin", &bytes), REFUSED, "whatever it is called");
        assert_eq!(failure("a.tgz", &gzip(&bytes)), REFUSED);
        assert_eq!(failure("a.zip", &zip(&[("a", &bytes)])), REFUSED);
    }
    // A sum of signed bytes, as some made it.
    let mut signed = old_tar(&[("a.txt", b"words"), ("run.exe", b"words")]);
    signed[0] = 0xE4;
    let sum = signed[..148]
        .iter()
        .chain(b"        ")
        .chain(&signed[156..512]);
    let sum: i32 = sum.map(|byte| i32::from(byte.cast_signed())).sum();
    signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(failure("a.tar", &signed), UNSCANNABLE);
    for (at, byte) in [(148, b'7'), (156, b'z'), (124, b'x'), (0, 0)] {
        let mut other = old_tar(&[("run.exe", b"words")]);
        other[at] = byte;
        let sum = other[..148]
            .iter()
            .chain(b"        ")
            .chain(&other[156..512]);
        let sum: u32 = sum.map(|byte| u32::from(*byte)).sum();
        if at != 148 {
            other[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        assert_eq!(failure("a.bin", &other), PASSES, "no tar: {at}");
    }
}

/// A tar of one file with a record of POSIX before it.
fn tar_after(kind: u8, said: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, contents) in [(kind, "about", said), (b'0', "a.txt", b"words")] {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, contents).unwrap();
    }
    builder.into_inner().unwrap()
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length += 1;
    }
    [length.to_string().as_bytes(), &rest].concat()
}

#[test]
fn a_tar_that_programs_read_differently_is_refused() {
    let time = record("mtime", b"1700000000.5");
    let honest = [
        record("SCHILY.xattr.user.x", b"a\n\n\0b"),
        time,
        record("path", b"b/\xc3\xa4.txt"),
    ];
    for kind in [b'x', b'g', b'X'] {
        assert_eq!(failure("a.tar", &tar_after(kind, &honest.concat())), PASSES);
        for said in [
            record("size", b"2"),
            record("GNU.sparse.major", b"1"),
            record("GNU.sparse.realsize", b"5"),
            [record("comment", b"a\n\nb"), record("size", b"2")].concat(),
            [record("path", b"b.txt"), record("size", b"2")].concat(),
            b"8 path=a\n".to_vec(),
            b"path=a\n".to_vec(),
            b"7 path=a\n".to_vec(),
            b"99999999999999999999999 a=b\n".to_vec(),
            b"0 a=b\n".to_vec(),
        ] {
            let bytes = tar_after(kind, &said);
            assert_eq!(failure("a.tar", &bytes), UNSCANNABLE, "{said:?}");
            assert!(looked_at("a.tar", &bytes, Strictness::NoBomb).is_ok());
        }
    }
    assert_eq!(
        failure("a.tar", &tar_after(b'S', b"")),
        UNSCANNABLE,
        "with holes"
    );
}

#[test]
fn every_name_and_link_that_a_tar_says_ahead_is_judged() {
    let twice = [record("path", b"a.txt"), record("path", b"run.exe")].concat();
    let hidden = [record("comment", b"a\n\nb"), record("path", b"run.exe")].concat();
    for (kind, said) in [
        (b'x', record("linkpath", b"/etc/passwd")),
        (b'g', record("linkpath", b"../up")),
        (b'K', b"/etc/passwd\0".to_vec()),
        (b'K', b"a/../../up\0".to_vec()),
        (b'L', b"../up\0".to_vec()),
        (b'x', twice),
        (b'x', hidden),
        (b'g', record("path", b"run.exe")),
    ] {
        let bytes = tar_after(kind, &said);
        assert_eq!(failure("a.tar", &bytes), REFUSED, "{said:?}");
    }
    for (kind, said) in [
        (b'K', b"b.txt\0".to_vec()),
        (b'x', record("linkpath", b"b.txt")),
    ] {
        assert_eq!(
            failure("a.tar", &tar_after(kind, &said)),
            PASSES,
            "{said:?}"
        );
    }
}

#[test]
fn what_runs_is_found_in_archives_by_name_and_by_bytes() {
    let program: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0";
    let jar = zip(&[
        ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0"),
        ("A.class", b"x"),
    ]);
    let macros: &[u8] = b"\xd0\xcf\x11\xe0 macros";
    for (shown, bytes) in [
        ("a.zip", zip(&[("run.exe", b"words")])),
        ("a.zip", zip(&[("folder/run.JS ", b"words")])),
        ("a.zip", zip(&[("run.bat::$DATA", b"words")])),
        ("a.zip", zip(&[("picture.jpg", program)])),
        (
            "a.zip",
            zip(&[("page", b"<html><script>alert(1)</script>")]),
        ),
        (
            "a.zip",
            zip(&[("inner.zip", &zip(&[("run.exe", b"words")]))]),
        ),
        ("a.zip", jar),
        ("run.exe.gz", gzip(b"words")),
        ("words.txt.gz", gzip(program)),
        ("a.tar.gz", gzip(&tar(&[("a.txt", program)]))),
        ("a.docx", docx(&[("word/vbaProject.bin", macros)])),
        ("a.docx", docx(&[("word/renamed/VBAPROJECT.BIN", macros)])),
        ("a.docx", docx(&[("word/embeddings/run.exe", b"words")])),
        (
            "a.docx",
            docx(&[("word/media/image1.png", b"MZ\x90\0\x03\0\0\0")]),
        ),
        (
            "a.zip",
            zip(&[("letter.docx", &docx(&[("word/vbaProject.bin", macros)]))]),
        ),
    ] {
        assert_eq!(failure(shown, &bytes), REFUSED, "{shown}");
        assert!(
            looked_at(shown, &bytes, Strictness::NoBomb).is_ok(),
            "{shown}"
        );
    }
}

#[test]
fn an_archive_behind_something_else_is_looked_into() {
    let jar = zip(&[("A.class", b"\xca\xfe\xba\xbe")]);
    let both = [b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n%%EOF\n", &jar[..]].concat();
    assert_eq!(failure("a.pdf", &both), REFUSED);
    let plain = b"words about PK\x05\x06 and what it means, more of them";
    assert_eq!(failure("a.txt", plain), PASSES);
}

#[test]
fn what_is_behind_a_password_is_said_to_be() {
    let bytes = samples::locked_zip();
    let contents = looked_at("a.zip", &bytes, Strictness::Harmless).unwrap();
    assert!(contents.is_encrypted);
    let open = looked_at("a.zip", &zip(&[("a.txt", b"words")]), Strictness::Harmless);
    assert!(!open.unwrap().is_encrypted);
}

#[test]
fn what_is_packed_in_ways_that_nobody_here_unpacks_is_refused() {
    for closed in [
        &b"\xfd7zXZ\0\0\x04"[..],
        b"BZh91AY&SY",
        b"\x28\xb5\x2f\xfd\x04\0",
    ] {
        assert_eq!(failure("a.packed", closed), UNSCANNABLE, "{closed:?}");
        assert_eq!(failure("a.zip", &zip(&[("a", closed)])), UNSCANNABLE);
        assert!(looked_at("a.packed", closed, Strictness::NoBomb).is_ok());
    }
    let mut odd = zip(&[("a.txt", b"words")]);
    for (magic, method_at) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = positions(&odd, magic)[0];
        odd[at + method_at] = 14;
    }
    assert_eq!(failure("a.zip", &odd), UNSCANNABLE);
}
