//! Messages that are taken back: by whom, once, and gone from whatever is read afterwards.

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::PageFrom;
use frontdesk_protocol::{ErrorCode, Seq};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::Crash;

use super::{World, both_modes, fresh_cid, is_done, principal, refusal};
use crate::entity::{Command, Outcome};
use crate::pages::MessagesFrom;

impl World {
    async fn delete(&self, room: &EntityId, who: &str, seq: u64) -> Outcome {
        let command = Command::Room(RoomCommand::DeleteMessage { seq: Seq(seq) });
        let asked = self
            .node
            .ask(room.clone(), principal(who), command, fresh_cid());
        asked.await
    }
}

both_modes! {
    async fn its_author_takes_a_message_back_once(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        for text in ["one", "two", "three"] {
            world.posted(&room, "ann", text).await;
        }
        let refused = world.delete(&room, "bob", 2).await;
        assert_eq!(refusal(&refused), ErrorCode::Forbidden);
        let refused = world.delete(&room, "eve", 2).await;
        assert_eq!(refusal(&refused), ErrorCode::UnknownRoom);
        for nothing in [0, 4, 99, u64::MAX] {
            let refused = world.delete(&room, "ann", nothing).await;
            assert_eq!(refusal(&refused), ErrorCode::NotFound, "{nothing}");
        }
        assert!(is_done(&world.delete(&room, "ann", 2).await));
        assert!(is_done(&world.delete(&room, "ann", 2).await), "a repeat changes nothing");
        let left = [(1, "one"), (2, ""), (3, "three"), (4, "2 taken back")];
        let left = left.map(|(seq, text)| (seq, text.to_owned()));
        assert_eq!(world.texts(&room).await, left);
        let refused = world.delete(&room, "ann", 4).await;
        assert_eq!(refusal(&refused), ErrorCode::NotFound, "a deletion is no message");
        let reborn = world.reborn(Crash::PowerLoss).await;
        assert_eq!(reborn.texts(&room).await, left);
        assert!(is_done(&reborn.delete(&room, "ann", 2).await));
        assert_eq!(reborn.posted(&room, "ann", "after").await, Seq(5));
    }

    async fn what_was_taken_back_is_in_no_page_and_no_replay(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let live = world.join(&room, "bob", None).await;
        world.posted(&room, "ann", "secret").await;
        world.delete(&room, "ann", 1).await;
        live.has_all(1, 2).await;
        for from in [PageFrom::Latest, PageFrom::Before(Seq(2)), PageFrom::After(Seq(0))] {
            let page = world.node.history(&room, from, 10).await.expect("a page");
            let RoomEvent::MessagePosted(message) = &page.events[0] else {
                panic!("a message");
            };
            assert_eq!((&*message.text, message.deleted_at.is_some()), ("", true));
        }
        let from_ring = world.join(&room, "bob", live.since(0)).await;
        from_ring.catch_up().await;
        assert_eq!(from_ring.ear.frames(), ["1 ", "2 1 taken back"]);
        let since = live.since(0);
        live.leave();
        from_ring.leave();
        let from_journal = world.join(&room, "bob", since).await;
        from_journal.catch_up().await;
        assert_eq!(from_journal.ear.frames(), ["1 ", "2 1 taken back"]);
    }

    async fn pages_count_messages_and_not_what_took_them_back(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        // Deletions at the end, in the middle and in a row.
        let mut texts = Vec::new();
        for number in 1..=30_u64 {
            let seq = world.posted(&room, "ann", &number.to_string()).await;
            let is_deleted = number % 7 == 0 || number > 27;
            if is_deleted {
                assert!(is_done(&world.delete(&room, "ann", seq.0).await));
            }
            texts.push(if is_deleted { String::new() } else { number.to_string() });
        }
        for skip in 0..32 {
            for count in [1, 4, 30] {
                let page = |from| world.node.messages(&room, from, count);
                let text = |message: &frontdesk_protocol::event::Message| message.text.to_string();
                let oldest = page(MessagesFrom::Oldest { skip }).await.expect("a page");
                let shown: Vec<String> = oldest.messages.iter().map(text).collect();
                let from = texts.len().min(skip as usize);
                let expected = &texts[from..(from + count).min(texts.len())];
                assert_eq!((&shown[..], oldest.total), (expected, 30), "{skip} {count}");
                let newest = page(MessagesFrom::Newest { skip }).await.expect("a page");
                let shown: Vec<String> = newest.messages.iter().map(text).collect();
                let to = texts.len().saturating_sub(skip as usize);
                assert_eq!(shown, &texts[to.saturating_sub(count)..to], "{skip} {count}");
            }
        }
    }
}
