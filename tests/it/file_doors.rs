//! Files of chats and conversations, over the doors of each profile: what its document promises,
//! sent and read by clients that share no code with the server.

use serde_json::{Value, json};

use crate::support::chats::{Chat, Company, site_of, taken};
use crate::support::forms::{Sending, document, photo};
use crate::support::socket::Socket;
use crate::support::staff::post;
use crate::support::token::token_of;
use crate::support::{Bus, OTHER_COMPANY, Site, in_both_buses, soon};

in_both_buses!(
    both_sides_of_a_chat_send_files_and_are_told,
    a_visitors_eleventh_file_of_a_minute_is_refused,
    what_widget_does_not_take_is_refused_with_400,
    a_form_may_name_its_chat_behind_the_file,
    inbox_sends_a_picture_and_lists_show_it,
    direct_is_shown_files_by_http_too,
    crm_keeps_a_file_until_it_is_attached,
    helpdesk_keeps_a_file_until_it_is_attached,
    a_file_that_was_taken_back_is_nowhere,
    a_file_of_somebody_else_is_attached_by_nobody,
);

const UPLOAD: &str = "/api/chat/upload/";

/// A chat that Ann has, its visitor's page and hers.
async fn served(site: &Site, tesla: &Company) -> (Chat, Socket, Socket) {
    let (chat, page) = taken(site, tesla).await;
    let path = format!("{}?token={}", chat.path(), tesla.ann.1);
    let agent = site.desk(&path).await;
    (chat, page, agent)
}

async fn shared(socket: &mut Socket) -> Value {
    socket
        .next_that(|frame| frame["type"] == "file_shared")
        .await
}

/// What a chat's list says, asked over HTTP and on a socket.
async fn listed(site: &Site, chat: &Chat, page: &mut Socket) -> Vec<Value> {
    let query = format!("session_id={}&company_id={}", chat.id, chat.company);
    let path = format!("/api/chat/files/?{query}&session_token={}", chat.token);
    let (status, list) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(status, 200, "{list}");
    let files = list["files"].as_array().expect("a list").clone();
    assert_eq!(list["count"], files.len());
    let path = format!("/api/chat/files/{}/?session_token={}", chat.id, chat.token);
    let (_, same) = site.http("GET", &path, None, &Value::Null).await;
    assert_eq!(same["files"], list["files"]);
    let ask = json!({"type": "request_file_list", "session_id": chat.id,
        "company_id": chat.company});
    page.send(&ask).await;
    let told = page.next_that(|frame| frame["type"] == "file_list").await;
    assert_eq!(told["session_id"], chat.id);
    assert_eq!(told["company_id"], chat.company);
    assert_eq!(told["files"], list["files"]);
    files
}

async fn both_sides_of_a_chat_send_files_and_are_told(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, mut page, mut agent) = served(&site, &tesla).await;
    assert_eq!(listed(&site, &chat, &mut page).await, [] as [Value; 0]);
    let named = [
        ("company_id", chat.company.as_str()),
        ("session_id", &chat.id),
        ("uploader", "agent"),
    ];
    let proof = format!("{UPLOAD}?session_token={}", chat.token);
    let (status, mine) = site.form(&proof, None, photo().behind(&named)).await;
    assert_eq!(status, 201, "{mine}");
    assert_eq!(mine["uploader"], "user", "whatever the field says");
    let expected = [
        ("company_id", json!(chat.company)),
        ("session_id", json!(chat.id)),
        ("name", json!("photo.png")),
        ("original_name", json!("photo.png")),
        ("mime_type", json!("image/png")),
    ];
    for (name, value) in expected {
        assert_eq!(mine[name], value, "{name}");
    }
    assert!(mine["id"].is_u64() && mine["size"].is_u64(), "{mine}");
    for socket in [&mut page, &mut agent] {
        let told = shared(socket).await;
        for name in ["id", "name", "uploader", "url", "size", "session_id"] {
            assert_eq!(told[name], mine[name], "{name}");
        }
    }
    let named = [
        ("session_id", chat.id.as_str()),
        ("uploader", "user"),
        ("message", "Your bill"),
    ];
    let theirs = document().behind(&named);
    let (status, theirs) = site.form(UPLOAD, Some(&tesla.ann.1), theirs).await;
    assert_eq!(status, 201, "{theirs}");
    assert_eq!(theirs["uploader"], "agent");
    assert_eq!(shared(&mut page).await["id"], theirs["id"]);
    page.hears("Your bill").await;
    assert_eq!(shared(&mut agent).await["url"], theirs["url"]);
    assert_eq!(site.linked(&theirs["url"]).await, document().bytes);
    assert!(!site.linked(&mine["url"]).await.is_empty());
    let files = listed(&site, &chat, &mut page).await;
    let names: Vec<_> = files.iter().map(|file| &file["original_name"]).collect();
    assert_eq!(names, ["photo.png", "notes.txt"]);
    assert_eq!(files[0]["uploader"], "user");
    assert_eq!(files[1]["uploader"], "agent");
}

