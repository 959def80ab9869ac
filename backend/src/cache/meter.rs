//! The cache's metrics.
//!
//! [`crate::ai::meter`] counts the cost and savings of AI answers.

use crate::counters::Counters;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// Cache lookups, by route and outcome: `hit`, `miss`, `coalesced`, `bypass` or `error`.
pub(crate) const REQUESTS: &str = "cache_requests_total";
/// Values in Redis that were damaged or sealed with another key.
pub(crate) const DAMAGED: &str = "cache_damaged_total";
/// Redis commands that failed or got no answer.
pub(crate) const REDIS_ERRORS: &str = "cache_redis_errors_total";
/// 1 while Redis answers, else 0.
pub(crate) const REDIS_UP: &str = "cache_redis_up";
/// The memory that Redis reports using, for all of its clients.
pub(crate) const REDIS_MEMORY: &str = "cache_redis_memory_bytes";
/// The memory used by cached values in this process.
pub(crate) const MEMORY: &str = "cache_memory_bytes";

/// Describes the metrics to the recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Cache lookups, by route and outcome");
    describe_counter!(
        DAMAGED,
        Unit::Count,
        "Values in Redis that were damaged or sealed with another key"
    );
    describe_counter!(REDIS_ERRORS, Unit::Count, "Redis commands that failed or got no answer");
    describe_gauge!(REDIS_UP, Unit::Count, "1 while Redis answers, else 0");
    describe_gauge!(REDIS_MEMORY, Unit::Bytes, "Memory that Redis reports using");
    describe_gauge!(MEMORY, Unit::Bytes, "Memory used by cached values in this process");
}

pub(super) fn count_lookup(route: &'static str, outcome: &'static str) {
    /// By route and outcome.
    static COUNTERS: Counters<(&str, &str)> = Counters::new();
    COUNTERS.add(
        (route, outcome),
        1,
        || counter!(REQUESTS, "route" => route, "outcome" => outcome),
    );
}

pub(super) fn damaged() {
    counter!(DAMAGED).increment(1);
}

pub(super) fn redis_failed() {
    counter!(REDIS_ERRORS).increment(1);
}

pub(super) fn redis_is_up(is_up: bool) {
    gauge!(REDIS_UP).set(f64::from(u8::from(is_up)));
}

/// Records the memory that Redis reports using.
pub(crate) fn redis_memory(bytes: u64) {
    set_bytes(REDIS_MEMORY, bytes);
}

pub(super) fn memory(bytes: u64) {
    set_bytes(MEMORY, bytes);
}

fn set_bytes(name: &'static str, bytes: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge!(name).set(bytes as f64);
}
