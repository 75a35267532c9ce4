//! Files that are dropped while they wait to be sent, in any order with a message that shows them;
//! uploads that ended, until nothing tells of them.

use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::upload::{Kinds, UploadCommand, UploadEnd, UploadTerms, UploadWish};
use frontdesk_protocol::{ConversationNo, FileNo, UploadId};

use super::desk::Desk;
use super::uploads::{ended, forgotten, send, uploaded, wish};
use super::*;
use crate::company::{CompanyState, tables};
use crate::entity::{Caller, Effect, Rules};
use crate::room::RoomState;
use crate::upload::UploadStage;

const NO: FileNo = FileNo(1);

fn upload_id() -> UploadId {
    UploadId::from_bits([1; 16])
}

fn own_company() -> Caller {
    Caller::Entity(EntityId::company(company_of("TES001")))
}

fn drop_waiting() -> Command {
    Command::Company(CompanyCommand::DropFile { no: NO, of: None })
}

fn place() -> Command {
    Command::Company(CompanyCommand::PlaceFile { no: NO })
}

fn clear(dropped_until: Timestamp) -> Command {
    Command::Company(CompanyCommand::ClearFile {
        no: NO,
        dropped_until,
    })
}

/// A file of `ann` that an upload made.
fn stored(number: u8, room: Option<RoomId>) -> StoredFile {
    StoredFile {
        shared: SharedFile {
            no: FileNo(0),
            upload: UploadId::from_bits([number; 16]),
            name: "a.txt".into(),
            mime: "text/plain".into(),
            size: 90,
            pixels: None,
            has_thumbnail: false,
        },
        at: Timestamp(1),
        owner: crate::room::author_of(&principal("ann")),
        room,
        dropped_at: None,
        caption: "".into(),
        blake3: [4; 32],
        is_packed: false,
    }
}

fn keep(company: &mut Desk<CompanyState>, file: StoredFile) {
    let upload = EntityId::upload(company_of("TES001"), file.shared.upload);
    let keep = Command::Company(CompanyCommand::KeepFile { file: file.into() });
    company.one(&Caller::Entity(upload), keep).expect("kept");
}

/// A company with one file that waits to be sent, and a room of its owner, by their rules alone.
struct Both {
    company: Desk<CompanyState>,
    room: Desk<RoomState>,
}

impl Both {
    fn new() -> Self {
        let mut company = Desk::new(EntityId::company(company_of("TES001")));
        keep(&mut company, stored(1, None));
        let room = Self::room(3);
        Self { company, room }
    }

    fn room(number: u8) -> Desk<RoomState> {
        let id = RoomId::from_bits([number; 16]);
        let mut room = Desk::new(EntityId::room(company_of("TES001"), id));
        let create = Command::Room(RoomCommand::CreateRoom {
            conversation: ConversationNo(1),
            direct: false,
            participants: vec![person("ann")],
            history_base: 1,
            title: None,
            bot: None,
            chat: None,
        });
        room.one(&own_company(), create).expect("made");
        room
    }

    /// The room sees what the company wrote.
    fn room_reads(&mut self) {
        self.room.rows.extend(self.company.rows.clone());
    }

    /// The company sees what the room wrote.
    fn company_reads(&mut self) {
        let key = tables::claimed_file_key(NO);
        let claim = self.room.rows.get(&key).cloned();
        self.company
            .rows
            .extend(claim.map(|claim| (key.clone(), claim)));
    }

    fn post(&mut self) -> Result<Answer, ErrorCode> {
        let ann = Caller::Person(principal("ann"));
        let posted = self.room.one(&ann, send(&[NO.0]));
        posted.map_err(|why| why.code)
    }

    fn company_does(&mut self, caller: &Caller, command: Command) {
        self.company.effects.clear();
        assert_eq!(self.company.one(caller, command), Ok(Answer::Done));
    }

    fn room_asks(&self) -> Caller {
        Caller::Entity(self.room.entity.clone())
    }

    fn file(&self) -> Option<StoredFile> {
        self.company.row(&tables::file_key(NO))
    }

