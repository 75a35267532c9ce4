//! What a run found, as text for people and as JSON for scripts; medians over several runs.
//!
//! Invariant: a figure that was not measured is absent, never zero.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::check::{Checker, Findings, Violation};
use crate::load::{Load, latency_histogram};
use crate::usage::TcpCounters;

/// One number of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its name, unit last.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
}

/// What one run found.
#[derive(Debug)]
pub struct Report {
    pub(crate) connections: usize,
    pub(crate) connected: usize,
    pub(crate) joined: usize,
    pub(crate) connect_ns: u64,
    pub(crate) connect_cpu_us: f64,
    pub(crate) tcp: TcpCounters,
    pub(crate) rss_start_bytes: u64,
    pub(crate) rss_rooms_bytes: u64,
    pub(crate) rss_joined_bytes: u64,
    pub(crate) rss_end_bytes: u64,
    pub(crate) flow_ns: u64,
    pub(crate) posted: u64,
    /// Deliveries while messages were sent.
    pub(crate) deliveries: u64,
    /// Those and the ones that came later.
    pub(crate) deliveries_all: u64,
    pub(crate) server_cpu_us: f64,
    pub(crate) own_cpu_us: f64,
    pub(crate) lag_count: u64,
    pub(crate) latency: Histogram<u64>,
    pub(crate) staller_latency: Histogram<u64>,
    /// Open loop: how late messages were sent.
    pub(crate) lateness: Histogram<u64>,
    /// What a scenario measures beside deliveries.
    pub(crate) further: Vec<(LatencyNames, Histogram<u64>)>,
    /// The same where it is one number.
    pub(crate) measured: Vec<Figure>,
    findings: Findings,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            connections: 0,
            connected: 0,
            joined: 0,
            connect_ns: 0,
            connect_cpu_us: 0.0,
            tcp: TcpCounters::default(),
            rss_start_bytes: 0,
            rss_rooms_bytes: 0,
            rss_joined_bytes: 0,
            rss_end_bytes: 0,
            flow_ns: 0,
            posted: 0,
            deliveries: 0,
            deliveries_all: 0,
            server_cpu_us: 0.0,
            own_cpu_us: 0.0,
            lag_count: 0,
            latency: latency_histogram(),
            staller_latency: latency_histogram(),
            lateness: latency_histogram(),
            further: Vec::new(),
            measured: Vec::new(),
            findings: Findings::default(),
        }
    }
}

const NS_PER_SECOND: f64 = 1e9;
const NS_PER_US: f64 = 1e3;

impl Report {
    /// The violations of the run.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Takes over what the run's state has gathered.
    pub(crate) fn take(&mut self, load: &RefCell<Load>) {
        let mut load = load.borrow_mut();
        self.posted = load.posted;
        self.lag_count = load.lag_count;
        std::mem::swap(&mut self.latency, &mut load.latency);
        std::mem::swap(&mut self.staller_latency, &mut load.staller_latency);
        let checker = std::mem::replace(&mut load.checker, Checker::new(0, false));
        self.deliveries_all = checker.delivered_count();
        self.findings.merge(&checker.finish());
        let answers = std::mem::replace(&mut load.answers, Checker::new(0, false));
        self.findings.merge(&answers.finish().within("bot answers"));
        let empty = latency_histogram();
        let answers = std::mem::replace(&mut load.answer_latency, empty);
        self.further.push((ANSWER_NAMES, answers));
    }

    /// Adds what was found outside of deliveries.
    pub(crate) fn note(&mut self, violation: Violation, what: String) {
        self.findings.note(violation, what);
    }

    /// Adds a number that a scenario measures.
    pub(crate) fn add(&mut self, name: &'static str, value: f64) {
        self.measured.push(Figure { name, value });
    }

