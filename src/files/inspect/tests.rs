//! The whole of it on files that people and attackers send.

use frontdesk_actors::clock::SystemClock;
use proptest::prelude::*;

use super::super::pool::tests::somebody;
use super::super::samples;
use super::super::scan::tests::{self as scan, Forgetful};
use super::*;

/// What one file came to, and what lies on the disk afterwards.
struct Outcome {
    verdict: Result<Inspection, Verdict>,
    /// What is passed on, if anything is.
    bytes: Vec<u8>,
    left_count: usize,
}

fn inspector(settings: Files) -> Inspector {
    Inspector::new(&settings, Arc::new(SystemClock::default())).unwrap()
}

/// Words, as anybody may send them.
fn text_at<'a>(whose: &'a Whose, file: &'a Path, work: &'a Path) -> Asked<'a> {
    Asked {
        whose,
        file,
        work,
        shown_name: "a.txt",
        declared_mime: "",
        taken: &Taken::Harmless,
    }
}

async fn inspected(
    inspector: &Inspector,
    (name, declared): (&str, &str),
    bytes: &[u8],
    taken: &Taken,
) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("came");
    std::fs::write(&file, bytes).unwrap();
    let work = folder.path().join("made");
    let asked = Asked {
        whose: &somebody(),
        file: &file,
        work: &work,
        shown_name: name,
        declared_mime: declared,
        taken,
    };
    let verdict = inspector.inspect(&asked).await;
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "what came stays");
    let passed_on = verdict.as_ref().ok().and_then(|ok| ok.rewritten.clone());
    Outcome {
        bytes: std::fs::read(passed_on.unwrap_or(file)).unwrap(),
        verdict,
        left_count: std::fs::read_dir(folder.path()).unwrap().count() - 1,
    }
}

async fn refusal(name: &str, declared: &str, bytes: &[u8]) -> Option<Verdict> {
    let inspector = inspector(Files::default());
    let outcome = inspected(&inspector, (name, declared), bytes, &Taken::Harmless).await;
    if outcome.verdict.is_err() {
        assert_eq!(outcome.left_count, 0, "nothing is left of {name}");
    }
    outcome.verdict.err()
}

const REFUSED: Option<Verdict> = Some(Verdict::Refused(UploadFailure::RefusedType));
const MISMATCHED: Option<Verdict> = Some(Verdict::Refused(UploadFailure::Mismatched));
const UNSCANNABLE: Option<Verdict> = Some(Verdict::Refused(UploadFailure::Unscannable));

#[tokio::test]
async fn a_photo_is_passed_on_without_its_place_and_with_a_small_one() {
    let inspector = inspector(Files::default());
    let came = samples::private_jpeg(6);
    let outcome = inspected(&inspector, ("a.jpg", "image/jpeg"), &came, &Taken::Harmless).await;
    let inspection = outcome.verdict.unwrap();
    assert_eq!(&*inspection.kind.mime, "image/jpeg");
    assert_eq!(inspection.kind.pixels, Some((200, 400)));
    assert!(inspection.kind.has_thumbnail && inspection.thumbnail.is_some());
    assert_eq!(inspection.kind.stored_size, outcome.bytes.len() as u64);
    assert!(
        !outcome
            .bytes
            .windows(8)
            .any(|word| word == &samples::SECRET[..8])
    );
    assert_eq!(
        outcome.left_count, 2,
        "the file written anew, and the small one"
    );
}