    fn assert_shown(&mut self) {
        let file = self.file().expect("it stays");
        let id = room_id(&self.room.entity);
        assert_eq!((file.room, file.dropped_at), (Some(id), None));
        assert_eq!(self.company.state.file_bytes, 90);
        let mark = tables::unwanted_file_key(self.company.now, &upload_id());
        assert!(
            !self.company.rows.contains_key(&mark),
            "nothing is left to do"
        );
        self.company.assert_replays();
    }

    fn assert_gone(&mut self) {
        assert_eq!(self.file(), None);
        assert_eq!(self.company.state.file_bytes, 0);
        let of_upload = tables::file_upload_key(&upload_id());
        let keys: Vec<_> = self.company.rows.keys().collect();
        assert_eq!(keys, [&of_upload], "nothing else stands");
        let owed: Vec<_> = self.company.effects.iter().map(command_of).collect();
        let upload = upload_id();
        let erase = Command::Company(CompanyCommand::EraseFile { upload });
        let forget = Command::Upload(UploadCommand::Forget);
        assert_eq!(owed, [&erase, &forget]);
        self.company.assert_replays();
    }
}

fn command_of(effect: &Effect) -> &Command {
    &effect.command
}

#[test]
fn a_file_is_dropped_in_two_steps_and_its_room_is_given_back_with_the_first() {
    let mut both = Both::new();
    let now = both.company.now;
    both.company_does(&own_company(), drop_waiting());
    assert_eq!(both.company.state.file_bytes, 0);
    assert_eq!(both.company.effects, [], "nothing is erased yet");
    both.company_does(&own_company(), drop_waiting());
    assert_eq!(both.company.history.len(), 2, "a repeat changes nothing");
    both.company_does(&own_company(), clear(Timestamp(now.0 - 1)));
    assert!(both.file().is_some(), "a moment too early");
    both.company_does(&own_company(), clear(now));
    both.assert_gone();
    both.company_does(&own_company(), clear(now));
    assert_eq!(both.company.effects, []);
}

#[test]
fn what_was_dropped_is_sent_no_more() {
    let mut both = Both::new();
    both.company_does(&own_company(), drop_waiting());
    both.room_reads();
    assert_eq!(both.post(), Err(ErrorCode::NotFound));
}

#[test]
fn a_file_that_is_dropped_between_its_message_and_its_placing_stays() {
    let mut both = Both::new();
    both.room_reads();
    both.company_does(&own_company(), drop_waiting());
    assert!(both.post().is_ok(), "the room read the file before");
    let room = both.room_asks();
    both.company_does(&room, place());
    both.assert_shown();
    let now = both.company.now;
    both.company_reads();
    both.company_does(&own_company(), clear(now));
    both.assert_shown();
}

#[test]
fn a_file_whose_message_nobody_told_of_for_long_stays() {
    let mut both = Both::new();
    both.room_reads();
    both.company_does(&own_company(), drop_waiting());
    assert!(both.post().is_ok(), "the room read the file before");
    both.company_reads();
    let now = both.company.now;
    both.company_does(&own_company(), clear(now));
    both.assert_shown();
    let room = both.room_asks();
    both.company_does(&room, place());
    both.assert_shown();
}

#[test]
fn what_a_message_shows_is_not_dropped_although_nobody_told_yet() {
    let mut both = Both::new();
    both.room_reads();
    assert!(both.post().is_ok());
    both.company_reads();
    both.company_does(&own_company(), drop_waiting());
    assert_eq!(both.company.history.len(), 1, "nothing happened");
    // Its room may, when the message is taken back or the chat is forgotten.
    let (room, of) = (both.room_asks(), Some(room_id(&both.room.entity)));
    let drop_shown = Command::Company(CompanyCommand::DropFile { no: NO, of });
    both.company_does(&room, drop_shown);
    both.assert_gone();
}

#[test]
fn what_one_room_shows_is_not_sent_in_another_although_the_company_does_not_know() {
    let mut both = Both::new();
    both.room_reads();
    assert!(both.post().is_ok());
    both.company_reads();
    both.room = Both::room(4);
    both.room_reads();
    assert_eq!(both.post(), Err(ErrorCode::BadField));
}

