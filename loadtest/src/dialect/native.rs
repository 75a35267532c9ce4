//! Native v1 in either codec, through the protocol crate's own types.
//!
//! Frames are named by number: 0 connects, 1 joins, `n + 1` posts message `n` of the room.

use std::collections::BTreeMap;

use frontdesk_protocol::Cid;
use frontdesk_protocol::codec::{self, Codec};
use frontdesk_protocol::native::{
    Answer, ClientFrame, ClientRequest, EventKind, FrameRef, Push, RoomName, ServerFrame,
};

use super::{Received, RoomTarget};
use crate::check::Delivery;
use crate::marker::Marker;

const CONNECT_REF: u64 = 0;
const JOIN_REF: u64 = 1;
const POST_REF_BASE: u64 = JOIN_REF;

pub(super) fn connect(codec: Codec, token: &str) -> Vec<u8> {
    let request = ClientRequest::Connect {
        token: Some(token.to_owned()),
        resume: BTreeMap::new(),
    };
    frame(codec, CONNECT_REF, request)
}

pub(super) fn join(codec: Codec, room: &RoomTarget) -> Vec<u8> {
    let request = ClientRequest::Join {
        room: name(room),
        since: None,
    };
    frame(codec, JOIN_REF, request)
}

pub(super) fn post(
    codec: Codec,
    room: &RoomTarget,
    number: u64,
    cid: [u8; 16],
    text: String,
) -> Vec<u8> {
    let request = ClientRequest::PostMessage {
        room: name(room),
        cid: Some(Cid::from_bits(cid)),
        text,
        rich: None,
        reply_to: None,
        files: Vec::new(),
    };
    frame(codec, POST_REF_BASE + number, request)
}

fn frame(codec: Codec, number: u64, request: ClientRequest) -> Vec<u8> {
    let id = Some(FrameRef::Number(number));
    codec::encode_client(codec, &ClientFrame { id, request })
}

fn name(room: &RoomTarget) -> RoomName {
    let id = room.id.parse();
    RoomName::Id(id.expect("the id was checked when the room was made"))
}

pub(super) fn read(codec: Codec, payload: &[u8]) -> Result<Received, String> {
    let frame = codec::decode_server(codec, payload).map_err(|error| error.to_string())?;
    match frame {
        ServerFrame::Ok { id, ok } => answer(&id, &ok),
        ServerFrame::Error { id, error } => Ok(Received::Refused {
            number: id.as_ref().and_then(post_number),
            why: format!("{}: {}", error.code, error.message),
        }),
        ServerFrame::Push(push) => pushed(&push),
    }
}

fn answer(id: &FrameRef, ok: &Answer) -> Result<Received, String> {
    Ok(match ok {
        Answer::Connected(_) => Received::Welcome,
        Answer::Joined(joined) => Received::Joined {
            head: joined.head.0,
        },
        Answer::Posted(posted) => Received::Acked {
            number: post_number(id).ok_or("an ack of no post")?,
            seq: posted.seq.0,
            dup: posted.dup,
        },
        _ => Received::Other,
    })
}

fn pushed(push: &Push) -> Result<Received, String> {
    let event = match push {
        Push::Event(event) => &event.event,
        Push::Lag { .. } => return Ok(Received::Lag),
        _ => return Ok(Received::Other),
    };
    match &event.kind {
        EventKind::Message { text, .. } => {
            let marker = Marker::parse(text).ok_or("a message without a marker")?;
            let seq = Some(event.seq.0);
            Ok(Received::Delivery(Delivery { marker, seq }))
        }
        _ => Err(format!("event {} is no message", event.seq)),
    }
}

fn post_number(id: &FrameRef) -> Option<u64> {
    match id {
        FrameRef::Number(number) => number.checked_sub(POST_REF_BASE).filter(|post| *post > 0),
        FrameRef::Text(_) => None,
    }
}
