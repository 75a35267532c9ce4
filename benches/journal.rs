//! What an append costs on each engine: through the store's queue and writer, to the answer. The
//! time of a synced append is the disk's; the CPU of an append is ours and the engine's, and is
//! printed in one table at the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use frontdesk_actors::clock::{Clock as _, SystemClock, fresh_cid, fresh_room_id};
use frontdesk_loadtest::clock::Clock;
use frontdesk_loadtest::usage::cpu_us;
use frontdesk_protocol::{CompanyId, Epoch, PersonId, Pos, Seq};
use frontdesk_storage::{
    Append, AppendOutcome, CACHE_BYTES_DEFAULT, CidRow, Durability, EngineKind, EntityId, Journal,
    OpenOptions, Store, open,
};

/// Entities that append at the same time, each with one append under way.
const ENTITY_COUNTS: [usize; 2] = [1, 16];
/// About what the record of one message weighs, bytes.
const RECORD_BYTES: usize = 350;
/// Rounds of one measurement.
const SAMPLE_COUNT: usize = 10;
/// Length of one measurement.
const MEASURED: Duration = Duration::from_secs(4);

/// Where entities append, and where their outcomes come.
struct Writers {
    store: Arc<Store>,
    entities: Vec<(EntityId, Pos)>,
    epoch: Epoch,
    payload: Bytes,
    clock: SystemClock,
    sender: Sender<(usize, AppendOutcome)>,
    outcomes: Receiver<(usize, AppendOutcome)>,
}

impl Writers {
    fn new(store: Arc<Store>, entity_count: usize) -> Self {
        let company = CompanyId::new("TES001").expect("a valid id");
        let entities: Vec<_> = (0..entity_count)
            .map(|_| (EntityId::room(company.clone(), fresh_room_id()), Pos(0)))
            .collect();
        let epoch = Epoch(u64::from(store.boot_count()) << 32);
        let (fenced, answers) = channel();
        for (entity, _) in &entities {
            let fenced = fenced.clone();
            let done = Box::new(move |tail| fenced.send(tail).expect("someone waits"));
            store.fence(entity, epoch, done);
        }
        for _ in &entities {
            let tail = answers.recv().expect("an answer").expect("fenced");
            assert_eq!(tail.pos, Pos(0), "a new entity");
        }
        let (sender, outcomes) = channel();
        Self {
            store,
            entities,
            epoch,
            payload: Bytes::from(vec![b'x'; RECORD_BYTES]),
            clock: SystemClock::default(),
            sender,
            outcomes,
        }
    }

    fn append(&self, index: usize) {
        let (entity, expected) = &self.entities[index];
        let seq = Seq(expected.0 + 1);
        let append = Append {
            entity: entity.clone(),
            epoch: self.epoch,
            expected: *expected,
            seq_after: seq,
            payload: self.payload.clone(),
            cids: vec![CidRow {
                person: PersonId::new("5").expect("a valid id"),
                cid: fresh_cid(),
                seq,
                at: self.clock.now(),
                digest: seq.0,
            }],
            rows: Vec::new(),
            pending: None,
            erases: None,
        };
        let sender = self.sender.clone();
        let done = Box::new(move |outcome| {
            sender.send((index, outcome)).expect("the bench waits");
        });
        self.store.append(append, done);
    }

    /// Appends this many records in all.
    fn run(&mut self, append_count: u64) {
        let mut begun = append_count.min(self.entities.len() as u64);
        for index in 0..begun as usize {
            self.append(index);
        }
        for _ in 0..append_count {
            let (index, outcome) = self.outcomes.recv().expect("an outcome");
            let AppendOutcome::Ok { pos } = outcome else {
                panic!("not appended: {outcome:?}");
            };
            self.entities[index].1 = pos;
            if begun < append_count {
                begun += 1;
                self.append(index);
            }
        }
    }
}

/// One line of the table: everything of one case, warming up included.
struct Spent {
    case: String,
    append_count: u64,
    wall_ns: u64,
    cpu_us: f64,
}

fn own_cpu_us() -> f64 {
    cpu_us(std::process::id()).expect("Linux says what a process used")
}

fn measure(
    criterion: &mut Criterion,
    engine: EngineKind,
    durability: Durability,
    entity_count: usize,
) -> Spent {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(&OpenOptions {
        path: folder.path().join("store"),
        engine,
        durability,
        cache_bytes: CACHE_BYTES_DEFAULT,
        clock: Arc::new(|| SystemClock::default().now()),
        fatal: Arc::new(|why| panic!("the store failed: {why}")),
    })
    .expect("a store");
    let mut writers = Writers::new(Arc::clone(&store), entity_count);
    let durability = match durability {
        Durability::Fsync => "fsync",
        Durability::Buffered => "buffered",
    };
    let mut spent = Spent {
        case: format!(
            "{:<5} | {durability:<8} | {entity_count:>8}",
            engine.as_str()
        ),
        append_count: 0,
        wall_ns: 0,
        cpu_us: 0.0,
    };
    let clock = Clock::start();
    let mut group = criterion.benchmark_group(format!("journal_{}", engine.as_str()));
    group.sample_size(SAMPLE_COUNT).measurement_time(MEASURED);
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("{durability}_entities_{entity_count}"), |bencher| {
        bencher.iter_custom(|append_count| {
            let (from_ns, from_cpu_us) = (clock.now_ns(), own_cpu_us());
            writers.run(append_count);
            let wall_ns = clock.now_ns() - from_ns;
            spent.append_count += append_count;
            spent.wall_ns += wall_ns;
            spent.cpu_us += own_cpu_us() - from_cpu_us;
            Duration::from_nanos(wall_ns)
        });
    });
    group.finish();
    drop(writers);
    store.close().expect("closes");
    spent
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = Vec::new();
    for engine in EngineKind::ALL {
        for durability in [Durability::Buffered, Durability::Fsync] {
            for entity_count in ENTITY_COUNTS {
                table.push(measure(&mut criterion, engine, durability, entity_count));
            }
        }
    }
    criterion.final_summary();
    println!("engine | durability | entities | appends | appends/s | CPU µs per append");
    // A case that a filter left out measured nothing.
    for spent in table.iter().filter(|spent| spent.append_count > 0) {
        let Spent {
            case, append_count, ..
        } = spent;
        let count = *append_count as f64;
        let per_second = count * 1e9 / spent.wall_ns as f64;
        let cpu_us = spent.cpu_us / count;
        println!("{case} | {append_count} | {per_second:.0} | {cpu_us:.2}");
    }
}
