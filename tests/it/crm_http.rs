//! The profile `crm` over HTTP, beside its socket: talking to the bot, prompts, titles, archive.

use frontdesk_actors::limits::ENVELOPE_OVERHEAD_BYTES;
use serde_json::{Value, json};

use crate::support::token::{token_of, token_with};
use crate::support::{Bus, Room, Site, greeted, in_both_buses, until};

in_both_buses!(
    a_question_gets_one_answer_whichever_route_asks,
    a_socket_sees_what_is_said_over_http_and_the_answer,
    an_answer_is_that_to_the_last_question_when_it_was_asked_for,
    a_message_that_does_not_fit_is_refused_by_its_field,
    a_conversation_has_a_title_an_archive_and_participants,
    prompts_are_offered_in_their_order,
    marks_and_typing_work_without_a_socket,
    who_is_not_in_a_conversation_is_told_nothing_of_it,
);

fn ann() -> String {
    let claims = json!({"email": "ann@example.com", "full_name": "Ann Smith"});
    token_with(&json!("a1"), &claims)
}

impl Site {
    async fn ask_bot(&self, token: &str, body: Value) -> (String, String) {
        let (status, said) = self
            .http("POST", "/api/user-response/", Some(token), &body)
            .await;
        assert_eq!(status, 201, "{said}");
        let text = |key: &str| said[key].as_str().expect("ids are texts").to_owned();
        (text("conversation_id"), text("message_id"))
    }

    async fn answer(&self, token: &str, conversation: &str) -> (u16, Value) {
        let body = json!({"conversation_id": conversation});
        self.http("POST", "/api/bot-response/", Some(token), &body)
            .await
    }
}

async fn a_question_gets_one_answer_whichever_route_asks(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = ann();
    let (conversation, message) = site.ask_bot(&ann, json!({"message": "Hello"})).await;
    let number: u64 = conversation.parse().expect("a number as text");
    assert_eq!(message, ((number << 20) + 1).to_string());
    let mut answers = Vec::new();
    for id in [json!(conversation), json!(number), json!(conversation)] {
        let body = json!({"conversation_id": id});
        let (status, answer) = site
            .http("POST", "/api/bot-response/", Some(&ann), &body)
            .await;
        assert_eq!(status, 200, "{answer}");
        answers.push(answer["message"].as_str().expect("a text").to_owned());
    }
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && !answer.is_empty())
    );
    let more = json!({"message": "and now?", "conversation_id": conversation});
    assert_eq!(site.ask_bot(&ann, more).await.0, conversation);
    let (_, second) = site.answer(&ann, &conversation).await;
    assert!(
        second["message"]
            .as_str()
            .expect("a text")
            .contains("and now?")
    );
    let path = format!("/api/chat/conversations/{conversation}/messages/?limit=50");
    let (_, all) = site.http("GET", &path, Some(&ann), &Value::Null).await;
    let kinds: Vec<&str> = all
        .as_array()
        .expect("an array")
        .iter()
        .map(|message| message["type"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        kinds,
        ["user", "bot", "user", "bot"],
        "never a second answer"
    );
    assert_eq!(all[0]["id"], message);
    assert_eq!(all[0]["sender"], "a1");
    assert_eq!(all[0]["sender_name"], "Ann Smith");
}

async fn a_socket_sees_what_is_said_over_http_and_the_answer(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = ann();
    let (conversation, _) = site.ask_bot(&ann, json!({"message": "Hello"})).await;
    site.answer(&ann, &conversation).await;
    let room = Room {
        id: String::new(),
        number: conversation.parse().expect("a number"),
    };
    let mut socket = greeted(site.chat(&room, &ann, "dialect=crm").await).await;
    let more = json!({"message": "over http", "conversation_id": conversation});
    let (_, id) = site.ask_bot(&ann, more).await;
    let said = socket.next().await;
    assert_eq!(said["type"], "message:new");
    assert_eq!(
        (&said["message"]["id"], &said["message"]["text"]),
        (&json!(id), &json!("over http"))
    );
    let answered = socket.next().await;
    assert_eq!(answered["message"]["type"], "bot");
    let (_, fetched) = site.answer(&ann, &conversation).await;
    assert_eq!(
        answered["message"]["text"], fetched["message"],
        "one answer for both ways"
    );
    socket
        .send(&json!({"type": "message", "text": "over the socket"}))
        .await;
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let frame = socket.next().await;
        if frame["type"] == "message:new" {
            texts.push(
                frame["message"]["text"]
                    .as_str()
                    .expect("a text")
                    .to_owned(),
            );
        }
    }
    let (_, fetched) = site.answer(&ann, &conversation).await;
    assert_eq!(texts[0], "over the socket");
    assert_eq!(fetched["message"], texts[1]);
}

