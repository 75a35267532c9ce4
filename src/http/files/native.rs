//! `/v1/files` and the files of a room: what is known of a file, and a link to its bytes, for
//! whoever uploaded it or is in its room.
//!
//! Invariant: to everybody else a file is not there.
//! Never: answers bytes; a link does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::event::Author;
use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{ErrorCode, FileNo, RoomId, Timestamp};
use frontdesk_storage::{EntityId, EntityKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Known};
use crate::files::LinkOf;
use crate::files::links::{Life, Variant};
use crate::http::error::ErrorBody;
use crate::http::openapi::BehindToken;
use crate::http::schemas::{AuthorSchema, RoomIdSchema, RoomNameSchema};
use crate::http::{ApiError, Authenticated, PathOf};

/// Files that a room's list shows, the newest first.
const LIST_COUNT_MAX: usize = 200;

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(show_file))
        .routes(routes!(room_files))
}

/// A file, and where its bytes are.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkedFile {
    /// The company's number for it.
    #[schema(value_type = u64)]
    no: FileNo,
    /// What it is called.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// The MIME type that its bytes show.
    #[schema(value_type = String)]
    mime: Arc<str>,
    /// Its length, bytes.
    size: u64,
    /// Width and height of an image, pixels.
    pixels: Option<(u32, u32)>,
    /// When it was uploaded, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: Timestamp,
    /// Who uploaded it.
    #[schema(value_type = AuthorSchema)]
    owner: Author,
    /// The room it is in; without one it waits to be sent.
    #[schema(value_type = Option<RoomIdSchema>)]
    room: Option<RoomId>,
    /// Where its bytes are, for a few minutes.
    url: String,
    /// Where a small picture of it is, for as long.
    thumbnail_url: Option<String>,
}

/// Files of a room.
#[derive(Serialize, ToSchema)]
struct FileList {
    /// The newest first.
    files: Vec<LinkedFile>,
}

/// What is known of a file, with a link to its bytes.
#[utoipa::path(
    get,
    path = "/v1/files/{file_no}",
    tag = "files",
    security(("bearer" = [])),
    params(("file_no" = String, Path, description = "Its number")),
    responses(
        (status = 200, description = "the file", body = LinkedFile),
        (status = 404, description = "no such file of the caller's", body = ErrorBody),
        BehindToken,
    ),
)]
async fn show_file(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(file): PathOf<String>,
    headers: HeaderMap,
) -> Result<Json<LinkedFile>, ApiError> {
    let unknown = || ApiError::because(ErrorCode::NotFound, "no such file");
    let no = FileNo(file.parse().map_err(|_| unknown())?);
    let file = app.node.file(&principal.company, no).await;
    let file = file.map_err(|error| ApiError::fault(&error))?;
    let file = file.ok_or_else(unknown)?;
    if !may_see(&app, &principal, &file).await? {
        return Err(unknown());
    }
    let mut linked = linked(&app, &principal, &headers, vec![file]).await?;
    linked.pop().map(Json).ok_or_else(unknown)
}

/// The files that a room shows.
#[utoipa::path(
    get,
    path = "/v1/rooms/{room}/files",
    tag = "files",
    security(("bearer" = [])),
    params(("room" = inline(RoomNameSchema), Path)),
    responses(
        (status = 200, description = "the last 200 of them", body = FileList),
        (status = 404, description = "no such room, or not one of the caller's", body = ErrorBody),
        BehindToken,
    ),
)]
async fn room_files(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(room): PathOf<String>,
    headers: HeaderMap,
) -> Result<Json<FileList>, ApiError> {
    let unknown = || ApiError::new(ErrorCode::UnknownRoom);
    let name: RoomName = room.parse().map_err(|_| unknown())?;
    let fault = |error: frontdesk_storage::Error| ApiError::fault(&error);
    let company = &principal.company;
    let entity = app.node.find_room(company, name).await.map_err(fault)?;
    let entity = entity.ok_or_else(unknown)?;
    let facts = app.node.room_for(&entity, &principal.person).await;
    facts.map_err(fault)?.ok_or_else(unknown)?;
    let EntityKind::Room(room) = entity.kind else {
        return Err(unknown());
    };
    let files = app.node.files_of_room(company, &room, LIST_COUNT_MAX).await;
    let files = linked(&app, &principal, &headers, files.map_err(fault)?).await?;
    Ok(Json(FileList { files }))
}

/// Whoever uploaded it, and whoever is in the room that it is in.
async fn may_see(app: &Arc<App>, who: &Principal, file: &StoredFile) -> Result<bool, ApiError> {
    if file.owner.id == who.person {
        return Ok(true);
    }
    let Some(room) = file.room else {
        return Ok(false);
    };
    let room = EntityId::room(who.company.clone(), room);
    let facts = app.node.room_for(&room, &who.person).await;
    let facts = facts.map_err(|error| ApiError::fault(&error))?;
    Ok(facts.is_some())
}

async fn linked(
    app: &Arc<App>,
    who: &Principal,
    headers: &HeaderMap,
    files: Vec<StoredFile>,
) -> Result<Vec<LinkedFile>, ApiError> {
    let settings = app.node.settings(&who.company).await;
    let settings = settings.map_err(|error| ApiError::fault(&error))?;
    let now = app.node.clock().now();
    let link = |file: &SharedFile, variant| {
        let of = LinkOf {
            company: &who.company,
            file,
            variant,
            life: Life::Native,
        };
        app.absolute(headers, &app.files.link(&of, &settings, now))
    };
    let linked = files.into_iter().map(|file| LinkedFile {
        url: link(&file.shared, Variant::Original),
        thumbnail_url: file
            .shared
            .has_thumbnail
            .then(|| link(&file.shared, Variant::Thumbnail)),
        no: file.shared.no,
        name: file.shared.name,
        mime: file.shared.mime,
        size: file.shared.size,
        pixels: file.shared.pixels,
        at: file.at,
        owner: file.owner,
        room: file.room,
    });
    Ok(linked.collect())
}
