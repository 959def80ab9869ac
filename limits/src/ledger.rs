//! The ledger: where counters live, and the only place that counts. Pure: the time is passed in.
//!
//! [`Ledger`] is the in-memory ledger, used by the shim's `memory:` store and by the simulation. It
//! is also the reference for the Lua script that does the same arithmetic on Redis: the two must
//! agree exactly.
//!
//! # The definition
//!
//! A request is admitted if and only if, on the ledger's clock, its counter has room for its cost.
//! The counted charges depend on the algorithm:
//!
//! - **Sliding window**: the charges dated within the last window, less what was given back *of
//!   those same charges*. Above a limit of 128, a date can be late by at most 1/128 of the window.
//!   A lease is dated at its end. Once its unspent part is given back, that part counts as if it
//!   had never been charged.
//! - **Fixed window**: the charges made in the period, less what was given back of those.
//! - **Token bucket**: the tokens that would be missing if the refunded charges had never been
//!   made. If more than 64 low points of its level matter, the later ones count as one. A refund
//!   larger than the tokens missing at that point then comes back only in part.
//! - **Balance**: all charges since the account was opened, less what was given back of those.
//!   Top-ups add to what they may come to.
//!
//! On a Cluster, a request over several slots gets the time of the first slot that decided. In the
//! other slots, its charges seem older by the time between the two decisions, so a token bucket
//! there may not get everything back.
//!
//! So the ledger never admits too much and never denies without need. `sliding` and `token` explain
//! why, and the tests in `limits/tests/ledger` check both directions by brute force.
//!
//! # Details
//!
//! - **All or nothing.** A request is admitted if every enforced charge fits; then all that fit are
//!   charged. Otherwise none of its counters is charged.
//! - **A shadow charge** (`enforce: false`) never denies. On an admitted request, it is charged if
//!   it fits; otherwise it is reported as `admitted: false` and not charged.
//! - **A cost above the limit** in force can never be admitted. If enforced, it makes the request
//!   an error ([`DecisionError::CostExceedsLimit`](crate::wire::DecisionError::CostExceedsLimit))
//!   rather than a wait that never ends. The outcome's `retry_after_ms` is [`NEVER`]. A balance that
//!   is used up has that wait too, but is a denial: a top-up helps.
//! - **Unlimited** keys are counted, so that nothing is lost when the override ends, but never
//!   denied. A token bucket is drained at most to empty. The outcome reports 2^53 as the limit and
//!   as the remaining capacity.
//! - **Blocked** keys are denied until the given time, and after that while the limit is exceeded.
//! - **A block for repeated refusals** (`block` of a charge) denies all charges of a counter that
//!   was refused too often. `repeated` has the definition.
//! - **`remaining`** is the capacity left after the decision. **`reset_ms`** is the time until it
//!   next grows, and **`retry_after_ms`** the time until the charge fits. Both are exact if there
//!   is no other traffic.
//! - **Leases.** To an admitted charge that asks for a lease, the ledger grants
//!   `min(wish, left ÷ (2 + active leases))`, rounded down: the remaining capacity is shared among
//!   the holders, the one asking, and the next one to ask. The grant is charged at once. In a
//!   sliding window, it is dated at its end, `min(lease_ms, window / 32)` ahead, and the active
//!   leases are the entries dated ahead. In a fixed window, it ends with the period and becomes
//!   part of the count. The count does not distinguish leases, so half of what is left is granted.
//!   A token bucket and a balance grant no leases: what a gateway loses of one would be lost to the
//!   customer.
//! - **Settles** ([`Settle`]) are idempotent: a mark with the settle's id is kept for as long as
//!   the settle can take effect. A lease can come back in several settles with the same id, each
//!   with the total given back so far. The mark holds that total, and only the excess over it takes
//!   effect. A give-back takes effect while the charge can still count, and cancels that charge and
//!   no other. A late charge is dated at its arrival. Both take effect at most [`SETTLE_WITHIN_MS`]
//!   after the decision. A settle that is later, or whose decision the counter has not seen, is not
//!   applied.
//! - **A count** never exceeds 2^53; larger values are capped.
//! - **A clock that steps back** leaves the counters unchanged until it catches up. Nothing is
//!   admitted twice.
//! - **A changed limit** applies from the next decision on, and the count is kept. A changed window
//!   also applies to the charges still stored. A changed algorithm resets the counter.

mod balance;
mod fixed;
mod judge;
mod page;
mod part;
mod reading;
mod repeated;
mod request;
mod sliding;
mod state;
mod table;
mod terms;
mod token;
mod top_up;