async fn an_answer_is_that_to_the_last_question_when_it_was_asked_for(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = ann();
    let (conversation, _) = site.ask_bot(&ann, json!({"message": "first"})).await;
    site.answer(&ann, &conversation).await;
    let mut socket = site.connect("a1").await;
    socket.join(&conversation).await;
    site.faults().hold_commits();
    let text = "second ".repeat(100);
    let mut post = json!({"type": "post_message", "room": conversation, "text": text});
    let later = socket.start(&mut post).await;
    socket.settled(&conversation).await;
    let later_bytes = text.len() + ENVELOPE_OVERHEAD_BYTES;
    let ((status, answer), ()) = tokio::join!(site.answer(&ann, &conversation), async {
        // The later question is being written, or waits to be; then what else waits is the request.
        until("waiting for the answer", || {
            let waiting_bytes = site.counts().waiting_bytes;
            ![0, later_bytes].contains(&waiting_bytes)
        })
        .await;
        site.faults().release();
    });
    socket.reply(later).await.expect("posted");
    assert_eq!(status, 200, "{answer}");
    let answer = answer["message"].as_str().expect("a text");
    assert!(answer.contains("first"), "{answer}");
    let (_, answer) = site.answer(&ann, &conversation).await;
    let answer = answer["message"].as_str().expect("a text");
    assert!(answer.contains("second"), "{answer}");
}

async fn a_message_that_does_not_fit_is_refused_by_its_field(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = ann();
    let fits = "é".repeat(1_000);
    site.ask_bot(&ann, json!({"message": fits})).await;
    for body in [
        json!({}),
        json!({"message": ""}),
        json!({"message": " \n"}),
        json!({"message": "x".repeat(1_001)}),
    ] {
        let (status, refused) = site
            .http("POST", "/api/user-response/", Some(&ann), &body)
            .await;
        assert_eq!(status, 400, "{refused}");
        let of_field = refused["message"].as_array().expect("a list of texts");
        assert_eq!(of_field[0], refused["error"]);
        assert!(refused["request_id"].is_string());
    }
    for body in [
        json!({"message": 5}),
        json!({"message": "a", "conversation_id": {}}),
        json!([]),
    ] {
        let (status, _) = site
            .http("POST", "/api/user-response/", Some(&ann), &body)
            .await;
        assert_eq!(status, 400, "{body}");
    }
    let (status, refused) = site.answer(&ann, "999").await;
    assert_eq!(status, 404, "{refused}");
    let room = site.room(&["ann", "bob"]).await;
    let (status, refused) = site
        .answer(&token_of("ann"), &room.number.to_string())
        .await;
    assert_eq!(status, 400, "{refused}");
}

async fn a_conversation_has_a_title_an_archive_and_participants(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = ann();
    let body = json!({"title": "Orders"});
    let (status, opened) = site
        .http("POST", "/api/chat/conversations/", Some(&ann), &body)
        .await;
    assert_eq!(status, 201, "{opened}");
    assert_eq!(
        (&opened["title"], &opened["is_archived"]),
        (&json!("Orders"), &json!(false))
    );
    assert_eq!(opened["participant_count"], 2, "the bot takes part");
    let own = &opened["participants"][0];
    assert_eq!(
        (&own["id"], &own["role"], &own["username"]),
        (&json!("a1"), &json!("owner"), &json!("Ann Smith"))
    );
    assert_eq!(opened["participants"][1]["role"], "agent");
    assert!(own["joined_at"].is_string() && own["last_read_at"].is_null());
    let path = format!(
        "/api/chat/conversations/{}/",
        opened["id"].as_str().expect("a text")
    );
    let change = json!({"title": "Returns", "is_archived": true});
    let (status, changed) = site.http("PATCH", &path, Some(&ann), &change).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["title"], &changed["is_archived"]),
        (&json!("Returns"), &json!(true))
    );
    let (_, listed) = site
        .http(
            "GET",
            "/api/chat/conversations/?limit=5",
            Some(&ann),
            &Value::Null,
        )
        .await;
    assert_eq!(listed["results"][0]["title"], "Returns");
    let long = json!({"title": "x".repeat(256)});
    let (status, _) = site.http("PATCH", &path, Some(&ann), &long).await;
    assert_eq!(status, 400);
    let (status, _) = site
        .http("PATCH", &path, Some(&token_of("eve")), &change)
        .await;
    assert_eq!(status, 403);
}

