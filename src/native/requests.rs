//! What each native request comes to: one function for each `type`.
//!
//! Never: blocks; what must be read is read off the event loop, in order.

use std::sync::Arc;

use frontdesk_actors::Command;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::limits::{PAGE_EVENT_COUNT_DEFAULT, PAGE_EVENT_COUNT_MAX};
use frontdesk_protocol::native::{
    Answer, ClientFrame, ClientRequest, Done, FrameRef, Occupants, Page, PageFrom, RoomName,
    rich_text,
};
use frontdesk_protocol::{Cid, ErrorCode, FileNo, Rejection, Seq};

use super::{event_bodies, joining, refuse, reply, uploads};
use crate::ws::desk::{Continuation, Desk, JoinedRoom};

/// What a command weighs beside its text, bytes.
const COMMAND_OVERHEAD_BYTES: usize = 128;

/// Handles one frame.
pub(super) fn handle(codec: Codec, desk: &mut Desk, frame: ClientFrame) {
    let ClientFrame { id, request } = frame;
    let is_connect = matches!(request, ClientRequest::Connect { .. });
    if desk.principal().is_none() && !is_connect {
        return refuse(codec, desk, id, Rejection::new(ErrorCode::Unauthenticated));
    }
    match request {
        ClientRequest::Connect { token, resume } => {
            joining::connect(codec, desk, id, token, resume);
        }
        ClientRequest::Join { room, since } => joining::join_room(codec, desk, id, room, since),
        ClientRequest::Leave { room } => {
            if desk.leave(room) {
                reply(codec, desk, id, Answer::Done(Done {}));
            } else {
                not_joined(codec, desk, id);
            }
        }
        ClientRequest::PostMessage {
            room,
            cid,
            text,
            rich,
            reply_to,
            files,
        } => {
            let message = Message {
                cid,
                text,
                rich,
                reply_to,
                files,
            };
            post_message(codec, desk, id, room, message);
        }
        ClientRequest::MarkRead { room, seq } => {
            let Some(joined) = desk.room(room) else {
                return not_joined(codec, desk, id);
            };
            let entity = joined.edge().entity().clone();
            let command = Command::Room(RoomCommand::MarkRead { seq });
            desk.submit(id, entity, command, None, COMMAND_OVERHEAD_BYTES);
        }
        ClientRequest::Typing { room, active } => typing(codec, desk, id, room, active),
        ClientRequest::History { room, from, limit } => {
            history(codec, desk, id, room, from, limit);
        }
        ClientRequest::Presence { room } => {
            let Some(joined) = desk.room(room) else {
                return not_joined(codec, desk, id);
            };
            let present = joined.edge().present();
            reply(codec, desk, id, Answer::Occupants(Occupants { present }));
        }
        ClientRequest::Refresh { token } => joining::refresh(codec, desk, id, token),
        ClientRequest::UploadOpen(open) => uploads::open(codec, desk, id, *open),
        ClientRequest::UploadResume { upload, ticket } => {
            uploads::resume(codec, desk, id, upload, ticket);
        }
        ClientRequest::UploadCancel { upload } => uploads::cancel(codec, desk, id, upload),
    }
}

struct Message {
    cid: Option<Cid>,
    text: String,
    rich: Option<serde_json::Value>,
    reply_to: Option<Seq>,
    files: Vec<FileNo>,
}

fn post_message(
    codec: Codec,
    desk: &mut Desk,
    id: Option<FrameRef>,
    room: RoomName,
    message: Message,
) {
    let Some(joined) = desk.room(room) else {
        return not_joined(codec, desk, id);
    };
    let entity = joined.edge().entity().clone();
    // Without its time a cid would be remembered for a day and then done again.
    if message.cid.is_some_and(|cid| cid.time().is_none()) {
        let why = "cid: expected a UUID of version 7";
        return refuse(
            codec,
            desk,
            id,
            Rejection::because(ErrorCode::BadField, why),
        );
    }
    let rich = match message.rich.as_ref().map(rich_text).transpose() {
        Ok(rich) => rich,
        Err(why) => return refuse(codec, desk, id, why),
    };
    let weight_bytes =
        message.text.len() + rich.as_ref().map_or(0, String::len) + COMMAND_OVERHEAD_BYTES;
    let command = RoomCommand::PostMessage {
        text: message.text,
        rich,
        reply_to: message.reply_to,
        files: message.files,
    };
    desk.submit(
        id,
        entity,
        Command::Room(command),
        message.cid,
        weight_bytes,
    );
}

fn typing(codec: Codec, desk: &Desk, id: Option<FrameRef>, room: RoomName, active: bool) {
    match (desk.room(room).map(JoinedRoom::edge), desk.principal()) {
        (Some(edge), Some(principal)) => {
            edge.typing(&principal, active);
            reply(codec, desk, id, Answer::Done(Done {}));
        }
        _ => not_joined(codec, desk, id),
    }
}

fn history(
    codec: Codec,
    desk: &mut Desk,
    id: Option<FrameRef>,
    room: RoomName,
    from: PageFrom,
    limit: Option<u32>,
) {
    let limit = limit
        .unwrap_or(PAGE_EVENT_COUNT_DEFAULT)
        .clamp(1, PAGE_EVENT_COUNT_MAX);
    let Some(joined) = desk.room(room) else {
        return not_joined(codec, desk, id);
    };
    let (entity, node) = (joined.edge().entity().clone(), Arc::clone(&desk.app.node));
    let Some(principal) = desk.principal() else {
        return;
    };
    desk.start(async move {
        // The history id is the room's own; membership was checked when the room was joined.
        let page = node.history(&entity, from, limit as usize).await;
        let facts = node.room_for(&entity, &principal.person).await;
        let go_on: Continuation = Box::new(move |desk| match (page, facts) {
            (Ok(page), Ok(Some(facts))) => {
                let page = Page {
                    history_id: facts.history_id,
                    head: page.head,
                    events: event_bodies(&page.events),
                    more: page.more,
                };
                reply(codec, desk, id, Answer::Page(page));
            }
            (Ok(_), Ok(None)) => {
                refuse(codec, desk, id, Rejection::new(ErrorCode::UnknownRoom));
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "history cannot be read");
                refuse(codec, desk, id, Rejection::new(ErrorCode::Unavailable));
            }
        });
        go_on
    });
}

fn not_joined(codec: Codec, desk: &Desk, id: Option<FrameRef>) {
    refuse(codec, desk, id, Rejection::new(ErrorCode::NotJoined));
}
