//! Chats that are forgotten: who decides it, what stays, and what crashes in between leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use frontdesk_protocol::chat::{ChatOpening, FormAnswers, Priority};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{PageFrom, RoomName};
use frontdesk_protocol::settings::{FormChoice, SettingsChange};
use frontdesk_protocol::{
    ChatId, Cid, ConversationNo, ErrorCode, PersonId, Pos, RoomId, Timestamp, UploadId,
};
use frontdesk_storage::testing::Crash;
use frontdesk_storage::{Directory, EntityId};

use super::desk::Desk;
use super::listeners::Ear;
use super::{World, both_modes, cid_at, company_of, eventually, is_done, person, refusal, say};
use super::{room_id, uploads};
use crate::clock::{Clock, fresh_history_base, fresh_room_id};
use crate::company::tables;
use crate::edge::ReplayStep;
use crate::entity::{Answer, Caller, Command, Outcome, Rules};
use crate::room::RoomState;
use crate::{Bucket, Joining, ListFrom, Start, Totals};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const DAYS: u32 = 30;
/// Names the upload of a chat.
const UPLOAD: u8 = 9;

fn visitor() -> PersonId {
    person("visitor:1")
}

fn somebody(person: PersonId, role: Role) -> Arc<Principal> {
    Arc::new(Principal {
        company: company_of("TES001"),
        person,
        role,
        card: Card::default(),
    })
}

fn own_company() -> Caller {
    Caller::Entity(EntityId::company(company_of("TES001")))
}

pub(super) fn forget(idle_since: Timestamp) -> Command {
    Command::Room(RoomCommand::Forget { idle_since })
}

fn escalate(reason: &str) -> Command {
    Command::Room(RoomCommand::Escalate {
        reason: reason.to_owned(),
        priority: Priority::High,
    })
}

fn resolve() -> Command {
    Command::Room(RoomCommand::Resolve {
        notes: "paid back".to_owned(),
    })
}

fn opening(id: &str) -> ChatOpening {
    ChatOpening {
        id: ChatId::new(id).expect("valid"),
        language: "en".into(),
    }
}

/// A chat in which something was said, by its rules alone.
pub(super) fn chat() -> Desk<RoomState> {
    let company = company_of("TES001");
    let mut desk = Desk::new(EntityId::room(company, RoomId::from_bits([7; 16])));
    let create = RoomCommand::CreateRoom {
        conversation: ConversationNo(5),
        direct: false,
        participants: vec![visitor(), super::turns::bot()],
        history_base: 9,
        title: None,
        bot: Some(super::turns::bot()),
        chat: Some(opening("TES001_abc")),
    };
    desk.one(&own_company(), Command::Room(create))
        .expect("made");
    let visiting = Caller::Person(somebody(visitor(), Role::Visitor));
    desk.one(&visiting, say("hello")).expect("said");
    desk
}

#[test]
fn only_the_company_forgets_and_only_what_is_idle_and_over() {
    let mut desk = chat();
    let (now, soon) = (desk.now, Timestamp(desk.now.0 - 1));
    let visiting = Caller::Person(somebody(visitor(), Role::Visitor));
    let boss = Caller::Person(somebody(person("boss"), Role::Admin));
    let other = Caller::Entity(EntityId::company(company_of("SPA001")));
    for stranger in [
        &visiting,
        &boss,
        &other,
        &Caller::Entity(desk.entity.clone()),
    ] {
        let refused = desk.one(stranger, forget(now)).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::Forbidden);
    }
    assert_eq!(desk.one(&own_company(), forget(soon)), Ok(Answer::Done));
    desk.one(&visiting, escalate("a question"))
        .expect("escalated");
    assert_eq!(desk.one(&own_company(), forget(now)), Ok(Answer::Done));
    desk.one(&boss, resolve()).expect("resolved");
    let answer = desk.one(&own_company(), forget(now));
    assert!(matches!(answer, Ok(Answer::Numbered { number: 1, .. })));
    let event_count = desk.history.len();
    assert_eq!(desk.one(&own_company(), forget(now)), Ok(Answer::Done));
    let refused = desk.one(&visiting, say("hello?")).expect_err("gone");
    assert_eq!(refused.code, ErrorCode::UnknownRoom);
    assert_eq!(desk.history.len(), event_count, "it is forgotten once");
    desk.assert_replays();
}

#[test]
fn the_last_event_alone_makes_the_whole_state_and_says_nothing_of_the_chat() {
    let mut desk = chat();
    let now = desk.now;
    desk.one(&own_company(), forget(now)).expect("forgotten");
    desk.state.begin_batch();
    let event = desk.history.last().expect("there is one");
    assert!(RoomState::erases(event).is_some());
    let mut alone = RoomState::new(&desk.entity);
    alone.apply(event);
    assert_eq!(alone, desk.state);
    let stored = format!("{event:?}");
    assert!(
        !stored.contains("hello") && !stored.contains("abc"),
        "{stored}"
    );
    assert!(desk.rows.is_empty(), "nothing leads to it");
}