async fn a_visitors_eleventh_file_of_a_minute_is_refused(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let chat = site.chat_of(&tesla.id, "visitor:1", "TES001_abc").await;
    let named = [
        ("company_id", chat.company.as_str()),
        ("session_id", &chat.id),
        ("session_token", &chat.token),
    ];
    for _ in 0..10 {
        let (status, told) = site.form(UPLOAD, None, document().behind(&named)).await;
        assert_eq!(status, 201, "{told}");
    }
    let form = document().behind(&named);
    let request = site.request("POST", UPLOAD).multipart(form).send();
    let answer = soon("an answer", request).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 429);
    let wait = answer.headers()["retry-after"].to_str().expect("text");
    assert!(wait.parse::<u64>().is_ok_and(|wait| wait > 0), "{wait}");
    let told: Value = answer.json().await.expect("JSON");
    assert!(
        told["error"].is_string() && told["code"] == "rate_limited",
        "{told}"
    );
}

async fn what_widget_does_not_take_is_refused_with_400(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let chat = site.chat_of(&tesla.id, "visitor:1", "TES001_abc").await;
    let named = [
        ("session_id", chat.id.as_str()),
        ("company_id", &chat.company),
        ("session_token", &chat.token),
    ];
    let large = 25 * 1024 * 1024;
    let of = |name, mime, bytes: &[u8]| Sending {
        name,
        mime,
        bytes: bytes.to_vec(),
    };
    for (sending, code) in [
        (
            of("a.txt", "text/plain", &vec![b'a'; large + 1]),
            "file_too_large",
        ),
        (of("a.txt", "text/plain", b""), "bad_field"),
        (
            of("a.gif", "image/gif", b"GIF89a\x01\0\x01\0\0\0\0;"),
            "bad_field",
        ),
        (
            of("a.png", "image/png", b"\x7fELF\x02\x01\x01\0program"),
            "bad_field",
        ),
        (
            of("a.exe", "application/octet-stream", b"MZ\x90\0"),
            "bad_field",
        ),
        (
            of("a.html", "text/html", b"<html><script>x</script>"),
            "bad_field",
        ),
    ] {
        for form in [sending.behind(&named), sending.before(&named)] {
            // Refused ones count as well.
            site.clock.leap_ms(60_000);
            let (status, told) = site.form(UPLOAD, None, form).await;
            assert_eq!((status, &told["code"]), (400, &json!(code)), "{told}");
            assert!(
                told["file"].is_array() && told["error"].is_string(),
                "{told}"
            );
        }
    }
    let whole = of("a.txt", "text/plain", &vec![b'a'; large]);
    let (status, told) = site.form(UPLOAD, None, whole.behind(&named)).await;
    assert_eq!(
        (status, &told["size"]),
        (201, &json!(large)),
        "as many as promised"
    );
}