    /// A figure that was measured.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let figures = self.figures();
        let found = figures.iter().find(|figure| figure.name == name);
        found.map(|figure| figure.value)
    }

    /// Holds figures against what they must reach at least. One that is absent reaches nothing.
    pub(crate) fn hold_least(&mut self, bars: &[(&str, f64)]) {
        for (name, bar) in bars {
            let value = self.figure(name).unwrap_or(0.0);
            if value < *bar {
                let what = format!("{name} is {value:.1}, the bar is at least {bar:.0}");
                self.note(Violation::TooSlow, what);
            }
        }
    }

    /// Holds figures against their bars, in the figures' own units.
    pub(crate) fn hold(&mut self, bars: &[(&str, f64)]) {
        for figure in self.figures() {
            let bar = bars.iter().find(|(name, _)| *name == figure.name);
            if let Some((name, bar)) = bar.filter(|(_, bar)| figure.value > *bar) {
                let what = format!("{name} is {}, the bar is {bar}", number(figure.value));
                self.note(Violation::TooSlow, what);
            }
        }
    }

    /// Every figure that was measured.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = Figures(Vec::new());
        self.opening_figures(&mut figures);
        if self.posted > 0 {
            self.flow_figures(&mut figures);
        }
        for (names, histogram) in &self.further {
            figures.add_latency(*names, histogram);
        }
        figures.0.extend_from_slice(&self.measured);
        figures.0
    }

    fn opening_figures(&self, figures: &mut Figures) {
        if self.connections == 0 && self.connected == 0 {
            return;
        }
        let connect_seconds = self.connect_ns as f64 / NS_PER_SECOND;
        let connected = self.connected as f64;
        figures.add("connections_count", self.connections as f64);
        figures.add("connected_count", connected);
        figures.add("joined_count", self.joined as f64);
        figures.add_ratio("connects_per_second", connected, connect_seconds);
        figures.add("syn_retries_count", self.tcp.syn_retries as f64);
        figures.add("listen_overflows_count", self.tcp.listen_overflows as f64);
        figures.add("listen_drops_count", self.tcp.listen_drops as f64);
        if self.rss_start_bytes == 0 {
            return;
        }
        let grown = self.rss_joined_bytes.saturating_sub(self.rss_start_bytes);
        figures.add_ratio("server_cpu_us_per_connect", self.connect_cpu_us, connected);
        figures.add("rss_start_bytes", self.rss_start_bytes as f64);
        figures.add("rss_rooms_bytes", self.rss_rooms_bytes as f64);
        figures.add("rss_joined_bytes", self.rss_joined_bytes as f64);
        figures.add_ratio("rss_bytes_per_connection", grown as f64, connected);
        figures.add("rss_end_bytes", self.rss_end_bytes as f64);
    }

    fn flow_figures(&self, figures: &mut Figures) {
        let seconds = self.flow_ns as f64 / NS_PER_SECOND;
        let deliveries = self.deliveries as f64;
        figures.add("posts_count", self.posted as f64);
        figures.add_ratio("posts_per_second", self.posted as f64, seconds);
        figures.add("deliveries_count", self.deliveries_all as f64);
        figures.add_ratio("deliveries_per_second", deliveries, seconds);
        figures.add_latency(LATENCY_NAMES, &self.latency);
        figures.add_latency(STALLER_NAMES, &self.staller_latency);
        figures.add_latency(LATENESS_NAMES, &self.lateness);
        figures.add("lag_count", self.lag_count as f64);
        if self.rss_start_bytes > 0 {
            let cpu_us = self.server_cpu_us;
            figures.add_ratio("server_cpu_us_per_delivery", cpu_us, deliveries);
            figures.add_ratio("server_cpu_percent", cpu_us / 1e4, seconds);
        }
        figures.add_ratio("load_cpu_us_per_delivery", self.own_cpu_us, deliveries);
    }
}

