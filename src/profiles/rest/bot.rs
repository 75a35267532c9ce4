//! Talking to a bot over HTTP alone, as `crm` clients do: say something, fetch the answer, and the
//! prompts to begin with.
//!
//! Whichever way a message came, the room owes it one answer; fetching it waits for that one.
//!
//! Never: asks a bot by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, MessagesFrom};
use frontdesk_protocol::command::{Role, RoomCommand};
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::native::{PageFrom, RoomName};
use frontdesk_protocol::{ErrorCode, MessageNo, Seq};
use frontdesk_storage::EntityId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::opening::{Opening, open_room};
use super::place::{Place, enter, fault};
use crate::app::{App, Known};
use crate::http::openapi::BehindToken;
use crate::http::rooms::Naming;
use crate::http::schemas::ConversationNumberSchema;
use crate::http::{ApiError, Authenticated, ErrorBody, JsonBody};
use crate::profiles::wire::{ConversationRef, FileRef};

/// A message to the bot, characters: what these clients' own server takes.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Title of a conversation made of its first message, characters.
const TITLE_CHARS: usize = 50;
/// Messages and events that are read at once to find a question and its answer.
const PAGE_COUNT: usize = 100;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(user_response))
        .routes(routes!(bot_response))
        .routes(routes!(bot_prompts))
}

/// What a person says to the bot.
#[derive(Deserialize, ToSchema)]
struct UserResponse {
    /// The text.
    #[schema(max_length = 1_000)]
    message: Option<String>,
    /// The conversation, as text or number; a new one if it is absent.
    #[schema(value_type = Option<ConversationNumberSchema>)]
    conversation_id: Option<ConversationRef>,
    /// A file that was uploaded before, as text or number.
    #[schema(value_type = Option<u64>)]
    attachment_id: Option<FileRef>,
}

/// Where it was said.
#[derive(Serialize, ToSchema)]
struct UserResponded {
    conversation_id: String,
    message_id: String,
}

