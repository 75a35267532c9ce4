//! What an upload has come to, for whoever began it: also while its bytes come, which asking does
//! not disturb.
//!
//! Never: says anything of somebody else's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_actors::UploadStage;
use frontdesk_protocol::upload::UploadEnd;
use frontdesk_protocol::{ErrorCode, FileNo, Seq, UploadId};
use serde::Serialize;
use utoipa::ToSchema;

use super::holder::Holder;
use crate::app::App;
use crate::http::error::ErrorBody;
use crate::http::openapi::BehindToken;
use crate::http::schemas::UploadIdSchema;
use crate::http::{ApiError, PathOf};
use crate::uploads::Upload;

/// An upload as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadStatus {
    #[schema(value_type = UploadIdSchema)]
    id: UploadId,
    /// `receiving`, `verifying`, `publishing`, `ready`, `failed`, `cancelled` or `expired`.
    state: &'static str,
    /// Bytes that are kept.
    offset: u64,
    /// Its length, once it is known.
    size: Option<u64>,
    /// The company's number for the file, once it is ready.
    #[schema(value_type = Option<u64>)]
    file: Option<FileNo>,
    /// The message that shows it in its room.
    #[schema(value_type = Option<u64>)]
    seq: Option<Seq>,
    /// Why it failed.
    failure: Option<&'static str>,
    /// Whether the same file may be sent again with another outcome.
    retryable: bool,
}

impl UploadStatus {
    pub(crate) fn of(id: UploadId, found: &Upload) -> Self {
        let stage = found.view.stage;
        let (file, seq) = match stage {
            UploadStage::Finished { file_no, seq } if !found.is_taken_away => (Some(file_no), seq),
            _ => (None, None),
        };
        let failure = match stage {
            UploadStage::Ended(UploadEnd::Failed(failure)) => Some(failure),
            _ => None,
        };
        let facts = found.view.facts.as_ref();
        Self {
            id,
            state: match found.is_taken_away {
                true => state(UploadStage::Ended(UploadEnd::Cancelled)),
                false => state(stage),
            },
            offset: found.offset(),
            size: facts.map(|facts| facts.size).or(found.view.wish.size),
            file,
            seq,
            failure: failure.map(|failure| failure.as_str()),
            retryable: failure.is_some_and(|failure| failure.is_retryable()),
        }
    }
}

/// A stage in the words of clients.
pub(crate) const fn state(stage: UploadStage) -> &'static str {
    match stage {
        UploadStage::Unknown | UploadStage::Receiving => "receiving",
        UploadStage::Sealed => "verifying",
        UploadStage::Passed | UploadStage::Published => "publishing",
        UploadStage::Finished { .. } => "ready",
        UploadStage::Ended(UploadEnd::Failed(_)) => "failed",
        UploadStage::Ended(UploadEnd::Cancelled) => "cancelled",
        UploadStage::Ended(UploadEnd::Expired) | UploadStage::Forgotten => "expired",
    }
}

/// Says what an upload has come to.
#[utoipa::path(
    get,
    path = "/v1/uploads/{upload}/status",
    tag = "uploads",
    security(("bearer" = [])),
    params(("upload" = inline(UploadIdSchema), Path)),
    responses(
        (status = 200, description = "what it has come to", body = UploadStatus),
        (status = 404, description = "no such upload of the caller's", body = ErrorBody),
        BehindToken,
    ),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Holder(who): Holder,
    PathOf(upload): PathOf<String>,
) -> Result<Json<UploadStatus>, ApiError> {
    let unknown = |_| ApiError::because(ErrorCode::NotFound, "no such upload");
    let id: UploadId = upload.parse().map_err(unknown)?;
    app.rates.take_person(&who)?;
    let found = app.uploads.find(&who, id).await?;
    Ok(Json(UploadStatus::of(id, &found)))
}
