//! The accounts of a storm, made as people make them: a company with an admin, agents who choose
//! a password at their first login.

use std::net::SocketAddr;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::http::HttpClient;
use crate::server::{ROOT, ROOT_PASSWORD};

/// What everybody chooses.
const CHOSEN: &str = "a password of my own";

/// Somebody who can log in.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) email: String,
    pub(super) password: String,
}

/// Makes a company with so many agents.
pub(super) async fn make(address: SocketAddr, count: usize) -> Result<Vec<Name>, String> {
    let mut client = HttpClient::connect(address).await?;
    let root = client.log_in(ROOT, ROOT_PASSWORD).await?;
    let company = json!({"id": "STORM001", "name": "Storm"});
    post(&mut client, "/v1/companies", &root, &company).await?;
    let mut names = Vec::new();
    for index in 0..count {
        let email = format!("agent-{index}@storm.example");
        let agent = json!({"role": "agent", "name": format!("Agent {index}"), "email": email});
        let made = post(
            &mut client,
            "/v1/companies/STORM001/accounts",
            &root,
            &agent,
        )
        .await?;
        let first = made["password"].as_str();
        let first = first.ok_or_else(|| format!("an account without a password: {made}"))?;
        let choice = json!({"email": email, "current_password": first, "new_password": CHOSEN});
        let path = "/v1/login/password";
        let (status, body) = client.ask(Method::POST, path, "", Some(&choice)).await?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(format!("POST {path} answered {status}: {text}"));
        }
        names.push(Name {
            email,
            password: CHOSEN.to_owned(),
        });
    }
    Ok(names)
}

async fn post(
    client: &mut HttpClient,
    path: &str,
    token: &str,
    body: &Value,
) -> Result<Value, String> {
    let created = StatusCode::CREATED;
    client
        .expect(Method::POST, path, token, Some(body), created)
        .await
}
