//! Chats are forgotten after the days that their company set, and no others: no answer tells of
//! them, and the store holds no word.

use frontdesk_protocol::{CompanyId, Pos};
use frontdesk_storage::{Directory, EntityId, Journal};
use serde_json::{Value, json};

use crate::support::chats::{Chat, Company, site_of, staffed};
use crate::support::staff::{get, log_in, post, provide, text};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(a_chat_is_forgotten_after_the_days_and_a_restart_changes_nothing,);

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Chats are looked through once an hour.
const HOUR_MS: u64 = 60 * 60 * 1_000;
const VISITOR: &str = "visitor:1";

/// What was said, answered and written down in a chat that goes.
const WORDS: [&str; 5] = [
    "whispered words",
    "Ada Whisper",
    "ada@whisper.example",
    "a quarrel",
    "it is settled",
];

/// What one asks of a chat over HTTP, with a proof that counts now.
async fn asked(site: &Site, chat: &Chat, route: &str) -> (u16, Value) {
    let token = site.capability(&chat.company, VISITOR, &chat.id, 3_600);
    let (id, route) = (&chat.id, format!("/api/chatbot/{route}/"));
    let path = format!("{route}?session_id={id}&session_token={token}");
    site.http("GET", &path, None, &Value::Null).await
}

/// A chat in which all of it was said, and for which a person was wanted.
async fn told(site: &Site, company: &str, name: &str) -> (Chat, Value) {
    let id = format!("{company}_{name}");
    let chat = site.chat_of(company, VISITOR, &id).await;
    let mut page = site.visit(&chat).await;
    page.say(WORDS[0]).await;
    page.hears(WORDS[0]).await;
    let profile = json!({"session_id": id, "session_token": chat.token, "name": WORDS[1],
        "phone": "9841234567", "country_code": "+977", "email": WORDS[2]});
    post(site, "/api/chatbot/create-profile/", None, profile, 201).await;
    let wish = json!({"session_id": id, "session_token": chat.token, "reason": WORDS[3]});
    let wanted = post(site, "/api/human-handoff/escalate/", None, wish, 201).await;
    (chat, wanted)
}

/// The same, and an admin was done with it.
async fn over(site: &Site, of: &Company, name: &str) -> Chat {
    let (chat, wanted) = told(site, &of.id, name).await;
    let done = json!({"handoff_session_id": wanted["handoff_session"]["id"], "notes": WORDS[4]});
    post(
        site,
        "/api/human-handoff/resolve/",
        Some(&of.admin),
        done,
        200,
    )
    .await;
    chat
}

/// Sessions that an agent who logs in now is shown.
async fn shown(site: &Site, company: &str) -> Vec<String> {
    let email = format!("ann@{company}.example");
    let logged_in = log_in(site, &email, "a password of my own").await;
    let path = "/api/human-handoff/sessions/";
    let list = get(site, path, &text(&logged_in["access"]), 200).await;
    let sessions = list.as_array().expect("a list").iter();
    let mut ids: Vec<String> = sessions
        .map(|chat| text(&chat["chat_session_id"]))
        .collect();
    ids.sort();
    ids
}

/// Whether the rows and the company's log hold one of the words.
fn holds_words(site: &Site, company: &str) -> bool {
    let (store, company) = (site.store(), CompanyId::new(company).expect("valid"));
    let rows = store.rows(&company, &[0], &[0xff], false, 10_000);
    let rows = rows.expect("reads").into_iter();
    let mut held: Vec<Vec<u8>> = rows
        .flat_map(|(key, value)| [key, value.to_vec()])
        .collect();
    let entity = EntityId::company(company);
    let records = store.read_after(&entity, Pos(0), 10_000, usize::MAX);
    let records = records.expect("reads").into_iter();
    held.extend(records.map(|record| record.payload.to_vec()));
    held.iter().any(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        WORDS.iter().any(|word| text.contains(word))
    })
}

async fn until_gone(site: &Site, chat: &Chat) {
    soon("the chat is forgotten", async {
        while asked(site, chat, "chat-history").await.0 != 404 {
            tokio::task::yield_now().await;
        }
        while holds_words(site, &chat.company) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_chat_is_forgotten_after_the_days_and_a_restart_changes_nothing(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spark = staffed(&site, &root, "Spark").await;
    site.set(&tesla.id, json!({"retention_days": 30})).await;
    let idle = over(&site, &tesla, "idle").await;
    let kept = over(&site, &spark, "kept").await;
    let id = format!("{}_open", tesla.id);
    let open = site.chat_of(&tesla.id, VISITOR, &id).await;
    let wish = json!({"session_id": id, "session_token": open.token, "reason": "a bill"});
    post(&site, "/api/human-handoff/escalate/", None, wish, 201).await;
    assert!(holds_words(&site, &tesla.id));
    site.clock.leap_ms(20 * DAY_MS);
    let site = site.reborn(bus, provide).await;
    assert_eq!(asked(&site, &idle, "chat-history").await.0, 200);
    site.clock.leap_ms(10 * DAY_MS + HOUR_MS);
    until_gone(&site, &idle).await;
    let site = site.reborn(bus, provide).await;
    for site in [&site, &site.reborn(bus, provide).await] {
        assert_eq!(asked(site, &idle, "chat-history").await.0, 404);
        assert_eq!(asked(site, &idle, "session-status").await.0, 404);
        assert_eq!(asked(site, &open, "chat-history").await.0, 200);
        assert_eq!(shown(site, "tesla").await, [open.id.as_str()]);
        let path = format!("{}?session_token=", idle.path());
        let token = site.capability(&tesla.id, VISITOR, &idle.id, 3_600);
        assert_eq!(site.closes(&(path + &token), &[]).await, 4404);
        let (status, history) = asked(site, &kept, "chat-history").await;
        assert_eq!(status, 200);
        assert!(history.to_string().contains(WORDS[0]), "{history}");
        assert!(holds_words(site, &spark.id) && !holds_words(site, &tesla.id));
    }
}
