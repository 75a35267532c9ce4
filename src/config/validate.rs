//! Whether settings that can be read also make sense together.
//!
//! Invariants: the defaults pass; every finding names the key that should change.
//! Never: opens, resolves or contacts anything.

use std::ops::RangeInclusive;

use super::files::{FileStore, Files};
use super::secret::Secret;
use super::settings::{Auth, Config, Limits, Server};
use crate::auth::own::OWN_NAME;
use crate::files::scan::Address;

/// A key, and why its value will not do.
pub(super) type Finding = (&'static str, String);

/// More threads than any machine has cores only cost memory.
const WORKER_THREADS_MAX: usize = 1_024;

/// Hashing is arithmetic: more threads than cores only cost 19 MiB each.
const PASSWORD_THREADS_MAX: usize = 64;
/// Whoever is further behind in the queue has given up before their turn.
const PASSWORD_QUEUE_MAX: usize = 1_024;

/// Scanners have ten threads unless told otherwise.
const SCAN_THREADS_MAX: usize = 256;
/// Decoding is arithmetic: more threads than cores only cost memory.
const IMAGE_THREADS_MAX: usize = 64;

/// Everything that will not do.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_server(&config.server, &mut findings);
    check_auth(&config.auth, &mut findings);
    check_limits(&config.limits, &mut findings);
    check_files(&config.files, &mut findings);
    check_inspection(&config.files, &mut findings);
    if config.storage.path.as_os_str().is_empty() {
        findings.push(("storage.path", "is empty".to_owned()));
    }
    // Below this an engine spends its time reading the same blocks again.
    const CACHE_BYTES_MIN: u64 = 1024 * 1024;
    if config.storage.cache_bytes < CACHE_BYTES_MIN {
        findings.push((
            "storage.cache_bytes",
            format!("must be at least {CACHE_BYTES_MIN}"),
        ));
    }
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&config.telemetry.log) {
        findings.push(("telemetry.log", format!("is not a log filter: {error}")));
    }
    findings
}

fn check_server(server: &Server, findings: &mut Vec<Finding>) {
    if server.listen.is_empty() {
        findings.push(("server.listen", "names no address".to_owned()));
    }
    if let Some(url) = &server.public_url {
        let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
        let spaced = url
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control());
        if host.is_none_or(str::is_empty) || spaced {
            let why = format!("expected http:// or https:// and a host, found {url:?}");
            findings.push(("server.public_url", why));
        }
    }
    if server.backlog_connections == 0 || i32::try_from(server.backlog_connections).is_err() {
        let why = format!("must be 1 to {}", i32::MAX);
        findings.push(("server.backlog_connections", why));
    }
    let any = |origin: &String| origin == "*";
    if server.cors_origins.iter().any(any) && server.cors_origins.len() > 1 {
        let why = "\"*\" is every origin and stands alone".to_owned();
        findings.push(("server.cors_origins", why));
    }
    for origin in server.cors_origins.iter().filter(|origin| !any(origin)) {
        if !is_origin(origin) {
            let why = format!("expected an origin like https://example.com, found {origin:?}");
            findings.push(("server.cors_origins", why));
        }
    }
    if server.worker_threads > WORKER_THREADS_MAX {
        let why = format!("must be at most {WORKER_THREADS_MAX}");
        findings.push(("server.worker_threads", why));
    }
}

/// What browsers send as `Origin`: a scheme, a host in lower case, perhaps a port, and no path.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let in_host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    let in_scheme = |byte: u8| byte.is_ascii_lowercase() || b"+-.".contains(&byte);
    !scheme.is_empty()
        && scheme.bytes().all(in_scheme)
        && !host.is_empty()
        && host.bytes().all(in_host)
}

/// How long links may be good for, seconds: native clients ask again within a quarter of an hour,
/// others never do; what is good for longer than a month is a company's own setting.
const LINK_TTL_S: RangeInclusive<u64> = 300..=900;
const PROFILE_LINK_TTL_S: RangeInclusive<u64> = 3_600..=2_592_000;