pub(crate) use page::{Claim, Counted, NoPlace, Page};
pub use part::SETTLE_WITHIN_MS;
pub use reading::NEVER;
pub use request::{
    BadCharges, BadDecisionId, BadSettleId, Charge, Decided, Refusal, Request, Settle,
    SettleCharge, SettleId, decision_ms,
};
pub use terms::{BadPeriods, MAX_TIME_MS, Method, Periods, Standing, Terms, TimeMs};
pub use top_up::{TOP_UP_REMEMBERED_MS, TopUp, TopUpEffect, ToppedUp};

use crate::counter::CounterName;
use crate::wire::{ChargeOutcome, Settled};
use balance::Account;
use part::Part;
use repeated::Repeated;
use state::{Counter, NEVER_MS, Rules};
use table::Table;

/// A bounded in-memory ledger that never drops a counter that still counts.
#[derive(Debug, Clone)]
pub struct Ledger {
    counters: Table<Counter>,
    /// The marks of applied settles.
    marks: Table<u64>,
    /// The refusals of counters whose buckets have blocks.
    refusals: Table<Repeated>,
}

/// A charge's outcome by itself, and what to store for it.
struct Judged {
    rules: Rules,
    outcome: ChargeOutcome,
    /// The counter's refusals, if they changed.
    refusals: Option<Refusals>,
}

/// A counter's changed refusals or block, to be stored.
struct Refusals {
    name: String,
    state: Repeated,
    expires_ms: u64,
}

