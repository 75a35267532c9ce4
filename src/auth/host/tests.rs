//! Companies with keys of their own: whose tokens speak for whom.

use frontdesk_protocol::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::auth::{Authenticator, Verified};
use crate::config::Auth;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn company(text: &str) -> CompanyId {
    CompanyId::new(text).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let pairs = pairs.iter();
    pairs
        .map(|(kid, secret)| ((*kid).to_owned(), Secret::new(*secret)))
        .collect()
}

fn installation(default_company: Option<&str>) -> Authenticator {
    Authenticator::new(&Auth {
        jwt_secret: Some(Secret::new("installation")),
        default_company: default_company.map(company),
        ..Auth::default()
    })
}

/// A token of a host for a company, or for none.
fn token(secret: &str, kid: Option<&str>, company: Option<&str>) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(Algorithm::HS256)
    };
    let mut claims = json!({"user_id": 5, "exp": NOW.0 / 1_000 + 60});
    if let Some(company) = company {
        claims["company_id"] = json!(company);
    }
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn verify(
    authenticator: &Authenticator,
    token: &str,
    keys: Option<&HostKeys>,
) -> Result<Verified, AuthError> {
    let claimed = authenticator.claimed(token)?;
    authenticator.verify_claimed(&claimed, keys, NOW)
}

#[test]
fn where_a_company_has_keys_only_these_speak_for_it() {
    let authenticator = installation(None);
    let keys = HostKeys::new(company("TES001"), &pairs(&[("a", "own")])).unwrap();
    for kid in [Some("a"), None] {
        let own = token("own", kid, Some("TES001"));
        let verified = verify(&authenticator, &own, Some(&keys)).unwrap();
        assert_eq!(verified.principal().company, company("TES001"));
        let installations = token("installation", kid, Some("TES001"));
        let refused = verify(&authenticator, &installations, Some(&keys));
        assert_eq!(refused, Err(AuthError::Signature));
    }
    let unknown = token("own", Some("b"), Some("TES001"));
    let refused = verify(&authenticator, &unknown, Some(&keys));
    assert_eq!(refused, Err(AuthError::UnknownKey));
}

#[test]
fn a_companys_key_speaks_for_that_company_only() {
    let keys = HostKeys::new(company("TES001"), &pairs(&[("a", "own")])).unwrap();
    let other = token("own", Some("a"), Some("SPA001"));
    let refused = verify(&installation(None), &other, Some(&keys));
    assert_eq!(refused, Err(AuthError::UnknownKey));
    let refused = verify(&installation(None), &other, None);
    assert_eq!(refused, Err(AuthError::Signature));
}

#[test]
fn a_companys_key_gives_nobody_the_default_company() {
    let authenticator = installation(Some("TES001"));
    let keys = HostKeys::new(company("TES001"), &pairs(&[("a", "own")])).unwrap();
    let nameless = token("own", Some("a"), None);
    assert_eq!(
        authenticator.claimed(&nameless).unwrap().company(),
        &company("TES001")
    );
    let refused = verify(&authenticator, &nameless, Some(&keys));
    assert_eq!(refused, Err(AuthError::NoCompany));
    // Nor does the installation's, now that the company has keys of its own.
    let nameless = token("installation", None, None);
    assert!(verify(&authenticator, &nameless, None).is_ok());
    let refused = verify(&authenticator, &nameless, Some(&keys));
    assert_eq!(refused, Err(AuthError::NoCompany));
}

#[test]
fn a_companys_keys_rotate_by_their_id() {
    let authenticator = installation(None);
    let two = pairs(&[("old", "one"), ("new", "two")]);
    let keys = HostKeys::new(company("TES001"), &two).unwrap();
    let check = |secret: &str, kid: Option<&str>| {
        let token = token(secret, kid, Some("TES001"));
        verify(&authenticator, &token, Some(&keys)).map(|_| ())
    };
    assert_eq!(check("one", Some("old")), Ok(()));
    assert_eq!(check("two", Some("new")), Ok(()));
    assert_eq!(check("one", Some("new")), Err(AuthError::Signature));
    assert_eq!(check("two", None), Err(AuthError::UnknownKey));
}

#[test]
fn a_key_without_id_or_secret_or_with_our_name_is_no_host_key() {
    let refused = |keys: &[(&str, &str)]| HostKeys::new(company("TES001"), &pairs(keys)).err();
    assert_eq!(refused(&[]), Some(BadHostKey::Empty));
    assert_eq!(refused(&[("", "own")]), Some(BadHostKey::Empty));
    assert_eq!(refused(&[("a", "")]), Some(BadHostKey::Empty));
    assert_eq!(refused(&[("frontdesk", "own")]), Some(BadHostKey::Reserved));
    assert_eq!(refused(&[("a", "own")]), None);
    let keys = HostKeys::new(company("TES001"), &pairs(&[("a", "hush")])).unwrap();
    assert!(!format!("{keys:?}").contains("hush"));
}

/// Companies, each with one to three keys; key ids recur from company to company, secrets do not.
fn installations() -> impl Strategy<Value = Vec<BTreeMap<String, Secret>>> {
    let kids = proptest::collection::btree_set("[abc]", 1..=3);
    proptest::collection::vec(kids, 2..=4).prop_map(|companies| {
        let companies = companies.into_iter().enumerate();
        let keys_of = |(index, kids): (usize, std::collections::BTreeSet<String>)| {
            let secret = |kid: &String| Secret::new(format!("{index} {kid}"));
            kids.into_iter()
                .map(|kid| (kid.clone(), secret(&kid)))
                .collect()
        };
        companies.map(keys_of).collect()
    })
}

proptest! {
    #[test]
    fn no_token_signed_by_one_companys_key_verifies_for_another(
        companies in installations(),
        default_index in proptest::option::of(0_usize..4),
    ) {
        let name = |index: usize| format!("COM{index}");
        let default_company = default_index.map(name);
        let authenticator = installation(default_company.as_deref());
        let keys: Vec<HostKeys> = companies
            .iter()
            .enumerate()
            .map(|(index, keys)| HostKeys::new(company(&name(index)), keys).unwrap())
            .collect();
        let targets = (0..companies.len()).map(Some).chain([None]);
        let attempts = companies.iter().enumerate().flat_map(|(signer, keys)| {
            let targets = targets.clone();
            keys.iter().flat_map(move |(kid, secret)| {
                let targets = targets.clone();
                targets.map(move |target| (signer, kid, secret, target))
            })
        });
        for (signer, kid, secret, target) in attempts {
            let target_name = target.map(name);
            for kid in [Some(kid.as_str()), None] {
                let token = token(secret.expose(), kid, target_name.as_deref());
                // Whatever keys a caller should look up, right or wrong.
                for looked_up in keys.iter().map(Some).chain([None]) {
                    let Ok(verified) = verify(&authenticator, &token, looked_up) else {
                        continue;
                    };
                    prop_assert_eq!(&verified.principal().company, &company(&name(signer)));
                    prop_assert_eq!(target, Some(signer));
                }
                // And the signer's own are what it takes.
                let own = verify(&authenticator, &token, Some(&keys[signer]));
                let is_clear = kid.is_some() || companies[signer].len() == 1;
                prop_assert_eq!(own.is_ok(), target == Some(signer) && is_clear);
            }
        }
    }
}