async fn a_form_may_name_its_chat_behind_the_file(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, mut page, mut agent) = served(&site, &tesla).await;
    let named = [
        ("company_id", chat.company.as_str()),
        ("session_id", &chat.id),
        ("session_token", &chat.token),
    ];
    let (status, told) = site.form(UPLOAD, None, document().before(&named)).await;
    assert_eq!((status, &told["uploader"]), (201, &json!("user")), "{told}");
    assert_eq!(shared(&mut agent).await["id"], told["id"]);
    let named = [("session_id", chat.id.as_str())];
    let form = document().before(&named);
    let path = "/api/human-handoff/agent/upload/";
    let (status, told) = site.form(path, Some(&tesla.ann.1), form).await;
    assert_eq!(
        (status, &told["uploader"]),
        (201, &json!("agent")),
        "{told}"
    );
    page.next_that(|frame| frame["id"] == told["id"]).await;
    let (status, told) = site.form(UPLOAD, None, document().before(&named)).await;
    assert_eq!(status, 404, "a chat's name alone: {told}");
    let legacy = json!({"legacy_anonymous": true});
    site.set(&tesla.id, legacy).await;
    let (status, told) = site.form(UPLOAD, None, document().before(&named)).await;
    assert_eq!(status, 201, "unless the company says it is enough: {told}");
    let (status, told) = site.form(UPLOAD, None, document().before(&[])).await;
    assert_eq!(status, 401, "{told}");
}

async fn inbox_sends_a_picture_and_lists_show_it(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["5", "7"]).await;
    let (five, seven) = (token_of("5"), token_of("7"));
    let mut own = site.inbox(&five).await;
    let mut other = site.inbox(&seven).await;
    let path = format!("/api/chat/conversations/{}/send-file/", room.number);
    let form = photo().before(&[("caption", "The sea")]);
    let (status, sent) = site.form(&path, Some(&five), form).await;
    assert_eq!(status, 201, "{sent}");
    let expected = [
        ("message_type", json!("image")),
        ("content", json!("The sea")),
        ("attachment_name", json!("photo.png")),
        ("is_image", json!(true)),
    ];
    let told = other
        .next_that(|frame| frame["type"] == "new_message")
        .await;
    let echoed = own.next_that(|frame| frame["type"] == "message_sent").await;
    for (name, value) in expected {
        assert_eq!(sent[name], value, "{name}");
        assert_eq!(told["message"][name], value, "{name}");
        assert_eq!(echoed["message"][name], value, "{name}");
    }
    assert!(!site.linked(&sent["attachment_url"]).await.is_empty());
    let form = document().behind(&[]);
    let (status, sent) = site.form(&path, Some(&five), form).await;
    assert_eq!((status, &sent["message_type"]), (201, &json!("file")));
    let shown = async {
        loop {
            let line = "/api/chat/conversations/";
            let (_, list) = site.http("GET", line, Some(&seven), &Value::Null).await;
            if list[0]["unread_count"] == 2 {
                return list[0]["last_message"].clone();
            }
        }
    };
    let last = soon("the list", shown).await;
    assert_eq!(last["content"], "\u{1f4ce} notes.txt");
    assert_eq!(last["message_type"], "file");
    assert_eq!(last["attachment_name"], "notes.txt");
    let (status, _) = site
        .form(&path, Some(&token_of("9")), photo().behind(&[]))
        .await;
    assert_eq!(status, 403, "not one of them");
    let large = Sending {
        bytes: vec![b'a'; 10 * 1024 * 1024 + 1],
        ..document()
    };
    let (status, told) = site.form(&path, Some(&five), large.behind(&[])).await;
    assert_eq!(status, 400, "{told}");
    assert!(told["detail"].is_string(), "{told}");
}