#[tokio::test]
async fn a_letter_is_passed_on_as_it_came() {
    let inspector = inspector(Files::default());
    for (name, bytes, mime) in [
        ("a.txt", b"words".to_vec(), "text/plain"),
        (
            "a.zip",
            samples::zip(&[("a.txt", b"words")]),
            "application/zip",
        ),
        (
            "a.docx",
            samples::docx(&[]),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ] {
        let outcome = inspected(&inspector, (name, ""), &bytes, &Taken::Harmless).await;
        let inspection = outcome.verdict.unwrap();
        assert_eq!(&*inspection.kind.mime, mime);
        assert_eq!(inspection.kind.stored_size, bytes.len() as u64);
        assert_eq!(
            (outcome.left_count, inspection.kind.has_thumbnail),
            (0, false)
        );
    }
}

#[tokio::test]
async fn what_packs_well_is_packed_where_that_is_wished() {
    let text = b"line after line\n".repeat(1_000);
    // A bitmap of a hundred by a hundred points, all of them black.
    let mut bitmap = b"BM\x66\x75\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x64\0\0\0\x64\0\0\0".to_vec();
    bitmap.extend(b"\x01\0\x18\0\0\0\0\0\x30\x75\0\0");
    bitmap.resize(54 + 30_000, 0);
    let photo = samples::private_jpeg(6);
    for (name, bytes, packs) in [
        ("a.txt", text, true),
        ("a.bmp", bitmap, true),
        ("a.jpg", photo, false),
    ] {
        for compress in [true, false] {
            let inspector = inspector(Files {
                compress,
                ..Files::default()
            });
            let outcome = inspected(&inspector, (name, ""), &bytes, &Taken::Harmless).await;
            let inspection = outcome.verdict.unwrap();
            assert_eq!(inspection.kind.is_packed, packs && compress, "{name}");
            assert_eq!(inspection.packed.is_some(), inspection.kind.is_packed);
            assert_eq!(inspection.kind.stored_size, outcome.bytes.len() as u64);
            let made = [
                &inspection.rewritten,
                &inspection.thumbnail,
                &inspection.packed,
            ];
            let made_count = made.iter().filter(|path| path.is_some()).count();
            assert_eq!(outcome.left_count, made_count, "{name}");
        }
    }
}

#[tokio::test]
async fn without_room_to_pack_a_file_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, work) = (folder.path().join("came"), folder.path().join("made"));
    std::fs::write(&file, b"line after line\n".repeat(1_000)).unwrap();
    // It takes no byte, as a full disk does.
    std::os::unix::fs::symlink("/dev/full", work.with_extension("packed")).unwrap();
    let inspector = inspector(Files {
        compress: true,
        ..Files::default()
    });
    let inspect = async || inspector.inspect(&text_at(&somebody(), &file, &work)).await;
    assert_eq!(inspect().await, Err(Verdict::TryLater));
    let packed = inspect().await.unwrap().packed;
    assert_eq!(
        packed,
        Some(work.with_extension("packed")),
        "there is room again"
    );
}

#[tokio::test]
async fn the_name_the_bytes_and_the_type_must_tell_the_same_story() {
    let photo = samples::encoded(image::ImageFormat::Png, 4, 4);
    for (name, declared, bytes, expected) in [
        ("a.png", "image/png", &photo[..], None),
        ("../../a.png", "image/png", &photo, None),
        ("a.jpg", "image/jpeg", &photo, MISMATCHED),
        (
            "a.png",
            "image/png",
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0",
            REFUSED,
        ),
        ("a.png", "image/png", b"#!/bin/sh\nrm -r x", REFUSED),
        (
            "a.png",
            "image/png",
            b"<html><script>alert(1)</script>",
            REFUSED,
        ),
        ("photo\u{202e}gnp.exe", "image/png", &photo, REFUSED),
        ("a.php\0.png", "image/png", &photo, None),
        ("a.png.exe. ", "image/png", &photo, REFUSED),
        (
            "a.svg",
            "image/svg+xml",
            b"<svg onload='alert(1)'/>",
            REFUSED,
        ),
        ("a.gif", "image/gif", b"GIF89a=1;alert(1)", MISMATCHED),
        (
            "a.txt",
            "text/plain",
            b"",
            Some(Verdict::Refused(UploadFailure::Empty)),
        ),
    ] {
        assert_eq!(refusal(name, declared, bytes).await, expected, "{name:?}");
    }
}

