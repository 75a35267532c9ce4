//! The table of settings: the path of each, how its text form is read, and whether it is secret.
//!
//! Invariants: lists exactly the fields of [`super::Config`] (a test compares the two).
//! Never: knows a value.

/// How a value is read from an environment variable, where everything is text. `null` is refused
/// for every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Stays text whatever it looks like: `0123` is a secret, not a number.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A JSON list of texts, or a single one as it is unless it is JSON of another kind.
    List,
    /// A JSON object of texts.
    Table,
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// `section.name`, or `section.part.name`.
    pub(super) path: &'static str,
    /// How its text form is read.
    pub(super) kind: Kind,
    /// Whether its value is never shown.
    pub(super) secret: bool,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key {
        path,
        kind,
        secret: false,
    }
}

const fn secret(path: &'static str, kind: Kind) -> Key {
    Key {
        path,
        kind,
        secret: true,
    }
}

/// Prefix of the variables that are settings.
pub(super) const ENV_PREFIX: &str = "FRONTDESK_";

/// Every setting, in the order in which `frontdesk config` shows them.
pub(super) const KEYS: &[Key] = &[
    key("server.listen", Kind::List),
    key("server.public_url", Kind::Text),
    key("server.backlog_connections", Kind::Number),
    key("server.drain_ms", Kind::Number),
    key("server.cors_origins", Kind::List),
    key("server.worker_threads", Kind::Number),
    key("storage.engine", Kind::Text),
    key("storage.durability", Kind::Text),
    key("storage.path", Kind::Text),
    key("storage.cache_bytes", Kind::Number),
    key("files.store", Kind::Text),
    key("files.folder", Kind::Text),
    key("files.compress", Kind::Switch),
    key("files.link_ttl_s", Kind::Number),
    key("files.profile_link_ttl_s", Kind::Number),
    key("files.s3.endpoint", Kind::Text),
    key("files.s3.bucket", Kind::Text),
    key("files.s3.region", Kind::Text),
    secret("files.s3.access_key", Kind::Text),
    secret("files.s3.secret_key", Kind::Text),
    key("files.s3.allow_http", Kind::Switch),
    key("files.s3.redirect", Kind::Switch),
    secret("auth.jwt_secret", Kind::Text),
    secret("auth.keys", Kind::Table),
    key("auth.default_company", Kind::Text),
    key("auth.leeway_s", Kind::Number),
    key("auth.connect_timeout_ms", Kind::Number),
    key("auth.password_threads", Kind::Number),
    key("auth.password_queue", Kind::Number),
    key("provision.companies", Kind::List),
    secret("provision.superadmin", Kind::Table),
    key("limits.connections_per_address", Kind::Number),
    key("limits.requests_per_second_address", Kind::Number),
    key("limits.logins_per_minute_name", Kind::Number),
    key("limits.logins_per_minute_address", Kind::Number),
    key("limits.passwords_per_minute_company", Kind::Number),
    key("limits.chats_per_minute_address", Kind::Number),
    key("limits.forms_undecided_address", Kind::Number),
    key("limits.downloads_address", Kind::Number),
    key("limits.requests_per_second_person", Kind::Number),
    key("limits.commands_per_second_connection", Kind::Number),
    key("limits.connection_unanswered_count", Kind::Number),
    key("limits.connection_unanswered_bytes", Kind::Number),
    key("limits.outbox_soft_bytes", Kind::Number),
    key("limits.outbox_hard_bytes", Kind::Number),
    key("limits.room_waiting_bytes", Kind::Number),
    key("limits.write_stall_ms", Kind::Number),
    key("limits.response_stall_ms", Kind::Number),
    key("limits.ping_ms", Kind::Number),
    key("limits.idle_ms", Kind::Number),
    key("limits.http_body_bytes", Kind::Number),
    key("limits.room_idle_ms", Kind::Number),
    key("limits.file_bytes_max", Kind::Number),
    key("limits.uploads_per_minute", Kind::Number),
    key("limits.uploads_open_person", Kind::Number),
    key("limits.upload_memory_bytes", Kind::Number),
    key("limits.upload_lifetime_ms", Kind::Number),
    key("limits.upload_trace_ms", Kind::Number),
    key("limits.company_file_bytes", Kind::Number),
    key("files.clamav", Kind::Text),
    key("files.scan_policy", Kind::Text),
    key("files.scan_wait_ms", Kind::Number),
    key("files.scan_answer_ms", Kind::Number),
    key("files.scan_threads", Kind::Number),
    key("files.image_threads", Kind::Number),
    key("profiles.chat_socket", Kind::Text),
    key("profiles.rest", Kind::Text),
    key("profiles.echo_to_sender", Kind::Switch),
    key("bus.serialize", Kind::Switch),
    key("telemetry.log", Kind::Text),
    key("telemetry.log_format", Kind::Text),
];

/// The setting at a path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The setting that a path is of: its own, or that of the table which the path names a member of.
pub(super) fn setting_of(path: &str) -> Option<&'static Key> {
    let is_of = |key: &&'static Key| {
        let rest = path.strip_prefix(key.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    KEYS.iter().find(is_of)
}

/// Whether settings stand below a path.
pub(super) fn is_section(path: &str) -> bool {
    let below = |key: &Key| {
        let rest = key.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    KEYS.iter().any(below)
}

/// The variable that sets a path: `server.drain_ms` is `FRONTDESK_SERVER__DRAIN_MS`.
pub(super) fn env_name(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// The known setting that was most likely meant, if any is near.
pub(super) fn nearest(path: &str) -> Option<&'static Key> {
    let name_only = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let whole = |key: &&'static Key| edit_distance(path, key.path);
    let by_path = KEYS.iter().min_by_key(whole)?;
    if whole(&by_path) <= near(path) {
        return Some(by_path);
    }
    // The right name in the wrong section, or with no section at all.
    let name = name_only(path);
    let by_name = |key: &&'static Key| edit_distance(&name, &name_only(key.path));
    let other_section = KEYS.iter().min_by_key(by_name)?;
    (by_name(&other_section) <= near(&name)).then_some(other_section)
}

/// Edits that are still a slip of the pen: a third of the word, at most three.
fn near(word: &str) -> usize {
    (word.len() / 3).min(3)
}

/// Insertions, removals and replacements between two ASCII words.
fn edit_distance(from: &str, to: &str) -> usize {
    let to = to.as_bytes();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (row_index, from_byte) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = row_index + 1;
        for (column_index, to_byte) in to.iter().enumerate() {
            let replace = diagonal + usize::from(from_byte != *to_byte);
            diagonal = row[column_index + 1];
            row[column_index + 1] = replace.min(diagonal + 1).min(row[column_index] + 1);
        }
    }
    row[to.len()]
}
