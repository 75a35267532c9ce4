//! Reads pages of the lists of companies, of admins and of accounts, and times them.
//!
//! Invariant: a request that waits for an earlier one counts from when it was due.

use hdrhistogram::Histogram;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::sleep_until;

use crate::check::Violation;
use crate::clock::{self, Clock};
use crate::http::HttpClient;
use crate::load::latency_histogram;
use crate::options::CompaniesOptions;
use crate::report::{LatencyNames, Report, latency_names};
use crate::server::{ROOT, ROOT_PASSWORD};
use crate::steady::Target;

const NAMES: [LatencyNames; 3] = [
    latency_names!("companies_page"),
    latency_names!("admins_page"),
    latency_names!("accounts_page"),
];
/// Entries of a page, as many as each list gives.
const PAGE_COUNT: u64 = 100;

pub(super) async fn run(
    options: &CompaniesOptions,
    target: &Target,
    report: &mut Report,
) -> Result<(), String> {
    clock::sharpen_thread();
    let mut client = HttpClient::connect(target.address).await?;
    let token = client.log_in(ROOT, ROOT_PASSWORD).await?;
    let ids = walk(&mut client, &token).await?;
    let wanted = options.companies + 1; // and the company of every load
    if ids.len() as u64 != wanted {
        let what = format!("{} companies of {wanted}", ids.len());
        report.note(Violation::WrongList, what);
    }
    let reader = Reader {
        account_count: options.agents + 1,
        ids,
    };
    let mut latencies: [Histogram<u64>; 3] = std::array::from_fn(|_| latency_histogram());
    let clock = Clock::start();
    let step_ns = (1e9 / options.read_rate / NAMES.len() as f64) as u64;
    let end_ns = (options.secs * 1e9) as u64;
    for step in 0..end_ns / step_ns.max(1) {
        let due_ns = step * step_ns;
        let is_late = clock.now_ns() > due_ns;
        sleep_until(clock.instant(due_ns).into()).await;
        let begun_ns = if is_late { due_ns } else { clock.now_ns() };
        let list = (step % 3) as usize;
        let page = reader.page(list, step);
        let (status, body) = client.ask(Method::GET, &page.path, &token, None).await?;
        let latency_ns = clock.now_ns() - begun_ns;
        latencies[list].saturating_record(latency_ns);
        if let Some(what) = page.check(status, &body) {
            report.note(Violation::WrongList, what);
        }
    }
    for (names, latency) in NAMES.into_iter().zip(latencies) {
        report.further.push((names, latency));
    }
    Ok(())
}

/// The ids of all companies, page after page, in the order they were made.
async fn walk(client: &mut HttpClient, token: &str) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    let mut after = Some(0);
    while let Some(last) = after {
        let path = format!("/v1/companies?limit={PAGE_COUNT}&after={last}");
        let asked = client.expect(Method::GET, &path, token, None, StatusCode::OK);
        let page = asked.await?;
        let entries = page["companies"].as_array().into_iter().flatten();
        ids.extend(entries.filter_map(|entry| entry["id"].as_str().map(str::to_owned)));
        after = page["next"].as_u64().filter(|next| *next > last);
    }
    Ok(ids)
}

struct Reader {
    ids: Vec<String>,
    account_count: u64,
}

/// A page that is asked for, and what must be on it.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    path: String,
    key: &'static str,
    entry_count: u64,
}

impl Reader {
    /// Some page of a list, another at each step.
    fn page(&self, list: usize, step: u64) -> Page {
        let count = self.ids.len() as u64;
        let page_count = count.div_ceil(PAGE_COUNT).max(1);
        let chance = scatter(step);
        let page = chance % page_count;
        let from = page * PAGE_COUNT;
        let entry_count = PAGE_COUNT.min(count - from);
        match list {
            0 => Page {
                path: format!("/v1/companies?limit={PAGE_COUNT}&after={from}"),
                key: "companies",
                entry_count,
            },
            1 => Page {
                path: format!(
                    "/api/auth/list-admins/?page={}&page_size={PAGE_COUNT}",
                    page + 1
                ),
                key: "results",
                entry_count,
            },
            _ => {
                // The last is the company of every load, which has no accounts.
                let index = chance % (count - 1).max(1);
                let id = &self.ids[index as usize];
                Page {
                    path: format!("/v1/companies/{id}/accounts?limit={PAGE_COUNT}"),
                    key: "accounts",
                    entry_count: self.account_count,
                }
            }
        }
    }
}

impl Page {
    /// What is wrong with an answer.
    fn check(&self, status: StatusCode, body: &[u8]) -> Option<String> {
        let Self {
            path,
            key,
            entry_count,
        } = self;
        if status != StatusCode::OK {
            return Some(format!("{path} answered {status}"));
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let found = body[*key]
            .as_array()
            .map_or(0, |entries| entries.len() as u64);
        (found != *entry_count).then(|| format!("{path} has {found} of {entry_count}"))
    }
}

/// Spreads numbers over all others (the finish of splitmix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(count: usize) -> Reader {
        Reader {
            ids: (0..count).map(|number| format!("COM{number:03}")).collect(),
            account_count: 11,
        }
    }

    #[test]
    fn pages_are_within_the_list_and_know_their_size() {
        let reader = reader(150);
        for step in 0..100 {
            let page = reader.page(0, step);
            let is_last = page.path.ends_with("after=100");
            assert_eq!(page.entry_count, if is_last { 50 } else { 100 });
            assert!(is_last || page.path.ends_with("after=0"), "{}", page.path);
            assert!(!reader.page(2, step).path.contains("COM149"));
        }
    }

    #[test]
    fn a_page_that_is_refused_or_short_is_wrong() {
        let page = reader(2).page(0, 1);
        assert_eq!(page.entry_count, 2);
        let full = br#"{"companies": [{}, {}]}"#;
        assert_eq!(page.check(StatusCode::OK, full), None);
        assert!(
            page.check(StatusCode::OK, br#"{"companies": [{}]}"#)
                .is_some()
        );
        assert!(page.check(StatusCode::FORBIDDEN, full).is_some());
    }
}
