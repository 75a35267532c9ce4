//! A chat's form answered all at once, and what was answered taken away.
//!
//! Invariant: each time answers are written down they have a higher number, so that the company
//! knows answers that were taken away from later ones.
//! Never: takes answers away that came after those the company took away.

use std::borrow::Cow;

use frontdesk_protocol::chat::{Chat, FormAnswers, FormProgress};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{Cid, ErrorCode, Rejection, Timestamp};
use frontdesk_storage::EntityId;

use super::RoomState;
use super::chat::{form_of, language_of, said, settings};
use crate::entity::{Answer, Asked, Caller, Decided, Known};
use crate::form::{FormSpec, FormState, Step};

impl RoomState {
    pub(super) fn answer_form(
        &self,
        asked: &Asked<'_>,
        answers: &FormAnswers,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let caller = self.participant(asked.caller)?;
        let chat = self.chat()?;
        if caller.person != chat.visitor {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let settings = settings(known)?;
        let spec = form_of(&settings).unwrap_or(Cow::Borrowed(FormSpec::profile()));
        let language = language_of(chat, &settings);
        let mut all = chat.form.clone().unwrap_or_default().answers;
        // Who is through stays through.
        let is_through = chat.form.as_ref().is_some_and(FormProgress::is_complete);
        let is_own = *spec != *FormSpec::profile();
        let may_go_on = is_own && (!is_through || all.is_empty());
        all.extend(answers.clone());
        let stands = match may_go_on {
            true => FormState::kept(&spec, &all, language),
            false => FormState::filled(&spec, &all, language),
        };
        let stands = stands.map_err(|(step, why)| {
            Rejection::because(ErrorCode::BadField, format!("{step}: {why}"))
        })?;
        Ok(Decided {
            events: self.written_down(chat, stands, (asked.cid, now), |state| {
                state.ask(&spec, language).1
            })?,
            // Whoever is told finds the profile.
            answer: Answer::Numbered {
                number: 0,
                owed_to: Some(EntityId::company(asked.entity.company.clone())),
            },
            remember: None,
        })
    }

    /// Where the form stands, also when nothing is new: what the company kept of it may have been
    /// taken away. And what is asked next, unless that was asked before or a person has the chat.
    fn written_down(
        &self,
        chat: &Chat,
        stands: FormState,
        (cid, now): (Cid, Timestamp),
        ask: impl FnOnce(&FormState) -> Step,
    ) -> Result<Vec<RoomEvent>, Rejection> {
        let question = (!stands.is_complete() && !chat.stage.is_open()).then(|| ask(&stands));
        let progress = FormProgress::from(stands);
        let was_asked = chat.form.as_ref().and_then(|form| form.asked.as_ref());
        let is_new = was_asked != progress.asked.as_ref();
        let mut events = vec![RoomEvent::FormAnswered {
            at: now,
            progress,
            no: self.form_no + 1,
        }];
        if let (Some(step), Some(bot), true) = (question, &self.bot, is_new) {
            let seq = self.below_the_end(self.head.next())?;
            let message = said(bot, seq, (now, cid, None), &step);
            events.push(RoomEvent::MessagePosted(message));
        }
        Ok(events)
    }

    pub(super) fn forget_form(
        &self,
        asked: &Asked<'_>,
        form_no: u64,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let company = EntityId::company(asked.entity.company.clone());
        if !matches!(asked.caller, Caller::Entity(from) if *from == company) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let form = self.chat.as_ref().and_then(|chat| chat.form.as_ref());
        let has_answers = form.is_some_and(|form| !form.answers.is_empty());
        // Asked again, or answered anew meanwhile.
        if !has_answers || self.form_no > form_no {
            return Ok(Decided::nothing(Answer::Done));
        }
        Ok(Decided {
            events: vec![RoomEvent::FormForgotten { at: now }],
            answer: Answer::Done,
            remember: None,
        })
    }

    pub(super) fn form_stands(&mut self, progress: &FormProgress, no: u64) {
        self.form_no = self.form_no.max(no);
        if let Some(chat) = self.chat.as_deref_mut() {
            chat.form = Some(progress.clone());
        }
    }

    /// Nothing is asked again: who was through stays through.
    pub(super) fn form_forgotten(&mut self) {
        let chat = self.chat.as_deref_mut();
        if let Some(form) = chat.and_then(|chat| chat.form.as_mut()) {
            form.answers.clear();
        }
    }
}
