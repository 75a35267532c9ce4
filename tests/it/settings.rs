//! What a company sets for itself: who may, what it does to tokens, pages and cookies, and that
//! nothing of it is another company's.

use frontdesk_protocol::CompanyId;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::raw::{Raw, handshake};
use crate::support::socket::Socket;
use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, get, installation, log_in, post, text, token,
};
use crate::support::token::{now_s, signed, token_of, token_with};
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, greeted, in_both_buses, soon};

in_both_buses!(
    admins_change_their_own_companys_settings_and_secrets_are_never_shown,
    nobody_else_reads_or_changes_them,
    every_change_stands_in_the_audit_log,
    one_companys_host_never_speaks_for_another,
    a_key_that_was_changed_speaks_for_nobody_new,
    pages_read_answers_once_some_company_names_them,
    an_agents_cookie_is_as_good_as_the_token_for_pages_that_may_use_it,
    an_agents_cookie_is_renewed_with_its_login_and_ends_with_it,
    a_socket_opens_by_cookie_except_for_a_page_from_elsewhere,
    a_widget_is_told_what_it_needs_before_anybody_is_known,
);

const SHOP: &str = "https://shop.example";
const KEY: &str = "a key of the company's own";

fn path_of(company: &str) -> String {
    format!("/v1/companies/{company}/settings/")
}

async fn set(site: &Site, token: &str, company: &str, change: Value, status: u16) -> Value {
    let path = path_of(company);
    let (found, answer) = site.http("PATCH", &path, Some(token), &change).await;
    assert_eq!(found, status, "{answer}");
    answer
}

async fn root(site: &Site) -> String {
    token(site, ROOT, ROOT_PASSWORD).await
}

/// A token of a person of a company, signed with this key.
fn signed_for(company: &str, key: &str) -> String {
    let claims = json!({"user_id": "ann", "company_id": company, "exp": now_s() + 600});
    signed(key, &claims)
}

async fn status_of(site: &Site, token: &str) -> u16 {
    let asked = site.http("GET", "/v1/prompts", Some(token), &Value::Null);
    asked.await.0
}

async fn admins_change_their_own_companys_settings_and_secrets_are_never_shown(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let before = get(&site, &path_of(&tesla), &admin, 200).await;
    assert_eq!(before["language"], json!("en"));
    assert_eq!(before["form"], json!({"kind": "profile"}));
    assert_eq!(
        (&before["file_bytes_max"], &before["origins"]),
        (&Value::Null, &json!([]))
    );
    let change = json!({"language": "ne", "origins": [SHOP], "file_bytes_max": 5,
        "host_keys": {"2026": KEY}, "visitor_secret": KEY, "form": {"kind": "off"}});
    let changed = set(&site, &admin, &tesla, change, 200).await;
    for (field, value) in [
        ("language", json!("ne")),
        ("origins", json!([SHOP])),
        ("file_bytes_max", json!(5)),
        ("host_key_ids", json!(["2026"])),
        ("has_visitor_secret", json!(true)),
        ("form", json!({"kind": "off"})),
        ("legacy_anonymous", json!(false)),
    ] {
        assert_eq!(changed[field], value, "{field}");
    }
    assert!(!changed.to_string().contains(KEY));
    // What is absent stays, and null takes away.
    let change = json!({"file_bytes_max": null, "host_keys": {"2026": null}});
    let changed = set(&site, &root, &tesla, change, 200).await;
    assert_eq!(changed["file_bytes_max"], Value::Null);
    assert_eq!(
        (&changed["host_key_ids"], &changed["language"]),
        (&json!([]), &json!("ne"))
    );
    assert_eq!(get(&site, &path_of(&tesla), &root, 200).await, changed);
    for wrong in [
        json!({"origins": ["shop.example"]}),
        json!({"language": "English"}),
        json!({"retention_days": 0}),
        json!({"file_bytes_max": 0}),
        json!({"file_bytes_max": "5"}),
        json!({"host_keys": {"frontdesk": KEY}}),
        json!({"host_keys": {"a": "short"}}),
        json!({"origins": SHOP}),
        json!({"legacy_anonymus": false}),
        json!({"language": "fr", "company_id": "SPA001"}),
        json!({"form": "off"}),
        json!({"form": {"kind": "other"}}),
        json!({"form": {"kind": "own"}}),
        json!({"form": {"kind": "off", "spec": {}}}),
        json!({"form": {"kind": "own", "spec": {"steps": []}}}),
    ] {
        let refused = set(&site, &admin, &tesla, wrong.clone(), 400).await;
        assert_eq!(refused["code"], json!("bad_field"), "{wrong}");
        crate::support::names_no_type(refused["message"].as_str().expect("text"));
    }
    assert_eq!(get(&site, &path_of(&tesla), &admin, 200).await, changed);
}

