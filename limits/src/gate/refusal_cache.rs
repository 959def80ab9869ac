//! Caches the last rendered refusal: in a flood from one key, nearly every refusal is the same.
//! Called by `arrive`.

use super::answer::Answer;
use super::outbox::Asked;
use super::verdict::Judged;
use crate::counter::CounterName;
use crate::matched::Matched;
use crate::quota::Quota;
use crate::wire::Cost;
use std::sync::Arc;

/// The last refusal based on an earlier denial.
#[derive(Debug, Default)]
pub(super) struct RefusalCache(Option<Refusal>);

#[derive(Debug)]
struct Refusal {
    matched: Matched,
    charges: Vec<(CounterName, Part)>,
    /// The values that the log shows.
    logged: Vec<String>,
    /// The time that the answer shows; 0 if it shows none.
    shown_ms: u64,
    answer: Arc<Answer>,
}

/// The part of a charge that the rendering depends on, beside its counter: its bucket, how it counts,
/// its cost and its outcome, to the ms.
type Part = (usize, Quota, Cost, Judged);

impl RefusalCache {
    /// Returns the last answer, if it was to the same request. `shown_ms`: the time that the answer
    /// shows; 0 if it shows none.
    pub(super) fn find(
        &self,
        asked: &Asked,
        judged: &[Judged],
        shown_ms: u64,
    ) -> Option<&Arc<Answer>> {
        let last = self.0.as_ref()?;
        let charges = last.charges.iter().map(|(counter, part)| (counter, *part));
        let is_same = last.matched == asked.matched
            && last.shown_ms == shown_ms
            && charges.eq(parts(asked, judged))
            && last.logged.iter().eq(logged(asked));
        is_same.then_some(&last.answer)
    }

    /// Stores an answer.
    pub(super) fn note(
        &mut self,
        asked: &Asked,
        judged: &[Judged],
        shown_ms: u64,
        answer: &Arc<Answer>,
    ) {
        let charges = parts(asked, judged).map(|(counter, part)| (counter.clone(), part));
        let charges = charges.collect();
        let (matched, answer) = (asked.matched.clone(), Arc::clone(answer));
        let logged = logged(asked).cloned().collect();
        self.0 = Some(Refusal { matched, charges, logged, shown_ms, answer });
    }
}

fn parts<'a>(
    asked: &'a Asked,
    judged: &'a [Judged],
) -> impl Iterator<Item = (&'a CounterName, Part)> {
    asked.charges.iter().zip(judged).map(|(planned, judged)| {
        let charge = &planned.charge;
        (&charge.counter, (planned.bucket, charge.quota, charge.cost, *judged))
    })
}

fn logged(asked: &Asked) -> impl Iterator<Item = &String> {
    asked.charges.iter().flat_map(|planned| &planned.logged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::metrics::By;
    use crate::gate::tests::{charge_of, denied_for};
    use crate::origin::Origin;
    use crate::plan::PlannedCharge;

    fn asked(rule: usize, buckets: &[usize]) -> Asked {
        let charges = buckets.iter().map(|bucket| PlannedCharge {
            bucket: *bucket,
            charge: charge_of(&format!("b{bucket}"), 5),
            logged: Vec::new(),
        });
        let matched = Matched { rule: Some(rule), ..Matched::default() };
        Asked { matched, charges: charges.collect(), origin: Origin::UNKNOWN }
    }

    fn denied(retry_after_ms: u64) -> Judged {
        Judged { by: By::DeniedBefore, outcome: Some(denied_for(retry_after_ms)) }
    }

    #[test]
    fn only_an_identical_refusal_is_reused() {
        let mut cache = RefusalCache::default();
        let (one, two) = ([denied(900)], [denied(900), denied(900)]);
        assert_eq!(cache.find(&asked(1, &[0]), &one, 7), None);
        let answer = Arc::new(Answer {
            status: 429,
            headers: Vec::new(),
            body: b"{}".to_vec(),
            detail: String::new(),
            grpc_status: 8,
            summary: "denied".to_owned(),
        });
        cache.note(&asked(1, &[0]), &one, 7, &answer);
        assert_eq!(cache.find(&asked(1, &[0]), &one, 7), Some(&answer));
        assert_eq!(cache.find(&asked(1, &[0]), &one, 8), None, "another time is shown");
        assert_eq!(cache.find(&asked(2, &[0]), &one, 7), None, "another rule");
        assert_eq!(cache.find(&asked(1, &[1]), &one, 7), None, "another bucket");
        assert_eq!(cache.find(&asked(1, &[0, 0]), &two, 7), None, "an extra charge");
        assert_eq!(cache.find(&asked(1, &[0]), &[denied(899)], 7), None, "a ms later");
        let mut added = asked(1, &[0]);
        added.matched.base = vec![0];
        assert_eq!(cache.find(&added, &one, 7), None, "another base rule");
        let mut dearer = asked(1, &[0]);
        dearer.charges[0].charge.cost = Cost::clamped(2);
        assert_eq!(cache.find(&dearer, &one, 7), None, "another cost");
        let mut other = asked(1, &[0]);
        other.charges[0].charge.quota = charge_of("b0", 6).quota;
        assert_eq!(cache.find(&other, &one, 7), None, "another quota");
        let mut other = asked(1, &[0]);
        other.charges[0].logged.push("key.user=\"42\"".to_owned());
        assert_eq!(cache.find(&other, &one, 7), None, "another key in the log");
        let uncounted = Judged { by: By::DeniedBefore, outcome: None };
        assert_eq!(cache.find(&asked(1, &[0]), &[uncounted], 7), None);
        let mut other = asked(1, &[0]);
        other.charges[0].charge = charge_of("another payer", 5);
        assert_eq!(cache.find(&other, &one, 7), None, "another payer");
    }
}
