//! Deciding a batch: commands one after another on the state, which runs ahead of the journal only
//! until the outcome of this one append is known.
//!
//! No copy of the state is made. When the append is anything but `Ok`, the actor and its state are
//! dropped and the journal is read again, so there is nothing an older copy would serve.
//!
//! Invariants: a refused command changes nothing; each command sees the earlier ones, their cids
//! included; nothing of a batch is told to anyone here.
//! Never: awaits; reads the store anywhere but in [`read`], which blocks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::{Cid, ErrorCode, PersonId, Pos, Rejection, Seq, Timestamp};
use frontdesk_storage::{CidRow, EntityId, Erases, Result, Row};

use super::cids::{self, CidWindows, Floor, Remembered};
use super::named::find_in_records;
use super::recover::{RecordCid, encode_record};
use super::{Answer, Asked, CidBy, Command, Decided, Effect, Envelope, Known, Named, Outcome};
use super::{ReplyTo, Rules, digest, person_of};
use crate::node::Node;

/// What was read for a batch before it is decided.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Index rows for the rules.
    pub(crate) known: Known,
    /// Cids that were looked up; `None` is "never done".
    pub(crate) cids: HashMap<(PersonId, Cid), Option<CidRow>>,
}

/// What must be read before a batch can be decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) rows: Vec<Vec<u8>>,
    pub(crate) seqs: Vec<Seq>,
    pub(crate) cids: Vec<(PersonId, Named)>,
}

impl Needs {
    /// Whether the batch can be decided at once.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.seqs.is_empty() && self.cids.is_empty()
    }
}

/// A decided batch, not yet durable.
#[derive(Debug)]
pub(crate) struct Batch<E> {
    /// What happened, in order.
    pub(crate) events: Vec<E>,
    /// What callers are told once it is durable.
    pub(crate) replies: Vec<(ReplyTo, Outcome)>,
    /// What others are owed once it is durable.
    pub(crate) effects: Vec<Effect>,
    /// Callers who are told when nothing is owed to an entity any more.
    pub(crate) waiting: Vec<(EntityId, ReplyTo, Answer)>,
    /// Index rows that go with it.
    pub(crate) rows: Vec<Row>,
    /// What goes because of it.
    pub(crate) erases: Option<Erases>,
    /// Whose commands changed something.
    pub(crate) people: Vec<PersonId>,
    cids: Vec<RecordCid>,
    /// What is to be looked up among cids whose records go.
    cid_floor: Option<Floor>,
    at: Timestamp,
}

impl<E: serde::Serialize> Batch<E> {
    /// The journal record.
    pub(crate) fn record(&self) -> Bytes {
        encode_record(self.at, &self.events, &self.cids, self.cid_floor)
    }

    /// The rows of the cid index: what a client may repeat.
    pub(crate) fn cid_rows(&self) -> Vec<CidRow> {
        let row = |cid: &RecordCid| CidRow {
            person: cid.person.clone(),
            cid: cid.cid,
            seq: Seq(cid.number),
            at: self.at,
            digest: cid.digest,
        };
        let cids = self.cids.iter().filter(|cid| cid.by.is_client());
        cids.map(row).collect()
    }
}

impl<E> Batch<E> {
    fn tell<R>(&mut self, entity: &EntityId, rules: &R, to: ReplyTo, outcome: Outcome)
    where
        R: Rules<Event = E>,
    {
        let waits_for = match &outcome {
            Outcome::Done(answer) => rules.waits_for(entity, answer),
            _ => None,
        };
        match (waits_for, outcome) {
            (Some(other), Outcome::Done(answer)) => self.waiting.push((other, to, answer)),
            (_, outcome) => self.replies.push((to, outcome)),
        }
    }
}

/// What must be read before these can be decided.
pub(crate) fn needs<R: Rules>(
    entity: &EntityId,
    rules: &R,
    windows: &CidWindows,
    envelopes: &[Arc<Envelope>],
) -> Needs {
    let mut needs = Needs::default();
    for envelope in envelopes {
        let asked = asked(entity, envelope);
        needs.rows.extend(rules.lookups(&asked));
        needs.seqs.extend(rules.rereads(&asked));
        if let Some(person) = remembers(envelope)
            && windows.known(person, named(envelope)) == cids::Known::LookUp
        {
            needs.cids.push((person.clone(), named(envelope)));
        }
    }
    needs
}

/// Reads it.
pub(crate) fn read(node: &Node, entity: &EntityId, needs: Needs) -> Result<Prepared> {
    let mut prepared = Prepared::default();
    for key in needs.rows {
        let value = node.directory.row(&entity.company, &key)?;
        prepared.known.rows.insert(key, value);
    }
    for seq in needs.seqs {
        let Some(pos) = node.journal.pos_of_seq(entity, seq)? else {
            continue;
        };
        let before = Pos(pos.0.saturating_sub(1));
        let found = node.journal.read_after(entity, before, 1, 0)?.pop();
        let found = found.map(|record| (seq, record));
        prepared.known.records.extend(found);
    }
    let mut by_nodes = HashSet::new();
    for (person, Named { cid, by }) in needs.cids {
        let row = match by {
            CidBy::Client => node.journal.cid(entity, &person, &cid)?,
            CidBy::Node => {
                by_nodes.insert((person, cid));
                continue;
            }
        };
        prepared.cids.insert((person, cid), row);
    }
    let found = find_in_records(&*node.journal, entity, by_nodes)?;
    let found = found.into_iter().map(|(named, row)| (named, Some(row)));
    prepared.cids.extend(found);
    Ok(prepared)
}

