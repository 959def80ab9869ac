//! Metrics: their names, and guards that count.
//!
//! They go to the program's recorder. Without one, nothing is recorded.

use crate::clock;
use crate::kind::Kind;
use crate::usage::Usage;
use metrics::{
    Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

/// Calls, by model and outcome: `ok`, another stop reason, a [`Kind`], or `abandoned`.
pub const REQUESTS: &str = "claude_requests_total";
/// The duration of calls, including waits and retries, by model and outcome.
pub const SECONDS: &str = "claude_request_seconds";
/// Attempts after the first, by model and the [`Kind`] of the previous failure.
pub const RETRIES: &str = "claude_retries_total";
/// Tokens, by model and kind: `input`, `cache_write_5m`, `cache_write_1h`, `cache_read`, `output`;
/// and `thinking`, which is a part of `output`.
pub const TOKENS: &str = "claude_tokens_total";
/// Money spent, in millionths of a dollar, by model.
pub const COST: &str = "claude_cost_micro_usd_total";
/// Answers whose price is unknown, by model.
pub const UNPRICED: &str = "claude_unpriced_total";
/// 1 while the breaker is open, else 0.
pub const BREAKER_OPEN: &str = "claude_breaker_open";
/// Openings of the breaker, by the [`Kind`] of the last failure.
pub const BREAKER_OPENED: &str = "claude_breaker_opened_total";
/// Calls in flight.
pub const IN_FLIGHT: &str = "claude_in_flight";
/// Calls waiting for a slot.
pub const WAITING: &str = "claude_waiting";

/// The outcome of a call that was dropped before its end.
const ABANDONED: &str = "abandoned";

/// Describes the metrics to the program's recorder. Call it once, after installing the recorder.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, Unit::Count, "Calls to Claude, by model and outcome");
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "Duration of calls to Claude, including waits and retries"
    );
    describe_counter!(RETRIES, Unit::Count, "Attempts after the first, by model and cause");
    describe_counter!(TOKENS, Unit::Count, "Tokens used, by model and kind");
    describe_counter!(COST, Unit::Count, "Money spent, in millionths of a dollar, by model");
    describe_counter!(UNPRICED, Unit::Count, "Answers whose price is unknown, by model");
    describe_gauge!(BREAKER_OPEN, Unit::Count, "1 while the breaker is open, else 0");
    describe_counter!(BREAKER_OPENED, Unit::Count, "Openings of the breaker, by cause");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Calls to Claude in flight");
    describe_gauge!(WAITING, Unit::Count, "Calls waiting for a slot");
}

/// Registers the gauges, so that they are exported before the first call.
pub(crate) fn begin() {
    gauge!(BREAKER_OPEN).increment(0.0);
    gauge!(IN_FLIGHT).increment(0.0);
    gauge!(WAITING).increment(0.0);
}

/// Adds one to a gauge until dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn in_flight() -> Self {
        Self::one_of(gauge!(IN_FLIGHT))
    }

    pub(crate) fn waiting() -> Self {
        Self::one_of(gauge!(WAITING))
    }

    fn one_of(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Records one call when dropped, however it ended.
pub(crate) struct Tally {
    model: String,
    started: Instant,
    outcome: &'static str,
}

impl Tally {
    pub(crate) fn of(model: &str) -> Self {
        Self { model: model.to_owned(), started: clock::now(), outcome: ABANDONED }
    }

    /// Sets the call's outcome.
    pub(crate) fn ended(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let labels = [("model", self.model.clone()), ("outcome", self.outcome.to_owned())];
        counter!(REQUESTS, &labels).increment(1);
        let took = clock::now().saturating_duration_since(self.started);
        histogram!(SECONDS, &labels).record(took.as_secs_f64());
    }
}

pub(crate) fn retried(model: &str, because: Kind) {
    counter!(RETRIES, "model" => model.to_owned(), "because" => because.as_str()).increment(1);
}

/// Records an answer's tokens and cost. `cost_micro_usd` is `None` if unknown.
pub(crate) fn used(model: &str, usage: &Usage, cost_micro_usd: Option<u64>) {
    let kinds = [
        ("input", usage.input_tokens),
        ("cache_write_5m", usage.cache_write_5m_tokens),
        ("cache_write_1h", usage.cache_write_1h_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("output", usage.output_tokens),
        ("thinking", usage.thinking_tokens),
    ];
    for (kind, tokens) in kinds {
        counter!(TOKENS, "model" => model.to_owned(), "kind" => kind).increment(tokens);
    }
    match cost_micro_usd {
        Some(cost) => counter!(COST, "model" => model.to_owned()).increment(cost),
        None => counter!(UNPRICED, "model" => model.to_owned()).increment(1),
    }
}

/// Records that the breaker opened for this reason, or closed.
pub(crate) fn breaker(opened: Option<Kind>) {
    gauge!(BREAKER_OPEN).set(if opened.is_some() { 1.0 } else { 0.0 });
    if let Some(because) = opened {
        counter!(BREAKER_OPENED, "because" => because.as_str()).increment(1);
    }
}