async fn direct_is_shown_files_by_http_too(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["5", "7"]).await;
    let (five, seven) = (token_of("5"), token_of("7"));
    let mut other = site.greeted(&room, &seven).await;
    let path = format!("/api/chat/conversations/{}/upload_file/", room.number);
    let form = photo().behind(&[("content", "The sea")]);
    let (status, sent) = site.form(&path, Some(&five), form).await;
    assert_eq!(
        (status, &sent["message_type"]),
        (201, &json!("file")),
        "{sent}"
    );
    let told = other.next().await;
    assert_eq!(told["message_type"], "file");
    assert_eq!(told["content"], "The sea");
    assert_eq!(told["file_attachment"], sent["file_attachment"]);
    let keys = [
        "id",
        "file",
        "file_url",
        "filename",
        "file_size",
        "file_size_display",
        "file_type",
        "uploaded_at",
    ];
    let attachment = told["file_attachment"].as_object().expect("an object");
    assert_eq!(attachment.len(), keys.len());
    assert!(
        keys.iter().all(|key| attachment.contains_key(*key)),
        "{told}"
    );
    assert!(
        !site
            .linked(&told["file_attachment"]["file_url"])
            .await
            .is_empty()
    );
    let program = Sending {
        name: "setup.exe",
        mime: "application/octet-stream",
        bytes: b"MZ\x90\0a program".to_vec(),
    };
    let form = program.behind(&[]);
    let (status, sent) = site.form(&path, Some(&five), form).await;
    assert_eq!(status, 201, "any type was promised: {sent}");
}

async fn crm_keeps_a_file_until_it_is_attached(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = token_of("a1");
    let (status, kept) = site.form(UPLOAD, Some(&ann), photo().before(&[])).await;
    assert_eq!(status, 200, "{kept}");
    for (key, value) in [
        ("name", "photo.png"),
        ("original_name", "photo.png"),
        ("filename", "photo.png"),
        ("file_name", "photo.png"),
        ("mime_type", "image/png"),
        ("file_type", "image/png"),
    ] {
        assert_eq!(kept[key], value, "{key}: {kept}");
    }
    for key in ["attachment_id", "created_at", "thumbnail"] {
        assert!(kept[key].is_string(), "{key}: {kept}");
    }
    assert!(kept["file_size"].is_u64() && kept["size"] == kept["file_size"]);
    assert!(!site.linked(&kept["file_url"]).await.is_empty());
    let body = json!({"attachment_id": kept["attachment_id"]});
    let said = post(&site, "/api/user-response/", Some(&ann), body.clone(), 201).await;
    let number = said["conversation_id"].as_str().expect("text");
    let path = format!("/api/chat/conversations/{number}/messages/?limit=10");
    let (_, list) = site.http("GET", &path, Some(&ann), &Value::Null).await;
    assert_eq!(list[0]["attachment_name"], "photo.png", "{list}");
    assert_eq!(list[0]["type"], "user");
    assert_eq!(list[0]["attachment"], list[0]["attachment_url"]);
    let again = json!({"attachment_id": kept["attachment_id"], "conversation_id": number});
    let told = post(&site, "/api/user-response/", Some(&ann), again, 400).await;
    assert!(told["error"].is_string(), "{told}");
    let (_, kept) = site.form(UPLOAD, Some(&ann), document().before(&[])).await;
    let path = format!("/ws/chat/{number}/?token={ann}&dialect=crm");
    let mut socket = site.desk(&path).await;
    let id = kept["attachment_id"].as_str().expect("text");
    let frame = json!({"type": "message", "text": "Look", "attachment_id": id});
    socket.send(&frame).await;
    let new = socket
        .next_that(|frame| frame["type"] == "message:new")
        .await;
    assert_eq!(new["message"]["text"], "Look");
    assert_eq!(new["message"]["attachment_name"], "notes.txt");
    assert_eq!(
        site.linked(&new["message"]["attachment"]).await,
        document().bytes
    );
    let (status, told) = site.form(UPLOAD, None, photo().before(&[])).await;
    assert_eq!(status, 401, "{told}");
}

