//! Forms whose fields stand before the file, behind it or on both sides: whatever the order, the
//! same becomes of them.

use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::chats::{site_of, taken};
use crate::support::forms::document;
use crate::support::staff::{post, text};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    a_form_may_name_its_company_on_either_side_of_its_file,
    a_form_may_prove_its_visitor_on_either_side_of_its_file,
    who_sent_a_file_does_not_hang_on_where_it_is_said,
    a_company_is_asked_how_large_a_file_may_be_where_only_its_chat_is_named,
);

const UPLOAD: &str = "/api/chat/upload/";
const KEEP: &str = "/api/chatbot/upload/";
const SECRET: &str = "a secret of sixteen bytes";
/// `printf ann@tesla.example | openssl dgst -sha256 -hmac 'a secret of sixteen bytes'`
const ANN: (&str, &str) = (
    "ann@tesla.example",
    "69ad1be70d154174a2ef3727f66018070318af876366311065f7afa9d69c5eeb",
);

/// All ways to put fields before a file and behind it.
fn orders(fields: &[(&'static str, &str)]) -> Vec<Form> {
    let ways = 0..1_usize << fields.len();
    let of = |way: usize| {
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for (index, field) in fields.iter().enumerate() {
            match way >> index & 1 {
                0 => before.push(*field),
                _ => behind.push(*field),
            }
        }
        document().among(&before, &behind)
    };
    ways.map(of).collect()
}

async fn sent(site: &Site, path: &str, cookie: &str, form: Form) -> (u16, Value) {
    let request = site.request("POST", path).header("cookie", cookie);
    let request = request.header("origin", format!("http://{}", site.address));
    let answer = soon("an answer", request.multipart(form).send()).await;
    let answer = answer.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

async fn a_form_may_name_its_company_on_either_side_of_its_file(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    // A name that does not say whose it is.
    let chat = site.chat_of(&tesla.id, "visitor:1", "abc").await;
    let named = [("session_id", chat.id.as_str()), ("company_id", &tesla.id)];
    for path in [UPLOAD, KEEP] {
        let proven = format!("{path}?session_token={}", chat.token);
        for form in orders(&named) {
            let (status, told) = site.form(&proven, None, form).await;
            assert_eq!(status, 201, "{path}: {told}");
            assert_eq!(told["uploader"], "user");
        }
        let nowhere = document().behind(&named[..1]);
        let (status, told) = site.form(&proven, None, nowhere).await;
        assert_eq!(status, 400, "{told}");
        assert_eq!(told["error"], "company_id is required");
    }
    // Who runs the installation is of no company, and is told of a chat that is named with one.
    let path = "/api/human-handoff/agent/upload/";
    let mut told = Vec::new();
    for form in orders(&named) {
        let (status, answer) = site.form(path, Some(&root), form).await;
        told.push((status, answer["code"].clone()));
    }
    assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
    assert_ne!(told[0].0, 400, "{told:?}");
}

async fn a_form_may_prove_its_visitor_on_either_side_of_its_file(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let id = format!("{}_abc", tesla.id);
    let chat = site.chat_of(&tesla.id, "visitor:1", &id).await;
    site.set(&tesla.id, json!({"visitor_secret": SECRET})).await;
    let (user_id, user_hash) = ANN;
    let body = json!({"company_id": tesla.id, "user_id": user_id, "user_hash": user_hash,
        "message": "Hello"});
    let opened = post(&site, "/api/chatbot/chat/", None, body, 200).await;
    let signed = text(&opened["session_id"]);
    for path in [UPLOAD, KEEP] {
        let named = [
            ("session_id", chat.id.as_str()),
            ("session_token", &chat.token),
        ];
        for form in orders(&named) {
            let (status, told) = site.form(path, None, form).await;
            assert_eq!(status, 201, "{path}: {told}");
        }
        let named = [
            ("session_id", signed.as_str()),
            ("user_id", user_id),
            ("user_hash", user_hash),
        ];
        for form in orders(&named) {
            // The widget's own limit is not meant here.
            site.clock.leap_ms(60_000);
            let (status, told) = site.form(path, None, form).await;
            assert_eq!(status, 201, "{path}: {told}");
        }
        let forged = [named[0], named[1], ("user_hash", "00")];
        for form in orders(&forged) {
            let (status, told) = site.form(path, None, form).await;
            assert_eq!(status, 401, "{path}: {told}");
        }
        for form in orders(&named[..1]) {
            let (status, told) = site.form(path, None, form).await;
            assert_eq!(status, 404, "{path}: {told}");
        }
    }
}

async fn who_sent_a_file_does_not_hang_on_where_it_is_said(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, _page) = taken(&site, &tesla).await;
    let visitor = format!("frontdesk_visitor_{}={}", chat.company, chat.token);
    let agent = format!("frontdesk_agent={}", tesla.ann.1);
    let both = format!("{visitor}; {agent}");
    let session = ("session_id", chat.id.as_str());
    let is_agent = [session, ("uploader", "agent")];
    let is_user = [session, ("uploader", "user")];
    for (cookie, fields, expected) in [
        (&both, &is_agent[..], (201, json!("agent"))),
        (&both, &is_user, (201, json!("user"))),
        (&both, &[session], (201, json!("user"))),
        (&agent, &is_agent, (201, json!("agent"))),
        (&visitor, &is_agent, (201, json!("user"))),
        (&agent, &[session], (404, Value::Null)),
    ] {
        for form in orders(fields) {
            site.clock.leap_ms(60_000);
            let (status, told) = sent(&site, UPLOAD, cookie, form).await;
            let found = (status, told["uploader"].clone());
            assert_eq!(found, expected, "{cookie} {fields:?}: {told}");
        }
    }
}

async fn a_company_is_asked_how_large_a_file_may_be_where_only_its_chat_is_named(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let large_bytes = 25 * 1024 * 1024 + 1;
    let larger = json!({"file_bytes_max": large_bytes});
    site.set(&tesla.id, larger).await;
    let id = format!("{}_abc", tesla.id);
    let chat = site.chat_of(&tesla.id, "visitor:1", &id).await;
    let mut sending = document();
    sending.bytes = vec![b'a'; large_bytes];
    let session = [("session_id", chat.id.as_str())];
    let form = sending.among(&session, &[("session_token", &chat.token)]);
    let (status, told) = site.form(UPLOAD, None, form).await;
    assert_eq!(status, 201, "{told}");
}
