//! Forms with files that are sent again with their `Idempotency-Key`.

use frontdesk_protocol::CompanyId;
use reqwest::multipart::Form;
use serde_json::Value;

use crate::support::forms::{Sending, document};
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, Site, in_both_buses, soon};

in_both_buses!(a_form_that_is_repeated_with_its_key_is_said_and_kept_once);

async fn sent(site: &Site, path: &str, form: Form) -> (u16, Value) {
    let request = site.request("POST", path).bearer_auth(token_of("5"));
    let request = request.header("idempotency-key", "once").multipart(form);
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

/// Bytes that count in the company's space.
async fn kept(site: &Site) -> u64 {
    let company = CompanyId::new(COMPANY).expect("valid");
    let bytes = site.running.node().file_bytes(&company).await;
    bytes.expect("reads")
}

async fn a_form_that_is_repeated_with_its_key_is_said_and_kept_once(bus: Bus) {
    let site = Site::start(bus).await;
    for door in ["send-file", "upload_file"] {
        let room = site.room(&["5", "7"]).await;
        let path = format!("/api/chat/conversations/{}", room.number);
        let send = format!("{path}/{door}/");
        let before = kept(&site).await;
        let form = || document().before(&[("caption", "Look")]);
        let (status, first) = sent(&site, &send, form()).await;
        assert_eq!(status, 201, "{first}");
        let one = document().bytes.len() as u64;
        assert_eq!(kept(&site).await, before + one);
        for _ in 0..2 {
            let (status, again) = sent(&site, &send, form()).await;
            assert_eq!(status, 201, "{again}");
            assert_eq!(again["id"], first["id"]);
            assert_eq!(kept(&site).await, before + one, "the copy is gone at once");
        }
        // Another file, another name or another text is another request.
        let renamed = Sending {
            name: "other.txt",
            ..document()
        };
        let changed = Sending {
            bytes: b"Other words of it.\n".to_vec(),
            ..document()
        };
        for form in [
            renamed.before(&[("caption", "Look")]),
            changed.before(&[("caption", "Look")]),
            document().before(&[("caption", "See")]),
        ] {
            let (status, told) = sent(&site, &send, form).await;
            assert_eq!((status, &told["code"]), (409, &"cid_reused".into()));
            assert_eq!(kept(&site).await, before + one);
        }
        let list = format!("{path}/messages/");
        let token = token_of("5");
        let (_, list) = site.http("GET", &list, Some(&token), &Value::Null).await;
        assert_eq!(list["count"], 1, "{list}");
        assert_eq!(
            site.linked(&list["results"][0]["attachment_url"]).await,
            document().bytes
        );
    }
}
