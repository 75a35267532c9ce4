//! Files that a page of somebody else has a browser send: with the cookies of an agent or of a
//! visitor, and no token.

use frontdesk_protocol::CompanyId;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::chats::{Chat, site_of, taken};
use crate::support::forms::document;
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(a_foreign_page_sends_no_file_with_anybodys_cookie);

const EVIL: &str = "https://evil.example";
const SHOP: &str = "https://shop.example";

/// The status of a form that a page has a browser send.
async fn sent_from(site: &Site, path: &str, (cookie, origin): (&str, &str), form: Form) -> u16 {
    let request = site.request("POST", path).header("cookie", cookie);
    let request = request.header("origin", origin).multipart(form);
    let answer = soon("an answer", request.send()).await.expect("an answer");
    answer.status().as_u16()
}

/// Names of the files that were sent in a chat.
async fn files_of(site: &Site, chat: &Chat) -> Vec<Value> {
    let path = format!("/api/chat/files/{}/?session_token={}", chat.id, chat.token);
    let (status, list) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(status, 200, "{list}");
    list["files"].as_array().expect("a list").clone()
}

async fn a_foreign_page_sends_no_file_with_anybodys_cookie(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, _page) = taken(&site, &tesla).await;
    let visitor = format!("frontdesk_visitor_{}={}", chat.company, chat.token);
    let agent = format!("frontdesk_agent={}", tesla.ann.1);
    let both = format!("{visitor}; {agent}");
    let rooms = format!("/api/chat/conversations/{}", chat.conversation);
    let paths = [
        "/api/chat/upload/",
        "/api/chatbot/upload/",
        "/api/human-handoff/agent/upload/",
        &format!("{rooms}/send-file/"),
        &format!("{rooms}/upload_file/"),
    ];
    let as_agent = [("session_id", chat.id.as_str()), ("uploader", "agent")];
    let as_visitor = [("session_id", chat.id.as_str())];
    for path in paths {
        for cookie in [&visitor, &agent, &both] {
            for origin in [EVIL, "null", SHOP] {
                for fields in [&as_agent[..], &as_visitor, &[]] {
                    for form in [document().behind(fields), document().before(fields)] {
                        let found = sent_from(&site, path, (cookie, origin), form).await;
                        let is_refused = [400, 401, 403, 404].contains(&found);
                        assert!(is_refused, "{path} {cookie} {origin} {fields:?}: {found}");
                    }
                }
            }
        }
    }
    assert_eq!(files_of(&site, &chat).await, [] as [Value; 0]);
    let company = CompanyId::new(&chat.company).expect("valid");
    let kept = site.running.node().file_bytes(&company).await;
    assert_eq!(kept.expect("reads"), 0, "nothing is kept either");
    // The same forms are taken from pages that may send them.
    site.set(&tesla.id, json!({"origins": [SHOP]})).await;
    let mut count = 0;
    for (path, cookie, fields) in [
        (paths[0], &visitor, &as_visitor[..]),
        (paths[0], &agent, &as_agent),
        (paths[1], &visitor, &as_visitor),
        (paths[2], &agent, &as_visitor),
        (paths[3], &agent, &[]),
        (paths[4], &agent, &[]),
    ] {
        for form in [document().behind(fields), document().before(fields)] {
            let found = sent_from(&site, path, (cookie, SHOP), form).await;
            assert_eq!(found, 201, "{path} {cookie}");
            count += usize::from(path != paths[1]);
        }
    }
    assert_eq!(files_of(&site, &chat).await.len(), count);
}
