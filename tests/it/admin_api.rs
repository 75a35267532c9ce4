//! The native API of accounts, companies and plans: what it does, and for whom.

use serde_json::{Value, json};

use crate::support::staff::{ROOT, ROOT_PASSWORD, get, installation, post, provide, text};
use crate::support::token::token_with;
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    a_superadmin_keeps_companies_and_plans,
    a_closed_company_can_be_opened_again,
    an_admin_keeps_the_companys_agents,
    a_changed_role_is_felt_on_open_sockets,
    what_was_done_is_read_the_newest_first,
    companies_are_read_page_by_page,
    nobody_administers_what_is_not_theirs,
    a_refresh_token_counts_once_here_too,
    those_who_run_the_installation_keep_each_other,
);

const OWN: &str = "a password of my own";

async fn send(site: &Site, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
    let (status, answer) = site.http_text(method, path, Some(token), &body).await;
    let parsed = serde_json::from_str(&answer).unwrap_or(Value::Null);
    (status, parsed)
}

async fn done(site: &Site, method: &str, path: &str, token: &str, body: Value) -> Value {
    let (status, answer) = send(site, method, path, token, body).await;
    assert!((200..300).contains(&status), "{method} {path}: {answer}");
    answer
}

async fn log_in(site: &Site, email: &str, password: &str) -> String {
    let body = json!({"email": email, "password": password});
    text(&post(site, "/v1/login", None, body, 200).await["access_token"])
}

async fn root(site: &Site) -> String {
    log_in(site, ROOT, ROOT_PASSWORD).await
}

/// Has somebody choose a password of their own, and logs them in.
async fn settled(site: &Site, made: &Value) -> String {
    let email = text(&made["account"]["email"]);
    let first = text(&made["password"]);
    let body = json!({"email": email, "password": first});
    let refused = post(site, "/v1/login", None, body, 403).await;
    assert_eq!(refused["code"], json!("first_login"));
    let body = json!({"email": email, "current_password": first, "new_password": OWN});
    let (status, _) = site
        .http_text("POST", "/v1/login/password", None, &body)
        .await;
    assert_eq!(status, 204);
    log_in(site, &email, OWN).await
}

/// A company and its admin's token.
async fn company(site: &Site, root: &str, name: &str) -> (String, String) {
    let email = format!("admin@{}.example", name.to_lowercase());
    let body = json!({"name": name, "admin": {"name": "Boss", "email": email}});
    let made = post(site, "/v1/companies", Some(root), body, 201).await;
    let admin = settled(site, &made["admin"]).await;
    (text(&made["company"]["id"]), admin)
}

/// An agent: id and token.
async fn agent(site: &Site, admin: &str, email: &str) -> (u64, String) {
    let body = json!({"role": "agent", "name": "Ann", "email": email});
    let made = post(site, "/v1/companies/me/accounts", Some(admin), body, 201).await;
    let token = settled(site, &made).await;
    (made["account"]["id"].as_u64().expect("a number"), token)
}

