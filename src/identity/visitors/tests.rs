//! Who visitors are, asked of a node without routes.

use axum::http::{HeaderName, header};
use frontdesk_actors::clock::{Clock, SystemClock, fresh_cid};
use frontdesk_actors::{Command, Outcome};
use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::settings::{SettingsChange, SharedSecret};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::{MemoryOptions, MemoryStore};

use super::*;
use crate::auth::Grant;
use crate::config::{Config, Secret};
use crate::node::{Running, start_on};

const SECRET: &str = "a secret of sixteen bytes";
const CHAT: &str = "TES001_abc";
const SHOP: &str = "https://shop.example";
/// `printf 5 | openssl dgst -sha256 -hmac 'a secret of sixteen bytes'`
const HASH_OF_5: &str = "3fec3f139cff2a6fa161c09e772de82ba6ccf022273e687cd39bb3a2155e968d";

fn company(text: &str) -> CompanyId {
    CompanyId::new(text).expect("valid")
}

fn person(text: &str) -> PersonId {
    PersonId::new(text).expect("valid")
}

async fn site_at(public_url: Option<&str>) -> Running {
    let options = MemoryOptions {
        clock: Arc::new(|| SystemClock::default().now()),
        ..MemoryOptions::default()
    };
    let store = MemoryStore::new(options).expect("a store in memory opens");
    let mut config = Config::default();
    // Nobody has a file here: the folder need not stay.
    let folder = tempfile::tempdir().expect("a folder");
    config.storage.path = folder.path().to_owned();
    config.server.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    config.server.public_url = public_url.map(str::to_owned);
    config.auth.jwt_secret = Some(Secret::new("a secret of the host"));
    config.provision.companies = vec![company("TES001"), company("SPA001")];
    start_on(&config, store.store())
        .await
        .expect("the node starts")
}

async fn site() -> Running {
    site_at(None).await
}

async fn change(app: &Arc<App>, change: SettingsChange) {
    let by = Arc::new(Principal {
        company: company("TES001"),
        person: person("boss"),
        role: Role::Admin,
        card: Card::default(),
    });
    let change = Box::new(change);
    let command = Command::Company(CompanyCommand::ChangeSettings { change });
    let entity = EntityId::company(company("TES001"));
    let outcome = app.node.ask(entity, by, command, fresh_cid()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value.parse().expect("a header"));
    }
    headers
}

/// A visitor who opened a chat: who they are and what they keep.
async fn visitor(app: &Arc<App>) -> (PersonId, Capability) {
    let none = HeaderMap::new();
    let asked = VisitorAsked::of("TES001", &none, None);
    let visiting = app.visitor(&asked).await.expect("let in");
    let scope = visiting.newcomer(app, Uuid::new_v4()).await;
    let scope = scope.expect("let in");
    assert_eq!((scope.company(), scope.chat()), (&company("TES001"), None));
    let capability = app.capability(&scope, &ChatId::new(CHAT).expect("valid"));
    (scope.principal().person.clone(), capability)
}

/// Whether a request is let into the chat of an owner.
async fn enters(
    app: &Arc<App>,
    asked: &VisitorAsked<'_>,
    owner: Option<&PersonId>,
) -> Result<PersonId, ErrorCode> {
    let visiting = app.visitor(asked).await.map_err(|why| why.code())?;
    let scope = visiting.of_chat(app, owner).await;
    let scope = scope.map_err(|why| why.code())?;
    assert_eq!(scope.chat().map(ChatId::as_str), asked.chat_id);
    assert_eq!(scope.principal().role, Role::Visitor);
    Ok(scope.principal().person.clone())
}

fn in_chat<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> VisitorAsked<'a> {
    VisitorAsked {
        chat_id: Some(CHAT),
        ..VisitorAsked::of("TES001", headers, query)
    }
}

