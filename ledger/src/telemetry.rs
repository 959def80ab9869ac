//! The ledger's metrics: their names, and the limit on their labels.

use limits::quota::Quota;
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Decided charges, by bucket, algorithm and verdict.
pub(crate) const CHARGES: &str = "tollgate_charges_total";
/// Decided requests, by verdict.
pub(crate) const DECISIONS: &str = "tollgate_decisions_total";
/// Settles, by outcome: applied, ignored, or refused because no decision made the charge.
pub(crate) const SETTLES: &str = "tollgate_settles_total";
/// Script runs, by kind.
pub(crate) const SCRIPTS: &str = "tollgate_scripts_total";
/// Requests decided by one script.
pub const BATCH_SIZE: &str = "tollgate_batch_size_requests";
/// Time from sending a script to its reply.
pub const LEDGER_SECONDS: &str = "tollgate_ledger_seconds";
/// Requests waiting for a script or in one.
pub(crate) const QUEUE_DEPTH: &str = "tollgate_queue_depth_requests";
/// 1 while a server of the ledger is connected, else 0.
pub(crate) const LEDGER_UP: &str = "tollgate_ledger_up";
/// Connections made to the ledger's servers.
pub(crate) const CONNECTS: &str = "tollgate_ledger_connects_total";
/// Calls without a decision from the ledger, by reason.
pub(crate) const FAULTS: &str = "tollgate_ledger_faults_total";
/// Counters found damaged and treated as missing.
pub(crate) const DAMAGED: &str = "tollgate_damaged_counters_total";
/// Overrides in force.
pub(crate) const OVERRIDES: &str = "tollgate_overrides_loaded";

/// The most bucket names with their own label. Clients choose the names, so the rest share `other`.
const MAX_BUCKETS: usize = 100;
/// The label of all other buckets.
const OTHER: &str = "other";

/// Registers the metrics' descriptions with the current recorder.
pub fn describe() {
    describe_counter!(CHARGES, Unit::Count, "Decided charges, by bucket, algorithm and verdict");
    describe_counter!(DECISIONS, Unit::Count, "Decided requests, by verdict");
    describe_counter!(SETTLES, Unit::Count, "Settles, by outcome: applied, ignored or refused");
    describe_counter!(SCRIPTS, Unit::Count, "Script runs on the ledger, by kind");
    describe_histogram!(BATCH_SIZE, Unit::Count, "Requests decided by one script");
    describe_histogram!(LEDGER_SECONDS, Unit::Seconds, "Time from sending a script to its reply");
    describe_gauge!(QUEUE_DEPTH, Unit::Count, "Requests waiting for a script or in one");
    describe_gauge!(LEDGER_UP, Unit::Count, "1 while the ledger's server is connected, else 0");
    describe_counter!(CONNECTS, Unit::Count, "Connections made to the ledger's servers");
    describe_counter!(FAULTS, Unit::Count, "Calls without a decision from the ledger, by reason");
    describe_counter!(DAMAGED, Unit::Count, "Counters found damaged and treated as missing");
    describe_gauge!(OVERRIDES, Unit::Count, "Overrides in force");
}

/// Counts charges by bucket. The set of labels is bounded, whatever names clients send.
#[derive(Debug, Default)]
pub struct ChargeMeter(RwLock<HashMap<String, Arc<Cells>>>);

/// One bucket's counters, by algorithm and verdict, created on first use.
type Cells = [[OnceLock<Counter>; 2]; 4];

impl ChargeMeter {
    /// Counts one charge.
    pub fn count(&self, bucket: &str, quota: &Quota, admitted: bool) {
        let (place, algorithm) = match quota {
            Quota::SlidingWindow(_) => (0, "sliding_window"),
            Quota::FixedWindow(_) => (1, "fixed_window"),
            Quota::TokenBucket(_) => (2, "token_bucket"),
            Quota::Balance(_) => (3, "balance"),
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
    fn the_number_of_labels_is_bounded() {
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
