//! Bots: programs that take part in rooms. A room owes each message of a person one turn (see
//! [`crate::room`]); here turns are taken: the message is read, the bot asked, its answer brought
//! back to the room.
//!
//! Owns: the [`Bot`] trait and the bounded pool of turns under way.
//!
//! Invariants: a turn ends with an answer or with a pass, or is taken again after a crash; the room
//! decides which answer counts.
//! Never: runs in an actor's turn, or asks a bot twice for a turn that is over.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::{ConversationNo, ErrorCode, PersonId, Rejection, Seq};
use frontdesk_storage::EntityId;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::bus::BusMessage;
use crate::entity::{Caller, CidBy, Command, Envelope, Outcome, ReplyTo};
use crate::node::Node;
use crate::task::{pause, spawn};

/// Turns under way on a node: more would only wait for the same backend.
const TURN_COUNT_MAX: usize = 64;
/// Pause before a bot that could not be reached is asked again, milliseconds: its place in the pool
/// is kept meanwhile, which holds the others back as well.
const TURN_RETRY_MS: u64 = 2_000;
/// How long a bot may think, milliseconds: a person has given up by then.
const TURN_MS_MAX: u64 = 60_000;

/// What a bot is asked to answer.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The room.
    pub room: EntityId,
    /// Its number within the company.
    pub conversation: ConversationNo,
    /// The message to answer.
    pub question: Message,
}

/// What a bot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotAnswer {
    /// The text; empty is nothing to say.
    pub text: String,
    /// Structured part as JSON text.
    pub rich: Option<String>,
}

/// Why a bot has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BotError {
    /// Its backend cannot be reached now: ask again.
    #[error("not now")]
    Later,
    /// It will not answer this.
    #[error("no answer")]
    Failed,
}

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<BotAnswer, BotError>> + Send>>;

/// A program that answers.
pub trait Bot: Send + Sync + 'static {
    /// What it calls itself.
    fn name(&self) -> &str;

    /// Answers one message. Called again for the same message only if nobody heard the answer.
    fn answer(&self, turn: Turn) -> Answering;
}

/// The bots of a node.
pub(crate) struct Bots {
    known: BTreeMap<PersonId, Arc<dyn Bot>>,
    turns: Semaphore,
}

impl Bots {
    pub(crate) fn new(known: BTreeMap<PersonId, Arc<dyn Bot>>) -> Self {
        Self {
            known,
            turns: Semaphore::new(TURN_COUNT_MAX),
        }
    }

    /// What a bot calls itself.
    pub(crate) fn name(&self, bot: &PersonId) -> Option<&str> {
        self.known.get(bot).map(|bot| bot.name())
    }
}

impl Node {
    /// Takes a turn of a room; the outcome of the answer goes to whoever asked.
    pub(crate) fn take_turn(self: &Arc<Self>, room: EntityId, question: Seq, reply_to: ReplyTo) {
        let node = Arc::clone(self);
        spawn(async move {
            // The pool is closed never.
            let _permit = node.bots.turns.acquire().await;
            let taken = node.ask_bot(&room, question).await;
            let command = match taken {
                Ok((bot, answer)) => RoomCommand::PostAnswer {
                    question,
                    name: Some(bot.name().into()),
                    text: answer.text,
                    rich: answer.rich,
                },
                Err(BotError::Failed) => RoomCommand::PostAnswer {
                    question,
                    name: None,
                    text: String::new(),
                    rich: None,
                },
                Err(BotError::Later) => {
                    pause(TURN_RETRY_MS).await;
                    let why = Rejection::new(ErrorCode::Unavailable);
                    return node.answer(reply_to, Outcome::Refused(why));
                }
            };
            let envelope = Envelope {
                reply_to,
                cid: crate::clock::fresh_cid(),
                named_by: CidBy::Node,
                caller: Caller::Entity(room.clone()),
                command: Command::Room(command),
            };
            node.send(BusMessage::Request(room, Arc::new(envelope)));
        });
    }

    async fn ask_bot(
        self: &Arc<Self>,
        room: &EntityId,
        question: Seq,
    ) -> Result<(Arc<dyn Bot>, BotAnswer), BotError> {
        let unreadable = |error: frontdesk_storage::Error| {
            warn!(%room, %error, "a bot's turn cannot be read");
            BotError::Later
        };
        let view = self.room_view(room).await.map_err(unreadable)?;
        let before = Seq(question.0.saturating_sub(1));
        let page = self.events_after(room, before, 1, 1).await;
        let asked = page.map_err(unreadable)?.into_iter().next();
        let Some(RoomEvent::MessagePosted(question)) = asked else {
            return Err(BotError::Failed);
        };
        if question.deleted_at.is_some() {
            return Err(BotError::Failed); // it was taken back before its turn came
        }
        let named = view.bot.as_ref().and_then(|id| self.bots.known.get(id));
        let Some(bot) = named else {
            warn!(%room, bot = ?view.bot, "nobody here is this bot");
            return Err(BotError::Failed);
        };
        let turn = Turn {
            room: room.clone(),
            conversation: view.conversation,
            question,
        };
        let limit = Duration::from_millis(TURN_MS_MAX);
        // In a task of its own: a bot that panics has failed, and nothing else has.
        let (asked, limited) = (Arc::clone(bot), Arc::clone(bot));
        let answering = spawn(async move {
            let answer = asked.answer(turn);
            tokio::time::timeout(limit, answer).await
        });
        match answering.await {
            Ok(Ok(answered)) => answered.map(|answer| (limited, answer)),
            Ok(Err(_)) | Err(_) => Err(BotError::Failed),
        }
    }
}
