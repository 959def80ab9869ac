//! The works: requests to the gateways, with their aims.

use super::system::{SYSTEMS, System};
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
    /// The same with 256 connections
    ManyConnections,
    /// One key, all refused
    Flood,
    /// 1,000 requests a second
    Latency,
    /// 100,000 keys, for the module with one worker and with four
    FourWorkers,
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
    /// The systems, in the order in which they take turns.
    pub systems: &'static [System],
    /// The measures and their aims.
    pub aims: &'static [Aim],
}

/// A figure that compares two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Requests per second, as a ratio.
    Throughput,
    /// CPU time of all servers per request, as a ratio.
    Cpu,
    /// The difference of the median latencies, in ms.
    AddedP50,
    /// The difference of the 99th percentiles of latency, in ms.
    AddedP99,
}

/// The aim for a measure of a system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    /// The system.
    pub system: System,
    /// The measure.
    pub measure: Measure,
    /// The system to compare with.
    pub against: System,
    /// The bound.
    pub bound: Bound,
}

/// At least `least` of the throughput of Envoy's own filter.
const fn throughput(system: System, least: f64) -> Aim {
    let bound = Bound::AtLeast(least);
    Aim { system, measure: Measure::Throughput, against: System::Local, bound }
}

/// At most `most` times the CPU of Envoy's own filter.
const fn cpu(system: System, most: f64) -> Aim {
    Aim { system, measure: Measure::Cpu, against: System::Local, bound: Bound::AtMost(most) }
}

/// At most `most` ms above a bare Envoy.
const fn added(system: System, measure: Measure, most: f64) -> Aim {
    Aim { system, measure, against: System::Bare, bound: Bound::AtMost(most) }
}

/// All works.
pub(crate) const WORKS: [Work; 8] = [
    Work {
        name: WorkName::HotKey,
        title: "one hot key, all admitted",
        pattern: Pattern::OneKey,
        aims: &[throughput(System::Wasm, 0.75), throughput(System::Module, 0.92)],
        ..USUAL
    },
    Work {
        name: WorkName::ManyKeys,
        title: "100,000 keys, all admitted",
        aims: &[
            throughput(System::Wasm, 0.55),
            cpu(System::Wasm, 2.2),
            throughput(System::Module, 0.75),
            cpu(System::Module, 1.6),
        ],
        ..USUAL
    },
    Work {
        name: WorkName::ManyConnections,
        title: "100,000 keys, 256 connections",
        connections: 256,
        aims: &[
            throughput(System::Wasm, 0.85),
            cpu(System::Wasm, 1.5),
            throughput(System::Module, 0.92),
            cpu(System::Module, 1.3),
        ],
        ..USUAL
    },
    Work {
        name: WorkName::Flood,
        title: "a flood from one refused key",
        pattern: Pattern::OneKey,
        fate: Fate::Refused,
        aims: &[throughput(System::Wasm, 0.65), throughput(System::Module, 0.85)],
        ..USUAL
    },
    Work {
        name: WorkName::Latency,
        title: "1,000 requests/s of 100,000 keys",
        pattern: Pattern::Paced,
        connections: PACED_CONNECTIONS,
        aims: &[
            added(System::Wasm, Measure::AddedP50, 0.45),
            added(System::Wasm, Measure::AddedP99, 1.5),
            added(System::Module, Measure::AddedP50, 0.15),
            added(System::Module, Measure::AddedP99, 0.6),
        ],
        ..USUAL
    },
    Work {
        name: WorkName::FourWorkers,
        title: "100,000 keys, four workers",
        systems: &[System::Module, System::ModuleFour],
        aims: &[
            Aim {
                system: System::ModuleFour,
                measure: Measure::Throughput,
                against: System::Module,
                bound: Bound::AtLeast(1.0),
            },
            Aim {
                system: System::ModuleFour,
                measure: Measure::Cpu,
                against: System::Module,
                bound: Bound::AtMost(1.0),
            },
        ],
        ..USUAL
    },
    Work {
        name: WorkName::HotKeyUntold,
        title: "one hot key, without headers",
        pattern: Pattern::OneKey,
        has_headers: false,
        aims: &[throughput(System::Wasm, 0.80)],
        ..USUAL
    },
    Work {
        name: WorkName::Exempt,
        title: "an exempt key",
        pattern: Pattern::OneKey,
        fate: Fate::Exempt,
        aims: &[throughput(System::Wasm, 0.90), throughput(System::Module, 0.98)],
        ..USUAL
    },
];

/// What most works have in common.
const USUAL: Work = Work {
    name: WorkName::ManyKeys,
    title: "",
    pattern: Pattern::ManyKeys,
    connections: CONNECTIONS,
    has_headers: true,
    fate: Fate::Admitted,
    systems: &SYSTEMS,
    aims: &[],
};

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

    /// Returns the bucket of a user for `local_ratelimit`, with the same limit.
    #[must_use]
    pub(crate) fn token_bucket(&self) -> Value {
        match self.fate {
            Fate::Refused => {
                json!({ "max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s" })
            }
            Fate::Admitted | Fate::Exempt => plenty(),
        }
    }
}

/// Returns a bucket for `local_ratelimit` that never runs dry.
#[must_use]
pub(crate) fn plenty() -> Value {
    json!({ "max_tokens": PLENTY, "tokens_per_fill": PLENTY, "fill_interval": "60s" })
}

impl Measure {
    /// Returns the measure's title in reports.
    #[must_use]
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Throughput => "requests/s, ratio",
            Self::Cpu => "CPU of all servers a request, ratio",
            Self::AddedP50 => "p50, ms more",
            Self::AddedP99 => "p99, ms more",
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

    #[test]
    fn an_aim_compares_systems_of_its_work() {
        for work in &WORKS {
            for aim in work.aims {
                assert!(work.systems.contains(&aim.system) && work.systems.contains(&aim.against));
            }
        }
    }
}