async fn nobody_else_reads_or_changes_them(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let (spacex, other) = company(&site, &root, "SpaceX").await;
    let (_, ann) = agent(&site, &admin, "ann@tesla.example").await;
    let host = token_with(
        &json!("boss"),
        &json!({"company_id": tesla, "role": "admin"}),
    );
    let visitor = token_with(&json!("ann"), &json!({"company_id": tesla}));
    let change = || json!({"language": "ne"});
    for (token, status) in [(&other, 404), (&ann, 403), (&host, 403), (&visitor, 403)] {
        get(&site, &path_of(&tesla), token, status).await;
        set(&site, token, &tesla, change(), status).await;
    }
    for none in ["NON001", "__frontdesk"] {
        get(&site, &path_of(none), &admin, 404).await;
        get(&site, &path_of(none), &root, 404).await;
        set(&site, &root, none, change(), 404).await;
    }
    let (status, _) = site.http("GET", &path_of(&tesla), None, &Value::Null).await;
    assert_eq!(status, 401);
    for (company, token) in [(&tesla, &admin), (&spacex, &other)] {
        let settings = get(&site, &path_of(company), token, 200).await;
        assert_eq!(settings["language"], json!("en"));
    }
}

async fn every_change_stands_in_the_audit_log(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let change = json!({"visitor_secret": KEY, "legacy_anonymous": true});
    set(&site, &admin, &tesla, change.clone(), 200).await;
    set(&site, &admin, &tesla, change, 200).await; // changes nothing
    set(&site, &admin, &tesla, json!({"language": "English"}), 400).await;
    set(&site, &root, &tesla, json!({"host_keys": {"a": KEY}}), 200).await;
    let company = CompanyId::new(&tesla).expect("valid");
    let log = site.running.node().audit(&company, None, 100).await;
    let log = log.expect("a log");
    let changes: Vec<&str> = log
        .iter()
        .filter(|(_, entry)| entry.act == "settings_changed")
        .map(|(_, entry)| entry.subject.as_deref().expect("fields"))
        .collect();
    assert_eq!(changes, ["host_keys", "legacy_anonymous, visitor_secret"]);
    let [by_root, by_admin] = [0, 1].map(|index| log[index].1.by.to_string());
    assert_ne!(by_root, by_admin);
    assert!(!format!("{log:?}").contains(KEY));
}

async fn one_companys_host_never_speaks_for_another(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let keys = [
        (COMPANY, "the key of the first company"),
        (OTHER_COMPANY, "the other one's key"),
    ];
    assert_eq!(status_of(&site, &token_of("ann")).await, 200);
    for (company, key) in keys {
        set(&site, &root, company, json!({"host_keys": {"a": key}}), 200).await;
    }
    for (company, own) in keys {
        for (_, key) in keys {
            let expected = if key == own { 200 } else { 401 };
            let token = signed_for(company, key);
            assert_eq!(status_of(&site, &token).await, expected, "{company} {key}");
        }
    }
    // The installation's own key counts for neither, and for whoever has no other.
    assert_eq!(status_of(&site, &token_of("ann")).await, 401);
    let (tesla, _) = company(&site, &root, "Tesla").await;
    let token = token_with(&json!("ann"), &json!({"company_id": tesla}));
    assert_eq!(status_of(&site, &token).await, 200);
    let stolen = signed_for(&tesla, keys[0].1);
    assert_eq!(status_of(&site, &stolen).await, 401);
    // Sockets are no other door.
    let mut socket = Socket::open(site.address, &[]).await;
    let forged = signed_for(COMPANY, keys[1].1);
    socket
        .send(&json!({"type": "connect", "id": 1, "token": forged}))
        .await;
    assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
}

