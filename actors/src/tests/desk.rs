//! Rules over rows kept as the store would keep them, without engine, store or actor: what is read
//! for a batch is what earlier batches wrote.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use frontdesk_protocol::{Cid, Rejection, Timestamp};
use frontdesk_storage::EntityId;

use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Effect, Known, Rules};

pub(crate) struct Desk<R: Rules> {
    pub(crate) entity: EntityId,
    pub(crate) state: R,
    pub(crate) rows: BTreeMap<Vec<u8>, Bytes>,
    pub(crate) history: Vec<R::Event>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) now: Timestamp,
}

impl<R: Rules + Clone + PartialEq + Debug> Desk<R> {
    pub(crate) fn new(entity: EntityId) -> Self {
        Self {
            state: R::new(&entity),
            entity,
            rows: BTreeMap::new(),
            history: Vec::new(),
            effects: Vec::new(),
            now: Timestamp(1_000_000),
        }
    }

    /// One batch; each command's answer.
    pub(crate) fn batch(
        &mut self,
        commands: &[(Caller, Command)],
    ) -> Vec<Result<Answer, Rejection>> {
        let entity = self.entity.clone();
        let asked = |caller, command| Asked {
            entity: &entity,
            caller,
            cid: Cid::from_digest([1; 16]),
            command,
        };
        let mut known = Known::default();
        for (caller, command) in commands {
            for key in self.state.lookups(&asked(caller, command)) {
                let value = self.rows.get(&key).cloned();
                known.rows.insert(key, value);
            }
        }
        self.state.begin_batch();
        let mut answers = Vec::new();
        let mut written = Vec::new();
        for (caller, command) in commands {
            let before = self.state.clone();
            let decided = self.state.decide(&asked(caller, command), &known, self.now);
            let Ok(decided) = decided else {
                assert_eq!(self.state, before, "a refused command changes nothing");
                answers.push(Err(decided.expect_err("refused")));
                continue;
            };
            for event in decided.events {
                self.state.apply(&event);
                written.extend(self.state.rows(&entity, &event));
                self.effects.extend(self.state.effects(&entity, &event));
                self.history.push(event);
            }
            answers.push(Ok(decided.answer));
        }
        for row in written {
            match row.value {
                Some(value) => self.rows.insert(row.key, value),
                None => self.rows.remove(&row.key),
            };
        }
        answers
    }

    pub(crate) fn one(&mut self, caller: &Caller, command: Command) -> Result<Answer, Rejection> {
        let answers = self.batch(&[(caller.clone(), command)]);
        answers.into_iter().next().expect("one answer")
    }

    /// A row as it stands.
    pub(crate) fn row<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        self.rows.get(key).and_then(tables::read)
    }

    /// What the events alone make of a new state is what the state is.
    pub(crate) fn assert_replays(&mut self) {
        let mut replayed = R::new(&self.entity);
        for event in &self.history {
            replayed.begin_batch();
            replayed.apply(event);
        }
        replayed.begin_batch();
        self.state.begin_batch();
        assert_eq!(replayed, self.state);
    }
}