#[tokio::test]
async fn a_capability_opens_its_chat_however_it_comes_and_no_other() {
    let site = site().await;
    let app = &site.app;
    let (ann, capability) = visitor(app).await;
    assert!(ann.is_ours());
    let token = &capability.token;
    let none = HeaderMap::new();
    let bearer = headers(&[(header::AUTHORIZATION, &format!("Bearer {token}"))]);
    let query = [
        format!("x=1&token={token}"),
        format!("session_token={token}"),
    ];
    let in_field = VisitorAsked {
        token: Some(token),
        ..in_chat(&none, None)
    };
    let pair = capability.cookie.to_str().expect("text");
    let pair = pair.split(';').next().expect("a pair");
    let cookie = headers(&[(header::COOKIE, pair)]);
    for asked in [
        in_chat(&bearer, None),
        in_chat(&none, Some(&query[0])),
        in_chat(&none, Some(&query[1])),
        in_field,
        in_chat(&cookie, None),
    ] {
        assert_eq!(enters(app, &asked, Some(&ann)).await, Ok(ann.clone()));
        // The same with another chat, with one that is gone, and in another company.
        let other = VisitorAsked {
            chat_id: Some("TES001_other"),
            ..asked
        };
        let bob = person("visitor:bob");
        assert_eq!(
            enters(app, &other, Some(&bob)).await,
            Err(ErrorCode::NotFound)
        );
        assert_eq!(
            enters(app, &asked, Some(&bob)).await,
            Err(ErrorCode::NotFound)
        );
        assert_eq!(enters(app, &asked, None).await, Err(ErrorCode::NotFound));
        let elsewhere = VisitorAsked {
            company: "SPA001",
            ..asked
        };
        let refused = enters(app, &elsewhere, Some(&ann)).await;
        assert!(matches!(
            refused,
            Err(ErrorCode::Forbidden | ErrorCode::NotFound)
        ));
    }
    let bare = in_chat(&none, None);
    assert_eq!(
        enters(app, &bare, Some(&ann)).await,
        Err(ErrorCode::NotFound)
    );
    // Who comes again is who they were, and whoever brings nothing is somebody new.
    let again = app.visitor(&in_chat(&cookie, None)).await.expect("let in");
    assert_eq!(again.chat_id().map(ChatId::as_str), Some(CHAT));
    assert_eq!(again.company(), &company("TES001"));
    assert!(!again.settings().legacy_anonymous);
    let again = again.newcomer(app, Uuid::new_v4()).await.expect("let in");
    assert_eq!(again.principal().person, ann);
    assert_ne!(visitor(app).await.0, ann);
}

