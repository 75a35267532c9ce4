//! Random commands against a store and against a model of it that fits on a page.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_protocol::{Epoch, Pos, RoomId, Seq};
use frontdesk_storage::{
    Append, AppendOutcome, CidRow, Directory, EntityId, Journal, Row, RowsWait, Snapshot, Store,
    Tail,
};
use proptest::prelude::*;

use crate::support::{
    Bench, CidRowOf, Kind, append, append_of, company, fence, person, row, settle_queue,
};

#[derive(Debug, Clone)]
enum Step {
    Fence {
        entity: usize,
        epoch_above: bool,
    },
    Append {
        entity: usize,
        shape: Shape,
    },
    Release {
        entity: usize,
    },
    Settle {
        entity: usize,
        pending: bool,
    },
    Snapshot {
        entity: usize,
        back: u64,
        bytes: usize,
    },
    Rows {
        company: usize,
        key: u8,
        bytes: Option<usize>,
    },
    Create {
        company: usize,
    },
    Reopen,
}

#[derive(Debug, Clone)]
struct Shape {
    bytes: usize,
    seq_count: u64,
    stale_epoch: bool,
    wrong_pos: bool,
    cid: bool,
    row: Option<u8>,
    pending: bool,
}

const COMPANIES: [&str; 2] = ["A", "AA"];

fn entities() -> [EntityId; 4] {
    let room = |name, bits| EntityId::room(company(name), RoomId::from_bits([bits; 16]));
    [
        EntityId::company(company("A")),
        room("A", 0),
        room("A", 1),
        room("AA", 0),
    ]
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..300, 1 => 8_100usize..8_200, 1 => 16_000usize..40_000]
}

