//! Checks that nothing is lost, in counters whose window outlasts the run. After the run has
//! settled, the ledger must count exactly the requests that reached the upstream and were not
//! refunded. It may also count charges whose reply was lost and refunds in settles that never
//! arrived. Both err on the safe side, and their amounts are known here.

use crate::record::{Due, Record};
use limits::counter::CounterName;
use limits::quota::{Period, Quota};
use std::collections::{BTreeMap, BTreeSet};

/// Windows of this length or more outlast a run.
const OUTLASTS_MS: u64 = 600_000;

pub(super) fn lost(record: &Record) -> Vec<String> {
    let mut expected: BTreeMap<&CounterName, u64> = BTreeMap::new();
    let mut shadows: BTreeSet<&CounterName> = BTreeSet::new();
    for request in &record.requests {
        for due in request.due.iter().filter(|due| outlasts(due)) {
            let counts = request.upstream_us.is_some()
                && !request.is_degraded
                && !due.is_free(request.outcome);
            *expected.entry(&due.counter).or_default() += if counts { due.cost } else { 0 };
            if !due.enforce {
                // A shadow is charged only where it fits, which the record doesn't show.
                shadows.insert(&due.counter);
            }
        }
    }
    let enforced = expected.iter().filter(|(counter, _)| !shadows.contains(**counter));
    enforced.filter_map(|(counter, expected)| difference(record, counter, *expected)).collect()
}

fn difference(record: &Record, counter: &CounterName, expected: u64) -> Option<String> {
    let of = |what: &BTreeMap<CounterName, u64>| what.get(counter).copied().unwrap_or(0);
    let used = of(&record.used);
    let excused = of(&record.lost) + of(&record.unsettled);
    let is_right = (expected..=expected + excused).contains(&used);
    (!is_right).then(|| {
        format!(
            "{counter}: the ledger counts {used}, expected {expected} and at most {excused} more \
             that the network lost"
        )
    })
}

fn outlasts(due: &Due) -> bool {
    match &due.quota {
        Quota::SlidingWindow(window) => window.window_ms.get() >= OUTLASTS_MS,
        Quota::FixedWindow(window) => window.per != Period::Minute,
        Quota::TokenBucket(_) => false,
        Quota::Balance(_) => true,
    }
}
