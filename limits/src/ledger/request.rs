//! What is put to a ledger, and what it answers: prepared by the shim from [`crate::wire`], the
//! same for the in-memory ledger and for the script.

use super::reading::NEVER;
use super::terms::{MAX_TIME_MS, Terms, TimeMs};
use crate::counter::CounterName;
use crate::quota::{Limit, WindowMs};
use crate::wire::{
    self, ChargeOutcome, Cost, DecisionError, LeaseAsk, MAX_CHARGES, MAX_SETTLE_ID_BYTES,
    SettleAmount,
};
use std::fmt;

/// One charge, ready to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The counter charged.
    pub counter: CounterName,
    /// How much.
    pub cost: Cost,
    /// `false` for a shadow: counted and reported, never denies.
    pub enforce: bool,
    /// What it is held against.
    pub terms: Terms,
    /// A lease asked for, on top of the cost.
    pub lease: Option<LeaseAsk>,
}

/// One request, ready to be decided: at least one charge, at most [`MAX_CHARGES`], each counter at
/// most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    charges: Vec<Charge>,
}

/// A list of charges that makes no [`Request`] or [`Settle`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCharges {
    /// None, or too many.
    #[error("expected 1 to {MAX_CHARGES} charges, found {0}")]
    Count(usize),
    /// The same counter twice.
    #[error("expected each counter once, found {0} twice")]
    Repeated(CounterName),
    /// Counters of several identities in one settle's part.
    #[error("expected counters of one identity, found {0} among others")]
    Mixed(CounterName),
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Whether every enforced charge fitted. If not, nothing was charged.
    pub admitted: bool,
    /// The longest `retry_after_ms` among the charges that denied; 0 if admitted.
    pub retry_after_ms: u64,
    /// One for each charge, in its order.
    pub charges: Vec<ChargeOutcome>,
    /// Set where waiting never helps; nothing was charged.
    pub error: Option<DecisionError>,
}

/// Why a request or settle was not decided. Nothing was charged or given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No period given contains the ledger's time: work them out anew for that time.
    #[error("expected a period that contains the ledger's time, {now_ms}")]
    Clock {
        /// The ledger's time.
        now_ms: u64,
    },
    /// The table is full of counters that still count.
    #[error(
        "the in-memory ledger is full: {capacity} counters still count; wait, or give it more room"
    )]
    Full {
        /// The most it holds.
        capacity: usize,
    },
}

/// One settle's part for one identity, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    id: SettleId,
    decision_ms: TimeMs,
    charges: Vec<SettleCharge>,
}

/// One counter's part of a settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleCharge {
    /// The counter.
    pub counter: CounterName,
    /// What it was, and is, held against.
    pub terms: Terms,
    /// Which way, and how much; of a lease, how much in all.
    pub amount: SettleAmount,
    /// Where a lease is given back: the length it was granted for.
    pub lease_ms: Option<WindowMs>,
}

/// A settle's own name: 1..=64 letters, digits, `.`, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettleId(String);

/// A text that is no [`SettleId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a settle's id, 1 to {MAX_SETTLE_ID_BYTES} letters, digits, `.`, `_` or `-`, found {0:?}"
)]
pub struct BadSettleId(String);

/// A decision's id that does not begin with its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a decision's id, <now_ms>-<unique>, found {0:?}")]
pub struct BadDecisionId(String);

impl Request {
    /// A request of these charges.
    ///
    /// # Errors
    /// [`BadCharges`] unless there are 1..=[`MAX_CHARGES`], each of another counter.
    pub fn new(charges: Vec<Charge>) -> Result<Self, BadCharges> {
        distinct(charges.iter().map(|charge| &charge.counter))?;
        Ok(Self { charges })
    }

    /// Its charges.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }
}

impl Decided {
    /// The decision that the outcomes of a request's charges, each by itself, come to.
    #[must_use]
    pub fn of(request: &Request, charges: Vec<ChargeOutcome>) -> Self {
        let denied = request
            .charges()
            .iter()
            .zip(&charges)
            .filter(|(charge, outcome)| charge.enforce && !outcome.admitted);
        let longest_ms = denied.map(|(_, outcome)| outcome.retry_after_ms).max();
        let error = (longest_ms == Some(NEVER)).then_some(DecisionError::CostExceedsLimit);
        Self {
            admitted: longest_ms.is_none(),
            retry_after_ms: longest_ms.filter(|_| error.is_none()).unwrap_or(0),
            charges,
            error,
        }
    }

