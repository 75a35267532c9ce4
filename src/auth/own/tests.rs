//! Our own tokens: their shapes, their kinds, and who else's they are not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::Authenticator;
use crate::config::{Auth, Secret};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const NOW_S: u64 = NOW.0 / 1_000;
const KEY: [u8; OWN_KEY_BYTES] = [7; OWN_KEY_BYTES];
const FAMILY: Uuid = Uuid::from_u128(1);
const TOKEN_ID: Uuid = Uuid::from_u128(2);

fn keys() -> OwnKeys {
    OwnKeys::from_bytes(&KEY, 5)
}

fn company() -> CompanyId {
    CompanyId::new("TES001").unwrap()
}

fn access() -> AccessGrant {
    AccessGrant {
        company: Some(company()),
        account: 7,
        role: AccountRole::Admin,
        email: "ann@example.com".into(),
        name: "Ann".into(),
        family: FAMILY,
        token_id: TOKEN_ID,
    }
}

fn refresh() -> RefreshGrant {
    RefreshGrant {
        company: Some(company()),
        account: 7,
        family: FAMILY,
        token_id: TOKEN_ID,
    }
}

fn visitor() -> VisitorGrant {
    VisitorGrant {
        company: company(),
        chat_id: "TES001_abc".into(),
        person: PersonId::new("visitor:abc").unwrap(),
        ttl_s: 60,
    }
}

fn payload(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

/// Claims signed with one of the derived keys, as nobody but us could.
fn signed_as_ours(pair: &Pair, claims: &Value) -> String {
    sign(pair, claims)
}

#[test]
fn an_access_token_has_the_documented_shape() {
    let token = keys().sign_access(&access(), NOW);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.kid.as_deref(), Some("frontdesk"));
    assert_eq!(header.alg, Algorithm::HS256);
    let expected = json!({
        "iss": "frontdesk",
        "token_type": "access",
        "user_id": 7,
        "company_id": "TES001",
        "role": "ADMIN",
        "email": "ann@example.com",
        "full_name": "Ann",
        "jti": "00000000-0000-0000-0000-000000000002",
        "sid": "00000000-0000-0000-0000-000000000001",
        "iat": NOW_S,
        "exp": NOW_S + 86_400,
    });
    assert_eq!(payload(&token), expected);
    let roles = [
        (AccountRole::Superadmin, "SUPERADMIN"),
        (AccountRole::Admin, "ADMIN"),
        (AccountRole::Agent, "AGENT"),
    ];
    for (role, word) in roles {
        let token = keys().sign_access(&AccessGrant { role, ..access() }, NOW);
        assert_eq!(payload(&token)["role"], word);
        assert_eq!(Role::parse(word), Some(role.into()));
    }
}

#[test]
fn a_superadmins_access_token_names_no_company() {
    let grant = AccessGrant {
        company: None,
        role: AccountRole::Superadmin,
        ..access()
    };
    let token = keys().sign_access(&grant, NOW);
    assert_eq!(payload(&token).get("company_id"), None);
    let verified = keys().verify_access(&token, NOW).unwrap();
    assert_eq!(verified.grant(), &grant);
}

#[test]
fn a_refresh_token_has_the_documented_shape() {
    let token = keys().sign_refresh(&refresh(), NOW);
    let expected = json!({
        "iss": "frontdesk",
        "token_type": "refresh",
        "user_id": 7,
        "company_id": "TES001",
        "jti": "00000000-0000-0000-0000-000000000002",
        "sid": "00000000-0000-0000-0000-000000000001",
        "iat": NOW_S,
        "exp": NOW_S + 604_800,
    });
    assert_eq!(payload(&token), expected);
}

#[test]
fn a_visitors_capability_has_the_documented_shape() {
    let token = keys().sign_visitor(&visitor(), NOW);
    let expected = json!({
        "iss": "frontdesk",
        "token_type": "visitor",
        "company_id": "TES001",
        "session_id": "TES001_abc",
        "person": "visitor:abc",
        "iat": NOW_S,
        "exp": NOW_S + 60,
    });
    assert_eq!(payload(&token), expected);
}