#[test]
fn a_room_of_people_is_not_forgotten() {
    let company = company_of("TES001");
    let mut desk = Desk::<RoomState>::new(EntityId::room(company, RoomId::from_bits([7; 16])));
    let create = RoomCommand::CreateRoom {
        conversation: ConversationNo(5),
        direct: true,
        participants: vec![person("ann"), person("bob")],
        history_base: 9,
        title: None,
        bot: None,
        chat: None,
    };
    desk.one(&own_company(), Command::Room(create))
        .expect("made");
    let later = Timestamp(desk.now.0 + 1);
    assert_eq!(desk.one(&own_company(), forget(later)), Ok(Answer::Done));
    assert_eq!(desk.history.len(), 1);
}

/// The next cid that a client makes.
static NEXT_CID: AtomicU64 = AtomicU64::new(1_000);

impl World {
    fn cid_now(&self) -> Cid {
        cid_at(self.clock.now(), NEXT_CID.fetch_add(1, Ordering::Relaxed))
    }

    async fn asks(&self, entity: EntityId, who: Arc<Principal>, command: Command) -> Outcome {
        self.node.ask(entity, who, command, self.cid_now()).await
    }

    async fn keeps_chats_for(&self, days: Option<u32>) {
        let company = company_of("TES001");
        let store = self.memory.store();
        store.create_company(&company).expect("created");
        let change = Box::new(SettingsChange {
            retention_days: Some(days),
            form: Some(FormChoice::Profile),
            ..SettingsChange::default()
        });
        let boss = somebody(person("boss"), Role::Admin);
        let command = Command::Company(CompanyCommand::ChangeSettings { change });
        assert!(is_done(
            &self.asks(EntityId::company(company), boss, command).await
        ));
    }

    async fn open_chat(&self, id: &str) -> EntityId {
        let command = Command::Company(CompanyCommand::OpenRoom {
            room: fresh_room_id(),
            history_base: fresh_history_base(),
            participants: Vec::new(),
            direct: false,
            title: None,
            bot: Some(super::turns::bot()),
            chat: Some(opening(id)),
        });
        let company = company_of("TES001");
        let visiting = somebody(visitor(), Role::Visitor);
        let entity = EntityId::company(company.clone());
        let opened = self.asks(entity, visiting, command).await;
        let Outcome::Done(Answer::Opened { room, .. }) = opened else {
            panic!("{opened:?}");
        };
        EntityId::room(company, room)
    }

    async fn say_in(&self, chat: &EntityId, text: &str) {
        let visiting = somebody(visitor(), Role::Visitor);
        let said = self.asks(chat.clone(), visiting, say(text)).await;
        assert!(is_done(&said), "{said:?}");
    }

    /// A chat with a profile, a handoff and a message that was taken back.
    async fn full_chat(&self, id: &str) -> EntityId {
        let chat = self.open_chat(id).await;
        self.say_in(&chat, "my whispered words").await;
        let visiting = || somebody(visitor(), Role::Visitor);
        let wish = uploads::wish("whisper.txt", Some(room_id(&chat)));
        let upload = uploads::uploaded_by(self, visiting(), UPLOAD, wish).await;
        uploads::ended(self, &upload).await;
        let boss = || somebody(person("boss"), Role::Admin);
        let answers = FormAnswers::from([
            ("name".to_owned(), Some("Mira Whisper".to_owned())),
            ("email".to_owned(), Some("whisper@words.example".to_owned())),
            ("phone".to_owned(), None),
        ]);
        let answer = Command::Room(RoomCommand::AnswerForm { answers });
        let answered = self.asks(chat.clone(), visiting(), answer).await;
        assert!(is_done(&answered), "{answered:?}");
        assert!(is_done(
            &self
                .asks(chat.clone(), visiting(), escalate("a quarrel"))
                .await
        ));
        assert!(is_done(&self.asks(chat.clone(), boss(), resolve()).await));
        chat
    }

    async fn is_gone(&self, chat: &EntityId, id: &str, number: u64) -> bool {
        let company = company_of("TES001");
        let id = ChatId::new(id).expect("valid");
        let by_name = self.node.find_chat(&company, &id).await.expect("read");
        let number = RoomName::Conversation(ConversationNo(number));
        let by_number = self.node.find_room(&company, number).await.expect("read");
        let view = self.node.room_view(chat).await.expect("read");
        assert_eq!(by_name.is_none(), by_number.is_none());
        assert_eq!(by_name.is_none(), !view.exists);
        by_name.is_none()
    }