async fn a_key_that_was_changed_speaks_for_nobody_new(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let other = token_with(&json!("bob"), &json!({"company_id": OTHER_COMPANY}));
    let second = "another key of the company";
    set(&site, &root, COMPANY, json!({"host_keys": {"a": KEY}}), 200).await;
    let (old, new) = (signed_for(COMPANY, KEY), signed_for(COMPANY, second));
    let mut open = site.connect_with(&old).await;
    assert_eq!(
        (status_of(&site, &old).await, status_of(&site, &new).await),
        (200, 401)
    );
    set(
        &site,
        &root,
        COMPANY,
        json!({"host_keys": {"a": second}}),
        200,
    )
    .await;
    assert_eq!(
        (status_of(&site, &old).await, status_of(&site, &new).await),
        (401, 200)
    );
    let mut socket = Socket::open(site.address, &[]).await;
    socket
        .send(&json!({"type": "connect", "id": 1, "token": old}))
        .await;
    assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
    site.connect_with(&new).await.close().await;
    assert_eq!(status_of(&site, &other).await, 200);
    // Who was let in before goes on, as after any token's end a profile's socket does.
    open.ping().await;
    open.next_empty().await;
    // Without keys of its own the company is the installation's again.
    set(
        &site,
        &root,
        COMPANY,
        json!({"host_keys": {"a": null}}),
        200,
    )
    .await;
    assert_eq!(status_of(&site, &new).await, 401);
    assert_eq!(status_of(&site, &token_of("ann")).await, 200);
}

async fn preflight(site: &Site, origin: &str) -> HeaderMap {
    let request = site
        .request("OPTIONS", "/api/auth/login/")
        .header("origin", origin)
        .header("access-control-request-method", "POST");
    let answer = soon("an answer", request.send()).await.expect("an answer");
    answer.headers().clone()
}

async fn pages_read_answers_once_some_company_names_them(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let allowed = async || {
        let headers = preflight(&site, SHOP).await;
        let allowed = headers.get("access-control-allow-origin");
        let allowed = allowed.map(|origin| origin.to_str().expect("text").to_owned());
        if allowed.is_some() {
            assert_eq!(headers["access-control-allow-credentials"], "true");
        }
        allowed
    };
    assert_eq!(allowed().await, None);
    for company in [COMPANY, OTHER_COMPANY] {
        set(&site, &root, company, json!({"origins": [SHOP]}), 200).await;
        assert_eq!(allowed().await.as_deref(), Some(SHOP));
    }
    set(&site, &root, COMPANY, json!({"origins": []}), 200).await;
    assert_eq!(allowed().await.as_deref(), Some(SHOP));
    set(&site, &root, OTHER_COMPANY, json!({"origins": []}), 200).await;
    assert_eq!(allowed().await, None);
}

/// The status of a request with these headers, and the cookies it sets.
async fn with_headers(
    site: &Site,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &Value,
) -> (u16, Vec<String>) {
    let mut request = site.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let cookies = answer.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|cookie| cookie.to_str().expect("text").to_owned());
    (answer.status().as_u16(), cookies.collect())
}

/// The cookie that a login sets, for `Cookie`.
async fn cookie_of(site: &Site, email: &str, password: &str) -> String {
    let body = json!({"username": email, "password": password});
    let (status, cookies) = with_headers(site, ("POST", "/api/auth/login/"), &[], &body).await;
    assert_eq!(status, 200);
    let [cookie] = cookies.as_slice() else {
        panic!("one cookie: {cookies:?}");
    };
    let parts: Vec<&str> = cookie.split("; ").collect();
    assert_eq!(
        parts[1..],
        ["HttpOnly", "Path=/", "Max-Age=604800", "SameSite=Lax"]
    );
    parts[0].to_owned()
}

