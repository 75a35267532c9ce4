//! Uploads over the native socket: begun, gone on with, given up. Their bytes come in frames of
//! their own, which [`crate::ws::streams`] takes.
//!
//! Invariant: an upload is found by its owner or with its ticket, and by nobody else.
//! Never: reads a byte of a file.

use std::sync::Arc;

use frontdesk_actors::UploadStage;
use frontdesk_actors::clock::fresh_upload_id;
use frontdesk_actors::task::spawn;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::native::{Answer, Done, FrameRef, RoomName, UploadOpen, UploadOpened};
use frontdesk_protocol::upload::UploadWish;
use frontdesk_protocol::{Cid, ErrorCode, Rejection, RoomId, UploadId};
use frontdesk_storage::EntityKind;
use uuid::Uuid;

use super::{refuse, reply};
use crate::app::App;
use crate::files::names;
use crate::uploads::{Begun, Door, NamedBy, Upload, Writer};
use crate::ws::desk::{Continuation, Desk};
use crate::ws::streams::{Opening, Teller};

/// `upload_open`.
pub(super) fn open(codec: Codec, desk: &mut Desk, id: Option<FrameRef>, wanted: UploadOpen) {
    let Some(who) = desk.principal() else {
        return;
    };
    if let Err(too_soon) = desk.app.rates.take_upload(&who, Door::Native) {
        let wait_ms = too_soon.wait_ms;
        let why = format!("too many uploads, try again in {wait_ms} ms");
        return refuse(
            codec,
            desk,
            id,
            Rejection::because(ErrorCode::RateLimited, why),
        );
    }
    let app = Arc::clone(&desk.app);
    let begun = async move {
        let (found, begun) = begin(&app, &who, wanted).await?;
        Ok((who, found, begun))
    };
    take_over(codec, desk, id, begun);
}

/// `upload_resume`.
pub(super) fn resume(
    codec: Codec,
    desk: &mut Desk,
    id: Option<FrameRef>,
    upload: UploadId,
    ticket: Option<String>,
) {
    let Some(who) = desk.principal() else {
        return;
    };
    let app = Arc::clone(&desk.app);
    let found = async move {
        let who = match ticket {
            Some(ticket) => {
                app.ticket_holder(&ticket, upload, Some(&who.company))
                    .await?
            }
            None => who,
        };
        let found = app.uploads.find(&who, upload).await?;
        Ok((who, (upload, found), None))
    };
    take_over(codec, desk, id, found);
}

/// `upload_cancel`.
pub(super) fn cancel(codec: Codec, desk: &mut Desk, id: Option<FrameRef>, upload: UploadId) {
    let Some(who) = desk.principal() else {
        return;
    };
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let cancelled = async {
            app.uploads.find(&who, upload).await?;
            app.uploads.cancel(&who, upload).await
        };
        let cancelled = cancelled.await;
        let go_on: Continuation = Box::new(move |desk| match cancelled {
            Ok(()) => reply(codec, desk, id, Answer::Done(Done {})),
            Err(why) => refuse(codec, desk, id, why),
        });
        go_on
    });
}

type Found = (UploadId, Upload);

/// Whose it is, what it is, and whether it was begun just now.
type Owned = (Arc<Principal>, Found, Option<Begun>);

/// Takes the turn to write an upload, and answers.
fn take_over(
    codec: Codec,
    desk: &mut Desk,
    id: Option<FrameRef>,
    finding: impl Future<Output = Result<Owned, Rejection>> + Send + 'static,
) {
    if !desk.has_stream_left() {
        let why = "as many uploads are sent on this connection as may be at once";
        return refuse(
            codec,
            desk,
            id,
            Rejection::because(ErrorCode::RateLimited, why),
        );
    }
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let leased = async {
            let (who, (upload, mut found), begun) = finding.await?;
            let writer = match &found.job {
                Some(job) if takes_bytes(&found) => {
                    if found.view.wish.size.is_none() {
                        let space = app.uploads.space_for(job).await?;
                        let size_max = &mut found.view.terms.size_max;
                        *size_max = space.min(*size_max);
                    }
                    let writer = app.uploads.lease(job).await?;
                    // It may have been said meanwhile, and all may have come.
                    found.view.wish.size = found.view.wish.size.or(job.size());
                    takes_bytes(&found).then_some(writer)
                }
                _ => None,
            };
            Ok((who, upload, (found, begun), writer))
        };
        let leased = leased.await;
        let go_on: Continuation = Box::new(move |desk| match leased {
            Ok((who, upload, (found, begun), writer)) => {
                let teller = Teller {
                    app: Arc::clone(&desk.app),
                    shared: Arc::downgrade(&desk.shared),
                    codec,
                    who,
                    upload,
                };
                answer(desk, id, teller, &found, writer);
                begun.map(Begun::told);
            }
            Err(why) => refuse(codec, desk, id, why),
        });
        go_on
    });
}

