//! What a run has left behind, for the checks to look at.

use crate::log::Line;
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
    /// What the ledger was asked and answered, in order.
    pub ledger: Vec<Line>,
    /// The longest time between a decision of the ledger and its arrival at a worker, in µs.
    pub lag_us: u64,
    /// What counts in each counter when all is quiet.
    pub used: BTreeMap<CounterName, u64>,
    /// What the ledger charged of each counter in calls whose answer never arrived.
    pub lost: BTreeMap<CounterName, u64>,
    /// What workers wanted to give back in settles that never arrived.
    pub unsettled: BTreeMap<CounterName, u64>,
    /// The waits of patient clients.
    pub waits: Vec<Wait>,
    /// The largest sizes seen.
    pub sizes: Sizes,
    /// How much of what the filter can do was done.
    pub work: Work,
    /// Crashes, wrong calls of the host, and what the filter complained of.
    pub misconduct: Vec<String>,
}

/// What became of one request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Which Envoy it went through.
    pub envoy: usize,
    /// Which of its VMs.
    pub vm: usize,
    /// Which of its policies held for it.
    pub generation: usize,
    /// How long that lets a request wait, in ms.
    pub timeout_ms: u64,
    /// What it was to be charged.
    pub due: Vec<Due>,
    /// When it was paused, in µs.
    pub paused_us: Option<u64>,
    /// When it went on, was answered, or its client left.
    pub released_us: Option<u64>,
    /// When it reached the upstream.
    pub upstream_us: Option<u64>,
    /// Whether it was decided without the ledger.
    pub is_degraded: bool,
    /// What the upstream answered: the status, and whether it came from a cache.
    pub outcome: Option<(u16, bool)>,
    /// What the client got.
    pub status: Option<u16>,
    /// Who refused it, if it was refused for a limit.
    pub refusal: Option<Refusal>,
}

/// A request's refusal for a limit.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// When it was refused, in µs.
    pub at_us: u64,
    /// The bucket that it names.
    pub bucket: String,
    /// Who decided.
    pub by: By,
}

/// Who refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The ledger, for this request.
    Ledger,
    /// A worker, since the ledger refused it the same a moment ago.
    DeniedBefore,
    /// An Envoy by itself, without the ledger.
    Envoy,
}

/// One charge that a request is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Whom and what it charges.
    pub counter: CounterName,
    /// What it is held against.
    pub quota: Quota,
    /// How much.
    pub cost: u64,
    /// `false` for a shadow.
    pub enforce: bool,
    /// What happens without the ledger.
    pub on_failure: OnFailure,
    /// What makes it free.
    pub refund: Vec<Refund>,
}

/// A patient client was told to wait, did so, and asked again.
#[derive(Debug, Clone)]
pub struct Wait {
    /// How long it was told to wait, in s.
    pub told_s: u64,
    /// What it got then.
    pub status: u16,
    /// Whether its counters were charged in between, by a call on its way for long, say.
    pub were_charged: bool,
}

/// The largest sizes seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// Of a VM's memory, in bytes.
    pub memory_bytes: usize,
    /// Keys in a process's shared data.
    pub shared_keys: usize,
    /// Their and their values' bytes.
    pub shared_bytes: usize,
    /// Items waiting in a process's queues.
    pub queued: usize,
    /// Metrics of a process.
    pub metrics: usize,
    /// Calls of one VM under way.
    pub calls: usize,
}

/// How often something was done that a run may do without: what never happens is never checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Requests that spent leases.
    pub leases_spent: u64,
    /// What was leased and given back unspent.
    pub leases_returned: u64,
    /// Requests refused since their counter had denied just before.
    pub denied_before: u64,
    /// Times that a breaker opened.
    pub breakers_opened: u64,
    /// Settles that the ledger applied.
    pub settled: u64,
    /// Policies that a worker took in place of another.
    pub reloaded: u64,
    /// Clients that left while their request waited.
    pub left_waiting: u64,
}

impl Work {
    /// The work of both.
    pub fn add(&mut self, more: Self) {
        self.leases_spent += more.leases_spent;
        self.leases_returned += more.leases_returned;
        self.denied_before += more.denied_before;
        self.breakers_opened += more.breakers_opened;
        self.settled += more.settled;
        self.reloaded += more.reloaded;
        self.left_waiting += more.left_waiting;
    }

    /// What it comes to, by name.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("leases spent", self.leases_spent),
            ("leased and returned", self.leases_returned),
            ("denied before", self.denied_before),
            ("breakers opened", self.breakers_opened),
            ("settled", self.settled),
            ("policies replaced", self.reloaded),
            ("left while waiting", self.left_waiting),
        ]
    }
}

impl Refusal {
    /// The refusal that the filter's words for the access log tell of.
    #[must_use]
    pub fn read(at_us: u64, said: &str) -> Option<Self> {
        let by = match said {
            _ if said.starts_with("degraded denied") => By::Envoy,
            _ if !said.starts_with("denied") => return None,
            _ if said.ends_with(" by=denied_before") => By::DeniedBefore,
            _ => By::Ledger,
        };
        let bucket = said.split(' ').find_map(|word| word.strip_prefix("bucket="))?;
        Some(Self { at_us, bucket: bucket.to_owned(), by })
    }
}

impl Due {
    /// What `planned` is, under `policy`.
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

    /// Whether a request with this outcome is not charged after all.
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
    /// Notes the larger of the sizes seen before and now.
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
