//! What is asked of the gateways, and what is aimed at.

use crate::bench::bound::Bound;
use clap::ValueEnum;
use serde_json::{Value, json};

/// More than any run sends.
const PLENTY: u32 = 4_000_000_000;
/// How many keys there are in the works with many.
pub(crate) const KEYS: u32 = 100_000;
/// Connections that each always have a request under way.
const CONNECTIONS: u32 = 32;
/// Connections for a constant rate. They wait between requests, long compared with an answer, so that
/// a slow one hardly changes the rate.
const PACED_CONNECTIONS: u32 = 100;
/// The rate that those come to together.
pub(crate) const PACED_PER_SECOND: u32 = 1_000;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One user's, as fast as they are answered.
    OneKey,
    /// Many users', as fast as they are answered.
    ManyKeys,
    /// Many users', at a constant rate.
    Paced,
}

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All are counted and admitted.
    Admitted,
    /// The first is admitted, the others are refused.
    Refused,
    /// A rule exempts them all.
    Exempt,
}

/// What a work is called on the command line.
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
    /// One key at one and a half times its limit, and how much of the limit it gets
    Share,
}

/// One work.
#[derive(Debug)]
pub(crate) struct Work {
    /// Its name.
    pub name: WorkName,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How requests come.
    pub pattern: Pattern,
    /// How many connections they come on.
    pub connections: u32,
    /// Whether responses tell of the limits.
    pub is_told: bool,
    /// What becomes of its requests.
    pub fate: Fate,
    /// What is measured of it, and what is aimed at.
    pub aims: &'static [Aim],
}

/// A figure that tells Tollgate from another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Requests a second, as a ratio to `local_ratelimit`'s.
    Throughput,
    /// CPU time of all servers a request, as a ratio to `local_ratelimit`'s.
    Cpu,
    /// The median latency above a bare Envoy's, in ms.
    AddedP50,
    /// The 99th percentile of latency above a bare Envoy's, in ms.
    AddedP99,
}

/// What a measure should be.
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
        is_told: true,
        fate: Fate::Admitted,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.80) }],
    },
    Work {
        name: WorkName::ManyKeys,
        title: "100,000 keys, all admitted",
        pattern: Pattern::ManyKeys,
        connections: CONNECTIONS,
        is_told: true,
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
        is_told: true,
        fate: Fate::Refused,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.55) }],
    },
    Work {
        name: WorkName::Latency,
        title: "1,000 requests/s of 100,000 keys",
        pattern: Pattern::Paced,
        connections: PACED_CONNECTIONS,
        is_told: true,
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
        is_told: false,
        fate: Fate::Admitted,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.80) }],
    },
    Work {
        name: WorkName::Exempt,
        title: "an exempt key",
        pattern: Pattern::OneKey,
        connections: CONNECTIONS,
        is_told: true,
        fate: Fate::Exempt,
        aims: &[Aim { measure: Measure::Throughput, bound: Bound::AtLeast(0.90) }],
    },
];

impl Work {
    /// Tollgate's policy: one limit for each user, far above what is sent, or 1 an hour, or a rule
    /// that exempts everything.
    ///
    /// The time-out is long enough that nothing is decided without the ledger.
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
            "response_headers": if self.is_told { json!(["ratelimit", "x_ratelimit"]) } else { json!([]) },
            "keys": {
                "user": { "header": "x-user", "otherwise": "client" },
                "client": { "client_ip": {} },
            },
            "buckets": { "users": { "key": "user", "limit": limit, "window": window } },
            "rules": rules,
        })
    }

    /// `local_ratelimit`'s bucket: the same, for all users together.
    #[must_use]
    pub(crate) fn token_bucket(&self) -> Value {
        let (tokens, interval) =
            if self.fate == Fate::Refused { (1, "3600s") } else { (PLENTY, "60s") };
        json!({ "max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": interval })
    }
}

impl Measure {
    /// What it is, in a few words.
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
    fn the_filter_takes_every_policy() {
        for work in &WORKS {
            Policy::from_value(work.policy()).unwrap();
        }
    }
}