/// Whether it is an upload of bytes that come, and that are not all there.
fn takes_bytes(found: &Upload) -> bool {
    let wish = &found.view.wish;
    wish.parts.is_empty() && wish.size != Some(found.offset())
}

fn answer(
    desk: &mut Desk,
    id: Option<FrameRef>,
    teller: Teller,
    found: &Upload,
    writer: Option<Writer>,
) {
    let codec = teller.codec;
    let (upload, who) = (teller.upload, Arc::clone(&teller.who));
    let terms = &found.view.terms;
    let path = format!("/v1/uploads/{upload}");
    let mut answer = UploadOpened {
        upload,
        stream: None,
        offset: found.offset(),
        chunk_max: 0,
        credit: found.offset(),
        expires_at: terms.expires_at,
        size_max: terms.size_max,
        tus_url: match desk.app.public_url() {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None => path,
        },
        ticket: desk.app.ticket(&who, upload, terms.expires_at),
    };
    match (&found.job, writer) {
        (Some(job), Some(writer)) => {
            // Before the answer, so that it is answered before the first bytes.
            desk.measure_link(codec);
            let opened = desk.open_stream(Opening {
                teller,
                job: Arc::clone(job),
                writer,
                size: found.view.wish.size,
                size_max: terms.size_max,
            });
            answer.stream = Some(opened.stream);
            (answer.offset, answer.credit) = (opened.offset, opened.credit);
            answer.chunk_max = opened.chunk_max;
            reply(codec, desk, id, Answer::UploadOpened(answer));
        }
        // A part stays what it is.
        _ if found.view.wish.is_part => reply(codec, desk, id, Answer::UploadOpened(answer)),
        _ => {
            let Some(watch) = desk.take_watch(codec) else {
                let why = "as many uploads are watched on this connection as may be at once";
                let why = Rejection::because(ErrorCode::RateLimited, why);
                return refuse(codec, desk, id, why);
            };
            reply(codec, desk, id, Answer::UploadOpened(answer));
            // Nothing more is wanted: what becomes of it is told.
            let (view, job) = (found.view.clone(), found.job.clone());
            spawn(async move {
                let _watch = watch;
                let found = Upload {
                    view,
                    job,
                    is_taken_away: false,
                };
                // Whether it may be sealed shows in what is told of it.
                let _ = teller.app.uploads.seal_if_whole(&found).await;
                teller.watch(UploadStage::Receiving).await;
            });
        }
    }
}

async fn begin(
    app: &Arc<App>,
    who: &Arc<Principal>,
    wanted: UploadOpen,
) -> Result<(Found, Option<Begun>), Rejection> {
    let room = match wanted.room {
        Some(room) => Some(room_of(app, who, room).await?),
        None => None,
    };
    let wish = UploadWish {
        name: names::shown(&wanted.name).into(),
        mime: wanted.mime.unwrap_or_default().into(),
        size: wanted.size,
        room,
        caption: wanted.caption.unwrap_or_default().into(),
        sha256: wanted.sha256,
        metadata: "".into(),
        is_part: false,
        parts: Vec::new(),
        parts_text: "".into(),
    };
    let (upload, named_by) = match wanted.cid {
        Some(cid) => (named(who, cid), NamedBy::Owner),
        None => (fresh_upload_id(), NamedBy::Us),
    };
    if wanted.cid.is_some()
        && let Ok(found) = app.uploads.find(who, upload).await
    {
        return match found.view.wish.is_same_file(&wish) {
            true => Ok(((upload, found), None)),
            false => Err(Rejection::new(ErrorCode::CidReused)),
        };
    }
    let begun = app
        .uploads
        .begin(who, Door::Native, (upload, named_by), wish);
    let begun = begun.await?;
    let found = app.uploads.find(who, upload).await?;
    Ok(((upload, found), Some(begun)))
}

async fn room_of(app: &Arc<App>, who: &Principal, name: RoomName) -> Result<RoomId, Rejection> {
    let found = app.node.find_room(&who.company, name).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "names cannot be read");
        Rejection::new(ErrorCode::Unavailable)
    })?;
    match found.map(|entity| entity.kind) {
        Some(EntityKind::Room(room)) => Ok(room),
        _ => Err(Rejection::new(ErrorCode::UnknownRoom)),
    }
}

/// The upload that a person's cid names.
fn named(who: &Principal, cid: Cid) -> UploadId {
    let owner = format!("{}\0{}\0{cid}", who.company, who.person);
    let bytes = [b"upload", owner.as_bytes()].concat();
    UploadId::from_bits(Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).into_bytes())
}
