//! What is said of uploads, one frame of every kind.

use frontdesk_protocol::native::*;
use frontdesk_protocol::{FileNo, Seq, UploadId};

use crate::samples::{AT, ROOM, cid, client, ok};

const UPLOAD: UploadId = UploadId::from_bits([9; 16]);

pub(crate) fn requests() -> Vec<(&'static str, ClientFrame)> {
    vec![
        (
            "upload_open with everything",
            client(ClientRequest::UploadOpen(Box::new(UploadOpen {
                room: Some(RoomName::Id(ROOM)),
                name: "Gr\u{fc}n.png".to_owned(),
                size: Some(20_480),
                mime: Some("image/png".to_owned()),
                caption: Some("from the roof".to_owned()),
                sha256: Some([0xcd; 32]),
                cid: Some(cid()),
            }))),
        ),
        (
            "upload_open of a length that is said later",
            client(ClientRequest::UploadOpen(Box::new(UploadOpen {
                room: None,
                name: "log.txt".to_owned(),
                size: None,
                mime: None,
                caption: None,
                sha256: None,
                cid: None,
            }))),
        ),
        (
            "upload_resume with a ticket",
            client(ClientRequest::UploadResume {
                upload: UPLOAD,
                ticket: Some("header.claims.signature".to_owned()),
            }),
        ),
        (
            "upload_cancel",
            client(ClientRequest::UploadCancel { upload: UPLOAD }),
        ),
    ]
}

pub(crate) fn answers() -> Vec<(&'static str, ServerFrame)> {
    vec![
        (
            "answer to upload_open",
            ok(Answer::UploadOpened(UploadOpened {
                upload: UPLOAD,
                stream: Some(3),
                offset: 4_096,
                chunk_max: 16_384,
                credit: 69_632,
                expires_at: AT,
                size_max: 26_214_400,
                tus_url: "https://chat.example.com/v1/uploads/u_0".to_owned(),
                ticket: "header.claims.signature".to_owned(),
            })),
        ),
        (
            "answer to upload_resume of an upload that is whole",
            ok(Answer::UploadOpened(UploadOpened {
                upload: UPLOAD,
                stream: None,
                offset: 20_480,
                chunk_max: 16_384,
                credit: 20_480,
                expires_at: AT,
                size_max: 26_214_400,
                tus_url: "https://chat.example.com/v1/uploads/u_0".to_owned(),
                ticket: "header.claims.signature".to_owned(),
            })),
        ),
    ]
}

pub(crate) fn pushes() -> [(&'static str, Push); 6] {
    let state = UploadStatePush {
        upload: UPLOAD,
        state: "ready".into(),
        failure: None,
        retryable: None,
        file: Some(FileNo(7)),
        seq: Some(Seq(45)),
    };
    let failed = UploadStatePush {
        state: "failed".into(),
        failure: Some("wrong_digest".into()),
        retryable: Some(true),
        file: None,
        seq: None,
        ..state.clone()
    };
    [
        (
            "upload_credit",
            Push::UploadCredit {
                stream: 3,
                limit: 135_168,
                chunk_max: 32_768,
            },
        ),
        (
            "upload_ack",
            Push::UploadAck {
                stream: 3,
                received: 20_480,
                durable: 4_096,
            },
        ),
        (
            "upload_nack",
            Push::UploadNack {
                stream: 3,
                expected: 4_096,
            },
        ),
        (
            "upload_reset",
            Push::UploadReset {
                stream: 3,
                upload: UPLOAD,
                reason: ResetReason::Overtaken,
            },
        ),
        ("upload_state: ready", Push::UploadState(state)),
        ("upload_state: failed", Push::UploadState(failed)),
    ]
}