#[test]
fn an_uploads_ticket_has_the_documented_shape_and_is_no_other_kind() {
    let grant = UploadGrant {
        company: company(),
        person: PersonId::new("7").unwrap(),
        upload: UploadId::from_bits([9; 16]),
        expires_at: Timestamp(NOW.0 + 60_000),
    };
    let keys = keys();
    let ticket = keys.sign_upload(&grant, NOW);
    let expected = json!({
        "iss": "frontdesk",
        "token_type": "upload",
        "company_id": "TES001",
        "person": "7",
        "upload": "u_09090909090909090909090909090909",
        "iat": NOW_S,
        "exp": NOW_S + 60,
    });
    assert_eq!(payload(&ticket), expected);
    assert_eq!(keys.verify_upload(&ticket, NOW).unwrap().grant(), &grant);
    let late = keys.verify_upload(&ticket, Timestamp(NOW.0 + 65_000));
    assert_eq!(late, Err(AuthError::Expired));
    assert_eq!(keys.verify_access(&ticket, NOW), Err(AuthError::Signature));
    assert_eq!(keys.verify_refresh(&ticket, NOW), Err(AuthError::Signature));
    assert_eq!(keys.verify_visitor(&ticket, NOW), Err(AuthError::Signature));
    for token in [
        keys.sign_visitor(&visitor(), NOW),
        keys.sign_access(&access(), NOW),
    ] {
        assert_eq!(keys.verify_upload(&token, NOW), Err(AuthError::Signature));
    }
}

#[test]
fn a_token_ends_when_it_says_so_and_a_leeway() {
    let token = keys().sign_access(&access(), NOW);
    let end = Timestamp(NOW.0 + ACCESS_TTL_S * 1_000);
    let verified = keys().verify_access(&token, end).unwrap();
    assert_eq!(verified.issued_at(), NOW);
    assert_eq!(verified.expires_at(), end);
    assert_eq!(verified.accepted_until(), Timestamp(end.0 + 5_000));
    let late = keys().verify_access(&token, verified.accepted_until());
    assert_eq!(late, Err(AuthError::Expired));
    let token = keys().sign_refresh(&refresh(), NOW);
    let end = Timestamp(NOW.0 + (REFRESH_TTL_S + 5) * 1_000);
    assert!(keys().verify_refresh(&token, Timestamp(end.0 - 1)).is_ok());
    let late = keys().verify_refresh(&token, end);
    assert_eq!(late, Err(AuthError::Expired));
    let token = keys().sign_visitor(&visitor(), NOW);
    let late = keys().verify_visitor(&token, Timestamp(NOW.0 + 65_000));
    assert_eq!(late, Err(AuthError::Expired));
}

#[test]
fn one_kind_of_token_is_no_other() {
    let keys = keys();
    let access = keys.sign_access(&access(), NOW);
    let refresh = keys.sign_refresh(&refresh(), NOW);
    let visitor = keys.sign_visitor(&visitor(), NOW);
    assert_eq!(
        keys.verify_access(&refresh, NOW),
        Err(AuthError::RefreshToken)
    );
    assert_eq!(keys.verify_access(&visitor, NOW), Err(AuthError::Signature));
    for token in [&access, &visitor] {
        assert_eq!(keys.verify_refresh(token, NOW), Err(AuthError::Signature));
    }
    for token in [&access, &refresh] {
        assert_eq!(keys.verify_visitor(token, NOW), Err(AuthError::Signature));
    }
}

#[test]
fn a_kind_is_told_by_its_claims_as_well_as_by_its_key() {
    let keys = keys();
    let mut claims = payload(&keys.sign_access(&access(), NOW));
    let fine = signed_as_ours(&keys.access, &claims);
    assert!(keys.verify_access(&fine, NOW).is_ok());
    for (claim, wrong) in [
        ("token_type", json!("refresh")),
        ("iss", json!("host")),
        ("user_id", json!("7")),
        ("role", json!("VISITOR")),
        ("exp", json!("never")),
        ("jti", json!("7")),
        ("sid", json!(null)),
    ] {
        let right = std::mem::replace(&mut claims[claim], wrong);
        let token = signed_as_ours(&keys.access, &claims);
        let refused = keys.verify_access(&token, NOW);
        assert_eq!(refused, Err(AuthError::Malformed), "{claim}");
        claims[claim] = right;
    }
}

#[test]
fn a_role_and_its_company_belong_together() {
    for (role, company) in [
        (AccountRole::Superadmin, Some(company())),
        (AccountRole::Admin, None),
        (AccountRole::Agent, None),
    ] {
        let grant = AccessGrant {
            role,
            company,
            ..access()
        };
        let token = keys().sign_access(&grant, NOW);
        let refused = keys().verify_access(&token, NOW);
        assert_eq!(refused, Err(AuthError::Claim("company_id")));
    }
}

