//! The ledger: where counters live, the only place that counts. Pure: the time is passed in.
//!
//! [`Ledger`] is the in-memory ledger (the shim's `memory:`, and the one behind the simulation),
//! and the oracle: the shim's Lua script does the same arithmetic on Redis, and both must agree to
//! the number.
//!
//! # The definition
//!
//! A request is admitted if and only if, by the ledger's clock, what its counter counts leaves room
//! for its cost:
//!
//! - in a **sliding window**, the charges dated within the last window, less what was given back *of
//!   those same charges*. Above a limit of 128 a date may be late by at most 1/128 of the window. A
//!   lease is dated at its end until its unspent part is back, which then is as if it had never been
//!   charged;
//! - in a **fixed window**, the charges made in the period, less what was given back of those;
//! - in a **token bucket**, what would be missing from it had nothing been charged but what was not
//!   given back. Where more than 64 low points of its level matter, the later ones count as one,
//!   and a charge that costs more than was missing then comes back in part.
//!
//! On a Cluster, a request over several slots is named by the time of the first that decided: in the
//! others its charges seem older by the time in between, and a token bucket there may not get all back.
//!
//! So nothing is admitted that is too much, and nothing is refused that is not. `sliding` and `token`
//! say why, and the tests in `limits/tests/ledger` check both directions by brute force.
//!
//! # What is decided, and how
//!
//! - **All or nothing.** A request is admitted if every enforced charge fits; then all that fit are
//!   charged. Otherwise nothing is charged in any of its counters.
//! - **A shadow** (`enforce: false`) never denies. On an admitted request it is charged if it fits;
//!   one that does not is reported `admitted: false` and not charged.
//! - **A cost above the limit** in force can never be admitted. Enforced, it makes the request an
//!   error ([`DecisionError::CostExceedsLimit`](crate::wire::DecisionError::CostExceedsLimit)) rather than a wait that lies; the outcome says
//!   [`NEVER`] in `retry_after_ms`.
//! - **Unlimited** keys are counted (so nothing is lost when the override goes) and never denied; a
//!   token bucket is drained at most to empty. They are reported with 2^53 as the limit and as what
//!   is left.
//! - **Blocked** keys are denied until the time given, and then as long as the count says.
//! - **`remaining`** is what is left after the decision, **`reset_ms`** how long until more is,
//!   **`retry_after_ms`** how long until the charge fits: exactly, absent other traffic.
//! - **Leases.** On an admitted charge that asks for one, the ledger grants
//!   `min(wish, left ÷ (2 + leases out))`, rounded down: what is left is shared by those who have
//!   one, the one who asks and the one who asks next. It is charged at once. In a sliding window it
//!   is dated at its end, `min(lease_ms, window / 32)` ahead; the leases out are the entries that lie
//!   ahead. In a fixed window it ends with the period and is part of the count, which does not tell
//!   leases apart: half of what is left is granted. A token bucket grants none.
//! - **Settles** ([`Settle`]) are applied once: a mark with the settle's id stays as long as it can
//!   take effect. A lease may come back in several settles of one id, each of which says how much
//!   has come back in all; the mark holds that number, and what exceeds it takes effect. Giving back
//!   does as long as what was charged can still count, and cancels that charge and no other;
//!   charging afterwards does, dated when it arrives, whatever counts by then; either at most
//!   [`SETTLE_WITHIN_MS`] after the decision. Later, or for a decision that the counter has not seen,
//!   a settle is not applied.
//! - **A count** never exceeds 2^53: what would is counted as that.
//! - **A clock that steps back** finds the counters where they were: they wait for it. Nothing is
//!   admitted twice.
//! - **A changed limit** holds from the next decision on, and the count stays. A changed window
//!   likewise, for what is still there. A changed algorithm starts the counter anew.

mod fixed;
mod judge;
mod part;
mod reading;
mod request;
mod sliding;
mod state;
mod table;
mod terms;
mod token;

