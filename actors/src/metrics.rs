//! Every metric of the actors: name, unit, help. Handles are made once; nothing on a hot path looks
//! a metric up. Labels are closed sets, never ids.

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge};
use metrics::{Unit, describe_histogram, gauge, histogram};

pub(crate) struct Metrics {
    pub(crate) entities_awake: Gauge,
    pub(crate) entity_restarts: Counter,
    pub(crate) entity_given_up: Counter,
    pub(crate) commands_refused_busy: Counter,
    pub(crate) batch_commands: Histogram,
    pub(crate) edges: Gauge,
    pub(crate) deliveries: Counter,
    pub(crate) lagged: Counter,
    pub(crate) replayed: Counter,
    pub(crate) chats_forgotten: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_gauge!(
            "frontdesk_awake_entities",
            Unit::Count,
            "entities with an actor"
        );
        describe_counter!("frontdesk_entity_restarts_total", "entity actors restarted");
        describe_counter!("frontdesk_entity_given_up_total", "restart budgets used up");
        describe_counter!("frontdesk_commands_busy_total", "commands answered busy");
        describe_histogram!("frontdesk_batch_commands", Unit::Count, "commands a record");
        describe_gauge!("frontdesk_edges", Unit::Count, "rooms in use on this node");
        describe_counter!(
            "frontdesk_deliveries_total",
            "events queued live to connections"
        );
        describe_counter!(
            "frontdesk_lagged_total",
            "times a connection fell behind in a room"
        );
        describe_counter!("frontdesk_replayed_events_total", "events queued by replay");
        describe_counter!("frontdesk_chats_forgotten_total", "chats forgotten");
        Self {
            entities_awake: gauge!("frontdesk_awake_entities"),
            entity_restarts: counter!("frontdesk_entity_restarts_total"),
            entity_given_up: counter!("frontdesk_entity_given_up_total"),
            commands_refused_busy: counter!("frontdesk_commands_busy_total"),
            batch_commands: histogram!("frontdesk_batch_commands"),
            edges: gauge!("frontdesk_edges"),
            deliveries: counter!("frontdesk_deliveries_total"),
            lagged: counter!("frontdesk_lagged_total"),
            replayed: counter!("frontdesk_replayed_events_total"),
            chats_forgotten: counter!("frontdesk_chats_forgotten_total"),
        }
    }
}
