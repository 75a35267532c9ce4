//! Whether anything of the first company's was changed, or told to its people, by attacks.

use serde_json::{Value, json};

use super::world::World;
use crate::support::socket::Socket;

/// Fields that change with every request of a person, or with the clock.
const MOVING: &[&str] = &["active_at", "last_active", "is_online", "last_seen"];

/// Sockets of the first company's people, which stay open.
pub(super) struct Watch {
    desk: Socket,
    board: Socket,
    page: Socket,
    hal: Socket,
}

impl Watch {
    /// Ann at her desk, Ada on her page, and Hal in his room.
    pub(super) async fn begin(world: &World) -> Self {
        let (site, ours) = (&world.site, &world.ours);
        let token = &ours.ann.token;
        let page = format!("/ws/chat/{}/{}/?token=", ours.id, ours.ada.id);
        let mut hal = site.connect_with(&ours.hal).await;
        hal.join(&ours.talk.room).await;
        Self {
            desk: site.desk(&format!("/ws/agents/?token={token}")).await,
            board: site
                .desk(&format!("/ws/agent/{}/?token={token}", ours.ann.no))
                .await,
            page: site.desk(&format!("{page}{}", ours.ada.token)).await,
            hal,
        }
    }

    /// All are open, and the answer to a sign of life is the first thing that comes.
    pub(super) async fn heard_nothing(&mut self, world: &World) {
        for socket in [&mut self.desk, &mut self.board, &mut self.page] {
            socket.send(&json!({"type": "ping"})).await;
            assert_eq!(socket.next().await["type"], "pong");
        }
        let mut heard = self.hal.settled(&world.ours.talk.room).await;
        // Hal came and went himself while he tried other doors.
        let own = [json!([]), json!(["hal"])];
        let is_own = |frame: &Value| own.contains(&frame["joined"]) && own.contains(&frame["left"]);
        heard.retain(|frame| !is_own(frame));
        assert!(heard.is_empty(), "{heard:?}");
    }
}

/// Everything that the first company's people read of it.
pub(super) async fn state_of(world: &World) -> Vec<(String, Value)> {
    let ours = &world.ours;
    let (admin, root) = (&ours.admin.token, &world.root);
    let of_visitor = |path: &str, chat: &super::world::Chat| {
        format!("{path}?session_id={}&session_token={}", chat.id, chat.token)
    };
    let sent = "/api/human-handoff/agent/sessions";
    let conversation = format!("/api/chat/conversations/{}", ours.talk.number);
    let none = String::new();
    let reads = [
        ("/api/admin-dashboard/list-agents".to_owned(), admin),
        ("/v1/companies/me".to_owned(), admin),
        ("/v1/companies/me/accounts".to_owned(), admin),
        ("/v1/companies/me/audit?limit=100".to_owned(), admin),
        (format!("/v1/companies/{}/settings", ours.id), admin),
        ("/api/admin-dashboard/user-profiles".to_owned(), admin),
        ("/api/human-handoff/sessions".to_owned(), admin),
        (format!("{sent}/{}/messages", ours.ada.id), admin),
        (format!("{sent}/{}/messages", ours.eve.id), admin),
        (format!("/v1/chats/{}", ours.ada.id), admin),
        ("/v1/chats?stage=assigned".to_owned(), admin),
        ("/v1/prompts".to_owned(), &ours.boss),
        ("/v1/users/hal".to_owned(), &ours.boss),
        (format!("/v1/rooms/{}/messages", ours.talk.room), &ours.hal),
        (conversation.clone(), &ours.hal),
        (conversation, &ours.ida),
        (of_visitor("/api/chatbot/chat-history", &ours.ada), &none),
        (of_visitor("/api/chatbot/session-status", &ours.ada), &none),
        (of_visitor("/api/chatbot/session-status", &ours.eve), &none),
        ("/v1/companies".to_owned(), root),
        ("/v1/plans".to_owned(), root),
        ("/v1/audit?limit=100".to_owned(), root),
    ];
    let mut state = Vec::new();
    for (path, token) in reads {
        let line = format!("GET {path}");
        let mut found = world.done(&line, token, Value::Null).await;
        assert!(!found.is_null(), "{path}");
        keep_still(&mut found);
        state.push((path, found));
    }
    state
}

fn keep_still(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !MOVING.contains(&name.as_str()));
            fields.values_mut().for_each(keep_still);
        }
        Value::Array(items) => items.iter_mut().for_each(keep_still),
        _ => {}
    }
}

/// The same was read before and after.
pub(super) fn assert_unchanged(before: &[(String, Value)], after: &[(String, Value)]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}
