//! Faults planted on purpose to prove that each invariant's check works.

use clap::ValueEnum;

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
    /// Each request leaves a key in the process's shared data
    Leak,
    /// The host rejects every metric definition, so the filter keeps retrying
    NoMetrics,
}