/// Says something, in a new conversation with the bot or in one there is.
#[utoipa::path(
    post,
    path = "/api/user-response",
    tag = "bot",
    operation_id = "bot_user_response",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = UserResponse,
    responses(
        (status = 201, description = "said", body = UserResponded),
        (status = 400, description = "the body or a header does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 409, description = "it is full, or the key was used", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn user_response(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    headers: HeaderMap,
    JsonBody(said): JsonBody<UserResponse>,
) -> Result<Response, ApiError> {
    let naming = Naming::of(&principal, &headers)?;
    let files: Vec<_> = said.attachment_id.iter().map(|file| file.0).collect();
    let text = checked(said.message.unwrap_or_default(), !files.is_empty())?;
    let name = match said.conversation_id {
        Some(ConversationRef(name)) => name,
        None => {
            let opening = Opening {
                participants: Vec::new(),
                direct: false,
                title: title_of(&text),
                with_bot: true,
            };
            RoomName::Id(open_room(&app, &principal, &naming, opening).await?.room)
        }
    };
    let place = enter(&app, &principal, name).await?;
    let command = RoomCommand::PostMessage {
        text,
        rich: None,
        reply_to: None,
        files,
    };
    let answer = place.ask(&app, &principal, command, naming.cid).await;
    let answer = answer.map_err(of_attachment)?;
    let Answer::Posted { seq, .. } = answer else {
        return Err(ApiError::new(ErrorCode::Unavailable));
    };
    let number = MessageNo::new(place.conversation, seq);
    let body = UserResponded {
        conversation_id: place.conversation.to_string(),
        message_id: number.map_or(0, |number| number.0).to_string(),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// A conversation is called as its first message begins.
fn title_of(text: &str) -> Option<String> {
    let title: String = text.trim().chars().take(TITLE_CHARS).collect();
    (!title.is_empty()).then_some(title)
}

/// A file that cannot be attached is said of the field.
pub(super) fn of_attachment(error: ApiError) -> ApiError {
    match error.code() {
        ErrorCode::NotFound => {
            let why = error.to_string();
            ApiError::because(ErrorCode::BadField, why).of_field("attachment_id")
        }
        _ => error,
    }
}

/// The words of the clients' own server.
fn checked(text: String, has_file: bool) -> Result<String, ApiError> {
    let refuse = |code, why: String| Err(ApiError::because(code, why).of_field("message"));
    if !has_file && !frontdesk_protocol::visible::has_visible(&text) {
        return refuse(
            ErrorCode::TextEmpty,
            "This field may not be blank.".to_owned(),
        );
    }
    if text.chars().count() > MESSAGE_CHARS_MAX {
        let why = format!("Ensure this field has no more than {MESSAGE_CHARS_MAX} characters.");
        return refuse(ErrorCode::TextTooLong, why);
    }
    Ok(text)
}

/// The conversation whose answer is wanted.
#[derive(Deserialize, ToSchema)]
struct WantedAnswer {
    /// As text or number.
    #[schema(value_type = ConversationNumberSchema)]
    conversation_id: ConversationRef,
}

/// The bot's answer.
#[derive(Serialize, ToSchema)]
struct BotResponded {
    message: String,
}

/// The bot's answer to the last message of a person; the same one however often it is asked for.
#[utoipa::path(
    post,
    path = "/api/bot-response",
    tag = "bot",
    operation_id = "bot_bot_response",
    security(("bearer" = [])),
    request_body = WantedAnswer,
    responses(
        (status = 200, description = "the answer", body = BotResponded),
        (status = 400, description = "nothing was asked, or not so", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation, or no answer", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn bot_response(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    JsonBody(wanted): JsonBody<WantedAnswer>,
) -> Result<Json<BotResponded>, ApiError> {
    let place = enter(&app, &principal, wanted.conversation_id.0).await?;
    // Before the wait: whatever is said meanwhile has an answer of its own.
    let question = last_question(&app, &place).await?.ok_or_else(|| {
        let why = "There is no message to answer in this conversation.";
        ApiError::because(ErrorCode::BadField, why)
    })?;
    let command = RoomCommand::AwaitAnswer;
    place.ask(&app, &principal, command, fresh_cid()).await?;
    let answer = answer_to(&app, &place.entity, question)
        .await?
        .ok_or_else(|| {
            let why = "The bot has no answer to this.";
            ApiError::because(ErrorCode::NotFound, why)
        })?;
    Ok(Json(BotResponded {
        message: answer.text.to_string(),
    }))
}

/// The last message of a person, if there is one. Answers may come behind many questions.
async fn last_question(app: &Arc<App>, place: &Place) -> Result<Option<Seq>, ApiError> {
    let mut skip = 0;
    loop {
        let newest = MessagesFrom::Newest { skip };
        let page = app.node.messages(&place.entity, newest, PAGE_COUNT).await;
        let page = page.map_err(fault)?;
        let mut newest_first = page.messages.iter().rev();
        let question = newest_first.find(|found| found.author.role != Role::Bot);
        skip += PAGE_COUNT as u64;
        if question.is_some() || skip >= page.total {
            return Ok(question.map(|found| found.seq));
        }
    }
}

/// What the bot said to a message; `None` when it passed.
pub(in crate::profiles) async fn answer_to(
    app: &Arc<App>,
    room: &EntityId,
    question: Seq,
) -> Result<Option<Message>, ApiError> {
    let mut after = question;
    loop {
        let from = PageFrom::After(after);
        let page = app.node.history(room, from, PAGE_COUNT).await;
        let page = page.map_err(fault)?;
        let last = page.events.iter().filter_map(RoomEvent::seq).max();
        let answer = page.events.into_iter().find_map(|event| match event {
            RoomEvent::MessagePosted(message) => {
                let is_answer =
                    message.author.role == Role::Bot && message.reply_to == Some(question);
                is_answer.then_some(message)
            }
            _ => None,
        });
        match last.filter(|_| answer.is_none() && page.more) {
            Some(last) => after = last,
            None => return Ok(answer),
        }
    }
}

/// A way to begin.
#[derive(Serialize, ToSchema)]
struct PromptBody {
    id: u64,
    title: String,
    text: String,
    order: i64,
}

/// The prompts to begin a conversation with.
#[utoipa::path(
    get,
    path = "/api/bot-prompts",
    tag = "bot",
    operation_id = "bot_bot_prompts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "those that are offered, in their order",
         body = Vec<PromptBody>),
        BehindToken,
    ),
)]
async fn bot_prompts(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
) -> Result<Json<Vec<PromptBody>>, ApiError> {
    let prompts = app.node.prompts(&principal.company).await.map_err(fault)?;
    let body = prompts.into_iter().map(|prompt| PromptBody {
        id: prompt.id,
        title: prompt.title,
        text: prompt.text,
        order: prompt.order,
    });
    Ok(Json(body.collect()))
}
