//! Metrics and logs: the names of those that are the shim's own, and how all are set up.
//!
//! `/metrics` renders what is here, and what the ledger counts ([`ledger::telemetry`]).

use anyhow::Context;
use ledger::telemetry::{BATCH_SIZE, LEDGER_SECONDS};
use metrics::{Unit, describe_counter};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Calls answered, by path and status.
pub(crate) const CALLS: &str = "tollgate_http_calls_total";
/// Connections closed as soon as they came, for want of room.
pub(crate) const TURNED_AWAY: &str = "tollgate_connections_turned_away_total";
/// Attempts to use the admin API without its token.
pub(crate) const INTRUDERS: &str = "tollgate_admin_refused_total";

/// Makes this process's metrics and returns what renders them.
///
/// # Errors
/// If metrics were set up before.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
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

/// Describes the shim's metrics, and the ledger's, to the recorder in use.
pub(crate) fn describe() {
    ledger::telemetry::describe();
    describe_counter!(CALLS, Unit::Count, "Calls answered, by path and status");
    describe_counter!(TURNED_AWAY, Unit::Count, "Connections closed at once, for want of room");
    describe_counter!(INTRUDERS, Unit::Count, "Attempts to use the admin API without its token");
}

/// Sends logs to standard error, those that `filter` lets through.
pub(crate) fn logs(filter: EnvFilter) {
    // Fails only where a subscriber was set before, which then has the say.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
