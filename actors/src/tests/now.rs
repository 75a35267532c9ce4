//! What is shown now: typing, presence, read marks. Time is moved by hand.

use frontdesk_protocol::Seq;
use frontdesk_storage::testing::Verdict;

use super::listeners::Seat;
use super::{World, both_modes, eventually, person, principal};
use crate::entity::{Answer, Outcome};
use crate::limits::{
    PRESENCE_DELAY_MS, PRESENCE_LEAVE_MS, PRESENCE_PERSON_COUNT_MAX, TYPING_EXPIRES_MS,
    TYPING_THROTTLE_MS,
};

impl World {
    /// Moves the clock and lets the edges see it.
    pub(super) fn pass(&self, by_ms: u64) {
        self.clock.advance_ms(by_ms);
        self.node.edges.tick(&self.node);
    }
}

/// Everything but presence.
fn shown(seat: &Seat) -> Vec<String> {
    let mut shown = seat.ear.ephemerals();
    shown.retain(|text| !text.starts_with("presence"));
    shown
}

fn presence(seat: &Seat) -> Vec<String> {
    let mut shown = seat.ear.ephemerals();
    shown.retain(|text| text.starts_with("presence"));
    shown
}

both_modes! {
    async fn typing_is_throttled_shown_to_others_and_ends_by_itself(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        let elsewhere = world.join(&room, "ann", None).await;
        for _ in 0..5 {
            ann.edge.typing(&principal("ann"), true);
        }
        assert_eq!(shown(&bob), ["typing ann true"]);
        world.pass(TYPING_THROTTLE_MS);
        ann.edge.typing(&principal("ann"), true);
        assert_eq!(shown(&bob).len(), 2);
        world.pass(TYPING_EXPIRES_MS - 1);
        assert_eq!(shown(&bob).len(), 2);
        world.pass(1);
        assert_eq!(shown(&bob)[2..], ["typing ann false"]);
        world.pass(TYPING_EXPIRES_MS);
        assert_eq!(shown(&bob).len(), 3, "it ends once");
        assert!(shown(&ann).is_empty() && shown(&elsewhere).is_empty(), "not echoed");
    }

    async fn typing_that_stops_is_shown_once_and_leaving_stops_it(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        ann.edge.typing(&principal("ann"), false);
        assert!(shown(&bob).is_empty(), "what did not begin does not stop");
        ann.edge.typing(&principal("ann"), true);
        ann.edge.typing(&principal("ann"), false);
        ann.edge.typing(&principal("ann"), false);
        assert_eq!(shown(&bob), ["typing ann true", "typing ann false"]);
        world.pass(TYPING_THROTTLE_MS);
        ann.edge.typing(&principal("ann"), true);
        ann.leave();
        world.pass(1);
        assert_eq!(shown(&bob)[2..], ["typing ann true", "typing ann false"]);
    }

    async fn typing_that_goes_on_and_off_is_told_once_for_each_throttle_time(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        let alternate = || {
            for _ in 0..100 {
                ann.edge.typing(&principal("ann"), true);
                ann.edge.typing(&principal("ann"), false);
            }
        };
        let on_and_off = ["typing ann true", "typing ann false"];
        for round in 1..=3 {
            alternate();
            assert_eq!(shown(&bob), on_and_off.repeat(round));
            world.pass(TYPING_THROTTLE_MS);
            assert_eq!(shown(&bob).len(), 2 * round, "what was taken back is not told");
        }
        alternate();
        ann.edge.typing(&principal("ann"), true);
        world.pass(TYPING_THROTTLE_MS - 1);
        assert_eq!(shown(&bob), on_and_off.repeat(4), "it waits for its time");
        world.pass(1);
        assert_eq!(shown(&bob)[8..], ["typing ann true"]);
        alternate();
        assert_eq!(shown(&bob)[8..], on_and_off);
        ann.edge.typing(&principal("ann"), true);
        world.pass(TYPING_THROTTLE_MS);
        world.pass(TYPING_EXPIRES_MS);
        assert_eq!(shown(&bob), on_and_off.repeat(6), "what was held runs out as well");
    }

    async fn typing_that_was_held_is_not_told_of_someone_who_left(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        for active in [true, false, true] {
            ann.edge.typing(&principal("ann"), active);
        }
        ann.leave();
        world.pass(TYPING_THROTTLE_MS);
        assert_eq!(shown(&bob), ["typing ann true", "typing ann false"]);
    }

    async fn presence_is_told_in_differences(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob", "cy"]).await;
        let ann = world.join(&room, "ann", None).await;
        world.pass(PRESENCE_DELAY_MS);
        let already = presence(&ann).len();
        let bob = world.join(&room, "bob", None).await;
        let cy = world.join(&room, "cy", None).await;
        world.pass(PRESENCE_DELAY_MS - 1);
        assert_eq!(presence(&ann).len(), already, "gathered for a while");
        world.pass(1);
        assert_eq!(presence(&ann)[already..], ["presence + bob cy -"]);
        bob.leave();
        world.pass(PRESENCE_LEAVE_MS - 1);
        assert_eq!(presence(&ann).len(), already + 1);
        world.pass(1);
        assert_eq!(presence(&ann)[already + 1..], ["presence + - bob"]);
        assert_eq!(presence(&cy).len(), 2);
    }

    async fn a_reconnect_within_the_grace_time_is_no_news(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        world.pass(PRESENCE_DELAY_MS);
        let already = presence(&ann).len();
        bob.leave();
        world.pass(PRESENCE_LEAVE_MS - 1);
        let again = world.join(&room, "bob", None).await;
        let second = world.join(&room, "bob", None).await;
        world.pass(PRESENCE_LEAVE_MS);
        second.leave();
        world.pass(PRESENCE_LEAVE_MS);
        assert_eq!(presence(&ann).len(), already);
        again.leave();
        let brief = world.join(&room, "bob", None).await;
        brief.leave();
        world.pass(PRESENCE_LEAVE_MS);
        assert_eq!(presence(&ann)[already..], ["presence + - bob"]);
    }

    async fn a_visit_shorter_than_the_delay_is_not_told(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        world.pass(PRESENCE_DELAY_MS);
        let already = presence(&ann).len();
        world.join(&room, "bob", None).await.leave();
        world.pass(PRESENCE_LEAVE_MS);
        assert_eq!(presence(&ann).len(), already);
    }

    async fn big_rooms_show_no_presence(serialize: bool) {
        let world = World::new(serialize).await;
        let names: Vec<String> = (0..PRESENCE_PERSON_COUNT_MAX).map(|i| format!("p{i}")).collect();
        let people: Vec<&str> = names.iter().map(String::as_str).collect();
        let room = world.room(&people).await;
        let full = world.join(&room, "p0", None).await;
        world.join(&room, "p1", None).await;
        world.pass(PRESENCE_DELAY_MS);
        assert_eq!(presence(&full), ["presence + p0 p1 -"], "as many as may be");
    }

    async fn read_marks_are_shown_to_others_and_never_go_back(serialize: bool) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        let bob = world.join(&room, "bob", None).await;
        world.fill(&room, "ann", 5).await;
        let marked = |seq| Outcome::Done(Answer::Marked { read: Seq(seq) });
        assert_eq!(world.mark(&room, "bob", 3).await, marked(3));
        assert_eq!(world.mark(&room, "bob", 2).await, marked(3));
        assert_eq!(world.mark(&room, "bob", 99).await, marked(5));
        eventually("both are shown", || shown(&ann).len() == 2).await;
        assert_eq!(shown(&ann), ["read bob 3", "read bob 5"]);
        assert!(shown(&bob).is_empty());
        let again = world.join(&room, "ann", None).await;
        assert_eq!(again.joined.marks[&person("bob")], Seq(5));
    }

    async fn a_mark_that_was_durable_and_never_published_is_shown_after_the_restart(
        serialize: bool
    ) {
        let world = World::new(serialize).await;
        let room = world.room(&["ann", "bob"]).await;
        let ann = world.join(&room, "ann", None).await;
        world.fill(&room, "ann", 2).await;
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        world.mark(&room, "bob", 2).await;
        eventually("it is shown", || !shown(&ann).is_empty()).await;
        assert_eq!(shown(&ann), ["read bob 2"]);
        let again = world.join(&room, "ann", None).await;
        assert_eq!(again.joined.marks[&person("bob")], Seq(2));
    }
}
