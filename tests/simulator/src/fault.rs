//! Faults planted on purpose, to show that each invariant's check would find one.

use clap::ValueEnum;

/// Something that is made wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// The ledger admits a third of what it should deny.
    AdmitsTooMany,
    /// Calls are never answered, and the filter's timers do not run.
    Silence,
    /// Settles are taken and not applied.
    SettlesSwallowed,
    /// Settles give back from the oldest charge that counts, not from their own.
    OldestGivenBack,
    /// The ledger says a wait that is an eighth of the true one.
    WaitTooShort,
    /// Each request leaves a key in the process's shared data.
    Leak,
    /// Metrics cannot be defined: the filter asks for them again and again, which is refused.
    NoMetrics,
}
