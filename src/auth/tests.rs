//! Every shape of token that is believed, and every one that is not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::limits::TOKEN_BYTES_MAX;

use super::*;
use crate::config::{Auth, Secret};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const NOW_S: u64 = NOW.0 / 1_000;
const SECRET: &str = "0123";

fn settings() -> Auth {
    Auth {
        jwt_secret: Some(Secret::new(SECRET)),
        ..Auth::default()
    }
}

fn signed_with(secret: &str, header: &Header, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(header, claims, &key).expect("claims can be signed")
}

fn signed(claims: &Value) -> String {
    signed_with(SECRET, &Header::new(Algorithm::HS256), claims)
}

/// Usual claims with changes on top; `null` takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"user_id": 5, "company_id": "TES001", "exp": NOW_S + 60});
    for (name, value) in changes.as_object().expect("changes are an object") {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn verify(changes: Value) -> Result<Verified, AuthError> {
    Authenticator::new(&settings()).verify(&signed(&claims(changes)), NOW)
}

fn principal(changes: Value) -> Principal {
    let verified = verify(changes).expect("the token is believed");
    Principal::clone(verified.principal())
}

#[test]
fn number_and_text_of_a_user_id_are_one_person() {
    let number = principal(json!({"user_id": 5}));
    assert_eq!(number.person.as_str(), "5");
    assert_eq!(number, principal(json!({"user_id": "5"})));
    assert_eq!(number, principal(json!({"user_id": null, "sub": "5"})));
    assert_eq!(number, principal(json!({"user_id": null, "sub": 5})));
    assert_eq!(number, principal(json!({"user_id": 5, "sub": {"a": 1}})));
    let largest = principal(json!({"user_id": u64::MAX}));
    assert_eq!(largest.person.as_str(), u64::MAX.to_string());
    for wrong in [
        json!(5.5),
        json!(""),
        json!(true),
        json!([5]),
        json!("a\nb"),
    ] {
        let refused = verify(json!({"user_id": wrong}));
        assert_eq!(refused, Err(AuthError::Claim("user_id")));
    }
    let nobody = verify(json!({"user_id": null}));
    assert_eq!(nobody, Err(AuthError::Claim("user_id")));
    let wrong_sub = verify(json!({"user_id": null, "sub": 1.5}));
    assert_eq!(wrong_sub, Err(AuthError::Claim("sub")));
}

#[test]
fn a_company_id_is_text_or_number_and_keeps_its_zeros() {
    assert_eq!(principal(json!({})).company.as_str(), "TES001");
    assert_eq!(
        principal(json!({"company_id": "0123"})).company.as_str(),
        "0123"
    );
    assert_eq!(
        principal(json!({"company_id": 123})).company.as_str(),
        "123"
    );
    for wrong in [json!("a b"), json!(1.5), json!(-1), json!(["TES001"])] {
        let refused = verify(json!({"company_id": wrong}));
        assert_eq!(refused, Err(AuthError::Claim("company_id")));
    }
}

#[test]
fn a_token_without_company_belongs_to_the_default_one_or_is_refused() {
    for absent in [json!(null), json!("")] {
        let changes = json!({"company_id": absent});
        assert_eq!(verify(changes.clone()), Err(AuthError::NoCompany));
        let with_default = Authenticator::new(&Auth {
            default_company: Some(CompanyId::new("SPA001").unwrap()),
            ..settings()
        });
        let token = signed(&claims(changes));
        let verified = with_default.verify(&token, NOW).unwrap();
        assert_eq!(verified.principal().company.as_str(), "SPA001");
    }
}

#[test]
fn a_role_is_read_in_any_case_and_is_the_least_one_otherwise() {
    assert_eq!(principal(json!({"role": "AGENT"})).role, Role::Agent);
    assert_eq!(principal(json!({"role": "Admin"})).role, Role::Admin);
    for role in [
        json!(null),
        json!("boss"),
        json!(7),
        json!(["admin"]),
        json!("bot"),
    ] {
        assert_eq!(principal(json!({"role": role})).role, Role::Visitor);
    }
}

#[test]
fn no_hosts_token_makes_somebody_who_runs_the_installation() {
    for role in ["superadmin", "SUPERADMIN", "superAdmin"] {
        assert_eq!(principal(json!({"role": role})).role, Role::Admin);
    }
}

#[test]
fn no_hosts_token_makes_an_account_a_visitor_or_a_bot_of_ours() {
    for id in ["agent:7", "visitor:abc", "bot:echo", "agent:", "visitor:"] {
        let refused = verify(json!({"user_id": id}));
        assert_eq!(refused, Err(AuthError::Claim("user_id")), "{id}");
        let refused = verify(json!({"user_id": null, "sub": id}));
        assert_eq!(refused, Err(AuthError::Claim("sub")), "{id}");
    }
    for id in ["agent", "agents:7", "a-visitor:7", "Agent:7"] {
        assert_eq!(principal(json!({"user_id": id})).person.as_str(), id);
    }
}

#[test]
fn no_hosts_token_is_signed_in_our_name() {
    let refused = verify(json!({"iss": "frontdesk"}));
    assert_eq!(refused, Err(AuthError::OwnToken));
    assert!(verify(json!({"iss": "frontdesk.example"})).is_ok());
    assert!(verify(json!({"iss": ["frontdesk"]})).is_ok());
    let authenticator = Authenticator::new(&Auth {
        keys: keys(&[("frontdesk", "one")]),
        ..settings()
    });
    let refused = authenticator.verify(&with_kid("frontdesk", "one"), NOW);
    assert_eq!(refused, Err(AuthError::OwnToken));
}

#[test]
fn a_card_takes_what_has_the_right_shape() {
    let card = principal(json!({
        "email": "a@b.c", "full_name": "Ann", "name": "ignored", "user_type": "talker",
        "profile_picture_url": "https://p/1.png",
    }))
    .card;
    assert_eq!(card.email.as_deref(), Some("a@b.c"));
    assert_eq!(card.name.as_deref(), Some("Ann"));
    assert_eq!(card.user_type.as_deref(), Some("talker"));
    assert_eq!(card.picture_url.as_deref(), Some("https://p/1.png"));
    let card = principal(json!({"name": "Ann"})).card;
    assert_eq!(card.name.as_deref(), Some("Ann"));
    let long = "x".repeat(513);
    let odd = json!({"email": 5, "full_name": "", "user_type": [], "profile_picture_url": long});
    assert_eq!(principal(odd).card, Card::default());
}

#[test]
fn expiry_is_checked_by_the_given_time_with_leeway() {
    let authenticator = Authenticator::new(&settings());
    let token = signed(&claims(json!({"exp": NOW_S})));
    let verified = authenticator.verify(&token, NOW).unwrap();
    assert_eq!(verified.expires_at(), NOW);
    assert_eq!(verified.accepted_until(), Timestamp(NOW.0 + 5_000));
    let last = Timestamp(verified.accepted_until().0 - 1);
    assert!(authenticator.verify(&token, last).is_ok());
    let refused = authenticator.verify(&token, verified.accepted_until());
    assert_eq!(refused, Err(AuthError::Expired));
    assert_eq!(AuthError::Expired.code(), ErrorCode::TokenExpired);
}

#[test]
fn exp_is_required_and_must_be_a_time() {
    for wrong in [
        json!(null),
        json!("1900000000"),
        json!(-1),
        json!(true),
        json!({}),
    ] {
        assert_eq!(verify(json!({"exp": wrong})), Err(AuthError::Claim("exp")));
    }
    let fraction = verify(json!({"exp": 1_800_000_060.5})).unwrap();
    assert_eq!(fraction.expires_at(), Timestamp(1_800_000_060_500));
    let never = verify(json!({"exp": u64::MAX})).unwrap();
    assert_eq!(never.expires_at(), Timestamp(253_402_300_799_000));
    let far = verify(json!({"exp": 1e300})).unwrap();
    assert_eq!(far.expires_at(), never.expires_at());
}

#[test]
fn a_token_of_the_future_is_refused_beyond_the_leeway() {
    assert!(verify(json!({"nbf": NOW_S + 5})).is_ok());
    assert_eq!(
        verify(json!({"nbf": NOW_S + 6})),
        Err(AuthError::NotYetValid)
    );
    assert_eq!(verify(json!({"nbf": "soon"})), Err(AuthError::Claim("nbf")));
}

#[test]
fn issue_time_and_token_id_are_kept_for_revocation() {
    let verified = verify(json!({"iat": NOW_S - 1, "jti": "t-1"})).unwrap();
    assert_eq!(verified.issued_at(), Some(Timestamp(NOW.0 - 1_000)));
    assert_eq!(verified.token_id().map(|id| &**id), Some("t-1"));
}

#[test]
fn unknown_claims_and_an_audience_do_no_harm() {
    assert!(verify(json!({"aud": "x", "iss": "y", "token_type": "access", "more": [1]})).is_ok());
}

#[test]
fn a_refresh_token_is_no_access_token() {
    let refused = verify(json!({"token_type": "refresh"}));
    assert_eq!(refused, Err(AuthError::RefreshToken));
}

#[test]
fn a_wrong_secret_or_a_changed_token_is_refused() {
    let authenticator = Authenticator::new(&settings());
    let header = Header::new(Algorithm::HS256);
    let foreign = signed_with("other", &header, &claims(json!({})));
    assert_eq!(
        authenticator.verify(&foreign, NOW),
        Err(AuthError::Signature)
    );
    // The number that a careless reader of settings would make of the secret.
    let trimmed = signed_with("123", &header, &claims(json!({})));
    assert_eq!(
        authenticator.verify(&trimmed, NOW),
        Err(AuthError::Signature)
    );
    let own = signed(&claims(json!({})));
    let other = signed(&claims(json!({"user_id": 6})));
    let own: Vec<&str> = own.split('.').collect();
    let other: Vec<&str> = other.split('.').collect();
    let mixed = format!("{}.{}.{}", own[0], other[1], own[2]);
    assert_eq!(authenticator.verify(&mixed, NOW), Err(AuthError::Signature));
}

#[test]
fn only_hs256_is_accepted() {
    let authenticator = Authenticator::new(&settings());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed_with(SECRET, &Header::new(algorithm), &claims(json!({})));
        assert_eq!(authenticator.verify(&token, NOW), Err(AuthError::Algorithm));
    }
    // Headers {"alg":"none"}, {"alg":"RS256"} and {"alg":"ES256"} over a signature of ours.
    let token = signed(&claims(json!({})));
    let rest = token.split_once('.').unwrap().1;
    let unsigned = rest.rsplit_once('.').unwrap().0;
    let headers = [
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9",
    ];
    for header in headers {
        for token in [format!("{header}.{rest}"), format!("{header}.{unsigned}.")] {
            let refused = authenticator.verify(&token, NOW).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Unauthenticated);
        }
    }
}

