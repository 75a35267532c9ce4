//! Logging in, going on, logging out: the families of refresh tokens.
//!
//! Invariants: a token counts once; one that comes a second time ends its login, because somebody
//! else has it too; a login that was opened before an account's tokens were made void is over.
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
        let is_alive =
            |family: &Family| family.expires_at > now && family.opened_at >= account.valid_from;
        let mut families: Vec<Family> = all.into_iter().filter(is_alive).collect();
        let mut ended = Vec::new();
        let mut is_reuse = false;
        let answer = match command {
            StaffCommand::OpenFamily {
                family,
                token,
                expires_at,
                ..
            } => {
                if account.is_first_login {
                    return Err(Rejection::new(ErrorCode::FirstLogin));
                }
                let over = (families.len() + 1).saturating_sub(FAMILY_COUNT_MAX);
                ended.extend(families.drain(..over).map(|family| family.name));
                families.push(Family {
                    name: *family,
                    token: *token,
                    expires_at: *expires_at,
                    opened_at: now,
                });
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

fn end(families: &mut Vec<Family>, name: &Uuid, ended: &mut Vec<Uuid>) {
    families.retain(|family| {
        let stays = family.name != *name;
        if !stays {
            ended.push(family.name);
        }
        stays
    });
}
