//! Files in frames: `file_message` with its bytes in base64, small ones in a frame that was read
//! whole, large ones as they come.
//!
//! Invariants: decoded bytes go to a spill, and no more is read from the socket while they are
//! written; of a file that is not said in the room nothing is kept; the socket goes on whatever
//! becomes of a file.
//! Never: believes a name or a size.

use std::future::Future;
use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Command, Outcome};
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::{ErrorCode, FileNo, Rejection};
use frontdesk_storage::EntityId;
use serde_json::Value;

use super::scan::{Flaw, Scanner};
use crate::app::App;
use crate::profiles::chat::{self, COMMAND_OVERHEAD_BYTES, Fields};
use crate::profiles::rest::place::check_length;
use crate::uploads::{Door, Holder, Source, Spill, Whole};
use crate::ws::desk::{Continuation, Desk};

/// Decoded bytes that are written at once.
const WRITE_BYTES: usize = 192 * 1024;
/// What these clients are told who send no file.
const NO_FILE: &str = "File data and filename are required";

/// A large frame that is being read.
#[derive(Default)]
pub(crate) struct Inline {
    scanner: Scanner,
    spill: Option<Spill>,
    bytes: u64,
    /// Why its file is not taken, if it is not.
    refused: Option<Rejection>,
}

/// A file, and what is said with it.
struct Said {
    name: String,
    text: String,
}

/// A piece of a large frame came.
pub(super) fn piece(desk: &mut Desk, piece: &[u8], is_last: bool) {
    let mut inline = desk.inline.take().unwrap_or_default();
    inline.scanner.feed(piece);
    inline.check_size(desk);
    if is_last {
        return end(desk, *inline);
    }
    if inline.scanner.decoded_bytes() < WRITE_BYTES {
        desk.inline = Some(inline);
        return;
    }
    let app = Arc::clone(&desk.app);
    let Some(who) = desk.principal() else { return };
    desk.start(async move {
        inline.write(&app, &who).await;
        let go_on: Continuation = Box::new(move |desk| desk.inline = Some(inline));
        go_on
    });
}

/// A frame turned out to be larger than any that is read.
pub(super) fn give_up(desk: &mut Desk) {
    desk.inline = None;
    let why = ErrorCode::FileTooLarge;
    chat::refuse(desk, why, why.text());
}

impl Inline {
    fn check_size(&mut self, desk: &Desk) {
        let Some(who) = desk.principal() else { return };
        let decoded = self.bytes + self.scanner.decoded_bytes() as u64;
        let limit = desk.app.uploads.size_max_at_hand(&who, Door::Direct);
        if decoded > limit && self.refused.is_none() {
            let why = format!("file too large, limit {limit} bytes");
            self.refused = Some(Rejection::because(ErrorCode::FileTooLarge, why));
        }
        if self.refused.is_some() {
            self.spill = None;
            drop(self.scanner.take_decoded());
        }
    }

    /// Writes what was decoded.
    async fn write(&mut self, app: &App, who: &Principal) {
        let bytes = self.scanner.take_decoded();
        if self.refused.is_some() || bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u64;
        let written = async {
            let spill = match &mut self.spill {
                Some(spill) => spill,
                None => self.spill.insert(place(app, who).await?),
            };
            app.uploads.spill_on(spill, &bytes).await
        };
        if let Err(why) = written.await {
            self.refused = Some(why);
        }
    }
}

/// A large frame is over.
fn end(desk: &mut Desk, mut inline: Inline) {
    let flaw = inline.scanner.flaw();
    if flaw == Some(Flaw::NoJson) {
        return chat::refuse(desk, ErrorCode::BadFrame, "Invalid JSON");
    }
    super::narrow(desk, &inline.scanner.kind);
    if inline.scanner.kind != "file_message" {
        let why = ErrorCode::FrameTooLarge;
        return chat::refuse(desk, why, why.text());
    }
    if !inline.scanner.has_file || inline.scanner.name.is_empty() {
        return chat::refuse(desk, ErrorCode::BadField, NO_FILE);
    }
    match flaw {
        Some(Flaw::LongText) => {
            let why = ErrorCode::TextTooLong;
            return chat::refuse(desk, why, why.text());
        }
        Some(_) => return no_base64(desk),
        None => {}
    }
    let said = Said {
        name: std::mem::take(&mut inline.scanner.name),
        text: std::mem::take(&mut inline.scanner.message),
    };
    let (app, name) = (Arc::clone(&desk.app), said.name);
    let Some(who) = desk.principal() else { return };
    say(desk, said.text, async move {
        inline.write(&app, &who).await;
        match (inline.refused, inline.spill) {
            (Some(why), _) => Err(why),
            (None, Some(spill)) => take(&app, &who, name, spill).await,
            (None, None) => Err(Rejection::because(ErrorCode::BadField, NO_FILE)),
        }
    });
}