#[tokio::test]
async fn a_bare_id_is_enough_where_the_company_says_so() {
    let site = site().await;
    let app = &site.app;
    let (ann, _) = visitor(app).await;
    change(
        app,
        SettingsChange {
            legacy_anonymous: Some(true),
            ..SettingsChange::default()
        },
    )
    .await;
    let none = HeaderMap::new();
    let bare = in_chat(&none, None);
    assert_eq!(enters(app, &bare, Some(&ann)).await, Ok(ann.clone()));
    assert_eq!(enters(app, &bare, None).await, Err(ErrorCode::NotFound));
    let elsewhere = VisitorAsked {
        company: "SPA001",
        ..bare
    };
    let refused = enters(app, &elsewhere, Some(&ann)).await;
    assert_eq!(refused, Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn a_token_that_counts_no_more_leaves_it_to_what_else_proves_the_visit() {
    let site = site().await;
    let app = &site.app;
    let (ann, capability) = visitor(app).await;
    let grant = |of: &str, chat: &str, who: &PersonId| VisitorGrant {
        company: company(of),
        chat_id: chat.into(),
        person: who.clone(),
        ttl_s: 1,
    };
    let keys = &app.identity.keys;
    let long_ago = Timestamp(1_000_000_000_000);
    let old = |of: &str, chat: &str| keys.sign_visitor(&grant(of, chat, &ann), long_ago);
    let forged = |of: &str, chat: &str| {
        let others = crate::auth::own::OwnKeys::from_bytes(&[7; 32], 0);
        others.sign_visitor(&grant(of, chat, &ann), app.node.clock().now())
    };
    let own = [
        old("TES001", CHAT),
        forged("TES001", CHAT),
        "rubbish".to_owned(),
    ];
    let elsewhere = [
        old("TES001", "TES001_other"),
        forged("TES001", "TES001_other"),
        old("SPA001", CHAT),
        forged("SPA001", CHAT),
    ];
    let pair = capability.cookie.to_str().expect("text");
    let pair = pair.split(';').next().expect("a pair");
    let (none, cookie) = (HeaderMap::new(), headers(&[(header::COOKIE, pair)]));
    for is_believed in [false, true] {
        let change_to = SettingsChange {
            legacy_anonymous: Some(is_believed),
            ..SettingsChange::default()
        };
        change(app, change_to).await;
        for (tokens, is_overlooked) in [(&own[..], true), (&elsewhere[..], false)] {
            for token in tokens {
                let by = |headers| VisitorAsked {
                    token: Some(token),
                    ..in_chat(headers, None)
                };
                let code = |is_in: bool, found: Result<PersonId, ErrorCode>| match (is_in, found) {
                    (true, found) => assert_eq!(found, Ok(ann.clone()), "{token}"),
                    (false, found) => {
                        let code = found.expect_err("refused");
                        assert!(may_be_overlooked(code), "{code:?}: {token}");
                    }
                };
                code(is_overlooked, enters(app, &by(&cookie), Some(&ann)).await);
                let bare = enters(app, &by(&none), Some(&ann)).await;
                code(is_overlooked && is_believed, bare);
            }
        }
    }
    // One that counts, for another chat, is no bare id.
    let bob = person("visitor:bob");
    let bobs = app.identity.keys.sign_visitor(
        &VisitorGrant {
            ttl_s: 60,
            ..grant("TES001", "TES001_bobs", &bob)
        },
        app.node.clock().now(),
    );
    let asked = VisitorAsked {
        token: Some(&bobs),
        ..in_chat(&cookie, None)
    };
    let refused = enters(app, &asked, Some(&ann)).await;
    assert_eq!(refused, Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn a_cookie_counts_for_pages_that_the_company_names() {
    let site = site_at(Some("https://desk.example/")).await;
    let app = &site.app;
    let (ann, capability) = visitor(app).await;
    let text = capability.cookie.to_str().expect("text");
    assert!(text.starts_with("frontdesk_visitor_TES001="), "{text}");
    for attribute in [
        "HttpOnly",
        "Path=/",
        "Max-Age=2592000",
        "SameSite=None",
        "Secure",
        "Partitioned",
    ] {
        assert!(text.split("; ").any(|part| part == attribute), "{text}");
    }
    let pair = text.split(';').next().expect("a pair");
    let from = |origin: &str| headers(&[(header::COOKIE, pair), (header::ORIGIN, origin)]);
    let (shop, desk) = (from(SHOP), from("https://desk.example"));
    let refused = enters(app, &in_chat(&shop, None), Some(&ann)).await;
    assert_eq!(refused, Err(ErrorCode::Forbidden));
    let own = enters(app, &in_chat(&desk, None), Some(&ann)).await;
    assert_eq!(own, Ok(ann.clone()));
    change(
        app,
        SettingsChange {
            origins: Some(vec![SHOP.into()]),
            ..SettingsChange::default()
        },
    )
    .await;
    let named = enters(app, &in_chat(&shop, None), Some(&ann)).await;
    assert_eq!(named, Ok(ann.clone()));
    // A token that is brought on purpose is no cookie.
    let token = format!("token={}", capability.token);
    let evil = from("https://evil.example");
    let brought = enters(app, &in_chat(&evil, Some(&token)), Some(&ann)).await;
    assert_eq!(brought, Ok(ann));
}

#[tokio::test]
async fn without_tls_a_cookie_stays_on_its_site() {
    let site = site().await;
    let (_, capability) = visitor(&site.app).await;
    let text = capability.cookie.to_str().expect("text");
    assert!(text.ends_with("; SameSite=Lax"), "{text}");
    assert!(!text.contains("Secure"), "{text}");
}

#[tokio::test]
async fn a_signed_id_is_who_the_host_says() {
    let site = site().await;
    let app = &site.app;
    let none = HeaderMap::new();
    let signed = VisitorAsked {
        signed: SignedId {
            user_id: Some("5"),
            user_hash: Some(HASH_OF_5),
        },
        ..in_chat(&none, None)
    };
    let five = person("5");
    let refused = enters(app, &signed, Some(&five)).await;
    assert_eq!(refused, Err(ErrorCode::Unauthenticated), "no secret yet");
    change(
        app,
        SettingsChange {
            visitor_secret: Some(Some(SharedSecret::new(SECRET))),
            ..SettingsChange::default()
        },
    )
    .await;
    assert_eq!(enters(app, &signed, Some(&five)).await, Ok(five.clone()));
    let ann = person("visitor:ann");
    let refused = enters(app, &signed, Some(&ann)).await;
    assert_eq!(refused, Err(ErrorCode::NotFound));
    for (user_id, user_hash) in [("6", Some(HASH_OF_5)), ("5", None), ("5", Some("00"))] {
        let asked = VisitorAsked {
            signed: SignedId {
                user_id: Some(user_id),
                user_hash,
            },
            ..signed
        };
        let refused = enters(app, &asked, Some(&person(user_id))).await;
        assert_eq!(refused, Err(ErrorCode::Unauthenticated), "{user_id}");
    }
    let elsewhere = VisitorAsked {
        company: "SPA001",
        ..signed
    };
    let refused = enters(app, &elsewhere, Some(&five)).await;
    assert_eq!(refused, Err(ErrorCode::Unauthenticated));
}

#[tokio::test]
async fn a_hosts_token_is_who_it_names_and_nothing_more_than_a_visitor() {
    let site = site().await;
    let app = &site.app;
    let grant = |of: &str| Grant {
        company: company(of),
        person: person("5"),
        role: Role::Admin,
        card: Card::default(),
        ttl_s: 60,
    };
    let now = app.node.clock().now();
    let token = |of: &str| app.auth.mint(&grant(of), now).expect("a token");
    let bearer = headers(&[(
        header::AUTHORIZATION,
        &format!("Bearer {}", token("TES001")),
    )]);
    let five = person("5");
    let own = enters(app, &in_chat(&bearer, None), Some(&five)).await;
    assert_eq!(own, Ok(five.clone()));
    let ann = person("visitor:ann");
    let refused = enters(app, &in_chat(&bearer, None), Some(&ann)).await;
    assert_eq!(refused, Err(ErrorCode::NotFound));
    let bearer = headers(&[(
        header::AUTHORIZATION,
        &format!("Bearer {}", token("SPA001")),
    )]);
    let refused = enters(app, &in_chat(&bearer, None), Some(&five)).await;
    assert_eq!(refused, Err(ErrorCode::Forbidden));
}

#[tokio::test]
async fn a_browser_that_another_person_uses_now_is_not_the_last_ones() {
    let site = site().await;
    let app = &site.app;
    let now = app.node.clock().now();
    let grant = |who: &str| Grant {
        company: company("TES001"),
        person: person(who),
        role: Role::Visitor,
        card: Card::default(),
        ttl_s: 60,
    };
    let token = |who: &str| app.auth.mint(&grant(who), now).expect("a token");
    let five = headers(&[(header::AUTHORIZATION, &format!("Bearer {}", token("5")))]);
    let visiting = app.visitor(&VisitorAsked::of("TES001", &five, None)).await;
    let scope = visiting
        .expect("let in")
        .newcomer(app, Uuid::new_v4())
        .await
        .expect("let in");
    let kept = app.capability(&scope, &ChatId::new(CHAT).expect("valid"));
    let pair = kept.cookie.to_str().expect("text");
    let pair = pair.split(';').next().expect("a pair");
    let six = headers(&[
        (header::AUTHORIZATION, &format!("Bearer {}", token("6"))),
        (header::COOKIE, pair),
    ]);
    let refused = enters(app, &in_chat(&six, None), Some(&person("5"))).await;
    assert_eq!(refused, Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn what_is_no_company_and_no_chat_is_refused() {
    let site = site().await;
    let app = &site.app;
    let none = HeaderMap::new();
    for text in ["NON001", "", "a b", "__frontdesk"] {
        let refused = app.visitor(&VisitorAsked::of(text, &none, None)).await;
        assert_eq!(refused.expect_err("refused").code(), ErrorCode::NotFound);
    }
    let long = "x".repeat(frontdesk_protocol::limits::CHAT_ID_BYTES_MAX + 1);
    for text in ["a b", "a/b", long.as_str()] {
        let asked = VisitorAsked {
            chat_id: Some(text),
            ..VisitorAsked::of("TES001", &none, None)
        };
        let refused = app.visitor(&asked).await.expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::BadField);
    }
}
