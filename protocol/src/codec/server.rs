//! Frames of servers, read back: for clients written in Rust and for tests. Which of the three
//! kinds a frame is shows in its fields.

use serde::Deserialize;

use super::{Codec, FrameError};
use crate::error::{ErrorCode, Rejection};
use crate::limits;
use crate::native::{Answer, FrameRef, Push, ServerFrame, WireError};

/// The outer fields; what else a push has is read by its own type in a second pass.
#[derive(Deserialize)]
struct Outer {
    id: Option<FrameRef>,
    ok: Option<Answer>,
    error: Option<WireError>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(super) fn decode(codec: Codec, bytes: &[u8]) -> Result<ServerFrame, FrameError> {
    let outer: Outer = read(codec, bytes)?;
    let refuse = |id, code, why: &str| {
        let rejection = Rejection::because(code, why);
        Err(FrameError { id, rejection })
    };
    match (outer.id, outer.ok, outer.error, outer.kind) {
        (Some(id), Some(ok), None, None) => Ok(ServerFrame::Ok { id, ok }),
        (id, None, Some(error), None) => Ok(ServerFrame::Error { id, error }),
        (None, None, None, Some(kind)) if Push::KINDS.contains(&kind.as_str()) => {
            read(codec, bytes).map(ServerFrame::Push)
        }
        (None, None, None, Some(_)) => refuse(None, ErrorCode::UnknownType, "unknown type"),
        (id, ..) => refuse(
            id,
            ErrorCode::BadFrame,
            "frame is neither an answer, an error nor a push",
        ),
    }
}

fn read<'de, T: Deserialize<'de>>(codec: Codec, bytes: &'de [u8]) -> Result<T, FrameError> {
    match codec {
        Codec::Json => {
            serde_json::from_slice(bytes).map_err(|why| FrameError::bad_frame(None, codec, &why))
        }
        Codec::Msgpack => {
            let mut msgpack = rmp_serde::Deserializer::from_read_ref(bytes);
            msgpack.set_max_depth(2 * limits::NESTING_DEPTH_MAX);
            let value = T::deserialize(&mut msgpack)
                .map_err(|why| FrameError::bad_frame(None, codec, &why))?;
            if super::read::has_more(&mut msgpack) {
                return Err(FrameError::bad_frame(None, codec, &"trailing bytes"));
            }
            Ok(value)
        }
    }
}
