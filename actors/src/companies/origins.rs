//! Which pages of which origins companies named, kept among the installation's rows: every node
//! answers browsers from all of them, and reads them at start without waking a company.
//!
//! Never: takes the word of anybody but the company itself, or judges an origin: the company did.

use std::sync::Arc;

use frontdesk_protocol::companies::CompaniesEvent;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};
use frontdesk_storage::{EntityKind, Row};

use crate::bus::BusMessage;
use crate::company::tables;
use crate::entity::{Answer, Caller, Decided};

/// The same once more is noted once more: whoever missed the first hears the second.
pub(super) fn note(
    caller: &Caller,
    origins: &[Arc<str>],
) -> Result<Decided<CompaniesEvent>, Rejection> {
    let company = match caller {
        Caller::Entity(from) if from.kind == EntityKind::Company => from.company.clone(),
        _ => return Err(Rejection::new(ErrorCode::Forbidden)),
    };
    let origins = origins.to_vec();
    Ok(Decided {
        events: vec![CompaniesEvent::OriginsNoted { company, origins }],
        answer: Answer::Done,
        remember: None,
    })
}

pub(super) fn row_of(company: &CompanyId, origins: &[Arc<str>]) -> Row {
    let key = tables::origins_key(company);
    match origins.is_empty() {
        true => Row { key, value: None },
        false => tables::set(key, &origins),
    }
}

pub(super) fn spread(event: &CompaniesEvent) -> Option<BusMessage> {
    match event {
        CompaniesEvent::OriginsNoted { company, origins } => {
            Some(BusMessage::OriginsNoted(company.clone(), origins.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::companies::CompaniesCommand;
    use frontdesk_storage::EntityId;

    use super::*;
    use crate::companies::CompaniesState;
    use crate::entity::Command;
    use crate::tests::desk::Desk;

    fn noting(origins: &[&str]) -> Command {
        let origins = origins.iter().map(|origin| Arc::from(*origin)).collect();
        Command::Companies(CompaniesCommand::NoteOrigins { origins })
    }

    #[test]
    fn a_company_names_its_own_origins_and_none_is_a_row_less() {
        let mut desk: Desk<CompaniesState> = Desk::new(EntityId::companies());
        let company = CompanyId::new("TES001").expect("valid");
        let own = Caller::Entity(EntityId::company(company.clone()));
        desk.one(&own, noting(&["https://a.example"]))
            .expect("noted");
        let key = tables::origins_key(&company);
        let row: Option<Vec<String>> = desk.row(&key);
        assert_eq!(row, Some(vec!["https://a.example".to_owned()]));
        desk.one(&own, noting(&[])).expect("noted");
        assert!(!desk.rows.contains_key(&key));
        let staff = Caller::Entity(EntityId::staff(company));
        let refused = desk.one(&staff, noting(&[])).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::Forbidden);
        desk.assert_replays();
    }
}
