//! Exports the gate's samples to Envoy's statistics. Called by the root context.

use crate::host;
use limits::gate::Gate;
use std::collections::HashMap;

/// Envoy's ids of the metrics used so far.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ids: HashMap<usize, u32>,
}

impl Metrics {
    /// Exports the samples that `gate` has counted since the last call. A metric is defined on
    /// first use, so a policy with many buckets does not fill the statistics with zeros.
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
