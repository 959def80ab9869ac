//! Metrics and logs: their names, their labels' bounds, and how they are set up.
//!
//! Called from every part of the crate; `/metrics` renders what is here.

use anyhow::Context;
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// Charges decided, by bucket, algorithm and verdict.
pub const CHARGES: &str = "tollgate_charges_total";
/// Requests decided, by verdict.
pub const DECISIONS: &str = "tollgate_decisions_total";
/// Settles, by whether they took effect or were refused: no decision charged what they settle.
pub const SETTLES: &str = "tollgate_settles_total";
/// Scripts run, by kind.
pub const SCRIPTS: &str = "tollgate_scripts_total";
/// Requests decided by one script.
pub const BATCH_SIZE: &str = "tollgate_batch_size_requests";
/// Time from sending to the answer.
pub const LEDGER_SECONDS: &str = "tollgate_ledger_seconds";
/// Requests waiting for a script or in one.
pub const QUEUE_DEPTH: &str = "tollgate_queue_depth_requests";
/// Whether the ledger answers.
pub const LEDGER_UP: &str = "tollgate_ledger_up";
/// Connections to the ledger made.
pub const CONNECTS: &str = "tollgate_ledger_connects_total";
/// Calls that the ledger gave no decision for, by reason.
pub const FAULTS: &str = "tollgate_ledger_faults_total";
/// Counters found damaged and treated as absent.
pub const DAMAGED: &str = "tollgate_damaged_counters_total";
/// Overrides in force.
pub const OVERRIDES: &str = "tollgate_overrides_loaded";
/// Calls answered, by path and status.
pub const CALLS: &str = "tollgate_http_calls_total";

/// Connections closed as soon as they came, for want of room.
pub const TURNED_AWAY: &str = "tollgate_connections_turned_away_total";
/// Attempts to use the admin API without its token.
pub const INTRUDERS: &str = "tollgate_admin_refused_total";

/// Bucket names given a label of their own; clients choose the names, so the rest share `other`.
const MAX_BUCKETS: usize = 100;
/// The label of buckets past [`MAX_BUCKETS`].
const OTHER: &str = "other";

/// Makes this process's metrics and returns what renders them.
///
/// # Errors
/// If metrics were set up before.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    let sizes: Vec<f64> = (0..=8).map(|power| f64::from(1 << power)).collect();
    let seconds =
        [0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(BATCH_SIZE.to_owned()), &sizes)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(LEDGER_SECONDS.to_owned()), &seconds)
        })
        .context("histogram buckets")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("metrics were set up before")?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(CHARGES, Unit::Count, "Charges decided, by bucket, algorithm and verdict");
    describe_counter!(DECISIONS, Unit::Count, "Requests decided, by verdict");
    describe_counter!(SETTLES, Unit::Count, "Settles, by whether they took effect or were refused");
    describe_counter!(SCRIPTS, Unit::Count, "Scripts run on the ledger, by kind");
    describe_histogram!(BATCH_SIZE, Unit::Count, "Requests decided by one script");
    describe_histogram!(LEDGER_SECONDS, Unit::Seconds, "Time from sending a script to its answer");
    describe_gauge!(QUEUE_DEPTH, Unit::Count, "Requests waiting for a script or in one");
    describe_gauge!(LEDGER_UP, Unit::Count, "1 while the ledger's server is connected, else 0");
    describe_counter!(CONNECTS, Unit::Count, "Connections made to the ledger's servers");
    describe_counter!(FAULTS, Unit::Count, "Calls the ledger gave no decision for, by reason");
    describe_counter!(DAMAGED, Unit::Count, "Counters found damaged and treated as absent");
    describe_gauge!(OVERRIDES, Unit::Count, "Overrides in force");
    describe_counter!(CALLS, Unit::Count, "Calls answered, by path and status");
    describe_counter!(TURNED_AWAY, Unit::Count, "Connections closed at once, for want of room");
    describe_counter!(INTRUDERS, Unit::Count, "Attempts to use the admin API without its token");
}

/// Sends logs to standard error, those that `filter` lets through.
pub fn logs(filter: EnvFilter) {
    // Fails only where a subscriber was set before, which then has the say.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// How a charge was counted, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `sliding_window`
    SlidingWindow,
    /// `fixed_window`
    FixedWindow,
    /// `token_bucket`
    TokenBucket,
}

impl Algorithm {
    const fn label(self) -> &'static str {
        match self {
            Self::SlidingWindow => "sliding_window",
            Self::FixedWindow => "fixed_window",
            Self::TokenBucket => "token_bucket",
        }
    }
}

/// What counts charges by bucket. The set of labels is bounded, whatever names clients invent.
#[derive(Debug, Default)]
pub struct ChargeMeter(RwLock<HashMap<String, Arc<Cells>>>);

/// One bucket's counters, made when first needed: by algorithm, then by verdict.
type Cells = [[OnceLock<Counter>; 2]; 3];

impl ChargeMeter {
    /// Counts one charge.
    pub fn count(&self, bucket: &str, algorithm: Algorithm, admitted: bool) {
        let (name, cells) = self.cells(bucket);
        let cell = cells.get(algorithm as usize).and_then(|row| row.get(usize::from(admitted)));
        let Some(cell) = cell else { return };
        let make = || {
            let verdict = if admitted { "admitted" } else { "denied" };
            let bucket = name.to_owned();
            counter!(CHARGES, "bucket" => bucket, "algorithm" => algorithm.label(), "verdict" => verdict)
        };
        cell.get_or_init(make).increment(1);
    }

    fn cells<'a>(&self, bucket: &'a str) -> (&'a str, Arc<Cells>) {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(cells) = table.get(bucket) {
            return (bucket, Arc::clone(cells));
        }
        if let (true, Some(cells)) = (table.len() > MAX_BUCKETS, table.get(OTHER)) {
            return (OTHER, Arc::clone(cells));
        }
        drop(table);
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = if table.len() < MAX_BUCKETS { bucket } else { OTHER };
        (name, Arc::clone(table.entry(name.to_owned()).or_default()))
    }
}

/// Lets through one message of a kind in a while, and counts those it held back.
#[derive(Debug)]
pub struct Quiet {
    interval: Duration,
    state: Mutex<Option<Silence>>,
}

#[derive(Debug)]
struct Silence {
    since: Instant,
    held_back: u64,
}

impl Quiet {
    /// One message each `interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(None) }
    }

    /// Whether to speak now; if so, how many messages were held back since the last.
    pub fn speak(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.as_mut() {
            Some(silence) if now.saturating_duration_since(silence.since) < self.interval => {
                silence.held_back += 1;
                None
            }
            _ => {
                let last = state.replace(Silence { since: now, held_back: 0 });
                Some(last.map_or(0, |last| last.held_back))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_whatever_clients_send() {
        let meter = ChargeMeter::default();
        for n in 0..10_000 {
            meter.count(&format!("bucket{n}"), Algorithm::SlidingWindow, true);
        }
        assert_eq!(meter.0.read().unwrap().len(), MAX_BUCKETS + 1);
        assert_eq!(meter.cells("bucket7").0, "bucket7");
        assert_eq!(meter.cells("bucket7000").0, OTHER);
    }

    #[test]
    fn one_message_in_a_while() {
        let quiet = Quiet::new(Duration::from_secs(10));
        let start = crate::clock::instant();
        let at = |seconds| quiet.speak(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(1), None);
        assert_eq!(at(9), None);
        assert_eq!(at(10), Some(2));
        assert_eq!(at(25), Some(0));
    }
}
