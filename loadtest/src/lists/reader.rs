//! Reads a person's list over one connection, on a thread of its own, and times it.
//!
//! Invariant: a request that waits for an earlier one counts from when it was due.
//! Never: decides what is right.

use std::net::SocketAddr;

use hdrhistogram::Histogram;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::sleep_until;

use super::check::{Expected, Found, Page};
use crate::check::Violation;
use crate::clock::{self, Clock};
use crate::http::HttpClient;
use crate::load::latency_histogram;
use crate::options::ListsOptions;

const LIST_PATH: &str = "/api/chat/conversations/";
const COUNT_PATH: &str = "/api/chat/unread-count/";
/// What is kept of violations: enough to see a pattern.
const FOUND_COUNT_MAX: usize = 20;

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    address: SocketAddr,
    token: String,
    size: usize,
    secs: f64,
    rate: f64,
}

impl Plan {
    pub(super) fn new(options: &ListsOptions, address: SocketAddr, token: String) -> Self {
        Self {
            address,
            token,
            size: options.page,
            secs: options.secs,
            rate: options.read_rate,
        }
    }

    /// Only the walk through the whole list.
    pub(super) fn walking(mut self) -> Self {
        self.secs = 0.0;
        self
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Readings {
    /// Of the first page, of other pages, of the unread count.
    pub(super) latencies: [Histogram<u64>; 3],
    pub(super) found: Vec<Found>,
}

/// See the module's text.
pub(super) struct Reader {
    plan: Plan,
    expected: Expected,
    client: HttpClient,
    clock: Clock,
    readings: Readings,
    /// When the last answer was there; reading it is not the server's time.
    answered_ns: u64,
    chance: u64,
}

impl Reader {
    /// Walks through the list, then reads at the plan's rate. On a thread of its own.
    pub(super) fn run(plan: Plan, expected: Expected) -> Result<Readings, String> {
        clock::sharpen_thread();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        LocalSet::new().block_on(&runtime, async {
            let mut reader = Self {
                client: HttpClient::connect(plan.address).await?,
                plan,
                expected,
                clock: Clock::start(),
                readings: Readings {
                    latencies: std::array::from_fn(|_| latency_histogram()),
                    found: Vec::new(),
                },
                answered_ns: 0,
                chance: 1,
            };
            let pages = reader.walk().await?;
            reader.read(&pages).await?;
            Ok(reader.readings)
        })
    }

    fn note(&mut self, found: Option<Found>) {
        let has_room = self.readings.found.len() < FOUND_COUNT_MAX;
        self.readings.found.extend(found.filter(|_| has_room));
    }

    async fn get(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let token = &self.plan.token;
        let asked = self.client.ask(Method::GET, path, token, None);
        let (status, body) = asked.await?;
        self.answered_ns = self.clock.now_ns();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            self.note(Some((
                Violation::Refused,
                format!("{path}: {status} {text}"),
            )));
        }
        Ok(body.to_vec())
    }

    async fn page(&mut self, path: &str) -> Result<Option<Page>, String> {
        let body = self.get(path).await?;
        let page = Page::parse(&body);
        let found = match &page {
            Some(page) => self.expected.check_page(page, self.plan.size),
            None => Some((Violation::WrongList, format!("{path} is no page"))),
        };
        self.note(found);
        Ok(page)
    }

    async fn count(&mut self) -> Result<(), String> {
        let body = self.get(COUNT_PATH).await?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let found = match body["unread_count"].as_u64() {
            Some(unread) => self.expected.check_count(unread),
            None => Some((Violation::WrongCount, format!("no count: {body}"))),
        };
        self.note(found);
        Ok(())
    }

    fn first_path(&self) -> String {
        format!("{LIST_PATH}?limit={}", self.plan.size)
    }

    /// Reads every page once, and the count; the paths of all pages but the first.
    async fn walk(&mut self) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        let mut entries = Vec::new();
        let mut next = Some(self.first_path());
        while let Some(path) = next {
            let Some(page) = self.page(&path).await? else {
                break;
            };
            paths.push(path);
            entries.extend(page.entries);
            next = page.next;
        }
        self.note(self.expected.check_walk(&entries));
        self.count().await?;
        Ok(paths.into_iter().skip(1).collect())
    }

    /// Reads the first page, another page and the count, round after round.
    async fn read(&mut self, others: &[String]) -> Result<(), String> {
        let start_ns = self.clock.now_ns();
        let end_ns = start_ns + (self.plan.secs * 1e9) as u64;
        // Each of the three has a third of a round.
        let step_ns = (1e9 / self.plan.rate / 3.0) as u64;
        let mut due_ns = start_ns;
        let mut step = 0;
        while due_ns < end_ns {
            let is_late = self.clock.now_ns() > due_ns;
            sleep_until(self.clock.instant(due_ns).into()).await;
            let begun_ns = match is_late {
                true => due_ns,
                false => self.clock.now_ns(),
            };
            match step {
                0 => drop(self.page(&self.first_path()).await?),
                1 => {
                    if let Some(path) = self.choose(others) {
                        self.page(&path).await?;
                    }
                }
                _ => self.count().await?,
            }
            let latency_ns = self.answered_ns.saturating_sub(begun_ns);
            self.readings.latencies[step].saturating_record(latency_ns);
            step = (step + 1) % 3;
            due_ns += step_ns;
        }
        Ok(())
    }

    /// Some page, another each time (a xorshift).
    fn choose(&mut self, paths: &[String]) -> Option<String> {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let at = self.chance.checked_rem(paths.len() as u64)?;
        paths.get(at as usize).cloned()
    }
}