impl Ledger {
    /// Creates an empty ledger for at most `capacity` counters, as many marks, and as many counters
    /// with refusals or blocks. Beyond that, refusals are not counted.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            counters: Table::new(capacity),
            marks: Table::new(capacity),
            refusals: Table::new(capacity),
        }
    }

    /// Returns the number of counters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Returns true if there are no counters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the ledger's time when the clock shows `now_ms`. It is never earlier than the last
    /// time an expired counter was dropped, because earlier counts can no longer be known.
    #[must_use]
    pub fn time_ms(&self, now_ms: u64) -> u64 {
        let swept_ms = self.counters.swept_ms().max(self.marks.swept_ms());
        let swept_ms = swept_ms.max(self.refusals.swept_ms());
        request::on_the_clock(now_ms).max(swept_ms)
    }

    /// Decides `request` at `now_ms`, all or nothing.
    ///
    /// # Errors
    /// Fails with a [`Refusal`]; nothing was charged.
    pub fn decide(&mut self, now_ms: u64, request: &Request) -> Result<Decided, Refusal> {
        let charges = request.charges();
        self.counters.make_room(self.time_ms(now_ms), charges.len());
        if charges.iter().any(|charge| charge.block.is_some()) {
            self.refusals.make_room(self.time_ms(now_ms), charges.len());
        }
        let now_ms = self.time_ms(now_ms);
        let counts = self.refusals.has_room(charges.len());
        let mut judged: Vec<Judged> = Vec::with_capacity(charges.len());
        for charge in charges {
            judged.push(self.judge(now_ms, charge, &judged, counts)?);
        }
        let outcomes = judged.iter().map(|judged| judged.outcome).collect();
        let mut decided = Decided::of(request, outcomes);
        if decided.admitted {
            let due = || charges.iter().zip(&judged).filter(|(_, judged)| judged.outcome.admitted);
            self.require_room(due().map(|(charge, _)| &charge.counter))?;
            for ((charge, Judged { rules, .. }), outcome) in
                charges.iter().zip(&judged).zip(&mut decided.charges)
            {
                if outcome.admitted {
                    self.write(&charge.counter, rules, |counter| {
                        judge::charge(counter, now_ms, charge, rules, outcome);
                    });
                }
            }
        }
        for Refusals { name, state, expires_ms } in
            judged.into_iter().filter_map(|one| one.refusals)
        {
            let change = |stored: &mut Repeated| {
                *stored = state;
                expires_ms
            };
            self.refusals.write(&name, Repeated::default, change);
        }
        Ok(decided)
    }

    /// Returns the outcome that `charge` would have by itself at `now_ms`. Charges nothing and
    /// grants no lease.
    ///
    /// # Errors
    /// [`Refusal::Clock`] if no period given contains the ledger's time.
    pub fn peek(&self, now_ms: u64, charge: &Charge) -> Result<ChargeOutcome, Refusal> {
        self.judge(self.time_ms(now_ms), charge, &[], false).map(|judged| judged.outcome)
    }

    /// Adds to a balance, unless the same top-up was applied before.
    ///
    /// # Errors
    /// [`Refusal::Full`] if the ledger is full. The counter is unchanged then.
    pub fn top_up(&mut self, now_ms: u64, top_up: &TopUp) -> Result<ToppedUp, Refusal> {
        self.counters.make_room(self.time_ms(now_ms), 1);
        self.marks.make_room(self.time_ms(now_ms), 1);
        let now_ms = self.time_ms(now_ms);
        let (mark, amount) = (top_up.mark(), top_up.amount.get());
        let account = match self.counters.get(top_up.counter.as_str()) {
            Some(Counter::Balance(account)) => *account,
            _ => Account::default(),
        };
        let known = self.marks.get(&mark).copied();
        let mut changed = account;
        let effect = match known {
            Some(before) => TopUpEffect::Repeated(before),
            None if changed.top_up(now_ms, amount) => TopUpEffect::Added,
            None => TopUpEffect::TooMuch,
        };
        if effect == TopUpEffect::Added {
            self.require_room(std::iter::once(&top_up.counter))?;
            if !self.marks.has_room(1) {
                return Err(Refusal::Full { capacity: self.marks.capacity() });
            }
            let until_ms = now_ms + TOP_UP_REMEMBERED_MS;
            self.marks.write(&mark, || amount, |_| until_ms);
            let write = |counter: &mut Counter| {
                *counter = Counter::Balance(changed);
                NEVER_MS
            };
            self.counters.write(top_up.counter.as_str(), || Counter::Balance(account), write);
        }
        Ok(ToppedUp { effect, added: changed.added() })
    }

    /// Deletes `counter`, and its refusals or block. Returns false if neither existed.
    pub fn reset(&mut self, counter: &CounterName) -> bool {
        let was_refused = self.unblock(counter);
        self.counters.remove(counter.as_str()) || was_refused
    }

    /// Deletes the refusals or the block of `counter`, and keeps its count. Returns false if there
    /// were none.
    pub fn unblock(&mut self, counter: &CounterName) -> bool {
        self.refusals.remove(&counter.refusals())
    }

    /// Applies `settle` at `now_ms`, unless it was applied before or no charge of the decision
    /// still counts.
    ///
    /// # Errors
    /// Fails with a [`Refusal`]; nothing was given back or charged.
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

    /// Judges `charge` by itself, after `earlier` charges of its request. `counts`: true to count it
    /// if it is refused.
    fn judge(
        &self,
        now_ms: u64,
        charge: &Charge,
        earlier: &[Judged],
        counts: bool,
    ) -> Result<Judged, Refusal> {
        let rules = Rules::new(now_ms, &charge.terms)?;
        let judge = || match self.stored(&charge.counter, &rules) {
            Some(counter) => judge::judge(counter, now_ms, charge, &rules),
            None => judge::judge(&Counter::empty(&rules), now_ms, charge, &rules),
        };
        let Some(block) = charge.block.filter(|_| !charge.terms.is_unlimited()) else {
            return Ok(Judged { rules, outcome: judge(), refusals: None });
        };
        let name = charge.counter.refusals();
        // Two variants of a bucket's counter share their refusals.
        let changed = earlier.iter().rev().filter_map(|judged| judged.refusals.as_ref());
        let changed = changed.filter(|own| own.name == name).map(|own| &own.state).next();
        let mut state = changed.or_else(|| self.refusals.get(&name)).cloned().unwrap_or_default();
        let (outcome, is_changed) =
            judge::judge_repeated(now_ms, &block, &mut state, counts, &rules, judge);
        let refusals =
            is_changed.then(|| Refusals { name, expires_ms: state.expires_ms(&block), state });
        Ok(Judged { rules, outcome, refusals })
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

    /// Returns the counter called `name`, if it uses the rules' algorithm.
    fn stored(&self, name: &CounterName, rules: &Rules) -> Option<&Counter> {
        self.counters.get(name.as_str()).filter(|counter| counter.matches(rules))
    }

    fn write(&mut self, name: &CounterName, rules: &Rules, change: impl FnOnce(&mut Counter)) {
        self.counters.write(
            name.as_str(),
            || Counter::empty(rules),
            |counter| {
                if !counter.matches(rules) {
                    *counter = Counter::empty(rules);
                }
                change(counter);
                counter.expires_ms(rules)
            },
        );
    }

    /// Returns an error unless each of these counters exists or can be added.
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
