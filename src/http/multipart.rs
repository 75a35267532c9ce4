//! Forms with a file in them, `multipart/form-data`: fields are gathered, the file is passed on as
//! it comes.
//!
//! Invariants: of a form that is not the file no more than a bounded part is ever held, whatever
//! its parts say; there is one file in it, called `file`.
//! Never: believes a length, or looks into the file.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use frontdesk_protocol::ErrorCode;
use http_body_util::BodyDataStream;
use hyper::body::Frame;
use multer::{Field, Multipart};

use super::ApiError;

/// Parts of a form: many times what any client sends.
const PART_COUNT_MAX: usize = 32;
/// What comes before a part's content, bytes: its boundary and headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A field that is no file, bytes: the longest text in UTF-8.
const FIELD_BYTES_MAX: usize = 40 * 1024;
/// A boundary, bytes: RFC 2046 section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Time without a whole field, milliseconds.
const FIELD_WAIT_MS: u64 = 30_000;
/// How the file's part is called.
const FILE: &str = "file";

/// See the module's text.
pub(crate) struct Form {
    parts: Multipart<'static>,
    allowance: Arc<AtomicUsize>,
    fields: BTreeMap<String, String>,
    part_count: usize,
    has_file: bool,
}

/// The file of a form.
pub(crate) struct FilePart {
    /// What its sender calls it.
    pub(crate) name: String,
    /// What its sender says it is.
    pub(crate) mime: String,
    /// Its bytes; to be read before anything else of the form.
    pub(crate) body: Body,
}

fn bad(why: impl Into<String>) -> ApiError {
    ApiError::because(ErrorCode::BadFrame, why)
}

/// The parser's own words name its types.
fn broken(error: &multer::Error) -> ApiError {
    tracing::debug!(%error, "a form cannot be read");
    bad("the form is broken or was cut off")
}

impl Form {
    /// Of a request.
    ///
    /// # Errors
    /// When it is no form.
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Result<Self, ApiError> {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind)
            .ok()
            .filter(|boundary| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()));
        let boundary = boundary.ok_or_else(|| {
            bad("body must be multipart/form-data with a boundary of 1 to 70 characters")
        })?;
        let allowance = Arc::new(AtomicUsize::new(HEAD_BYTES_MAX));
        let metered = Metered {
            body,
            allowance: Arc::clone(&allowance),
            has_given: false,
        };
        Ok(Self {
            parts: Multipart::new(BodyDataStream::new(metered), boundary),
            allowance,
            fields: BTreeMap::new(),
            part_count: 0,
            has_file: false,
        })
    }

    /// A field that came so far and says something.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let text = self.fields.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// Reads fields up to the file.
    ///
    /// # Errors
    /// When the form is broken, too slow, or has none.
    pub(crate) async fn file(&mut self) -> Result<FilePart, ApiError> {
        let found = self.next_file().await?;
        found.ok_or_else(|| {
            ApiError::because(ErrorCode::BadField, "No file was submitted.").of_field(FILE)
        })
    }

    /// Reads the fields behind the file.
    ///
    /// # Errors
    /// When the form is broken, too slow, or has another file.
    pub(crate) async fn rest(&mut self) -> Result<(), ApiError> {
        match self.next_file().await? {
            None => Ok(()),
            Some(_) => {
                let why = "one file at a time";
                Err(ApiError::because(ErrorCode::BadField, why).of_field(FILE))
            }
        }
    }

    async fn next_file(&mut self) -> Result<Option<FilePart>, ApiError> {
        let limit = Duration::from_millis(FIELD_WAIT_MS);
        loop {
            let next = tokio::time::timeout(limit, self.next_part()).await;
            let Some(part) = next.map_err(|_| bad("the form comes too slowly"))?? else {
                return Ok(None);
            };
            let name = part.name().unwrap_or_default().to_owned();
            if name == FILE {
                if std::mem::replace(&mut self.has_file, true) {
                    let why = "one file at a time";
                    return Err(ApiError::because(ErrorCode::BadField, why).of_field(FILE));
                }
                return Ok(Some(FilePart {
                    name: part.file_name().unwrap_or_default().to_owned(),
                    mime: part
                        .content_type()
                        .map_or_else(String::new, ToString::to_string),
                    body: Body::from_stream(part),
                }));
            }
            let read = tokio::time::timeout(limit, read_field(part)).await;
            let text = read.map_err(|_| bad("the form comes too slowly"))??;
            // The first of a name counts, as where a form was checked that somebody added to.
            self.fields.entry(name).or_insert(text);
        }
    }

    async fn next_part(&mut self) -> Result<Option<Field<'static>>, ApiError> {
        self.allowance.store(HEAD_BYTES_MAX, Ordering::Relaxed);
        let part = self.parts.next_field().await;
        self.allowance.store(usize::MAX, Ordering::Relaxed);
        self.part_count += usize::from(matches!(part, Ok(Some(_))));
        if self.part_count > PART_COUNT_MAX {
            return Err(bad(format!("more than {PART_COUNT_MAX} fields")));
        }
        part.map_err(|error| broken(&error))
    }
}

