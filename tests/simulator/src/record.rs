//! The data that a run records for the checks.

use crate::log::Line;
use crate::terms::Term;
use limits::counter::CounterName;
use limits::plan::PlannedCharge;
use limits::policy::{OnFailure, Policy, Refund};
use limits::quota::Quota;
use std::collections::BTreeMap;

/// A run's record.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The requests, in the order in which they arrived.
    pub requests: Vec<Request>,
    /// The ledger's log, in order.
    pub ledger: Vec<Line>,
    /// The longest delay between a decision of the ledger and its arrival at a worker, in µs.
    pub lag_us: u64,
    /// The usage of each counter after the run has settled.
    pub used: BTreeMap<CounterName, u64>,
    /// Charges to each counter by calls whose reply never arrived.
    pub lost: BTreeMap<CounterName, u64>,
    /// Top-ups of each balance.
    pub topped_up: BTreeMap<CounterName, u64>,
    /// Refunds to each counter in settles that never arrived.
    pub unsettled: BTreeMap<CounterName, u64>,
    /// The waits of patient clients.
    pub waits: Vec<Wait>,
    /// The largest sizes seen.
    pub sizes: Sizes,
    /// The filter's activity.
    pub work: Work,
    /// Crashes, incorrect host calls, and the filter's warnings and errors.
    pub misbehavior: Vec<String>,
}

/// The life of one request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The index of its Envoy.
    pub envoy: usize,
    /// The index of the VM in that Envoy.
    pub vm: usize,
    /// The index of the policy that applied.
    pub generation: usize,
    /// The policy's timeout for a decision, in ms.
    pub timeout_ms: u64,
    /// The policy's salt.
    pub salt: String,
    /// Its charges under that policy.
    pub due: Vec<Due>,
    /// Its charges by a plain reading of that policy.
    pub terms: BTreeMap<String, Term>,
    /// The filter's decision, as the access log shows it.
    pub state: String,
    /// The time when the filter paused it, in µs.
    pub paused_us: Option<u64>,
    /// The time when it continued, was answered, or lost its client, in µs.
    pub released_us: Option<u64>,
    /// The time when it reached the upstream, in µs.
    pub upstream_us: Option<u64>,
    /// True if it was decided without the ledger.
    pub is_degraded: bool,
    /// The upstream's status, and true if the response came from a cache.
    pub outcome: Option<(u16, bool)>,
    /// The status that the client got.
    pub status: Option<u16>,
    /// The refusal, if a limit was exceeded.
    pub refusal: Option<Refusal>,
}

/// The refusal of a request that exceeded a limit.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The time, in µs.
    pub at_us: u64,
    /// The exceeded bucket.
    pub bucket: String,
    /// The part that decided.
    pub by: DecidedBy,
    /// True if its key is blocked for repeated refusals.
    pub is_blocked: bool,
}

/// The part that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// The ledger.
    Ledger,
    /// A worker, because the ledger refused the same a moment ago.
    DeniedBefore,
    /// An Envoy without the ledger.
    Envoy,
}

/// One charge of a request.
#[derive(Debug, Clone)]
pub struct Due {
    /// The counter to charge.
    pub counter: CounterName,
    /// The quota of the counter.
    pub quota: Quota,
    /// The amount.
    pub cost: u64,
    /// False for a shadow bucket, which is charged but never denies.
    pub enforce: bool,
    /// The fallback without the ledger.
    pub on_failure: OnFailure,
    /// The outcomes that refund the charge.
    pub refund: Vec<Refund>,
}

/// A patient client waited for the given Retry-After and tried again.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The wait, in s.
    pub retry_after_s: u64,
    /// True if the second attempt exceeded a limit.
    pub is_denied: bool,
    /// True if its counters were charged or blocked in between, for example by a delayed call.
    pub were_changed: bool,
}

/// The largest sizes seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// Memory of a VM, in bytes.
    pub memory_bytes: usize,
    /// Keys in a process's shared data.
    pub shared_keys: usize,
    /// Bytes of those keys and their values.
    pub shared_bytes: usize,
    /// Items waiting in a process's queues.
    pub queued: usize,
    /// Metrics of a process.
    pub metrics: usize,
    /// Calls of one VM in flight.
    pub calls: usize,
}

