//! The bus: with `serialize` every message is bytes on its way, and both modes say the same.

use std::sync::Arc;

use frontdesk_protocol::{Epoch, Seq};

use super::{World, both_modes, company_of, fresh_cid, principal, say};
use crate::bus::{Bus, BusMessage, Publish};
use crate::door::DoorId;
use crate::entity::{Caller, CidBy, Envelope, ReplyTo};

fn envelope() -> Arc<Envelope> {
    Arc::new(Envelope {
        reply_to: ReplyTo {
            boot: 1,
            door: DoorId(2),
            cseq: 3,
        },
        cid: fresh_cid(),
        named_by: CidBy::Node,
        caller: Caller::Person(principal("ann")),
        command: say("hello"),
    })
}

#[test]
fn what_crosses_as_bytes_shares_nothing_with_its_sender() {
    let entity = frontdesk_storage::EntityId::company(company_of("TES001"));
    for serialize in [false, true] {
        let bus = Bus::new(serialize);
        let sent = envelope();
        let carried = bus.carry(BusMessage::Request(entity.clone(), Arc::clone(&sent)));
        let BusMessage::Request(_, got) = carried else {
            panic!("another message")
        };
        assert_eq!(got, sent);
        assert_eq!(Arc::ptr_eq(&got, &sent), !serialize);
        let (Caller::Person(got), Caller::Person(sent)) = (&got.caller, &sent.caller) else {
            panic!("a person asked");
        };
        assert_eq!(Arc::ptr_eq(got, sent), !serialize);
        let publish = Publish {
            epoch: Epoch(1),
            head: Seq(1),
            events: Vec::new().into(),
        };
        let carried = bus.carry(BusMessage::Publish(entity.clone(), publish.clone()));
        let BusMessage::Publish(_, got) = carried else {
            panic!("another message")
        };
        assert_eq!(Arc::ptr_eq(&got.events, &publish.events), !serialize);
        let (count, bytes) = bus.carried();
        assert_eq!(count, if serialize { 2 } else { 0 });
        assert_eq!(bytes > 0, serialize);
    }
}

/// Messages have no lifetime and are made by decoding: no channel, lock or reference can be in one.
#[test]
fn messages_are_made_of_bytes_alone() {
    fn only_bytes<T: serde::Serialize + serde::de::DeserializeOwned + 'static>() {}
    only_bytes::<BusMessage>();
    let bytes = rmp_serde::to_vec_named(&envelope()).expect("encodes");
    let got: Envelope = rmp_serde::from_slice(&bytes).expect("decodes");
    assert_eq!(rmp_serde::to_vec_named(&got).expect("encodes"), bytes);
}

both_modes! {
    async fn the_bytes_on_the_bus_are_counted(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let bob = world.join(&room, "bob", None).await;
        let before = world.node.counts();
        let text = "x".repeat(1_000);
        world.posted(&room, "ann", &text).await;
        bob.has_all(1, 1).await;
        let after = world.node.counts();
        let messages = after.bus_messages - before.bus_messages;
        let bytes = after.bus_bytes - before.bus_bytes;
        if serialize {
            assert_eq!(messages, 3, "a request, a reply, a publication");
            assert!((2_000..4_000).contains(&bytes), "{bytes} bytes");
        } else {
            assert_eq!((messages, bytes), (0, 0));
        }
    }
}
