//! What becomes of chats when their people go: an agent who is taken away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::chats::Chat;
use crate::support::staff::{ROOT, ROOT_PASSWORD, agent, company, get, installation, post, token};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(the_chats_of_an_agent_who_is_taken_away_wait_for_another,);

/// Pause between two looks, milliseconds.
const LOOK_MS: u64 = 20;
const PENDING: &str = "/api/agent-dashboard/pending-sessions/";
const ACTIVE: &str = "/api/agent-dashboard/active-sessions/";

/// A company, its admin's token, an agent's number and token.
struct Shop {
    id: String,
    admin: String,
    ann_no: u64,
    ann: String,
}

async fn shop(site: &Site) -> Shop {
    let root = token(site, ROOT, ROOT_PASSWORD).await;
    let (id, admin) = company(site, &root, "Tesla").await;
    let (ann_no, ann) = agent(site, &admin, "ann@tesla.example").await;
    Shop {
        id,
        admin,
        ann_no,
        ann,
    }
}

async fn delete(site: &Site, path: &str, token: &str) {
    let (status, answer) = site.http("DELETE", path, Some(token), &Value::Null).await;
    assert_eq!(status, 200, "{path}: {answer}");
}

async fn escalated(site: &Site, chat: &Chat) {
    let body = json!({"session_id": chat.id, "company_id": chat.company,
        "session_token": chat.token, "reason": "a bill"});
    post(site, "/api/human-handoff/escalate/", None, body, 201).await;
}

/// What is read once it fits; looked at no oftener than one address may.
async fn read_until<T>(
    what: &str,
    mut read: impl AsyncFnMut() -> T,
    fits: impl Fn(&T) -> bool,
) -> T {
    let mut interval = tokio::time::interval(Duration::from_millis(LOOK_MS));
    let reading = async {
        loop {
            interval.tick().await;
            let found = read().await;
            if fits(&found) {
                return found;
            }
        }
    };
    soon(what, reading).await
}

/// The list once it has so many chats.
async fn counted(site: &Site, path: &str, token: &str, count: u64) -> Value {
    let read = async || get(site, path, token, 200).await;
    read_until(path, read, |page| page["count"] == json!(count)).await
}

async fn the_chats_of_an_agent_who_is_taken_away_wait_for_another(bus: Bus) {
    let site = installation(bus).await;
    let shop = shop(&site).await;
    let (_, bob) = agent(&site, &shop.admin, "bob@tesla.example").await;
    let accept = "/api/agent-dashboard/accept-session/";
    let mut chats = Vec::new();
    for number in 1..=3 {
        let (visitor, id) = (format!("visitor:{number}"), format!("c{number}"));
        let chat = site.chat_of(&shop.id, &visitor, &id).await;
        escalated(&site, &chat).await;
        let body = json!({"session_id": chat.id});
        post(&site, accept, Some(&shop.ann), body, 200).await;
        chats.push(chat);
    }
    counted(&site, ACTIVE, &shop.ann, 3).await;
    let mut visitor = site.visit(&chats[0]).await;
    let mut desk = site.desk(&format!("/ws/agents/?token={bob}")).await;
    // One of them was given to somebody else, and stays theirs.
    let (cy_no, cy) = agent(&site, &shop.admin, "cy@tesla.example").await;
    let handoff_id = chats[2].number(1);
    let assign = json!({"handoff_session_id": handoff_id, "agent_id": cy_no});
    let path = "/api/human-handoff/assign/";
    post(&site, path, Some(&shop.admin), assign, 200).await;
    assert_eq!(desk.next().await["action"], json!("transfer"));
    let remove = format!("/api/admin-dashboard/delete-agent/{}/", shop.ann_no);
    delete(&site, &remove, &shop.admin).await;
    let waiting = counted(&site, PENDING, &bob, 2).await;
    assert_eq!(waiting["sessions"][0]["agent_id"], Value::Null);
    assert_eq!(counted(&site, ACTIVE, &cy, 1).await["count"], json!(1));
    let of_ann = format!("/api/human-handoff/sessions/?agent_id={}", shop.ann_no);
    assert_eq!(get(&site, &of_ann, &shop.admin, 200).await, json!([]));
    // The visitor is told, and so are the desks.
    let left = visitor.next().await;
    assert_eq!(left, json!({"type": "agent_left", "agent_name": "Ann"}));
    assert_eq!(visitor.next().await["type"], json!("system_message"));
    loop {
        let frame = desk.next().await;
        if frame["session_id"] == json!("c1") && frame["type"] == json!("session_update") {
            assert_eq!(frame["action"], json!("escalate"));
            assert_eq!(frame["status"], json!("escalated"));
            assert_eq!(frame["agent_id"], Value::Null);
            break;
        }
    }
    let body = json!({"session_id": "c1"});
    post(&site, accept, Some(&bob), body, 200).await;
}