async fn a_superadmin_keeps_companies_and_plans(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let me = get(&site, "/v1/me", &root, 200).await;
    assert_eq!(
        (&me["company_id"], &me["account"]["role"]),
        (&Value::Null, &json!("superadmin"))
    );
    let plan = json!({"name": "Small", "agent_count_max": 1, "price": "9.00"});
    let plan = post(&site, "/v1/plans", Some(&root), plan, 201).await;
    let plans = get(&site, "/v1/plans", &root, 200).await;
    assert_eq!(plans["plans"], json!([plan]));
    let (id, admin) = company(&site, &root, "Tesla").await;
    let path = format!("/v1/companies/{id}");
    let put = format!("{path}/plan");
    let on = done(&site, "PUT", &put, &root, json!({"plan": plan["id"]})).await;
    assert_eq!(on["plan"], plan["id"]);
    let (status, _) = send(&site, "PUT", &put, &root, json!({"plan": 99})).await;
    assert_eq!(status, 404);
    let (status, _) = send(&site, "PUT", &put, &root, json!({})).await;
    assert_eq!(status, 400);
    agent(&site, &admin, "ann@tesla.example").await;
    // The plan is full; without one there is no limit, and the address was not kept.
    let body = json!({"role": "agent", "name": "Bob", "email": "bob@tesla.example"});
    let accounts = "/v1/companies/me/accounts";
    let full = post(&site, accounts, Some(&admin), body.clone(), 409).await;
    assert_eq!(full["code"], json!("limit_reached"));
    let off = done(&site, "PUT", &put, &root, json!({"plan": null})).await;
    assert_eq!(off["plan"], Value::Null);
    post(&site, accounts, Some(&admin), body, 201).await;
    let change = json!({"name": "Tesla Inc", "address": "1 Road"});
    let changed = done(&site, "PATCH", &path, &root, change).await;
    assert_eq!(changed["name"], json!("Tesla Inc"));
    let own = get(&site, "/v1/companies/me", &admin, 200).await;
    assert_eq!(own, changed);
    assert!(own["admin"].is_u64(), "{own}");
    // An id that is given is kept, and taken afterwards.
    let given = json!({"id": "ACME", "name": "Acme"});
    post(&site, "/v1/companies", Some(&root), given.clone(), 201).await;
    post(&site, "/v1/companies", Some(&root), given, 409).await;
    let bad = json!({"id": "a-b", "name": "Acme"});
    post(&site, "/v1/companies", Some(&root), bad, 400).await;
}

async fn a_closed_company_can_be_opened_again(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (id, admin) = company(&site, &root, "Tesla").await;
    let path = format!("/v1/companies/{id}");
    let mut socket = site.connect_with(&admin).await;
    done(&site, "DELETE", &path, &root, Value::Null).await;
    assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
    get(&site, "/v1/me", &admin, 401).await;
    assert_eq!(get(&site, &path, &root, 200).await["is_closed"], true);
    let open = json!({"is_closed": false});
    let opened = done(&site, "PATCH", &path, &root, open).await;
    assert_eq!(opened["is_closed"], false);
    let admin = log_in(&site, "admin@tesla.example", OWN).await;
    site.connect_with(&admin).await.close().await;
}

async fn an_admin_keeps_the_companys_agents(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (id, admin) = company(&site, &root, "Tesla").await;
    let (ann, ann_token) = agent(&site, &admin, "ann@tesla.example").await;
    let path = format!("/v1/companies/{id}/accounts/{ann}");
    let change = json!({"name": "Ann Other", "phone": "7"});
    let changed = done(&site, "PATCH", &path, &admin, change).await;
    assert_eq!(changed["name"], json!("Ann Other"));
    assert_eq!(get(&site, &path, &admin, 200).await, changed);
    // What is refused changes nothing, the role among it.
    let change = json!({"role": "admin", "name": ""});
    let (status, _) = send(&site, "PATCH", &path, &root, change).await;
    assert_eq!(status, 400);
    assert_eq!(get(&site, &path, &admin, 200).await, changed);
    let reset = format!("{path}/reset-password");
    let fresh = done(&site, "POST", &reset, &admin, Value::Null).await;
    get(&site, "/v1/me", &ann_token, 401).await;
    let made = json!({"account": changed, "password": fresh["password"]});
    let again = settled(&site, &made).await;
    let listed = get(&site, "/v1/companies/me/accounts", &admin, 200).await;
    let roles = listed["accounts"].as_array().expect("a list").iter();
    let roles: Vec<_> = roles.map(|account| account["role"].clone()).collect();
    assert_eq!(roles, [json!("admin"), json!("agent")]);
    done(&site, "DELETE", &path, &admin, Value::Null).await;
    get(&site, "/v1/me", &again, 401).await;
    get(&site, &path, &admin, 404).await;
    // An admin makes no admins.
    let body = json!({"role": "admin", "name": "Bob", "email": "bob@tesla.example"});
    post(&site, "/v1/companies/me/accounts", Some(&admin), body, 403).await;
}