async fn an_agents_cookie_is_as_good_as_the_token_for_pages_that_may_use_it(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    agent(&site, &admin, "ann@tesla.example").await;
    let cookie = cookie_of(&site, "ann@tesla.example", "a password of my own").await;
    let own = format!("http://{}", site.address);
    let profile = ("GET", "/api/auth/profile/");
    let status = ("POST", "/api/admin-dashboard/update-agent-status/");
    let busy = json!({"status": "busy"});
    let ask = async |what: (&str, &str), origin: Option<&str>, body: &Value| {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        with_headers(&site, what, &headers, body).await.0
    };
    assert_eq!(ask(profile, None, &Value::Null).await, 200);
    assert_eq!(ask(profile, Some(&own), &Value::Null).await, 200);
    assert_eq!(ask(profile, Some(SHOP), &Value::Null).await, 403);
    assert_eq!(
        ask(("GET", "/v1/prompts"), Some(&own), &Value::Null).await,
        200
    );
    assert_eq!(
        ask(("GET", "/v1/prompts"), Some(SHOP), &Value::Null).await,
        403
    );
    // What changes something says which page it comes from.
    assert_eq!(ask(status, None, &busy).await, 403);
    assert_eq!(ask(status, Some("null"), &busy).await, 403);
    assert_eq!(ask(status, Some(&own), &busy).await, 200);
    set(&site, &root, OTHER_COMPANY, json!({"origins": [SHOP]}), 200).await;
    assert_eq!(
        ask(status, Some(SHOP), &busy).await,
        403,
        "another company's page"
    );
    set(&site, &admin, &tesla, json!({"origins": [SHOP]}), 200).await;
    assert_eq!(ask(status, Some(SHOP), &busy).await, 200);
    // A token in the header needs no page.
    let bearer = format!("Bearer {}", cookie.split_once('=').expect("a pair").1);
    let headers = [
        ("authorization", bearer.as_str()),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(with_headers(&site, status, &headers, &busy).await.0, 200);
    // A host's token is none for a cookie.
    let host = format!("frontdesk_agent={}", token_of("ann"));
    let headers = [("cookie", host.as_str())];
    assert_eq!(
        with_headers(&site, profile, &headers, &Value::Null).await.0,
        401
    );
    // Logging in from a page that may not use the cookie sets none; logging out ends it.
    let body = json!({"username": "ann@tesla.example", "password": "a password of my own"});
    let evil = [("origin", "https://evil.example")];
    let (found, cookies) = with_headers(&site, ("POST", "/api/auth/login/"), &evil, &body).await;
    assert_eq!((found, cookies.len()), (200, 0));
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let out = ("POST", "/api/auth/logout/");
    let (found, cookies) = with_headers(&site, out, &headers, &Value::Null).await;
    assert_eq!(found, 204);
    assert!(cookies[0].starts_with("frontdesk_agent=; ") && cookies[0].contains("Max-Age=0"));
    assert_eq!(ask(profile, None, &Value::Null).await, 401);
}

async fn an_agents_cookie_is_renewed_with_its_login_and_ends_with_it(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (_, admin) = company(&site, &root, "Tesla").await;
    agent(&site, &admin, "ann@tesla.example").await;
    let own = format!("http://{}", site.address);
    let mut login = log_in(&site, "ann@tesla.example", "a password of my own").await;
    let refresh = ("POST", "/api/auth/token/refresh/");
    let kept = |login: &Value| format!("frontdesk_agent={}", text(&login["access"]));
    // Another login's cookie stays, and so does the browser of a page that may not use one.
    let others = format!("frontdesk_agent={admin}");
    let cookie = kept(&login);
    for (cookie, origin, count) in [
        (None, &own[..], 0),
        (Some(&others), &own, 0),
        (Some(&cookie), "https://evil.example", 0),
        (Some(&cookie), &own, 1),
    ] {
        let mut headers = vec![("origin", origin)];
        headers.extend(cookie.map(|cookie| ("cookie", cookie.as_str())));
        let body = json!({"refresh": login["refresh"]});
        let request = site.request(refresh.0, refresh.1).json(&body);
        let add = |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let request = headers.iter().fold(request, add);
        let answer = soon("an answer", request.send()).await.expect("an answer");
        let set = answer.headers().get_all("set-cookie").iter().cloned();
        let set: Vec<_> = set.collect();
        login = answer.json().await.expect("tokens");
        assert_eq!(set.len(), count, "{headers:?}");
        if let Some(set) = set.first() {
            let set = set.to_str().expect("text");
            assert!(set.starts_with(&kept(&login)), "{set}");
        }
    }
    let cookie = kept(&login);
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let out = ("POST", "/v1/logout");
    let (found, ended) = with_headers(&site, out, &headers, &Value::Null).await;
    assert_eq!(found, 204);
    assert!(ended[0].starts_with("frontdesk_agent=; ") && ended[0].contains("Max-Age=0"));
}

async fn a_socket_opens_by_cookie_except_for_a_page_from_elsewhere(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    agent(&site, &admin, "ann@tesla.example").await;
    let cookie = cookie_of(&site, "ann@tesla.example", "a password of my own").await;
    let open = async |origin: &str| {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        let socket = Socket::dial(site.address, "/ws/chat/", &[], &headers);
        greeted(socket.await).await.close().await;
    };
    open(&format!("http://{}", site.address)).await;
    let refused = async |more: &str| {
        let mut raw = Raw::connect(site.address).await;
        let headers = format!("Cookie: {cookie}\r\nOrigin: {SHOP}\r\n{more}");
        raw.write(&handshake("/ws/chat/", &headers)).await;
        raw.head().await
    };
    assert!(refused("").await.starts_with("HTTP/1.1 403 "));
    // A token of its own is accepted from anywhere.
    let bearer = format!("Authorization: Bearer {admin}\r\n");
    assert!(refused(&bearer).await.starts_with("HTTP/1.1 101 "));
    set(&site, &admin, &tesla, json!({"origins": [SHOP]}), 200).await;
    open(SHOP).await;
}

async fn a_widget_is_told_what_it_needs_before_anybody_is_known(bus: Bus) {
    let site = installation(bus).await;
    let login = log_in(&site, ROOT, ROOT_PASSWORD).await;
    let root = text(&login["access"]);
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let path = format!("/api/chatbot/company-config/{tesla}/");
    let (status, config) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(status, 200);
    let types = ["image/jpeg", "image/png", "application/pdf", "text/plain"];
    let expected = json!({"company_id": tesla, "name": "Tesla", "language": "en",
        "form_enabled": true, "bot_enabled": true, "allowed_file_types": types,
        "max_file_size": 25 * 1024 * 1024});
    assert_eq!(config, expected);
    let change = json!({"language": "ne", "form": {"kind": "off"}, "is_without_bot": true,
        "file_types": ["image/gif"], "file_bytes_max": 7, "visitor_secret": KEY});
    set(&site, &admin, &tesla, change, 200).await;
    let (_, config) = site.http("GET", &path, None, &Value::Null).await;
    let expected = json!({"company_id": tesla, "name": "Tesla", "language": "ne",
        "form_enabled": false, "bot_enabled": false, "allowed_file_types": ["image/gif"],
        "max_file_size": 7});
    assert_eq!(config, expected);
    for none in ["NON001", "__frontdesk"] {
        let path = format!("/api/chatbot/company-config/{none}/");
        assert_eq!(site.http("GET", &path, None, &Value::Null).await.0, 404);
    }
    let path = "/api/chatbot/country-codes/";
    let (status, codes) = site.http("GET", path, None, &Value::Null).await;
    assert_eq!(status, 200);
    let nepal = json!({"code": "+977", "country": "Nepal", "flag": "\u{1f1f3}\u{1f1f5}"});
    assert!(codes.as_array().expect("a list").contains(&nepal));
    let path = "/api/chatbot/validate-phone/";
    for (phone, valid) in [("9841234567", true), ("12", false), ("words", false)] {
        let body = json!({"phone": phone, "country_code": "+977"});
        let answer = post(&site, path, None, body, 200).await;
        assert_eq!(
            (&answer["valid"], &answer["provider"]),
            (&json!(valid), &Value::Null)
        );
        assert!(answer["message"].is_string());
    }
    post(&site, path, None, json!({"country_code": "+977"}), 400).await;
}
