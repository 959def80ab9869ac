//! The invariants that must hold for every run, whatever fails in it.

mod admission;
mod blocks;
mod counting;
mod limits;
mod plain;
mod refusals;
mod terms;

use crate::record::Record;
use std::fmt;

/// An invariant of every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No interval of a window's length admits more than the limit.
    NeverOverAdmitted,
    /// Each paused request continues or is answered within its timeout plus one tick.
    NeverStuck,
    /// A blocked key is not admitted until the block's end, by any gateway after a second.
    BlocksHold,
    /// After the run has settled, unspent leases and refunded charges are back.
    NothingLost,
    /// A client that waits for the given Retry-After is admitted.
    RetryAfterHonest,
    /// Tables and memory stay bounded.
    Bounded,
    /// Nothing is refused, or delayed longer, than the charges, leases and refunds require.
    NoNeedlessRefusal,
    /// Each request is charged what a plain reading of its policy says.
    TermsFollowed,
    /// The filter never crashes, never calls the host incorrectly, and logs no warnings.
    WellBehaved,
}

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The invariant.
    pub invariant: Invariant,
    /// A description of the violation.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}

/// Checks all invariants on `record`.
#[must_use]
pub fn breaches(record: &Record) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut add = |invariant, details: Vec<String>| {
        found.extend(details.into_iter().map(|detail| Breach { invariant, detail }));
    };
    add(Invariant::NeverOverAdmitted, admission::over_admitted(record));
    add(Invariant::NeverStuck, limits::stuck(record));
    add(Invariant::BlocksHold, blocks::broken(record));
    add(Invariant::NothingLost, counting::lost(record));
    add(Invariant::RetryAfterHonest, limits::short_waits(record));
    add(Invariant::Bounded, limits::unbounded(record));
    add(Invariant::NoNeedlessRefusal, refusals::needless(record));
    add(Invariant::TermsFollowed, terms::broken(record));
    add(Invariant::WellBehaved, record.misbehavior.clone());
    found
}
