//! The protocol between filter and shim: the JSON of `POST /v1/decide` and `POST /v1/settle`. Also
//! `POST /v1/peek`, which shows what is left in a counter.
//!
//! Times are in Unix milliseconds on the ledger's clock, and durations in milliseconds.

use crate::block::Block;
use crate::bounded::{Bounded, MAX_SAFE};
use crate::counter::CounterName;
use crate::quota::{Limit, Quota, WindowMs};
use serde::{Deserialize, Serialize};

/// A header that only the shim sets; it distinguishes a genuine reply.
pub const MARKER_HEADER: &str = "tollgate-version";
/// The value of [`MARKER_HEADER`]: the version of this protocol.
pub const MARKER_VALUE: &str = "1";
/// The header of decide calls by which a filter reports that its policy's salt is publicly known.
pub const SALT_HEADER: &str = "tollgate-salt";
/// The value of [`SALT_HEADER`].
pub const SALT_KNOWN: &str = "known";
/// The endpoint that decides requests.
pub const DECIDE_PATH: &str = "/v1/decide";
/// The health endpoint: a success means that the ledger can decide.
pub const HEALTH_PATH: &str = "/healthz";
/// The endpoint that gives charges back or adds to them.
pub const SETTLE_PATH: &str = "/v1/settle";
/// The endpoint that reads a counter.
pub const PEEK_PATH: &str = "/v1/peek";
/// The maximum request body size of each endpoint, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most requests or settles in one body.
pub const MAX_BATCH: usize = 1024;
/// The most charges in one request or settle.
pub const MAX_CHARGES: usize = 16;
/// The longest settle id, in bytes.
pub const MAX_SETTLE_ID_BYTES: usize = 64;

/// The cost of a request, 1..=2^53.
pub type Cost = Bounded<1, MAX_SAFE>;
/// The size of a lease asked for, 0..=2^32.
pub type LeaseWish = Bounded<0, { 1 << 32 }>;

/// The body of `POST /v1/decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideBody {
    /// The requests, decided in this order, each all or nothing; at most [`MAX_BATCH`].
    pub requests: Vec<Request>,
}

/// One request to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The request's charges; 1..=[`MAX_CHARGES`], each counter at most once.
    pub charges: Vec<Charge>,
}

/// A [`Request`] that borrows its charges, for serialization.
#[derive(Debug, Serialize)]
pub struct RequestRef<'a> {
    /// See [`Request::charges`].
    pub charges: Vec<&'a Charge>,
}

/// One charge against one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The counter to charge.
    pub counter: CounterName,
    /// The quota to enforce.
    pub quota: Quota,
    /// The cost. One above the limit in force fails its own request, with
    /// [`DecisionError::CostExceedsLimit`]. Defaults to 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cost: Cost,
    /// False for a shadow charge, which is counted and reported but never denies.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enforce: bool,
    /// A lease to grant in addition to the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseAsk>,
    /// The bucket's block for repeated refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
}

/// A request for a lease: a part of the counter's capacity, to be spent near the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseAsk {
    /// The most to grant.
    pub wish: LeaseWish,
    /// The lease's desired length; the grant can be shorter.
    pub lease_ms: WindowMs,
}

/// The response body of `POST /v1/decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecideReply {
    /// The ledger's clock at the last decision.
    pub now_ms: u64,
    /// One decision per request, in the same order.
    pub decisions: Vec<Decision>,
}

/// One request's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The decision's id, used to settle it: `<now_ms>-<unique>`, then, if anything was charged,
    /// `.` and a seal for each charge and lease. Only the shim makes and checks seals.
    pub id: String,
    /// True if every enforced charge fit. If false, nothing was charged.
    pub admitted: bool,
    /// The time until the same request would be admitted, in ms, assuming no other traffic. The
    /// longest wait among the charges that denied; 0 if admitted, and 2^53 if a balance is used up.
    pub retry_after_ms: u64,
    /// One outcome per charge, in the same order; empty for [`DecisionError::Unavailable`].
    pub charges: Vec<ChargeOutcome>,
    /// The reason the request could not be decided. `admitted` is false then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DecisionError>,
}