#[test]
fn a_host_that_signs_in_our_name_is_not_believed() {
    let claims = payload(&keys().sign_access(&access(), NOW));
    // A host that was allowed the very name, and one whose secret is a key of ours as text.
    let secrets = ["host".to_owned(), String::from_utf8(KEY.to_vec()).unwrap()];
    for secret in secrets {
        let authenticator = Authenticator::new(&Auth {
            jwt_secret: Some(Secret::new(&*secret)),
            keys: [(OWN_NAME.to_owned(), Secret::new(&*secret))].into(),
            ..Auth::default()
        });
        for kid in [Some(OWN_NAME), Some("host"), None] {
            let header = Header {
                kid: kid.map(str::to_owned),
                ..Header::new(Algorithm::HS256)
            };
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            let as_host = authenticator.verify(&token, NOW);
            assert_eq!(as_host, Err(AuthError::OwnToken), "{kid:?}");
            let expected = match kid {
                Some(OWN_NAME) => AuthError::Signature,
                _ => AuthError::UnknownKey,
            };
            assert_eq!(keys().verify_access(&token, NOW), Err(expected), "{kid:?}");
            assert_eq!(is_own(&token), kid == Some(OWN_NAME));
        }
    }
}

#[test]
fn our_token_is_no_hosts() {
    let authenticator = Authenticator::new(&Auth {
        jwt_secret: Some(Secret::new("host")),
        ..Auth::default()
    });
    for token in [
        keys().sign_access(&access(), NOW),
        keys().sign_refresh(&refresh(), NOW),
        keys().sign_visitor(&visitor(), NOW),
    ] {
        assert!(is_own(&token));
        assert_eq!(authenticator.verify(&token, NOW), Err(AuthError::OwnToken));
    }
}

#[test]
fn a_key_of_ours_is_random_and_never_shown() {
    assert_ne!(OwnKeys::generate(), OwnKeys::generate());
    let shown = format!("{:?}", keys());
    assert_eq!(shown, "OwnKeys { leeway_ms: 5000, .. }");
}

fn ids() -> impl Strategy<Value = (Option<CompanyId>, u64, u128, u128)> {
    let company = proptest::option::of("[A-Z]{3}[0-9]{3}");
    let company = company.prop_map(|text| text.map(|text| CompanyId::new(&text).unwrap()));
    (company, any::<u64>(), any::<u128>(), any::<u128>())
}

proptest! {
    #[test]
    fn whatever_was_granted_is_what_is_verified(
        (company, account, family, token_id) in ids(),
        is_admin: bool,
        email in "\\PC{0,40}",
        name in "\\PC{0,40}",
        now_s in 0_u64..10_000_000_000,
    ) {
        let (keys, now) = (keys(), Timestamp(now_s * 1_000));
        let (family, token_id) = (Uuid::from_u128(family), Uuid::from_u128(token_id));
        let role = match (&company, is_admin) {
            (None, _) => AccountRole::Superadmin,
            (Some(_), true) => AccountRole::Admin,
            (Some(_), false) => AccountRole::Agent,
        };
        let grant = AccessGrant {
            company: company.clone(),
            account,
            role,
            email: email.into(),
            name: name.into(),
            family,
            token_id,
        };
        let token = keys.sign_access(&grant, now);
        let verified = keys.verify_access(&token, now).unwrap();
        prop_assert_eq!(verified.grant(), &grant);
        prop_assert_eq!(verified.issued_at(), now);
        let grant = RefreshGrant { company, account, family, token_id };
        let token = keys.sign_refresh(&grant, now);
        let verified = keys.verify_refresh(&token, now).unwrap();
        prop_assert_eq!(verified.grant(), &grant);
        let grant = VisitorGrant { ttl_s: account % 1_000_000, ..visitor() };
        let token = keys.sign_visitor(&grant, now);
        let verified = keys.verify_visitor(&token, now).unwrap();
        prop_assert_eq!(verified.grant(), &grant);
    }

    #[test]
    fn no_installation_believes_anothers_tokens(one: [u8; 32], two: [u8; 32]) {
        prop_assume!(one != two);
        let (one, two) = (OwnKeys::from_bytes(&one, 5), OwnKeys::from_bytes(&two, 5));
        let refused = Err(AuthError::Signature);
        prop_assert_eq!(two.verify_access(&one.sign_access(&access(), NOW), NOW), refused);
        let refused = Err(AuthError::Signature);
        prop_assert_eq!(two.verify_refresh(&one.sign_refresh(&refresh(), NOW), NOW), refused);
        let refused = Err(AuthError::Signature);
        prop_assert_eq!(two.verify_visitor(&one.sign_visitor(&visitor(), NOW), NOW), refused);
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in "\\PC{0,80}") {
        prop_assert!(keys().verify_access(&text, NOW).is_err());
        prop_assert!(keys().verify_refresh(&text, NOW).is_err());
        prop_assert!(keys().verify_visitor(&text, NOW).is_err());
        prop_assert!(!is_own(&text));
    }
}
