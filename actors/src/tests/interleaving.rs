//! Random interleavings of posts, stalls, detaches, resumes, crashes and faults: whatever happens,
//! each listener's seqs are gapless, in order, and each comes once.

use std::collections::BTreeMap;

use frontdesk_storage::EntityId;
use frontdesk_storage::testing::Verdict;

use super::listeners::{Ear, Seat, since};
use super::{OpenDoor, World, both_modes, eventually, person, place};
use crate::edge::ReplayStep;

/// Runs of each mode; each seed is another interleaving.
const SEEDS: u64 = 12;
/// Steps of each run.
const STEPS: u64 = 250;

/// The splitmix64 sequence: the same steps for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }
}

/// A client: the seqs of all its connections together.
struct Client {
    name: &'static str,
    seat: Option<Seat>,
    /// The first seq it has to get; known when it first joined.
    first: u64,
    got: Vec<u64>,
}

impl Client {
    fn last(&self) -> u64 {
        let on_seat = self.seat.as_ref().map(|seat| seat.ear.seqs());
        let newest = on_seat.and_then(|seqs| seqs.last().copied());
        newest
            .or_else(|| self.got.last().copied())
            .unwrap_or(self.first - 1)
    }

    fn leave(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.leave();
            self.got.extend(seat.ear.seqs());
        }
    }

    async fn come(&mut self, world: &World, room: &EntityId) {
        let history_id = world.node.room_for(room, &person(self.name)).await;
        let history_id = history_id.expect("read").expect("a room").history_id;
        let since = since(history_id, self.last());
        self.seat = Some(world.join(room, self.name, since).await);
    }

    async fn step(&self) {
        if let Some(seat) = &self.seat {
            let step = seat.step().await;
            assert_ne!(step, ReplayStep::Gone, "{} is attached", self.name);
        }
    }
}

struct Play {
    world: World,
    room: EntityId,
    clients: Vec<Client>,
    dice: Dice,
    posted: u64,
}

impl Play {
    async fn new(serialize: bool, seed: u64) -> Self {
        let world = World::new(serialize).await;
        let names = ["ann", "bob", "cy", "dee"];
        let room = world.room(&names).await;
        let mut clients = Vec::new();
        for name in names {
            let mut client = Client {
                name,
                seat: None,
                first: 1,
                got: Vec::new(),
            };
            client.come(&world, &room).await;
            clients.push(client);
        }
        let dice = Dice(seed);
        Self {
            world,
            room,
            clients,
            dice,
            posted: 0,
        }
    }

    async fn step(&mut self, door: &OpenDoor) {
        let who = self.dice.roll(4) as usize;
        match self.dice.roll(100) {
            0..=49 => self.post_some(door),
            50..=59 => {
                let space = self.dice.roll(8) as usize;
                self.with_ear(who, |ear| ear.set_space(space));
            }
            60..=67 => self.with_ear(who, |ear| ear.set_space(usize::MAX)),
            68..=75 => self.clients[who].leave(),
            76..=81 => {
                self.clients[who].leave();
                self.clients[who].come(&self.world, &self.room).await;
            }
            82..=92 => self.clients[who].step().await,
            fault => {
                // The budget of restarts is not used up, and nothing waits long enough to be late.
                door.heard(self.posted as usize).await;
                self.world.clock.advance_ms(20_000);
                let verdicts = [Verdict::WriteAnswerUnknown, Verdict::DropAnswerUnknown];
                match fault {
                    93..=94 => {
                        self.post_some(door);
                        self.world.node.registry.crash(&self.room);
                    }
                    95..=96 => {
                        let verdict = verdicts[self.dice.roll(2) as usize];
                        self.world.memory.faults().next_append(verdict);
                        self.post_some(door);
                    }
                    _ => {}
                }
            }
        }
    }

    fn post_some(&mut self, door: &OpenDoor) {
        for _ in 0..=self.dice.roll(6) {
            self.posted += 1;
            let (text, cid) = (self.posted.to_string(), self.world.cid(self.posted));
            door.post(&self.room, "ann", &text, cid, self.posted);
        }
    }

    fn with_ear(&self, who: usize, change: impl FnOnce(&Ear)) {
        if let Some(seat) = &self.clients[who].seat {
            change(&seat.ear);
        }
    }

    async fn ends_well(&mut self, door: &OpenDoor, seed: u64) {
        door.heard(self.posted as usize).await;
        let places: BTreeMap<u64, u64> = door
            .outcomes()
            .iter()
            .map(|(cseq, told)| (*cseq, place(told).0))
            .collect();
        let in_order: BTreeMap<u64, u64> = (1..=self.posted).map(|seq| (seq, seq)).collect();
        assert_eq!(places, in_order, "seed {seed}");
        for client in &mut self.clients {
            if client.seat.is_none() {
                client.come(&self.world, &self.room).await;
            }
            let seat = client.seat.as_ref().expect("just came");
            seat.ear.set_space(usize::MAX);
            while client.last() < self.posted {
                seat.catch_up().await;
                tokio::task::yield_now().await;
            }
            client.leave();
            let wanted: Vec<u64> = (client.first..=self.posted).collect();
            assert_eq!(client.got, wanted, "seed {seed}, {}", client.name);
        }
    }
}

both_modes! {
    async fn every_listener_gets_every_event_once_and_in_order(serialize: bool) {
        for seed in 0..SEEDS {
            let mut play = Play::new(serialize, seed).await;
            let door = play.world.door();
            for step in 0..STEPS {
                play.step(&door).await;
                if step % 16 == 0 {
                    let posted = play.posted as usize;
                    eventually("everything is answered", || door.count() >= posted).await;
                }
            }
            play.ends_well(&door, seed).await;
        }
    }
}
