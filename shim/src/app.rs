//! What every call needs at hand.

use crate::http::fair::Fair;
use ledger::Ledger;
use metrics_exporter_prometheus::PrometheusHandle;
use std::time::Duration;

/// Calls under way at once, of which a single peer may have half; what comes on top is refused.
pub(crate) const MAX_CALLS: usize = 2_048;
/// Bytes of bodies in memory at once, likewise.
pub(crate) const MAX_BODIES_BYTES: usize = 256 << 20;

/// The state of a `tollgate serve`. Clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) calls: Fair,
    pub(crate) bodies: Fair,
    /// How long a call may take.
    pub(crate) deadline: Duration,
}
