//! Links to files in answers: they name the server as the request did, since nobody else knows what
//! a client calls it.

use frontdesk::config::Config;
use serde_json::{Value, json};

use crate::support::chats::{staffed, taken};
use crate::support::forms::{document, photo};
use crate::support::staff::{ROOT, ROOT_PASSWORD, provide, token};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(links_in_answers_are_by_the_host_of_the_request);

/// What a client calls the server.
const HOST: &str = "chat.example:8443";

/// What is answered to a request by that name.
async fn ask(site: &Site, method: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    let request = site.request(method, path).header("host", HOST);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let request = match body.is_null() {
        true => request,
        false => request.json(body),
    };
    let answer = soon("an answer", request.send()).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.json().await.expect("JSON")
}

fn is_by_host(attachment: &Value) {
    let start = format!("http://{HOST}/media/");
    for key in ["file_url", "url"] {
        let url = attachment[key].as_str().expect("a link");
        assert!(url.starts_with(&start), "{key}: {url}");
    }
    if let Some(small) = attachment["thumbnail"].as_str() {
        assert!(small.starts_with(&start), "{small}");
    }
}

async fn links_in_answers_are_by_the_host_of_the_request(bus: Bus) {
    let anywhere = |config: &mut Config| {
        provide(config);
        config.server.listen = vec!["0.0.0.0:0".parse().expect("an address")];
    };
    let mut site = Site::with(bus, anywhere).await;
    site.address.set_ip([127, 0, 0, 1].into());
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let tesla = staffed(&site, &root, "Tesla").await;
    let (chat, _page) = taken(&site, &tesla).await;
    let named = [
        ("session_id", chat.id.as_str()),
        ("session_token", &chat.token),
    ];
    let mut numbers = Vec::new();
    for form in [photo().behind(&named), document().behind(&named)] {
        let (status, kept) = site.form("/api/chatbot/upload/", None, form).await;
        assert_eq!(status, 201, "{kept}");
        numbers.push(kept["file_id"].clone());
    }
    let body = json!({"session_id": chat.id, "session_token": chat.token,
        "attachment_ids": numbers});
    let answer = ask(&site, "POST", "/api/chatbot/chat/", None, &body).await;
    let attachments = answer["attachments"].as_array().expect("a list");
    assert_eq!(attachments.len(), 2, "{answer}");
    attachments.iter().for_each(is_by_host);
    let proof = format!("session_id={}&session_token={}", chat.id, chat.token);
    let history = format!("/api/chatbot/chat-history/?{proof}");
    let of_agents = format!("/api/human-handoff/agent/sessions/{}/messages/", chat.id);
    for (path, token) in [(&history, None), (&of_agents, Some(&*tesla.ann.1))] {
        let shown = ask(&site, "GET", path, token, &Value::Null).await;
        let messages = shown["messages"].as_array().expect("a list");
        let attached = messages
            .iter()
            .filter_map(|message| message["attachments"].as_array());
        let attached: Vec<&Value> = attached.flatten().collect();
        assert_eq!(attached.len(), 2, "{shown}");
        attached.into_iter().for_each(is_by_host);
    }
    let files = format!("/api/chat/files/?{proof}");
    let shown = ask(&site, "GET", &files, None, &Value::Null).await;
    let files = shown["files"].as_array().expect("a list");
    assert_eq!(files.len(), 2);
    files.iter().for_each(is_by_host);
}
