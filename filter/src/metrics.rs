//! The gate's samples, handed to Envoy's statistics. Called by the root context.

use crate::host;
use limits::gate::Gate;
use std::collections::HashMap;

/// Envoy's ids of the metrics that have been used.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ids: HashMap<usize, u32>,
}

impl Metrics {
    /// Hands on what `gate` has counted since the last time. A metric is defined when it is first
    /// used, so a policy of many buckets does not fill the statistics with zeros.
    pub(crate) fn add(&mut self, gate: &mut Gate) {
        for sample in gate.take_samples() {
            let id = self.ids.get(&sample.metric).copied().or_else(|| {
                let id = host::define_metric(sample.kind, &gate.metric_name(sample.metric))?;
                self.ids.insert(sample.metric, id);
                Some(id)
            });
            if let Some(id) = id {
                host::add_to_metric(sample.kind, id, sample.amount);
            }
        }
    }
}
