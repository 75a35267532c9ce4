//! An installation with somebody who runs it, and what its people do over HTTP.

use frontdesk::config::{Config, Secret, Superadmin};
use serde_json::{Value, json};

use super::{Bus, Site};

pub(crate) const ROOT: &str = "root@desk.example";
pub(crate) const ROOT_PASSWORD: &str = "a long first password";

pub(crate) async fn installation(bus: Bus) -> Site {
    Site::with(bus, provide).await
}

pub(crate) fn provide(config: &mut Config) {
    config.provision.superadmin = Some(Superadmin {
        email: ROOT.to_owned(),
        password: Secret::new(ROOT_PASSWORD),
    });
}

/// Posts and expects this status.
pub(crate) async fn post(
    site: &Site,
    path: &str,
    token: Option<&str>,
    body: Value,
    status: u16,
) -> Value {
    let (found, answer) = site.http("POST", path, token, &body).await;
    assert_eq!(found, status, "{path}: {answer}");
    answer
}

pub(crate) async fn get(site: &Site, path: &str, token: &str, status: u16) -> Value {
    let (found, answer) = site.http("GET", path, Some(token), &Value::Null).await;
    assert_eq!(found, status, "{path}: {answer}");
    answer
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

pub(crate) async fn log_in(site: &Site, email: &str, password: &str) -> Value {
    let body = json!({"username": email, "password": password});
    post(site, "/api/auth/login/", None, body, 200).await
}

pub(crate) async fn token(site: &Site, email: &str, password: &str) -> String {
    text(&log_in(site, email, password).await["access"])
}

/// A company, its id, and its admin's token.
pub(crate) async fn company(site: &Site, root: &str, name: &str) -> (String, String) {
    let email = format!("admin@{}.example", name.to_lowercase());
    let body = json!({"name": name, "email": email, "address": "1 Road", "contact_person": "C",
        "contact_number": "1", "phone_number": "2"});
    let made = post(site, "/api/auth/create-admin/", Some(root), body, 201).await;
    let admin = token(site, &email, made["password"].as_str().expect("text")).await;
    (text(&made["company_id"]), admin)
}

/// An agent with a password of their own: id and token.
pub(crate) async fn agent(site: &Site, admin: &str, email: &str) -> (u64, String) {
    let body = json!({"name": "Ann", "email": email, "phone": "1", "specialization": "all"});
    let made = post(
        site,
        "/api/admin-dashboard/create-agent/",
        Some(admin),
        body,
        201,
    )
    .await;
    let first = text(&made["password"]);
    let told = log_in(site, email, &first).await;
    assert_eq!(told["is_first_login"], json!(true));
    assert_eq!(told.get("access"), None);
    let own = "a password of my own";
    let body = json!({"email": email, "current_password": first, "new_password": own,
        "confirm_password": own});
    post(
        site,
        "/api/admin-dashboard/agent-first-login/",
        None,
        body,
        200,
    )
    .await;
    let id = made["agent"]["id"].as_u64().expect("a number");
    (id, token(site, email, own).await)
}
