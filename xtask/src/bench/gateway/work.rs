//! The works: requests to the gateways, with their aims.

use crate::bench::bound::Bound;
use clap::ValueEnum;
use serde_json::{Value, json};

/// A limit above the number of requests in any run.
const PLENTY: u32 = 4_000_000_000;
/// The number of keys in the works with many.
pub(crate) const KEYS: u32 = 100_000;
/// The number of connections. Each always has a request in progress.
const CONNECTIONS: u32 = 32;
/// The number of connections for a constant rate. Each pauses much longer than a response takes, so a
/// slow response hardly changes the rate.
const PACED_CONNECTIONS: u32 = 100;
/// The total rate of the paced connections.
pub(crate) const PACED_PER_SECOND: u32 = 1_000;

/// The arrival pattern of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Requests of one user, as fast as they are answered.
    OneKey,
    /// Requests of many users, as fast as they are answered.
    ManyKeys,
    /// Requests of many users, at a constant rate.
    Paced,
}

/// The intended outcome of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All are counted and admitted.
    Admitted,
    /// The first is admitted, the others are refused.
    Refused,
    /// A rule exempts them all.
    Exempt,
}

/// A work's name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkName {
    /// One key, all admitted
    HotKey,
    /// 100,000 keys, all admitted, one decision each
    ManyKeys,
    /// One key, all refused
    Flood,
    /// 1,000 requests a second
    Latency,
    /// One key, all admitted, without rate-limit headers: `local_ratelimit` adds none either
    HotKeyUntold,
    /// One key, exempt from all limits
    Exempt,
    /// One key at 1.5 times its limit, and the share of the limit that it gets
    Share,
}

/// A kind of load.
#[derive(Debug)]
pub(crate) struct Work {
    /// The name on the command line.
    pub name: WorkName,
    /// The title in reports.
    pub title: &'static str,
    /// The arrival pattern.
    pub pattern: Pattern,
    /// The number of connections.
    pub connections: u32,
    /// True if responses have rate-limit headers.
    pub has_headers: bool,
    /// The intended outcome.
    pub fate: Fate,
    /// The measures and their aims.
    pub aims: &'static [Aim],
}

/// A figure that compares Tollgate to another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Requests per second, as a ratio to `local_ratelimit`'s.
    Throughput,
    /// CPU time of all servers per request, as a ratio to `local_ratelimit`'s.
    Cpu,
    /// The median latency above a bare Envoy's, in ms.
    AddedP50,
    /// The 99th percentile of latency above a bare Envoy's, in ms.
    AddedP99,
}

/// The aim for a measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    /// The measure.
    pub measure: Measure,
    /// The bound.
    pub bound: Bound,
}

/// All works.
pub(crate) const WORKS: [Work; 6] = [
    Work {
        name: WorkName::HotKey,
        title: "one hot key, all admitted",
        pattern: Pattern::OneKey,
        connections: CONNECTIONS,
        has_headers: true,
        fate: Fate::Admitted,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.80) }],
    },
    Work {
        name: WorkName::ManyKeys,
        title: "100,000 keys, all admitted",
        pattern: Pattern::ManyKeys,
        connections: CONNECTIONS,
        has_headers: true,
        fate: Fate::Admitted,
        aims: &[
            Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.60) },
            Aim { measure: Measure::Cpu, bound: Bound::AtMost(2.2) },
        ],
    },
    Work {
        name: WorkName::Flood,
        title: "a flood from one refused key",
        pattern: Pattern::OneKey,
        connections: CONNECTIONS,
        has_headers: true,
        fate: Fate::Refused,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.55) }],
    },
    Work {
        name: WorkName::Latency,
        title: "1,000 requests/s of 100,000 keys",
        pattern: Pattern::Paced,
        connections: PACED_CONNECTIONS,
        has_headers: true,
        fate: Fate::Admitted,
        aims: &[
            Aim { measure: Measure::AddedP50, bound: Bound::AtMost(0.3) },
            Aim { measure: Measure::AddedP99, bound: Bound::AtMost(1.5) },
        ],
    },
    Work {
        name: WorkName::HotKeyUntold,
        title: "one hot key, without headers",
        pattern: Pattern::OneKey,
        connections: CONNECTIONS,
        has_headers: false,
        fate: Fate::Admitted,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.80) }],
    },
    Work {
        name: WorkName::Exempt,
        title: "an exempt key",
        pattern: Pattern::OneKey,
        connections: CONNECTIONS,
        has_headers: true,
        fate: Fate::Exempt,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.90) }],
    },
];

impl Work {
    /// Returns Tollgate's policy. It has one limit per user, which is never reached or is 1 per hour,
    /// or a rule that exempts everything.
    ///
    /// The timeout is so long that nothing is decided without the ledger.
    #[must_use]
    pub(crate) fn policy(&self) -> Value {
        let (limit, window) = if self.fate == Fate::Refused { (1, "1h") } else { (PLENTY, "1m") };
        let charge = json!({ "charge": ["users"] });
        let exempt = json!({ "match": { "paths": ["/"] }, "charge": [] });
        let rules = if self.fate == Fate::Exempt { vec![exempt, charge] } else { vec![charge] };
        json!({
            "version": 1,
            "salt": "tollgate-bench",
            "shim": { "cluster": "tollgate", "timeout": "1s" },
            "response_headers": if self.has_headers { json!(["ratelimit", "x_ratelimit"]) } else { json!([]) },
            "keys": {
                "user": { "header": "x-user", "otherwise": "client" },
                "client": { "client_ip": {} },
            },
            "buckets": { "users": { "key": "user", "limit": limit, "window": window } },
            "rules": rules,
        })
    }

    /// Returns `local_ratelimit`'s bucket, which has the same limit for all users together.
    #[must_use]
    pub(crate) fn token_bucket(&self) -> Value {
        let (tokens, interval) =
            if self.fate == Fate::Refused { (1, "3600s") } else { (PLENTY, "60s") };
        json!({ "max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": interval })
    }
}

impl Measure {
    /// Returns the measure's title in reports.
    #[must_use]
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Throughput => "requests/s, of local_ratelimit's",
            Self::Cpu => "CPU of all servers a request, times local_ratelimit's",
            Self::AddedP50 => "p50 over bare, ms",
            Self::AddedP99 => "p99 over bare, ms",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::policy::Policy;

    #[test]
    fn the_policies_are_valid() {
        for work in &WORKS {
            Policy::from_value(work.policy()).unwrap();
        }
    }
}
