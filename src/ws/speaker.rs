//! Who speaks with a client: native in either codec, or a profile. A connection holds one for its
//! whole life; it is a word, not an object, so an idle connection pays nothing for it. What a
//! [`Speaker::Union`] narrows to is noted in the connection's dialect.
//!
//! Never: reads or writes the socket; it works on the connection's desk.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::clock::Clock;
use frontdesk_actors::{Dialect, DialectId, Outcome};
use frontdesk_protocol::RoomId;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::limits::{CLIENT_MESSAGE_BYTES_MAX, FILE_FRAME_HEADER_BYTES};
use frontdesk_protocol::websocket::{Opcode, server_frame};

use super::desk::{Desk, Waiting};
use crate::config::{Limits, Profiles};
use crate::native;
use crate::profiles::files::FileAddresses;
use crate::profiles::helpdesk::sockets;
use crate::profiles::{chat, crm, direct, inbox, union, widget};

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Native v1.
    Native(Codec),
    /// Two-party chat of the `direct` profile.
    Direct,
    /// Conversations of the `crm` profile.
    Crm,
    /// A person's own socket of the `inbox` profile.
    Inbox,
    /// `direct` or `crm`: the client's first frame tells.
    Union,
    /// One chat of the `widget` profile.
    Widget,
    /// The desk of somebody who serves visitors, on the agents' page of `widget`.
    WidgetAgent,
    /// The same as clients of `helpdesk` know it.
    Helpdesk,
    /// A visitor's own chat as clients of `helpdesk` know it.
    HelpdeskVisitor,
}

/// The encoders of events, in the order of [`Speaker::dialect`].
pub(crate) fn dialects(
    profiles: &Profiles,
    clock: &Arc<dyn Clock>,
    files: &Arc<FileAddresses>,
) -> Vec<Box<dyn Dialect>> {
    let echo_to_sender = profiles.echo_to_sender;
    let clock = Arc::clone(clock);
    let files = || Arc::clone(files);
    vec![
        Box::new(native::NativeDialect(Codec::Json)),
        Box::new(native::NativeDialect(Codec::Msgpack)),
        Box::new(direct::DirectDialect { files: files() }),
        Box::new(crm::CrmDialect {
            echo_to_sender,
            files: files(),
        }),
        Box::new(inbox::InboxDialect { files: files() }),
        Box::new(union::UnionDialect { files: files() }),
        Box::new(widget::WidgetDialect { files: files() }),
        Box::new(sockets::WidgetAgentDialect { files: files() }),
        Box::new(sockets::HelpdeskDialect {
            clock: Arc::clone(&clock),
            files: files(),
        }),
        Box::new(sockets::HelpdeskVisitorDialect {
            clock,
            files: files(),
        }),
    ]
}

impl Speaker {
    /// Index of its encoder in [`dialects`].
    pub(crate) fn dialect(self) -> DialectId {
        match self {
            Speaker::Native(Codec::Json) => DialectId(0),
            Speaker::Native(Codec::Msgpack) => DialectId(1),
            Speaker::Direct => DialectId(2),
            Speaker::Crm => DialectId(3),
            Speaker::Inbox => DialectId(4),
            Speaker::Union => DialectId(5),
            Speaker::Widget => DialectId(6),
            Speaker::WidgetAgent => DialectId(7),
            Speaker::Helpdesk => DialectId(8),
            Speaker::HelpdeskVisitor => DialectId(9),
        }
    }

    /// Largest message it reads, bytes.
    pub(crate) fn message_bytes_max(self) -> u32 {
        let more_bytes = match self {
            // The bytes of a file stand behind a header of their own.
            Speaker::Native(_) => FILE_FRAME_HEADER_BYTES,
            _ => 0,
        };
        (CLIENT_MESSAGE_BYTES_MAX + more_bytes) as u32
    }

