//! Describes the filter's metrics, for the reference in the docs.

use super::kind::MetricKind;

/// A metric of the filter.
#[derive(Debug, Clone, Copy)]
pub struct DescribedMetric {
    /// Its name, with dots between the words.
    pub name: &'static str,
    /// The way its samples combine.
    pub kind: MetricKind,
    /// Its labels, each with its values, or with none if the policy names them.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// A sentence for operators.
    pub meaning: &'static str,
}

const fn counter(name: &'static str, meaning: &'static str) -> DescribedMetric {
    DescribedMetric { name, kind: MetricKind::Counter, labels: &[], meaning }
}

const fn histogram(name: &'static str, meaning: &'static str) -> DescribedMetric {
    DescribedMetric { name, kind: MetricKind::Histogram, labels: &[], meaning }
}

/// The filter's metrics, in the order in which an operator looks at them.
pub const DESCRIBED_METRICS: [DescribedMetric; 20] = [
    DescribedMetric {
        labels: &[
            ("bucket", &[]),
            (
                "by",
                &["ledger", "lease", "denied_before", "local", "allow", "deny", "policy", "full"],
            ),
            ("verdict", &["admitted", "denied", "would_deny", "blocked", "would_block"]),
        ],
        ..counter(
            "tollgate.decisions",
            "Charges, by bucket, by what decided them and by verdict. A denied request counts only in the buckets that denied it; `blocked` if by a block for repeated refusals.",
        )
    },
    DescribedMetric {
        labels: &[("verdict", &["exempt", "bad_path", "admitted", "denied", "degraded"])],
        ..counter("tollgate.requests", "Requests, by verdict.")
    },
    DescribedMetric {
        labels: &[("kind", &["decide", "settle", "probe"]), ("outcome", &["ok", "failed"])],
        ..counter("tollgate.calls", "Calls to the shim.")
    },
    histogram("tollgate.wait_us", "How long a request waited for its decision, in microseconds."),
    histogram("tollgate.batch_size", "Requests in one call to the shim."),
    counter("tollgate.leases.granted", "Cost that leases were granted for."),
    counter("tollgate.leases.spent", "Cost charged to leases."),
    counter("tollgate.leases.returned", "Cost that leases returned unspent."),
    counter("tollgate.denied_before.hits", "Requests denied from memory, without asking the shim."),
    counter(
        "tollgate.denied_before.full",
        "Denials that the table of remembered denials had no room for.",
    ),
    counter("tollgate.breaker.opened", "How often a worker's circuit breaker opened."),
    DescribedMetric {
        kind: MetricKind::Gauge,
        ..counter("tollgate.breaker.open", "Workers whose circuit breaker is open.")
    },
    DescribedMetric {
        kind: MetricKind::Gauge,
        ..counter(
            "tollgate.shim.unanswered",
            "Workers whose calls failed and that the shim has never answered since their policy was loaded: usually a mistake in the configuration.",
        )
    },
    counter(
        "tollgate.settles.dropped",
        "Settles given up for want of room, after a refusal or after five attempts. Their charges stay.",
    ),
    counter("tollgate.outbox.full", "Requests that found the queue of calls full."),
    counter("tollgate.denials.unlogged", "Denials beyond the five a second that a worker logs."),
    counter(
        "tollgate.local.evicted",
        "Counters that lost their place in the full table of `on_failure: local` although they still counted.",
    ),
    counter(
        "tollgate.condition_errors",
        "Requests for which a CEL condition (`when`) had no value. The gateway logs the first error of each second.",
    ),
    counter(
        "tollgate.tokens.refused",
        "Requests whose token jwt_authn refused, if the policy has `jwt.failed_status`. They count as requests without one.",
    ),
    counter(
        "tollgate.connections_refused",
        "Connections closed because their address had its maximum number of connections.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::{BYS, EVENTS, MetricKind, VERDICTS};
    use super::DESCRIBED_METRICS;
    use std::collections::BTreeSet;

    /// Lists every metric with every combination of its labels' values, as Envoy is given them.
    fn described() -> BTreeSet<(String, MetricKind)> {
        let mut all = BTreeSet::new();
        for metric in DESCRIBED_METRICS {
            let mut names = vec![metric.name.to_owned()];
            for (label, values) in metric.labels {
                let values: &[&str] = if values.is_empty() { &["x"] } else { values };
                names = names
                    .iter()
                    .flat_map(|name| values.iter().map(move |v| format!("{name}.{label}={v}")))
                    .collect();
            }
            all.extend(names.into_iter().map(|name| (name, metric.kind)));
        }
        all
    }

    #[test]
    fn exactly_the_metrics_that_exist_are_described() {
        let mut existing: BTreeSet<_> =
            EVENTS.iter().map(|(_, kind, name)| (format!("tollgate.{name}"), *kind)).collect();
        for (_, by) in BYS {
            existing.extend(VERDICTS.iter().map(|(_, verdict)| {
                let name = format!("tollgate.decisions.bucket=x.by={by}.verdict={verdict}");
                (name, MetricKind::Counter)
            }));
        }
        // The filter counts connections by itself.
        existing.insert(("tollgate.connections_refused".to_owned(), MetricKind::Counter));
        assert_eq!(described(), existing);
    }
}