async fn a_changed_role_is_felt_on_open_sockets(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (id, admin) = company(&site, &root, "Tesla").await;
    let (ann, token) = agent(&site, &admin, "ann@tesla.example").await;
    let mut socket = site.connect_with(&token).await;
    let path = format!("/v1/companies/{id}/accounts/{ann}");
    done(&site, "PATCH", &path, &root, json!({"role": "admin"})).await;
    assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
    let ann = log_in(&site, "ann@tesla.example", OWN).await;
    get(&site, "/v1/companies/me/accounts", &ann, 200).await;
    // The first admin is still who the company's record says.
    let shown = get(&site, "/v1/companies/me", &admin, 200).await;
    let me = get(&site, "/v1/me", &admin, 200).await;
    assert_eq!(shown["admin"], me["account"]["id"]);
}

async fn what_was_done_is_read_the_newest_first(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (id, admin) = company(&site, &root, "Tesla").await;
    let (ann, _) = agent(&site, &admin, "ann@tesla.example").await;
    let acts = async |path: &str, token: &str| {
        let page = get(&site, path, token, 200).await;
        let entries = page["entries"].as_array().expect("a list").clone();
        let act = |entry: &Value| text(&entry["act"]);
        let acts: Vec<String> = entries.iter().map(act).collect();
        (acts, page["next"].clone(), entries)
    };
    let path = "/v1/companies/me/audit?limit=3";
    let (newest, next, entries) = acts(path, &admin).await;
    assert_eq!(
        newest,
        ["password_chosen", "account_added", "password_chosen"]
    );
    assert_eq!(entries[0]["account"], json!(ann));
    let rest = acts(&format!("{path}&before={next}"), &admin).await;
    assert_eq!(
        (rest.0, rest.1),
        (vec!["account_added".into()], Value::Null)
    );
    let of_root = acts(&format!("/v1/companies/{id}/audit?limit=3"), &root).await;
    assert_eq!(of_root.0, newest);
    // The installation's logs are two, and neither writes over the other.
    let companies = acts("/v1/audit", &root).await;
    let made = [
        "admin_set",
        "company_created",
        "company_created",
        "company_created",
    ];
    assert_eq!(companies.0, made);
    let staff = acts("/v1/companies/me/audit", &root).await;
    assert_eq!(staff.0, ["account_added"]);
}

async fn companies_are_read_page_by_page(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    for number in 0..3 {
        let body = json!({"name": format!("Acme {number}")});
        post(&site, "/v1/companies", Some(&root), body, 201).await;
    }
    let mut path = "/v1/companies?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = get(&site, &path, &root, 200).await;
        assert_eq!(page["count"], json!(5));
        let companies = page["companies"].as_array().expect("a list");
        assert!(companies.len() <= 2);
        seen.extend(companies.iter().map(|company| text(&company["id"])));
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        path = format!("/v1/companies?limit=2&after={next}");
    }
    assert_eq!(seen, ["TES001", "SPA001", "ACM001", "ACM002", "ACM003"]);
    for wrong in ["limit=0", "after=x", "limit=-1"] {
        get(&site, &format!("/v1/companies?{wrong}"), &root, 400).await;
    }
}

