//! Uploads through the whole engine: from the wish to the file and its message, with works that
//! fail and actors that crash in between.

use std::sync::atomic::{AtomicU32, Ordering};

use frontdesk_protocol::event::Message;
use frontdesk_protocol::upload::{
    FileFacts, FileKind, Kinds, UploadCommand, UploadEnd, UploadFailure, UploadTerms, UploadWish,
};
use frontdesk_protocol::{ConversationNo, FileNo, UploadId};

use super::*;
use crate::entity::Caller;
use crate::room::RoomState;
use crate::tests::desk::Desk;
use crate::upload::{UploadStage, UploadView, UploadWorks, WorkError, Working};

/// Does nothing, after having been unable to a few times; refuses what is called so.
#[derive(Default)]
pub(crate) struct IdleWorks {
    inspected: AtomicU32,
    stored: AtomicU32,
    settled: AtomicU32,
    erased: AtomicU32,
}

fn later_first<T: Send + 'static>(count: &AtomicU32, value: T) -> Working<T> {
    let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
    Box::pin(async move {
        match is_first {
            true => Err(WorkError::Later),
            false => Ok(value),
        }
    })
}

impl UploadWorks for IdleWorks {
    fn inspect(&self, _: CompanyId, _: UploadId, view: UploadView) -> Working<FileKind> {
        if &*view.wish.name == "virus.txt" {
            return Box::pin(async { Err(WorkError::Refused(UploadFailure::Infected)) });
        }
        let kind = FileKind {
            mime: "text/plain".into(),
            pixels: None,
            has_thumbnail: false,
            stored_size: view.facts.map_or(0, |facts| facts.size),
            is_rewritten: false,
            is_packed: false,
        };
        later_first(&self.inspected, kind)
    }

    fn store(&self, _: CompanyId, _: UploadId, _: UploadView) -> Working<()> {
        later_first(&self.stored, ())
    }

    fn settle(&self, _: CompanyId, _: UploadId, _: UploadStage) -> Working<()> {
        later_first(&self.settled, ())
    }

    fn erase(&self, _: CompanyId, _: UploadId) -> Working<()> {
        later_first(&self.erased, ())
    }
}

pub(super) fn wish(name: &str, room: Option<RoomId>) -> UploadWish {
    UploadWish {
        name: name.into(),
        mime: "text/plain".into(),
        size: Some(90),
        room,
        caption: "look".into(),
        ..UploadWish::default()
    }
}

/// Begins an upload as `ann` and seals it.
pub(super) async fn uploaded(world: &World, number: u8, wish: UploadWish) -> EntityId {
    uploaded_by(world, principal("ann"), number, wish).await
}

/// Begins an upload and seals it.
pub(super) async fn uploaded_by(
    world: &World,
    who: Arc<Principal>,
    number: u8,
    wish: UploadWish,
) -> EntityId {
    let upload = UploadId::from_bits([number; 16]);
    let entity = EntityId::upload(company_of("TES001"), upload);
    let terms = UploadTerms {
        size_max: 1_000,
        expires_at: Timestamp(u64::MAX),
        kinds: Kinds::Harmless,
    };
    let reserve = Command::Upload(UploadCommand::Reserve { wish, terms });
    let cid = fresh_cid();
    let begun = world.node.ask(entity.clone(), who, reserve, cid);
    assert!(is_done(&begun.await));
    let facts = FileFacts {
        size: 90,
        blake3: [number; 32],
        sha256: None,
    };
    let seal = UploadCommand::Seal { facts };
    assert!(is_done(&world.node.tell_upload(&entity, seal).await));
    entity
}

pub(super) async fn ended(world: &World, entity: &EntityId) -> UploadStage {
    let is_over = |stage| {
        use UploadStage::{Ended, Finished, Forgotten};
        matches!(stage, Finished { .. } | Ended(_) | Forgotten)
    };
    come_to(world, entity, is_over).await
}

/// Waits until nothing is known of an upload any more.
pub(super) async fn forgotten(world: &World, entity: &EntityId) {
    come_to(world, entity, |stage| stage == UploadStage::Forgotten).await;
}

