//! Exports the gate's samples to Envoy's statistics, on Envoy's main thread.

use crate::abi::configuration::{Configuration, Metric};
use limits::gate::{DESCRIBED_METRICS, Gate};
use rustc_hash::FxHashMap;

/// The metrics of a configuration.
pub(crate) struct Metrics {
    /// Envoy's metrics, by the name without labels.
    defined: FxHashMap<&'static str, Metric>,
}

impl Metrics {
    /// Defines all metrics, with their labels. Envoy shows those that have been used.
    pub(crate) fn define(configuration: &mut Configuration<'_>) -> Self {
        let defined = DESCRIBED_METRICS.iter().filter_map(|described| {
            let labels: Vec<&str> = described.labels.iter().map(|(name, _)| *name).collect();
            let metric = configuration.define(described.kind, described.name, &labels)?;
            Some((described.name, metric))
        });
        Self { defined: defined.collect() }
    }

    /// Exports the samples that `gate` has counted since the last call.
    pub(crate) fn export(&self, configuration: &mut Configuration<'_>, samples: &[(String, i64)]) {
        for (name, amount) in samples {
            // A name is `<name>.<label>=<value>.…`, and a name without labels has no `=`.
            let mut parts: Vec<&str> = Vec::new();
            let mut bare = name.as_str();
            while let Some((rest, part)) = bare.rsplit_once('.') {
                let Some((_, value)) = part.split_once('=') else { break };
                parts.insert(0, value);
                bare = rest;
            }
            if let Some(metric) = self.defined.get(bare) {
                configuration.add(*metric, &parts, *amount);
            }
        }
    }
}

/// Returns the samples that `gate` has counted since the last call, by name.
pub(crate) fn take(gate: &mut Gate) -> Vec<(String, i64)> {
    let samples = gate.take_samples();
    samples.iter().map(|sample| (gate.metric_name(sample.metric), sample.amount)).collect()
}
