//! The start pages of those who serve visitors, the ways in and out that agents' pages know, and
//! what becomes of a request that names another company than its proof.

use serde_json::{Value, json};

use crate::support::chats::{Company, site_of, staffed, waiting};
use crate::support::staff::{get, post, text};
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, in_both_buses, soon};

in_both_buses!(
    a_start_page_counts_and_shows_what_is_to_be_done,
    what_happened_is_told_the_latest_first,
    agents_ask_for_their_own_and_admins_for_anybodys,
    agents_log_in_and_out_by_the_routes_of_their_pages,
    an_agent_says_something_by_either_route,
    another_company_in_a_query_is_refused_and_not_overlooked,
    another_company_in_a_body_is_refused_and_not_overlooked,
);

const BOARD: &str = "/api/human-handoff/dashboard/";
const ACTIVITIES: &str = "/api/human-handoff/activities/";
const SESSIONS: &str = "/api/admin-dashboard/agent-sessions/";
const PROFILE: &str = "/api/agent-dashboard/profile/";

/// What a route answers once it says so: lists are fed behind the answers.
async fn until(site: &Site, path: &str, token: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let found = get(site, path, token, 200).await;
            if is_there(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the lists have it", found).await
}

async fn take(site: &Site, agent: &str, session: &str) {
    let body = json!({"session_id": session});
    let path = "/api/agent-dashboard/accept-session/";
    post(site, path, Some(agent), body, 200).await;
}

/// Chats of a company: one waits, Ann has one, Bob is done with one.
async fn busy(site: &Site, tesla: &Company) {
    for id in ["TES001_done", "TES001_anns", "TES001_waits"] {
        waiting(site, tesla, id).await.1.close().await;
    }
    take(site, &tesla.bob.1, "TES001_done").await;
    let path = "/api/agent-dashboard/complete-session/";
    let body = json!({"session_id": "TES001_done", "notes": "paid"});
    post(site, path, Some(&tesla.bob.1), body, 200).await;
    take(site, &tesla.ann.1, "TES001_anns").await;
    let is_there = |board: &Value| {
        board["pending_sessions"] == 1
            && board["active_sessions"] == 1
            && board["resolved_sessions"] == 1
    };
    until(site, BOARD, &tesla.admin, is_there).await;
}

fn names(list: &Value) -> Vec<&str> {
    let entries = list["sessions"].as_array().expect("a list").iter();
    let name = |entry: &Value| entry["chat_session"]["session_id"].as_str().map(str::len);
    entries
        .inspect(|entry| assert!(name(entry).is_some(), "{entry}"))
        .filter_map(|entry| entry["chat_session"]["session_id"].as_str())
        .collect()
}

async fn a_start_page_counts_and_shows_what_is_to_be_done(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    busy(&site, &tesla).await;
    let board = get(&site, BOARD, &tesla.admin, 200).await;
    assert_eq!(board["total_sessions"], 3);
    assert_eq!(names(&board), ["TES001_waits", "TES001_anns"]);
    let anns = get(&site, BOARD, &tesla.ann.1, 200).await;
    assert_eq!(names(&anns), ["TES001_waits", "TES001_anns"]);
    assert_eq!(
        (&anns["active_sessions"], &anns["resolved_sessions"]),
        (&json!(1), &json!(0))
    );
    let bobs = get(&site, BOARD, &tesla.bob.1, 200).await;
    assert_eq!(names(&bobs), ["TES001_waits"]);
    // Who runs the installation says for whom.
    get(&site, BOARD, &root, 400).await;
    let named = format!("{BOARD}?company_id={}", tesla.id);
    assert_eq!(get(&site, &named, &root, 200).await, board);
    let spacex = staffed(&site, &root, "SpaceX").await;
    let empty = get(&site, BOARD, &spacex.admin, 200).await;
    assert_eq!(
        (&empty["total_sessions"], &empty["sessions"]),
        (&json!(0), &json!([]))
    );
}

async fn what_happened_is_told_the_latest_first(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    busy(&site, &tesla).await;
    let all = get(&site, ACTIVITIES, &tesla.admin, 200).await;
    assert_eq!((&all["count"], &all["total_pages"]), (&json!(6), &json!(1)));
    let list = all["activities"].as_array().expect("a list");
    let times: Vec<&str> = list
        .iter()
        .filter_map(|it| it["timestamp"].as_str())
        .collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    let steps = |list: &Value, session: &str| {
        let list = list["activities"].as_array().expect("a list").clone();
        let mut steps: Vec<String> = list
            .iter()
            .filter(|it| it["session_id"] == session)
            .map(|it| format!("{} {}", text(&it["activity"]), it["agent"]))
            .collect();
        steps.sort();
        steps
    };
    let (ann, bob) = (tesla.ann.0, tesla.bob.0);
    let wanted = "escalated null".to_owned();
    let of_bob = [
        format!("assigned {bob}"),
        wanted.clone(),
        format!("resolved {bob}"),
    ];
    assert_eq!(steps(&all, "TES001_done"), of_bob);
    let of_ann = [format!("assigned {ann}"), wanted.clone()];
    assert_eq!(steps(&all, "TES001_anns"), of_ann);
    // An agent hears of what waits and of their own.
    let anns = get(&site, ACTIVITIES, &tesla.ann.1, 200).await;
    assert_eq!(anns["count"], 3, "{anns}");
    assert!(steps(&anns, "TES001_done").is_empty());
    let page = format!("{ACTIVITIES}?per_page=4&page=2");
    let page = get(&site, &page, &tesla.admin, 200).await;
    let shown = page["activities"].as_array().expect("a list").len();
    assert_eq!((shown, &page["current_page"]), (2, &json!(2)));
    let page = format!("{ACTIVITIES}?status=resolved");
    assert_eq!(get(&site, &page, &tesla.admin, 200).await["count"], 3);
    get(
        &site,
        &format!("{ACTIVITIES}?status=odd"),
        &tesla.admin,
        400,
    )
    .await;
}

async fn agents_ask_for_their_own_and_admins_for_anybodys(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    busy(&site, &tesla).await;
    let (ann, bob) = (&tesla.ann, &tesla.bob);
    let own = get(&site, SESSIONS, &ann.1, 200).await;
    assert_eq!(names(&own), ["TES001_anns"]);
    let all = get(&site, SESSIONS, &tesla.admin, 200).await;
    assert_eq!(names(&all), ["TES001_anns", "TES001_done"]);
    let shown = get(&site, PROFILE, &ann.1, 200).await;
    assert_eq!(
        (&shown["id"], &shown["email"]),
        (&json!(ann.0), &json!("ann@tesla.example"))
    );
    let own = get(&site, PROFILE, &tesla.admin, 200).await;
    assert_eq!(own["email"], json!("admin@tesla.example"));
    let messages = "/api/human-handoff/agent/sessions/TES001_anns/messages/";
    for path in [SESSIONS, PROFILE, BOARD, ACTIVITIES, messages] {
        let of_bob = format!("{path}?agent_id={}", bob.0);
        get(&site, &of_bob, &ann.1, 403).await;
        get(&site, &format!("{path}?agent_id={}", ann.0), &ann.1, 200).await;
    }
    let of_bob = format!("{SESSIONS}?agent_id={}", bob.0);
    assert_eq!(
        names(&get(&site, &of_bob, &tesla.admin, 200).await),
        ["TES001_done"]
    );
    let of_bob = format!("{PROFILE}?agent_id={}", bob.0);
    assert_eq!(
        get(&site, &of_bob, &tesla.admin, 200).await["id"],
        json!(bob.0)
    );
    get(
        &site,
        &format!("{PROFILE}?agent_id=99999"),
        &tesla.admin,
        404,
    )
    .await;
    get(
        &site,
        &format!("{PROFILE}?company_id={}", tesla.id),
        &root,
        400,
    )
    .await;
    let spacex = staffed(&site, &root, "SpaceX").await;
    let foreign = get(
        &site,
        &of_bob.replace(PROFILE, SESSIONS),
        &spacex.admin,
        200,
    )
    .await;
    assert_eq!(foreign["sessions"], json!([]));
}

async fn agents_log_in_and_out_by_the_routes_of_their_pages(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let path = "/api/admin-dashboard/agent-login/";
    let body = |email: &str| json!({"email": email, "password": "a password of my own"});
    let login = post(&site, path, None, body("ann@tesla.example"), 200).await;
    assert_eq!(login["agent"]["id"], json!(tesla.ann.0));
    let refused = post(&site, path, None, body("nobody@tesla.example"), 404).await;
    assert_eq!(refused["error"], json!("Invalid credentials"));
    // An admin's password is right, and they are no agent.
    let email = "admin@spacex.example";
    let made = json!({"name": "SpaceX", "email": email});
    let root = crate::support::staff::token(
        &site,
        crate::support::staff::ROOT,
        crate::support::staff::ROOT_PASSWORD,
    );
    let root = root.await;
    let made = post(&site, "/api/auth/create-admin/", Some(&root), made, 201).await;
    let admin = json!({"email": email, "password": made["password"]});
    post(&site, "/api/auth/login/", None, admin.clone(), 200).await;
    assert_eq!(
        post(&site, path, None, admin, 404).await["error"],
        refused["error"]
    );
    let access = text(&login["access"]);
    let out = "/api/admin-dashboard/agent-logout/";
    let answer = post(&site, out, Some(&access), json!({}), 200).await;
    assert_eq!(answer["message"], json!("Logged out"));
    get(&site, PROFILE, &access, 401).await;
    get(&site, PROFILE, &tesla.ann.1, 200).await;
}

async fn an_agent_says_something_by_either_route(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    take(&site, &tesla.ann.1, &chat.id).await;
    page.told(&["agent_joined"]).await;
    for path in [
        "/api/human-handoff/send-message/",
        "/api/human-handoff/agent/send-message/",
    ] {
        let body = json!({"session_id": chat.id, "message": path});
        post(&site, path, Some(&tesla.bob.1), body.clone(), 403).await;
        let said = post(&site, path, Some(&tesla.ann.1), body, 200).await;
        let heard = page.hears(path).await;
        assert_eq!(heard["message_id"], said["chat_message"]["id"]);
    }
}

async fn another_company_in_a_query_is_refused_and_not_overlooked(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "SpaceX").await;
    let (own, other) = (&tesla.id, &spacex.id);
    let (admin, ann) = (&tesla.admin[..], &tesla.ann.1[..]);
    let lists = [
        ("/api/admin-dashboard/list-agents/", admin),
        ("/api/admin-dashboard/user-profiles/", admin),
        ("/api/human-handoff/sessions/", ann),
        ("/api/human-handoff/agent/sessions/", ann),
        ("/api/agent-dashboard/stats/", ann),
        ("/v1/chats?stage=queued", ann),
        ("/v1/me", ann),
        ("/api/auth/profile/", admin),
    ];
    for (path, token) in lists {
        let mark = if path.contains('?') { '&' } else { '?' };
        let with = |company: &str| format!("{path}{mark}company_id={company}");
        for named in [own.as_str(), ""] {
            get(&site, &with(named), token, 200).await;
        }
        for named in [other.as_str(), "NONE"] {
            let refused = get(&site, &with(named), token, 403).await;
            assert_eq!(refused["code"], json!("forbidden"), "{path}");
            assert!(refused["company_id"].is_array(), "{refused}");
        }
    }
    get(
        &site,
        &format!("/v1/me?company_id={own}&company_id={own}"),
        ann,
        400,
    )
    .await;
    // What a host's people ask for.
    let host = token_of("ann");
    get(
        &site,
        &format!("/v1/prompts?company_id={COMPANY}"),
        &host,
        200,
    )
    .await;
    get(
        &site,
        &format!("/v1/prompts?company_id={OTHER_COMPANY}"),
        &host,
        403,
    )
    .await;
}

