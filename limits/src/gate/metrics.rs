//! Counts a worker's decisions for Envoy's statistics. Called by the gate's events; the filter
//! exports the samples.
//!
//! Names are `tollgate.<name>`, with labels as further parts, `.<label>=<value>`. Envoy's
//! `stats_tags` turn those into labels again. Counting makes no host calls: samples are collected
//! and taken together.

mod described;
mod kind;

pub use described::{DESCRIBED_METRICS, DescribedMetric};
pub use kind::MetricKind;

use super::call::CallKind;
use crate::policy::Policy;

/// An amount to add to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The metric's number; [`metric_name`](super::Gate::metric_name) returns its name.
    pub metric: usize,
    /// The metric's kind.
    pub kind: MetricKind,
    /// The amount.
    pub amount: i64,
}

/// The source of a charge's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The ledger's decision.
    Ledger,
    /// A lease granted by the ledger.
    Lease,
    /// A recent denial by the ledger.
    DeniedBefore,
    /// The ledger that the workers of this process share.
    Local,
    /// `on_failure: allow`.
    Allow,
    /// `on_failure: deny`.
    Deny,
    /// A limit of 0.
    Policy,
    /// `on_failure: local`, if the table that the workers share had no place for the counter.
    Full,
}

impl By {
    /// Returns true if the ledger did not decide.
    pub(super) const fn is_degraded(self) -> bool {
        matches!(self, Self::Local | Self::Allow | Self::Deny | Self::Full)
    }
}

/// The verdict on a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted,
    Denied,
    /// A shadow charge that did not fit.
    WouldDeny,
    /// Denied by a block for repeated refusals.
    Blocked,
    /// A shadow charge that a block would have denied.
    WouldBlock,
}

const BYS: [(By, &str); 8] = [
    (By::Ledger, "ledger"),
    (By::Lease, "lease"),
    (By::DeniedBefore, "denied_before"),
    (By::Local, "local"),
    (By::Allow, "allow"),
    (By::Deny, "deny"),
    (By::Policy, "policy"),
    (By::Full, "full"),
];
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::Admitted, "admitted"),
    (Verdict::Denied, "denied"),
    (Verdict::WouldDeny, "would_deny"),
    (Verdict::Blocked, "blocked"),
    (Verdict::WouldBlock, "would_block"),
];
/// The number of metrics per bucket.
const PER_BUCKET: usize = BYS.len() * VERDICTS.len();

/// An event counted for the whole worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Exempt,
    BadPath,
    Admitted,
    Denied,
    Degraded,
    DecideOk,
    DecideFailed,
    SettleOk,
    SettleFailed,
    ProbeOk,
    ProbeFailed,
    LeasesGranted,
    LeasesSpent,
    LeasesReturned,
    DeniedBeforeHits,
    DeniedBeforeFull,
    OutboxFull,
    SettlesDropped,
    BreakerOpened,
    BreakersOpen,
    ShimUnanswered,
    DenialsUnlogged,
    LocalEvicted,
    ConditionErrors,
    TokensRefused,
    BatchSize,
    WaitUs,
}

const EVENTS: [(Event, MetricKind, &str); 27] = [
    (Event::Exempt, MetricKind::Counter, "requests.verdict=exempt"),
    (Event::BadPath, MetricKind::Counter, "requests.verdict=bad_path"),
    (Event::Admitted, MetricKind::Counter, "requests.verdict=admitted"),
    (Event::Denied, MetricKind::Counter, "requests.verdict=denied"),
    (Event::Degraded, MetricKind::Counter, "requests.verdict=degraded"),
    (Event::DecideOk, MetricKind::Counter, "calls.kind=decide.outcome=ok"),
    (Event::DecideFailed, MetricKind::Counter, "calls.kind=decide.outcome=failed"),
    (Event::SettleOk, MetricKind::Counter, "calls.kind=settle.outcome=ok"),
    (Event::SettleFailed, MetricKind::Counter, "calls.kind=settle.outcome=failed"),
    (Event::ProbeOk, MetricKind::Counter, "calls.kind=probe.outcome=ok"),
    (Event::ProbeFailed, MetricKind::Counter, "calls.kind=probe.outcome=failed"),
    (Event::LeasesGranted, MetricKind::Counter, "leases.granted"),
    (Event::LeasesSpent, MetricKind::Counter, "leases.spent"),
    (Event::LeasesReturned, MetricKind::Counter, "leases.returned"),
    (Event::DeniedBeforeHits, MetricKind::Counter, "denied_before.hits"),
    (Event::DeniedBeforeFull, MetricKind::Counter, "denied_before.full"),
    (Event::OutboxFull, MetricKind::Counter, "outbox.full"),
    (Event::SettlesDropped, MetricKind::Counter, "settles.dropped"),
    (Event::BreakerOpened, MetricKind::Counter, "breaker.opened"),
    (Event::BreakersOpen, MetricKind::Gauge, "breaker.open"),
    (Event::ShimUnanswered, MetricKind::Gauge, "shim.unanswered"),
    (Event::DenialsUnlogged, MetricKind::Counter, "denials.unlogged"),
    (Event::LocalEvicted, MetricKind::Counter, "local.evicted"),
    (Event::ConditionErrors, MetricKind::Counter, "condition_errors"),
    (Event::TokensRefused, MetricKind::Counter, "tokens.refused"),
    (Event::BatchSize, MetricKind::Histogram, "batch_size"),
    (Event::WaitUs, MetricKind::Histogram, "wait_us"),
];

