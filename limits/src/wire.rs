//! How the filter asks the shim: the JSON of `POST /v1/decide` and `POST /v1/settle`;
//! and how anyone asks what is left, `POST /v1/peek`.
//!
//! All times are on the ledger's clock, in Unix milliseconds; all lengths of time are in
//! milliseconds.

use crate::bounded::{Bounded, MAX_SAFE};
use crate::counter::CounterName;
use crate::quota::{Limit, Quota, WindowMs};
use serde::{Deserialize, Serialize};

/// The header that only a genuine reply of the shim carries.
pub const MARKER_HEADER: &str = "tollgate-version";
/// Its value: the version of this protocol.
pub const MARKER_VALUE: &str = "1";
/// The header by which a filter tells the shim, in calls that decide, that everyone knows the salt of
/// its policy.
pub const SALT_HEADER: &str = "tollgate-salt";
/// Its value.
pub const SALT_KNOWN: &str = "known";
/// Where requests are decided.
pub const DECIDE_PATH: &str = "/v1/decide";
/// Whether decisions can be had.
pub const HEALTH_PATH: &str = "/healthz";
/// Where charges are given back or added.
pub const SETTLE_PATH: &str = "/v1/settle";
/// Where a counter is looked at.
pub const PEEK_PATH: &str = "/v1/peek";
/// The largest body of any of them, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most requests or settles in one body.
pub const MAX_BATCH: usize = 1024;
/// The most charges in one request or settle.
pub const MAX_CHARGES: usize = 16;
/// The longest settle id, in bytes.
pub const MAX_SETTLE_ID_BYTES: usize = 64;

/// What a request charges, 1..=2^53.
pub type Cost = Bounded<1, MAX_SAFE>;
/// How much more a lease may take, 0..=2^32.
pub type LeaseWish = Bounded<0, { 1 << 32 }>;

/// The body of `POST /v1/decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideBody {
    /// Decided in this order, each all or nothing; at most [`MAX_BATCH`].
    pub requests: Vec<Request>,
}

/// One request to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What it is charged; 1..=[`MAX_CHARGES`], each counter at most once.
    pub charges: Vec<Charge>,
}

/// A [`Request`] as it is written, by who needs its charges still.
#[derive(Debug, Serialize)]
pub struct Asked<'a> {
    /// See [`Request::charges`].
    pub charges: Vec<&'a Charge>,
}

/// One charge against one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The counter charged.
    pub counter: CounterName,
    /// The limit it is held against.
    pub quota: Quota,
    /// How much; at most the quota's limit. 1 unless said.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cost: Cost,
    /// `false` for a shadow: counted and reported, never denies.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enforce: bool,
    /// A lease asked for, on top of the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseAsk>,
}

/// A wish for a lease: a part of the counter's capacity, to be spent near the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseAsk {
    /// The most that is wanted.
    pub wish: LeaseWish,
    /// How long it is wanted; the grant may be shorter.
    pub lease_ms: WindowMs,
}

/// The answer to `POST /v1/decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecideReply {
    /// The ledger's clock at the (last) decision.
    pub now_ms: u64,
    /// One for each request, in its order.
    pub decisions: Vec<Decision>,
}

/// One request's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Names the decision when it is settled: `<now_ms>-<unique>`, then, if anything was charged,
    /// `.` and a seal for each charge and lease. The shim alone makes and checks the seals.
    pub id: String,
    /// Whether every enforced charge fitted. If not, nothing was charged.
    pub admitted: bool,
    /// How long to wait before the same request would be admitted, absent other traffic: the
    /// longest among the charges that denied. 0 if admitted.
    pub retry_after_ms: u64,
    /// One for each charge, in its order; none with [`DecisionError::Unavailable`].
    pub charges: Vec<ChargeOutcome>,
    /// Why the request could not be decided at all; then `admitted` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DecisionError>,
}