    async fn rebuild_and_compare(&self) {
        let before = listed(self).await;
        let company = company_of("TES001");
        self.node.rebuild_lists(&company).await.expect("rebuilt");
        assert_eq!(listed(self).await, before);
    }

    async fn assert_no_trace(&self, chat: &EntityId) {
        let company = company_of("TES001");
        let journal = self.journal();
        let left = |entity: &EntityId| {
            let records = journal.read_after(entity, Pos(0), usize::MAX, usize::MAX);
            records.expect("reads")
        };
        eventually("the room's journal is erased", || left(chat).len() == 1).await;
        let of_company = EntityId::company(company.clone());
        let upload = EntityId::upload(company.clone(), UploadId::from_bits([UPLOAD; 16]));
        let words = ["whisper", "Whisper", "quarrel", "paid back", "chat_one"];
        let is_clean = || {
            let entities = [chat, &of_company, &upload];
            let records = entities.iter().flat_map(|entity| left(entity));
            let mut texts = records.map(|record| lossy(&record.payload));
            texts.all(|text| words.iter().all(|word| !text.contains(word)))
        };
        eventually("no record holds a word of it", is_clean).await;
        let rows_of = || {
            self.node
                .directory
                .rows(&company, &[0], &[0xff], false, 10_000)
        };
        // Lists are told again by the room after a crash.
        eventually("no row holds a word of it", || {
            let rows = rows_of().expect("reads").into_iter();
            // The audit log says what an admin did to which chat.
            let (from, to) = tables::audit_bounds();
            let rows = rows.filter(|(key, _)| *key < from || *key >= to);
            let mut rows = rows.map(|(key, value)| lossy(&key) + &lossy(&value));
            rows.all(|row| words.iter().all(|word| !row.contains(word)))
        })
        .await;
        for entity in [chat, &of_company, &upload] {
            let snapshot = journal.snapshot(entity).expect("reads");
            let held = snapshot
                .map(|found| lossy(&found.payload))
                .unwrap_or_default();
            assert!(words.iter().all(|word| !held.contains(word)), "{held}");
        }
        let card = self.node.card(&company, &visitor()).await.expect("read");
        assert_eq!(card, None);
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn listed(world: &World) -> (usize, Totals, u64, u64) {
    let company = company_of("TES001");
    eventually("lists show what happened", || {
        world.node.index.is_settled(&company)
    })
    .await;
    let who = visitor();
    let page = world
        .node
        .conversations(&company, &who, ListFrom::default(), 10);
    let page = page.await.expect("listed");
    let (boss, all) = (person("boss"), Bucket::ALL);
    let desk = world.node.desk(&company, &boss, None, &all, (0, 10)).await;
    let (chats, count) = desk.expect("listed");
    assert_eq!(chats.len() as u64, count);
    let (_, profiles) = world
        .node
        .profiles(&company, 0, 10, |_| true)
        .await
        .expect("read");
    (
        page.conversations.len(),
        page.totals,
        count,
        profiles as u64,
    )
}

both_modes! {
    async fn an_idle_chat_is_forgotten_with_all_that_was_said(serialize: bool) {
        let world = World::new(serialize).await;
        world.keeps_chats_for(Some(DAYS)).await;
        let idle = world.full_chat("chat_one").await;
        let open = world.open_chat("chat_two").await;
        let visiting = somebody(visitor(), Role::Visitor);
        assert!(is_done(&world.asks(open.clone(), visiting, escalate("a question")).await));
        world.clock.advance_ms(u64::from(DAYS) * DAY_MS - 1);
        world.node.forget_idle_chats().await.expect("reads");
        assert!(!world.is_gone(&idle, "chat_one", 1).await, "a moment too early");
        let young = world.open_chat("chat_three").await;
        assert_eq!(listed(&world).await.0, 3);
        world.clock.advance_ms(1);
        world.node.forget_idle_chats().await.expect("reads");
        assert!(world.is_gone(&idle, "chat_one", 1).await);
        assert!(!world.is_gone(&open, "chat_two", 2).await);
        assert!(!world.is_gone(&young, "chat_three", 3).await);
        let (rooms, totals, handed_over, profiles) = listed(&world).await;
        assert_eq!((rooms, totals.rooms, handed_over, profiles), (2, 2, 1, 0));
        world.assert_no_trace(&idle).await;
        for crash in [Crash::Killed, Crash::PowerLoss] {
            let reborn = world.reborn(crash).await;
            assert!(reborn.is_gone(&idle, "chat_one", 1).await);
            reborn.assert_no_trace(&idle).await;
            let visiting = somebody(visitor(), Role::Visitor);
            let said = reborn.asks(idle.clone(), visiting, say("back")).await;
            assert_eq!(refusal(&said), ErrorCode::UnknownRoom);
            // The number is not given again, the name leads to a new room.
            let again = reborn.open_chat("chat_one").await;
            assert!(again != idle && !reborn.is_gone(&again, "chat_one", 4).await);
            reborn.rebuild_and_compare().await;
        }
    }

    async fn whoever_is_in_a_forgotten_chat_loses_their_place(serialize: bool) {
        let world = World::new(serialize).await;
        world.keeps_chats_for(Some(DAYS)).await;
        let chat = world.full_chat("chat_one").await;
        let page = world.join(&chat, "visitor:1", None).await;
        assert!(page.edge.holds(page.joined.attachment));
        world.clock.advance_ms(u64::from(DAYS) * DAY_MS);
        world.node.forget_idle_chats().await.expect("reads");
        eventually("their place is lost", || !page.edge.holds(page.joined.attachment)).await;
        assert_eq!(page.step().await, ReplayStep::Gone);
        let joining = || Joining {
            listener: Ear::of("visitor:1"),
            start: Start::Head,
        };
        let refused = world.node.join(&chat, joining).await.expect_err("refused");
        assert_eq!(refused.code, ErrorCode::UnknownRoom);
    }

    async fn nothing_is_forgotten_without_the_setting(serialize: bool) {
        let world = World::new(serialize).await;
        world.keeps_chats_for(None).await;
        let idle = world.full_chat("chat_one").await;
        world.clock.advance_ms(10_000 * DAY_MS);
        world.node.forget_idle_chats().await.expect("reads");
        assert!(!world.is_gone(&idle, "chat_one", 1).await);
        let page = world.node.history(&idle, PageFrom::Latest, 10).await.expect("read");
        let is_said = |event: &RoomEvent| {
            matches!(event, RoomEvent::MessagePosted(it) if &*it.text == "my whispered words")
        };
        assert!(page.events.iter().any(is_said));
    }

    async fn a_crash_before_the_company_heard_of_it_changes_nothing(serialize: bool) {
        let world = World::new(serialize).await;
        world.keeps_chats_for(Some(DAYS)).await;
        let idle = world.full_chat("chat_one").await;
        world.clock.advance_ms(u64::from(DAYS) * DAY_MS);
        let company = EntityId::company(company_of("TES001"));
        // The room's record lasts; whatever the company would do is lost with the node.
        let command = forget(Timestamp(world.clock.now().0 - u64::from(DAYS) * DAY_MS));
        let (cseq, _) = world.node.ask.expect();
        world.node.request_as(company, idle.clone(), command, cseq);
        let journal = world.journal();
        eventually("the room has forgotten", || {
            let view = journal.tail(&idle).expect("reads");
            let last = journal.read_before(&idle, view.pos.next(), 1, 0).expect("reads");
            lossy(&last[0].payload).contains("Forgotten")
        })
        .await;
        let reborn = world.reborn(Crash::Killed).await;
        let owner = company_of("TES001");
        let key = tables::profile_key(1);
        eventually("the company forgets as well", || {
            reborn.node.directory.row(&owner, &key).expect("reads").is_none()
        })
        .await;
        assert!(reborn.is_gone(&idle, "chat_one", 1).await);
        reborn.assert_no_trace(&idle).await;
        assert_eq!(listed(&reborn).await, (0, Totals::default(), 0, 0));
    }

    async fn commands_are_remembered_beyond_the_erased_records(serialize: bool) {
        let world = World::new(serialize).await;
        world.keeps_chats_for(Some(DAYS)).await;
        world.full_chat("chat_one").await;
        world.clock.advance_ms(u64::from(DAYS) * DAY_MS);
        let now = world.clock.now();
        let (cid, room) = (cid_at(now, 1), fresh_room_id());
        let open = Command::Company(CompanyCommand::OpenRoom {
            room,
            history_base: 3,
            participants: vec![person("bob")],
            direct: false,
            title: None,
            bot: None,
            chat: None,
        });
        let ann = || somebody(person("ann"), Role::Agent);
        let company = EntityId::company(company_of("TES001"));
        let opened = world.node.ask(company.clone(), ann(), open.clone(), cid).await;
        world.node.forget_idle_chats().await.expect("reads");
        let journal = world.journal();
        eventually("the company's journal is erased", || {
            let left = journal.read_after(&company, Pos(0), 10, usize::MAX);
            // Of forgetting, and of the chat's file that goes after it.
            left.expect("reads").len() <= 2
        })
        .await;
        let reborn = world.reborn(Crash::Killed).await;
        let again = reborn.node.ask(company, ann(), open, cid).await;
        assert_eq!(again, opened, "answered as the first time");
    }
}