#[test]
fn a_forgotten_chat_owes_still_what_becomes_of_a_file_that_came_too_late() {
    let mut chat = super::forgetting::chat();
    let (now, room) = (chat.now, room_id(&chat.entity));
    let forget = super::forgetting::forget(now);
    chat.one(&own_company(), forget).expect("forgotten");
    chat.effects.clear();
    let file = stored(1, Some(room)).into();
    let post = Command::Room(RoomCommand::PostFile { file });
    chat.one(&own_company(), post).expect("turned away");
    let owed: Vec<_> = chat.effects.iter().map(command_of).collect();
    let no = FileNo(0);
    let drop = Command::Company(CompanyCommand::DropFile { no, of: Some(room) });
    let finish = Command::Upload(UploadCommand::Finish {
        file_no: no,
        seq: None,
    });
    assert_eq!(owed, [&drop, &finish]);
    let mut effects = chat.effects.iter();
    assert!(
        effects.all(|effect| chat.state.is_owed(effect)),
        "whoever comes after a crash goes on with it"
    );
}

#[test]
fn rows_stand_for_the_files_that_wait_and_for_no_others() {
    let mut company = Desk::new(EntityId::company(company_of("TES001")));
    let room = RoomId::from_bits([3; 16]);
    for (number, room) in [(1, None), (2, Some(room)), (3, None), (4, None)] {
        keep(&mut company, stored(number, room));
    }
    let (from, to) = tables::waiting_file_bounds(Timestamp(u64::MAX));
    let waiting = |company: &Desk<CompanyState>| {
        let rows = company.rows.range(from.clone()..to.clone());
        let numbers = rows.filter_map(|(_, value)| tables::read(value));
        numbers.collect::<Vec<FileNo>>()
    };
    assert_eq!(waiting(&company), [FileNo(1), FileNo(3), FileNo(4)]);
    let of_room = Caller::Entity(EntityId::room(company_of("TES001"), room));
    let place = Command::Company(CompanyCommand::PlaceFile { no: FileNo(3) });
    company.one(&of_room, place).expect("placed");
    let (no, of) = (FileNo(4), None);
    let drop = Command::Company(CompanyCommand::DropFile { no, of });
    company.one(&own_company(), drop).expect("dropped");
    assert_eq!(waiting(&company), [FileNo(1)]);
    company.assert_replays();
}

#[test]
fn only_the_company_itself_clears() {
    let mut both = Both::new();
    let now = both.company.now;
    both.company_does(&own_company(), drop_waiting());
    let room = both.room_asks();
    let refused = both.company.one(&room, clear(now)).expect_err("refused");
    assert_eq!(refused.code, ErrorCode::Forbidden);
}

