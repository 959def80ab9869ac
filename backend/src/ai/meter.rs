//! Metrics of the AI routes: how answers came out, and the money that they cost and saved.
//!
//! What single calls of Claude cost, by model, the `claude` crate counts.

use super::task::Task;
use crate::counters::Counters;
use metrics::{Unit, counter, describe_counter};

/// Requests answered, by route and outcome: `ok`, `degraded`, or a
/// [`super::error::Failure`].
pub(crate) const REQUESTS: &str = "ai_requests_total";
/// What answers cost, used or not, in millionths of a dollar, by route.
pub(crate) const SPENT: &str = "ai_spent_micro_usd_total";
/// What answers would have cost that were there, or on their way, already; likewise.
pub(crate) const SAVED: &str = "ai_saved_micro_usd_total";

/// Describes the metrics to the program's recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Answers of the AI routes, by route and outcome");
    describe_counter!(SPENT, Unit::Count, "Money spent on answers, in millionths of a dollar");
    describe_counter!(SAVED, Unit::Count, "Money saved by the cache, in millionths of a dollar");
}

/// A request has been answered.
pub(crate) fn answered(task: Task, outcome: &'static str) {
    /// By route and outcome.
    static COUNTERS: Counters<(Task, &str)> = Counters::new();
    let register = || counter!(REQUESTS, "route" => task.name(), "outcome" => outcome);
    COUNTERS.add((task, outcome), 1, register);
}

/// An answer has been paid for.
pub(super) fn spent(task: Task, cost_micro_usd: u64) {
    counter!(SPENT, "route" => task.name()).increment(cost_micro_usd);
}

/// An answer has not been paid for again.
pub(crate) fn saved(task: Task, cost_micro_usd: u64) {
    static COUNTERS: Counters<Task> = Counters::new();
    COUNTERS.add(task, cost_micro_usd, || counter!(SAVED, "route" => task.name()));
}
