//! Settings over the whole engine: what is kept of them is what the journal says, whatever crashes
//! in between.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
use frontdesk_protocol::settings::SettingsChange;
use frontdesk_protocol::{CompanyId, PersonId};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::Crash;

use super::{World, both_modes, company_of, eventually, fresh_cid, is_done};
use crate::entity::{Command, Outcome};

const SHOP: &str = "https://shop.example";

impl World {
    async fn change_settings(&self, company: &CompanyId, change: SettingsChange) -> Outcome {
        let caller = Principal {
            company: company.clone(),
            person: PersonId::new("boss").expect("valid"),
            role: Role::Admin,
            card: Card::default(),
        };
        let change = Box::new(change);
        let command = Command::Company(CompanyCommand::ChangeSettings { change });
        let entity = EntityId::company(company.clone());
        self.node
            .ask(entity, Arc::new(caller), command, fresh_cid())
            .await
    }
}

fn naming(origins: &[&str], language: &str) -> SettingsChange {
    SettingsChange {
        origins: Some(origins.iter().map(|origin| Arc::from(*origin)).collect()),
        language: Some(language.into()),
        ..SettingsChange::default()
    }
}

both_modes! {
    async fn settings_count_from_the_answer_on_and_after_a_crash(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        let read = world.node.settings(&company).await.expect("read");
        assert_eq!(&*read.language, "");
        assert!(is_done(&world.change_settings(&company, naming(&[SHOP], "ne")).await));
        let read = world.node.settings(&company).await.expect("read");
        assert_eq!(&*read.language, "ne");
        assert!(world.node.is_origin_named(SHOP));
        let again = world.node.settings(&company).await.expect("read");
        assert!(Arc::ptr_eq(&read, &again), "they are kept");
        let reborn = world.reborn(Crash::PowerLoss).await;
        let read = reborn.node.settings(&company).await.expect("read");
        assert_eq!(&*read.language, "ne");
        assert!(reborn.node.is_origin_named(SHOP), "known from the start");
        assert!(is_done(&reborn.change_settings(&company, naming(&[], "ne")).await));
        assert!(!reborn.node.is_origin_named(SHOP));
    }

    async fn what_is_kept_is_dropped_when_the_company_dies_before_it_says_so(serialize: bool) {
        let world = World::new(serialize).await;
        let company = company_of("TES001");
        assert!(is_done(&world.change_settings(&company, naming(&[], "ne")).await));
        let kept = world.node.settings(&company).await.expect("read");
        world.restart(&EntityId::company(company.clone())).await;
        // Answered by the next one, which has begun by then.
        assert!(is_done(&world.change_settings(&company, naming(&[], "ne")).await));
        let read = world.node.settings(&company).await.expect("read");
        assert!(!Arc::ptr_eq(&kept, &read), "read anew");
        assert_eq!(kept, read);
        let log = async |world: &World| {
            let log = world.node.audit(&company, None, 10).await;
            log.expect("read").len()
        };
        assert!(is_done(&world.change_settings(&company, naming(&[], "en")).await));
        assert_eq!(log(&world).await, 2);
        let reborn = world.reborn(Crash::PowerLoss).await;
        let owes = || reborn.journal().pending().expect("read").is_empty();
        eventually("nothing is owed", owes).await;
        assert_eq!(log(&reborn).await, 2, "each is noted once");
    }
}
