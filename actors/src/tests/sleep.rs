//! Falling asleep and waking: nothing stays behind, nothing is lost in between.

use std::time::Duration;

use frontdesk_protocol::Seq;

use super::{PATIENCE, World, both_modes, eventually, fresh_cid, is_done, person, place};
use crate::limits::Limits;

fn drowsy() -> Limits {
    Limits {
        entity_idle_ms: 1,
        ..Limits::default()
    }
}

/// Cycles of waking and sleeping; more when `CYCLES` says so, as for a measurement by hand.
fn cycles() -> u64 {
    let wanted = std::env::var("CYCLES").ok();
    wanted.map_or(3_000, |count| count.parse().expect("CYCLES is a number"))
}

/// Cycles that post something new.
const NEW_TEXT_COUNT: u64 = 1_000;

/// Memory of this process, kilobytes.
fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.expect("VmRSS").parse().expect("a number")
}

both_modes! {
    async fn after_idleness_no_actor_and_no_slot_is_left(serialize: bool) {
        let world = World::new(serialize).await;
        for _ in 0..20 {
            let room = world.room(&["ann"]).await;
            world.posted(&room, "ann", "hello").await;
        }
        assert_eq!(world.node.counts().entities, 21);
        world.all_asleep().await;
        assert_eq!(world.node.counts().doors, 0, "doors of effects are closed");
    }

    async fn a_command_that_races_a_sleep_is_answered(serialize: bool) {
        let world = World::with_limits(serialize, drowsy()).await;
        let room = world.room(&["ann"]).await;
        for number in 1..=cycles() {
            // After some new texts the last one again: a cycle that leaves nothing in the store.
            let (seq, is_repeat) = (number.min(NEW_TEXT_COUNT), number > NEW_TEXT_COUNT);
            // A sleep is asked for before, beside and after the command's own turn.
            let ask_to_sleep = || {
                world.clock.advance_ms(10);
                world.node.registry.tick(&world.node);
            };
            let patience = if number % 2 == 0 { u64::MAX } else { number % 16 };
            for _ in 0..patience {
                if world.node.counts().actors == 0 {
                    break;
                }
                ask_to_sleep();
                tokio::task::yield_now().await;
            }
            let text = seq.to_string();
            let posting = world.post(&room, "ann", &text, world.cid(seq));
            let sleeping = async {
                for _ in 0..number % 3 {
                    ask_to_sleep();
                    tokio::task::yield_now().await;
                }
            };
            let (outcome, ()) = tokio::join!(posting, sleeping);
            assert_eq!(place(&outcome), (seq, is_repeat));
            if [10_000, cycles()].contains(&number) {
                let wakes = world.node.next_epoch().0 & u64::from(u32::MAX);
                println!("cycle {number}: {wakes} wakes, RSS {} kB", rss_kb());
            }
        }
        let wakes = world.node.next_epoch().0 & u64::from(u32::MAX);
        assert!(wakes >= cycles() / 2, "{wakes} wakes");
        world.all_asleep().await;
    }

    async fn a_join_that_races_a_sleep_finds_the_room(serialize: bool) {
        let world = World::with_limits(serialize, drowsy()).await;
        let room = world.room(&["ann", "bob"]).await;
        for number in 1..=300 {
            world.clock.advance_ms(10);
            world.node.registry.tick(&world.node);
            let bob = world.join(&room, "bob", None).await;
            let seq = world.posted(&room, "ann", "hello").await;
            assert_eq!(seq, Seq(number));
            bob.has_all(number, number).await;
            bob.leave();
        }
        assert_eq!(world.node.counts().edges, 0);
    }

    async fn a_supervisor_sleeps_when_its_company_does_and_not_before(serialize: bool) {
        let world = World::new(serialize).await;
        let quiet = world.room_of("QUI001", &["ann"]).await;
        let busy = world.room_of("BUS001", &["ann"]).await;
        assert_eq!(world.node.supervisors.count(), 2);
        world.clock.advance_ms(Limits::default().entity_idle_ms);
        world.posted(&busy, "ann", "still here").await;
        eventually("one company sleeps", || {
            world.node.registry.tick(&world.node);
            world.node.supervisors.count() == 1
        })
        .await;
        assert_eq!(world.node.counts().entities, 1);
        world.restart(&busy).await;
        world.posted(&busy, "ann", "watched still").await;
        world.posted(&quiet, "ann", "awake again").await;
        world.restart(&quiet).await;
        assert_eq!(world.node.supervisors.count(), 2, "another one watches");
        world.all_asleep().await;
    }

    async fn a_join_and_a_command_that_race_a_supervisors_stop_find_the_room(serialize: bool) {
        let world = World::with_limits(serialize, drowsy()).await;
        let room = world.room(&["ann", "bob"]).await;
        let mut stop_count = 0;
        for number in 1..=cycles() / 6 {
            let ask_to_rest = || {
                world.clock.advance_ms(10);
                world.node.registry.tick(&world.node);
            };
            // The stop comes before, beside and after the start of the next actor.
            let patience = if number % 2 == 0 { 100_000 } else { number % 16 };
            for _ in 0..patience {
                if world.node.supervisors.count() == 0 {
                    stop_count += 1;
                    break;
                }
                ask_to_rest();
                tokio::task::yield_now().await;
            }
            let used = async {
                let bob = world.join(&room, "bob", None).await;
                assert_eq!(world.posted(&room, "ann", "hello").await, Seq(number));
                bob.has_all(number, number).await;
                bob.leave();
            };
            let resting = async {
                for _ in 0..number % 5 {
                    ask_to_rest();
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(used, resting);
        }
        assert!(stop_count >= cycles() / 12, "{stop_count} stops");
        world.all_asleep().await;
    }

    async fn read_marks_that_wait_are_flushed_before_sleep(serialize: bool) {
        let world = World::with_limits(serialize, drowsy()).await;
        let room = world.room(&["ann", "bob"]).await;
        world.posted(&room, "ann", "hello").await;
        let marking = world.mark(&room, "bob", 1);
        let sleeping = async {
            for _ in 0..5 {
                world.clock.advance_ms(10);
                world.node.registry.tick(&world.node);
                tokio::task::yield_now().await;
            }
        };
        let (marked, ()) = tokio::join!(marking, sleeping);
        assert!(is_done(&marked));
        world.all_asleep().await;
        let facts = world.node.room_for(&room, &person("bob")).await;
        let marks = facts.expect("read").expect("a room").marks;
        assert_eq!(marks[&person("bob")], Seq(1));
    }

    async fn drain_puts_everything_to_sleep_behind_snapshots(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        for number in 0..20 {
            world.posted(&room, "ann", &number.to_string()).await;
        }
        let door = world.door();
        world.hold_commits().await;
        door.post(&room, "ann", "under way", fresh_cid(), 1);
        world.held();
        let node = std::sync::Arc::clone(&world.node);
        let draining = crate::task::spawn(async move { node.drain(PATIENCE).await });
        eventually("new commands are refused", || {
            door.post(&room, "ann", "too late", fresh_cid(), 2);
            door.count() > 0
        })
        .await;
        world.release();
        assert!(draining.await.expect("drained"));
        let counts = world.node.counts();
        assert_eq!((counts.entities, counts.actors), (0, 0));
        let texts = world.texts(&room).await;
        let under_way = texts.iter().filter(|(_, text)| text == "under way").count();
        assert_eq!(under_way, 1);
        let done = door.outcomes().iter().filter(|(_, told)| is_done(told)).count();
        assert_eq!(texts.len(), 20 + done, "what was answered is there, nothing else");
        world.memory.store().close().expect("closes");
        let snapshot = world.journal().snapshot(&room).expect("read").expect("a snapshot");
        assert_eq!(snapshot.at, world.journal().tail(&room).expect("a tail"));
        assert_eq!(world.journal().pending().expect("read"), []);
    }

    async fn drain_ends_although_an_entity_was_given_up(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann"]).await;
        for _ in 0..=crate::limits::RESTART_COUNT_MAX {
            let drop = frontdesk_storage::testing::Verdict::DropAnswerUnknown;
            world.memory.faults().next_append(drop);
        }
        world.post(&room, "ann", "hello", fresh_cid()).await;
        assert!(world.node.drain(Duration::from_secs(5)).await);
    }
}