pub use part::SETTLE_WITHIN_MS;
pub use reading::NEVER;
pub use request::{
    BadCharges, BadDecisionId, BadSettleId, Charge, Decided, Refusal, Request, Settle,
    SettleCharge, SettleId, decision_ms,
};
pub use terms::{BadPeriods, MAX_TIME_MS, Method, Periods, Standing, Terms, TimeMs};

use crate::counter::CounterName;
use crate::wire::{ChargeOutcome, Settled};
use part::Part;
use serde::{Deserialize, Serialize};
use state::{Counter, Rules};
use table::Table;

/// Counters in memory: bounded, and never forgetting one that still counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ledger {
    counters: Table<Counter>,
    /// Settles that were applied.
    marks: Table<u64>,
}

impl Ledger {
    /// An empty ledger for at most `capacity` counters, and as many marks of settles.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { counters: Table::new(capacity), marks: Table::new(capacity) }
    }

    /// How many counters it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ledger's time when the clock says `now_ms`: never before the time at which a counter was
    /// last dropped as expired, since the ledger cannot know any more what counted before.
    #[must_use]
    pub fn time_ms(&self, now_ms: u64) -> u64 {
        let swept_ms = self.counters.swept_ms().max(self.marks.swept_ms());
        request::on_the_clock(now_ms).max(swept_ms)
    }

    /// Decides `request` at `now_ms`, all or nothing.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was charged.
    pub fn decide(&mut self, now_ms: u64, request: &Request) -> Result<Decided, Refusal> {
        let charges = request.charges();
        self.counters.make_room(self.time_ms(now_ms), charges.len());
        let now_ms = self.time_ms(now_ms);
        let judged = charges
            .iter()
            .map(|charge| self.judge(now_ms, charge))
            .collect::<Result<Vec<_>, _>>()?;
        let outcomes = judged.iter().map(|(_, outcome)| *outcome).collect();
        let mut decided = Decided::of(request, outcomes);
        if decided.admitted {
            let due = || charges.iter().zip(&judged).filter(|(_, (_, outcome))| outcome.admitted);
            self.require_room(due().map(|(charge, _)| &charge.counter))?;
            for ((charge, (rules, _)), outcome) in
                charges.iter().zip(&judged).zip(&mut decided.charges)
            {
                if outcome.admitted {
                    self.write(&charge.counter, rules, |counter| {
                        judge::charge(counter, now_ms, charge, rules, outcome);
                    });
                }
            }
        }
        Ok(decided)
    }

    /// What `charge` would come to at `now_ms`, by itself; nothing is charged, no lease granted.
    ///
    /// # Errors
    /// [`Refusal::Clock`].
    pub fn peek(&self, now_ms: u64, charge: &Charge) -> Result<ChargeOutcome, Refusal> {
        self.judge(self.time_ms(now_ms), charge).map(|(_, outcome)| outcome)
    }

    /// Forgets what `counter` has counted; tells whether there was anything.
    pub fn reset(&mut self, counter: &CounterName) -> bool {
        self.counters.remove(counter.as_str())
    }

    /// Applies `settle` at `now_ms`, if it has not been and something of the decision still counts.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was given back or charged.
    pub fn settle(&mut self, now_ms: u64, settle: &Settle) -> Result<Settled, Refusal> {
        self.counters.make_room(self.time_ms(now_ms), settle.charges().len());
        self.marks.make_room(self.time_ms(now_ms), 1);
        let now_ms = self.time_ms(now_ms);
        let mark = settle.mark();
        let before = self.marks.get(&mark).copied();
        let is_new = before.is_none_or(|before| settle.given_back() > before);
        let rest = before.filter(|_| is_new).map(|before| settle.without(before));
        let parts = rest
            .as_ref()
            .unwrap_or(settle)
            .charges()
            .iter()
            .map(|charge| self.part(now_ms, settle.decision_ms(), charge))
            .collect::<Result<Vec<_>, _>>()?;
        let until_ms = parts.iter().filter_map(|part| part.until_ms).max();
        let until_ms = until_ms.filter(|_| is_new);
        if let Some(until_ms) = until_ms {
            let written = || parts.iter().filter(|part| part.writes);
            self.require_room(written().map(|part| &part.charge.counter))?;
            if before.is_none() && !self.marks.has_room(1) {
                return Err(Refusal::Full { capacity: self.marks.capacity() });
            }
            self.marks.write(
                &mark,
                || 0,
                |given_back| {
                    *given_back = settle.given_back();
                    until_ms
                },
            );
            for part in written() {
                self.write(&part.charge.counter, &part.rules, |counter| {
                    part.apply(counter, now_ms);
                });
            }
        }
        let remaining = parts.iter().map(|part| self.left(now_ms, part));
        Ok(Settled { applied: until_ms.is_some(), remaining: remaining.collect() })
    }

    /// Gives back what was just charged by a request that was not decided as a whole after all. No
    /// mark is left: the caller does so once.
    ///
    /// # Errors
    /// [`Refusal::Clock`]; nothing was given back.
    pub(crate) fn undo(&mut self, now_ms: u64, charge: &SettleCharge) -> Result<(), Refusal> {
        let now_ms = self.time_ms(now_ms);
        let part = self.part(now_ms, now_ms, charge)?;
        if part.writes {
            self.write(&charge.counter, &part.rules, |counter| part.apply(counter, now_ms));
        }
        Ok(())
    }

    /// The ledger as bytes, for [`Self::from_bytes`] of the same build.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The ledger that [`Self::to_bytes`] made `bytes` of.
    #[must_use]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    fn judge(&self, now_ms: u64, charge: &Charge) -> Result<(Rules, ChargeOutcome), Refusal> {
        let rules = Rules::new(now_ms, &charge.terms)?;
        let outcome = match self.stored(&charge.counter, &rules) {
            Some(counter) => judge::judge(counter, now_ms, charge, &rules),
            None => judge::judge(&Counter::empty(&rules), now_ms, charge, &rules),
        };
        Ok((rules, outcome))
    }

    fn part<'a>(
        &self,
        now_ms: u64,
        decision_ms: u64,
        charge: &'a SettleCharge,
    ) -> Result<Part<'a>, Refusal> {
        let rules = Rules::new(now_ms, &charge.terms)?;
        let stored = self.stored(&charge.counter, &rules);
        Ok(Part::new(stored, rules, now_ms, decision_ms, charge))
    }

    fn left(&self, now_ms: u64, part: &Part<'_>) -> u64 {
        match self.stored(&part.charge.counter, &part.rules) {
            Some(counter) => counter.read(now_ms, &part.rules).left,
            None => part.rules.limit,
        }
    }

    /// The counter called `name`, if it counts by the rules' algorithm.
    fn stored(&self, name: &CounterName, rules: &Rules) -> Option<&Counter> {
        self.counters.get(name.as_str()).filter(|counter| counter.is_of(rules))
    }

    fn write(&mut self, name: &CounterName, rules: &Rules, change: impl FnOnce(&mut Counter)) {
        self.counters.write(
            name.as_str(),
            || Counter::empty(rules),
            |counter| {
                if !counter.is_of(rules) {
                    *counter = Counter::empty(rules);
                }
                change(counter);
                counter.expires_ms(rules)
            },
        );
    }

    /// Makes sure that all of these counters are there or can be added.
    fn require_room<'a>(
        &self,
        names: impl Iterator<Item = &'a CounterName>,
    ) -> Result<(), Refusal> {
        let new = names.filter(|name| self.counters.get(name.as_str()).is_none()).count();
        if self.counters.has_room(new) {
            Ok(())
        } else {
            Err(Refusal::Full { capacity: self.counters.capacity() })
        }
    }
}