    /// Largest text that it reads as it comes, bytes; 0 for none. Files stand in such texts: as
    /// large as any may be, in base64 and with a few words.
    pub(crate) fn streamed_bytes_max(self, limits: &Limits) -> u32 {
        match self {
            Speaker::Direct | Speaker::Union => {
                let text_bytes = limits.file_bytes_max.saturating_mul(4) / 3;
                let more_bytes = CLIENT_MESSAGE_BYTES_MAX as u64;
                u32::try_from(text_bytes.saturating_add(more_bytes)).unwrap_or(u32::MAX)
            }
            _ => 0,
        }
    }

    /// A part of a large text came.
    pub(crate) fn piece(self, desk: &mut Desk, piece: &[u8], is_last: bool) {
        if matches!(self, Speaker::Direct | Speaker::Union) {
            direct::piece(desk, piece, is_last);
        }
    }

    /// Whether an empty message is a ping or pong; browsers cannot see control frames.
    pub(crate) fn has_empty_pings(self) -> bool {
        matches!(self, Speaker::Native(_))
    }

    /// A ping.
    pub(crate) fn ping(self) -> Bytes {
        match self {
            Speaker::Native(Codec::Json) => server_frame(Opcode::Text, &[]),
            Speaker::Native(Codec::Msgpack) => server_frame(Opcode::Binary, &[]),
            // These clients parse every message as JSON: an empty one would throw.
            _ => server_frame(Opcode::Ping, &[]),
        }
    }

    /// A message came.
    pub(crate) fn message(self, desk: &mut Desk, is_text: bool, payload: &[u8]) {
        match self {
            Speaker::Native(codec) => native::message(codec, desk, is_text, payload),
            Speaker::Direct => direct::message(desk, is_text, payload),
            Speaker::Crm => crm::message(desk, is_text, payload),
            Speaker::Inbox => inbox::message(desk, is_text, payload),
            Speaker::Union => union::message(desk, is_text, payload),
            Speaker::Widget => widget::message(desk, is_text, payload),
            Speaker::WidgetAgent | Speaker::Helpdesk => sockets::message(desk, is_text, payload),
            Speaker::HelpdeskVisitor => sockets::visitor::message(desk, is_text, payload),
        }
    }

    /// A message came that is too large to be read; the connection goes on.
    pub(crate) fn oversize(self, desk: &mut Desk, announced_bytes: u64) {
        match self {
            Speaker::Native(codec) => native::oversize(codec, desk, announced_bytes),
            Speaker::Direct | Speaker::Union => {
                let limit = u64::from(self.streamed_bytes_max(&desk.app.limits));
                direct::oversize(desk, announced_bytes, limit);
            }
            _ => chat::oversize(desk, announced_bytes),
        }
    }

    /// A command has an outcome.
    pub(crate) fn answered(self, desk: &mut Desk, waiting: Waiting, outcome: Outcome) {
        match self {
            Speaker::Native(codec) => native::answered(codec, desk, waiting, outcome),
            Speaker::Direct
            | Speaker::Inbox
            | Speaker::Widget
            | Speaker::WidgetAgent
            | Speaker::Helpdesk
            | Speaker::HelpdeskVisitor => chat::answered(desk, &outcome),
            Speaker::Crm => crm::answered(desk, &outcome),
            Speaker::Union => union::answered(desk, &outcome),
        }
    }

    /// The connection fell behind in these rooms.
    pub(crate) fn lagged(self, desk: &mut Desk, rooms: Vec<RoomId>) {
        if let Speaker::Native(codec) = self {
            native::lagged(codec, desk, rooms);
        }
    }

    /// The node drains.
    pub(crate) fn draining(self, desk: &mut Desk, after_ms: u64) {
        if let Speaker::Native(codec) = self {
            native::draining(codec, desk, after_ms);
        }
    }

    /// The token has ended.
    pub(crate) fn expired(self, desk: &mut Desk) {
        if let Speaker::Native(codec) = self {
            native::expired(codec, desk);
        }
    }
}