/// The most histogram values kept until they are taken. Further values are dropped.
const MAX_VALUES: usize = 4_096;

/// One worker's samples since they were last taken.
#[derive(Debug)]
pub(super) struct Metrics {
    sums: Vec<i64>,
    values: Vec<Sample>,
    has_sums: bool,
}

impl Metrics {
    pub(super) fn new(policy: &Policy) -> Self {
        let count = EVENTS.len() + policy.buckets.len() * PER_BUCKET;
        Self { sums: vec![0; count], values: Vec::new(), has_sums: false }
    }

    /// Counts a decided charge of `bucket`, an index in the policy.
    pub(super) fn record_charge(&mut self, bucket: usize, by: By, verdict: Verdict) {
        let at = EVENTS.len() + bucket * PER_BUCKET + by as usize * VERDICTS.len();
        self.sum(at + verdict as usize, 1);
    }

    pub(super) fn increment(&mut self, event: Event) {
        self.add(event, 1);
    }

    pub(super) fn add(&mut self, event: Event, amount: i64) {
        self.sum(event as usize, amount);
    }

    pub(super) fn add_amount(&mut self, event: Event, amount: u64) {
        self.add(event, i64::try_from(amount).unwrap_or(i64::MAX));
    }

    /// Records a histogram value.
    pub(super) fn observe(&mut self, event: Event, value: u64) {
        if self.values.len() < MAX_VALUES {
            let amount = i64::try_from(value).unwrap_or(i64::MAX);
            let sample = Sample { metric: event as usize, kind: MetricKind::Histogram, amount };
            self.values.push(sample);
        }
    }

    pub(super) fn record_call(&mut self, kind: CallKind, ok: bool) {
        self.increment(match (kind, ok) {
            (CallKind::Decide, true) => Event::DecideOk,
            (CallKind::Decide, false) => Event::DecideFailed,
            (CallKind::Settle, true) => Event::SettleOk,
            (CallKind::Settle, false) => Event::SettleFailed,
            (CallKind::Probe, true) => Event::ProbeOk,
            (CallKind::Probe, false) => Event::ProbeFailed,
        });
    }

    /// Returns all samples since the last call.
    pub(super) fn take(&mut self) -> Vec<Sample> {
        let mut samples = std::mem::take(&mut self.values);
        if std::mem::take(&mut self.has_sums) {
            for (metric, sum) in self.sums.iter_mut().enumerate() {
                let amount = std::mem::take(sum);
                if amount != 0 {
                    let kind = EVENTS.get(metric).map_or(MetricKind::Counter, |event| event.1);
                    samples.push(Sample { metric, kind, amount });
                }
            }
        }
        samples
    }

    fn sum(&mut self, metric: usize, amount: i64) {
        if let Some(sum) = self.sums.get_mut(metric) {
            *sum = sum.saturating_add(amount);
            self.has_sums = true;
        }
    }
}

/// Returns a metric's name.
pub(super) fn name(policy: &Policy, metric: usize) -> String {
    if let Some((_, _, name)) = EVENTS.get(metric) {
        return format!("tollgate.{name}");
    }
    let at = metric.saturating_sub(EVENTS.len());
    let bucket = policy.buckets.get(at / PER_BUCKET).map_or("", |bucket| bucket.name.as_str());
    let by = BYS.get(at % PER_BUCKET / VERDICTS.len()).map_or("", |by| by.1);
    let verdict = VERDICTS.get(at % VERDICTS.len()).map_or("", |verdict| verdict.1);
    format!("tollgate.decisions.bucket={bucket}.by={by}.verdict={verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::shipped;

    #[test]
    fn the_tables_match_the_order_of_their_enums() {
        assert!(EVENTS.iter().enumerate().all(|(at, event)| event.0 as usize == at));
        assert!(BYS.iter().enumerate().all(|(at, by)| by.0 as usize == at));
        assert!(VERDICTS.iter().enumerate().all(|(at, verdict)| verdict.0 as usize == at));
    }

    #[test]
    fn counter_samples_are_summed_by_name() {
        let policy = shipped();
        let mut metrics = Metrics::new(&policy);
        let last = policy.buckets.len() - 1;
        metrics.record_charge(last, By::DeniedBefore, Verdict::Denied);
        metrics.record_charge(last, By::DeniedBefore, Verdict::Denied);
        metrics.record_charge(0, By::Ledger, Verdict::Admitted);
        metrics.add(Event::BreakersOpen, -1);
        metrics.observe(Event::WaitUs, 250);
        let samples = metrics.take();
        let shown: Vec<_> = samples
            .iter()
            .map(|sample| {
                format!("{} {:?} {}", name(&policy, sample.metric), sample.kind, sample.amount)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "tollgate.wait_us Histogram 250",
                "tollgate.breaker.open Gauge -1",
                "tollgate.decisions.bucket=ai.by=ledger.verdict=admitted Counter 1",
                "tollgate.decisions.bucket=public.by=denied_before.verdict=denied Counter 2",
            ]
        );
        assert_eq!(metrics.take(), []);
    }
}
