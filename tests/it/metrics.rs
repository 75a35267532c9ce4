//! `/metrics`: every figure that operators are promised, under its documented name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, until};

in_both_buses!(
    every_documented_metric_is_there_and_no_other,
    what_happens_is_counted,
);

const DOCUMENT: &str = include_str!("../../docs/OPERATING.md");

fn documented() -> BTreeSet<String> {
    let rows = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `frontdesk_"));
    let names = rows.filter_map(|row| row.split('`').nth(1));
    names.map(str::to_owned).collect()
}

async fn metrics(site: &Site) -> String {
    let (status, text) = site.http_text("GET", "/metrics", None, &Value::Null).await;
    assert_eq!(status, 200);
    text
}

/// The value of an unlabelled metric, or the sum over all its labels.
fn value(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_it = series.split('{').next() == Some(name);
        is_it.then(|| value.parse::<f64>().expect("a number"))
    });
    values.sum()
}

/// Something of everything that is counted.
async fn use_it(site: &Site) {
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    ann.post(&room.id, "text").await;
    ann.events(&room.id, 1, 1).await;
    let history_id = ann.join(&room.id).await["history_id"].take();
    let since = json!({"history_id": history_id, "seq": 0});
    let again = json!({"type": "join", "room": room.id, "since": since});
    ann.ask(again).await.expect("joined");
    ann.events(&room.id, 1, 1).await;
    let refused = ann.ask(json!({"type": "dance"})).await;
    assert_eq!(refused.expect_err("unknown")["code"], "unknown_type");
    ann.close().await;
    let mut nobody = site.direct(&room, "bad").await;
    assert_eq!(nobody.closed().await.0, 4001);
    site.greeted(&room, &token_of("bob")).await.close().await;
    site.until_left().await;
}

async fn every_documented_metric_is_there_and_no_other(bus: Bus) {
    let site = Site::start(bus).await;
    use_it(&site).await;
    let text = metrics(&site).await;
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let there = kinds.filter_map(|kind| kind.split(' ').next());
    // Those of libraries and of the recorder itself would begin otherwise.
    let there: BTreeSet<String> = there.map(str::to_owned).collect();
    let documented = documented();
    assert!(documented.len() > 10, "{documented:?}");
    let missing: Vec<_> = documented.difference(&there).collect();
    let more: Vec<_> = there.difference(&documented).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
    assert!(more.is_empty(), "not documented: {more:?}");
}

async fn what_happens_is_counted(bus: Bus) {
    let site = Site::start(bus).await;
    let counted = [
        "frontdesk_deliveries_total",
        "frontdesk_replayed_events_total",
        "frontdesk_journal_appends_total",
        "frontdesk_frames_total",
        "frontdesk_frames_refused_total",
        "frontdesk_tokens_refused_total",
        "frontdesk_closes_total",
        "frontdesk_outbox_peak_bytes_count",
    ];
    let before = metrics(&site).await;
    use_it(&site).await;
    let after = metrics(&site).await;
    for name in counted {
        assert!(
            value(&after, name) > value(&before, name),
            "{name} stands still"
        );
    }
    let room = site.room(&["ann"]).await;
    let _ann = site.join("ann", &room).await;
    // Other tests have connections of their own in the same process.
    let text = metrics(&site).await;
    assert!(value(&text, "frontdesk_connections_count") >= 1.0, "{text}");
    until("an edge is counted", || site.counts().edges == 1).await;
    for path in ["token", "ann", room.id.as_str()] {
        assert!(
            !text.contains(&format!("\"{path}\"")),
            "a label holds an id: {path}"
        );
    }
}
