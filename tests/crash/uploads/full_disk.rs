//! A disk that has no space for uploads for a while: their bytes are refused, what was kept of them
//! stays kept, the rest of the server goes on, and so do they once there is space.

use frontdesk_protocol::UploadId;
use reqwest::{Method, StatusCode};

use super::leftovers::until_ready;
use super::sender::Answer;
use super::{Trial, person};
use crate::loss::PowerLoss;
use crate::support::http::{Asker, token};

const TEXT: &str = "Words for which there is no space at first.";
const KEPT_BYTES: usize = 12;
const BYTES_TYPE: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

#[test]
fn bytes_without_space_are_refused_and_taken_once_there_is() {
    let mut trial = Trial::new("fjall", "fsync");
    let loss = PowerLoss::new(&trial.settings.data).without_space_for("/spool/");
    trial.settings.env.extend(loss.env());
    let server = trial.start().unwrap();
    let way = trial.ways(server.address()).swap_remove(0);
    let ask = |method, id: &str, headers: &[(&str, &str)], body: &str| -> Answer {
        let asked = way.ask(method, id, headers, body.into());
        trial.runtime.block_on(asked).unwrap()
    };
    let begin = |body: &str| {
        let length = TEXT.len().to_string();
        let headers = [
            ("Upload-Length", &*length),
            BYTES_TYPE,
            ("Upload-Metadata", "filename bGluZS50eHQ="),
        ];
        ask(Method::POST, "", &headers, body)
    };
    let begun = begin(&TEXT[..KEPT_BYTES]);
    assert_eq!(begun.status, StatusCode::CREATED);
    let place = begun.header("location").unwrap();
    let id = place.rsplit('/').next().unwrap();
    let rest = || {
        let offset = KEPT_BYTES.to_string();
        let headers = [("Upload-Offset", &*offset), BYTES_TYPE];
        ask(Method::PATCH, id, &headers, &TEXT[KEPT_BYTES..])
    };

    loss.set_full(true);
    for _ in 0..2 {
        let refused = rest();
        assert_eq!(
            refused.status,
            StatusCode::INSUFFICIENT_STORAGE,
            "{refused:?}"
        );
        let kept = ask(Method::HEAD, id, &[], "").offset();
        assert_eq!(kept, Some(KEPT_BYTES as u64));
    }
    let refused = begin(TEXT).status;
    assert_eq!(refused, StatusCode::INSUFFICIENT_STORAGE);
    let asker = Asker::new(token(&person(1)));
    let others = [person(2)];
    let opened = asker.open_room(server.address(), &others);
    trial.runtime.block_on(opened).unwrap();

    loss.set_full(false);
    let taken = rest();
    assert_eq!(
        (taken.status, taken.offset()),
        (StatusCode::NO_CONTENT, Some(TEXT.len() as u64))
    );
    let id: UploadId = id.parse().unwrap();
    until_ready(&trial, &way, &id);
    let stored = std::fs::read(trial.folder("files").join(id.to_string())).unwrap();
    assert_eq!(String::from_utf8(stored).unwrap(), TEXT);
    server.stop().unwrap();
}
