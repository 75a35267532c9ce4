//! Logging in, going on, logging out: the families of refresh tokens.
//!
//! Invariants: a token counts once; one that comes a second time ends its login, because somebody
//! else has it too; what makes an account's tokens void takes its logins away in the same record.
//! Never: makes or checks a token; it compares their names.

use frontdesk_protocol::limits::FAMILY_COUNT_MAX;
use frontdesk_protocol::staff::{Account, Family, StaffCommand, StaffEvent};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};
use uuid::Uuid;

use super::StaffState;
use crate::company::tables;
use crate::entity::{Answer, Decided, Known};

impl StaffState {
    pub(super) fn log_in_or_out(
        &self,
        is_own: bool,
        command: &StaffCommand,
        account: &Account,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        if !is_own {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let key = tables::families_key(account.no);
        let all: Vec<Family> = self.written.row(known, &key).unwrap_or_default();
        let is_alive = |family: &Family| family.expires_at > now;
        let mut families: Vec<Family> = all.into_iter().filter(is_alive).collect();
        let mut ended = Vec::new();
        let mut is_reuse = false;
        let answer = match command {
            StaffCommand::OpenFamily {
                family,
                token,
                expires_at,
                as_of,
                ..
            } => {
                check_may_open(account, *as_of)?;
                if families.iter().any(|other| other.name == *family) {
                    return Ok(Decided::nothing(Answer::Done)); // decided before a crash
                }
                let opened = Family {
                    name: *family,
                    token: *token,
                    expires_at: *expires_at,
                    opened_at: now,
                };
                open(&mut families, opened, &mut ended);
                Answer::Done
            }
            StaffCommand::Rotate {
                family,
                token,
                next,
                expires_at,
                ..
            } => {
                let found = families.iter_mut().find(|other| other.name == *family);
                let found = found.ok_or_else(|| Rejection::new(ErrorCode::Unauthenticated))?;
                if found.token == *next {
                    // Decided before a crash: nobody else knows the next one.
                    return Ok(Decided::nothing(Answer::Rotated { is_reuse: false }));
                }
                is_reuse = found.token != *token;
                match is_reuse {
                    true => end(&mut families, family, &mut ended),
                    false => (found.token, found.expires_at) = (*next, *expires_at),
                }
                Answer::Rotated { is_reuse }
            }
            StaffCommand::CloseFamily { family, .. } => {
                end(&mut families, family, &mut ended);
                if ended.is_empty() {
                    return Ok(Decided::nothing(Answer::Done));
                }
                Answer::Done
            }
            _ => return Err(Rejection::new(ErrorCode::Internal)),
        };
        Ok(Decided {
            events: vec![StaffEvent::FamiliesSet {
                at: now,
                account: account.no,
                families,
                ended,
                is_reuse,
            }],
            answer,
            remember: None,
        })
    }
}

/// Nobody goes in with a password that somebody else made, or that was checked before a change.
fn check_may_open(account: &Account, as_of: Timestamp) -> Result<(), Rejection> {
    if account.is_first_login {
        return Err(Rejection::new(ErrorCode::FirstLogin));
    }
    check_as_of(account, as_of)
}

/// The password was checked against the account as it stands.
pub(super) fn check_as_of(account: &Account, as_of: Timestamp) -> Result<(), Rejection> {
    match account.valid_from == as_of {
        true => Ok(()),
        false => {
            let why = "the account has changed: log in again";
            Err(Rejection::because(ErrorCode::Unauthenticated, why))
        }
    }
}

/// One more login; the oldest end when there are too many.
fn open(families: &mut Vec<Family>, family: Family, ended: &mut Vec<Uuid>) {
    let over = (families.len() + 1).saturating_sub(FAMILY_COUNT_MAX);
    ended.extend(families.drain(..over).map(|family| family.name));
    families.push(family);
}

fn end(families: &mut Vec<Family>, name: &Uuid, ended: &mut Vec<Uuid>) {
    families.retain(|family| {
        let stays = family.name != *name;
        if !stays {
            ended.push(family.name);
        }
        stays
    });
}
