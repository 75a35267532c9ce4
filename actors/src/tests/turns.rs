//! Turns of bots: one answer for each message of a person, in order, whatever crashes.

use std::sync::Arc;

use frontdesk_protocol::command::{CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::{ErrorCode, PersonId, Seq};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::{Crash, Verdict};

use super::{World, both_modes, eventually, fresh_cid, is_done, open_command, principal, refusal};
use crate::bot::{Answering, Bot, BotAnswer, BotError, Turn};
use crate::entity::{Answer, Command, Outcome};

/// The bot's id.
pub(super) fn bot() -> PersonId {
    PersonId::bot("parrot").expect("valid")
}

/// A bot that repeats, refuses `no` and has nothing to say to `hush`.
pub(super) fn parrot() -> Arc<dyn Bot> {
    Arc::new(Parrot)
}

struct Parrot;

impl Bot for Parrot {
    fn name(&self) -> &str {
        "Parrot"
    }

    fn answer(&self, turn: Turn) -> Answering {
        Box::pin(async move {
            let text = match &*turn.question.text {
                "no" => return Err(BotError::Failed),
                "hush" => String::new(),
                "boom" => panic!("a test asked this bot to panic"),
                said => format!("you said {said}"),
            };
            Ok(BotAnswer { text, rich: None })
        })
    }
}

impl World {
    async fn room_with_bot(&self) -> EntityId {
        let command = Command::Company(CompanyCommand::OpenRoom {
            room: crate::clock::fresh_room_id(),
            history_base: 1,
            participants: Vec::new(),
            direct: false,
            title: None,
            bot: Some(bot()),
            chat: None,
        });
        let company = EntityId::company(principal("ann").company.clone());
        let asked = self
            .node
            .ask(company.clone(), principal("ann"), command, fresh_cid());
        match asked.await {
            Outcome::Done(Answer::Opened { room, .. }) => EntityId::room(company.company, room),
            other => panic!("not opened: {other:?}"),
        }
    }

    async fn answered(&self, room: &EntityId, who: &str) -> Outcome {
        let command = Command::Room(RoomCommand::AwaitAnswer);
        let asked = self
            .node
            .ask(room.clone(), principal(who), command, fresh_cid());
        asked.await
    }
}

both_modes! {
    async fn each_message_of_a_person_gets_one_answer(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room_with_bot().await;
        world.posted(&room, "ann", "hello").await;
        for _ in 0..3 {
            assert!(is_done(&world.answered(&room, "ann").await));
        }
        world.posted(&room, "ann", "hush").await;
        world.posted(&room, "ann", "no").await;
        world.posted(&room, "ann", "boom").await;
        world.posted(&room, "ann", "bye").await;
        assert!(is_done(&world.answered(&room, "ann").await));
        let texts: Vec<String> = world.texts(&room).await.into_iter().map(|at| at.1).collect();
        let said = ["hello", "you said hello", "hush", "no", "boom", "bye", "you said bye"];
        assert_eq!(texts, said);
        let refused = world.answered(&room, "eve").await;
        assert_eq!(refusal(&refused), ErrorCode::UnknownRoom);
        world.all_asleep().await;
    }

    async fn an_answer_survives_crashes_of_the_room_and_of_the_node(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room_with_bot().await;
        for fault in [Verdict::WriteAnswerUnknown, Verdict::DropAnswerUnknown] {
            world.posted(&room, "ann", "before").await;
            assert!(is_done(&world.answered(&room, "ann").await));
            let door = world.door();
            world.hold_commits().await;
            door.post(&room, "ann", "asked", fresh_cid(), 1);
            world.held();
            world.memory.faults().next_append(fault);
            world.release();
            door.heard(1).await;
            assert!(is_done(&world.answered(&room, "ann").await));
        }
        let texts: Vec<String> = world.texts(&room).await.into_iter().map(|at| at.1).collect();
        let once = ["before", "you said before", "asked", "you said asked"];
        assert_eq!(texts, [once, once].concat());
    }

    async fn a_turn_that_was_owed_is_taken_after_a_power_loss(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room_with_bot().await;
        world.posted(&room, "ann", "hello").await;
        // Whatever had become of the answer, it is there once afterwards.
        let reborn = world.reborn(Crash::PowerLoss).await;
        eventually("the room woke by itself", || {
            let tail = reborn.journal().tail(&room).expect("a tail");
            tail.seq == Seq(2)
        })
        .await;
        assert!(is_done(&reborn.answered(&room, "ann").await));
        let texts: Vec<String> = reborn.texts(&room).await.into_iter().map(|at| at.1).collect();
        assert_eq!(texts, ["hello", "you said hello"]);
    }

    async fn whose_role_says_bot_is_answered_like_anybody(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room_with_bot().await;
        let mut ann = Principal::clone(&principal("ann"));
        ann.role = Role::Bot;
        let ann = Arc::new(ann);
        let post = |text: &str, reply_to| {
            let command = Command::Room(RoomCommand::PostMessage {
                text: text.to_owned(),
                rich: None,
                reply_to, files: Vec::new() });
            world.node.ask(room.clone(), Arc::clone(&ann), command, fresh_cid())
        };
        post("first", None).await;
        post("second", Some(Seq(1))).await;
        assert!(is_done(&world.answered(&room, "ann").await));
        let texts: Vec<String> = world.texts(&room).await.into_iter().map(|at| at.1).collect();
        let answers = texts.iter().filter(|text| text.starts_with("you said"));
        assert_eq!(answers.count(), 2, "{texts:?}");
    }

    async fn nobody_names_a_bot_among_the_people_of_a_room(serialize: bool) {
        let world = World::new(serialize).await;
        let command = open_command(&["bot:parrot"], false);
        let company = EntityId::company(principal("ann").company.clone());
        let asked = world.node.ask(company, principal("ann"), command, fresh_cid());
        assert_eq!(refusal(&asked.await), ErrorCode::BadField);
    }
}
