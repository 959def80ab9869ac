//! Matches requests whose paths servers read in different ways. Called by [`crate::plan`] and
//! [`crate::explain`] for paths that [`NormalPath::parse`] refuses.
//!
//! Such a request is accepted in one reading, and then treated as if its path had been sent in the
//! plain spelling of that reading. It is accepted only if nothing depends on the upstream reading
//! the path in another way than the policy says:
//!
//! - The rule that ends the search accepts the path in this reading. If no rule does, a rule with
//!   `continue` or the policy must.
//! - An exemption or rule looked at that rejects such paths gives the same answer in every reading.
//! - One that accepts them in another reading gives the same answer in both.
//! - Below the rule that ends the search, no rule that rejects such paths is waiting for the request
//!   in a reading in which the search goes on.
//!
//! All other requests are answered with 400.

mod respelled;

use crate::facts::Facts;
use crate::matched::{Entry, Matched};
use crate::matching::{Mismatch, Seen};
use crate::path::spelling::{Oddities, Reading};
use crate::path::{BadPath, NormalPath};
use crate::policy::{Match, Policy, Spelling};
pub(crate) use respelled::Respelled;

/// A request that was accepted in one reading of its path.
pub(crate) struct Accepted<'a, F> {
    /// The request, with its path in the plain spelling.
    pub(crate) facts: Respelled<'a, F>,
    pub(crate) path: NormalPath,
    pub(crate) matched: Matched,
    /// The entries that were looked at and did not match.
    pub(crate) passed_over: Vec<(Entry, Mismatch)>,
    /// The first error of a CEL condition.
    pub(crate) failed: Option<String>,
}

impl Policy {
    /// Matches a request whose path, `raw`, could not be normalized because of `bad`.
    ///
    /// # Errors
    /// [`BadPath`] if the policy does not accept the path.
    pub(crate) fn accepted<'a, F: Facts>(
        &self,
        facts: &'a F,
        raw: &[u8],
        bad: BadPath,
    ) -> Result<Accepted<'a, F>, BadPath> {
        if !self.accepts_any() {
            return Err(bad);
        }
        let oddities = Oddities::of(raw)?;
        let readings = oddities.readings().map(|reading| {
            let path = NormalPath::read(raw, reading)?;
            Ok((reading, Respelled::new(facts, path.respelled(raw)), path))
        });
        let readings = readings.collect::<Result<Vec<_>, BadPath>>()?;
        let seen =
            readings.iter().map(|(reading, facts, path)| (*reading, Seen::new(facts, Some(path))));
        let search = Search { policy: self, oddities, readings: seen.collect() };
        let found = search.readings.iter().find_map(|(reading, seen)| {
            let (matched, passed_over) = search.accepted_in(*reading, seen)?;
            Some((*reading, matched, passed_over, seen.take_failed()))
        });
        let (accepted, matched, passed_over, failed) = found.ok_or(bad)?;
        drop(search);
        let mut readings = readings.into_iter();
        let (_, facts, path) = readings.find(|(reading, ..)| *reading == accepted).ok_or(bad)?;
        Ok(Accepted { facts, path, matched, passed_over, failed })
    }

    fn accepts_any(&self) -> bool {
        let rejects_all = Spelling::default();
        self.spelling != rejects_all || self.rules.iter().any(|rule| rule.spelling != rejects_all)
    }
}

/// A request in all readings of its path.
struct Search<'a, F> {
    policy: &'a Policy,
    oddities: Oddities,
    readings: Vec<(Reading, Seen<'a, F>)>,
}

impl<F: Facts> Search<'_, F> {
    /// Matches the request in one reading. Returns `None` if it is not accepted in it.
    fn accepted_in(
        &self,
        reading: Reading,
        seen: &Seen<'_, F>,
    ) -> Option<(Matched, Vec<(Entry, Mismatch)>)> {
        let (matched, passed_over) = self.policy.matched_with_reasons(seen);
        let end = matched.exempt.map(Entry::Exempt).or(matched.rule.map(Entry::Rule));
        let is_clear = matched
            .base
            .iter()
            .map(|at| Entry::Rule(*at))
            .chain(end)
            .chain(passed_over.iter().map(|(entry, _)| *entry))
            .all(|entry| self.agrees(entry, reading, seen));
        let accepts = |entry: Entry| self.reading_of(entry) == Some(reading);
        let is_accepted = match end {
            Some(end) => accepts(end) && self.is_clear_below(end, seen),
            None => {
                matched.base.iter().any(|at| accepts(Entry::Rule(*at)))
                    || self.policy.spelling.reading(self.oddities) == Some(reading)
            }
        };
        (is_clear && is_accepted).then_some((matched, passed_over))
    }

    /// Returns true if `entry` gives the same answer in all readings that it does not exclude.
    fn agrees(&self, entry: Entry, reading: Reading, seen: &Seen<'_, F>) -> bool {
        let own = self.reading_of(entry);
        let is_match = self.is_match(entry, seen);
        let others = self.readings.iter().filter(|(other, _)| match own {
            None => *other != reading,
            Some(own) => *other == own && own != reading,
        });
        others.map(|(_, other)| self.is_match(entry, other)).all(|other| other == is_match)
    }

    /// Returns true if no rule below `end` that rejects such paths matches in a reading in which
    /// `end` does not, although it does not match in the accepted one, `seen`.
    fn is_clear_below(&self, end: Entry, seen: &Seen<'_, F>) -> bool {
        let below = match end {
            Entry::Exempt(_) => 0,
            Entry::Rule(at) => at + 1,
        };
        let goes_on = |(_, other): &&(Reading, Seen<'_, F>)| !self.is_match(end, other);
        let mut waiting: Vec<_> = self.readings.iter().filter(goes_on).collect();
        for (at, rule) in self.policy.rules.iter().enumerate().skip(below) {
            if waiting.is_empty() {
                break;
            }
            let rule_entry = Entry::Rule(at);
            let rejects = self.reading_of(rule_entry).is_none();
            let hits = |(_, other): &&(Reading, Seen<'_, F>)| self.is_match(rule_entry, other);
            if rejects && !self.is_match(rule_entry, seen) && waiting.iter().any(hits) {
                return false;
            }
            if !rule.continues {
                waiting.retain(|one| !hits(one));
            }
        }
        true
    }

    /// Returns the reading in which `entry` accepts such paths; `None` if it rejects them.
    fn reading_of(&self, entry: Entry) -> Option<Reading> {
        let spelling = match entry {
            Entry::Exempt(_) => self.policy.spelling,
            Entry::Rule(at) => self.policy.rules.get(at)?.spelling,
        };
        spelling.reading(self.oddities)
    }

    fn is_match(&self, entry: Entry, seen: &Seen<'_, F>) -> bool {
        let matching: Option<&Match> = match entry {
            Entry::Exempt(at) => self.policy.exempt.get(at),
            Entry::Rule(at) => self.policy.rules.get(at).map(|rule| &rule.matching),
        };
        matching.is_some_and(|matching| matching.fits(self.policy, seen))
    }
}

#[cfg(test)]
mod tests;
