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
    generation: u64,
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
        let metrics = Self { defined: defined.collect(), generation: left().join() };
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

/// What closed gates have counted. Their configurations no longer export.
static LEFT: Mutex<Left> =
    Mutex::new(Left { configurations: 0, generation: 0, sums: BTreeMap::new() });

struct Left {
    /// The number of configurations that exist.
    configurations: usize,
    /// How often the first configuration was made while there was no other. Envoy keeps a gauge while
    /// some configuration has it, so a later generation's starts at 0.
    generation: u64,
    /// The sums by name, for the next export of another configuration. No more than metrics.
    sums: BTreeMap<String, i64>,
}

impl Left {
    /// Counts a new configuration, and returns its generation.
    fn join(&mut self) -> u64 {
        if self.configurations == 0 {
            self.generation += 1;
            self.sums.retain(|name, _| !is_gauge(name));
        }
        self.configurations += 1;
        self.generation
    }
}

/// Returns true if the metric `name` without labels is a gauge.
fn is_gauge(name: &str) -> bool {
    let mut gauges = DESCRIBED_METRICS.iter().filter(|metric| metric.kind == MetricKind::Gauge);
    gauges.any(|metric| metric.name == name)
}

/// Notes that a configuration no longer exists.
pub(crate) fn end_configuration() {
    let mut left = left();
    left.configurations = left.configurations.saturating_sub(1);
}

/// Returns the samples that `gate` has counted since the last call, by name, and those of closed
/// gates.
pub(crate) fn take(gate: &mut Gate) -> Vec<(String, i64)> {
    let sums = std::mem::take(&mut left().sums);
    let own = gate.take_samples().into_iter();
    own.map(|sample| (gate.metric_name(sample.metric), sample.amount)).chain(sums).collect()
}

impl Metrics {
    /// Leaves the sums of `gate`, which has been closed, to the next export.
    pub(crate) fn leave(&self, gate: &mut Gate) {
        let mut left = left();
        for sample in gate.take_samples() {
            let counts = match sample.kind {
                MetricKind::Counter => true,
                MetricKind::Gauge => self.generation == left.generation,
                MetricKind::Histogram => false,
            };
            if counts {
                *left.sums.entry(gate.metric_name(sample.metric)).or_default() += sample.amount;
            }
        }
    }
}

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}