both_modes! {
    async fn a_dropped_file_is_nowhere_and_goes_when_its_time_is_over(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let company = company_of("TES001");
        let upload = uploaded(&world, 1, wish("a.txt", None)).await;
        assert_eq!(ended(&world, &upload).await, UploadStage::Finished { file_no: NO, seq: None });
        let dropped_at = world.clock.now();
        assert!(is_done(&world.node.drop_waiting_file(&company, NO).await));
        assert_eq!(world.node.file(&company, NO).await.expect("read"), None);
        assert_eq!(world.node.file_bytes(&company).await.expect("read"), 0);
        let sent = world.node.ask(room, principal("ann"), send(&[NO.0]), fresh_cid()).await;
        assert_eq!(refusal(&sent), ErrorCode::NotFound);
        world.writer_is_idle().await;
        for crash in [Crash::Killed, Crash::PowerLoss] {
            let reborn = world.reborn(crash).await;
            let early = Timestamp(dropped_at.0 - 1);
            reborn.node.clear_dropped_files(&company, early).await.expect("read");
            reborn.writer_is_idle().await;
            assert!(reborn.node.upload(&company, &upload_id()).await.expect("read").is_some());
            reborn.node.clear_dropped_files(&company, dropped_at).await.expect("read");
            forgotten(&reborn, &upload).await;
            reborn.writer_is_idle().await;
            assert_eq!(reborn.node.file_bytes(&company).await.expect("read"), 0);
            let (from, to) = tables::unwanted_file_bounds(Timestamp(u64::MAX - 1));
            let left = reborn.node.directory.rows(&company, &from, &to, false, 10);
            assert_eq!(left.expect("read"), []);
        }
    }

    async fn a_file_that_nobody_sent_goes_after_its_time_and_not_before(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let company = company_of("TES001");
        for number in 1..=2 {
            ended(&world, &uploaded(&world, number, wish("a.txt", None)).await).await;
        }
        let sent = world.node.ask(room, principal("ann"), send(&[2]), fresh_cid()).await;
        assert!(is_done(&sent), "{sent:?}");
        world.writer_is_idle().await;
        assert_eq!(world.waiting_files(), [NO], "what was sent is not looked at");
        let file = |no| world.node.file(&company, FileNo(no));
        let kept_at = file(1).await.expect("read").expect("kept").at;
        world.node.drop_unsent_files(&company, kept_at).await.expect("read");
        assert!(file(1).await.expect("read").is_some(), "a moment too early");
        let later = Timestamp(kept_at.0 + 1);
        world.node.drop_unsent_files(&company, later).await.expect("read");
        assert_eq!(file(1).await.expect("read"), None);
        assert!(file(2).await.expect("read").is_some(), "it was sent");
        assert_eq!(world.waiting_files(), []);
    }

    async fn an_upload_that_ended_is_forgotten_when_its_time_is_over(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let refused = uploaded(&world, 1, wish("virus.txt", None)).await;
        assert!(matches!(ended(&world, &refused).await, UploadStage::Ended(_)));
        world.clock.advance_ms(1);
        let later = world.begun(2, wish("whisper.txt", None)).await;
        let end = UploadCommand::End { end: UploadEnd::Expired };
        assert!(is_done(&world.node.tell_upload(&later, end).await));
        world.writer_is_idle().await;
        for crash in [Crash::Killed, Crash::PowerLoss] {
            let reborn = world.reborn(crash).await;
            let until = Timestamp(reborn.clock.now().0 - 1);
            reborn.node.forget_ended_uploads(&company, until).await.expect("read");
            forgotten(&reborn, &refused).await;
            assert!(matches!(ended(&reborn, &later).await, UploadStage::Ended(_)));
            assert_eq!(reborn.left_of(&later).await, (true, 1));
            reborn.node.forget_ended_uploads(&company, reborn.clock.now()).await.expect("read");
            assert_eq!(reborn.left_of(&refused).await, (false, 0));
            assert_eq!(reborn.left_of(&later).await, (false, 0));
        }
    }
}

impl World {
    /// What is looked through for files that nobody sent.
    pub(super) fn waiting_files(&self) -> Vec<FileNo> {
        let (from, to) = tables::waiting_file_bounds(Timestamp(u64::MAX));
        let (company, directory) = (company_of("TES001"), &self.node.directory);
        let rows = directory
            .rows(&company, &from, &to, false, 10)
            .expect("read");
        rows.iter()
            .filter_map(|(_, value)| tables::read(value))
            .collect()
    }

    /// An upload of which no byte came.
    async fn begun(&self, number: u8, wish: UploadWish) -> EntityId {
        let upload = UploadId::from_bits([number; 16]);
        let entity = EntityId::upload(company_of("TES001"), upload);
        let terms = UploadTerms {
            size_max: 1_000,
            expires_at: Timestamp(u64::MAX),
            kinds: Kinds::Harmless,
        };
        let reserve = Command::Upload(UploadCommand::Reserve { wish, terms });
        let who = principal("ann");
        assert_eq!(who.role, Role::Agent);
        let begun = self.node.ask(entity.clone(), who, reserve, fresh_cid());
        assert!(is_done(&begun.await));
        entity
    }

    /// Whether an upload's journal or snapshot tells what it is called, and how many uploads there
    /// are to forget.
    async fn left_of(&self, upload: &EntityId) -> (bool, usize) {
        self.writer_is_idle().await;
        let journal = self.journal();
        let records = journal.read_after(upload, Pos(0), usize::MAX, usize::MAX);
        let records = records.expect("read").into_iter();
        let mut held: Vec<_> = records.map(|record| record.payload).collect();
        held.extend(
            journal
                .snapshot(upload)
                .expect("read")
                .map(|found| found.payload),
        );
        let mut texts = held
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let tells = texts.any(|text| text.contains(".txt") || text.contains("look"));
        let (from, to) = tables::ended_upload_bounds(Timestamp(u64::MAX - 1));
        let rows = self
            .node
            .directory
            .rows(&upload.company, &from, &to, false, 10);
        (tells, rows.expect("read").len())
    }
}
