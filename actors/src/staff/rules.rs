//! The rules of a staff: what each command does and what each event changes.
//!
//! Never: looks at a clock, a disk or an actor; rows it needs are read for it before it decides.

use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::limits::ACCOUNT_COUNT_MAX;
use frontdesk_protocol::staff::{
    Account, Act, Availability, NameCommand, PasswordHash, StaffCommand, StaffEvent,
};
use frontdesk_protocol::{AccountNo, ErrorCode, PersonId, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::cards::{apply_change, check_card};
use super::logins::check_as_of;
use super::{AuditEntry, StaffState, leaving, noted};
use crate::bus::Revoked;
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, Rules};
use crate::names;

impl Rules for StaffState {
    type Event = StaffEvent;

    const STATE_VERSION: u32 = 1;

    fn new(_entity: &EntityId) -> Self {
        Self::default()
    }

    fn begin_batch(&mut self) {
        self.written.clear();
    }

    fn lookups(&self, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        let Command::Staff(command) = asked.command else {
            return Vec::new();
        };
        let Some(account) = account_of(command) else {
            return noted::lookup(asked).into_iter().collect();
        };
        vec![tables::account_key(account), tables::families_key(account)]
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let command = match asked.command {
            Command::Staff(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            _ => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        if let StaffCommand::Found {
            company_no,
            agent_count_max,
        } = command
        {
            return self.found(asked, *company_no, *agent_count_max);
        }
        if let StaffCommand::NoteAct { .. } = command {
            return self.note_act(asked, command);
        }
        if let StaffCommand::NoteChatAct { .. } = command {
            return self.note_chat_act(asked, command, known);
        }
        if let StaffCommand::Disown { account } = command {
            return self.disown(asked, *account, known, now);
        }
        let Caller::Person(caller) = asked.caller else {
            return Err(Rejection::new(ErrorCode::Forbidden));
        };
        if self.company_no.is_none() {
            // It was made a moment ago, and hears of it.
            return Err(Rejection::new(ErrorCode::Unavailable));
        }
        match account_of(command) {
            None => self.add(caller, command, now),
            Some(account) => {
                let account = self.account(account, known)?;
                self.change(caller, command, account, known, now)
            }
        }
    }

    fn repeat(&self, asked: &Asked<'_>, number: u64, _at: Timestamp) -> Answer {
        // Only making an account is remembered.
        let owed_to = match asked.command {
            Command::Staff(StaffCommand::AddAccount { card, .. }) => {
                Some(names::entity_of(&names::normal(&card.email)))
            }
            _ => None,
        };
        Answer::Numbered { number, owed_to }
    }

    fn waits_for(&self, _entity: &EntityId, answer: &Answer) -> Option<EntityId> {
        match answer {
            Answer::Numbered { owed_to, .. } => owed_to.clone(),
            _ => None,
        }
    }

    fn apply(&mut self, event: &StaffEvent) {
        match event {
            StaffEvent::Founded {
                company_no,
                agent_count_max,
            } => {
                self.company_no = Some(*company_no);
                self.agent_count_max = *agent_count_max;
            }
            StaffEvent::AccountSet {
                act,
                account,
                audit,
                ..
            } => {
                let is_agent = account.role == Role::Agent;
                match act {
                    Act::Added => {
                        self.account_count = account.no.number();
                        self.agent_count += u32::from(is_agent);
                    }
                    Act::Removed => self.agent_count -= u32::from(is_agent),
                    // Between an agent and something else.
                    Act::RoleSet if is_agent => self.agent_count += 1,
                    Act::RoleSet => self.agent_count -= 1,
                    _ => {}
                }
                self.audit_count = audit.unwrap_or(self.audit_count);
            }
            StaffEvent::ActNoted { act_no, audit, .. } => {
                self.noted_act_no = *act_no;
                self.audit_count = *audit;
            }
            StaffEvent::ChatActNoted { audit, .. } => self.audit_count = *audit,
            StaffEvent::FamiliesSet { .. } => {}
        }
        self.written.take(rows_of(event));
    }

    fn rows(&self, _entity: &EntityId, event: &StaffEvent) -> Vec<Row> {
        rows_of(event)
    }

    fn effects(&self, entity: &EntityId, event: &StaffEvent) -> Vec<Effect> {
        let StaffEvent::AccountSet {
            act,
            account,
            reservation,
            ..
        } = event
        else {
            return Vec::new();
        };
        let name = names::normal(&account.card.email);
        let to = names::entity_of(&name);
        let no = account.no;
        let of_name = match (act, reservation) {
            (Act::Added, Some(reservation)) => Some(NameCommand::Confirm {
                name,
                reservation: *reservation,
                account: no,
            }),
            (Act::Removed, _) => Some(NameCommand::Release { name, account: no }),
            _ => None,
        };
        let command = of_name.map(Command::Name);
        let of_name = command.map(|command| Effect { to, command });
        let of_desk = leaving::effect(entity, *act, account);
        of_name.into_iter().chain(of_desk).collect()
    }

    fn announce(event: &StaffEvent) -> Option<Revoked> {
        match event {
            StaffEvent::AccountSet { act, account, .. } if act.revokes() => {
                Some(Revoked::Account {
                    account: account.no,
                    before: account.valid_from,
                })
            }
            StaffEvent::FamiliesSet { ended, .. } if !ended.is_empty() => {
                Some(Revoked::Families(ended.clone()))
            }
            _ => None,
        }
    }
}

impl StaffState {
    fn found(
        &self,
        asked: &Asked<'_>,
        company_no: u64,
        agent_count_max: Option<u32>,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let is_allowed = matches!(
            asked.caller,
            Caller::Entity(from) if from.kind == EntityKind::Companies
        );
        if !is_allowed || self.company_no.is_some_and(|known| known != company_no) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        if self.company_no == Some(company_no) && self.agent_count_max == agent_count_max {
            return Ok(Decided::nothing(Answer::Done));
        }
        Ok(Decided {
            events: vec![StaffEvent::Founded {
                company_no,
                agent_count_max,
            }],
            answer: Answer::Done,
            remember: None,
        })
    }

    /// An account that is there.
    pub(super) fn account(&self, no: AccountNo, known: &Known) -> Result<Account, Rejection> {
        let row: Option<Account> = self.written.row(known, &tables::account_key(no));
        let found = row.filter(|account| !account.is_removed);
        found.ok_or_else(|| Rejection::because(ErrorCode::NotFound, "no such account"))
    }

    fn add(
        &self,
        caller: &Principal,
        command: &StaffCommand,
        now: Timestamp,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let StaffCommand::AddAccount {
            role,
            card,
            password,
            is_first_login,
            reservation,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        may_govern(caller, *role)?;
        check_card(card)?;
        if *role == Role::Agent {
            self.check_agent_count()?;
        }
        if self.account_count >= ACCOUNT_COUNT_MAX {
            let why = format!("no more accounts: limit {ACCOUNT_COUNT_MAX}");
            return Err(Rejection::because(ErrorCode::LimitReached, why));
        }
        let company_no = self.company_no.unwrap_or_default();
        let no = AccountNo::of(company_no, self.account_count + 1);
        let account = Account {
            no: no.ok_or_else(|| Rejection::new(ErrorCode::Internal))?,
            role: *role,
            card: card.clone(),
            password: password.clone(),
            is_first_login: *is_first_login,
            availability: Availability::Offline,
            created_at: now,
            active_at: now,
            valid_from: now,
            is_removed: false,
        };
        let answer = Answer::Numbered {
            number: account.no.0,
            owed_to: Some(names::entity_of(&names::normal(&card.email))),
        };
        let remember = Some(account.no.0);
        let mut decided = self.set(&caller.person, Act::Added, account, answer, now);
        if let Some(StaffEvent::AccountSet {
            reservation: of, ..
        }) = decided.events.first_mut()
        {
            *of = Some(*reservation);
        }
        Ok(Decided {
            remember,
            ..decided
        })
    }

    fn check_agent_count(&self) -> Result<(), Rejection> {
        match self.agent_count_max {
            Some(limit) if self.agent_count >= limit => {
                let why = format!("the plan allows {limit} agents and all are there");
                Err(Rejection::because(ErrorCode::LimitReached, why))
            }
            _ => Ok(()),
        }
    }

    fn change(
        &self,
        caller: &Principal,
        command: &StaffCommand,
        mut account: Account,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let is_own = caller.person.account() == Some(account.no);
        let act = match command {
            StaffCommand::ChangeAccount { change, .. } => {
                may_govern(caller, account.role)?;
                if !apply_change(&mut account.card, change) {
                    return Ok(Decided::nothing(Answer::Done));
                }
                check_card(&account.card)?;
                Act::Changed
            }
            StaffCommand::SetRole { role, .. } => {
                may_govern(caller, account.role)?;
                may_govern(caller, *role)?;
                let is_among = matches!(role, Role::Agent | Role::Admin);
                let was_among = matches!(account.role, Role::Agent | Role::Admin);
                if !is_among || !was_among {
                    return Err(Rejection::new(ErrorCode::Forbidden));
                }
                if account.role == *role {
                    return Ok(Decided::nothing(Answer::Done));
                }
                if *role == Role::Agent {
                    self.check_agent_count()?;
                }
                account.role = *role;
                Act::RoleSet
            }
            StaffCommand::RemoveAccount { .. } => {
                may_govern(caller, account.role)?;
                remove(&mut account);
                Act::Removed
            }
            StaffCommand::SetPassword {
                password,
                is_first_login,
                as_of,
                ..
            } => {
                match (is_own, as_of) {
                    (true, Some(as_of)) => check_as_of(&account, *as_of)?,
                    _ => may_govern(caller, account.role)?,
                }
                set_password(&mut account, password, *is_first_login);
                match is_own {
                    true => Act::PasswordChosen,
                    false => Act::PasswordReset,
                }
            }
            StaffCommand::SetAvailability { availability, .. } => {
                if !is_own {
                    return Err(Rejection::new(ErrorCode::Forbidden));
                }
                if account.availability == *availability {
                    return Ok(Decided::nothing(Answer::Done));
                }
                account.availability = *availability;
                account.active_at = now;
                Act::AvailabilitySet
            }
            _ => return self.log_in_or_out(is_own, command, &account, known, now),
        };
        Ok(self.set(&caller.person, act, account, Answer::Done, now))
    }

    /// An account that nobody can log in to: its name is somebody else's.
    fn disown(
        &self,
        asked: &Asked<'_>,
        no: AccountNo,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let is_allowed = matches!(
            asked.caller,
            Caller::Entity(from) if matches!(from.kind, EntityKind::Names(_))
        );
        if !is_allowed {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let Ok(mut account) = self.account(no, known) else {
            return Ok(Decided::nothing(Answer::Done));
        };
        remove(&mut account);
        let by = PersonId::installation();
        Ok(self.set(&by, Act::Removed, account, Answer::Done, now))
    }

    fn set(
        &self,
        by: &PersonId,
        act: Act,
        mut account: Account,
        answer: Answer,
        now: Timestamp,
    ) -> Decided<StaffEvent> {
        if act.revokes() {
            // Never the same twice, whatever the clock does: logins are opened as of it.
            account.valid_from = now.max(account.valid_from.next());
        }
        Decided {
            events: vec![StaffEvent::AccountSet {
                at: now,
                by: by.clone(),
                act,
                account,
                reservation: None,
                audit: act.is_audited().then_some(self.audit_count + 1),
            }],
            answer,
            remember: None,
        }
    }
}

fn rows_of(event: &StaffEvent) -> Vec<Row> {
    match event {
        StaffEvent::Founded { .. } => Vec::new(),
        StaffEvent::AccountSet {
            at,
            by,
            act,
            account,
            audit,
            ..
        } => {
            let mut rows = vec![tables::set(tables::account_key(account.no), account)];
            if act.revokes() {
                let (key, value) = (tables::families_key(account.no), None);
                rows.push(Row { key, value });
            }
            if let Some(number) = audit {
                let entry = AuditEntry::of(*at, by, *act, account.no);
                rows.push(tables::set(tables::audit_key(*number), &entry));
            }
            rows
        }
        StaffEvent::FamiliesSet {
            account, families, ..
        } => vec![tables::set(tables::families_key(*account), families)],
        StaffEvent::ActNoted { .. } | StaffEvent::ChatActNoted { .. } => noted::rows_of(event),
    }
}

/// The account that a command is about; `None` for those that make one.
fn account_of(command: &StaffCommand) -> Option<AccountNo> {
    match command {
        StaffCommand::Found { .. }
        | StaffCommand::AddAccount { .. }
        | StaffCommand::LeaveDesk { .. }
        | StaffCommand::NoteAct { .. }
        | StaffCommand::NoteChatAct { .. } => None,
        StaffCommand::ChangeAccount { account, .. }
        | StaffCommand::SetRole { account, .. }
        | StaffCommand::RemoveAccount { account }
        | StaffCommand::Disown { account }
        | StaffCommand::SetPassword { account, .. }
        | StaffCommand::SetAvailability { account, .. }
        | StaffCommand::OpenFamily { account, .. }
        | StaffCommand::Rotate { account, .. }
        | StaffCommand::CloseFamily { account, .. } => Some(*account),
    }
}

/// Who may do something to accounts of a role: superadmins to all, admins to agents.
fn may_govern(caller: &Principal, role: Role) -> Result<(), Rejection> {
    let may = match caller.role {
        Role::Superadmin => matches!(role, Role::Superadmin | Role::Admin | Role::Agent),
        Role::Admin => role == Role::Agent,
        _ => false,
    };
    match may {
        true => Ok(()),
        false => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}

fn remove(account: &mut Account) {
    account.is_removed = true;
    account.availability = Availability::Offline;
}

fn set_password(account: &mut Account, password: &PasswordHash, is_first_login: bool) {
    account.password = password.clone();
    account.is_first_login = is_first_login;
}
