//! What every call needs at hand.

use crate::ledger::Ledger;
use crate::overrides::Overrides;
use crate::seal::Seals;
use crate::telemetry::ChargeMeter;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Calls under way at once; what comes on top is refused.
pub(crate) const MAX_CALLS: usize = 1_024;

/// The state of a `tollgate serve`. Clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) overrides: Overrides,
    pub(crate) seals: Seals,
    pub(crate) charges: Arc<ChargeMeter>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) calls: Arc<Semaphore>,
    /// How long a call may take.
    pub(crate) deadline: Duration,
}
