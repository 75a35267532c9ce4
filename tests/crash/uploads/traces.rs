//! What is left of uploads that are over: what they were called and what was said with them goes
//! from the store, the object of a file that was dropped from its folder.

use std::path::Path;

use reqwest::{Method, StatusCode};

use super::checks::names_in;
use super::leftovers::until_ready;
use super::sender::Way;
use super::{START_LOOK_LIMIT, TRACE, Trial};
use crate::support::server::{program, run};
use crate::support::wait_for;

/// The name, the caption and a note of its client, each in Base64.
const METADATA: &str = "filename d2hpc3Blci50eHQ=,caption d2hpc3BlcmVk,note bm90ZWQ=";
const WORDS: [&str; 3] = ["whisper.txt", "whispered", "bm90ZWQ="];
const TEXT: &str = "One line.";

/// Begins an upload with all of its bytes, or none.
fn begin(trial: &Trial, way: &Way, body: &str) -> String {
    let length = TEXT.len().to_string();
    let headers = [
        ("Upload-Length", length.as_str()),
        ("Content-Type", "application/offset+octet-stream"),
        ("Upload-Metadata", METADATA),
    ];
    let begun = way.ask(Method::POST, "", &headers, body.as_bytes().to_vec());
    let begun = trial.runtime.block_on(begun).unwrap();
    assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
    let (_, id) = begun.header("location").unwrap().rsplit_once('/').unwrap();
    id.to_owned()
}

fn ask(trial: &Trial, way: &Way, method: Method, id: &str) -> StatusCode {
    let answer = way.ask(method, id, &[], Vec::new());
    trial.runtime.block_on(answer).unwrap().status
}

/// Words of an upload that an export of the stopped server's store holds.
fn exported(trial: &Trial, name: &str) -> Vec<&'static str> {
    let out = trial.settings.data.with_extension(name);
    let mut command = program();
    command.args(["export", "--data"]).arg(&trial.settings.data);
    let done = run(command.arg("--out").arg(&out));
    assert!(done.status.success(), "{done:?}");
    words_in(&out)
}

fn words_in(out: &Path) -> Vec<&'static str> {
    let bytes = std::fs::read(out).unwrap();
    let holds = |word: &str| {
        bytes
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    WORDS.into_iter().filter(|word| holds(word)).collect()
}

#[test]
fn nothing_tells_of_an_upload_that_came_to_no_file_once_its_time_is_over() {
    let mut trial = Trial::new("fjall", "buffered");
    let server = trial.start().unwrap();
    let own = trial.ways(server.address()).swap_remove(0);
    let id = begin(&trial, &own, "");
    assert_eq!(
        ask(&trial, &own, Method::DELETE, &id),
        StatusCode::NO_CONTENT
    );
    assert_eq!(ask(&trial, &own, Method::HEAD, &id), StatusCode::GONE);
    server.stop().unwrap();
    assert_eq!(exported(&trial, "before"), WORDS, "it is told for a while");
    trial.settings = trial.settings.clone().with(TRACE, "1");
    let server = trial.start().unwrap();
    let own = trial.ways(server.address()).swap_remove(0);
    wait_for("nothing that tells", START_LOOK_LIMIT, || {
        (ask(&trial, &own, Method::HEAD, &id) == StatusCode::NOT_FOUND).then_some(())
    })
    .unwrap();
    server.stop().unwrap();
    assert_eq!(exported(&trial, "after"), Vec::<&str>::new());
}

#[test]
fn the_object_of_a_dropped_file_goes_with_the_next_start_when_its_time_is_over() {
    let mut trial = Trial::new("fjall", "fsync");
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let id = begin(&trial, &way, TEXT);
    until_ready(&trial, &way, &id.parse().unwrap());
    let files = trial.folder("files");
    assert_eq!(
        ask(&trial, &way, Method::DELETE, &id),
        StatusCode::NO_CONTENT
    );
    assert_eq!(ask(&trial, &way, Method::HEAD, &id), StatusCode::GONE);
    assert!(
        names_in(&files).contains(&id),
        "a message may be on its way"
    );
    trial.kill(server, 0);
    trial.settings = trial.settings.clone().with(TRACE, "1");
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let gone = wait_for("an empty folder", START_LOOK_LIMIT, || {
        names_in(&files).is_empty().then_some(())
    });
    gone.unwrap_or_else(|error| panic!("{error}: {:?}", names_in(&files)));
    wait_for("nothing that tells", START_LOOK_LIMIT, || {
        (ask(&trial, &way, Method::HEAD, &id) == StatusCode::NOT_FOUND).then_some(())
    })
    .unwrap();
    server.stop().unwrap();
}

#[test]
fn the_object_of_a_dropped_file_does_not_come_back_with_a_loss_of_power() {
    let mut trial = Trial::new("fjall", "fsync").losing();
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let id = begin(&trial, &way, TEXT);
    until_ready(&trial, &way, &id.parse().unwrap());
    let dropped = ask(&trial, &way, Method::DELETE, &id);
    assert_eq!(dropped, StatusCode::NO_CONTENT);
    trial.stop(server).unwrap();
    trial.settings = trial.settings.clone().with(TRACE, "1");
    let files = trial.folder("files");
    let is_gone = || names_in(&files).is_empty().then_some(());
    for _ in 0..2 {
        let server = trial.start().unwrap();
        let way = trial.ways(server.address()).swap_remove(0);
        wait_for("an empty folder", START_LOOK_LIMIT, is_gone).unwrap();
        wait_for("nothing that tells", START_LOOK_LIMIT, || {
            (ask(&trial, &way, Method::HEAD, &id) == StatusCode::NOT_FOUND).then_some(())
        })
        .unwrap();
        trial.stop(server).unwrap();
    }
}
