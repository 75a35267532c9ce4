//! What a dead server leaves behind, made by hand where a kill would have to hit a moment: bytes
//! that are all there and not said to be, bytes of no upload, half of what was made of them.

use frontdesk_protocol::{CompanyId, UploadId};
use frontdesk_storage::{Durability, Spool};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::checks::names_in;
use super::sender::Way;
use super::{START_LOOK_LIMIT, Trial, person};
use crate::support::server::COMPANY;
use crate::support::wait_for;

const TEXT: &str = "One line, and then the power went.";
const SENT_BYTES: usize = 8;

fn spool(trial: &Trial) -> Spool {
    Spool::open(&trial.settings.data.join("spool"), Durability::Fsync).unwrap()
}

fn company() -> CompanyId {
    CompanyId::new(COMPANY).unwrap()
}

/// An upload of which all bytes are kept; the server ended before it took that for its end.
fn kept_whole(trial: &mut Trial) -> UploadId {
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let length = TEXT.len().to_string();
    let headers = [
        ("Upload-Length", length.as_str()),
        ("Content-Type", "application/offset+octet-stream"),
        ("Upload-Metadata", "filename bGluZS50eHQ="),
    ];
    let first = TEXT.as_bytes()[..SENT_BYTES].to_vec();
    let begun = trial
        .runtime
        .block_on(way.ask(Method::POST, "", &headers, first));
    let begun = begun.unwrap();
    assert_eq!(
        (begun.status, begun.offset()),
        (StatusCode::CREATED, Some(8))
    );
    let id = begun
        .header("location")
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap();
    let id: UploadId = id.parse().unwrap();
    server.stop().unwrap();
    let mut file = spool(trial).reopen(&company(), &id).unwrap().unwrap();
    file.write(&TEXT.as_bytes()[SENT_BYTES..]).unwrap();
    file.keep().unwrap();
    id
}

/// Waits until an upload is a file.
pub(super) fn until_ready(trial: &Trial, way: &Way, id: &UploadId) -> Value {
    let ready = wait_for("a file", START_LOOK_LIMIT, || {
        let status = trial.runtime.block_on(way.status(&id.to_string())).unwrap();
        (status["state"] == "ready").then_some(status)
    });
    ready.unwrap()
}

#[test]
fn an_upload_that_was_kept_whole_becomes_a_file_although_nobody_asks() {
    let mut trial = Trial::new("fjall", "fsync");
    let id = kept_whole(&mut trial);
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    assert_eq!(until_ready(&trial, &way, &id)["size"], TEXT.len());
    let stored = std::fs::read(trial.folder("files").join(id.to_string())).unwrap();
    assert_eq!(stored, TEXT.as_bytes());
    server.stop().unwrap();
}

#[test]
fn half_of_what_an_earlier_inspection_made_is_never_stored() {
    let mut trial = Trial::new("fjall", "buffered");
    let id = kept_whole(&mut trial);
    let work = spool(&trial).work_path(&company(), &id);
    std::fs::write(work.with_extension("stripped"), "half a pic").unwrap();
    std::fs::write(work.with_extension("packed"), "half a frame").unwrap();
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    until_ready(&trial, &way, &id);
    let stored = std::fs::read(trial.folder("files").join(id.to_string())).unwrap();
    assert_eq!(String::from_utf8(stored).unwrap(), TEXT);
    server.stop().unwrap();
}

#[test]
fn what_belongs_to_no_upload_goes_when_the_next_server_starts() {
    let mut trial = Trial::new("fjall", "buffered");
    trial.start().unwrap().stop().unwrap();
    let spool = spool(&trial);
    let (begun, made) = (UploadId::from_bits([7; 16]), UploadId::from_bits([8; 16]));
    let mut file = spool.create(&company(), &begun).unwrap();
    file.write(TEXT.as_bytes()).unwrap();
    file.keep().unwrap();
    for end in ["stripped", "thumbnail", "packed"] {
        let path = spool.work_path(&company(), &made).with_extension(end);
        std::fs::write(path, TEXT).unwrap();
    }
    let folder = trial.folder("spool");
    assert_eq!(names_in(&folder).len(), 5);
    let server = trial.start().unwrap();
    let gone = wait_for("an empty spool", START_LOOK_LIMIT, || {
        names_in(&folder).is_empty().then_some(())
    });
    gone.unwrap_or_else(|error| panic!("{error}: {:?}", names_in(&folder)));
    server.stop().unwrap();
}

/// The file is a stranger's to everybody else, also when it is looked for after a crash.
#[test]
fn uploads_that_nobody_goes_on_with_take_few_of_the_files_that_may_be_open() {
    const FILE_COUNT_MAX: u64 = 320;
    let mut trial = Trial::new("fjall", "buffered");
    trial.settings.file_count_max = Some(FILE_COUNT_MAX);
    let open = "FRONTDESK_LIMITS__UPLOADS_OPEN_PERSON";
    let often = "FRONTDESK_LIMITS__UPLOADS_PER_MINUTE";
    trial.settings = trial.settings.clone().with(open, "0").with(often, "0");
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let ask = |method, id: &str, headers: &[(&str, &str)], body: &[u8]| {
        let answer = way.ask(method, id, headers, body.to_vec());
        trial.runtime.block_on(answer).unwrap()
    };
    let bytes = ("Content-Type", "application/offset+octet-stream");
    let mut ids = Vec::new();
    for _ in 0..FILE_COUNT_MAX {
        let begun = ask(Method::POST, "", &[("Upload-Length", "2"), bytes], b"a");
        assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
        let (_, id) = begun.header("location").unwrap().rsplit_once('/').unwrap();
        ids.push(id.to_owned());
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
    assert!(open.count() < FILE_COUNT_MAX as usize / 2);
    // Each goes on where it stood.
    for id in &ids {
        let done = ask(Method::PATCH, id, &[("Upload-Offset", "1"), bytes], b"b");
        assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    }
    server.stop().unwrap();
}

#[test]
fn what_was_kept_whole_is_its_owners_alone() {
    let mut trial = Trial::new("fjall", "buffered");
    let id = kept_whole(&mut trial);
    let server = trial.start().unwrap();
    let ways = trial.ways(server.address());
    assert_eq!(trial.senders[1].person, person(1));
    let name = id.to_string();
    let asked = ways[1].ask(Method::HEAD, &name, &[], Vec::new());
    let answer = trial.runtime.block_on(asked).unwrap();
    assert_eq!(
        (answer.status, answer.offset()),
        (StatusCode::NOT_FOUND, None)
    );
    until_ready(&trial, &ways[0], &id);
    server.stop().unwrap();
}
