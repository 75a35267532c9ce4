//! Every route of the OpenAPI document, aimed at what is the first company's.
//!
//! Invariants: each route of the document stands here, some with several attacks; whoever is not
//! named in a row is refused with 4xx.

use super::row::{Row, file, get, post, row};
use super::world::Kind::{
    self, Admin, Agent, Ann, Bob, Eve, Forged, Hal, Host, HostAdmin, Nobody, Sam, Visitor,
};
use super::world::word;

/// What shows that a proof counts at all: what each kind reads or says of its own.
pub(super) const OWN_OF_VISITORS: Row = post(
    "/api/chatbot/chat",
    r#"{"session_id": "<own chat>", "company_id": "<own>", "message": "here"}"#,
);
pub(super) const OWN_BY_QUERY: Row =
    get("/api/chatbot/session-status").with("?session_id=<own chat>&company_id=<own>");
pub(super) const OWN_OF_PEOPLE: Row = get("/v1/prompts");

/// Everybody, also who has no proof at all.
const ALL: &[Kind] = &[
    Admin, Agent, Visitor, Host, HostAdmin, Bob, Ann, Eve, Sam, Hal, Nobody, Forged,
];
/// Whoever a company's tokens are for: hosts' people and those with an account.
pub(super) const PEOPLE: &[Kind] = &[Admin, Agent, Host, HostAdmin, Bob, Ann, Sam, Hal];
/// Whoever is not of the first company.
const OUTSIDE: &[Kind] = &[Admin, Agent, Visitor, Host, HostAdmin, Nobody, Forged];
/// Those with an account.
pub(super) const ACCOUNTS: &[Kind] = &[Admin, Agent, Bob, Ann];
const OPEN: &str = "a route for whoever asks, which says nothing of anybody";

