//! Every route by everybody.

use std::collections::BTreeSet;

use reqwest::multipart::Part;
use serde_json::Value;

use super::desk_rows::DESK_ROWS;
use super::file_rows::FILE_ROWS;
use super::row::Row;
use super::rows::{LAST_ROWS, OWN_BY_QUERY, OWN_OF_PEOPLE, OWN_OF_VISITORS, ROWS};
use super::world::{Attacker, Kind, Proof, World, word};
use crate::support::soon;

/// What was tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) routes: usize,
    pub(super) requests: usize,
}

/// Every row; those that make something in the attackers' own company late, what ends logins last.
fn rows() -> impl Iterator<Item = &'static Row> {
    let all = [DESK_ROWS, ROWS, FILE_ROWS, LAST_ROWS];
    all.into_iter().flatten()
}

/// What the tables say is to be tried.
pub(super) fn expected(attackers: &[Attacker]) -> Tried {
    let routes: BTreeSet<_> = rows().map(|row| (row.method, row.route())).collect();
    let is_sent = |row: &Row, by: &Attacker| !row.skips.contains(&by.kind);
    let of = |row: &Row| attackers.iter().filter(|by| is_sent(row, by)).count();
    Tried {
        routes: routes.len(),
        requests: rows().map(of).sum(),
    }
}

/// The routes of the document, sockets or all others.
pub(super) async fn documented(world: &World, are_sockets: bool) -> BTreeSet<(String, String)> {
    let document = world.done("GET /openapi.json", "", Value::Null).await;
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, route) in methods.as_object().expect("methods") {
            let tags = route["tags"].as_array().expect("each has a tag");
            if tags.iter().any(|tag| tag == "sockets") == are_sockets {
                found.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    found
}

/// Each route has a row, and each row a route.
async fn rows_are_complete(world: &World) {
    let found = documented(world, false).await;
    let rows: BTreeSet<_> = rows()
        .map(|row| (row.method.to_owned(), row.route()))
        .collect();
    let missing: Vec<_> = found.difference(&rows).collect();
    assert!(missing.is_empty(), "routes without a row: {missing:?}");
    let surplus: Vec<_> = rows.difference(&found).collect();
    assert!(surplus.is_empty(), "rows without a route: {surplus:?}");
}

/// Sends every row by everybody; everything that is wrong is told at once.
pub(super) async fn walk(world: &World, attackers: &[Attacker]) -> Tried {
    rows_are_complete(world).await;
    let mut wrong = Vec::new();
    let mut routes = BTreeSet::new();
    let mut requests = 0;
    for row in rows() {
        for attacker in attackers {
            if row.skips.contains(&attacker.kind) {
                continue;
            }
            routes.insert((row.method, row.route()));
            requests += 1;
            wrong.extend(attack(world, row, attacker).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let routes = routes.len();
    Tried { routes, requests }
}

/// The first company's visitor cookie and the second's, with the same token.
pub(super) fn visitor_cookie(world: &World, token: &str) -> String {
    let (ours, theirs) = (&world.ours.id, &world.theirs.id);
    format!("frontdesk_visitor_{ours}={token}; frontdesk_visitor_{theirs}={token}")
}

/// A path with a proof in its query, under both names.
pub(super) fn with_query(path: &str, token: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}session_token={token}&token={token}")
}

/// A form of these fields, and a file.
fn form_of(fields: &str) -> reqwest::multipart::Form {
    let fields = serde_json::from_str::<Value>(fields).expect("an object");
    let fields = fields.as_object().expect("an object");
    let form = reqwest::multipart::Form::new();
    let form = fields.iter().fold(form, |form, (name, value)| {
        let text = value.as_str().expect("a text").to_owned();
        form.text(name.clone(), text)
    });
    form.part("file", Part::text("plain words").file_name("a.txt"))
}

/// A request with what this attacker has, and its text.
fn prepared(world: &World, row: &Row, by: &Attacker) -> (reqwest::RequestBuilder, String) {
    let mut path = world.aimed(&row.aim(), by);
    let mut body = world.aimed(row.body, by);
    if let Proof::Query(token) = &by.proof {
        path = with_query(&path, token);
    }
    if let (Proof::Field(token), false) = (&by.proof, body.is_empty()) {
        let mut fields = serde_json::from_str::<Value>(&body).expect("an object");
        fields["session_token"] = token.as_str().into();
        body = fields.to_string();
    }
    let request = world.site.request(row.method, &path);
    let page = format!("http://{}", world.site.address);
    let request = match &by.proof {
        Proof::Bearer(token) => request.bearer_auth(token),
        Proof::AgentCookie(token) => request
            .header("cookie", format!("frontdesk_agent={token}"))
            .header("origin", page),
        Proof::VisitorCookie(token) => request
            .header("cookie", visitor_cookie(world, token))
            .header("origin", page),
        Proof::Nothing | Proof::Query(_) | Proof::Field(_) => request,
    };
    let mut said = format!("{path} {body}");
    let mut request = match (body.is_empty(), row.is_form) {
        (false, true) => request.multipart(form_of(&body)),
        (true, _) => request,
        (false, false) => request
            .header("content-type", "application/json")
            .body(body),
    };
    for (name, value) in row.headers {
        let value = world.aimed(value, by);
        said.push_str(&value);
        request = request.header(*name, value);
    }
    (request, said)
}

/// Every proof opens what is its owner's: otherwise each refusal would prove nothing.
pub(super) async fn proofs_count(world: &World, attackers: &[Attacker]) {
    for by in attackers {
        let (row, status) = match (by.kind, &by.proof) {
            (Kind::Visitor | Kind::Eve, Proof::Query(_)) => (OWN_BY_QUERY, 200),
            (Kind::Visitor | Kind::Eve, _) => (OWN_OF_VISITORS, 200),
            // Hosts' tokens are taken in queries of sockets only.
            (Kind::Nobody | Kind::Forged, _) | (_, Proof::Query(_)) => (OWN_OF_PEOPLE, 401),
            _ => (OWN_OF_PEOPLE, 200),
        };
        let (request, _) = prepared(world, &row, by);
        let answer = soon("an answer", request.send()).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{}", by.name);
    }
}

/// What is wrong with the answer, if anything.
async fn attack(world: &World, row: &Row, by: &Attacker) -> Option<String> {
    let (request, said) = prepared(world, row, by);
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let status = answer.status().as_u16();
    let headers = format!("{:?}", answer.headers());
    let body = answer.text().await.expect("a body");
    let shown = row.shows.join(" ");
    let leak = world.leak(by, &format!("{said} {shown}"), &format!("{headers} {body}"));
    let may = row.own.0.contains(&by.kind);
    let is_fine = match status {
        200..300 => may,
        400..500 => status != 429,
        _ => false,
    };
    let what = match (leak, is_fine) {
        (Some(word), _) => format!("leaks {word}"),
        (None, false) => "is not refused".to_owned(),
        (None, true) => return None,
    };
    let start: String = body.chars().take(160).collect();
    let line = format!("{} {said}", row.method);
    Some(format!("{}: {line}: {what}: {status} {start}", by.name))
}

/// What is counted has nobody's name.
pub(super) async fn metrics_name_nobody(world: &World) {
    let (status, text) = world
        .site
        .http_text("GET", "/metrics", None, &Value::Null)
        .await;
    assert_eq!(status, 200);
    for word in world.canaries().iter().chain([&world.ours.id]) {
        assert!(!text.contains(word.as_str()), "{word}");
    }
    assert!(!text.contains(word::ADA_SAID));
}
