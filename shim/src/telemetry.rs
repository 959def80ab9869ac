//! Sets up logs and metrics, and names the shim's own metrics.
//!
//! `/metrics` renders these and the ledger's ([`ledger::telemetry`]).

use anyhow::Context;
use ledger::telemetry::{BATCH_SIZE, LEDGER_SECONDS};
use metrics::{Unit, describe_counter};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Answered calls by path and status.
pub(crate) const CALLS: &str = "tollgate_http_calls_total";
/// Connections closed on arrival because the port was full.
pub(crate) const TURNED_AWAY: &str = "tollgate_connections_turned_away_total";
/// Attempts to use the admin API without its token.
pub(crate) const INTRUDERS: &str = "tollgate_admin_refused_total";

/// Installs the metrics recorder of the process and returns the handle that renders it.
///
/// # Errors
/// Fails if a recorder is already installed.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let sizes: Vec<f64> = (0..=8).map(|power| f64::from(1 << power)).collect();
    let seconds =
        [0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(BATCH_SIZE.to_owned()), &sizes)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(LEDGER_SECONDS.to_owned()), &seconds)
        })
        .context("cannot set the histogram buckets")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("metrics are already set up")?;
    describe();
    Ok(handle)
}

/// Describes the shim's metrics, and the ledger's, to the recorder in use.
pub(crate) fn describe() {
    ledger::telemetry::describe();
    describe_counter!(CALLS, Unit::Count, "Answered calls by path and status");
    describe_counter!(
        TURNED_AWAY,
        Unit::Count,
        "Connections closed on arrival because the port was full"
    );
    describe_counter!(INTRUDERS, Unit::Count, "Attempts to use the admin API without its token");
}

/// Sends the logs that pass `filter` to standard error.
pub(crate) fn logs(filter: EnvFilter) {
    // Fails only if a subscriber is already installed; that one stays in use.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