#[test]
fn garbage_is_refused_and_an_overlong_token_is_not_read() {
    let authenticator = Authenticator::new(&settings());
    assert_eq!(authenticator.verify("", NOW), Err(AuthError::Missing));
    for garbage in [".", "..", "a.b.c", "a.b", "a.b.c.d", "\u{0}", "é.é.é"] {
        let refused = authenticator.verify(garbage, NOW).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Unauthenticated, "{garbage:?}");
    }
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    assert_eq!(authenticator.verify(&long, NOW), Err(AuthError::TooLong));
    let array = signed(&json!([1, 2]));
    assert!(authenticator.verify(&array, NOW).is_err());
    let text = signed(&json!("5"));
    assert_eq!(authenticator.verify(&text, NOW), Err(AuthError::Malformed));
}

#[test]
fn a_critical_header_that_is_not_understood_is_refused() {
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let token = signed_with(SECRET, &header, &claims(json!({})));
    let refused = Authenticator::new(&settings()).verify(&token, NOW);
    assert_eq!(refused, Err(AuthError::Malformed));
}

fn with_kid(kid: &str, secret: &str) -> String {
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    signed_with(secret, &header, &claims(json!({})))
}

fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let keys = pairs.iter();
    keys.map(|(kid, secret)| ((*kid).to_owned(), Secret::new(*secret)))
        .collect()
}