#[tokio::test]
async fn text_is_taken_in_the_ways_of_writing_that_people_have() {
    let inspector = inspector(Files::default());
    for bytes in [
        &b"Name;Stra\xdfe\r\nM\xfcller;Am B\xe4chle 1\r\n"[..],
        b"\xff\xfeN\0a\0m\0e\0\xfc\0",
        b"\xfe\xff\0N\0a\0m\0e\0\xfc",
        b"BMW invoice",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ] {
        for name in ["a.txt", "a.csv", "a.log", "a.md"] {
            let outcome = inspected(&inspector, (name, "text/csv"), bytes, &Taken::Harmless).await;
            assert_eq!(
                &*outcome.verdict.unwrap().kind.mime,
                "text/plain",
                "{bytes:?}"
            );
        }
    }
    for (bytes, expected) in [
        (&b"Gr\xfc\xdfe <script>alert(1)</script>"[..], REFUSED),
        (b"\xff\xfe<\0s\0v\0g\0 \0", REFUSED),
        (b"\xff\xfe@\0e\0c\0h\0o\0 \0o\0f\0f\0", REFUSED),
        (b"M\xfcller\0", MISMATCHED),
    ] {
        assert_eq!(refusal("a.txt", "", bytes).await, expected, "{bytes:?}");
    }
}

