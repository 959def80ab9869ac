//! A configuration's metrics. Called by `callbacks`.

use std::collections::{BTreeMap, BTreeSet};

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

/// A metric's name and its labels' values.
type Key = (Vec<u8>, Vec<Vec<u8>>);

/// The values of all metrics. Configurations share those of a name, as in Envoy.
pub(crate) type Values = BTreeMap<Key, i128>;

/// The metrics that a configuration has defined.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    defined: Vec<Metric>,
    /// The values that exist because of this configuration: those of each metric without labels, and of
    /// the labels that it has used.
    used: BTreeSet<Key>,
}

#[derive(Debug)]
struct Metric {
    kind: Kind,
    name: Vec<u8>,
    labels: usize,
}

impl Metrics {
    /// Returns the metric's id. Ids of one kind are unique, as in Envoy.
    pub(crate) fn define(&mut self, kind: Kind, name: Vec<u8>, labels: usize) -> usize {
        if labels == 0 {
            self.used.insert((name.clone(), Vec::new()));
        }
        self.defined.push(Metric { kind, name, labels });
        self.defined.iter().filter(|metric| metric.kind == kind).count()
    }

    /// Adds to a metric. Returns a result code, or the violation.
    pub(crate) fn add(
        &mut self,
        values: &mut Values,
        kind: Kind,
        id: usize,
        labels: Vec<Vec<u8>>,
        amount: i128,
    ) -> Result<u32, (u32, String)> {
        let mut of_kind = self.defined.iter().filter(|metric| metric.kind == kind);
        let Some(metric) = id.checked_sub(1).and_then(|at| of_kind.nth(at)) else {
            return Err((NOT_FOUND, format!("no {kind:?} has the id {id}")));
        };
        let name = String::from_utf8_lossy(&metric.name);
        if labels.len() != metric.labels {
            let message = format!("{name} has {} labels, not {}", metric.labels, labels.len());
            return Err((INVALID_LABELS, message));
        }
        let key = (metric.name.clone(), labels);
        self.used.insert(key.clone());
        let value = values.entry(key).or_default();
        *value += amount;
        if *value < 0 {
            return Err((SUCCESS, format!("{name} is {value}")));
        }
        Ok(SUCCESS)
    }

    /// Returns true if the value exists because of this configuration.
    pub(crate) fn uses(&self, key: &Key) -> bool {
        self.used.contains(key)
    }
}