async fn another_company_in_a_body_is_refused_and_not_overlooked(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "SpaceX").await;
    let (own, other) = (&tesla.id, &spacex.id);
    let (admin, ann) = (&tesla.admin[..], &tesla.ann.1[..]);
    let chat = site.chat_of(own, "visitor:1", "TES001_abc").await;
    let bodies = [
        (
            "/api/human-handoff/escalate/",
            json!({"session_id": chat.id}),
            ann,
        ),
        (
            "/api/agent-dashboard/accept-session/",
            json!({"session_id": chat.id}),
            ann,
        ),
        (
            "/api/human-handoff/agent/send-message/",
            json!({"session_id": chat.id, "message": "hi"}),
            ann,
        ),
        (
            "/api/agent-dashboard/complete-session/",
            json!({"session_id": chat.id}),
            ann,
        ),
        (
            "/api/admin-dashboard/update-agent-status/",
            json!({"status": "BUSY"}),
            ann,
        ),
        (
            "/api/admin-dashboard/create-agent/",
            json!({"name": "Cyd", "email": "cyd@tesla.example"}),
            admin,
        ),
        (
            "/api/admin-dashboard/reset-agent-password/",
            json!({"agent_id": tesla.bob.0}),
            admin,
        ),
    ];
    for (path, mut body, token) in bodies {
        body["company_id"] = json!(other);
        let refused = post(&site, path, Some(token), body.clone(), 403).await;
        assert!(refused["company_id"].is_array(), "{path}: {refused}");
        body["company_id"] = json!(own);
        let (status, answer) = site.http("POST", path, Some(token), &body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
    }
    // Who runs the installation names one company, in one place or the same in both.
    let path = format!("/api/admin-dashboard/create-agent/?company_id={own}");
    let mut body = json!({"name": "Dee", "email": "dee@tesla.example", "company_id": other});
    post(&site, &path, Some(&root), body.clone(), 403).await;
    body["company_id"] = json!(own);
    let made = post(&site, &path, Some(&root), body, 201).await;
    assert_eq!(made["agent"]["company_id"], json!(own));
}
