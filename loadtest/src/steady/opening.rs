//! Before the messages: rooms over HTTP, connections at a pace, joins.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::check::Violation;
use crate::connection::{self, Shared};
use crate::dialect::RoomTarget;
use crate::http::{HttpClient, Wanted};
use crate::load::Phase;
use crate::options::SteadyOptions;
use crate::report::Report;
use crate::token::Bearer;

/// Requests under way while rooms are made.
const ROOM_REQUESTS_MAX: usize = 16;
/// Connections on their way in at once: fills a server's accept queue, not the kernel's.
const OPENING_MAX: usize = 256;
/// A server that has not answered a step by now will not, seconds.
const STEP_SECONDS_MAX: u64 = 30;

/// The rooms of everyone: member 0 of each opens it for the others.
pub(crate) fn rooms_of(bearers: &[Bearer], member_count: usize, with_bot: bool) -> Vec<Wanted> {
    let rooms = bearers.chunks(member_count).map(|members| Wanted {
        token: members[0].token.clone(),
        others: members[1..]
            .iter()
            .map(|other| other.person.clone())
            .collect(),
        with_bot,
    });
    rooms.collect()
}

/// Makes these rooms, several at a time.
pub(crate) async fn open_rooms(
    address: SocketAddr,
    rooms: Vec<Wanted>,
) -> Result<Vec<RoomTarget>, String> {
    let opened: Vec<Option<RoomTarget>> = vec![None; rooms.len()];
    let worker_count = ROOM_REQUESTS_MAX.min(rooms.len());
    let work = Rc::new(RefCell::new((rooms.into_iter().enumerate(), opened)));
    let mut workers = JoinSet::new();
    for _ in 0..worker_count {
        let work = Rc::clone(&work);
        workers.spawn_local(async move {
            let mut client = HttpClient::connect(address).await?;
            loop {
                let next = work.borrow_mut().0.next();
                let Some((room, wanted)) = next else {
                    return Ok::<(), String>(());
                };
                let target = client.open_room(&wanted).await?;
                work.borrow_mut().1[room] = Some(target);
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    let opened = std::mem::take(&mut work.borrow_mut().1);
    let all: Option<Vec<RoomTarget>> = opened.into_iter().collect();
    Ok(all.expect("every worker ended well, so every room was made"))
}

/// Connects everyone, at the asked rate or as fast as the server lets in.
pub(crate) async fn connect(
    options: &SteadyOptions,
    shared: &Rc<Shared>,
    bearers: Vec<Bearer>,
    report: &mut Report,
) {
    report.connections = bearers.len();
    let gate = Arc::new(Semaphore::new(OPENING_MAX));
    let clock = shared.load.borrow().clock;
    let start_ns = clock.now_ns();
    for (member, bearer) in bearers.into_iter().enumerate() {
        if options.connect_rate > 0.0 {
            let due = Duration::from_secs_f64(member as f64 / options.connect_rate);
            sleep_until((clock.instant(start_ns) + due).into()).await;
        }
        let Some(permit) = permit(&gate).await else {
            break;
        };
        shared.load.borrow_mut().connections[member].permit = Some(permit);
        let task = connection::run(Rc::clone(shared), member, bearer.token);
        tokio::task::spawn_local(task);
    }
    all_done(&gate).await;
    let mut load = shared.load.borrow_mut();
    let is_in = |phase| matches!(phase, Phase::Welcome | Phase::Joined);
    report.connected = load
        .connections
        .iter()
        .filter(|one| is_in(one.phase))
        .count();
    report.connect_ns = load.welcomed_ns.saturating_sub(start_ns);
    for member in 0..load.connections.len() {
        if matches!(
            load.connections[member].phase,
            Phase::Opening | Phase::Upgraded
        ) {
            load.checker
                .broke(Violation::Refused, member, "no answer to connecting");
        }
    }
}

/// Joins everyone who is not in by connecting.
pub(crate) async fn join(shared: &Rc<Shared>, report: &mut Report) {
    let gate = Arc::new(Semaphore::new(OPENING_MAX));
    for member in 0..report.connections {
        let Some(permit) = permit(&gate).await else {
            break;
        };
        let mut load = shared.load.borrow_mut();
        if load.join(member) {
            load.connections[member].permit = Some(permit);
        }
    }
    all_done(&gate).await;
    let mut load = shared.load.borrow_mut();
    for member in 0..load.connections.len() {
        match load.connections[member].phase {
            Phase::Joined => report.joined += 1,
            Phase::Welcome => {
                load.checker
                    .broke(Violation::Refused, member, "no answer to joining")
            }
            _ => {}
        }
    }
}

async fn permit(gate: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let permit = Arc::clone(gate).acquire_owned();
    let permit = timeout(Duration::from_secs(STEP_SECONDS_MAX), permit).await;
    permit.ok()?.ok()
}

/// Waits until every step under way was answered, or will not be.
async fn all_done(gate: &Semaphore) {
    let all = gate.acquire_many(OPENING_MAX as u32);
    // The phases of the connections tell whether time ran out.
    drop(timeout(Duration::from_secs(STEP_SECONDS_MAX), all).await);
}
