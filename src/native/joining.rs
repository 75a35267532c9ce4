//! How a native connection begins and takes its places: token, `connect`, `join`, resume.
//!
//! Never: joins a room for someone whose token is not verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_actors::{Joined as EdgeJoined, Start};
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::limits::CONNECTION_ROOM_COUNT_MAX;
use frontdesk_protocol::native::{
    Answer, Connected, Done, FrameRef, Joined, Rejoined, RoomName, Since,
};
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection};
use frontdesk_storage::{EntityId, EntityKind};

use super::{refuse, reply, wire_error};
use crate::app::{App, Known};
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk, Place, join};

type Taken = Result<(Place, EdgeJoined), Rejection>;
/// A room that a frame names twice has one place.
type Resumed = Result<(Option<Place>, EdgeJoined), Rejection>;

/// A token came with the upgrade.
pub(crate) fn open(desk: &mut Desk, token: String) {
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let known = app.authenticate_socket(&token).await;
        let go_on: Continuation = Box::new(move |desk| match known {
            Ok(known) => become_known(desk, known),
            Err(why) => close_unknown(desk, &why),
        });
        go_on
    });
}

/// `connect`: proves who speaks unless the upgrade did, and resumes rooms.
pub(super) fn connect(
    codec: Codec,
    desk: &mut Desk,
    frame: Option<FrameRef>,
    token: Option<String>,
    resume: BTreeMap<RoomName, Since>,
) {
    let is_new = |name: &&RoomName| desk.room(**name).is_none();
    let room_count = desk.rooms.len() + resume.keys().filter(is_new).count();
    if room_count > CONNECTION_ROOM_COUNT_MAX {
        let why = format!("{room_count} rooms, limit {CONNECTION_ROOM_COUNT_MAX}");
        return refuse(
            codec,
            desk,
            frame,
            Rejection::because(ErrorCode::TooManyRooms, why),
        );
    }
    if token.is_none() && desk.principal().is_none() {
        let code = ErrorCode::Unauthenticated;
        return close_unknown(desk, &Rejection::new(code));
    }
    leave_first(desk, resume.keys());
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let known = match &token {
            Some(token) => Some(app.authenticate_socket(token).await),
            None => None,
        };
        match known {
            Some(Err(why)) => {
                let go_on: Continuation = Box::new(move |desk| close_unknown(desk, &why));
                go_on
            }
            known => {
                let known = known.and_then(Result::ok);
                let is_same = known
                    .as_ref()
                    .is_none_or(|known| claim(&app, &shared, known));
                let taken = if is_same {
                    resume_all(&app, &shared, resume).await
                } else {
                    vec![]
                };
                let go_on: Continuation = Box::new(move |desk| {
                    if !is_same {
                        return refuse_other_person(codec, desk, frame);
                    }
                    connected(codec, desk, frame, known, taken);
                });
                go_on
            }
        }
    });
}

/// `refresh`: a newer token of the same person.
pub(super) fn refresh(codec: Codec, desk: &mut Desk, frame: Option<FrameRef>, token: String) {
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let known = app.authenticate_socket(&token).await;
        let go_on: Continuation = Box::new(move |desk| match known {
            Ok(known) if claim(&desk.app, &desk.shared, &known) => {
                desk.expires_at = Some(known.expires_at);
                reply(codec, desk, frame, Answer::Done(Done {}));
            }
            Ok(_) => refuse_other_person(codec, desk, frame),
            Err(why) => refuse(codec, desk, frame, why),
        });
        go_on
    });
}

/// `join`.
pub(super) fn join_room(
    codec: Codec,
    desk: &mut Desk,
    frame: Option<FrameRef>,
    room: RoomName,
    since: Option<Since>,
) {
    if desk.rooms.len() >= CONNECTION_ROOM_COUNT_MAX && desk.room(room).is_none() {
        let why = format!("limit {CONNECTION_ROOM_COUNT_MAX} rooms a connection");
        return refuse(
            codec,
            desk,
            frame,
            Rejection::because(ErrorCode::TooManyRooms, why),
        );
    }
    leave_first(desk, [&room]);
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let taken = take(&app, &shared, room, since).await;
        let go_on: Continuation = Box::new(move |desk| match taken {
            Ok((place, joined)) => {
                desk.take_place(place, &joined);
                reply(codec, desk, frame, Answer::Joined(wire_joined(&joined)));
            }
            Err(why) => refuse(codec, desk, frame, why),
        });
        go_on
    });
}