fn check_files(files: &Files, findings: &mut Vec<Finding>) {
    for (key, ttl_s, bounds) in [
        ("files.link_ttl_s", files.link_ttl_s, LINK_TTL_S),
        (
            "files.profile_link_ttl_s",
            files.profile_link_ttl_s,
            PROFILE_LINK_TTL_S,
        ),
    ] {
        if !bounds.contains(&ttl_s) {
            let why = format!("must be {} to {}", bounds.start(), bounds.end());
            findings.push((key, why));
        }
    }
    if files
        .folder
        .as_ref()
        .is_some_and(|folder| folder.as_os_str().is_empty())
    {
        findings.push(("files.folder", "is empty".to_owned()));
    }
    if let Some(endpoint) = &files.s3.endpoint {
        let plain = endpoint.starts_with("http://");
        let wanted = "expected http:// or https:// and a host";
        if !plain && !endpoint.starts_with("https://") {
            findings.push(("files.s3.endpoint", wanted.to_owned()));
        } else if plain && !files.s3.allow_http {
            let why = "is without TLS, which files.s3.allow_http does not allow";
            findings.push(("files.s3.endpoint", why.to_owned()));
        }
    }
    if files.store != FileStore::S3 {
        return;
    }
    let is_empty = |secret: &Option<Secret>| {
        let secret = secret.as_ref().map(Secret::expose);
        secret.is_none_or(str::is_empty)
    };
    for (key, missing) in [
        ("files.s3.bucket", files.s3.bucket.is_empty()),
        ("files.s3.region", files.s3.region.is_empty()),
        ("files.s3.access_key", is_empty(&files.s3.access_key)),
        ("files.s3.secret_key", is_empty(&files.s3.secret_key)),
    ] {
        if missing {
            let why = "is needed where files.store is \"s3\"";
            findings.push((key, why.to_owned()));
        }
    }
    if !cfg!(feature = "s3") {
        let why = "this build knows no buckets: it was made without its feature s3";
        findings.push(("files.store", why.to_owned()));
    }
}

fn check_auth(auth: &Auth, findings: &mut Vec<Finding>) {
    if auth
        .jwt_secret
        .as_ref()
        .is_some_and(|secret| secret.expose().is_empty())
    {
        findings.push(("auth.jwt_secret", "is empty".to_owned()));
    }
    for (kid, secret) in &auth.keys {
        if kid.is_empty() || secret.expose().is_empty() {
            findings.push((
                "auth.keys",
                format!("key id {kid:?} or its secret is empty"),
            ));
        }
    }
    if auth.keys.contains_key(OWN_NAME) {
        let why = format!("key id {OWN_NAME:?} is this server's own");
        findings.push(("auth.keys", why));
    }
    if !(1..=PASSWORD_THREADS_MAX).contains(&auth.password_threads) {
        let why = format!("must be 1 to {PASSWORD_THREADS_MAX}");
        findings.push(("auth.password_threads", why));
    }
    if auth.password_queue > PASSWORD_QUEUE_MAX {
        let why = format!("must be at most {PASSWORD_QUEUE_MAX}");
        findings.push(("auth.password_queue", why));
    }
    // A clock further off is broken, and leeway is time in which a stolen token lives on.
    const LEEWAY_S_MAX: u64 = 300;
    if auth.leeway_s > LEEWAY_S_MAX {
        findings.push(("auth.leeway_s", format!("must be at most {LEEWAY_S_MAX}")));
    }
    if auth.connect_timeout_ms == 0 {
        findings.push(("auth.connect_timeout_ms", "must be at least 1".to_owned()));
    }
}