/// The reason a single request of a batch could not be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionError {
    /// A charge's cost exceeds the limit in force. Waiting does not help.
    CostExceedsLimit,
    /// The ledger did not decide this request, although it decided others, for example because one
    /// Cluster node is down. [`Decision::charges`] is empty. The request may have been charged.
    Unavailable,
}

/// The outcome of one charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeOutcome {
    /// True if this charge fit, regardless of the others.
    pub admitted: bool,
    /// The limit in force: the quota's or an override's. For a balance: all that was ever given.
    pub limit: u64,
    /// The amount left after the decision.
    pub remaining: u64,
    /// The time until capacity next returns, assuming no other traffic; 0 if nothing is counted.
    pub reset_ms: u64,
    /// The time until this charge would fit, assuming no other traffic; 0 if it did, and 2^53 if
    /// waiting does not help.
    pub retry_after_ms: u64,
    /// The lease, if one was asked for and granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseGrant>,
    /// True if the counter was refused too often, and therefore refuses everything until `reset_ms`
    /// from now.
    #[serde(default, skip_serializing_if = "is_no")]
    pub blocked: bool,
}

/// A granted lease. It is already charged, dated at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// The amount that can be spent without asking, at least 1.
    pub granted: u64,
    /// The lease's length, counted from the decision; the end is exclusive. The holder counts from
    /// when it asked, not from when the reply arrived.
    pub lease_ms: u64,
}

/// The body of `POST /v1/settle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    /// The settles; at most [`MAX_BATCH`].
    pub settles: Vec<Settle>,
}

/// Gives back a part of what a decision charged, or charges more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// A unique id that makes the settle idempotent: it takes effect once, however often it
    /// arrives. 1..=64 letters, digits, `.`, `_` or `-`.
    pub id: String,
    /// The [`Decision::id`] to settle, including its seals. One identity's charges can be given
    /// back once, in a single settle. A lease can be given back in any number of settles, up to its
    /// grant.
    pub decision: String,
    /// The changes to make; 1..=[`MAX_CHARGES`], each counter at most once.
    pub charges: Vec<SettleCharge>,
}

/// One counter's part of a settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleCharge {
    /// The counter.
    pub counter: CounterName,
    /// The exact quota it was charged under.
    pub quota: Quota,
    /// The amount and its direction.
    pub amount: SettleAmount,
    /// The decision's full charge: the cost, or the grant if `lease_ms` is set. At most this much
    /// is given back. Defaults to 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub charged: Cost,
    /// The granted length ([`LeaseGrant::lease_ms`]) if part of a lease is given back. A lease is
    /// dated at its end, so it counts that much longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<WindowMs>,
}

/// The amount of a settle and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleAmount {
    /// Gives back this much of the decision's charge, capped at what is still counted of it. A
    /// lease can come back in parts; the amount is then the total so far, including earlier parts.
    GiveBack(Limit),
    /// Charges this much more, even beyond the limit. The excess counts against later requests.
    Charge(Limit),
}

/// The response body of `POST /v1/settle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleReply {
    /// The ledger's clock at the last settle.
    pub now_ms: u64,
    /// One outcome per settle, in the same order.
    pub settled: Vec<Settled>,
}

/// The outcome of one settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// True if this settle took effect. False for a repetition, for giving back something that no
    /// longer counts, and for a settle that arrives more than
    /// [`SETTLE_WITHIN_MS`](crate::ledger::SETTLE_WITHIN_MS) after the decision.
    pub applied: bool,
    /// The amount left in each counter, in the order of the charges.
    pub remaining: Vec<u64>,
}

/// The body of `POST /v1/peek`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeekBody {
    /// The counter to read.
    pub counter: CounterName,
    /// The quota to read it under.
    pub quota: Quota,
    /// The bucket's block for repeated refusals. Without it, a block is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
}

/// The response body of `POST /v1/peek`: the outcome of a hypothetical charge of 1. Nothing is
/// charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeekReply {
    /// The ledger's clock at the time of reading.
    pub now_ms: u64,
    /// The outcome of the charge; `remaining` is the amount left without it.
    pub charge: ChargeOutcome,
}

/// Returns the part of a [`Decision::id`] before the seals.
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_no(blocked: &bool) -> bool {
    !*blocked
}
