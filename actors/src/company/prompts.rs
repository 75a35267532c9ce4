//! What clients offer before a conversation with a bot begins.
//!
//! Never: changes one of many; all are replaced at once.

use std::collections::BTreeSet;

use frontdesk_protocol::command::Prompt;
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::limits::{PROMPT_CHARS_MAX, PROMPT_COUNT_MAX};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};
use frontdesk_storage::EntityId;

use super::CompanyState;
use super::acts::is_admin;
use crate::entity::{Answer, Asked, Caller, Decided};
use crate::room::check_title;

/// What the audit log calls it; to how many, it says too.
const ACT: &str = "prompts_set";

impl CompanyState {
    pub(super) fn set_prompts(
        &self,
        asked: &Asked<'_>,
        prompts: &[Prompt],
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let caller = match asked.caller {
            Caller::Person(caller) if is_admin(caller) => caller,
            _ => return Err(Rejection::new(ErrorCode::Forbidden)),
        };
        check(prompts)?;
        let set = CompanyEvent::PromptsSet {
            at: now,
            prompts: prompts.to_vec(),
        };
        let subject = prompts.len().to_string();
        Ok(Decided {
            events: vec![set, self.act_done(caller, ACT, &subject, now)],
            // Whoever is told finds it in the log.
            answer: Answer::Numbered {
                number: self.act_count + 1,
                owed_to: Some(EntityId::staff(asked.entity.company.clone())),
            },
            remember: None,
        })
    }
}

fn check(prompts: &[Prompt]) -> Result<(), Rejection> {
    let refuse = |why: String| Err(Rejection::because(ErrorCode::BadField, why));
    let count = prompts.len();
    if count > PROMPT_COUNT_MAX {
        return refuse(format!(
            "too many prompts: {count}, limit {PROMPT_COUNT_MAX}"
        ));
    }
    for prompt in prompts {
        check_title(&prompt.title)?;
        let chars = prompt.text.chars().count();
        if chars > PROMPT_CHARS_MAX {
            let id = prompt.id;
            return refuse(format!(
                "text of prompt {id} too long: {chars} characters, limit {PROMPT_CHARS_MAX}"
            ));
        }
    }
    let ids: BTreeSet<u64> = prompts.iter().map(|prompt| prompt.id).collect();
    if ids.len() != count {
        return refuse("two prompts have the same id".to_owned());
    }
    Ok(())
}