/// Decides a batch; the state and the windows run ahead.
pub(crate) fn decide<R: Rules>(
    entity: &EntityId,
    rules: &mut R,
    windows: &mut CidWindows,
    envelopes: &[Arc<Envelope>],
    prepared: &Prepared,
    now: Timestamp,
) -> Batch<R::Event> {
    let mut batch = Batch {
        events: Vec::new(),
        replies: Vec::with_capacity(envelopes.len()),
        effects: Vec::new(),
        waiting: Vec::new(),
        rows: Vec::new(),
        people: Vec::new(),
        erases: None,
        cids: Vec::new(),
        cid_floor: None,
        at: now,
    };
    rules.begin_batch();
    for envelope in envelopes {
        let asked = asked(entity, envelope);
        let outcome = match done_before(rules, windows, &asked, envelope, prepared, now) {
            Some(outcome) => outcome,
            None => match rules.decide(&asked, &prepared.known, now) {
                Ok(decided) => take(&mut batch, entity, rules, windows, envelope, decided),
                Err(why) => Outcome::Refused(why),
            },
        };
        batch.tell(entity, rules, envelope.reply_to, outcome);
    }
    for person in envelopes.iter().filter_map(|envelope| remembers(envelope)) {
        windows.trim(person);
    }
    windows.sweep(now);
    batch.cid_floor = batch.erases.map(|_| windows.floor_of_all(now));
    batch
}

fn take<R: Rules>(
    batch: &mut Batch<R::Event>,
    entity: &EntityId,
    rules: &mut R,
    windows: &mut CidWindows,
    envelope: &Envelope,
    decided: Decided<R::Event>,
) -> Outcome {
    for event in decided.events {
        let concerned = person_of(&envelope.caller).or_else(|| R::on_behalf(&event));
        if let Some(person) = concerned.filter(|person| !batch.people.contains(person)) {
            batch.people.push(person.clone());
        }
        rules.apply(&event);
        batch.erases = batch.erases.or(R::erases(&event));
        batch.rows.extend(rules.rows(entity, &event));
        batch.effects.extend(rules.effects(entity, &event));
        batch.events.push(event);
    }
    if let (Some(number), Some(person)) = (decided.remember, person_of(&envelope.caller)) {
        let digest = digest_of(envelope);
        let remembered = Remembered {
            number,
            at: batch.at,
            digest,
            by: envelope.named_by,
        };
        windows.remember(person, envelope.cid, remembered);
        let cid = envelope.cid;
        batch.cids.push(RecordCid {
            person: person.clone(),
            cid,
            number,
            digest,
            by: envelope.named_by,
        });
    }
    Outcome::Done(decided.answer)
}

fn named(envelope: &Envelope) -> Named {
    Named {
        cid: envelope.cid,
        by: envelope.named_by,
    }
}

/// What a repeat is compared with. A node uses no cid of its own for two commands.
fn digest_of(envelope: &Envelope) -> u64 {
    match envelope.named_by {
        CidBy::Client => digest(&envelope.command),
        CidBy::Node => 0,
    }
}

fn asked<'a>(entity: &'a EntityId, envelope: &'a Envelope) -> Asked<'a> {
    Asked {
        entity,
        caller: &envelope.caller,
        cid: envelope.cid,
        command: &envelope.command,
    }
}

/// The person whose cid window a command belongs to; `None` for commands that are harmless twice.
fn remembers(envelope: &Envelope) -> Option<&PersonId> {
    use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
    use frontdesk_protocol::companies::CompaniesCommand;
    use frontdesk_protocol::staff::StaffCommand;
    match &envelope.command {
        Command::Room(RoomCommand::PostMessage { .. })
        | Command::Company(CompanyCommand::OpenRoom { .. })
        | Command::Staff(StaffCommand::AddAccount { .. })
        | Command::Companies(
            CompaniesCommand::CreateCompany { .. } | CompaniesCommand::CreatePlan { .. },
        ) => person_of(&envelope.caller),
        _ => None,
    }
}

fn done_before<R: Rules>(
    rules: &R,
    windows: &CidWindows,
    asked: &Asked<'_>,
    envelope: &Envelope,
    prepared: &Prepared,
    now: Timestamp,
) -> Option<Outcome> {
    let person = remembers(envelope)?;
    let found = match windows.known(person, named(envelope)) {
        cids::Known::Done(found) => Some(found),
        cids::Known::New => None,
        cids::Known::LookUp => {
            let key = (person.clone(), envelope.cid);
            let row = prepared.cids.get(&key).and_then(Option::as_ref);
            row.map(|row| Remembered {
                number: row.seq.0,
                at: row.at,
                digest: row.digest,
                by: envelope.named_by,
            })
        }
    };
    match found {
        Some(found) if found.digest == digest_of(envelope) => {
            Some(Outcome::Done(rules.repeat(asked, found.number, found.at)))
        }
        Some(_) => Some(Outcome::Refused(Rejection::new(ErrorCode::CidReused))),
        None if cids::expired(&envelope.cid, now) => {
            Some(Outcome::Refused(Rejection::new(ErrorCode::CidExpired)))
        }
        None => None,
    }
}