/// Counts of optional activity. A check proves nothing about activity that never happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Requests that spent leases.
    pub leases_spent: u64,
    /// Leased amounts that came back unspent.
    pub leases_returned: u64,
    /// Requests denied because the ledger had just denied the same counter.
    pub denied_before: u64,
    /// Breaker openings.
    pub breakers_opened: u64,
    /// Settles that the ledger applied.
    pub settled: u64,
    /// Blocks for repeated refusals that began.
    pub blocks: u64,
    /// Top-ups of balances.
    pub top_ups: u64,
    /// Requests refused because a limit is 0, or below their cost.
    pub hopeless: u64,
    /// Policies that a worker replaced.
    pub reloaded: u64,
    /// Clients that disconnected while their request was paused.
    pub left_waiting: u64,
}

impl Work {
    /// Adds the counts of `more`.
    pub fn add(&mut self, more: Self) {
        self.leases_spent += more.leases_spent;
        self.leases_returned += more.leases_returned;
        self.denied_before += more.denied_before;
        self.breakers_opened += more.breakers_opened;
        self.settled += more.settled;
        self.blocks += more.blocks;
        self.top_ups += more.top_ups;
        self.hopeless += more.hopeless;
        self.reloaded += more.reloaded;
        self.left_waiting += more.left_waiting;
    }

    /// Returns the counts by name.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("leases spent", self.leases_spent),
            ("leased and returned", self.leases_returned),
            ("denied before", self.denied_before),
            ("breakers opened", self.breakers_opened),
            ("settled", self.settled),
            ("blocks", self.blocks),
            ("top-ups", self.top_ups),
            ("refused for good", self.hopeless),
            ("policies replaced", self.reloaded),
            ("left while waiting", self.left_waiting),
        ]
    }
}

impl Refusal {
    /// Parses the filter state that the filter writes for the access log. Returns `None` if it is
    /// not a refusal, or one for good: by a limit of 0 or below the cost, however much is used.
    #[must_use]
    pub fn read(at_us: u64, state: &str) -> Option<Self> {
        if state.contains(" limit=") {
            return None;
        }
        let by = match state {
            _ if state.starts_with("degraded denied") => DecidedBy::Envoy,
            _ if !state.starts_with("denied") => return None,
            _ if state.ends_with(" by=denied_before") => DecidedBy::DeniedBefore,
            _ => DecidedBy::Ledger,
        };
        let bucket = state.split(' ').find_map(|word| word.strip_prefix("bucket="))?;
        let is_blocked = state.split(' ').any(|word| word == "blocked");
        Some(Self { at_us, bucket: bucket.to_owned(), by, is_blocked })
    }
}

impl Due {
    /// Returns the limit, the burst of a token bucket, or a balance before all top-ups.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self.quota {
            Quota::Balance(balance) => balance.start.get(),
            quota => quota.limit(),
        }
    }

    /// Resolves a planned charge under `policy`.
    #[must_use]
    pub fn of(policy: &Policy, planned: &PlannedCharge) -> Option<Self> {
        let bucket = policy.buckets.get(planned.bucket)?;
        Some(Self {
            counter: planned.charge.counter.clone(),
            quota: planned.charge.quota,
            cost: planned.charge.cost.get(),
            enforce: planned.charge.enforce,
            on_failure: bucket.on_failure,
            refund: bucket.refund.clone(),
        })
    }

    /// Returns true if `outcome` refunds the charge.
    #[must_use]
    pub fn is_free(&self, outcome: Option<(u16, bool)>) -> bool {
        let Some((status, is_cache_hit)) = outcome else { return false };
        self.refund.iter().any(|refund| match refund {
            Refund::Success => (200..400).contains(&status),
            Refund::ClientError => (400..500).contains(&status),
            Refund::ServerError => (500..600).contains(&status),
            Refund::CacheHit => is_cache_hit,
            Refund::Status(one) => status == *one,
        })
    }
}

impl Record {
    /// Updates the largest sizes seen.
    pub fn note_sizes(&mut self, now: Sizes) {
        let seen = &mut self.sizes;
        seen.memory_bytes = seen.memory_bytes.max(now.memory_bytes);
        seen.shared_keys = seen.shared_keys.max(now.shared_keys);
        seen.shared_bytes = seen.shared_bytes.max(now.shared_bytes);
        seen.queued = seen.queued.max(now.queued);
        seen.metrics = seen.metrics.max(now.metrics);
        seen.calls = seen.calls.max(now.calls);
    }
}
