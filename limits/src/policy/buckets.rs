//! The buckets of a policy, and their checks.

use super::counting::{self, Algorithm, Counting, Tiers};
use super::document::{self, Mapping, Outcome};
use super::mistakes::Mistakes;
use super::on_failure::{OnFailure, WhenFull};
use super::refusal::{self, Refusal};
use crate::block::Block;
use crate::bounded::MAX_SAFE;
use crate::counter::is_bucket_name;
use std::collections::{BTreeMap, BTreeSet};

/// The longest jitter, in ms.
const MAX_JITTER_MS: u64 = 3_600_000;

/// A named limit or quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's name, used in headers, logs and counters.
    pub name: String,
    /// The name of its key.
    pub key: String,
    /// The way in which it counts requests that are in none of its tiers.
    pub counting: Counting,
    /// Requests that it counts in another way.
    pub tiers: Option<Tiers>,
    /// The behavior when the ledger cannot answer.
    pub on_failure: OnFailure,
    /// Outcomes for which the charge is given back.
    pub refund: Vec<Refund>,
    /// False for a shadow bucket, which is counted and reported but never refuses a request.
    pub enforce: bool,
    /// The block for repeated refusals.
    pub block: Option<Block>,
    /// False for a bucket that clients do not learn of.
    pub visible: bool,
    /// The most that is added to the wait that a refusal names, in ms; 0 for nothing.
    pub jitter_ms: u64,
    /// The form of the bucket's refusals. `None` for a 429 with a problem document.
    pub refusal: Option<Refusal>,
}

/// An outcome for which a charge is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// 2xx and 3xx.
    Success,
    /// 4xx.
    ClientError,
    /// 5xx, including an upstream that failed.
    ServerError,
    /// A response from a cache, marked by `X-Cache: HIT`.
    CacheHit,
    /// This status, 100..=599.
    Status(u16),
}

impl Bucket {
    /// Returns each way in which the bucket counts.
    pub fn countings(&self) -> impl Iterator<Item = &Counting> {
        std::iter::once(&self.counting)
            .chain(self.tiers.iter().flat_map(|tiers| tiers.values.values()))
    }

    /// Returns the variants of the bucket's counters: `None` for its own, and those of its tiers.
    #[must_use]
    pub fn variants(&self) -> BTreeSet<Option<&str>> {
        self.countings().map(|counting| counting.variant.as_deref()).collect()
    }

    /// Returns the largest limit that a request can have.
    pub(super) fn largest_limit(&self) -> u64 {
        let largest = |counting: &Counting| match counting.algorithm {
            // Top-ups can raise it to any amount.
            Algorithm::Balance => MAX_SAFE,
            _ => counting.limit.largest(),
        };
        self.countings().map(largest).max().unwrap_or(0)
    }
}

impl std::fmt::Display for Refund {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::ClientError => f.write_str("client_error"),
            Self::ServerError => f.write_str("server_error"),
            Self::CacheHit => f.write_str("cache_hit"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl From<document::Refund> for Refund {
    fn from(document: document::Refund) -> Self {
        match document {
            document::Refund::Outcome(Outcome::Success) => Self::Success,
            document::Refund::Outcome(Outcome::ClientError) => Self::ClientError,
            document::Refund::Outcome(Outcome::ServerError) => Self::ServerError,
            document::Refund::Outcome(Outcome::CacheHit) => Self::CacheHit,
            document::Refund::Status(status) => {
                Self::Status(u16::try_from(status.get()).unwrap_or(u16::MAX))
            }
        }
    }
}

/// Checks `documents` and returns their buckets.
pub(super) fn checked(
    documents: BTreeMap<String, Option<document::Bucket>>,
    keys: &BTreeMap<String, Option<document::Key>>,
    mistakes: &mut Mistakes,
) -> Vec<Bucket> {
    let mut buckets = Vec::with_capacity(documents.len());
    for (name, document) in documents {
        let place = format!("buckets.{name}");
        if !is_bucket_name(&name) {
            mistakes.add(
                &place,
                "expected a name of at most 64 letters, digits, _ or -, starting with a letter",
            );
        }
        let Some(document) = document else { continue };
        if !keys.contains_key(&document.key) {
            mistakes.unknown(format!("{place}.key"), "key", &document.key, keys.keys());
        }
        let counting = counting::checked(document.counting(), &place, mistakes);
        let tiers = document.tiers.as_ref().and_then(|Mapping(tiers)| {
            counting::tiers(tiers, counting.as_ref(), &format!("{place}.tiers"), mistakes)
        });
        let refusal = document.refusal.as_ref().map(|refusal| {
            refusal::checked(refusal, document.visible, &format!("{place}.refusal"), mistakes)
        });
        let Some(counting) = counting else { continue };
        let on_failure = document.on_failure.as_ref().map(OnFailure::from);
        let on_failure = on_failure_of(on_failure, &counting, &place, mistakes);
        let block = document.block.as_deref().map(Block::from);
        if block.is_some() && matches!(counting.algorithm, Algorithm::Balance) {
            let text = "a balance that is used up does not count toward a block: remove this";
            mistakes.add(format!("{place}.block"), text);
        }
        let jitter_ms = jitter(&document, &counting, tiers.as_ref(), &place, mistakes);
        buckets.push(Bucket {
            name,
            key: document.key,
            counting,
            tiers,
            on_failure,
            refund: document.refund.into_iter().map(Refund::from).collect(),
            enforce: document.enforce,
            block,
            visible: document.visible,
            jitter_ms,
            refusal,
        });
    }
    buckets
}

/// Returns a bucket's `on_failure`. A gateway cannot count a balance that only the ledger knows.
fn on_failure_of(
    written: Option<OnFailure>,
    counting: &Counting,
    place: &str,
    mistakes: &mut Mistakes,
) -> OnFailure {
    let is_balance = matches!(counting.algorithm, Algorithm::Balance);
    if is_balance && written.is_some_and(OnFailure::is_local) {
        mistakes.add(
            format!("{place}.on_failure"),
            "only the ledger knows a balance: expected deny or allow, found local",
        );
    }
    let local = OnFailure::Local(WhenFull::default());
    written.unwrap_or(if is_balance { OnFailure::Deny } else { local })
}

/// Checks the jitter, which only calendar periods have a use for.
fn jitter(
    document: &document::Bucket,
    counting: &Counting,
    tiers: Option<&Tiers>,
    place: &str,
    mistakes: &mut Mistakes,
) -> u64 {
    let Some(jitter) = document.jitter else { return 0 };
    let mut all = std::iter::once(counting).chain(tiers.iter().flat_map(|it| it.values.values()));
    if !all.any(|counting| matches!(counting.algorithm, Algorithm::FixedWindow { .. })) {
        mistakes.add(format!("{place}.jitter"), "only valid with `per`: remove this");
    }
    let jitter_ms = jitter.as_ms();
    if jitter_ms > MAX_JITTER_MS {
        mistakes
            .add(format!("{place}.jitter"), format!("expected at most 1h, found {jitter_ms}ms"));
    }
    jitter_ms
}
