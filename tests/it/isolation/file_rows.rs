//! Routes of uploads, aimed at one of the first company's.

use super::row::{Row, get, post, row};
use super::rows::PEOPLE;
use super::world::Kind::Hal;

const TUS: &[(&str, &str)] = &[("tus-resumable", "1.0.0")];
const BYTES: &[(&str, &str)] = &[
    ("tus-resumable", "1.0.0"),
    ("upload-offset", "0"),
    ("content-type", "application/offset+octet-stream"),
];

const PARTIAL: &[(&str, &str)] = &[
    ("upload-complete", "?0"),
    ("upload-offset", "0"),
    ("content-type", "application/partial-upload"),
];

/// What is hal's is tried by everybody else.
pub(super) const FILE_ROWS: &[Row] = &[
    post("/v1/uploads", "")
        .heads(&[("tus-resumable", "1.0.0"), ("upload-length", "5")])
        .own(PEOPLE, "one of their own"),
    post("/v1/uploads", "")
        .heads(&[
            ("tus-resumable", "1.0.0"),
            ("upload-length", "5"),
            ("upload-metadata", "room <room64>"),
        ])
        .skips(&[Hal]),
    post("/v1/uploads", "")
        .heads(&[
            ("tus-resumable", "1.0.0"),
            ("upload-concat", "final;/v1/uploads/<upload>"),
        ])
        .skips(&[Hal]),
    post("/v1/uploads", "")
        .heads(&[("upload-complete", "?0")])
        .own(PEOPLE, "one of their own"),
    post("/v1/uploads", "")
        .heads(&[
            ("upload-complete", "?0"),
            ("upload-metadata", "room <room64>"),
        ])
        .skips(&[Hal]),
    row("HEAD", "/v1/uploads/{upload=upload}", "").skips(&[Hal]),
    row("PATCH", "/v1/uploads/{upload=upload}", "")
        .heads(PARTIAL)
        .skips(&[Hal]),
    row("DELETE", "/v1/uploads/{upload=upload}", "").skips(&[Hal]),
    get("/v1/uploads/{upload=upload}/status").skips(&[Hal]),
    get("/v1/files/{file_no=file}").skips(&[Hal]),
    get("/v1/rooms/{room=room}/files").skips(&[Hal]),
    row("HEAD", "/v1/uploads/{upload=upload}", "")
        .heads(TUS)
        .skips(&[Hal]),
    row("PATCH", "/v1/uploads/{upload=upload}", "")
        .heads(BYTES)
        .skips(&[Hal]),
    row("POST", "/v1/uploads/{upload=upload}", "")
        .heads(&[
            ("tus-resumable", "1.0.0"),
            ("x-http-method-override", "DELETE"),
        ])
        .skips(&[Hal]),
    row("DELETE", "/v1/uploads/{upload=upload}", "")
        .heads(TUS)
        .skips(&[Hal]),
];
