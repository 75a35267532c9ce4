//! What was revoked lately: closes the connections that a void token opened, those among them that
//! were being opened just then.
//!
//! A connection reads that its token counts, and says a moment later whose it is. What is revoked
//! in between would miss it, so it asks here again: everything since the number it read first.
//! Never: decides what is revoked; entities do, and announce it when it is durable.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use frontdesk_actors::Revoked;
use frontdesk_protocol::command::Principal;
use uuid::Uuid;

/// Revocations kept: more within the moment between reading a token and opening a connection close
/// that connection, and its client comes again.
const KEPT_COUNT: usize = 1_024;

#[derive(Default)]
struct Lately {
    /// Revocations there were.
    count: u64,
    kept: VecDeque<Revoked>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Revocations(Mutex<Lately>);

impl Revocations {
    fn lately(&self) -> std::sync::MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Revocations so far.
    pub(crate) fn count(&self) -> u64 {
        self.lately().count
    }

    /// One more.
    pub(crate) fn note(&self, revoked: &Revoked) {
        let mut lately = self.lately();
        lately.count += 1;
        if lately.kept.len() == KEPT_COUNT {
            lately.kept.pop_front();
        }
        lately.kept.push_back(revoked.clone());
    }

    /// Whether a token that counted when there were `since` has been revoked.
    pub(crate) fn concern(&self, since: u64, who: &Principal, login: Option<Uuid>) -> bool {
        let lately = self.lately();
        let new_count = usize::try_from(lately.count - since).unwrap_or(usize::MAX);
        let mut new = lately.kept.iter().rev().take(new_count);
        new_count > KEPT_COUNT || new.any(|revoked| concerns(revoked, who, login))
    }
}

/// Whether a revocation makes void what somebody opened by a login, or by a host's token.
pub(crate) fn concerns(revoked: &Revoked, who: &Principal, login: Option<Uuid>) -> bool {
    match revoked {
        Revoked::Account { account, .. } => who.person.account() == Some(*account),
        Revoked::Families(families) => login.is_some_and(|login| families.contains(&login)),
        Revoked::Company(company) => who.company == *company,
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::command::{Card, Role};
    use frontdesk_protocol::{AccountNo, CompanyId, PersonId, Timestamp};

    use super::*;

    fn who(company: &str, account: u64) -> Principal {
        Principal {
            company: CompanyId::new(company).expect("valid"),
            person: PersonId::of_account(AccountNo(account)),
            role: Role::Agent,
            card: Card::default(),
        }
    }

    fn account(number: u64) -> Revoked {
        Revoked::Account {
            account: AccountNo(number),
            before: Timestamp(0),
        }
    }

    #[test]
    fn what_is_revoked_while_a_connection_opens_concerns_it_and_nobody_else() {
        let revocations = Revocations::default();
        revocations.note(&account(7));
        let since = revocations.count();
        let login = Uuid::from_u128(1);
        assert!(!revocations.concern(since, &who("TES001", 7), Some(login)));
        revocations.note(&account(8));
        revocations.note(&Revoked::Families(vec![login]));
        assert!(!revocations.concern(since, &who("TES001", 7), None));
        assert!(revocations.concern(since, &who("TES001", 8), None));
        assert!(revocations.concern(since, &who("TES001", 7), Some(login)));
        revocations.note(&Revoked::Company(CompanyId::new("SPA001").expect("valid")));
        assert!(revocations.concern(since, &who("SPA001", 9), None));
        assert!(!revocations.concern(since, &who("TES001", 9), None));
    }

    #[test]
    fn more_than_is_kept_concerns_everybody() {
        let revocations = Revocations::default();
        for number in 0..=KEPT_COUNT as u64 {
            revocations.note(&account(number));
        }
        assert!(revocations.concern(0, &who("TES001", 1 << 30), None));
        assert!(!revocations.concern(1, &who("TES001", 1 << 30), None));
    }
}
