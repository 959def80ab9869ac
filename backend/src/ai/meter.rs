//! Metrics of the AI routes: outcomes, cost and savings.
//!
//! The `claude` crate counts the cost of individual calls, by model.

use super::task::Task;
use crate::counters::Counters;
use metrics::{Unit, counter, describe_counter};

/// Answered requests, by route and outcome: `ok`, `degraded`, or a [`super::error::Failure`].
pub(crate) const REQUESTS: &str = "ai_requests_total";
/// The cost of all answers, used or not, in millionths of a dollar, by route.
pub(crate) const SPENT: &str = "ai_spent_micro_usd_total";
/// The cost saved by answers that were stored or already being loaded, in the same units.
pub(crate) const SAVED: &str = "ai_saved_micro_usd_total";

/// Describes the metrics to the recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Answers of the AI routes, by route and outcome");
    describe_counter!(SPENT, Unit::Count, "Money spent on answers, in millionths of a dollar");
    describe_counter!(SAVED, Unit::Count, "Money saved by the cache, in millionths of a dollar");
}

/// Counts an answered request.
pub(crate) fn answered(task: Task, outcome: &'static str) {
    /// By route and outcome.
    static COUNTERS: Counters<(Task, &str)> = Counters::new();
    let register = || counter!(REQUESTS, "route" => task.name(), "outcome" => outcome);
    COUNTERS.add((task, outcome), 1, register);
}

/// Adds the cost of a paid answer.
pub(super) fn spent(task: Task, cost_micro_usd: u64) {
    counter!(SPENT, "route" => task.name()).increment(cost_micro_usd);
}

/// Adds the cost of an answer that was reused.
pub(crate) fn saved(task: Task, cost_micro_usd: u64) {
    static COUNTERS: Counters<Task> = Counters::new();
    COUNTERS.add(task, cost_micro_usd, || counter!(SAVED, "route" => task.name()));
}
