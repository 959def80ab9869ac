//! A process's counters, gauges and histograms, found by name or by the number that
//! [`Metrics::define`] returned.

use crate::abi::Status;
use std::collections::BTreeMap;

/// The maximum number of definitions. In Envoy each one costs memory that is never freed.
pub const MAX_DEFINITIONS: usize = 100_000;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A distribution of recorded values.
    Histogram,
}

/// A metric's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its type.
    pub kind: MetricKind,
    /// The value of a counter or gauge; the sum of a histogram's recorded values.
    pub value: u64,
    /// The number of values recorded in a histogram.
    pub count: u64,
}

/// All metrics of a process.
#[derive(Debug, Default)]
pub struct Metrics {
    metrics: BTreeMap<String, Metric>,
    /// The name of metric `n` is at index `n - 1`.
    names: Vec<String>,
}

impl Metrics {
    /// Returns the metric called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Metric> {
        self.metrics.get(name).copied()
    }

    /// Iterates over names and metrics.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Metric)> {
        self.metrics.iter().map(|(name, metric)| (name.as_str(), *metric))
    }

    /// Defines a metric and returns its number. An existing name gets an additional number and
    /// keeps its value.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for an unknown kind, [`Status::InternalFailure`] beyond
    /// [`MAX_DEFINITIONS`].
    pub fn define(&mut self, kind: u32, name: &str) -> Result<u32, Status> {
        let kind = match kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Histogram,
            _ => return Err(Status::BadArgument),
        };
        if self.names.len() >= MAX_DEFINITIONS {
            return Err(Status::InternalFailure);
        }
        self.metrics.entry(name.to_owned()).or_insert(Metric { kind, value: 0, count: 0 });
        self.names.push(name.to_owned());
        u32::try_from(self.names.len()).map_err(|_| Status::InternalFailure)
    }

    /// Adds `by` to a counter or a gauge. For a counter it must be greater than 0.
    ///
    /// # Errors
    /// [`Status::NotFound`] if the number is unknown, [`Status::BadArgument`] for a histogram or a
    /// counter that would not grow.
    pub fn increment(&mut self, number: u32, by: i64) -> Result<(), Status> {
        let metric = self.numbered(number)?;
        match metric.kind {
            MetricKind::Counter if by > 0 => {
                metric.value = metric.value.saturating_add_signed(by);
                Ok(())
            }
            MetricKind::Gauge => {
                metric.value = metric.value.saturating_add_signed(by);
                Ok(())
            }
            MetricKind::Counter | MetricKind::Histogram => Err(Status::BadArgument),
        }
    }

    /// Sets a gauge, adds to a counter, or records a value in a histogram.
    ///
    /// # Errors
    /// [`Status::NotFound`] if the number is unknown.
    pub fn record(&mut self, number: u32, value: u64) -> Result<(), Status> {
        let metric = self.numbered(number)?;
        metric.value = match metric.kind {
            MetricKind::Counter => metric.value.saturating_add(value),
            MetricKind::Gauge => value,
            MetricKind::Histogram => {
                metric.count += 1;
                metric.value.saturating_add(value)
            }
        };
        Ok(())
    }

    /// Returns the value of a counter or gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] if the number is unknown, [`Status::BadArgument`] for a histogram.
    pub fn read(&mut self, number: u32) -> Result<u64, Status> {
        let metric = self.numbered(number)?;
        if metric.kind == MetricKind::Histogram {
            return Err(Status::BadArgument);
        }
        Ok(metric.value)
    }

    fn numbered(&mut self, number: u32) -> Result<&mut Metric, Status> {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let name = place.and_then(|place| self.names.get(place)).ok_or(Status::NotFound)?;
        self.metrics.get_mut(name).ok_or(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_counts_in_its_own_way() {
        let mut metrics = Metrics::default();
        let counter = metrics.define(0, "c").unwrap();
        let gauge = metrics.define(1, "g").unwrap();
        let histogram = metrics.define(2, "h").unwrap();
        metrics.increment(counter, 2).unwrap();
        metrics.record(counter, 3).unwrap();
        assert_eq!(metrics.increment(counter, 0), Err(Status::BadArgument));
        assert_eq!(metrics.increment(counter, -1), Err(Status::BadArgument));
        assert_eq!(metrics.read(counter), Ok(5));
        metrics.record(gauge, 7).unwrap();
        metrics.increment(gauge, -3).unwrap();
        assert_eq!(metrics.read(gauge), Ok(4));
        metrics.record(histogram, 10).unwrap();
        metrics.record(histogram, 20).unwrap();
        assert_eq!(metrics.read(histogram), Err(Status::BadArgument));
        let recorded = metrics.get("h").unwrap();
        assert_eq!((recorded.value, recorded.count), (30, 2));
    }

    #[test]
    fn a_name_defined_twice_is_one_metric() {
        let mut metrics = Metrics::default();
        let (first, second) = (metrics.define(0, "c").unwrap(), metrics.define(0, "c").unwrap());
        assert_ne!(first, second);
        metrics.increment(first, 1).unwrap();
        metrics.increment(second, 1).unwrap();
        assert_eq!(metrics.get("c").unwrap().value, 2);
    }

    #[test]
    fn an_undefined_metric_is_not_found() {
        let mut metrics = Metrics::default();
        assert_eq!(metrics.define(3, "x"), Err(Status::BadArgument));
        assert_eq!(metrics.increment(1, 1), Err(Status::NotFound));
        assert_eq!(metrics.record(0, 1), Err(Status::NotFound));
        assert_eq!(metrics.read(u32::MAX), Err(Status::NotFound));
    }
}
