//! Rules of settings: who may change them, what is refused, what is told to whom.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
use frontdesk_protocol::companies::CompaniesCommand;
use frontdesk_protocol::settings::{CompanySettings, FormChoice, SettingsChange, SharedSecret};
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId};
use frontdesk_storage::EntityId;

use crate::company::{CompanyState, tables};
use crate::entity::{Answer, Caller, Command};
use crate::form::FormSpec;
use crate::tests::desk::Desk;

const SECRET: &str = "a secret of sixteen";

fn company() -> EntityId {
    EntityId::company(CompanyId::new("TES001").expect("valid"))
}

fn caller(role: Role) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company().company,
        person: PersonId::new("boss").expect("valid"),
        role,
        card: Card::default(),
    }))
}

fn changing(change: SettingsChange) -> Command {
    let change = Box::new(change);
    Command::Company(CompanyCommand::ChangeSettings { change })
}

fn origins(origins: &[&str]) -> SettingsChange {
    SettingsChange {
        origins: Some(origins.iter().map(|origin| Arc::from(*origin)).collect()),
        ..SettingsChange::default()
    }
}

fn key(kid: &str, secret: &str) -> SettingsChange {
    SettingsChange {
        host_keys: [(kid.to_owned(), Some(SharedSecret::new(secret)))].into(),
        ..SettingsChange::default()
    }
}

fn refused(change: SettingsChange) -> String {
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let why = desk.one(&caller(Role::Admin), changing(change));
    let why = why.expect_err("refused");
    assert_eq!(why.code, ErrorCode::BadField);
    why.message.to_string()
}

fn accepted(change: SettingsChange) -> CompanySettings {
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let answer = desk.one(&caller(Role::Admin), changing(change));
    assert!(
        matches!(answer, Ok(Answer::Numbered { number: 1, .. })),
        "{answer:?}"
    );
    desk.assert_replays();
    desk.row(&tables::settings_key()).expect("a row")
}

#[test]
fn admins_change_settings_and_nobody_else() {
    for role in [Role::Visitor, Role::Agent, Role::Bot] {
        let mut desk: Desk<CompanyState> = Desk::new(company());
        let answer = desk.one(&caller(role), changing(origins(&["https://a.example"])));
        assert_eq!(answer.expect_err("refused").code, ErrorCode::Forbidden);
    }
    let entity = Caller::Entity(EntityId::companies());
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let answer = desk.one(&entity, changing(origins(&["https://a.example"])));
    assert_eq!(answer.expect_err("refused").code, ErrorCode::Forbidden);
    for role in [Role::Admin, Role::Superadmin] {
        let mut desk: Desk<CompanyState> = Desk::new(company());
        let answer = desk.one(&caller(role), changing(origins(&["https://a.example"])));
        assert!(answer.is_ok(), "{answer:?}");
    }
}

#[test]
fn a_change_is_told_to_the_log_without_what_it_holds() {
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let mut change = key("new", SECRET);
    change.language = Some("ne".into());
    desk.one(&caller(Role::Admin), changing(change.clone()))
        .expect("changed");
    let effects = std::mem::take(&mut desk.effects);
    let [effect] = effects.as_slice() else {
        panic!("one effect: {effects:?}");
    };
    assert_eq!(effect.to, EntityId::staff(company().company));
    let Command::Staff(StaffCommand::NoteAct {
        act_no, subject, ..
    }) = &effect.command
    else {
        panic!("not noted: {effect:?}");
    };
    assert_eq!((*act_no, &**subject), (1, "language, host_keys"));
    // The same once more is nothing to tell.
    desk.one(&caller(Role::Admin), changing(change))
        .expect("nothing changed");
    assert!(desk.effects.is_empty());
}

