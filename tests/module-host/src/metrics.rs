//! A configuration's metrics. Called by `callbacks`.

use std::collections::BTreeMap;

/// The result codes of the interface.
pub(crate) const SUCCESS: u32 = 0;
const NOT_FOUND: u32 = 1;
const INVALID_LABELS: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics that a configuration has defined.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Vec<Metric>);

#[derive(Debug)]
struct Metric {
    kind: Kind,
    name: Vec<u8>,
    labels: usize,
    /// By the labels' values.
    values: BTreeMap<Vec<Vec<u8>>, i128>,
}

impl Metrics {
    /// Returns the metric's id. Ids of one kind are unique, as in Envoy.
    pub(crate) fn define(&mut self, kind: Kind, name: Vec<u8>, labels: usize) -> usize {
        self.0.push(Metric { kind, name, labels, values: BTreeMap::new() });
        self.0.iter().filter(|metric| metric.kind == kind).count()
    }

    /// Adds to a metric. Returns a result code, or the violation.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        id: usize,
        labels: Vec<Vec<u8>>,
        amount: i128,
    ) -> Result<u32, (u32, String)> {
        let mut of_kind = self.0.iter_mut().filter(|metric| metric.kind == kind);
        let Some(metric) = id.checked_sub(1).and_then(|at| of_kind.nth(at)) else {
            return Err((NOT_FOUND, format!("no {kind:?} has the id {id}")));
        };
        let name = String::from_utf8_lossy(&metric.name);
        if labels.len() != metric.labels {
            let message = format!("{name} has {} labels, not {}", metric.labels, labels.len());
            return Err((INVALID_LABELS, message));
        }
        let value = metric.values.entry(labels).or_default();
        *value += amount;
        if *value < 0 {
            return Err((SUCCESS, format!("{name} is {value}")));
        }
        Ok(SUCCESS)
    }

    /// Returns the sum over all labels of the metrics named `name`.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let named = self.0.iter().filter(|metric| metric.name == name.as_bytes());
        let sum: i128 = named.flat_map(|metric| metric.values.values()).sum();
        u64::try_from(sum).unwrap_or_default()
    }
}
