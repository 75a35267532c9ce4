//! The scenario `crm`: conversations of people and a bot, a `crm` socket each, messages over HTTP
//! and over sockets in turn, a bot's answer to each.
//!
//! Owns: who posts when. Every turn of a conversation is two messages, the second right behind the
//! first's answer: one over `POST /api/user-response/`, one over the socket of the next person.
//! Invariant: a conversation's next message is posted after the last one was acknowledged, so there
//! is one right order.
//!
//! Never: looks into a frame.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::check::Violation;
use crate::connection::Shared;
use crate::http::HttpClient;
use crate::load::{Announced, Pace, latency_histogram};
use crate::options::CrmOptions;
use crate::report::{LatencyNames, Report, latency_names};
use crate::steady::{Steps, Target, bearers, flow, opening, run_steps};

/// The documented route of a message.
const POST_PATH: &str = "/api/user-response/";
const POST_NAMES: LatencyNames = latency_names!("post_latency");
/// Messages a turn.
const TURN_COUNT: f64 = 2.0;
/// A post that is not acknowledged by now will not be, seconds.
const ACK_SECONDS_MAX: u64 = 10;
/// The scenario's bars, microseconds.
const BARS: [(&str, f64); 2] = [
    ("latency_p99_us", 50_000.0),
    ("post_latency_p99_us", 200_000.0),
];

/// Runs once and reports. Violations are in the report; an error means that there is none.
pub fn run(options: &CrmOptions, target: &Target) -> Result<Report, String> {
    options.check()?;
    let connection_count = 2 * options.sockets;
    run_steps(connection_count, steps(options, target))
}

async fn steps(options: &CrmOptions, target: &Target) -> Result<Report, String> {
    let mut report = Report::default();
    report.rss_start_bytes = target.rss_bytes();
    let talking = options.talking();
    let bearers = bearers(target, options.sockets)?;
    let tokens: Vec<String> = bearers.iter().map(|one| one.token.clone()).collect();
    let rooms = opening::rooms_of(&bearers, options.members, true);
    let targets = opening::open_rooms(target.address, rooms).await?;
    let numbers: Vec<u64> = targets.iter().map(|room| room.conversation).collect();
    report.rss_rooms_bytes = target.rss_bytes();
    let steps = Steps::connect(&talking, target, bearers, targets, &mut report).await;
    steps.shared.load.borrow_mut().has_bot = true;
    if report.joined == report.connections {
        let tokens = tokens.into();
        talk(
            options,
            target,
            &steps.shared,
            &numbers,
            tokens,
            &mut report,
        )
        .await;
    }
    steps.end(target, &mut report).await;
    if options.bars {
        report.hold(&BARS);
    }
    Ok(report)
}

/// What the conversations' tasks share.
struct Talk {
    shared: Rc<Shared>,
    tokens: Rc<[String]>,
    posts: RefCell<Histogram<u64>>,
    start_ns: u64,
    end_ns: u64,
    /// Between two turns of a conversation.
    turn_ns: u64,
}

async fn talk(
    options: &CrmOptions,
    target: &Target,
    shared: &Rc<Shared>,
    numbers: &[u64],
    tokens: Rc<[String]>,
    report: &mut Report,
) {
    let clock = shared.load.borrow().clock;
    shared.load.borrow_mut().pace = Pace::Open;
    let start_ns = clock.now_ns();
    let talk = Rc::new(Talk {
        shared: Rc::clone(shared),
        tokens,
        posts: RefCell::new(latency_histogram()),
        start_ns,
        end_ns: start_ns + (options.secs * 1e9) as u64,
        turn_ns: (TURN_COUNT * numbers.len() as f64 * 1e9 / options.rate) as u64,
    });
    let cpu_before_us = target.cpu_us();
    let mut rooms = JoinSet::new();
    for (room, number) in numbers.iter().enumerate() {
        let first_ns = talk.turn_ns * room as u64 / numbers.len() as u64;
        let turns = Rc::clone(&talk).turns(room, *number, first_ns);
        rooms.spawn_local(turns);
    }
    while let Some(ended) = rooms.join_next().await {
        let ended = ended
            .map_err(|error| error.to_string())
            .and_then(|ended| ended);
        if let Err(why) = ended {
            report.note(Violation::Refused, why);
        }
    }
    report.flow_ns = clock.now_ns() - start_ns;
    report.server_cpu_us = target.cpu_us() - cpu_before_us;
    report.deliveries = shared.load.borrow().checker.delivered_count();
    flow::drain(shared, clock, options.drain_secs).await;
    let posts = talk.posts.replace(latency_histogram());
    report.further.push((POST_NAMES, posts));
}

impl Talk {
    /// One conversation's turns. An error ends them.
    async fn turns(self: Rc<Self>, room: usize, number: u64, first_ns: u64) -> Result<(), String> {
        let clock = self.shared.load.borrow().clock;
        let mut client = HttpClient::connect(self.shared.address).await?;
        let mut due_ns = self.start_ns + first_ns;
        while due_ns < self.end_ns {
            // A turn that is late because of the last one counts from when it was due.
            let is_late = clock.now_ns() > due_ns;
            sleep_until(clock.instant(due_ns).into()).await;
            let begun_ns = if is_late { due_ns } else { clock.now_ns() };
            self.post(&mut client, room, number, begun_ns).await?;
            self.say(room, clock.now_ns()).await?;
            due_ns += self.turn_ns;
        }
        Ok(())
    }

    /// Over HTTP.
    async fn post(
        &self,
        client: &mut HttpClient,
        room: usize,
        number: u64,
        begun_ns: u64,
    ) -> Result<(), String> {
        let (clock, announced) = {
            let mut load = self.shared.load.borrow_mut();
            (load.clock, load.announce(room, begun_ns))
        };
        let Announced { sender, text, .. } = announced;
        let body = json!({"message": text, "conversation_id": number.to_string()});
        let token = &self.tokens[sender];
        let asked = client.ask(Method::POST, POST_PATH, token, Some(&body));
        let (status, answer) = asked.await?;
        if status != StatusCode::CREATED {
            let answer = String::from_utf8_lossy(&answer);
            return Err(format!("POST {POST_PATH} answered {status}: {answer}"));
        }
        let latency_ns = clock.now_ns() - begun_ns;
        self.posts.borrow_mut().saturating_record(latency_ns);
        Ok(())
    }

    /// Over a socket.
    async fn say(&self, room: usize, now_ns: u64) -> Result<(), String> {
        let kept = {
            let mut load = self.shared.load.borrow_mut();
            load.post(room, now_ns);
            load.kept(room)
        };
        let limit = Duration::from_secs(ACK_SECONDS_MAX);
        let kept = timeout(limit, kept.notified()).await;
        kept.map_err(|_| format!("a post to room {room} was not acknowledged"))
    }
}
