//! One counter's history, and the records that the ledger is checked against.
//!
//! The first record is in *true* time, which never steps back; the ledger sees a clock that may. It
//! holds what was used and when: each admitted cost at its admission, and each part of a lease when
//! it was spent, less refunds. It knows nothing of entries, slots, periods or units.
//!
//! The second record uses the ledger's clock, for the other direction. It holds what the definition
//! counts: each charge at its date and each lease at its end, less what was given back of that
//! charge.

use limits::counter::{CounterName, Identity};
use limits::ledger::{
    Charge, Decided, Ledger, Method, Periods, Refusal, Request, Settle, SettleCharge, SettleId,
    Terms, TimeMs,
};
use limits::quota::{Limit, SlidingWindow, TokenBucket, WindowMs};
use limits::wire::{ChargeOutcome, Cost, LeaseAsk, LeaseWish, SettleAmount};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

/// The start of each history, on both clocks.
pub(crate) const START_MS: u64 = 1_000_000;

/// Configures `cases` cases. Seeds of failures are saved in `file`.
pub(crate) fn cases(cases: u32, file: &'static str) -> Config {
    let persistence = FileFailurePersistence::Direct(file);
    Config { cases, failure_persistence: Some(Box::new(persistence)), ..Config::default() }
}

/// The counter's algorithm and its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    Sliding { limit: u64, window_ms: u64 },
    Fixed { limit: u64, period_ms: u64 },
    Tokens { rate: u64, per_ms: u64, burst: u64 },
}

impl Algorithm {
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Sliding { limit, .. } | Self::Fixed { limit, .. } => limit,
            Self::Tokens { burst, .. } => burst,
        }
    }

    pub(crate) fn with_limit(self, limit: u64) -> Self {
        match self {
            Self::Sliding { window_ms, .. } => Self::Sliding { limit, window_ms },
            Self::Fixed { period_ms, .. } => Self::Fixed { limit, period_ms },
            Self::Tokens { rate, per_ms, .. } => Self::Tokens { rate, per_ms, burst: limit },
        }
    }

    pub(crate) fn terms(self, now_ms: u64) -> Terms {
        Terms::limited(match self {
            Self::Sliding { limit, window_ms } => Method::SlidingWindow(SlidingWindow {
                limit: Limit::new(limit).unwrap(),
                window_ms: WindowMs::new(window_ms).unwrap(),
            }),
            Self::Fixed { limit, period_ms } => {
                let start_ms = now_ms - now_ms % period_ms;
                let bounds = [0, 1, 2].map(|n| TimeMs::new(start_ms + n * period_ms).unwrap());
                let periods = Periods::new(bounds).unwrap();
                Method::FixedWindow { limit: Limit::new(limit).unwrap(), periods }
            }
            Self::Tokens { rate, per_ms, burst } => {
                let (rate, burst) = (Limit::new(rate).unwrap(), Limit::new(burst).unwrap());
                let per_ms = WindowMs::new(per_ms).unwrap();
                Method::TokenBucket(TokenBucket::new(rate, per_ms, burst).unwrap())
            }
        })
    }
}

/// One step of a history, after `wait_ms` of true time. The effect of `what`, `which` and `amount`
/// depends on the state at that time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) wait_ms: u64,
    pub(crate) what: u8,
    pub(crate) which: usize,
    pub(crate) amount: u64,
}

/// Generates up to `length` steps, with waits that form bursts, pauses, and a few long gaps.
pub(crate) fn steps(length: usize, longest_wait_ms: u64) -> impl Strategy<Value = Vec<Step>> {
    let wait_ms = prop_oneof![
        3 => Just(0_u64),
        4 => 0..=longest_wait_ms / 20,
        1 => 0..=longest_wait_ms
    ];
    let step = (wait_ms, 0..100_u8, 0..1_000_usize, 0..1_000_u64)
        .prop_map(|(wait_ms, what, which, amount)| Step { wait_ms, what, which, amount });
    prop::collection::vec(step, 1..=length)
}

