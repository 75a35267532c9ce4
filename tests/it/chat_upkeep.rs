//! What becomes of chats when their people go: an agent who is taken away, a visitor whose profile
//! is. And what of it stands in the audit log.

use std::time::Duration;

use frontdesk_protocol::command::Card;
use frontdesk_protocol::{CompanyId, PersonId};
use serde_json::{Value, json};

use crate::support::chats::Chat;
use crate::support::staff::{ROOT, ROOT_PASSWORD, agent, company, get, installation, post, token};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    the_chats_of_an_agent_who_is_taken_away_wait_for_another,
    what_administrators_do_to_chats_stands_in_the_audit_log,
    a_profile_that_is_taken_away_leaves_no_answers_behind,
    a_form_of_ones_own_goes_on_until_what_it_needs_is_answered,
);

/// Pause between two looks, milliseconds.
const LOOK_MS: u64 = 20;
const PENDING: &str = "/api/agent-dashboard/pending-sessions/";
const ACTIVE: &str = "/api/agent-dashboard/active-sessions/";
const CREATE_PROFILE: &str = "/api/chatbot/create-profile/";

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

/// What was done, the newest first: the act, to which account, to what else.
async fn acts(site: &Site, shop: &Shop) -> Vec<(String, Value, Value)> {
    let path = format!("/v1/companies/{}/audit", shop.id);
    let page = get(site, &path, &shop.admin, 200).await;
    let entries = page["entries"].as_array().expect("a list");
    let act = |entry: &Value| {
        let text = entry["act"].as_str().expect("text").to_owned();
        (text, entry["account"].clone(), entry["subject"].clone())
    };
    entries.iter().map(act).collect()
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

async fn what_administrators_do_to_chats_stands_in_the_audit_log(bus: Bus) {
    let site = installation(bus).await;
    let shop = shop(&site).await;
    let chat = site.chat_of(&shop.id, "visitor:1", "c1").await;
    escalated(&site, &chat).await;
    let body = json!({"session_id": "c1"});
    let accept = "/api/agent-dashboard/accept-session/";
    post(&site, accept, Some(&shop.ann), body.clone(), 200).await;
    let complete = "/api/agent-dashboard/complete-session/";
    post(&site, complete, Some(&shop.ann), body, 200).await;
    let before = acts(&site, &shop).await.len();
    escalated(&site, &chat).await;
    let mut handoff = json!({"handoff_session_id": chat.number(4), "agent_id": shop.ann_no});
    let path = "/api/human-handoff/assign/";
    post(&site, path, Some(&shop.admin), handoff.clone(), 200).await;
    handoff["notes"] = json!("done");
    let path = "/api/human-handoff/resolve/";
    post(&site, path, Some(&shop.admin), handoff, 200).await;
    let read = async || acts(&site, &shop).await;
    let log = read_until("both are noted", read, |log| log.len() >= before + 2).await;
    let expected = [
        ("chat_resolved".to_owned(), Value::Null, json!("c1")),
        ("chat_assigned".to_owned(), json!(shop.ann_no), json!("c1")),
    ];
    assert_eq!(log[..log.len() - before], expected);
    let card = json!({"name": "Vera"});
    let (status, _) = site
        .http("PUT", "/v1/users/55", Some(&shop.admin), &card)
        .await;
    assert_eq!(status, 200);
    let log = read_until("it is noted", read, |log| log.len() >= before + 3).await;
    let named = ("person_named".to_owned(), Value::Null, json!("55"));
    assert_eq!(log[0], named);
}

async fn a_profile_that_is_taken_away_leaves_no_answers_behind(bus: Bus) {
    let site = installation(bus).await;
    let shop = shop(&site).await;
    let chat = site.chat_of(&shop.id, "visitor:1", "c1").await;
    let answers = json!({"session_id": "c1", "company_id": shop.id, "session_token": chat.token,
        "name": "Ada", "phone": "9841234567", "email": "ada@x.example"});
    let kept = post(&site, CREATE_PROFILE, None, answers.clone(), 201).await;
    escalated(&site, &chat).await;
    let profiles = "/api/admin-dashboard/user-profiles";
    let path = format!("{profiles}/{}/delete/", kept["id"]);
    delete(&site, &path, &shop.admin).await;
    let dropped = ("profile_dropped".to_owned(), Value::Null, json!("1"));
    let read = async || acts(&site, &shop).await;
    read_until("it is noted", read, |log| log[0] == dropped).await;
    let status = format!(
        "/api/chatbot/session-status/?session_id=c1&company_id={}&session_token={}",
        shop.id, chat.token
    );
    let (_, status) = site.http("GET", &status, None, &Value::Null).await;
    assert!(!status.to_string().contains("Ada"), "{status}");
    let list = async || get(&site, "/api/human-handoff/sessions/", &shop.admin, 200).await;
    let has_none = |list: &Value| !list.to_string().contains("ada@x.example");
    read_until("the list forgets", list, has_none).await;
    let (company, person) = (CompanyId::new(&shop.id), PersonId::new("visitor:1"));
    let (company, person) = (company.expect("valid"), person.expect("valid"));
    let card = site.running.node().card(&company, &person).await;
    assert_eq!(card.expect("read").unwrap_or_default(), Card::default());
    // Whoever answers again has a profile again.
    let again = post(&site, CREATE_PROFILE, None, answers, 201).await;
    assert_eq!(again["id"], json!(2));
}

async fn a_form_of_ones_own_goes_on_until_what_it_needs_is_answered(bus: Bus) {
    let site = installation(bus).await;
    let shop = shop(&site).await;
    let step = |key: &str| {
        json!({"key": key, "validator": {"kind": "text", "chars_min": 1, "chars_max": 40},
            "texts": {"en": {"prompt": key, "errors": {"invalid": "No."}}}})
    };
    let form = json!({"language": "en", "steps": [step("name"), step("order_no")],
        "complete": {"en": {"text": "Thanks"}}});
    site.set(&shop.id, json!({"form": {"own": form.to_string()}}))
        .await;
    let chat = site.chat_of(&shop.id, "visitor:1", "c1").await;
    let mut said = json!({"session_id": "c1", "company_id": shop.id,
        "session_token": chat.token, "name": "Ada"});
    let kept = post(&site, CREATE_PROFILE, None, said.clone(), 200).await;
    assert_eq!(kept["name"], json!("Ada"));
    assert_eq!(kept["collecting"], json!("order_no"));
    let list = "/api/admin-dashboard/user-profiles/";
    let page = get(&site, list, &shop.admin, 200).await;
    assert_eq!(page["count"], json!(0));
    let history = format!(
        "/api/chatbot/chat-history/?session_id=c1&company_id={}&session_token={}",
        shop.id, chat.token
    );
    let (_, history) = site.http("GET", &history, None, &Value::Null).await;
    assert_eq!(history["messages"][0]["content"], json!("order_no"));
    said["order_no"] = json!(17);
    let kept = post(&site, CREATE_PROFILE, None, said, 201).await;
    assert_eq!(kept["id"], json!(1));
    let page = get(&site, list, &shop.admin, 200).await;
    assert_eq!(page["count"], json!(1));
    // Pages that send forms say it as they do.
    let form = format!(
        "session_id=c1&company_id={}&session_token={}&order_no=18&colour=red",
        shop.id, chat.token
    );
    let sent = site
        .request("POST", CREATE_PROFILE)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(sent.send().await.expect("answered").status(), 201);
}
