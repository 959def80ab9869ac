//! Exports the gate's samples to Envoy's statistics, on Envoy's main thread.

use crate::abi::configuration::{Configuration, Metric};
use limits::gate::{DESCRIBED_METRICS, Gate, MetricKind};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The metrics of a configuration.
pub(crate) struct Metrics {
    /// Envoy's metrics, by the name without labels.
    defined: FxHashMap<&'static str, Metric>,
}

impl Metrics {
    /// Defines all metrics, with their labels. Envoy shows those that have been used, also by an
    /// earlier configuration.
    pub(crate) fn define(configuration: &mut Configuration<'_>) -> Self {
        let defined = DESCRIBED_METRICS.iter().filter_map(|described| {
            let labels: Vec<&str> = described.labels.iter().map(|(name, _)| *name).collect();
            let metric = configuration.define(described.kind, described.name, &labels)?;
            Some((described.name, metric))
        });
        let metrics = Self { defined: defined.collect() };
        let known: Vec<(String, i64)> = exported().iter().map(|name| (name.clone(), 0)).collect();
        metrics.export(configuration, &known);
        metrics
    }

    /// Exports `samples`, by name.
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
            if !parts.is_empty() && !exported().contains(name) {
                exported().insert(name.clone());
            }
            if let Some(metric) = self.defined.get(bare) {
                configuration.add(*metric, &parts, *amount);
            }
        }
    }
}

/// The names with labels that this process has exported. Envoy forgets such a metric with the
/// configuration that used it, so each new one takes them all over from the one that it replaces.
static EXPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn exported() -> MutexGuard<'static, BTreeSet<String>> {
    EXPORTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sums of closed gates, by name. Their configurations no longer export, so the next export of
/// another one includes them. There are no more than metrics.
static LEFT: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());

/// Returns the samples that `gate` has counted since the last call, by name, and those of closed
/// gates.
pub(crate) fn take(gate: &mut Gate) -> Vec<(String, i64)> {
    let left = std::mem::take(&mut *left());
    let own = gate.take_samples().into_iter();
    own.map(|sample| (gate.metric_name(sample.metric), sample.amount)).chain(left).collect()
}

/// Leaves the sums of `gate`, which has been closed, to the next export.
pub(crate) fn leave(gate: &mut Gate) {
    for sample in gate.take_samples() {
        if sample.kind != MetricKind::Histogram {
            *left().entry(gate.metric_name(sample.metric)).or_default() += sample.amount;
        }
    }
}

fn left() -> MutexGuard<'static, BTreeMap<String, i64>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}