/// All but those of desks and, at the end, what ends logins.
pub(super) const ROWS: &[Row] = &[
    post(
        "/api/admin-dashboard/agent-first-login",
        r#"{"email": "<ann mail>", "current_password": "a guess", "new_password": "my own words",
            "confirm_password": "my own words"}"#,
    ),
    post(
        "/api/admin-dashboard/agent-login",
        r#"{"email": "<ann mail>", "password": "a guess"}"#,
    ),
    get("/api/admin-dashboard/agent-sessions")
        .with("?agent_id=<ann>&company_id=<company>")
        .own(&[Ann], "her own company, and her own chats"),
    get("/api/admin-dashboard/agent-sessions")
        .with("?agent_id=<ann>")
        .own(
            &[Admin, Ann],
            "an agent of that number in their own company",
        ),
    get("/api/admin-dashboard/agent-sessions").own(ACCOUNTS, "their own"),
    post(
        "/api/admin-dashboard/create-agent",
        r#"{"name": "Mole", "email": "mole@<own>.example", "company_id": "<company>"}"#,
    ),
    post(
        "/api/admin-dashboard/create-agent",
        r#"{"name": "Mole", "email": "mole@<own>.example"}"#,
    )
    .with("?company_id=<company>"),
    post(
        "/api/admin-dashboard/create-agent",
        r#"{"name": "Twin", "email": "<ann mail>"}"#,
    ),
    row("DELETE", "/api/admin-dashboard/delete-agent/{id=ann}", ""),
    row("DELETE", "/api/admin-dashboard/delete-agent/{id=ann}", "").with("?company_id=<company>"),
    get("/api/admin-dashboard/list-agents").with("?company_id=<company>"),
    get("/api/admin-dashboard/list-agents").own(&[Admin], "the agents of their own company"),
    post(
        "/api/admin-dashboard/reset-agent-password",
        r#"{"agent_id": <ann>}"#,
    ),
    post(
        "/api/admin-dashboard/reset-agent-password",
        r#"{"agent_id": <ann>}"#,
    )
    .with("?company_id=<company>"),
    post(
        "/api/admin-dashboard/update-agent-status",
        r#"{"status": "OFFLINE", "agent_id": <ann>, "id": <ann>}"#,
    )
    .own(
        &[Agent, Bob],
        "one's own status, whatever else is in the body",
    )
    .skips(&[Ann]),
    row(
        "PUT",
        "/api/admin-dashboard/update-agent/{id=ann}",
        r#"{"name": "Mine"}"#,
    ),
    row(
        "PUT",
        "/api/admin-dashboard/update-agent/{id=ann}",
        r#"{"name": "Mine"}"#,
    )
    .with("?company_id=<company>"),
    get("/api/admin-dashboard/user-profiles").with("?company_id=<company>"),
    get("/api/admin-dashboard/user-profiles")
        .with("?search=a")
        .own(&[Admin], "what their own visitors answered"),
    get("/api/admin-dashboard/user-profiles/stats").with("?company_id=<company>"),
    get("/api/admin-dashboard/user-profiles/{id=profile}"),
    get("/api/admin-dashboard/user-profiles/{id=profile}").with("?company_id=<company>"),
    row(
        "DELETE",
        "/api/admin-dashboard/user-profiles/{id=profile}/delete",
        "",
    ),
    row(
        "DELETE",
        "/api/admin-dashboard/user-profiles/{id=profile}/delete",
        "",
    )
    .with("?company_id=<company>"),
    post(
        "/api/auth/create-admin",
        r#"{"name": "Mole", "email": "mole@<own>.example"}"#,
    ),
    post(
        "/api/auth/create-plan",
        r#"{"plan_name": "x", "max_agents": 1}"#,
    ),
    row("DELETE", "/api/auth/delete-admin/{id=admin}", ""),
    get("/api/auth/list-admins").with("?search=<company>"),
    get("/api/auth/list-admins").with("?admin_id=<admin>"),
    get("/api/auth/list-plans"),
    post(
        "/api/auth/login",
        r#"{"username": "<ann mail>", "password": "a guess"}"#,
    ),
    get("/api/auth/profile").own(ACCOUNTS, "who they are themselves"),
    post("/api/auth/token/refresh", r#"{"refresh": "a guess"}"#),
    row(
        "PUT",
        "/api/auth/update-admin/{id=admin}",
        r#"{"name": "Mine"}"#,
    ),
    row(
        "PATCH",
        "/api/auth/update-admin/{id=admin}",
        r#"{"name": "Mine"}"#,
    ),
    get("/api/bot-prompts").own(PEOPLE, "what their own company offers"),
    post("/api/bot-response", r#"{"conversation_id": <number>}"#),
    get("/api/chat/conversations")
        .with("?limit=50")
        .own(PEOPLE, "their own conversations"),
    post(
        "/api/chat/conversations",
        r#"{"listener_id": "ida", "initial_message": "hi"}"#,
    )
    .own(
        PEOPLE,
        "a new conversation with somebody of their own company",
    ),
    get("/api/chat/conversations/{id=number}").own(&[Hal], "his own conversation"),
    post("/api/chat/conversations/{id=hal}", "{}").own(
        PEOPLE,
        "a conversation with a person of that name in their own company",
    ),
    row(
        "PATCH",
        "/api/chat/conversations/{id=number}",
        r#"{"title": "<title>", "is_archived": false}"#,
    )
    .skips(&[Hal]),
    post("/api/chat/conversations/{id=number}/archive", "{}").skips(&[Hal]),
    post("/api/chat/conversations/{id=number}/mark-read", "{}").skips(&[Hal]),
    post("/api/chat/conversations/{id=number}/mark_read", "{}").skips(&[Hal]),
    get("/api/chat/conversations/{id=number}/messages").own(&[Hal], "his own conversation"),
    post(
        "/api/chat/conversations/{id=number}/messages",
        r#"{"content": ""}"#,
    ),
    post(
        "/api/chat/conversations/{id=number}/messages",
        r#"{"content": "mine", "reply_to": <message>}"#,
    )
    .skips(&[Hal]),
    file(
        "/api/chat/conversations/{id=number}/send-file",
        r#"{"caption": "mine"}"#,
    )
    .skips(&[Hal]),
    file(
        "/api/chat/conversations/{id=number}/upload_file",
        r#"{"content": "mine"}"#,
    )
    .skips(&[Hal]),
    row("DELETE", "/api/chat/messages/{id=idas}/delete", ""),
    post("/api/chat/messages/{id=message}/read", "{}").skips(&[Hal]),
    get("/api/chat/status/{id=hal}").own(
        PEOPLE,
        "whether a person of that name in their own company is there",
    ),
    post(
        "/api/chat/typing",
        r#"{"conversation_id": <number>, "is_typing": true}"#,
    )
    .skips(&[Hal]),
    get("/api/chat/unread-count").own(PEOPLE, "how much of their own is unread"),
    get("/api/chat/files")
        .with("?session_id=<chat>&company_id=<company>")
        .own(&[Ann], "the chat that she has"),
    get("/api/chat/files/{session_id=chat}").own(&[Ann], "the chat that she has"),
    file(
        "/api/chat/upload",
        r#"{"session_id": "<chat>", "company_id": "<company>", "uploader": "agent"}"#,
    )
    .skips(&[Ann]),
    file("/api/chat/upload", r#"{"conversation_id": "<number>"}"#)
        .own(PEOPLE, "kept for themselves, whatever else is in the form"),
    file(
        "/api/chatbot/upload",
        r#"{"session_id": "<chat>", "company_id": "<company>"}"#,
    )
    .skips(&[Ann]),
    post(
        "/api/chatbot/chat",
        r#"{"session_id": "<own chat>", "company_id": "<own>", "message": "x",
            "attachment_ids": [1]}"#,
    ),
    get("/api/chatbot/chat").own(ALL, OPEN),
    post(
        "/api/chatbot/chat",
        r#"{"session_id": "<chat>", "company_id": "<company>", "message": "Who am I?"}"#,
    ),
    get("/api/chatbot/chat-history").with("?session_id=<chat>"),
    get("/api/chatbot/chat-history").with("?session_id=<chat>&company_id=<own>"),
    get("/api/chatbot/company-config/{company_id=company}")
        .own(ALL, "what a page is told before anybody is known")
        .shows(&[word::COMPANY]),
    get("/api/chatbot/country-codes").own(ALL, OPEN),
    post(
        "/api/chatbot/create-profile",
        r#"{"session_id": "<chat>", "name": "Mine", "phone": "9841234567", "country_code": "+977",
            "email": "me@x.example"}"#,
    ),
    get("/api/chatbot/session-status").with("?session_id=<chat>"),
    get("/api/chatbot/session-status").with("?session_id=<chat>&user_id=hal&user_hash=00"),
    get("/api/chatbot/session-status").with("?session_id=<chat>&company_id=<own>"),
    post(
        "/api/chatbot/validate-phone",
        r#"{"phone": "9841234567", "country_code": "+977"}"#,
    )
    .own(ALL, OPEN),
    post(
        "/api/user-response",
        r#"{"conversation_id": <number>, "message": "mine"}"#,
    )
    .skips(&[Hal]),
    get("/healthz").own(ALL, OPEN),
    get("/media/{company_id=company}/{file_no=file}/{name=me}"),
    get("/media/{company_id=company}/{file_no=file}/{name=me}").with("?<own link>"),
    row(
        "HEAD",
        "/media/{company_id=company}/{file_no=file}/{name=me}",
        "",
    )
    .with("?<own link>"),
    get("/metrics").own(ALL, OPEN),
    get("/openapi.json").own(ALL, OPEN),
    get("/readyz").own(ALL, OPEN),
    get("/v1/audit"),
    get("/v1/chats")
        .with("?stage=assigned&company_id=<company>")
        .own(&[Bob, Ann], "their own company"),
    get("/v1/chats")
        .with("?stage=queued")
        .own(ACCOUNTS, "what waits in their own company, and their own"),
    post(
        "/v1/chats",
        r#"{"company_id": "<company>", "session_id": "<chat>"}"#,
    ),
    get("/v1/chats/{session_id=chat}").own(&[Ann], "the chat that she has"),
    get("/v1/chats/{session_id=chat}")
        .with("?company_id=<company>")
        .own(&[Ann], "the chat that she has"),
    post("/v1/chats/{session_id=chat}/assign", r#"{"agent": <bob>}"#).skips(&[Ann]),
    post(
        "/v1/chats/{session_id=chat}/escalate",
        r#"{"reason": "mine"}"#,
    ),
    post(
        "/v1/chats/{session_id=chat}/resolve",
        r#"{"notes": "mine"}"#,
    )
    .skips(&[Ann]),
    get("/v1/companies"),
    post("/v1/companies", r#"{"name": "Mole"}"#),
    get("/v1/companies/{id=company}"),
    row("DELETE", "/v1/companies/{id=company}", ""),
    row("PATCH", "/v1/companies/{id=company}", r#"{"name": "Mine"}"#),
    get("/v1/companies/{id=company}/accounts"),
    post(
        "/v1/companies/{id=company}/accounts",
        r#"{"role": "agent", "name": "Mole", "email": "mole@<own>.example"}"#,
    ),
    get("/v1/companies/{id=company}/accounts/{no=ann}"),
    row("DELETE", "/v1/companies/{id=company}/accounts/{no=ann}", ""),
    row(
        "PATCH",
        "/v1/companies/{id=company}/accounts/{no=ann}",
        r#"{"name": "Mine"}"#,
    ),
    post(
        "/v1/companies/{id=company}/accounts/{no=ann}/reset-password",
        "{}",
    ),
    get("/v1/companies/{id=me}/accounts/{no=ann}"),
    row("DELETE", "/v1/companies/{id=me}/accounts/{no=ann}", ""),
    row(
        "PATCH",
        "/v1/companies/{id=me}/accounts/{no=ann}",
        r#"{"name": "Mine"}"#,
    ),
    post(
        "/v1/companies/{id=me}/accounts/{no=ann}/reset-password",
        "{}",
    ),
    get("/v1/companies/{id=company}/audit"),
    row(
        "PUT",
        "/v1/companies/{id=company}/plan",
        r#"{"plan": null}"#,
    ),
    get("/v1/companies/{id=company}/settings"),
    row(
        "PATCH",
        "/v1/companies/{id=company}/settings",
        r#"{"legacy_anonymous": true}"#,
    ),
    post(
        "/v1/login",
        r#"{"email": "<ann mail>", "password": "a guess"}"#,
    ),
    post(
        "/v1/login/password",
        r#"{"email": "<ann mail>", "current_password": "a guess", "new_password": "my own words"}"#,
    ),
    post("/v1/login/refresh", r#"{"refresh_token": "a guess"}"#),
    get("/v1/me").own(ACCOUNTS, "who they are themselves"),
    get("/v1/plans"),
    post("/v1/plans", r#"{"name": "x", "agent_count_max": 1}"#),
    get("/v1/prompts")
        .with("?company_id=<company>")
        .own(&[Bob, Ann, Sam, Hal], "what their own company offers"),
    get("/v1/prompts").own(PEOPLE, "what their own company offers"),
    row("PUT", "/v1/prompts", r#"{"prompts": []}"#)
        .own(&[Admin, HostAdmin], "what their own company offers"),
    post("/v1/rooms", r#"{"participants": ["hal", "ida", "mole"]}"#)
        .own(PEOPLE, "a new room of their own company"),
    get("/v1/rooms/{room=room}/messages").own(&[Hal], "his own conversation"),
    get("/v1/rooms/{room=number}/messages").own(&[Hal], "his own conversation"),
    get("/v1/users/{id=hal}").own(PEOPLE, "a person of that name in their own company"),
    row("PUT", "/v1/users/{id=hal}", r#"{"name": null}"#)
        .own(PEOPLE, "a person of that name, if it is them or their host"),
    post(
        "/api/chatbot/chat",
        r#"{"session_id": "<chat>", "company_id": "<own>", "message": "Who am I?"}"#,
    )
    .own(
        OUTSIDE,
        "a name that nobody has in their own company is theirs who come first",
    ),
    post(
        "/v1/chats",
        r#"{"company_id": "<own>", "session_id": "<chat>"}"#,
    )
    .own(
        OUTSIDE,
        "a name that nobody has in their own company is theirs who come first",
    ),
];

/// What ends logins goes last.
pub(super) const LAST_ROWS: &[Row] = &[
    post("/api/auth/logout", "{}").own(ACCOUNTS, "their own login, which ends here"),
    post("/v1/logout", "{}"),
    post("/api/admin-dashboard/agent-logout", "{}"),
];
