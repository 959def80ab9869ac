//! The charges of a rule, and their checks.

use super::amount::{self, Amount, Use};
use super::buckets::Bucket;
use super::document;
use super::mistakes::Mistakes;
use crate::wire::MAX_CHARGES;

/// A bucket that a rule charges, and the cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCharge {
    /// The bucket's index in [`super::Policy::buckets`].
    pub bucket: usize,
    /// The cost. A request that costs 0 is not charged.
    pub cost: Amount,
}

/// The buckets of a policy: the names of all, and those that are valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buckets<'a> {
    pub(super) names: &'a [String],
    pub(super) valid: &'a [Bucket],
}

/// Checks the charges of the rule at `place`.
pub(super) fn checked(
    place: &str,
    documents: &[document::Charge],
    buckets: Buckets<'_>,
    mistakes: &mut Mistakes,
) -> Vec<RuleCharge> {
    if documents.len() > MAX_CHARGES {
        mistakes.add(
            format!("{place}.charge"),
            format!("expected at most {MAX_CHARGES} buckets, found {}", documents.len()),
        );
    }
    let mut charges: Vec<RuleCharge> = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let place = format!("{place}.charge[{index}]");
        let name = document.bucket();
        let cost = cost(document.cost(), &format!("{place}.cost"), mistakes);
        match buckets.names.iter().position(|bucket| bucket == name) {
            None => mistakes.unknown(place, "bucket", name, buckets.names.iter()),
            Some(at) if charges.iter().any(|charge| charge.bucket == at) => {
                mistakes.add(place, format!("{name:?} is listed twice"));
            }
            Some(at) => {
                let Some(cost) = cost else { continue };
                let bucket = buckets.valid.iter().find(|bucket| bucket.name == name);
                fits(&cost, bucket, &place, mistakes);
                charges.push(RuleCharge { bucket: at, cost });
            }
        }
    }
    charges
}

fn cost(
    document: Option<&document::Amount>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Amount> {
    let Some(document) = document else { return Some(Amount::ONE) };
    let cost = amount::checked(document, place, Use::Cost, mistakes)?;
    if matches!(cost, Amount::Fixed(number) if number.get() == 0) {
        mistakes.add(place, "a cost of 0 charges nothing: remove this charge");
    }
    Some(cost)
}

/// Reports a cost that is always above the bucket's limit.
fn fits(cost: &Amount, bucket: Option<&Bucket>, place: &str, mistakes: &mut Mistakes) {
    let Some(bucket) = bucket else { return };
    let (least, limit) = (cost.smallest(), bucket.largest_limit());
    if least > limit.max(1) {
        mistakes.add(
            format!("{place}.cost"),
            format!(
                "expected at most the limit of {:?}, {limit}, found {least}: it could never be admitted",
                bucket.name
            ),
        );
    }
}
