//! Some companies at work: an admin logs in, a visitor writes and is answered by the bot. Then all
//! of it falls asleep.

use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use std::time::Duration;

use super::seeding::{PASSWORD, admin};
use crate::check::Violation;
use crate::clock::Clock;
use crate::http::HttpClient;
use crate::options::CompaniesOptions;
use crate::report::Report;
use crate::server::{ROOT, ROOT_PASSWORD};
use crate::steady::Target;

/// Whatever is awake for nothing sleeps by now, nanoseconds (60 s).
const SLEEP_NS_MAX: u64 = 60_000_000_000;
/// Between two looks at what is awake.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The gauge of what is awake.
const AWAKE: &str = "frontdesk_awake_entities";

pub(super) async fn run(
    options: &CompaniesOptions,
    target: &Target,
    report: &mut Report,
) -> Result<(), String> {
    let mut client = HttpClient::connect(target.address).await?;
    report.add("awake_start_count", awake(&mut client).await?);
    // The first login takes the memory that passwords are hashed in, once for all.
    client.log_in(ROOT, ROOT_PASSWORD).await?;
    report.add("rss_idle_bytes", target.rss_bytes() as f64);
    for index in 0..options.active {
        let number = 1 + index * options.companies / options.active;
        let wrong = work(&mut client, number).await.err();
        if let Some(why) = wrong {
            report.note(Violation::Refused, format!("company {number}: {why}"));
        }
    }
    let active = awake(&mut client).await?;
    report.add("awake_active_count", active);
    report.add("rss_active_bytes", target.rss_bytes() as f64);
    if active < options.active as f64 {
        let what = format!("{active} entities awake of {} companies", options.active);
        report.note(Violation::WrongCount, what);
    }
    let clock = Clock::start();
    let mut left = active;
    while left > 0.0 && clock.now_ns() < SLEEP_NS_MAX {
        sleep(LOOK_EVERY).await;
        left = awake(&mut client).await?;
    }
    report.add("awake_after_count", left);
    report.add("rss_asleep_bytes", target.rss_bytes() as f64);
    Ok(())
}

async fn work(client: &mut HttpClient, number: u64) -> Result<(), String> {
    let token = client.log_in(&admin(number), PASSWORD).await?;
    let ok = StatusCode::OK;
    let path = "/v1/companies/me";
    let company = client.expect(Method::GET, path, &token, None, ok).await?;
    let said = json!({"company_id": company["id"], "message": "My order has not come yet"});
    let path = "/api/chatbot/chat/";
    let asked = client.expect(Method::POST, path, "", Some(&said), ok);
    let answer = asked.await?;
    match answer["session_id"].as_str() {
        Some(_) => Ok(()),
        None => Err(format!("POST {path} names no session: {answer}")),
    }
}

async fn awake(client: &mut HttpClient) -> Result<f64, String> {
    let (status, body) = client.ask(Method::GET, "/metrics", "", None).await?;
    let text = String::from_utf8_lossy(&body);
    gauge(&text, AWAKE).ok_or_else(|| format!("/metrics answered {status} without {AWAKE}"))
}

/// A gauge in the Prometheus text format, over all its labels.
fn gauge(text: &str, name: &str) -> Option<f64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_read_by_its_whole_name() {
        let text = "# HELP awake x\nawake_more 9\nawake{kind=\"a b\"} 2\nawake{kind=\"c\"} 3\nz 1";
        assert_eq!(gauge(text, "awake"), Some(5.0));
        assert_eq!(gauge(text, "z"), Some(1.0));
        assert_eq!(gauge(text, "asleep"), None);
    }
}
