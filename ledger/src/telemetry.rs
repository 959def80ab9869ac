//! The ledger's metrics: their names, and the bound of their labels.

use limits::quota::Quota;
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Charges decided, by bucket, algorithm and verdict.
pub(crate) const CHARGES: &str = "tollgate_charges_total";
/// Requests decided, by verdict.
pub(crate) const DECISIONS: &str = "tollgate_decisions_total";
/// Settles, by whether they took effect or were refused: no decision charged what they settle.
pub(crate) const SETTLES: &str = "tollgate_settles_total";
/// Scripts run, by kind.
pub(crate) const SCRIPTS: &str = "tollgate_scripts_total";
/// Requests decided by one script.
pub const BATCH_SIZE: &str = "tollgate_batch_size_requests";
/// Time from sending to the answer.
pub const LEDGER_SECONDS: &str = "tollgate_ledger_seconds";
/// Requests waiting for a script or in one.
pub(crate) const QUEUE_DEPTH: &str = "tollgate_queue_depth_requests";
/// Whether the ledger answers.
pub(crate) const LEDGER_UP: &str = "tollgate_ledger_up";
/// Connections to the ledger made.
pub(crate) const CONNECTS: &str = "tollgate_ledger_connects_total";
/// Calls that the ledger gave no decision for, by reason.
pub(crate) const FAULTS: &str = "tollgate_ledger_faults_total";
/// Counters found damaged and treated as absent.
pub(crate) const DAMAGED: &str = "tollgate_damaged_counters_total";
/// Overrides in force.
pub(crate) const OVERRIDES: &str = "tollgate_overrides_loaded";

/// Bucket names given a label of their own; clients choose the names, so the rest share `other`.
const MAX_BUCKETS: usize = 100;
/// The label of buckets past [`MAX_BUCKETS`].
const OTHER: &str = "other";

/// Describes the metrics to the recorder in use.
pub fn describe() {
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
}

/// What counts charges by bucket. The set of labels is bounded, whatever names clients invent.
#[derive(Debug, Default)]
pub struct ChargeMeter(RwLock<HashMap<String, Arc<Cells>>>);

/// One bucket's counters, made when first needed: by algorithm, then by verdict.
type Cells = [[OnceLock<Counter>; 2]; 3];

impl ChargeMeter {
    /// Counts one charge.
    pub fn count(&self, bucket: &str, quota: &Quota, admitted: bool) {
        let (place, algorithm) = match quota {
            Quota::SlidingWindow(_) => (0, "sliding_window"),
            Quota::FixedWindow(_) => (1, "fixed_window"),
            Quota::TokenBucket(_) => (2, "token_bucket"),
        };
        let (name, cells) = self.cells(bucket);
        let cell = cells.get(place).and_then(|row| row.get(usize::from(admitted)));
        let Some(cell) = cell else { return };
        let make = || {
            let verdict = if admitted { "admitted" } else { "denied" };
            let bucket = name.to_owned();
            counter!(CHARGES, "bucket" => bucket, "algorithm" => algorithm, "verdict" => verdict)
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

#[cfg(test)]
mod tests {
    use super::*;
    use limits::quota::{Limit, SlidingWindow, WindowMs};

    #[test]
    fn labels_are_bounded_whatever_clients_send() {
        let meter = ChargeMeter::default();
        let (limit, window_ms) = (Limit::clamped(1), WindowMs::clamped(1));
        let quota = Quota::SlidingWindow(SlidingWindow { limit, window_ms });
        for n in 0..10_000 {
            meter.count(&format!("bucket{n}"), &quota, true);
        }
        assert_eq!(meter.0.read().unwrap().len(), MAX_BUCKETS + 1);
        assert_eq!(meter.cells("bucket7").0, "bucket7");
        assert_eq!(meter.cells("bucket7000").0, OTHER);
    }
}