#[test]
fn keys_rotate_by_their_id() {
    let authenticator = Authenticator::new(&Auth {
        keys: keys(&[("007", "old"), ("new", "new")]),
        ..Auth::default()
    });
    assert!(authenticator.verify(&with_kid("007", "old"), NOW).is_ok());
    assert!(authenticator.verify(&with_kid("new", "new"), NOW).is_ok());
    let crossed = authenticator.verify(&with_kid("new", "old"), NOW);
    assert_eq!(crossed, Err(AuthError::Signature));
    let unknown = authenticator.verify(&with_kid("7", "old"), NOW);
    assert_eq!(unknown, Err(AuthError::UnknownKey));
    let header = Header::new(Algorithm::HS256);
    let nameless = signed_with("old", &header, &claims(json!({})));
    assert_eq!(
        authenticator.verify(&nameless, NOW),
        Err(AuthError::UnknownKey)
    );
}

#[test]
fn a_token_without_kid_takes_the_secret_or_the_only_key() {
    let header = Header::new(Algorithm::HS256);
    let nameless = |secret: &str| signed_with(secret, &header, &claims(json!({})));
    let only = Authenticator::new(&Auth {
        keys: keys(&[("a", "one")]),
        ..Auth::default()
    });
    assert!(only.verify(&nameless("one"), NOW).is_ok());
    let unknown = only.verify(&with_kid("b", "one"), NOW);
    assert_eq!(unknown, Err(AuthError::UnknownKey));
    let both = Authenticator::new(&Auth {
        keys: keys(&[("a", "one")]),
        ..settings()
    });
    assert!(both.verify(&nameless(SECRET), NOW).is_ok());
    assert!(both.verify(&with_kid("b", SECRET), NOW).is_ok());
    assert_eq!(
        both.verify(&nameless("one"), NOW),
        Err(AuthError::Signature)
    );
    let none = Authenticator::new(&Auth::default());
    assert!(!none.has_keys());
    assert_eq!(none.verify(&nameless(""), NOW), Err(AuthError::UnknownKey));
}

