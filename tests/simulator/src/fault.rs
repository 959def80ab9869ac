//! Faults planted on purpose to prove that each invariant's check works.

use clap::ValueEnum;
use serde_json::Value;

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// The ledger admits a third of the requests that it should deny
    AdmitsTooMany,
    /// Calls are never answered, and the filter's timers do not run
    Silence,
    /// Settles are accepted but not applied
    SettlesSwallowed,
    /// Settles refund the oldest charge instead of their own
    OldestGivenBack,
    /// The ledger announces an eighth of the true wait
    WaitTooShort,
    /// The ledger admits every third charge that a block denies
    BlocksLeak,
    /// The ledger admits every third charge that a balance is too small for
    BalanceOverspent,
    /// Envoys get the policy without its costs, so each charge is 1
    CostOfOne,
    /// Each request leaves a key in the process's shared data
    Leak,
    /// The host rejects every metric definition, so the filter keeps retrying
    NoMetrics,
}

/// Replaces the charges of a policy's rules by their buckets, for [`Fault::CostOfOne`].
pub(crate) fn forget_costs(policy: &mut Value) {
    let rules = policy.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten();
    let charges = rules.filter_map(|rule| rule.get_mut("charge")?.as_array_mut()).flatten();
    for charge in charges {
        if let Some(bucket) = charge.get("bucket") {
            *charge = bucket.clone();
        }
    }
}