async fn read_field(mut part: Field<'static>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
        if bytes.len() + piece.len() > FIELD_BYTES_MAX {
            return Err(bad(format!("a field of more than {FIELD_BYTES_MAX} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| bad("a field is not UTF-8"))
}

/// A body of which the parser takes one piece at a time, and no more than so many bytes while it
/// looks for the head of a part: it holds what it looks through.
struct Metered {
    body: Body,
    allowance: Arc<AtomicUsize>,
    /// The parser asks on until nothing is there.
    has_given: bool,
}

/// A part's head is too long.
#[derive(Debug, thiserror::Error)]
#[error("a part's head is too long")]
struct HeadTooLong;

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if std::mem::take(&mut self.has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let allowed = self.allowance.load(Ordering::Relaxed);
        if allowed == 0 {
            return Poll::Ready(Some(Err(Box::new(HeadTooLong))));
        }
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(context) else {
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &next {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if allowed != usize::MAX {
                let left = allowed.saturating_sub(bytes);
                self.allowance.store(left, Ordering::Relaxed);
            }
            self.has_given = true;
        }
        Poll::Ready(next.map(|next| next.map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
        headers
    }

    fn form(text: &str) -> Form {
        let headers = headers("multipart/form-data; boundary=x");
        Form::new(&headers, Body::from(text.to_owned())).expect("a form")
    }

    fn part(head: &str, text: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
    }

    async fn why(text: &str) -> String {
        let mut form = form(text);
        let read = async {
            let file = form.file().await?;
            file.body.collect().await.map_err(|_| bad("cut"))?;
            form.rest().await
        };
        read.await.expect_err("refused").to_string()
    }

    #[tokio::test]
    async fn fields_are_read_before_the_file_and_behind_it() {
        let text = [
            part("name=\"session_id\"", "abc"),
            part("name=\"session_id\"", "another"),
            part("name=\"file\"; filename=\"a.png\"", "bytes\r\n--y"),
            part("name=\"caption\"", "Look"),
            "--x--\r\n".to_owned(),
        ];
        let mut form = form(&text.concat());
        let file = form.file().await.expect("a file");
        assert_eq!((&*file.name, &*file.mime), ("a.png", ""));
        assert_eq!(form.field("session_id"), Some("abc"), "the first counts");
        assert_eq!(form.field("caption"), None);
        let bytes = file.body.collect().await.expect("bytes").to_bytes();
        assert_eq!(&bytes[..], b"bytes\r\n--y");
        form.rest().await.expect("no more files");
        assert_eq!(form.field("caption"), Some("Look"));
    }

    #[tokio::test]
    async fn what_is_no_such_form_is_refused() {
        for kind in [
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            &format!("multipart/form-data; boundary={}", "b".repeat(71)),
        ] {
            assert!(Form::new(&headers(kind), Body::empty()).is_err(), "{kind}");
        }
        let file = part("name=\"file\"; filename=\"a\"", "1");
        let end = "--x--\r\n";
        assert_eq!(why(end).await, "No file was submitted.");
        assert_eq!(
            why(&[&*file, &file, end].concat()).await,
            "one file at a time"
        );
        let cut = "the form is broken or was cut off";
        assert_eq!(why(&file).await, "cut", "no last boundary");
        assert_eq!(why("nothing of it").await, cut);
    }

    #[tokio::test]
    async fn many_parts_and_long_heads_and_fields_are_refused() {
        let many: String = (0..40)
            .map(|i| part(&format!("name=\"f{i}\""), "1"))
            .collect();
        assert_eq!(why(&many).await, "more than 32 fields");
        let long = part("name=\"caption\"", &"x".repeat(FIELD_BYTES_MAX + 1));
        let refused = why(&[&*long, "--x--\r\n"].concat()).await;
        assert!(refused.starts_with("a field of more than"), "{refused}");
        let mut pieces = vec!["--x\r\nX-More: ".to_owned()];
        pieces.extend((0..64).map(|_| "y".repeat(1_024)));
        let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let headers = headers("multipart/form-data; boundary=x");
        let mut form = Form::new(&headers, body).expect("a form");
        assert!(form.file().await.is_err());
        assert_eq!(form.allowance.load(Ordering::Relaxed), usize::MAX);
    }
}