#[test]
fn a_minted_token_verifies_to_what_was_granted() {
    let grant = Grant {
        company: CompanyId::new("TES001").unwrap(),
        person: PersonId::new("5").unwrap(),
        role: Role::Agent,
        card: Card {
            name: Some("Ann".into()),
            email: Some("a@b.c".into()),
            ..Card::default()
        },
        ttl_s: 60,
    };
    let rotated = Auth {
        keys: keys(&[("2026-01", "one"), ("2026-02", "two")]),
        ..Auth::default()
    };
    for settings in [settings(), rotated] {
        let authenticator = Authenticator::new(&settings);
        let token = authenticator.mint(&grant, NOW).unwrap();
        let verified = authenticator.verify(&token, NOW).unwrap();
        let principal = verified.principal();
        assert_eq!(principal.company, grant.company);
        assert_eq!(principal.person, grant.person);
        assert_eq!(principal.role, grant.role);
        assert_eq!(principal.card, grant.card);
        assert_eq!(verified.expires_at(), Timestamp(NOW.0 + 60_000));
    }
    let keyless = Authenticator::new(&Auth::default());
    assert_eq!(keyless.mint(&grant, NOW), Err(AuthError::UnknownKey));
}

#[test]
fn every_refusal_fits_a_close_reason_and_shows_no_secret() {
    let all = [
        AuthError::Missing,
        AuthError::TooLong,
        AuthError::Malformed,
        AuthError::Algorithm,
        AuthError::UnknownKey,
        AuthError::Signature,
        AuthError::OwnToken,
        AuthError::Claim("profile_picture_url"),
        AuthError::RefreshToken,
        AuthError::Expired,
        AuthError::NotYetValid,
        AuthError::NoCompany,
        AuthError::UnknownCompany,
    ];
    for error in all {
        let reason_bytes = error.to_string().len();
        assert!(reason_bytes <= frontdesk_protocol::limits::CLOSE_REASON_BYTES_MAX);
        assert_eq!(error.close_code().number(), 4001);
    }
    let shown = format!("{:?}", Authenticator::new(&settings()));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn claims_are_an_object() {
    // In the order in which the server knows them, which is nobody's business.
    let in_order = json!([
        null,
        5,
        null,
        "TES001",
        "admin",
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        NOW_S + 60,
        null,
        null
    ]);
    for payload in [in_order, json!([]), json!("ann"), json!(5), json!(null)] {
        let verified = Authenticator::new(&settings()).verify(&signed(&payload), NOW);
        assert_eq!(verified, Err(AuthError::Malformed), "{payload}");
    }
}
