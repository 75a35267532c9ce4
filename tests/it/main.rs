//! What clients may rely on, asked of a whole node over its sockets: one file for each promise.
//!
//! Invariants: every fact is checked in both ways the bus can carry messages; clients are written
//! against docs/PROTOCOL.md and share no code with the server but its settings and its tokens;
//! nothing waits for a time, only for a condition with a deadline, or moves the node's clock.
//! Never: looks inside a node other than through its counts.

mod accounts;
mod admin_api;
mod auth;
mod chat_proofs;
mod chat_upkeep;
mod chats;
mod crm;
mod crm_http;
mod desk_boards;
mod direct;
mod downloads;
mod feeds;
mod file_doors;
mod file_forms;
mod file_frames;
mod file_links;
mod file_order;
mod file_pages;
mod file_places;
mod file_repeats;
mod helpdesk_socket;
mod hostile;
mod hostile_frames;
mod inbox_http;
mod inbox_socket;
mod isolation;
mod large_bodies;
mod limits;
mod metrics;
mod mixed;
mod native;
mod native_chats;
mod native_pushes;
mod opening_http;
mod packed_files;
mod rates;
mod resume;
mod retention;
mod revoked;
mod rooms_http;
mod settings;
mod sleep;
mod slow_links;
mod slow_readers;
mod socket_upload_rules;
mod socket_uploads;
mod stalled_downloads;
mod support;
mod uploads_counted;
mod uploads_draft;
mod uploads_failing;
mod uploads_hostile;
mod uploads_racing;
mod visitor_socket;
mod widget_socket;