fn no_base64(desk: &Desk) {
    chat::refuse(desk, ErrorCode::BadField, "File data is not valid base64");
}

/// A small frame with a file came.
pub(super) fn message(desk: &mut Desk, fields: &Fields) {
    let text = |key: &str| {
        let text = fields.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let (Some(file), Some(name)) = (text("file"), text("filename")) else {
        return chat::refuse(desk, ErrorCode::BadField, NO_FILE);
    };
    let mut scanner = Scanner::default();
    scanner.feed(b"{\"file\":\"");
    // Lines that are ended in it say nothing.
    let lines = file.split(['\r', '\n']);
    lines.for_each(|line| scanner.feed(line.as_bytes()));
    scanner.feed(b"\"}");
    if scanner.flaw().is_some() {
        return no_base64(desk);
    }
    let said = Said {
        name: name.to_owned(),
        text: text("message").unwrap_or_default().to_owned(),
    };
    let (app, bytes) = (Arc::clone(&desk.app), scanner.take_decoded());
    let name = said.name;
    let Some(who) = desk.principal() else { return };
    say(desk, said.text, async move {
        let mut spill = place(&app, &who).await?;
        app.uploads.spill_on(&mut spill, &bytes).await?;
        take(&app, &who, name, spill).await
    });
}

async fn place(app: &App, who: &Principal) -> Result<Spill, Rejection> {
    let holder = Holder::Person(who.company.clone(), who.person.clone());
    let limit_bytes = app.uploads.size_max_at_hand(who, Door::Direct);
    app.uploads.spill(holder, limit_bytes).await
}

async fn take(
    app: &Arc<App>,
    who: &Arc<Principal>,
    name: String,
    mut spill: Spill,
) -> Result<StoredFile, Rejection> {
    let door = Door::Direct;
    let counted = app.rates.take_upload(who, door);
    counted.map_err(|_| Rejection::new(ErrorCode::RateLimited))?;
    app.uploads.spilled(&mut spill).await?;
    let whole = Whole {
        name,
        mime: String::new(),
    };
    let source = Source::Spill(spill);
    app.uploads.take_whole(who, door, whole, source).await
}

/// Takes a file in and says it in the room, unless no room takes what is said with it.
fn say(
    desk: &mut Desk,
    text: String,
    taking: impl Future<Output = Result<StoredFile, Rejection>> + Send + 'static,
) {
    if let Err(why) = check_length(&text) {
        return chat::refuse(desk, why.code, &why.message);
    }
    let (Some(room), Some(who)) = (chat::own_room(desk), desk.principal()) else {
        return;
    };
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let go_on: Continuation = match taking.await {
            Ok(file) => post(&app, (room, &who), text, file.shared.no).await,
            Err(why) => Box::new(move |desk| chat::refuse(desk, why.code, &why.message)),
        };
        go_on
    });
}

/// Says a file in the room. One that cannot be said there is taken away again; where the room takes
/// nothing now it is asked later, as with any message.
async fn post(
    app: &Arc<App>,
    (room, who): (EntityId, &Arc<Principal>),
    text: String,
    no: FileNo,
) -> Continuation {
    let weight_bytes = text.len() + COMMAND_OVERHEAD_BYTES;
    let command = Command::Room(RoomCommand::PostMessage {
        text,
        rich: None,
        reply_to: None,
        files: vec![no],
    });
    let (to, by, asked) = (room.clone(), Arc::clone(who), command.clone());
    let outcome = app.node.ask(to, by, asked, fresh_cid()).await;
    match &outcome {
        Outcome::Refused(why) if matches!(why.code, ErrorCode::Busy | ErrorCode::Unavailable) => {
            return Box::new(move |desk| desk.submit(None, room, command, None, weight_bytes));
        }
        Outcome::Refused(_) => app.uploads.drop_waiting(&who.company, no).await,
        // Where nothing is known, it may have been said.
        Outcome::Done(_) | Outcome::Unknown => {}
    }
    Box::new(move |desk| chat::answered(desk, &outcome))
}