async fn come_to(
    world: &World,
    entity: &EntityId,
    is_it: impl Fn(UploadStage) -> bool,
) -> UploadStage {
    let EntityKind::Upload(upload) = entity.kind else {
        panic!("no upload: {entity}");
    };
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let come = async {
        loop {
            tick.tick().await;
            let view = world.node.upload(&entity.company, &upload).await;
            let stage = view
                .expect("read")
                .map_or(UploadStage::Forgotten, |view| view.stage);
            if is_it(stage) {
                return stage;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, come).await;
    waited.expect("an upload comes to that")
}

async fn messages(world: &World, room: &EntityId) -> Vec<Message> {
    let page = world.node.events_after(room, Seq(0), 100, 100).await;
    let events = page.expect("a page").into_iter();
    let posted = events.filter_map(|event| match event {
        RoomEvent::MessagePosted(message) => Some(message),
        _ => None,
    });
    posted.collect()
}

pub(super) fn send(files: &[u64]) -> Command {
    Command::Room(RoomCommand::PostMessage {
        text: String::new(),
        rich: None,
        reply_to: None,
        files: files.iter().copied().map(FileNo).collect(),
    })
}

both_modes! {
    async fn an_upload_for_a_room_is_one_file_and_one_message(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let upload = uploaded(&world, 1, wish("a.txt", Some(room_id(&room)))).await;
        let stage = ended(&world, &upload).await;
        let expected = UploadStage::Finished { file_no: FileNo(1), seq: Some(Seq(1)) };
        assert_eq!(stage, expected);
        world.writer_is_idle().await;
        for entity in [&upload, &room, &EntityId::company(company_of("TES001"))] {
            world.restart(entity).await;
        }
        world.writer_is_idle().await;
        let messages = messages(&world, &room).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        let file = messages[0].file.as_ref().expect("a file");
        assert_eq!((file.no, &*file.name, file.size), (FileNo(1), "a.txt", 90));
        assert_eq!((&*messages[0].text, &messages[0].author.id), ("look", &person("ann")));
        let company = company_of("TES001");
        let kept = world.node.file(&company, FileNo(1)).await.expect("read").expect("kept");
        assert_eq!(kept.room, Some(room_id(&room)));
        assert_eq!(world.node.file_bytes(&company).await.expect("read"), 90);
        let listed = world.node.files_of_room(&company, &room_id(&room), 10).await;
        assert_eq!(listed.expect("read"), vec![kept]);
    }

    async fn what_waits_is_sent_once_and_by_its_owner_alone(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let other = world.room(&["ann", "eve"]).await;
        for number in 1..=3 {
            let upload = uploaded(&world, number, wish("a.txt", None)).await;
            let finished = ended(&world, &upload).await;
            let file_no = FileNo(u64::from(number));
            assert_eq!(finished, UploadStage::Finished { file_no, seq: None });
        }
        let ask = |who, room: &EntityId, files: &[u64]| {
            let (room, command) = (room.clone(), send(files));
            world.node.ask(room, principal(who), command, fresh_cid())
        };
        assert_eq!(refusal(&ask("bob", &room, &[1]).await), ErrorCode::NotFound);
        assert_eq!(refusal(&ask("ann", &room, &[1, 9]).await), ErrorCode::NotFound);
        assert_eq!(refusal(&ask("ann", &room, &[1, 1]).await), ErrorCode::BadField);
        assert_eq!(place(&ask("ann", &room, &[1, 2]).await), (1, false));
        world.writer_is_idle().await;
        assert_eq!(refusal(&ask("ann", &room, &[2]).await), ErrorCode::BadField);
        assert_eq!(refusal(&ask("ann", &other, &[2]).await), ErrorCode::BadField);
        let messages = messages(&world, &room).await;
        let sent: Vec<_> = messages
            .iter()
            .map(|one| (one.seq, one.file.as_ref().expect("a file").no, one.part_of))
            .collect();
        assert_eq!(sent, [(Seq(1), FileNo(1), None), (Seq(2), FileNo(2), Some(Seq(1)))]);
        let company = company_of("TES001");
        assert_eq!(world.waiting_files(), [FileNo(3)]);
        let dropped = world.node.drop_waiting_file(&company, FileNo(3)).await;
        assert!(is_done(&dropped), "{dropped:?}");
        assert_eq!(world.node.file(&company, FileNo(3)).await.expect("read"), None);
        let kept = world.node.drop_waiting_file(&company, FileNo(1)).await;
        assert!(is_done(&kept), "what is in a room stays: {kept:?}");
        assert!(world.node.file(&company, FileNo(1)).await.expect("read").is_some());
    }

    async fn what_is_refused_makes_no_file(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let upload = uploaded(&world, 1, wish("virus.txt", Some(room_id(&room)))).await;
        let failed = UploadStage::Ended(UploadEnd::Failed(UploadFailure::Infected));
        assert_eq!(ended(&world, &upload).await, failed);
        world.writer_is_idle().await;
        assert!(messages(&world, &room).await.is_empty());
    }

    async fn a_file_for_a_room_that_its_owner_is_not_in_is_turned_away(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["bob", "eve"]).await;
        let upload = uploaded(&world, 1, wish("a.txt", Some(room_id(&room)))).await;
        ended(&world, &upload).await;
        world.writer_is_idle().await;
        assert!(messages(&world, &room).await.is_empty());
        let file = world.node.file(&company_of("TES001"), FileNo(1)).await;
        assert_eq!(file.expect("read"), None, "it is kept for nobody");
    }

    async fn the_file_of_a_message_that_is_taken_back_goes(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let upload = uploaded(&world, 1, wish("a.txt", Some(room_id(&room)))).await;
        ended(&world, &upload).await;
        let delete = Command::Room(RoomCommand::DeleteMessage { seq: Seq(1) });
        let deleted = world.node.ask(room.clone(), principal("ann"), delete, fresh_cid()).await;
        assert!(is_done(&deleted), "{deleted:?}");
        world.writer_is_idle().await;
        let company = company_of("TES001");
        assert_eq!(world.node.file(&company, FileNo(1)).await.expect("read"), None);
        assert_eq!(world.node.file_bytes(&company).await.expect("read"), 0);
        let shown = world.node.files_of_room(&company, &room_id(&room), 10).await;
        assert_eq!(shown.expect("read"), Vec::new());
    }
}

#[test]
fn a_file_that_comes_twice_is_shown_once() {
    let room = EntityId::room(company_of("TES001"), RoomId::from_bits([3; 16]));
    let mut desk: Desk<RoomState> = Desk::new(room.clone());
    let company = Caller::Entity(EntityId::company(company_of("TES001")));
    let create = Command::Room(RoomCommand::CreateRoom {
        conversation: ConversationNo(1),
        direct: false,
        participants: vec![person("ann")],
        history_base: 1,
        title: None,
        bot: None,
        chat: None,
    });
    let file = frontdesk_protocol::file::StoredFile {
        shared: frontdesk_protocol::file::SharedFile {
            no: FileNo(4),
            upload: UploadId::from_bits([4; 16]),
            name: "a.txt".into(),
            mime: "text/plain".into(),
            size: 9,
            pixels: None,
            has_thumbnail: false,
        },
        at: Timestamp(1),
        owner: crate::room::author_of(&principal("ann")),
        room: Some(room_id(&room)),
        dropped_at: None,
        caption: "".into(),
        blake3: [4; 32],
        is_packed: false,
    };
    let post = Command::Room(RoomCommand::PostFile { file: file.into() });
    let twice = [create, post.clone(), post.clone()].map(|command| (company.clone(), command));
    assert!(desk.batch(&twice).iter().all(Result::is_ok));
    assert!(desk.one(&company, post).is_ok(), "and in a later batch");
    let posted = desk.history.iter();
    let posted = posted.filter(|event| matches!(event, RoomEvent::MessagePosted(_)));
    assert_eq!(posted.count(), 1);
}