fn check_inspection(files: &Files, findings: &mut Vec<Finding>) {
    if let Some(Err(error)) = files.clamav.as_ref().map(|text| text.parse::<Address>()) {
        findings.push(("files.clamav", error.to_string()));
    }
    // A file that waits holds its place among those that are under way.
    const SCAN_WAIT_MS_MAX: u64 = 3_600_000;
    if files.scan_wait_ms > SCAN_WAIT_MS_MAX {
        let why = format!("must be at most {SCAN_WAIT_MS_MAX}");
        findings.push(("files.scan_wait_ms", why));
    }
    if !(1..=SCAN_WAIT_MS_MAX).contains(&files.scan_answer_ms) {
        let why = format!("must be 1 to {SCAN_WAIT_MS_MAX}");
        findings.push(("files.scan_answer_ms", why));
    }
    let threads = [
        ("files.scan_threads", files.scan_threads, SCAN_THREADS_MAX),
        (
            "files.image_threads",
            files.image_threads,
            IMAGE_THREADS_MAX,
        ),
    ];
    for (key, count, count_max) in threads {
        if !(1..=count_max).contains(&count) {
            findings.push((key, format!("must be 1 to {count_max}")));
        }
    }
}

fn check_rates(limits: &Limits, findings: &mut Vec<Finding>) {
    // A node does not serve more; whoever wants no limit says so with 0.
    const PER_SECOND_MAX: u32 = 1_000_000;
    let rates = [
        (
            "limits.requests_per_second_address",
            limits.requests_per_second_address,
        ),
        (
            "limits.logins_per_minute_name",
            limits.logins_per_minute_name,
        ),
        (
            "limits.logins_per_minute_address",
            limits.logins_per_minute_address,
        ),
        (
            "limits.passwords_per_minute_company",
            limits.passwords_per_minute_company,
        ),
        (
            "limits.chats_per_minute_address",
            limits.chats_per_minute_address,
        ),
        (
            "limits.requests_per_second_person",
            limits.requests_per_second_person,
        ),
        (
            "limits.commands_per_second_connection",
            limits.commands_per_second_connection,
        ),
        (
            "limits.uploads_per_minute",
            limits.uploads_per_minute.unwrap_or_default(),
        ),
    ];
    for (key, value) in rates {
        if value > PER_SECOND_MAX {
            findings.push((key, format!("must be at most {PER_SECOND_MAX}, or 0")));
        }
    }
}

fn check_limits(limits: &Limits, findings: &mut Vec<Finding>) {
    let at_least_one = [
        (
            "limits.connection_unanswered_count",
            u64::from(limits.connection_unanswered_count),
        ),
        (
            "limits.connection_unanswered_bytes",
            limits.connection_unanswered_bytes as u64,
        ),
        ("limits.outbox_soft_bytes", limits.outbox_soft_bytes as u64),
        (
            "limits.room_waiting_bytes",
            limits.room_waiting_bytes as u64,
        ),
        ("limits.write_stall_ms", limits.write_stall_ms),
        ("limits.response_stall_ms", limits.response_stall_ms),
        ("limits.ping_ms", limits.ping_ms),
        ("limits.http_body_bytes", limits.http_body_bytes as u64),
        ("limits.room_idle_ms", limits.room_idle_ms),
        ("limits.file_bytes_max", limits.file_bytes_max),
        (
            "limits.upload_memory_bytes",
            limits.upload_memory_bytes as u64,
        ),
        ("limits.upload_lifetime_ms", limits.upload_lifetime_ms),
        ("limits.upload_trace_ms", limits.upload_trace_ms),
    ];
    for (key, value) in at_least_one {
        if value == 0 {
            findings.push((key, "must be at least 1".to_owned()));
        }
    }
    check_rates(limits, findings);
    if limits.outbox_soft_bytes >= limits.outbox_hard_bytes {
        let why = format!(
            "must be above limits.outbox_soft_bytes: {} is not above {}",
            limits.outbox_hard_bytes, limits.outbox_soft_bytes
        );
        findings.push(("limits.outbox_hard_bytes", why));
    }
    if limits.ping_ms >= limits.idle_ms {
        let why = format!(
            "must be above limits.ping_ms: {} is not above {}",
            limits.idle_ms, limits.ping_ms
        );
        findings.push(("limits.idle_ms", why));
    }
}
