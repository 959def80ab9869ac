//! The state shared by all calls.

use crate::http::fair::Fair;
use ledger::Ledger;
use metrics_exporter_prometheus::PrometheusHandle;
use std::time::Duration;

/// The most calls in progress at once. One peer can have at most half of them; calls above the
/// limit are refused.
pub(crate) const MAX_CALLS: usize = 2_048;
/// The most bytes of request bodies in memory at once. One peer can have at most half of them.
pub(crate) const MAX_BODIES_BYTES: usize = 256 << 20;

/// The state of a `tollgate serve`. Clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) calls: Fair,
    pub(crate) bodies: Fair,
    /// The timeout of a call.
    pub(crate) deadline: Duration,
}
