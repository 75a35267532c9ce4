//! Tokens of the load's people, as a host application would mint them.

use frontdesk_protocol::command::Role;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::clock;

/// The company of every load; the server under test is started with it.
pub const COMPANY: &str = "LOAD001";

/// Tokens outlive every run, seconds.
const TTL_SECONDS: u64 = 24 * 60 * 60;

/// Where tokens come from.
#[derive(Debug, Clone)]
pub enum Tokens {
    /// Minted with the server's HS256 secret.
    Secret(String),
    /// Line `i` for member `i`, cyclic; members are numbered room by room.
    Lines(Vec<String>),
}

impl Tokens {
    /// Who a member is.
    pub(crate) fn of(&self, member: usize) -> Result<Bearer, String> {
        match self {
            Tokens::Secret(secret) => {
                let person = format!("load-{member}");
                let token = mint(secret, &person)?;
                Ok(Bearer { token, person })
            }
            Tokens::Lines(lines) if lines.is_empty() => Err("the tokens file is empty".to_owned()),
            Tokens::Lines(lines) => {
                let token = lines[member % lines.len()].clone();
                let person = person_of(&token)?;
                Ok(Bearer { token, person })
            }
        }
    }
}

impl Tokens {
    /// Somebody of whom the server knows nothing yet, where tokens can be minted; else a member.
    pub(crate) fn newcomer(&self, run: u32, member: usize) -> Result<Bearer, String> {
        let Tokens::Secret(secret) = self else {
            return self.of(member);
        };
        let person = format!("load-reader-{run}");
        let token = mint(secret, &person)?;
        Ok(Bearer { token, person })
    }
}

/// A person of the load.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    /// Proves who they are.
    pub(crate) token: String,
    /// Their id, as rooms name participants.
    pub(crate) person: String,
}

/// Whose token it is; whether it is valid is the server's to say.
fn person_of(token: &str) -> Result<String, String> {
    let read = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
    let claims = read.map_err(|error| format!("a token cannot be read: {error}"))?;
    match claims.claims.get("user_id") {
        Some(Value::String(person)) => Ok(person.clone()),
        Some(Value::Number(person)) => Ok(person.to_string()),
        _ => Err("a token names no user_id".to_owned()),
    }
}

fn mint(secret: &str, person: &str) -> Result<String, String> {
    let claims = json!({
        "user_id": person,
        "company_id": COMPANY,
        "role": Role::Agent.as_str(),
        "email": format!("{person}@load.invalid"),
        "full_name": format!("Member {person}"),
        "exp": clock::unix_ms() / 1_000 + TTL_SECONDS,
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_names_its_person_and_lines_repeat() {
        let minted = Tokens::Secret("s".to_owned())
            .of(3)
            .expect("a token is minted");
        assert_eq!(minted.person, "load-3");
        let lines = Tokens::Lines(vec!["not a token".to_owned(), minted.token]);
        assert_eq!(
            lines.of(5).map(|bearer| bearer.person),
            Ok("load-3".to_owned())
        );
        assert!(lines.of(4).is_err());
        assert!(Tokens::Lines(Vec::new()).of(0).is_err());
    }
}
