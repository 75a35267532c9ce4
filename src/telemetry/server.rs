//! The server's own metrics: connections, closes, tokens. Names, units and labels stand here only.

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};

use frontdesk_protocol::CloseCode;

/// Handles made once.
pub(crate) struct ServerMetrics {
    pub(crate) connections: Gauge,
    pub(crate) frames: Counter,
    pub(crate) frames_refused: Counter,
    tokens_refused: Counter,
    outbox_peak: Histogram,
}

/// Counts what came beyond a rate.
pub(crate) struct RateMetrics {
    pub(crate) addresses: Counter,
    pub(crate) people: Counter,
    pub(crate) logins: Counter,
    pub(crate) passwords: Counter,
    /// Chats of an address.
    pub(crate) chats: Counter,
    /// Uploads of a person.
    pub(crate) uploads: Counter,
    pub(crate) connections: Counter,
}

impl RateMetrics {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "frontdesk_beyond_rate_total",
            "requests, sockets and frames beyond their rate, by whose it is"
        );
        let of = |whose: &'static str| counter!("frontdesk_beyond_rate_total", "whose" => whose);
        Self {
            addresses: of("address"),
            people: of("person"),
            logins: of("login"),
            passwords: of("password"),
            chats: of("chat"),
            uploads: of("upload"),
            connections: of("connection"),
        }
    }
}

impl ServerMetrics {
    pub(crate) fn new() -> Self {
        describe_gauge!(
            "frontdesk_connections_count",
            Unit::Count,
            "open WebSocket connections"
        );
        describe_counter!(
            "frontdesk_closes_total",
            "connections closed by this side, by code"
        );
        describe_counter!("frontdesk_frames_total", "messages read from clients");
        describe_counter!(
            "frontdesk_frames_refused_total",
            "messages answered with an error"
        );
        describe_counter!(
            "frontdesk_tokens_refused_total",
            "tokens that did not verify"
        );
        describe_histogram!(
            "frontdesk_outbox_peak_bytes",
            Unit::Bytes,
            "the most that ever waited for one connection"
        );
        Self {
            connections: gauge!("frontdesk_connections_count"),
            frames: counter!("frontdesk_frames_total"),
            frames_refused: counter!("frontdesk_frames_refused_total"),
            tokens_refused: counter!("frontdesk_tokens_refused_total"),
            outbox_peak: histogram!("frontdesk_outbox_peak_bytes"),
        }
    }

    /// A connection was closed by this side.
    pub(crate) fn closed(&self, code: CloseCode) {
        counter!("frontdesk_closes_total", "code" => code.number().to_string()).increment(1);
    }

    /// A token was refused.
    pub(crate) fn refused_token(&self) {
        self.tokens_refused.increment(1);
    }

    /// A connection ended; the most that ever waited for it.
    pub(crate) fn outbox_peak(&self, peak_bytes: usize) {
        self.outbox_peak.record(peak_bytes as f64);
    }
}
