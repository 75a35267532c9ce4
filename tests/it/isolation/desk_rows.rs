//! Every route of those who serve visitors, aimed at what is the first company's.
//!
//! Invariants: as in `rows`.

use super::row::{Row, file, get, post};
use super::rows::ACCOUNTS;
use super::world::Kind::{Admin, Agent, Ann, Bob};

pub(super) const DESK_ROWS: &[Row] = &[
    post(
        "/api/agent-dashboard/accept-session",
        r#"{"session_id": "<chat>", "notes": "mine"}"#,
    )
    .skips(&[Ann]),
    get("/api/agent-dashboard/active-sessions")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    post(
        "/api/agent-dashboard/complete-session",
        r#"{"session_id": "<chat>", "notes": "done"}"#,
    )
    .skips(&[Ann]),
    get("/api/agent-dashboard/pending-sessions")
        .with("?company_id=<company>")
        .own(&[Bob, Ann], "their own company"),
    get("/api/agent-dashboard/stats")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    post(
        "/api/human-handoff/agent/send-message",
        r#"{"session_id": "<chat>", "message": " "}"#,
    ),
    post(
        "/api/human-handoff/agent/send-message",
        r#"{"session_id": "<chat>", "message": "mine"}"#,
    )
    .skips(&[Ann]),
    get("/api/human-handoff/agent/sessions")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    get("/api/human-handoff/agent/sessions").own(&[Admin, Agent, Bob, Ann], "their own"),
    file(
        "/api/human-handoff/agent/upload",
        r#"{"session_id": "<chat>", "message": "mine"}"#,
    )
    .skips(&[Ann]),
    get("/api/human-handoff/agent/sessions/{session_id=chat}/messages")
        .own(&[Ann], "the chat that she has"),
    get("/api/human-handoff/agent/sessions/{session_id=chat}/messages")
        .with("?company_id=<company>")
        .own(&[Ann], "the chat that she has"),
    post(
        "/api/human-handoff/assign",
        r#"{"handoff_session_id": <handoff>, "agent_id": <bob>}"#,
    )
    .skips(&[Ann]),
    post(
        "/api/human-handoff/assign",
        r#"{"handoff_session_id": <handoff>, "agent_id": <bob>, "company_id": "<company>"}"#,
    )
    .skips(&[Ann]),
    post(
        "/api/human-handoff/escalate",
        r#"{"session_id": "<chat>", "reason": "mine"}"#,
    ),
    post(
        "/api/human-handoff/escalate",
        r#"{"session_id": "<chat>", "company_id": "<own>", "reason": "mine"}"#,
    ),
    post(
        "/api/human-handoff/resolve",
        r#"{"handoff_session_id": <handoff>, "notes": "mine"}"#,
    )
    .skips(&[Ann]),
    post(
        "/api/human-handoff/resolve",
        r#"{"handoff_session_id": <handoff>, "notes": "mine", "company_id": "<company>"}"#,
    )
    .skips(&[Ann]),
    get("/api/human-handoff/sessions")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    get("/api/human-handoff/sessions")
        .with("?status=assigned")
        .own(&[Admin, Agent, Bob, Ann], "their own"),
    get("/api/agent-dashboard/profile")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "who she is herself"),
    get("/api/agent-dashboard/profile")
        .with("?agent_id=<ann>")
        .own(
            &[Admin, Ann],
            "somebody of that number in their own company",
        ),
    get("/api/agent-dashboard/profile").own(ACCOUNTS, "who they are themselves"),
    get("/api/human-handoff/activities")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    get("/api/human-handoff/activities").own(ACCOUNTS, "their own"),
    get("/api/human-handoff/dashboard")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    get("/api/human-handoff/dashboard").own(ACCOUNTS, "their own"),
    post(
        "/api/human-handoff/send-message",
        r#"{"session_id": "<chat>", "message": "mine"}"#,
    )
    .skips(&[Ann]),
    post(
        "/api/human-handoff/send-message",
        r#"{"session_id": "<chat>", "message": "mine", "company_id": "<company>"}"#,
    )
    .skips(&[Ann]),
];