async fn prompts_are_offered_in_their_order(bus: Bus) {
    let site = Site::start(bus).await;
    let (ann, boss) = (ann(), token_with(&json!("boss"), &json!({"role": "admin"})));
    let (_, none) = site
        .http("GET", "/api/bot-prompts/", Some(&ann), &Value::Null)
        .await;
    assert_eq!(none, json!([]));
    let prompts = json!({"prompts": [
        {"title": "Second", "text": "b", "order": 2},
        {"title": "Never", "text": "c", "order": 0, "is_active": false},
        {"title": "First", "text": "a", "order": 1},
    ]});
    let (status, _) = site.http("PUT", "/v1/prompts", Some(&ann), &prompts).await;
    assert_eq!(status, 403);
    let (status, set) = site.http("PUT", "/v1/prompts", Some(&boss), &prompts).await;
    assert_eq!(status, 200, "{set}");
    assert_eq!(
        set["prompts"].as_array().map(Vec::len),
        Some(3),
        "admins see all"
    );
    let (_, offered) = site
        .http("GET", "/api/bot-prompts/", Some(&ann), &Value::Null)
        .await;
    let expected = json!([
        {"id": 3, "title": "First", "text": "a", "order": 1},
        {"id": 1, "title": "Second", "text": "b", "order": 2},
    ]);
    assert_eq!(offered, expected);
    let there = token_with(&json!("a1"), &json!({"company_id": "SPA001"}));
    let (_, none) = site
        .http("GET", "/api/bot-prompts/", Some(&there), &Value::Null)
        .await;
    assert_eq!(none, json!([]), "another company has its own");
}

async fn marks_and_typing_work_without_a_socket(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut bob = site.join("bob", &room).await;
    let (ann, number) = (token_of("ann"), room.number);
    let body = json!({"conversation_id": number.to_string(), "is_typing": true});
    let (status, said) = site
        .http("POST", "/api/chat/typing/", Some(&ann), &body)
        .await;
    assert_eq!((status, said), (200, json!({"status": "success"})));
    loop {
        let push = bob.next().await;
        if push["kind"] == "typing" {
            assert_eq!(
                (&push["person"], &push["active"]),
                (&json!("ann"), &json!(true))
            );
            break;
        }
    }
    let path = format!("/api/chat/conversations/{number}/messages/");
    for text in ["one", "two"] {
        let body = json!({"content": text});
        site.http("POST", &path, Some(&ann), &body).await;
    }
    let bob = token_of("bob");
    let first = (number << 20) + 1;
    let path = format!("/api/chat/messages/{first}/read/");
    let (status, done) = site.http("POST", &path, Some(&bob), &Value::Null).await;
    assert_eq!((status, done), (200, json!({"status": "success"})));
    let (_, unread) = site
        .http("GET", "/api/chat/unread-count/", Some(&bob), &Value::Null)
        .await;
    assert_eq!(unread, json!({"unread_count": 1}));
    let path = format!("/api/chat/conversations/{number}/mark_read/");
    let (_, done) = site.http("POST", &path, Some(&bob), &Value::Null).await;
    assert_eq!(done, json!({"success": true, "marked_read": 1}));
}

async fn who_is_not_in_a_conversation_is_told_nothing_of_it(bus: Bus) {
    let site = Site::start(bus).await;
    let (conversation, message) = site.ask_bot(&ann(), json!({"message": "secret"})).await;
    let there = token_with(&json!("a1"), &json!({"company_id": "SPA001"}));
    let routes = [
        (
            "GET",
            format!("/api/chat/conversations/{conversation}/"),
            json!(null),
        ),
        (
            "GET",
            format!("/api/chat/conversations/{conversation}/messages/"),
            json!(null),
        ),
        (
            "POST",
            format!("/api/chat/conversations/{conversation}/mark-read/"),
            json!(null),
        ),
        (
            "POST",
            format!("/api/chat/messages/{message}/read/"),
            json!(null),
        ),
        (
            "DELETE",
            format!("/api/chat/messages/{message}/delete/"),
            json!(null),
        ),
        (
            "POST",
            "/api/bot-response/".to_owned(),
            json!({"conversation_id": conversation}),
        ),
        (
            "POST",
            "/api/chat/typing/".to_owned(),
            json!({"conversation_id": conversation}),
        ),
        (
            "POST",
            "/api/user-response/".to_owned(),
            json!({"conversation_id": conversation, "message": "hi"}),
        ),
    ];
    for (method, path, body) in routes {
        for (token, status) in [(token_of("eve"), 403), (there.clone(), 404)] {
            let (refused, text) = site.http_text(method, &path, Some(&token), &body).await;
            assert_eq!(refused, status, "{method} {path}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