/// The kinds of steps allowed, as percentages. All other steps are charges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mix {
    pub(crate) refunds: u8,
    pub(crate) leases: u8,
    pub(crate) steps_back: u8,
    pub(crate) late_charges: u8,
    pub(crate) limit_changes: u8,
}

/// All kinds of steps.
pub(crate) const ALL: Mix =
    Mix { refunds: 12, leases: 20, steps_back: 4, late_charges: 6, limit_changes: 6 };

/// A use, in true time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) at_ms: u64,
    /// The ledger's time.
    pub(crate) clock_ms: u64,
    /// The cost, less refunds.
    pub(crate) cost: u64,
    /// The part for which no refund has been sent.
    unclaimed: u64,
}

/// A charge that the definition counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dated {
    /// The time when it was charged, on the ledger's clock.
    pub(crate) made_ms: u64,
    /// Its date on the same clock; a lease is dated at its end.
    pub(crate) at_ms: u64,
    /// The cost, less refunds.
    pub(crate) cost: u64,
}

/// A charge that can be given back.
#[derive(Debug, Clone, Copy)]
struct Decision {
    /// Its index in the uses.
    place: usize,
    /// Its index in the dated charges.
    dated: usize,
    decision_ms: u64,
}

/// A granted lease.
#[derive(Debug, Clone, Copy)]
struct Lease {
    dated: usize,
    decision_ms: u64,
    ends_ms: u64,
    lease_ms: u64,
    unspent: u64,
}

/// A settle that was sent, and its effect on the records.
#[derive(Debug, Clone)]
struct Sent {
    settle: Settle,
    effect: Effect,
    applied: bool,
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    /// Reduces the use at this index, and its dated charge.
    Refund { place: usize, dated: usize, amount: u64 },
    /// Adds a use.
    Late(u64),
    /// Reduces the dated charge. The unspent part was never used.
    LeaseBack { dated: usize, amount: u64 },
}

/// The outcome of a step.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A charge was admitted; the index of its use.
    Admitted(usize),
    /// A charge of this cost was denied.
    Denied(u64, ChargeOutcome),
    /// Anything else.
    Other,
}

/// One counter and its records.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) algorithm: Algorithm,
    /// True time.
    pub(crate) true_ms: u64,
    /// The time by which the clock is behind true time.
    behind_ms: u64,
    pub(crate) uses: Vec<Use>,
    /// The charges that the definition counts.
    pub(crate) dated: Vec<Dated>,
    decisions: Vec<Decision>,
    leases: Vec<Lease>,
    settles: Vec<Sent>,
    counter: CounterName,
}

