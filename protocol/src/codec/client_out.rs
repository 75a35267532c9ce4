//! Frames of clients on their way out: of our own load generator and of tests. One flat struct, in
//! which only the fields of the command are set.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::ids::{Cid, FileNo, Seq, UploadId};
use crate::native::{ClientFrame, ClientRequest, FrameRef, PageFrom, RoomName, Since};

/// A client's frame on its way out.
#[derive(Default, Serialize)]
#[serde(default)]
pub(super) struct WireOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a FrameRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<&'a BTreeMap<RoomName, Since>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<Cid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rich: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<&'a [FileNo]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
}

impl<'a> From<&'a ClientFrame> for WireOut<'a> {
    fn from(frame: &'a ClientFrame) -> Self {
        let mut wire = WireOut {
            kind: frame.request.kind(),
            id: frame.id.as_ref(),
            ..WireOut::default()
        };
        match &frame.request {
            ClientRequest::Connect { token, resume } => {
                wire.token = token.as_deref();
                wire.resume = (!resume.is_empty()).then_some(resume);
            }
            ClientRequest::Join { room, since } => {
                (wire.room, wire.since) = (Some(*room), *since);
            }
            ClientRequest::Leave { room } | ClientRequest::Presence { room } => {
                wire.room = Some(*room);
            }
            ClientRequest::PostMessage {
                room,
                cid,
                text,
                rich,
                reply_to,
                files,
            } => {
                (wire.room, wire.cid, wire.text) = (Some(*room), *cid, Some(text.as_str()));
                (wire.rich, wire.reply_to) = (rich.as_ref(), *reply_to);
                wire.files = (!files.is_empty()).then_some(files.as_slice());
            }
            ClientRequest::MarkRead { room, seq } => {
                (wire.room, wire.seq) = (Some(*room), Some(*seq));
            }
            ClientRequest::Typing { room, active } => {
                (wire.room, wire.active) = (Some(*room), Some(*active));
            }
            ClientRequest::History { room, from, limit } => {
                (wire.room, wire.limit) = (Some(*room), *limit);
                match from {
                    PageFrom::Before(seq) => wire.before_seq = Some(*seq),
                    PageFrom::After(seq) => wire.after_seq = Some(*seq),
                    PageFrom::Latest => {}
                }
            }
            ClientRequest::Refresh { token } => wire.token = Some(token),
            ClientRequest::UploadOpen(open) => {
                (wire.room, wire.cid) = (open.room, open.cid);
                wire.name = Some(&open.name);
                (wire.size, wire.mime) = (open.size, open.mime.as_deref());
                wire.caption = open.caption.as_deref();
                wire.sha256 = open.sha256.map(|digest| hex_of(&digest));
            }
            ClientRequest::UploadResume { upload, ticket } => {
                (wire.upload, wire.ticket) = (Some(*upload), ticket.as_deref());
            }
            ClientRequest::UploadCancel { upload } => wire.upload = Some(*upload),
        }
        wire
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