fn shapes() -> impl Strategy<Value = Shape> {
    let flags = (any::<bool>(), any::<bool>());
    let rare = || prop::bool::weighted(0.1);
    let rows = prop::option::of(0u8..4);
    (lengths(), 0u64..3, rare(), rare(), flags, rows).prop_map(
        |(bytes, seq_count, stale_epoch, wrong_pos, (cid, pending), row)| Shape {
            bytes,
            seq_count,
            stale_epoch,
            wrong_pos,
            cid,
            row,
            pending,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let entity = || 0usize..4;
    let fence =
        (entity(), prop::bool::weighted(0.8)).prop_map(|(entity, epoch_above)| Step::Fence {
            entity,
            epoch_above,
        });
    let append = (entity(), shapes()).prop_map(|(entity, shape)| Step::Append { entity, shape });
    let settle =
        (entity(), any::<bool>()).prop_map(|(entity, pending)| Step::Settle { entity, pending });
    let snapshot =
        (entity(), 0u64..3, lengths()).prop_map(|(entity, back, bytes)| Step::Snapshot {
            entity,
            back,
            bytes,
        });
    let rows = (0usize..2, 0u8..4, prop::option::weighted(0.8, lengths())).prop_map(
        |(company, key, bytes)| Step::Rows {
            company,
            key,
            bytes,
        },
    );
    prop_oneof![
        2 => fence,
        8 => append,
        1 => entity().prop_map(|entity| Step::Release { entity }),
        1 => settle,
        1 => snapshot,
        2 => rows,
        1 => (0usize..2).prop_map(|company| Step::Create { company }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct ModelEntity {
    epoch: Option<u64>,
    highest_epoch: u64,
    records: Vec<(Seq, Vec<u8>)>,
    cids: Vec<CidRow>,
    pending: Option<Pos>,
    snapshot: Option<Snapshot>,
}

impl ModelEntity {
    fn tail(&self) -> Tail {
        Tail {
            pos: Pos(self.records.len() as u64),
            seq: self.records.last().map_or(Seq(0), |(seq, _)| *seq),
        }
    }
}

#[derive(Default)]
struct Model {
    entities: [ModelEntity; 4],
    rows: [BTreeMap<Vec<u8>, Vec<u8>>; 2],
    companies: BTreeSet<usize>,
    /// Makes every payload different.
    counter: u8,
}

impl Model {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        self.counter = self.counter.wrapping_add(1);
        (0..length).map(|i| (i as u8) ^ self.counter).collect()
    }

    fn step(&mut self, bench: &mut Bench, step: Step) {
        match step {
            Step::Fence {
                entity,
                epoch_above,
            } => self.fence(bench.store(), entity, epoch_above),
            Step::Append { entity, shape } => self.append(bench.store(), entity, &shape),
            Step::Release { entity } => {
                let epoch = self.entities[entity].epoch.take().unwrap_or(1);
                bench.store().release(&entities()[entity], Epoch(epoch));
            }
            Step::Settle { entity, pending } => self.settle(bench.store(), entity, pending),
            Step::Snapshot {
                entity,
                back,
                bytes,
            } => {
                self.snapshot(bench.store(), entity, back, bytes);
            }
            Step::Rows {
                company,
                key,
                bytes,
            } => self.rows(bench.store(), company, key, bytes),
            Step::Create { company: number } => {
                let new = bench.store().create_company(&company(COMPANIES[number]));
                assert_eq!(new.expect("answers"), self.companies.insert(number));
            }
            Step::Reopen => {
                bench.reopen();
                for entity in &mut self.entities {
                    entity.epoch = None;
                }
            }
        }
    }

    fn fence(&mut self, store: &Store, number: usize, epoch_above: bool) {
        let entity = &mut self.entities[number];
        let epoch = match epoch_above {
            true => entity.highest_epoch + 1,
            false => entity.highest_epoch.saturating_sub(1),
        };
        let fenced = fence(store, &entities()[number], epoch);
        if entity.epoch.is_some_and(|present| epoch < present) {
            assert!(fenced.is_err());
            return;
        }
        assert_eq!(fenced.expect("fenced"), entity.tail());
        entity.epoch = Some(epoch);
        entity.highest_epoch = entity.highest_epoch.max(epoch);
    }

    fn append(&mut self, store: &Store, number: usize, shape: &Shape) {
        let payload = self.bytes(shape.bytes);
        let row_value = self.bytes(shape.bytes / 2);
        let id = entities()[number].clone();
        let entity = &mut self.entities[number];
        let tail = entity.tail();
        let epoch = entity.epoch.unwrap_or(1);
        let pos = tail.pos.next();
        let seq_after = Seq(tail.seq.0 + shape.seq_count);
        let cids: Vec<CidRow> = match shape.cid {
            true => vec![CidRowOf(number as u8, pos.0).into()],
            false => Vec::new(),
        };
        let row_key = shape.row.map(|key| vec![b'k', key]);
        let record = Append {
            epoch: Epoch(if shape.stale_epoch {
                epoch.wrapping_sub(1)
            } else {
                epoch
            }),
            expected: Pos(tail.pos.0 + u64::from(shape.wrong_pos)),
            seq_after,
            cids: cids.clone(),
            rows: row_key.iter().map(|key| row(key, &row_value)).collect(),
            pending: shape.pending.then_some(pos),
            ..append_of(&id, 0, 0, &payload)
        };
        let outcome = append(store, record);
        if entity.epoch.is_none() || shape.stale_epoch {
            assert_eq!(outcome, AppendOutcome::Fenced);
        } else if shape.wrong_pos {
            assert_eq!(outcome, AppendOutcome::WrongPos { tail });
        } else {
            assert_eq!(outcome, AppendOutcome::Ok { pos });
            entity.records.push((seq_after, payload));
            entity.cids.extend(cids);
            entity.pending = shape.pending.then_some(pos);
            let company = usize::from(number == 3);
            self.rows[company].extend(row_key.map(|key| (key, row_value)));
        }
    }

    fn settle(&mut self, store: &Store, number: usize, pending: bool) {
        let entity = &mut self.entities[number];
        let mark = pending.then_some(entity.tail().pos);
        let epoch = entity.epoch.unwrap_or(1);
        store.settle(&entities()[number], Epoch(epoch), mark);
        if entity.epoch.is_some() {
            entity.pending = mark;
        }
    }

    fn snapshot(&mut self, store: &Store, number: usize, back: u64, bytes: usize) {
        let payload = self.bytes(bytes).into();
        let entity = &mut self.entities[number];
        // One beyond the tail, at it, or below.
        let pos = Pos((entity.tail().pos.0 + 1).saturating_sub(back));
        let snapshot = Snapshot {
            version: 1,
            at: Tail { pos, seq: Seq(0) },
            payload,
        };
        store.put_snapshot(&entities()[number], snapshot.clone());
        if pos <= entity.tail().pos {
            entity.snapshot = Some(snapshot);
        }
    }

    fn rows(&mut self, store: &Store, number: usize, key: u8, bytes: Option<usize>) {
        let key = vec![b'k', key];
        let value = bytes.map(|bytes| self.bytes(bytes));
        let written = Row {
            key: key.clone(),
            value: value.clone().map(Into::into),
        };
        let company = company(COMPANIES[number]);
        store
            .put_rows(&company, vec![written], RowsWait::Durable)
            .expect("written");
        match value {
            Some(value) => self.rows[number].insert(key, value),
            None => self.rows[number].remove(&key),
        };
    }

    fn check(&self, store: &Store) {
        settle_queue(store);
        for (entity, id) in self.entities.iter().zip(entities()) {
            assert_eq!(store.tail(&id).expect("reads"), entity.tail());
            check_records(store, &id, entity);
            for row in &entity.cids {
                let found = store.cid(&id, &person("5"), &row.cid).expect("reads");
                assert_eq!(found.as_ref(), Some(row));
            }
            assert_eq!(store.snapshot(&id).expect("reads"), entity.snapshot);
        }
        let pending: Vec<_> = self.entities.iter().zip(entities()).collect();
        let pending = pending
            .into_iter()
            .filter_map(|(entity, id)| Some((id, entity.pending?)));
        assert_eq!(store.pending().expect("reads"), pending.collect::<Vec<_>>());
        for (rows, name) in self.rows.iter().zip(COMPANIES) {
            let found = store
                .rows(&company(name), b"", b"\xFF", false, 100)
                .expect("reads");
            let expected = rows
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().into()));
            assert_eq!(found, expected.collect::<Vec<_>>());
        }
        let expected = self
            .companies
            .iter()
            .map(|number| company(COMPANIES[*number]));
        let expected: Vec<_> = expected.collect();
        assert_eq!(store.companies().expect("reads"), expected);
    }
}

fn check_records(store: &Store, id: &EntityId, entity: &ModelEntity) {
    let found = store
        .read_after(id, Pos(0), 1_000, usize::MAX)
        .expect("reads");
    let mut reversed = store
        .read_before(id, Pos(u64::MAX), 1_000, usize::MAX)
        .expect("reads");
    reversed.reverse();
    assert_eq!(found, reversed);
    assert_eq!(found.len(), entity.records.len());
    for (number, (record, (seq, payload))) in (1..).zip(found.iter().zip(&entity.records)) {
        assert_eq!((record.pos, record.seq_after), (Pos(number), *seq));
        assert_eq!(record.payload, payload);
    }
    let head = entity.tail().seq.0;
    for seq in 1..=head + 1 {
        let reaches = entity.records.iter().position(|(after, _)| after.0 >= seq);
        let expected = reaches.map(|at| Pos(at as u64 + 1));
        assert_eq!(store.pos_of_seq(id, Seq(seq)).expect("reads"), expected);
    }
}

fn run(kind: Kind, steps: Vec<Step>) {
    let mut bench = Bench::new(kind);
    let mut model = Model::default();
    for (number, step) in steps.into_iter().enumerate() {
        model.step(&mut bench, step);
        if number % 10 == 9 {
            model.check(bench.store());
        }
    }
    bench.reopen();
    model.check(bench.store());
}

proptest! {
    // Few cases, because each opens and closes a store on the disk several times.
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn memory_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..60)) {
        run(Kind::Memory, steps);
    }

    #[test]
    fn sled_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..60)) {
        run(Kind::Sled, steps);
    }

    #[test]
    fn fjall_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..60)) {
        run(Kind::Fjall, steps);
    }
}