impl World {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self::on(Ledger::new(10), algorithm, "bucket")
    }

    pub(crate) fn on(ledger: Ledger, algorithm: Algorithm, bucket: &str) -> Self {
        let identity = Identity::derive(b"", [bucket.as_bytes()]);
        Self {
            ledger,
            algorithm,
            true_ms: START_MS,
            behind_ms: 0,
            uses: Vec::new(),
            dated: Vec::new(),
            decisions: Vec::new(),
            leases: Vec::new(),
            settles: Vec::new(),
            counter: CounterName::new(&identity, bucket).unwrap(),
        }
    }

    /// Returns the time on the clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.true_ms - self.behind_ms
    }

    /// Returns the true time, and how far the clock is behind it.
    pub(crate) fn clock(&self) -> (u64, u64) {
        (self.true_ms, self.behind_ms)
    }

    /// Sets the time, as returned by [`Self::clock`].
    pub(crate) fn set_clock(&mut self, true_ms: u64, behind_ms: u64) {
        (self.true_ms, self.behind_ms) = (true_ms, behind_ms);
    }

    /// Builds a charge of the counter at `now_ms`.
    pub(crate) fn charge_at(&self, now_ms: u64, cost: u64) -> Charge {
        Charge {
            counter: self.counter.clone(),
            cost: Cost::new(cost).unwrap(),
            enforce: true,
            terms: self.algorithm.terms(now_ms),
            lease: None,
            block: None,
        }
    }

    /// Returns the outcome that a charge at `now_ms` would have.
    pub(crate) fn peek_at(&self, now_ms: u64, cost: u64) -> ChargeOutcome {
        self.ledger.peek(now_ms, &self.charge_at(now_ms, cost)).unwrap()
    }

    /// Performs `step`.
    pub(crate) fn step(&mut self, step: &Step, mix: Mix) -> Outcome {
        self.true_ms += step.wait_ms;
        let mut what = step.what;
        let mut is = |share: u8| {
            let hit = what < share;
            what = what.saturating_sub(share);
            hit && share > 0
        };
        if is(mix.refunds / 3) {
            self.deliver_again(step);
        } else if is(mix.refunds - mix.refunds / 3) {
            self.refund(step);
        } else if is(mix.leases / 2) {
            self.spend(step);
        } else if is(mix.leases / 4) {
            self.give_lease_back(step);
        } else if is(mix.leases - mix.leases / 2 - mix.leases / 4) {
            return self.charge(step, true);
        } else if is(mix.steps_back) {
            self.behind_ms += (step.amount * 7).min(self.now_ms() / 2);
        } else if is(mix.late_charges) {
            self.charge_late(step);
        } else if is(mix.limit_changes) {
            let limit = [1, 4, 100, 128, 129, 1_000][step.which % 6];
            self.algorithm = self.algorithm.with_limit(limit);
        } else {
            return self.charge(step, false);
        }
        Outcome::Other
    }

    /// Returns the step's cost: mostly small, and at most the limit.
    pub(crate) fn cost_of(&self, step: &Step) -> u64 {
        let cost = if step.which.is_multiple_of(3) { step.amount } else { step.amount % 3 };
        1 + cost % self.algorithm.limit()
    }

    fn charge(&mut self, step: &Step, lease: bool) -> Outcome {
        let now_ms = self.ledger.time_ms(self.now_ms());
        let mut charge = self.charge_at(now_ms, self.cost_of(step));
        if lease {
            let lease_ms = WindowMs::clamped(step.which as u64 % 300);
            charge.lease = Some(LeaseAsk { wish: LeaseWish::clamped(step.amount), lease_ms });
        }
        let (cost, decided) = (charge.cost.get(), self.decide(now_ms, charge));
        let Ok(Decided { admitted, charges, .. }) = decided else { return Outcome::Other };
        let outcome = charges[0];
        assert_eq!(outcome.limit, self.algorithm.limit());
        if !admitted {
            assert!(outcome.lease.is_none(), "a lease on a denied charge");
            return Outcome::Denied(cost, outcome);
        }
        if let Some(lease) = outcome.lease {
            assert!((1..=step.amount).contains(&lease.granted), "{lease:?}");
            let dated = self.date(now_ms, lease.lease_ms, lease.granted);
            self.leases.push(Lease {
                dated,
                decision_ms: now_ms,
                ends_ms: self.true_ms + lease.lease_ms,
                lease_ms: lease.lease_ms,
                unspent: lease.granted,
            });
        }
        let place = self.record(cost);
        let dated = self.date(now_ms, 0, cost);
        self.decisions.push(Decision { place, dated, decision_ms: now_ms });
        Outcome::Admitted(place)
    }

    /// Adds a dated charge of `cost`, made at `made_ms` and dated `ahead_ms` later.
    fn date(&mut self, made_ms: u64, ahead_ms: u64, cost: u64) -> usize {
        self.dated.push(Dated { made_ms, at_ms: made_ms + ahead_ms, cost });
        self.dated.len() - 1
    }

    fn decide(&mut self, now_ms: u64, charge: Charge) -> Result<Decided, Refusal> {
        self.ledger.decide(now_ms, &Request::new(vec![charge]).unwrap())
    }

    fn record(&mut self, cost: u64) -> usize {
        let (at_ms, clock_ms) = (self.true_ms, self.ledger.time_ms(self.now_ms()));
        self.uses.push(Use { at_ms, clock_ms, cost, unclaimed: cost });
        self.uses.len() - 1
    }

    /// Gives back a part of an admitted cost.
    fn refund(&mut self, step: &Step) {
        let Some(&decision) = pick(&self.decisions, step.which) else { return };
        let Decision { place, dated, decision_ms } = decision;
        let unclaimed = &mut self.uses[place].unclaimed;
        if *unclaimed > 0 {
            let amount = 1 + step.amount % *unclaimed;
            *unclaimed -= amount;
            let back = SettleAmount::GiveBack(Limit::new(amount).unwrap());
            self.send(decision_ms, back, None, Effect::Refund { place, dated, amount });
        }
    }

    /// Spends a part of an active lease.
    fn spend(&mut self, step: &Step) {
        let true_ms = self.true_ms;
        self.leases.retain(|lease| lease.unspent > 0);
        let running = self.leases.iter_mut().filter(|lease| true_ms < lease.ends_ms);
        let mut running: Vec<_> = running.collect();
        let count = running.len().max(1);
        let Some(lease) = running.get_mut(step.which % count) else { return };
        let spent = 1 + step.amount % lease.unspent;
        lease.unspent -= spent;
        self.record(spent);
    }

    /// Gives back a lease's unspent part, early or late.
    fn give_lease_back(&mut self, step: &Step) {
        let Some(&lease) = pick(&self.leases, step.which) else { return };
        let Lease { dated, decision_ms, lease_ms, unspent, .. } = lease;
        if unspent > 0 {
            let back = SettleAmount::GiveBack(Limit::new(unspent).unwrap());
            let effect = Effect::LeaseBack { dated, amount: unspent };
            self.send(decision_ms, back, Some(lease_ms), effect);
        }
        let place = step.which % self.leases.len();
        self.leases.swap_remove(place);
    }

    /// Charges more for an earlier decision.
    fn charge_late(&mut self, step: &Step) {
        let Some(&Decision { decision_ms, .. }) = pick(&self.decisions, step.which) else {
            return;
        };
        let amount = 1 + step.amount % (2 * self.algorithm.limit());
        let due = SettleAmount::Charge(Limit::new(amount).unwrap());
        self.send(decision_ms, due, None, Effect::Late(amount));
    }

    /// Sends and delivers a new settle.
    fn send(
        &mut self,
        decision_ms: u64,
        amount: SettleAmount,
        lease_ms: Option<u64>,
        effect: Effect,
    ) {
        let charge = SettleCharge {
            counter: self.counter.clone(),
            terms: self.algorithm.terms(self.ledger.time_ms(self.now_ms())),
            amount,
            lease_ms: lease_ms.map(|lease_ms| WindowMs::new(lease_ms).unwrap()),
        };
        let id = SettleId::try_from(format!("s{}", self.settles.len())).unwrap();
        let settle = Settle::new(id, TimeMs::new(decision_ms).unwrap(), vec![charge]).unwrap();
        self.settles.push(Sent { settle, effect, applied: false });
        self.deliver(self.settles.len() - 1);
    }

    /// Delivers an earlier settle again, even if it took effect.
    fn deliver_again(&mut self, step: &Step) {
        if !self.settles.is_empty() {
            self.deliver(step.which % self.settles.len());
        }
    }

    fn deliver(&mut self, place: usize) {
        let now_ms = self.ledger.time_ms(self.now_ms());
        let Sent { settle, effect, applied: before } = self.settles[place].clone();
        let mut charges = settle.charges().to_vec();
        charges[0].terms = self.algorithm.terms(now_ms);
        let id = SettleId::try_from(format!("s{place}")).unwrap();
        let decision_ms = TimeMs::new(settle.decision_ms()).unwrap();
        let settle = Settle::new(id, decision_ms, charges).unwrap();
        let Ok(settled) = self.ledger.settle(now_ms, &settle) else { return };
        assert!(!(before && settled.applied), "a settle took effect twice");
        if settled.applied {
            self.settles[place].applied = true;
            match effect {
                Effect::Refund { place, dated, amount } => {
                    self.uses[place].cost -= amount;
                    self.dated[dated].cost -= amount;
                }
                Effect::Late(amount) => {
                    self.record(amount);
                    self.date(now_ms, 0, amount);
                }
                Effect::LeaseBack { dated, amount } => self.dated[dated].cost -= amount,
            }
        }
    }
}

fn pick<T>(list: &[T], which: usize) -> Option<&T> {
    list.get(which % list.len().max(1))
}
