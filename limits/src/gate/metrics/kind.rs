//! The kinds of metrics.

/// The way a metric's samples combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// Samples are added.
    Counter,
    /// Samples are added, and may be negative.
    Gauge,
    /// Each sample is a separate value.
    Histogram,
}
