//! Events and ephemerals as native frames.
//!
//! Never: knows who gets them.

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{
    EphemeralKind, EphemeralPush, EventBody, Push, RoomPush, ServerFrame,
};
use frontdesk_protocol::websocket::server_message;

/// The encoder of one codec.
pub(crate) struct NativeDialect(pub(crate) Codec);

impl Dialect for NativeDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let event = EventBody::from_event(event)?;
        let push = Push::Event(RoomPush {
            room: room.room,
            event,
        });
        Some(server_message(self.0, &ServerFrame::Push(push)))
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let kind = EphemeralKind::from(ephemeral);
        let push = Push::Ephemeral(EphemeralPush {
            room: room.room,
            kind,
        });
        Some(server_message(self.0, &ServerFrame::Push(push)))
    }
}

/// A page of events as clients see them.
pub(crate) fn event_bodies(events: &[RoomEvent]) -> Vec<EventBody> {
    events.iter().filter_map(EventBody::from_event).collect()
}