/// A room that is joined again is left first: two places in it would show an event twice.
fn leave_first<'a>(desk: &mut Desk, names: impl IntoIterator<Item = &'a RoomName>) {
    for name in names {
        desk.leave(*name);
    }
}

async fn resume_all(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    resume: BTreeMap<RoomName, Since>,
) -> Vec<(RoomName, Resumed)> {
    let mut resumed: Vec<(RoomName, Resumed)> = Vec::with_capacity(resume.len());
    for (name, since) in resume {
        let entity = find(app, shared, name).await;
        let known = resumed.iter().find_map(|(_, earlier)| {
            let (_, joined) = earlier.as_ref().ok()?;
            let is_same = entity
                .as_ref()
                .is_ok_and(|entity| entity.kind == EntityKind::Room(joined.context.room));
            is_same.then(|| joined.clone())
        });
        let one = match (entity, known) {
            (Err(why), _) => Err(why),
            (Ok(_), Some(joined)) => Ok((None, joined)),
            (Ok(entity), None) => join(app, shared, &entity, Start::Since(since))
                .await
                .map(|(place, joined)| (Some(place), joined)),
        };
        resumed.push((name, one));
    }
    resumed
}

async fn take(app: &Arc<App>, shared: &Arc<Shared>, room: RoomName, since: Option<Since>) -> Taken {
    let entity = find(app, shared, room).await?;
    join(app, shared, &entity, since.into()).await
}

async fn find(app: &Arc<App>, shared: &Arc<Shared>, room: RoomName) -> Result<EntityId, Rejection> {
    let principal = shared.principal().map(Arc::clone);
    let principal = principal.ok_or_else(|| Rejection::new(ErrorCode::Unauthenticated))?;
    let found = app.node.find_room(&principal.company, room).await;
    let entity = found.map_err(|error| {
        tracing::error!(%error, "names cannot be read");
        Rejection::new(ErrorCode::Unavailable)
    })?;
    entity.ok_or_else(|| Rejection::new(ErrorCode::UnknownRoom))
}

fn connected(
    codec: Codec,
    desk: &mut Desk,
    frame: Option<FrameRef>,
    known: Option<Known>,
    taken: Vec<(RoomName, Resumed)>,
) {
    if let Some(known) = known {
        desk.expires_at = Some(known.expires_at);
    }
    let Some(principal) = desk.principal() else {
        return;
    };
    let mut rooms = BTreeMap::new();
    for (name, taken) in taken {
        let rejoined = match taken {
            Ok((place, joined)) => {
                if let Some(place) = place {
                    desk.take_place(place, &joined);
                }
                Rejoined::Joined(wire_joined(&joined))
            }
            Err(why) => Rejoined::Refused {
                error: wire_error(why),
            },
        };
        rooms.insert(name.to_string(), rejoined);
    }
    let connected = Connected {
        person: principal.person.clone(),
        role: principal.role,
        ping_ms: desk.app.limits.ping_ms,
        expires_at: desk.expires_at,
        rooms,
    };
    reply(codec, desk, frame, Answer::Connected(connected));
}

fn become_known(desk: &mut Desk, known: Known) {
    if claim(&desk.app, &desk.shared, &known) {
        desk.expires_at = Some(known.expires_at);
    }
}

/// Whether the connection is, or now becomes, this person's.
fn claim(app: &App, shared: &Arc<Shared>, known: &Known) -> bool {
    app.settle(shared, known)
        || shared.principal().is_some_and(|current| {
            let (current, newer) = (current, &known.principal);
            current.company == newer.company
                && current.person == newer.person
                && current.role == newer.role
                && known.is_of_login(shared.login())
        })
}

fn refuse_other_person(codec: Codec, desk: &Desk, frame: Option<FrameRef>) {
    let why = "the token is of another person or role: open another connection";
    refuse(
        codec,
        desk,
        frame,
        Rejection::because(ErrorCode::Forbidden, why),
    );
}

fn close_unknown(desk: &mut Desk, why: &Rejection) {
    match why.code {
        ErrorCode::Unavailable => desk.close(CloseCode::Internal, &why.message),
        _ => desk.close(CloseCode::Unauthenticated, &why.message),
    }
}

fn wire_joined(joined: &EdgeJoined) -> Joined {
    Joined {
        room: joined.context.room,
        conversation_id: joined.context.conversation,
        resume: joined.resume,
        history_id: joined.history_id,
        head: joined.head,
        marks: joined.marks.clone(),
    }
}
