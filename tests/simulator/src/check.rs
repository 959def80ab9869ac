//! The invariants: what must hold of every run's record, whatever went wrong in it.

mod admission;
mod counting;
mod limits;
mod plain;
mod refusals;

use crate::record::Record;
use std::fmt;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// In no interval of a window's length more is admitted than the limit.
    NeverOverAdmitted,
    /// Each paused request goes on or is answered within its time-out and a tick.
    NeverStuck,
    /// Once all is quiet, leases and charges of requests that came to nothing are back.
    NothingLost,
    /// Who waits as long as he was told is let through.
    RetryAfterHonest,
    /// Tables and memory do not grow without end.
    Bounded,
    /// Nobody is refused, or told to wait longer, than what was charged, leased and given back asks
    /// for.
    NoNeedlessRefusal,
    /// The filter never crashes, and never calls the host wrongly.
    WellConducted,
}

/// That something does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What does not.
    pub invariant: Invariant,
    /// How.
    pub how: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.how)
    }
}

/// Everything that does not hold of `record`.
#[must_use]
pub fn breaches(record: &Record) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut add = |invariant, broken: Vec<String>| {
        found.extend(broken.into_iter().map(|how| Breach { invariant, how }));
    };
    add(Invariant::NeverOverAdmitted, admission::over_admitted(record));
    add(Invariant::NeverStuck, limits::stuck(record));
    add(Invariant::NothingLost, counting::lost(record));
    add(Invariant::RetryAfterHonest, limits::dishonest(record));
    add(Invariant::Bounded, limits::unbounded(record));
    add(Invariant::NoNeedlessRefusal, refusals::needless(record));
    add(Invariant::WellConducted, record.misconduct.clone());
    found
}
