//! Logins by the clock, whatever comes back: right passwords, wrong ones, names that nobody has.
//!
//! Invariant: a login's time counts from when it was due.
//! Never: waits for an answer before the next login.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use hyper::header::RETRY_AFTER;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until};

use super::accounts::Name;
use crate::clock::{self, Clock};
use crate::http::{HttpClient, LOGIN_PATH};
use crate::load::latency_histogram;
use crate::options::LoginsOptions;
use crate::steady::Target;
use crate::usage;

/// Connections at most; each login has one of its own until it is answered.
pub(super) const CONNECTION_COUNT_MAX: usize = 2_000;
/// Between two looks at the server's memory.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What is kept of unexpected answers: enough to see a pattern.
const UNEXPECTED_COUNT_MAX: usize = 20;
const NS_PER_SECOND: f64 = 1e9;

/// What is to be tried.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    address: SocketAddr,
    pid: Option<u32>,
    names: Vec<Name>,
    rate: f64,
    secs: f64,
}

impl Plan {
    pub(super) fn new(options: &LoginsOptions, target: &Target, names: Vec<Name>) -> Self {
        Self {
            address: target.address,
            pid: target.pid,
            names,
            rate: options.attempts,
            secs: options.secs,
        }
    }

    /// What is typed at an attempt: every second time a right password, else a wrong one or a name
    /// that nobody has, which cost the server the same.
    fn typed(&self, attempt: u64) -> (Value, bool) {
        let index = usize::try_from(attempt).unwrap_or(0) % self.names.len();
        let Name { email, password } = &self.names[index];
        match attempt % 4 {
            0 | 2 => (json!({"email": email, "password": password}), true),
            1 => (json!({"email": email, "password": "wrong password"}), false),
            _ => {
                let nobody = format!("nobody-{attempt}@storm.example");
                (json!({"email": nobody, "password": password}), false)
            }
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Storm {
    pub(super) attempts: u64,
    /// Right passwords that were let in.
    pub(super) logged_in: u64,
    /// Wrong ones that were not.
    pub(super) wrong: u64,
    /// Told to come again later.
    pub(super) refused: u64,
    /// Anything else.
    pub(super) unexpected: Vec<String>,
    pub(super) rss_peak_bytes: u64,
    pub(super) served_latency: Histogram<u64>,
    pub(super) refused_latency: Histogram<u64>,
    /// Served before the storm's end.
    served_in_time: u64,
    secs: f64,
}

impl Storm {
    fn new(secs: f64) -> Self {
        Self {
            attempts: 0,
            logged_in: 0,
            wrong: 0,
            refused: 0,
            unexpected: Vec::new(),
            rss_peak_bytes: 0,
            served_latency: latency_histogram(),
            refused_latency: latency_histogram(),
            served_in_time: 0,
            secs,
        }
    }

    pub(super) fn attempts_per_second(&self) -> f64 {
        self.attempts as f64 / self.secs
    }

    pub(super) fn served_per_second(&self) -> f64 {
        self.served_in_time as f64 / self.secs
    }

    /// Counts an answer.
    fn count(&mut self, answer: &Answer, is_in_time: bool) {
        match (answer.status, answer.is_right, answer.retries_after) {
            (StatusCode::OK, true, _) => self.logged_in += 1,
            (StatusCode::UNAUTHORIZED, false, _) => self.wrong += 1,
            (StatusCode::TOO_MANY_REQUESTS, _, true) => {
                self.refused += 1;
                return self.refused_latency.saturating_record(answer.latency_ns);
            }
            (status, is_right, retries_after) => {
                return self.is_unexpected(format!(
                    "{status} for a right password {is_right}, Retry-After {retries_after}"
                ));
            }
        }
        self.served_latency.saturating_record(answer.latency_ns);
        self.served_in_time += u64::from(is_in_time);
    }

    /// Looks at the server's memory.
    fn look(&mut self, pid: Option<u32>) {
        let now_bytes = pid.and_then(usage::rss_bytes).unwrap_or(0);
        self.rss_peak_bytes = self.rss_peak_bytes.max(now_bytes);
    }

    fn is_unexpected(&mut self, what: String) {
        if self.unexpected.len() < UNEXPECTED_COUNT_MAX {
            self.unexpected.push(what);
        }
    }
}

/// An answer to a login.
#[derive(Debug, Clone, Copy)]
struct Answer {
    status: StatusCode,
    /// Whether the password was right.
    is_right: bool,
    /// Whether it says when to come again.
    retries_after: bool,
    latency_ns: u64,
}

/// Runs a storm on this thread and waits for all its answers.
pub(super) fn run(plan: Plan) -> Result<Storm, String> {
    clock::sharpen_thread();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    LocalSet::new().block_on(&runtime, blow(Rc::new(plan)))
}

async fn blow(plan: Rc<Plan>) -> Result<Storm, String> {
    let clock = Clock::start();
    let storm = Rc::new(RefCell::new(Storm::new(plan.secs)));
    let is_over = Rc::new(Cell::new(false));
    let (watched, until) = (Rc::clone(&storm), Rc::clone(&is_over));
    let pid = plan.pid;
    let watch = tokio::task::spawn_local(async move {
        while !until.get() {
            watched.borrow_mut().look(pid);
            sleep(LOOK_EVERY).await;
        }
    });
    let idle = Rc::new(RefCell::new(Vec::new()));
    let mut tries = JoinSet::new();
    let attempts = (plan.secs * plan.rate) as u64;
    let end_ns = (plan.secs * NS_PER_SECOND) as u64;
    for attempt in 0..attempts {
        let due_ns = (attempt as f64 * NS_PER_SECOND / plan.rate) as u64;
        sleep_until(clock.instant(due_ns).into()).await;
        while tries.try_join_next().is_some() {}
        storm.borrow_mut().attempts += 1;
        if tries.len() >= CONNECTION_COUNT_MAX {
            let what = format!("{CONNECTION_COUNT_MAX} logins wait for an answer");
            storm.borrow_mut().is_unexpected(what);
            continue;
        }
        let (plan, storm, idle) = (Rc::clone(&plan), Rc::clone(&storm), Rc::clone(&idle));
        tries.spawn_local(async move {
            let answer = one(&plan, &idle, attempt, clock, due_ns).await;
            let mut storm = storm.borrow_mut();
            match answer {
                Ok(answer) => storm.count(&answer, clock.now_ns() <= end_ns),
                Err(why) => storm.is_unexpected(why),
            }
        });
    }
    while tries.join_next().await.is_some() {}
    is_over.set(true);
    // It only looks: it cannot have failed.
    drop(watch.await);
    Ok(storm.replace(Storm::new(0.0)))
}

/// One login, over a connection that is idle or a new one.
async fn one(
    plan: &Plan,
    idle: &RefCell<Vec<HttpClient>>,
    attempt: u64,
    clock: Clock,
    due_ns: u64,
) -> Result<Answer, String> {
    let kept = idle.borrow_mut().pop();
    let mut client = match kept {
        Some(client) => client,
        None => HttpClient::connect(plan.address).await?,
    };
    let (body, is_right) = plan.typed(attempt);
    let asked = client.exchange(Method::POST, LOGIN_PATH, "", Some(&body));
    let (head, _) = asked.await?;
    let latency_ns = clock.now_ns().saturating_sub(due_ns);
    idle.borrow_mut().push(client);
    Ok(Answer {
        status: head.status,
        is_right,
        retries_after: head.headers.contains_key(RETRY_AFTER),
        latency_ns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode, is_right: bool, retries_after: bool) -> Answer {
        Answer {
            status,
            is_right,
            retries_after,
            latency_ns: 1_000,
        }
    }

    #[test]
    fn only_what_cost_a_hash_before_the_end_is_served() {
        let mut storm = Storm::new(2.0);
        storm.count(&answer(StatusCode::OK, true, false), true);
        storm.count(&answer(StatusCode::UNAUTHORIZED, false, false), true);
        storm.count(&answer(StatusCode::UNAUTHORIZED, false, false), false);
        storm.count(&answer(StatusCode::TOO_MANY_REQUESTS, true, true), true);
        assert_eq!(storm.served_per_second(), 1.0);
        assert_eq!((storm.logged_in, storm.wrong, storm.refused), (1, 2, 1));
        assert_eq!(
            (storm.served_latency.len(), storm.refused_latency.len()),
            (3, 1)
        );
        assert!(storm.unexpected.is_empty());
    }

    #[test]
    fn a_wrong_answer_is_none_that_counts() {
        let mut storm = Storm::new(1.0);
        storm.count(&answer(StatusCode::OK, false, false), true);
        storm.count(&answer(StatusCode::UNAUTHORIZED, true, false), true);
        storm.count(&answer(StatusCode::TOO_MANY_REQUESTS, true, false), true);
        storm.count(&answer(StatusCode::INTERNAL_SERVER_ERROR, true, true), true);
        assert_eq!(storm.unexpected.len(), 4);
        assert_eq!(storm.served_per_second(), 0.0);
    }

    #[test]
    fn half_of_the_passwords_are_right() {
        let plan = Plan {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            pid: None,
            names: vec![Name {
                email: "a@b".to_owned(),
                password: "right".to_owned(),
            }],
            rate: 1.0,
            secs: 1.0,
        };
        let right = (0..100).filter(|attempt| plan.typed(*attempt).1);
        assert_eq!(right.count(), 50);
        let (body, _) = plan.typed(3);
        assert_eq!(body["email"], "nobody-3@storm.example");
        assert_eq!(plan.typed(1).0["email"], "a@b");
    }
}
