//! The doors of files that come in one piece, for clients of the profiles.
//!
//! A form may say who sends what before its file or behind it. Where that is known the file goes to
//! its upload as it comes; else it is spilled until the form has ended, within what `early` allows.
//!
//! Invariants: who uploaded is who proved to be, whatever a field says; whatever is answered was
//! inspected, stored and, where it is for a chat, said there; a refused file is 400 to these
//! clients, which know no other.
//! Never: holds a file in memory.

mod chats;
mod early;
mod named;
mod rooms;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_actors::{Answer, Command, Outcome};
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::{Cid, ErrorCode, Rejection, Seq};
use frontdesk_storage::EntityId;
use utoipa_axum::router::OpenApiRouter;

use self::early::Early;
use crate::app::App;
use crate::http::ApiError;
use crate::http::multipart::{FilePart, Form};
use crate::rates::TooSoon;
use crate::uploads::pace::BodyPace;
use crate::uploads::{Door, Source, Whole};

/// Time for all fields behind a file that is spilled, milliseconds: a few lines.
const REST_MS: u64 = 30_000;
/// Ends of the paths of these doors.
const ENDS: [&str; 5] = [
    "/send-file",
    "/upload_file",
    "/api/chat/upload",
    "/api/chatbot/upload",
    "/agent/upload",
];

/// The routes of these doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    chats::routes().merge(rooms::routes())
}

/// Whether a body may be larger than others: what comes here is never gathered.
pub(crate) fn takes_files(path: &str) -> bool {
    ENDS.iter().any(|end| path.ends_with(end))
}

/// A refusal as these clients know it.
struct Refused(ApiError);

impl<T: Into<ApiError>> From<T> for Refused {
    fn from(error: T) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }
}

/// The file of a form, on its way.
struct Arriving {
    whole: Whole,
    source: Source,
}

impl Arriving {
    /// As it comes.
    fn straight(part: FilePart) -> Self {
        let (name, mime) = (part.name, part.mime);
        Self {
            whole: Whole { name, mime },
            source: Source::Body(part.body),
        }
    }

    /// Kept until the form has said what it is for.
    async fn spilled(
        app: &App,
        mut part: FilePart,
        form: &mut Form,
        early: &Early,
    ) -> Result<Self, ApiError> {
        let place = app.uploads.spill(early.holder.clone(), early.bytes_max);
        let mut spill = place.await?;
        let now_ms = || app.uploads.now_ms();
        let mut pace = BodyPace::begin(now_ms());
        let broken = |why: &dyn std::fmt::Display| {
            let why = why.to_string();
            ApiError::because(ErrorCode::BadFrame, why)
        };
        loop {
            let next = pace.next(&mut part.body, now_ms).await;
            let Some(bytes) = next.map_err(|why| broken(&why))? else {
                break;
            };
            let spilled = app.uploads.spill_on(&mut spill, &bytes).await;
            spilled.map_err(of_file)?;
        }
        app.uploads.spilled(&mut spill).await?;
        let (name, mime) = (part.name, part.mime);
        drop(part.body);
        // Each field has its time; here they hold a place all together.
        let limit = Duration::from_millis(REST_MS);
        let rest = tokio::time::timeout(limit, form.rest()).await;
        rest.map_err(|_| broken(&"the form comes too slowly"))??;
        Ok(Self {
            whole: Whole { name, mime },
            source: Source::Spill(spill),
        })
    }

    /// Has it made a file that waits to be sent, and reads the form to its end.
    async fn stage(
        self,
        app: &Arc<App>,
        who: &Arc<Principal>,
        door: Door,
        form: &mut Form,
    ) -> Result<StoredFile, ApiError> {
        let Self { whole, source } = self;
        let taken = app.uploads.take_whole(who, door, whole, source).await;
        let file = taken.map_err(of_file)?;
        if let Err(why) = form.rest().await {
            let no = file.shared.no;
            app.uploads.drop_waiting(&who.company, no).await;
            return Err(why);
        }
        Ok(file)
    }
}

/// Counts an upload of this person.
fn count(app: &App, who: &Principal, door: Door) -> Result<(), TooSoon> {
    app.rates.take_upload(who, door)
}

/// What is wrong with a file is said of the field too.
fn of_file(why: Rejection) -> ApiError {
    let code = why.code;
    let error = ApiError::from(why);
    match code {
        ErrorCode::BadField | ErrorCode::FileTooLarge => error.of_field("file"),
        _ => error,
    }
}

/// Says a file in a room. One that cannot be said there is taken away again, and so is one that was
/// said before: a repeat is answered like the first.
async fn send(
    app: &Arc<App>,
    (room, who): (&EntityId, &Arc<Principal>),
    (text, file): (String, &StoredFile),
    cid: Cid,
) -> Result<Seq, ApiError> {
    let no = file.shared.no;
    let command = Command::Room(RoomCommand::PostMessage {
        text: text.clone(),
        rich: None,
        reply_to: None,
        files: vec![no],
    });
    let asked = app.node.ask(room.clone(), Arc::clone(who), command, cid);
    let answered = match asked.await {
        Outcome::Done(Answer::Posted { seq, .. }) => return Ok(seq),
        Outcome::Done(_) => Err(ApiError::new(ErrorCode::Internal)),
        Outcome::Refused(why) if why.code == ErrorCode::CidReused => {
            let said = said_before(app, (room, who), (&text, file), &cid).await;
            said.unwrap_or(None).ok_or_else(|| why.into())
        }
        Outcome::Refused(why) => Err(why.into()),
        // It may have been said.
        Outcome::Unknown => return Err(ApiError::new(ErrorCode::Unavailable)),
    };
    app.uploads.drop_waiting(&who.company, no).await;
    answered
}

/// Where the same was said with this cid. A file that comes again has another number: it is the
/// same if its name and its bytes are.
async fn said_before(
    app: &App,
    (room, who): (&EntityId, &Principal),
    (text, file): (&str, &StoredFile),
    cid: &Cid,
) -> frontdesk_storage::Result<Option<Seq>> {
    let message = app.node.message_of_cid(room, &who.person, cid).await?;
    let Some(message) = message.filter(|message| *message.text == *text) else {
        return Ok(None);
    };
    let Some(shared) = &message.file else {
        return Ok(None);
    };
    let earlier = app.node.file(&who.company, shared.no).await?;
    let is_same = |earlier: &StoredFile| {
        earlier.blake3 == file.blake3 && earlier.shared.name == file.shared.name
    };
    Ok(earlier
        .is_some_and(|it| is_same(&it))
        .then_some(message.seq))
}