/// Names of a histogram's figures: p50, p99, p99.9 and the greatest.
pub(crate) type LatencyNames = [&'static str; 4];

macro_rules! latency_names {
    ($what:literal) => {
        [
            concat!($what, "_p50_us"),
            concat!($what, "_p99_us"),
            concat!($what, "_p999_us"),
            concat!($what, "_max_us"),
        ]
    };
}
pub(crate) use latency_names;

const LATENCY_NAMES: LatencyNames = latency_names!("latency");
const STALLER_NAMES: LatencyNames = latency_names!("stalled_latency");
const LATENESS_NAMES: LatencyNames = latency_names!("send_lateness");
const ANSWER_NAMES: LatencyNames = latency_names!("answer_latency");

struct Figures(Vec<Figure>);

impl Figures {
    fn add(&mut self, name: &'static str, value: f64) {
        self.0.push(Figure { name, value });
    }

    fn add_ratio(&mut self, name: &'static str, value: f64, by: f64) {
        if by > 0.0 {
            self.add(name, value / by);
        }
    }

    fn add_latency(&mut self, names: LatencyNames, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        let quantiles = [0.5, 0.99, 0.999, 1.0];
        for (name, quantile) in names.into_iter().zip(quantiles) {
            let value = histogram.value_at_quantile(quantile) as f64;
            self.add(name, value / NS_PER_US);
        }
    }
}

/// Several runs of the same options.
#[derive(Debug, Default)]
pub struct Summary {
    runs: Vec<Vec<Figure>>,
    findings: Findings,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.runs.push(report.figures());
        self.findings.merge(report.findings());
    }

    /// The violations of all runs.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Each figure's median over the runs that measured it.
    pub fn medians(&self) -> Vec<Figure> {
        let mut names: Vec<&'static str> = Vec::new();
        for figure in self.runs.iter().flatten() {
            if !names.contains(&figure.name) {
                names.push(figure.name);
            }
        }
        let median = |name: &'static str| {
            let all = self.runs.iter().flatten();
            let mut values: Vec<f64> = all
                .filter(|figure| figure.name == name)
                .map(|figure| figure.value)
                .collect();
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            let value = match values.len() % 2 {
                1 => values[middle],
                _ => f64::midpoint(values[middle - 1], values[middle]),
            };
            Figure { name, value }
        };
        names.into_iter().map(median).collect()
    }

    /// The whole summary as one object: medians, each run's figures, violations.
    pub fn to_json(&self) -> Value {
        let object = |figures: &[Figure]| {
            let fields = figures.iter();
            let fields = fields.map(|figure| (figure.name.to_owned(), json!(figure.value)));
            Value::Object(fields.collect())
        };
        let runs: Vec<Value> = self.runs.iter().map(|run| object(run)).collect();
        let violations = self.findings.found();
        let violations = violations.map(|(kind, count)| (kind.name().to_owned(), json!(count)));
        json!({
            "medians": object(&self.medians()),
            "runs": runs,
            "violations": Value::Object(violations.collect()),
            "examples": self.findings.examples(),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run_count = self.runs.len();
        if run_count > 1 {
            writeln!(f, "medians of {run_count} runs")?;
        }
        for figure in self.medians() {
            writeln!(f, "{:<28} {:>14}", figure.name, number(figure.value))?;
        }
        if self.findings.is_clean() {
            return write!(f, "checks: every delivery in order, once, in its room");
        }
        write!(f, "checks FAILED:")?;
        for (violation, count) in self.findings.found() {
            write!(f, " {} {count}", violation.name())?;
        }
        for example in self.findings.examples() {
            write!(f, "\n  {example}")?;
        }
        Ok(())
    }
}

/// Digits as far as they mean something: whole above a thousand, three of them below.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 1_000.0 => 0,
        whole if whole.fract() == 0.0 => 0,
        medium if medium >= 10.0 => 1,
        _ => 3,
    };
    let mut text = String::new();
    write!(text, "{value:.digits$}").expect("a string takes every text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(posted: u64, connected: usize) -> Report {
        Report {
            posted,
            deliveries: posted * 10,
            flow_ns: 2_000_000_000,
            connected,
            ..Report::default()
        }
    }

    fn value(figures: &[Figure], name: &str) -> Option<f64> {
        let found = figures.iter().find(|figure| figure.name == name);
        found.map(|figure| figure.value)
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let mut summary = Summary::default();
        for (posted, connected) in [(100, 9), (300, 1), (200, 5)] {
            summary.add(&report(posted, connected));
        }
        let medians = summary.medians();
        assert_eq!(value(&medians, "deliveries_per_second"), Some(1_000.0));
        assert_eq!(value(&medians, "connected_count"), Some(5.0));
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let figures = report(0, 1).figures();
        assert_eq!(value(&figures, "deliveries_per_second"), None);
        assert_eq!(value(&figures, "rss_start_bytes"), None);
        let figures = report(1, 1).figures();
        assert_eq!(value(&figures, "server_cpu_us_per_delivery"), None);
        assert_eq!(value(&figures, "stalled_latency_p99_us"), None);
    }

    #[test]
    fn json_and_text_name_the_same_figures() {
        let mut summary = Summary::default();
        summary.add(&report(100, 10));
        let json = summary.to_json();
        let text = summary.to_string();
        for figure in summary.medians() {
            assert!(
                json["medians"].get(figure.name).is_some(),
                "{}",
                figure.name
            );
            assert!(text.contains(figure.name), "{}", figure.name);
        }
    }

    #[test]
    fn a_figure_below_what_it_must_reach_is_too_slow_and_so_is_an_absent_one() {
        let mut report = report(100, 10);
        report.hold_least(&[("posts_count", 100.0)]);
        assert!(report.findings().is_clean());
        report.hold_least(&[("posts_count", 101.0), ("no_such_figure", 1.0)]);
        let found: Vec<_> = report.findings().found().collect();
        assert_eq!(found, [(Violation::TooSlow, 2)]);
    }

    #[test]
    fn a_figure_beyond_its_bar_is_too_slow() {
        let mut report = report(100, 10);
        report.hold(&[("posts_count", 100.0), ("no_such_figure", 0.0)]);
        assert!(report.findings().is_clean());
        report.hold(&[("posts_count", 99.0)]);
        let found: Vec<_> = report.findings().found().collect();
        assert_eq!(found, [(Violation::TooSlow, 1)]);
        assert!(report.findings().examples()[0].contains("posts_count is 100"));
    }
}