#[tokio::test]
async fn bombs_and_what_carries_programs_are_refused() {
    let zeros = vec![0; 64 * 1024 * 1024];
    let macros = samples::docx(&[("word/vbaProject.bin", b"\xd0\xcf\x11\xe0")]);
    let entities = b"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'>]><lolz>&lol;</lolz>";
    for (name, bytes, expected) in [
        ("a.zip", samples::zip(&[("zeros", &zeros)]), UNSCANNABLE),
        ("a.gz", samples::gzip(&zeros), UNSCANNABLE),
        (
            "a.png",
            samples::png_that_claims(30_000, 30_000),
            UNSCANNABLE,
        ),
        ("a.zip", samples::zip(&[("run.exe", b"MZ")]), REFUSED),
        ("a.docx", macros.clone(), REFUSED),
        ("a.zip", macros, MISMATCHED),
        ("a.xml", entities.to_vec(), REFUSED),
    ] {
        assert_eq!(refusal(name, "", &bytes).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_document_with_entities_is_read_by_nobody_here() {
    let entities = b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>\
                     <!ENTITY b SYSTEM 'file:///etc/passwd'>]><x>&a;&b;</x>";
    let document = samples::docx(&[("word/settings.xml", entities)]);
    assert_eq!(refusal("a.docx", "", &document).await, None);
}

#[tokio::test]
async fn who_takes_everything_gets_what_is_no_bomb_and_nothing_to_show() {
    let inspector = inspector(Files::default());
    let takes = async |name: &str, bytes: &[u8]| {
        let outcome = inspected(&inspector, (name, ""), bytes, &Taken::Everything).await;
        outcome.verdict.map(|inspection| inspection.kind.mime)
    };
    let broken = takes("a.gif", b"GIF89a=1;alert(1)").await.unwrap();
    assert_eq!(&*broken, "application/octet-stream");
    let drawing = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let scripted = [&b"GIF89a"[..], b"<script>alert(1)</script>"].concat();
    for (name, active) in [("a.svg", &drawing[..]), ("b.gif", &scripted)] {
        let mime = takes(name, active).await.unwrap();
        assert_eq!(&*mime, "application/octet-stream", "{name}");
    }
    let program = samples::zip(&[("run.exe", b"MZ")]);
    assert_eq!(&*takes("a.zip", &program).await.unwrap(), "application/zip");
    let bomb = samples::zip(&[("zeros", &vec![0; 64 * 1024 * 1024])]);
    let refused = Err(Verdict::Refused(UploadFailure::Unscannable));
    assert_eq!(takes("a.zip", &bomb).await, refused);
}

#[tokio::test]
async fn what_stands_behind_a_broken_picture_is_looked_at_where_it_is_kept() {
    let inspected = async |settings: Files, behind: &[u8]| {
        let bytes = [&b"GIF89a=1;"[..], behind].concat();
        let inspector = inspector(settings);
        let outcome = inspected(&inspector, ("a.gif", ""), &bytes, &Taken::Everything).await;
        outcome.verdict.map(|inspection| inspection.kind.mime)
    };
    let bomb = samples::zip(&[("zeros", &vec![0; 64 * 1024 * 1024])]);
    let locked = samples::locked_zip();
    let kept = Ok("application/octet-stream".into());
    assert_eq!(inspected(Files::default(), &bomb).await.err(), UNSCANNABLE);
    assert_eq!(inspected(Files::default(), &locked).await, kept);
    let content = Forgetful::start(0);
    let closed = scanned_at(content.address(), ScanPolicy::Closed);
    assert_eq!(inspected(closed, &locked).await.err(), UNSCANNABLE);
    let open = scanned_at(content.address(), ScanPolicy::Open);
    assert_eq!(inspected(open, &locked).await, kept);
}

#[tokio::test]
async fn a_file_that_is_gone_is_our_fault_and_names_no_path() {
    let inspector = inspector(Files::default());
    let nowhere = Path::new("nowhere/at/all");
    let verdict = inspector
        .inspect(&text_at(&somebody(), nowhere, nowhere))
        .await;
    assert_eq!(verdict, Err(Verdict::TryLater));
    assert!(!format!("{verdict:?}").contains("nowhere"));
}

fn scanned_at(address: String, scan_policy: ScanPolicy) -> Files {
    Files {
        clamav: Some(address),
        scan_policy,
        scan_wait_ms: 600,
        ..Files::default()
    }
}

#[tokio::test]
async fn without_an_answer_of_the_scanner_a_file_waits_and_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("socket").to_str().unwrap().to_owned();
    let closed = inspector(scanned_at(nobody.clone(), ScanPolicy::Closed));
    let outcome = inspected(&closed, ("a.txt", ""), b"words", &Taken::Harmless).await;
    let refused = Err(Verdict::Refused(UploadFailure::ScannerUnavailable));
    assert_eq!(outcome.verdict, refused);
    let open = inspector(scanned_at(nobody, ScanPolicy::Open));
    let outcome = inspected(&open, ("a.txt", ""), b"words", &Taken::Harmless).await;
    assert!(outcome.verdict.is_ok(), "where nobody has to have looked");
}

#[tokio::test]
async fn a_scanner_that_comes_back_is_asked_again() {
    let scanner = Forgetful::start(2);
    let patient = Files {
        scan_wait_ms: 60_000,
        ..scanned_at(scanner.address(), ScanPolicy::Closed)
    };
    let inspector = inspector(patient);
    let outcome = inspected(&inspector, ("a.txt", ""), b"words", &Taken::Harmless).await;
    assert!(outcome.verdict.is_ok());
    assert_eq!(scanner.asked_count(), 3);
}

#[tokio::test]
async fn what_a_scanner_finds_or_cannot_see_is_refused() {
    let daemon = scan::Daemon::start();
    let eicar = scan::eicar();
    let photo = samples::encoded(image::ImageFormat::Png, 40, 20);
    let infected = [&photo[..], &eicar].concat();
    let closed = inspector(scanned_at(daemon.address(), ScanPolicy::Closed));
    let open = inspector(scanned_at(daemon.address(), ScanPolicy::Open));
    assert_eq!(closed.canary().await, Some(Canary::Finds));
    let locked = samples::locked_zip();
    let refused = |failure| Err(Verdict::Refused(failure));
    for (name, bytes, of_closed, of_open) in [
        ("a.txt", &b"words"[..], Ok(()), Ok(())),
        ("a.png", &photo, Ok(()), Ok(())),
        (
            "a.png",
            &infected,
            refused(UploadFailure::Infected),
            refused(UploadFailure::Infected),
        ),
        (
            "a.zip",
            &locked,
            refused(UploadFailure::Unscannable),
            Ok(()),
        ),
    ] {
        for (inspector, expected) in [(&closed, of_closed), (&open, of_open)] {
            let outcome = inspected(inspector, (name, ""), bytes, &Taken::Harmless).await;
            assert_eq!(outcome.verdict.map(|_| ()), expected, "{name}");
        }
    }
    assert_eq!(
        refusal("a.zip", "", &locked).await,
        None,
        "where nothing is scanned"
    );
}

#[tokio::test]
async fn what_is_behind_a_password_is_refused_although_a_scanner_found_nothing() {
    let content = Forgetful::start(0);
    let locked = samples::locked_zip();
    for (policy, expected) in [(ScanPolicy::Closed, UNSCANNABLE), (ScanPolicy::Open, None)] {
        let inspector = inspector(scanned_at(content.address(), policy));
        let outcome = inspected(&inspector, ("a.zip", ""), &locked, &Taken::Harmless).await;
        assert_eq!(outcome.verdict.err(), expected);
    }
}

#[tokio::test]
async fn many_photos_at_once_are_decoded_one_after_the_other() {
    let inspector = inspector(Files::default());
    let came = samples::private_jpeg(1);
    let taken = Taken::Harmless;
    let all = (0..200).map(|_| inspected(&inspector, ("a.jpg", ""), &came, &taken));
    let outcomes = futures_util::future::join_all(all).await;
    let is_made = |outcome: &Outcome| {
        let inspection = outcome.verdict.as_ref();
        inspection.is_ok_and(|inspection| inspection.kind.has_thumbnail)
    };
    assert!(outcomes.iter().all(is_made));
}

/// Starts of files that each part of the inspection takes up.
const STARTS: [&[u8]; 12] = [
    b"",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"RIFF\xff\0\0\0WEBPVP8 ",
    b"BM",
    b"%PDF-1.7",
    b"<?xml version='1.0'?>",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_under_any_name_end_otherwise_than_in_a_verdict(
        start in 0..STARTS.len(),
        rest in prop::collection::vec(any::<u8>(), 0..600),
        name in ".{0,12}\\.(png|jpg|gif|webp|zip|gz|tar|docx|txt)",
        everything in any::<bool>(),
    ) {
        let bytes = [STARTS[start], &rest].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let verdict = runtime.unwrap().block_on(async {
            let inspector = inspector(Files::default());
            let taken = match everything {
                true => Taken::Everything,
                false => Taken::Harmless,
            };
            inspected(&inspector, (&name, ""), &bytes, &taken).await.verdict
        });
        prop_assert_ne!(verdict, Err(Verdict::TryLater));
    }

    #[test]
    fn no_damage_to_an_archive_ends_otherwise_than_in_a_verdict(
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in 0..4_usize,
    ) {
        let inner = samples::zip(&[("a.txt", b"words and words"), ("b/", b"")]);
        let mut bytes = match which {
            0 => samples::zip(&[("inner.zip", &inner), ("c.txt", b"words")]),
            1 => samples::gzip(&samples::tar(&[("inner.zip", &inner)])),
            2 => samples::docx(&[]),
            _ => samples::tar(&[("inner.zip", &inner), ("d.txt", b"words")]),
        };
        for (at, value) in wounds {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let verdict = runtime.unwrap().block_on(async {
            let inspector = inspector(Files::default());
            inspected(&inspector, ("a", ""), &bytes, &Taken::Harmless).await.verdict
        });
        prop_assert_ne!(verdict, Err(Verdict::TryLater));
    }
}