#[test]
fn origins_are_told_to_the_installation() {
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let change = origins(&["https://a.example"]);
    let answer = desk
        .one(&caller(Role::Admin), changing(change))
        .expect("changed");
    let owed_to = Some(EntityId::companies());
    assert_eq!(answer, Answer::Numbered { number: 1, owed_to });
    let told = desk
        .effects
        .iter()
        .find(|effect| effect.to == EntityId::companies());
    let note = CompaniesCommand::NoteOrigins {
        origins: vec!["https://a.example".into()],
    };
    assert_eq!(told.expect("told").command, Command::Companies(note));
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    for origin in [
        "https://shop.example",
        "https://shop.example:8443",
        "https://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://192.168.0.7",
        "https://xn--bcher-kva.example",
    ] {
        assert_eq!(&*accepted(origins(&[origin])).origins[0], origin);
    }
    for origin in [
        "*",
        "null",
        "",
        "shop.example",
        "http://shop.example",
        "https://",
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example:443",
        "https://shop.example:0",
        "https://shop.example:07",
        "https://shop.example:65536",
        "https://shop.example:",
        "https://Shop.example",
        "https://user@shop.example",
        "https://*.shop.example",
        "https://shop..example",
        "https://-shop.example",
        "https://[::1",
        "https://[0:0:0:0:0:0:0:1]",
        "file://shop",
    ] {
        assert!(
            refused(origins(&[origin])).starts_with("origins"),
            "{origin}"
        );
    }
    let many: Vec<String> = (0..51).map(|i| format!("https://h{i}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(refused(origins(&many)).contains("limit 50"));
    assert_eq!(accepted(origins(&many[..50])).origins.len(), 50);
}

#[test]
fn keys_have_ids_and_secrets_that_count() {
    assert!(refused(key("frontdesk", SECRET)).contains("own"));
    assert!(refused(key("", SECRET)).starts_with("host_keys"));
    assert!(refused(key("a b", SECRET)).starts_with("host_keys"));
    assert!(refused(key(&"k".repeat(65), SECRET)).starts_with("host_keys"));
    assert!(refused(key("a", "fifteen bytes..")).starts_with("host_keys"));
    assert!(refused(key("a", &"s".repeat(513))).starts_with("host_keys"));
    assert_eq!(accepted(key("a", "sixteen bytes...")).host_keys.len(), 1);
    let many = SettingsChange {
        host_keys: (0..9)
            .map(|i| (i.to_string(), Some(SharedSecret::new(SECRET))))
            .collect(),
        ..SettingsChange::default()
    };
    assert!(refused(many).contains("limit 8"));
    let short = SettingsChange {
        visitor_secret: Some(Some(SharedSecret::new("short"))),
        ..SettingsChange::default()
    };
    assert!(refused(short).starts_with("visitor_secret"));
}

#[test]
fn a_form_of_ones_own_passes_the_check_of_forms() {
    let own = |text: &str| SettingsChange {
        form: Some(FormChoice::Own(text.into())),
        ..SettingsChange::default()
    };
    let profile = serde_json::to_string(FormSpec::profile()).expect("text");
    assert_eq!(
        accepted(own(&profile)).form,
        FormChoice::Own(profile.into())
    );
    assert!(refused(own("{}")).starts_with("form"));
    let empty = r#"{"language":"en","steps":[],"complete":{"en":{"text":"Bye"}}}"#;
    assert!(refused(own(empty)).contains("no steps"));
    assert!(refused(own(&" ".repeat(64 * 1024 + 1))).contains("limit 65536"));
}

#[test]
fn numbers_and_words_have_their_limits() {
    let with = |change: fn(&mut SettingsChange)| {
        let mut all = SettingsChange::default();
        change(&mut all);
        all
    };
    assert!(refused(with(|all| all.language = Some("English".into()))).starts_with("language"));
    assert!(refused(with(|all| all.file_bytes_max = Some(Some(0)))).starts_with("file_bytes"));
    assert!(refused(with(|all| all.retention_days = Some(Some(0)))).starts_with("retention"));
    assert!(refused(with(|all| all.retention_days = Some(Some(3_651)))).starts_with("retention"));
    let types = |types: &str| SettingsChange {
        file_types: Some(vec![types.into()]),
        ..SettingsChange::default()
    };
    for text in [
        "image",
        "image/",
        "/png",
        "Image/png",
        "image/*",
        "image/png; q=1",
    ] {
        assert!(refused(types(text)).starts_with("file_types"), "{text}");
    }
    assert_eq!(
        &*accepted(types("image/svg+xml")).file_types[0],
        "image/svg+xml"
    );
    assert_eq!(
        accepted(with(|all| all.retention_days = Some(Some(3_650)))).retention_days,
        Some(3_650)
    );
}

#[test]
fn settings_that_cannot_be_read_are_not_written_over() {
    let mut desk: Desk<CompanyState> = Desk::new(company());
    let rubbish = bytes::Bytes::from_static(b"rubbish");
    desk.rows.insert(tables::settings_key(), rubbish);
    let answer = desk.one(
        &caller(Role::Admin),
        changing(origins(&["https://a.example"])),
    );
    assert_eq!(answer.expect_err("refused").code, ErrorCode::Internal);
}
