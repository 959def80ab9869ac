//! A plain log of the ledger's charges, leases, refunds and refusals. It contains none of the
//! ledger's arithmetic, so the checks can rely on it.

use limits::counter::CounterName;
use limits::ledger::Method;

/// One line of the log.
#[derive(Debug, Clone)]
pub struct Line {
    /// The time when the ledger acted, in µs after the start.
    pub at_us: u64,
    /// The same on the ledger's clock, in Unix ms.
    pub now_ms: u64,
    /// The index of the Envoy that called; 0 for an operator.
    pub envoy: usize,
    /// The index of the VM in that Envoy; 0 for an operator.
    pub vm: usize,
    /// The action.
    pub act: Act,
}

/// An action of the ledger on one counter.
#[derive(Debug, Clone)]
pub enum Act {
    /// Charged a request's cost or a lease.
    Charged {
        /// The decision's id.
        decision: String,
        /// The counter.
        counter: CounterName,
        /// Its method and limit.
        method: Method,
        /// The amount.
        amount: u64,
        /// The lease's duration; `None` for a request's own cost.
        lease_ms: Option<u64>,
    },
    /// Received a refund for the first time.
    GivenBack {
        /// The id of the decision that made the charge.
        decision: String,
        /// The counter.
        counter: CounterName,
        /// The amount. For a lease, the total refunded so far.
        amount: u64,
        /// True if the charge is a lease.
        is_lease: bool,
    },
    /// Topped up a balance, by an operator.
    ToppedUp {
        /// The counter.
        counter: CounterName,
        /// The amount.
        amount: u64,
    },
    /// Refused a cost.
    Refused {
        /// The counter.
        counter: CounterName,
        /// Its method and limit.
        method: Method,
        /// The cost.
        cost: u64,
        /// The wait that the ledger announced.
        retry_after_ms: u64,
        /// The rest of the block for repeated refusals, if one is in force.
        blocked_ms: Option<u64>,
    },
}
