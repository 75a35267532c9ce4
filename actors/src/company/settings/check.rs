//! Which settings a company may have.
//!
//! Never: changes what was asked for: an origin in another form would be another origin.

use frontdesk_protocol::limits::{
    FILE_TYPE_BYTES_MAX, FILE_TYPE_COUNT_MAX, HOST_KEY_COUNT_MAX, HOST_KEY_ID_BYTES_MAX,
    LANGUAGE_BYTES_MAX, ORIGIN_BYTES_MAX, ORIGIN_COUNT_MAX, RETENTION_DAYS_MAX,
    SHARED_SECRET_BYTES_MAX, SHARED_SECRET_BYTES_MIN,
};
use frontdesk_protocol::settings::{CompanySettings, FormChoice, OWN_KEY_ID, SharedSecret};
use frontdesk_protocol::{ErrorCode, Rejection};

use crate::form::limits::SPEC_BYTES_MAX;
use crate::form::{FormSpec, is_language};

type Checked = Result<(), Rejection>;

fn refuse(why: String) -> Checked {
    Err(Rejection::because(ErrorCode::BadField, why))
}

/// The first thing that is wrong.
pub(super) fn check(settings: &CompanySettings) -> Checked {
    let language = &settings.language;
    if !language.is_empty() && (language.len() > LANGUAGE_BYTES_MAX || !is_language(language)) {
        return refuse("language: write it as en or pt-br".to_owned());
    }
    if let FormChoice::Own(text) = &settings.form {
        form(text)?;
    }
    origins(settings)?;
    file_types(settings)?;
    if settings.file_bytes_max == Some(0) {
        return refuse("file_bytes_max: must be at least 1".to_owned());
    }
    let is_kept = |days: u32| (1..=RETENTION_DAYS_MAX).contains(&days);
    if settings.retention_days.is_some_and(|days| !is_kept(days)) {
        return refuse(format!("retention_days: must be 1 to {RETENTION_DAYS_MAX}"));
    }
    host_keys(settings)?;
    match &settings.visitor_secret {
        Some(shared) => secret("visitor_secret", shared),
        None => Ok(()),
    }
}

fn form(text: &str) -> Checked {
    let bytes = text.len();
    if bytes > SPEC_BYTES_MAX {
        return refuse(format!("form: {bytes} bytes, limit {SPEC_BYTES_MAX}"));
    }
    let Ok(spec) = serde_json::from_str::<FormSpec>(text) else {
        return refuse("form: is no form".to_owned());
    };
    match spec.check() {
        Ok(()) => Ok(()),
        Err(why) => refuse(format!("form: {why}")),
    }
}

fn origins(settings: &CompanySettings) -> Checked {
    let count = settings.origins.len();
    if count > ORIGIN_COUNT_MAX {
        return refuse(format!(
            "origins: {count} of them, limit {ORIGIN_COUNT_MAX}"
        ));
    }
    match settings.origins.iter().find(|origin| !is_origin(origin)) {
        Some(_) => refuse("origins: write each as https://shop.example or with a port".to_owned()),
        None => Ok(()),
    }
}

/// What browsers send as `Origin` from a page that nobody can have put words into on its way: of
/// https, or of the same machine.
fn is_origin(text: &str) -> bool {
    if text.len() > ORIGIN_BYTES_MAX {
        return false;
    }
    let (rest, port_left_out) = match (text.strip_prefix("https://"), text.strip_prefix("http://"))
    {
        (Some(rest), _) => (rest, "443"),
        (_, Some(rest)) => (rest, "80"),
        _ => return false,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_port = |port: &str| {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0);
        number.is_some_and(|number| number.to_string() == port) && port != port_left_out
    };
    let is_of_this_machine = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let is_https = port_left_out == "443";
    port.is_none_or(is_port) && is_host(host) && (is_https || is_of_this_machine)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        // As browsers write it, in its shortest form.
        let parsed = address.parse::<std::net::Ipv6Addr>();
        return parsed.is_ok_and(|parsed| parsed.to_string() == address);
    }
    let in_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(in_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label)
}

fn file_types(settings: &CompanySettings) -> Checked {
    let count = settings.file_types.len();
    if count > FILE_TYPE_COUNT_MAX {
        return refuse(format!(
            "file_types: {count} of them, limit {FILE_TYPE_COUNT_MAX}"
        ));
    }
    let is_token = |part: &str| {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&^_.+-".contains(&byte)
        };
        !part.is_empty() && part.bytes().all(fits)
    };
    let is_type = |text: &str| {
        text.len() <= FILE_TYPE_BYTES_MAX
            && text
                .split_once('/')
                .is_some_and(|(kind, name)| is_token(kind) && is_token(name))
    };
    match settings.file_types.iter().find(|text| !is_type(text)) {
        Some(_) => refuse("file_types: write each as image/png, in lower case".to_owned()),
        None => Ok(()),
    }
}

fn host_keys(settings: &CompanySettings) -> Checked {
    let count = settings.host_keys.len();
    if count > HOST_KEY_COUNT_MAX {
        return refuse(format!(
            "host_keys: {count} of them, limit {HOST_KEY_COUNT_MAX}"
        ));
    }
    for (kid, shared) in &settings.host_keys {
        let is_plain = kid.bytes().all(|byte| byte.is_ascii_graphic());
        if kid.is_empty() || kid.len() > HOST_KEY_ID_BYTES_MAX || !is_plain {
            return refuse(format!(
                "host_keys: an id is 1 to {HOST_KEY_ID_BYTES_MAX} letters, digits and signs"
            ));
        }
        if kid == OWN_KEY_ID {
            return refuse(format!("host_keys: {OWN_KEY_ID} is this server's own"));
        }
        secret("host_keys", shared)?;
    }
    Ok(())
}

fn secret(field: &str, shared: &SharedSecret) -> Checked {
    let bytes = shared.expose().len();
    match (SHARED_SECRET_BYTES_MIN..=SHARED_SECRET_BYTES_MAX).contains(&bytes) {
        true => Ok(()),
        false => refuse(format!(
            "{field}: a secret is {SHARED_SECRET_BYTES_MIN} to {SHARED_SECRET_BYTES_MAX} bytes"
        )),
    }
}