    /// The decision as it is told, named by its time and `unique`.
    #[must_use]
    pub fn named(self, now_ms: u64, unique: impl fmt::Display) -> wire::Decision {
        wire::Decision {
            id: format!("{now_ms}-{unique}"),
            admitted: self.admitted,
            retry_after_ms: self.retry_after_ms,
            charges: self.charges,
            error: self.error,
        }
    }
}

impl Settle {
    /// The settle `id` of the decision made at `decision_ms` ([`decision_ms`]).
    ///
    /// # Errors
    /// [`BadCharges`] unless there are 1..=[`MAX_CHARGES`], each of another counter, all of one
    /// identity ([`CounterName::slot_tag`]): each identity has a mark of its own, since another's
    /// may live on another server.
    pub fn new(
        id: SettleId,
        decision_ms: TimeMs,
        charges: Vec<SettleCharge>,
    ) -> Result<Self, BadCharges> {
        distinct(charges.iter().map(|charge| &charge.counter))?;
        let tag = charges.first().map(|first| first.counter.slot_tag().to_owned());
        match charges.iter().find(|charge| Some(charge.counter.slot_tag()) != tag.as_deref()) {
            Some(other) => Err(BadCharges::Mixed(other.counter.clone())),
            None => Ok(Self { id, decision_ms, charges }),
        }
    }

    /// The name of the mark that keeps this settle from being applied twice: `tg:{<digits>}:.<id>`,
    /// which no counter has, since a bucket's name begins with a letter.
    #[must_use]
    pub fn mark(&self) -> String {
        let tag = self.charges.first().map_or("", |first| first.counter.slot_tag());
        format!("tg:{{{tag}}}:.{}", self.id.0)
    }

    /// Returns what its mark keeps: how much of a lease has been given back once this is applied, or 1
    /// for a settle of anything else. A settle takes effect where this is more than its mark says.
    #[must_use]
    pub fn given_back(&self) -> u64 {
        match self.charges.as_slice() {
            [SettleCharge { amount: SettleAmount::GiveBack(amount), lease_ms: Some(_), .. }] => {
                amount.get()
            }
            _ => 1,
        }
    }

    /// Returns the rest of a settle of a lease of which `before` has been given back.
    pub(super) fn without(&self, before: u64) -> Self {
        let mut rest = self.clone();
        for charge in &mut rest.charges {
            if let SettleAmount::GiveBack(amount) = charge.amount {
                let amount = Limit::clamped(amount.get().saturating_sub(before));
                charge.amount = SettleAmount::GiveBack(amount);
            }
        }
        rest
    }

    /// When the decision was made.
    #[must_use]
    pub fn decision_ms(&self) -> u64 {
        self.decision_ms.get()
    }

    /// Its charges.
    #[must_use]
    pub fn charges(&self) -> &[SettleCharge] {
        &self.charges
    }
}

impl TryFrom<String> for SettleId {
    type Error = BadSettleId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=MAX_SETTLE_ID_BYTES).contains(&id.len()) && id.bytes().all(allowed) {
            Ok(Self(id))
        } else {
            Err(BadSettleId(id.chars().take(128).collect()))
        }
    }
}

/// When the decision called `id` was made: the digits before its first `-`.
///
/// # Errors
/// [`BadDecisionId`] if there is no such number, or one past [`MAX_TIME_MS`].
pub fn decision_ms(id: &str) -> Result<TimeMs, BadDecisionId> {
    id.split_once('-')
        .filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|(digits, _)| digits.parse().ok())
        .and_then(|ms| TimeMs::new(ms).ok())
        .ok_or_else(|| BadDecisionId(id.chars().take(128).collect()))
}

/// Whether no counter is named twice and their number is in bounds.
fn distinct<'a>(
    counters: impl ExactSizeIterator<Item = &'a CounterName> + Clone,
) -> Result<(), BadCharges> {
    if !(1..=MAX_CHARGES).contains(&counters.len()) {
        return Err(BadCharges::Count(counters.len()));
    }
    for (at, counter) in counters.clone().enumerate() {
        if counters.clone().take(at).any(|earlier| earlier == counter) {
            return Err(BadCharges::Repeated(counter.clone()));
        }
    }
    Ok(())
}

/// The latest time that a ledger counts with.
pub(super) fn on_the_clock(now_ms: u64) -> u64 {
    now_ms.min(MAX_TIME_MS)
}