/// Why a single request of a batch could not be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionError {
    /// A charge's cost is above the limit that an override sets: waiting never helps.
    CostExceedsLimit,
    /// The ledger gave no decision for this request, though it answers others (one node of a Cluster
    /// is away, say): [`Decision::charges`] is empty. It may have been charged.
    Unavailable,
}

/// What one charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeOutcome {
    /// Whether this charge fitted, by itself.
    pub admitted: bool,
    /// The limit in force (the quota's, or an override's).
    pub limit: u64,
    /// What is left after the decision.
    pub remaining: u64,
    /// How long until capacity next comes back, absent other traffic; 0 if nothing is counted.
    pub reset_ms: u64,
    /// How long until this charge would fit, absent other traffic; 0 if it did.
    pub retry_after_ms: u64,
    /// The lease granted, if one was asked for and could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseGrant>,
}

/// A lease: already charged, dated at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// How much may be spent without asking, ≥ 1.
    pub granted: u64,
    /// For how long from the decision: it may be spent before that has passed, not when it has. Who
    /// holds it reckons from when it asked, not from when the answer came.
    pub lease_ms: u64,
}

/// The body of `POST /v1/settle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    /// At most [`MAX_BATCH`].
    pub settles: Vec<Settle>,
}

/// Gives back what a decision charged, or charges what turned out to be due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// This settle's own name: what it charges is charged once, however often it arrives. 1..=64
    /// letters, digits, `.`, `_` or `-`.
    pub id: String,
    /// The [`Decision::id`] that is settled, seals included. What a decision charged one identity is
    /// given back once, in one settle; each of its leases up to what was granted, in any number.
    pub decision: String,
    /// What to give back or add; 1..=[`MAX_CHARGES`], each counter at most once.
    pub charges: Vec<SettleCharge>,
}

/// One counter's part of a settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleCharge {
    /// The counter.
    pub counter: CounterName,
    /// The quota it was charged under, to the letter.
    pub quota: Quota,
    /// Which way, and how much.
    pub amount: SettleAmount,
    /// What the decision charged, in full: the cost, or what was granted where `lease_ms` is set. No
    /// more than this is given back. 1 unless said.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub charged: Cost,
    /// Set where a part of a lease is given back: the length it was granted for
    /// ([`LeaseGrant::lease_ms`]). A lease is dated at its end, and so counts that much longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<WindowMs>,
}

/// Which way a settle goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleAmount {
    /// Return this much of what the decision charged; never more than is still counted of it. A
    /// lease may come back in parts: this is how much comes back in all, earlier parts included.
    GiveBack(Limit),
    /// Charge this much more; may go over the limit, and what is over counts against what follows.
    Charge(Limit),
}

/// The answer to `POST /v1/settle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleReply {
    /// The ledger's clock at the (last) settle.
    pub now_ms: u64,
    /// One for each settle, in its order.
    pub settled: Vec<Settled>,
}

/// What one settle came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Whether this arrival took effect; `false` for a repetition, for giving back what does not
    /// count any more, and for anything later than
    /// [`SETTLE_WITHIN_MS`](crate::ledger::SETTLE_WITHIN_MS) after the decision.
    pub applied: bool,
    /// What is left in each counter, in the order of the charges.
    pub remaining: Vec<u64>,
}

/// The body of `POST /v1/peek`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeekBody {
    /// The counter looked at.
    pub counter: CounterName,
    /// The limit it is held against.
    pub quota: Quota,
}

/// The answer to `POST /v1/peek`: what a charge of 1 would come to. Nothing is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeekReply {
    /// The ledger's clock when it looked.
    pub now_ms: u64,
    /// What the charge would come to; `remaining` is what is left without it.
    pub charge: ChargeOutcome,
}

/// The part of a [`Decision::id`] that names it: the seals are left out.
#[must_use]
pub fn decision_name(id: &str) -> &str {
    id.split_once('.').map_or(id, |(name, _)| name)
}

const fn one() -> Cost {
    Cost::clamped(1)
}

fn is_one(cost: &Cost) -> bool {
    cost.get() == 1
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(enforce: &bool) -> bool {
    *enforce
}
