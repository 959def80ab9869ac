//! A plain log of what the ledger was asked and what it answered: who was charged, leased, given
//! back and refused, and when. Nothing of the ledger's arithmetic is in it, so the checks can go by
//! it.

use limits::counter::CounterName;
use limits::ledger::Method;

/// One line of the log.
#[derive(Debug, Clone)]
pub struct Line {
    /// When the ledger acted, in µs after the start.
    pub at_us: u64,
    /// The same on the ledger's clock, in Unix ms.
    pub now_ms: u64,
    /// Which Envoy asked.
    pub envoy: usize,
    /// Which of its VMs.
    pub vm: usize,
    /// What happened.
    pub act: Act,
}

/// What the ledger did about one counter.
#[derive(Debug, Clone)]
pub enum Act {
    /// It charged this much, for a request or for a lease.
    Charged {
        /// The decision's id.
        decision: String,
        /// The counter.
        counter: CounterName,
        /// What it is held against.
        method: Method,
        /// How much.
        amount: u64,
        /// The lease's length; `None` for a request's own cost.
        lease_ms: Option<u64>,
    },
    /// It was asked to give this much back, for the first time.
    GivenBack {
        /// The id of the decision that charged it.
        decision: String,
        /// The counter.
        counter: CounterName,
        /// How much; of a lease, how much in all.
        amount: u64,
        /// Whether it is a part of a lease.
        is_lease: bool,
    },
    /// It refused this cost.
    Refused {
        /// The counter.
        counter: CounterName,
        /// What it is held against.
        method: Method,
        /// How much.
        cost: u64,
        /// How long it said that it would take until this cost fits.
        retry_after_ms: u64,
    },
}
