//! Every socket by everybody, and every command and frame aimed at rooms that are not theirs.

use std::collections::BTreeSet;

use frontdesk_protocol::native::ClientRequest;
use serde_json::{Value, json};

use super::routes::{documented, visitor_cookie, with_query};
use super::world::Kind::{self, Admin, Agent, Ann, Bob, Eve, Hal, Host, HostAdmin, Sam, Visitor};
use super::world::{Attacker, Proof, World};
use crate::support::socket::Socket;

/// Codes that whoever has no business on a socket is closed with.
const REFUSED: [u16; 5] = [4000, 4001, 4002, 4003, 4404];
/// Whoever a company's tokens are for.
const PEOPLE: &[Kind] = &[Admin, Agent, Host, HostAdmin, Bob, Ann, Sam, Hal];

/// Those, and visitors, who have native sockets too.
const SPEAKERS: &[Kind] = &[
    Admin, Agent, Host, HostAdmin, Bob, Ann, Sam, Hal, Visitor, Eve,
];

/// The route in the document, where it is dialled, and for whom it opens all the same.
type Dialled = (&'static str, &'static str, &'static [Kind]);

const SOCKETS: &[Dialled] = &[
    // What opens for them is a connection of their own, in no room yet.
    ("/v1/ws", "/v1/ws", SPEAKERS),
    ("/ws/chat", "/ws/chat/", PEOPLE),
    ("/ws/chat", "/ws/chat/?dialect=native", SPEAKERS),
    ("/ws/chat/{conversation}", "/ws/chat/<number>/", &[Hal]),
    (
        "/ws/chat/{conversation}",
        "/ws/chat/<room>/?dialect=direct",
        &[Hal],
    ),
    (
        "/ws/chat/{conversation}",
        "/ws/chat/<number>/?dialect=crm",
        &[Hal],
    ),
    ("/ws/chat/{conversation}", "/ws/chat/<chat room>/", &[Ann]),
    // An agent's own company is their desk; to visitors it opens a chat, or theirs.
    (
        "/ws/chat/{conversation}",
        VISITED,
        &[Bob, Ann, Eve, Sam, Hal],
    ),
    (
        "/ws/chat/{company_id}/{session_id}",
        "/ws/chat/<company>/<chat>/",
        &[Ann],
    ),
    (
        "/ws/chat/{company_id}/{session_id}",
        "/ws/chat/<own>/<chat>/",
        &[Ann],
    ),
    ("/ws/agent/{agent_id}", "/ws/agent/<ann>/", &[Ann]),
    ("/ws/agents", "/ws/agents/", &[Admin, Agent, Bob, Ann]),
    (
        "/ws/handoff/{company_id}",
        "/ws/handoff/<company>/",
        &[Bob, Ann],
    ),
];

/// Whoever brings nothing that says who they are is a new visitor there.
const VISITED: &str = "/ws/chat/<company>/";

/// Native commands: their `type`, and what else is in them.
const COMMANDS: &[(&str, &str)] = &[
    (
        "connect",
        r#"{"resume": {"<room>": {"history_id": "0000000000000000", "seq": 0}}}"#,
    ),
    (
        "connect",
        r#"{"resume": {"<chat room>": {"history_id": "0000000000000000", "seq": 0}}}"#,
    ),
    ("join", r#"{"room": "<room>"}"#),
    ("join", r#"{"room": "<number>"}"#),
    ("join", r#"{"room": "<chat room>"}"#),
    (
        "join",
        r#"{"room": "<room>", "since": {"history_id": "0000000000000000", "seq": 0}}"#,
    ),
    ("leave", r#"{"room": "<room>"}"#),
    ("post_message", r#"{"room": "<room>", "text": "mine"}"#),
    ("post_message", r#"{"room": "<chat room>", "text": "mine"}"#),
    ("mark_read", r#"{"room": "<room>", "seq": 1}"#),
    ("typing", r#"{"room": "<room>", "active": true}"#),
    ("history", r#"{"room": "<room>"}"#),
    ("history", r#"{"room": "<number>"}"#),
    ("history", r#"{"room": "<chat room>", "after_seq": 0}"#),
    ("presence", r#"{"room": "<room>"}"#),
    ("refresh", r#"{"token": "<hal token>"}"#),
    (
        "upload_open",
        r#"{"room": "<room>", "name": "mine", "size": 5}"#,
    ),
    ("upload_open", r#"{"room": "<chat room>", "name": "mine"}"#),
    ("upload_resume", r#"{"upload": "<upload>"}"#),
    (
        "upload_resume",
        r#"{"upload": "<upload>", "ticket": "<hal token>"}"#,
    ),
    ("upload_cancel", r#"{"upload": "<upload>"}"#),
];

/// Frames of profiles: the socket, who has one, what is sent on it.
type Framed = (&'static str, &'static [Kind], &'static [&'static str]);

const FRAMES: &[Framed] = &[
    (
        "/ws/chat/",
        &[Admin, Agent, Host, Bob, Sam],
        &[
            r#"{"type": "chat_message", "conversation_id": <number>, "content": "mine"}"#,
            r#"{"type": "chat_message", "conversation_id": "<number>", "content": "mine"}"#,
            r#"{"type": "typing", "conversation_id": <number>, "is_typing": true}"#,
            r#"{"type": "mark_read", "conversation_id": <number>}"#,
        ],
    ),
    (
        "/ws/agents/",
        &[Admin, Agent, Bob],
        &[
            r#"{"type": "chat_message", "session_id": "<chat>", "message": "mine"}"#,
            r#"{"type": "typing", "session_id": "<chat>", "is_typing": true}"#,
            r#"{"type": "agent_join", "session_id": "<chat>"}"#,
            r#"{"type": "session_update", "session_id": "<chat>", "action": "assign"}"#,
            r#"{"type": "session_update", "session_id": "<chat>", "action": "transfer",
                "agent_id": <bob>}"#,
            r#"{"type": "session_update", "session_id": "<chat>", "action": "resolve",
                "notes": "mine"}"#,
            r#"{"type": "status_update", "status": "ASLEEP", "agent_id": <ann>}"#,
        ],
    ),
    (
        "/ws/chat/<own page>/",
        &[Visitor, Eve],
        &[
            r#"{"type": "request_file_list", "session_id": "<chat>", "company_id": "<company>"}"#,
            r#"{"type": "typing", "session_id": "<chat>", "is_typing": true}"#,
            r#"{"type": "agent_join", "session_id": "<chat>"}"#,
        ],
    ),
    (
        "/ws/chat/<own>/",
        &[Visitor, Eve],
        &[
            r#"{"type": "chat_message", "session_id": "<chat>", "message": "mine"}"#,
            r#"{"type": "typing", "session_id": "<chat>", "is_typing": true}"#,
            r#"{"type": "escalate_to_human", "session_id": "<chat>", "reason": "mine"}"#,
            r#"{"type": "agent_join", "session_id": "<chat>"}"#,
        ],
    ),
    (
        "/ws/chat/<own talk>/?dialect=crm",
        &[Host],
        &[
            r#"{"type": "read", "message_ids": ["<message>"], "conversation_id": "<number>"}"#,
            r#"{"type": "typing", "is_typing": true, "conversation_id": "<number>"}"#,
            r#"{"type": "message", "text": "mine", "conversation_id": "<number>"}"#,
        ],
    ),
];

/// What was tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) sockets: usize,
    pub(super) dials: usize,
    pub(super) commands: usize,
    pub(super) frames: usize,
}

/// What the tables say is to be tried.
pub(super) fn expected(attackers: &[Attacker]) -> Tried {
    let routes: BTreeSet<_> = SOCKETS.iter().map(|(route, _, _)| *route).collect();
    Tried {
        sockets: routes.len(),
        dials: SOCKETS.len() * attackers.len(),
        commands: ClientRequest::KINDS.len(),
        frames: FRAMES.iter().map(|(_, _, frames)| frames.len()).sum(),
    }
}

/// Dials every socket by everybody, then sends every command and frame on their own.
pub(super) async fn walk(world: &World, attackers: &[Attacker]) -> Tried {
    let found = documented(world, true).await;
    let found: BTreeSet<_> = found.iter().map(|(_, path)| path.as_str()).collect();
    let rows: BTreeSet<_> = SOCKETS.iter().map(|(route, _, _)| *route).collect();
    assert_eq!(rows, found, "each socket has a row, and each row a socket");
    let mut wrong = Vec::new();
    let mut dials = 0;
    for (_, aim, own) in SOCKETS {
        for attacker in attackers {
            dials += 1;
            wrong.extend(knock(world, aim, own, attacker).await);
        }
    }
    let mut commands = BTreeSet::new();
    for (kind, fields) in COMMANDS {
        commands.insert(*kind);
        for attacker in native(attackers) {
            wrong.extend(command(world, kind, fields, attacker).await);
        }
    }
    let known: BTreeSet<_> = ClientRequest::KINDS.iter().copied().collect();
    assert_eq!(commands, known, "each command has a row");
    let mut frames = 0;
    for (path, kinds, sent) in FRAMES {
        frames += sent.len();
        for by in attackers.iter().filter(|by| kinds.contains(&by.kind)) {
            wrong.extend(aimed_frames(world, path, sent, by).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Tried {
        sockets: rows.len(),
        dials,
        commands: commands.len(),
        frames,
    }
}

/// A socket with what this attacker has; behind it nothing was read.
pub(super) async fn dial(world: &World, path: &str, by: &Attacker) -> Socket {
    let address = world.site.address;
    let page = format!("http://{address}");
    match &by.proof {
        Proof::Nothing | Proof::Field(_) => Socket::dial(address, path, &[], &[]).await,
        Proof::Query(token) => Socket::dial(address, &with_query(path, token), &[], &[]).await,
        Proof::Bearer(token) => {
            let bearer = format!("Bearer {token}");
            Socket::dial(address, path, &[], &[("authorization", &bearer)]).await
        }
        Proof::AgentCookie(token) => {
            let cookie = format!("frontdesk_agent={token}");
            let headers = [("cookie", cookie.as_str()), ("origin", page.as_str())];
            Socket::dial(address, path, &[], &headers).await
        }
        Proof::VisitorCookie(token) => {
            let cookie = visitor_cookie(world, token);
            let headers = [("cookie", cookie.as_str()), ("origin", page.as_str())];
            Socket::dial(address, path, &[], &headers).await
        }
    }
}

/// What is wrong with how a socket opens or closes, if anything.
async fn knock(world: &World, aim: &str, own: &[Kind], by: &Attacker) -> Option<String> {
    let path = world.aimed(aim, by);
    let mut socket = dial(world, &path, by).await;
    let is_new = aim == VISITED && !matches!(by.proof, Proof::Bearer(_) | Proof::Query(_));
    // Native sockets say nothing before they are asked; others greet.
    socket.try_send(&json!({"type": "connect", "id": 1})).await;
    // Otherwise nobody would notice that nothing is let in at all.
    let is_own = own.contains(&by.kind) && matches!(by.proof, Proof::Bearer(_));
    let what = match socket.next_or_code().await {
        Err(code) if is_own => format!("is closed with {code}"),
        Err(code) if REFUSED.contains(&code) => return None,
        Err(code) => format!("is closed with {code}"),
        Ok(frame) if frame["error"]["code"] == "unauthenticated" => return None,
        Ok(frame) => match world.leak(by, &path, &frame.to_string()) {
            Some(word) => format!("leaks {word}: {frame}"),
            None if is_new || own.contains(&by.kind) => return None,
            None => format!("opens: {frame}"),
        },
    };
    Some(format!("{}: {path}: {what}", by.name))
}

/// Whoever has a native socket, once each; Ann's and Hal's rooms are their own.
fn native(attackers: &[Attacker]) -> impl Iterator<Item = &Attacker> {
    attackers.iter().filter(|by| {
        let is_bearer = matches!(by.proof, Proof::Bearer(_));
        is_bearer && SPEAKERS.contains(&by.kind) && !matches!(by.kind, Ann | Hal)
    })
}

/// What is wrong with the answer to a command, if anything.
async fn command(world: &World, kind: &str, fields: &str, by: &Attacker) -> Option<String> {
    let said = world.aimed(fields, by);
    let mut frame: Value = serde_json::from_str(&said).expect("an object");
    frame["type"] = kind.into();
    let mut socket = dial(world, "/v1/ws", by).await;
    let answer = socket.ask(frame).await;
    let is_refused = match &answer {
        Err(_) => true,
        // Each room has an answer of its own.
        Ok(done) if kind == "connect" => {
            let rooms = done["rooms"].as_object().expect("rooms");
            rooms.values().all(|room| room["error"].is_object())
        }
        // Whoever is not in a room is out of it already.
        Ok(done) => kind == "leave" && *done == json!({}),
    };
    let heard = format!("{answer:?}");
    let what = match (world.leak(by, &said, &heard), is_refused) {
        (Some(word), _) => format!("leaks {word}"),
        (None, false) => "is not refused".to_owned(),
        (None, true) => return None,
    };
    Some(format!("{}: {kind} {said}: {what}: {heard}", by.name))
}

/// What is wrong with the answers to frames, up to that to the last one, which nobody knows.
async fn aimed_frames(world: &World, path: &str, frames: &[&str], by: &Attacker) -> Option<String> {
    let chat = match by.kind {
        Eve => &world.ours.eve,
        _ => &world.theirs.ada,
    };
    let page = format!("{}/{}", world.aimed("<own>", by), chat.id);
    let talk = world.theirs.talk.number.to_string();
    let path = world
        .aimed(path, by)
        .replace("<own page>", &page)
        .replace("<own talk>", &talk);
    let mut socket = dial(world, &path, by).await;
    let mut said = String::new();
    for frame in frames {
        let frame = world.aimed(frame, by);
        said.push_str(&frame);
        let frame = serde_json::from_str(&frame).expect("an object");
        socket.try_send(&frame).await;
    }
    socket.try_send(&json!({"type": "the last one"})).await;
    loop {
        let heard = match socket.next_or_code().await {
            Ok(frame) => frame.to_string(),
            // A visitor without the right kind of proof has no socket.
            Err(code) if REFUSED.contains(&code) => return None,
            Err(code) => return Some(format!("{}: {path}: closed with {code}", by.name)),
        };
        if let Some(word) = world.leak(by, &format!("{path} {said}"), &heard) {
            return Some(format!("{}: {path}: leaks {word}: {heard}", by.name));
        }
        if heard.contains("unknown_type") && heard.contains("the last one") {
            return None;
        }
    }
}
