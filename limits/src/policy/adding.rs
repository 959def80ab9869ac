//! Checks that the rules that add up cannot charge a request to more buckets than it may have.

use super::charges::RuleCharge;
use super::mistakes::Mistakes;
use crate::wire::MAX_CHARGES;

/// The buckets of the rules with `continue` so far.
#[derive(Debug, Default)]
pub(super) struct Adding {
    base: Vec<usize>,
    is_reported: bool,
}

impl Adding {
    /// Adds the rule at `place`. Counts all rules with `continue` before it, because any of them may
    /// match the same request.
    pub(super) fn add(
        &mut self,
        place: &str,
        charge: &[RuleCharge],
        continues: bool,
        mistakes: &mut Mistakes,
    ) {
        let charged = || charge.iter().map(|charge| charge.bucket);
        let own = charged().filter(|bucket| !self.base.contains(bucket)).count();
        let total = self.base.len() + own;
        let is_too_many = !self.base.is_empty() && total > MAX_CHARGES;
        if is_too_many && !self.is_reported {
            self.is_reported = true;
            mistakes.add(
                format!("{place}.charge"),
                format!(
                    "expected at most {MAX_CHARGES} buckets, together with those of the rules with \
                     `continue` before it, found {total}"
                ),
            );
        }
        if continues {
            self.base.extend(charged());
            self.base.sort_unstable();
            self.base.dedup();
        }
    }
}
