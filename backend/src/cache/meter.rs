//! Metrics of the cache: their names, and what counts.
//!
//! What answers of the AI routes cost and saved, [`crate::ai::meter`] counts.

use crate::counters::Counters;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// Values asked for, by route and outcome: `hit`, `miss`, `coalesced`, `bypass` or `error`.
pub(crate) const REQUESTS: &str = "cache_requests_total";
/// Values in Redis that were damaged, or of another key.
pub(crate) const DAMAGED: &str = "cache_damaged_total";
/// Commands that Redis did not answer, or refused.
pub(crate) const REDIS_ERRORS: &str = "cache_redis_errors_total";
/// 1 while Redis answers, else 0.
pub(crate) const REDIS_UP: &str = "cache_redis_up";
/// The memory that Redis uses for all its clients, as it says.
pub(crate) const REDIS_MEMORY: &str = "cache_redis_memory_bytes";
/// The memory of this process that values take.
pub(crate) const MEMORY: &str = "cache_memory_bytes";

/// Describes the metrics to the program's recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Values asked for, by route and outcome");
    describe_counter!(DAMAGED, Unit::Count, "Values in Redis that were damaged, or of another key");
    describe_counter!(REDIS_ERRORS, Unit::Count, "Commands that Redis did not answer, or refused");
    describe_gauge!(REDIS_UP, Unit::Count, "1 while Redis answers, else 0");
    describe_gauge!(REDIS_MEMORY, Unit::Bytes, "Memory that Redis uses, as it says");
    describe_gauge!(MEMORY, Unit::Bytes, "Memory of this process that cached values take");
}

pub(super) fn asked(route: &'static str, outcome: &'static str) {
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

/// What Redis said.
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
