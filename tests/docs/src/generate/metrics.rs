//! The metrics of the filter, the shim and the backend.

use super::table::{code, table};
use limits::gate::{DESCRIBED_METRICS, MetricKind};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use std::sync::Mutex;

/// Returns a table of the filter's metrics.
pub(super) fn of_filter() -> String {
    let rows = DESCRIBED_METRICS.map(|metric| {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|(label, values)| match values {
                [] => code(label),
                values => {
                    let values: Vec<_> = values.iter().map(|value| code(value)).collect();
                    format!("`{label}`: {}", values.join(", "))
                }
            })
            .collect();
        let name = metric.name.replace('.', "_");
        [code(&name), kind.to_owned(), labels.join("<br>"), metric.meaning.to_owned()]
    });
    table(["Metric", "Type", "Labels", "Meaning"], &rows)
}

/// Returns a table of the metrics that `describe` describes.
pub(super) fn described(describe: impl FnOnce()) -> String {
    let seen = Descriptions::default();
    with_local_recorder(&seen, describe);
    let rows = seen.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    table(["Metric", "Type", "Unit", "Meaning"], &rows)
}

/// A recorder that keeps descriptions and records nothing.
#[derive(Debug, Default)]
struct Descriptions(Mutex<Vec<[String; 4]>>);

impl Descriptions {
    fn add(&self, name: &KeyName, kind: &str, unit: Option<Unit>, meaning: &SharedString) {
        let unit = unit.filter(|unit| *unit != Unit::Count).map(|unit| unit.as_str().to_owned());
        let row =
            [code(name.as_str()), kind.to_owned(), unit.unwrap_or_default(), meaning.to_string()];
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(row);
    }
}

impl Recorder for Descriptions {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.add(&name, "counter", unit, &meaning);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.add(&name, "gauge", unit, &meaning);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.add(&name, "histogram", unit, &meaning);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