async fn nobody_administers_what_is_not_theirs(bus: Bus) {
    let site = installation(bus).await;
    let root = root(&site).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let (spacex, other) = company(&site, &root, "SpaceX").await;
    let (ann, agent) = agent(&site, &admin, "ann@tesla.example").await;
    let host = token_with(&json!("host"), &json!({"role": "superadmin"}));
    let person = json!({"role": "agent", "name": "x", "email": "x@x.example"});
    let account = format!("/v1/companies/{tesla}/accounts/{ann}");
    let of_company = [
        ("GET", format!("/v1/companies/{tesla}"), Value::Null),
        (
            "GET",
            format!("/v1/companies/{tesla}/accounts"),
            Value::Null,
        ),
        ("POST", format!("/v1/companies/{tesla}/accounts"), person),
        ("GET", account.clone(), Value::Null),
        ("PATCH", account.clone(), json!({"name": "Mine"})),
        ("DELETE", account.clone(), Value::Null),
        ("POST", format!("{account}/reset-password"), Value::Null),
        ("GET", format!("/v1/companies/{tesla}/audit"), Value::Null),
    ];
    for (method, path, body) in &of_company {
        let (status, answer) = send(&site, method, path, &other, body.clone()).await;
        assert_eq!(status, 404, "{method} {path}: {answer}");
        assert!(!answer.to_string().contains("ann@"), "{answer}");
        // Nor is somebody else's account found in one's own company.
        let own = path.replace(&tesla, &spacex);
        if own.contains(&ann.to_string()) {
            let (status, _) = send(&site, method, &own, &other, body.clone()).await;
            assert_eq!(status, 404, "{method} {own}");
        }
    }
    let of_root = [
        ("GET", "/v1/companies".to_owned(), Value::Null),
        ("POST", "/v1/companies".to_owned(), json!({"name": "x"})),
        (
            "PATCH",
            format!("/v1/companies/{tesla}"),
            json!({"name": "x"}),
        ),
        ("DELETE", format!("/v1/companies/{tesla}"), Value::Null),
        (
            "PUT",
            format!("/v1/companies/{tesla}/plan"),
            json!({"plan": null}),
        ),
        ("GET", "/v1/plans".to_owned(), Value::Null),
        (
            "POST",
            "/v1/plans".to_owned(),
            json!({"name": "x", "agent_count_max": 1}),
        ),
        ("GET", "/v1/audit".to_owned(), Value::Null),
    ];
    for (method, path, body) in &of_root {
        let (status, _) = send(&site, method, path, &admin, body.clone()).await;
        assert_eq!(status, 403, "{method} {path}");
    }
    for (method, path, body) in of_company.iter().chain(&of_root) {
        for token in [&agent, &host] {
            let (status, _) = send(&site, method, path, token, body.clone()).await;
            assert_eq!(status, 403, "{method} {path}");
        }
        let (status, _) = site.http(method, path, None, body).await;
        assert_eq!(status, 401, "{method} {path}");
    }
    assert_eq!(get(&site, &account, &admin, 200).await["name"], "Ann");
}

async fn a_refresh_token_counts_once_here_too(bus: Bus) {
    let site = installation(bus).await;
    let body = json!({"email": ROOT, "password": ROOT_PASSWORD});
    let first = post(&site, "/v1/login", None, body, 200).await;
    let stolen = json!({"refresh_token": first["refresh_token"]});
    let path = "/v1/login/refresh";
    let second = post(&site, path, None, stolen.clone(), 200).await;
    let token = text(&second["access_token"]);
    get(&site, "/v1/me", &token, 200).await;
    post(&site, path, None, stolen, 401).await;
    get(&site, "/v1/me", &token, 401).await;
    let wrong = json!({"email": ROOT, "password": "not this one"});
    let refused = post(&site, "/v1/login", None, wrong, 401).await;
    assert_eq!(refused["code"], json!("unauthenticated"));
    let token = root(&site).await;
    done(&site, "POST", "/v1/logout", &token, Value::Null).await;
    get(&site, "/v1/me", &token, 401).await;
}

async fn those_who_run_the_installation_keep_each_other(bus: Bus) {
    let site = Site::with(bus, provide).await;
    let root = root(&site).await;
    let accounts = "/v1/companies/me/accounts";
    let body = json!({"role": "superadmin", "name": "Two", "email": "two@desk.example"});
    let made = post(&site, accounts, Some(&root), body.clone(), 201).await;
    let two = settled(&site, &made).await;
    get(&site, "/v1/companies", &two, 200).await;
    // Nobody else is of that staff, and no company has somebody who runs the installation.
    let agent = json!({"role": "agent", "name": "x", "email": "x@desk.example"});
    post(&site, accounts, Some(&root), agent, 403).await;
    let elsewhere = "/v1/companies/TES001/accounts";
    let mut other = body;
    other["email"] = json!("three@desk.example");
    post(&site, elsewhere, Some(&root), other, 403).await;
    let me = get(&site, "/v1/me", &two, 200).await["account"]["id"].clone();
    let (status, _) = send(
        &site,
        "DELETE",
        &format!("{accounts}/{me}"),
        &two,
        Value::Null,
    )
    .await;
    assert_eq!(status, 403, "not one's own");
    done(
        &site,
        "DELETE",
        &format!("{accounts}/{me}"),
        &root,
        Value::Null,
    )
    .await;
    get(&site, "/v1/me", &two, 401).await;
}