async fn helpdesk_keeps_a_file_until_it_is_attached(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let id = format!("{}_abc", tesla.id);
    let chat = site.chat_of(&tesla.id, "visitor:1", &id).await;
    let named = [
        ("session_id", chat.id.as_str()),
        ("company_id", &chat.company),
        ("session_token", &chat.token),
    ];
    let path = "/api/chatbot/upload/";
    let mut numbers = Vec::new();
    for form in [photo().behind(&named), document().before(&named)] {
        let (status, kept) = site.form(path, None, form).await;
        assert_eq!(status, 201, "{kept}");
        let url = kept["file_url"].as_str().expect("text");
        assert!(url.starts_with("/media/"), "{url}");
        assert!(kept["message"].is_string() && kept["original_name"].is_string());
        numbers.push(kept["file_id"].clone());
        let expected = if numbers.len() == 1 {
            "image"
        } else {
            "document"
        };
        assert_eq!(kept["file_type"], expected);
    }
    let mut page = site.visit(&chat).await;
    assert_eq!(listed(&site, &chat, &mut page).await, [] as [Value; 0]);
    let body = json!({"session_id": chat.id, "session_token": chat.token,
        "company_id": chat.company, "attachment_ids": numbers});
    let answer = post(&site, "/api/chatbot/chat/", None, body.clone(), 200).await;
    assert_eq!(answer["attachments"][0]["file_id"], numbers[0], "{answer}");
    assert_eq!(answer["attachments"][1]["file_type"], "document");
    let files = listed(&site, &chat, &mut page).await;
    assert_eq!(files.len(), 2);
    let path = format!(
        "/api/chatbot/chat-history/?session_id={}&session_token={}",
        chat.id, chat.token
    );
    let (_, history) = site.http("GET", &path, None, &Value::Null).await;
    let first = &history["messages"][0];
    assert_eq!(first["attachments"][0]["original_name"], "photo.png");
    assert!(
        !site
            .linked(&first["attachments"][0]["file_url"])
            .await
            .is_empty()
    );
    post(&site, "/api/chatbot/chat/", None, body, 400).await;
}

async fn a_file_that_was_taken_back_is_nowhere(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["5", "7"]).await;
    let five = token_of("5");
    let path = format!("/api/chat/conversations/{}", room.number);
    let form = document().behind(&[("caption", "Look")]);
    let (status, sent) = site
        .form(&format!("{path}/send-file/"), Some(&five), form)
        .await;
    assert_eq!(status, 201, "{sent}");
    let line = format!("/api/chat/messages/{}/delete/", sent["id"]);
    let (status, told) = site.http("DELETE", &line, Some(&five), &Value::Null).await;
    assert_eq!(status, 200, "{told}");
    let list = format!("{path}/messages/");
    let (_, list) = site.http("GET", &list, Some(&five), &Value::Null).await;
    let shown = &list["results"][0];
    assert_eq!(shown["message_type"], "text", "{shown}");
    for key in ["attachment", "attachment_name", "file_attachment"] {
        assert!(shown[key].is_null(), "{key}: {shown}");
    }
    let url = sent["attachment_url"].as_str().expect("a link");
    let (_, path) = url.split_at(url.find("/media").expect("a path"));
    let gone = async {
        loop {
            let request = site.request("GET", path).send();
            if request.await.expect("an answer").status().as_u16() == 404 {
                return;
            }
        }
    };
    soon("the file is gone", gone).await;
}

async fn a_file_of_somebody_else_is_attached_by_nobody(bus: Bus) {
    let site = Site::start(bus).await;
    let (_, kept) = site
        .form(UPLOAD, Some(&token_of("a1")), photo().before(&[]))
        .await;
    let id = kept["attachment_id"].clone();
    let foreign =
        crate::support::token::token_with(&json!("a1"), &json!({"company_id": OTHER_COMPANY}));
    for token in [token_of("b2"), foreign] {
        let body = json!({"message": "mine", "attachment_id": id});
        let told = post(&site, "/api/user-response/", Some(&token), body, 400).await;
        assert!(told["attachment_id"].is_array(), "{told}");
    }
    let body = json!({"message": "mine", "attachment_id": id});
    post(
        &site,
        "/api/user-response/",
        Some(&token_of("a1")),
        body,
        201,
    )
    .await;
}
