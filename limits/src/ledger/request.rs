//! The ledger's input and output. The shim prepares it from [`crate::wire`], for the in-memory
//! ledger and the script alike.

use super::reading::NEVER;
use super::terms::{MAX_TIME_MS, Method, Terms, TimeMs};
use crate::block::Block;
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
    /// The counter to charge.
    pub counter: CounterName,
    /// The amount.
    pub cost: Cost,
    /// False for a shadow charge, which is counted and reported but never denies.
    pub enforce: bool,
    /// The limit to enforce.
    pub terms: Terms,
    /// A lease to grant in addition to the cost.
    pub lease: Option<LeaseAsk>,
    /// The block for repeated refusals, if the bucket has one.
    pub block: Option<Block>,
}

/// One request, ready to be decided: 1 to [`MAX_CHARGES`] charges, each on a different counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    charges: Vec<Charge>,
}

/// An invalid list of charges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCharges {
    /// The number of charges is out of bounds.
    #[error("expected 1 to {MAX_CHARGES} charges, found {0}")]
    Count(usize),
    /// A counter occurs twice.
    #[error("expected each counter once, found {0} twice")]
    Repeated(CounterName),
    /// A settle's part has counters of different identities.
    #[error("expected counters of one identity, found {0} among others")]
    Mixed(CounterName),
}

/// The decision on one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// True if every enforced charge fit. If false, nothing was charged.
    pub admitted: bool,
    /// The longest `retry_after_ms` among the charges that denied; 0 if admitted, and [`NEVER`] if
    /// a balance is used up.
    pub retry_after_ms: u64,
    /// One outcome per charge, in the same order.
    pub charges: Vec<ChargeOutcome>,
    /// Set if waiting does not help. Nothing was charged.
    pub error: Option<DecisionError>,
}

/// The reason that a request or settle was not decided. Nothing was charged or given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No period given contains the ledger's time. Compute the periods again for that time.
    #[error("expected a period that contains the ledger's time, {now_ms}")]
    Clock {
        /// The ledger's time.
        now_ms: u64,
    },
    /// The table is full of counters that still count.
    #[error(
        "the in-memory ledger is full: {capacity} counters still count; wait, or raise its capacity"
    )]
    Full {
        /// The maximum number of counters.
        capacity: usize,
    },
}

/// A settle's part for one identity, ready to be applied.
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
    /// The terms it was charged under, at the settle's time.
    pub terms: Terms,
    /// The amount and its direction; for a lease, the total given back so far.
    pub amount: SettleAmount,
    /// The granted length, if part of a lease is given back.
    pub lease_ms: Option<WindowMs>,
}

/// A settle's id: 1..=64 letters, digits, `.`, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettleId(String);

/// An invalid [`SettleId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a settle id, 1 to {MAX_SETTLE_ID_BYTES} letters, digits, `.`, `_` or `-`, found {0:?}"
)]
pub struct BadSettleId(String);

/// A decision id that does not begin with its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a decision id, <now_ms>-<unique>, found {0:?}")]
pub struct BadDecisionId(String);

impl Request {
    /// Creates a request with these charges.
    ///
    /// # Errors
    /// [`BadCharges`] unless there are 1..=[`MAX_CHARGES`] charges, each on a different counter.
    pub fn new(charges: Vec<Charge>) -> Result<Self, BadCharges> {
        distinct(charges.iter().map(|charge| &charge.counter))?;
        Ok(Self { charges })
    }

    /// Creates a request with charges that were checked as [`Self::new`] does, for example when the
    /// call's body was read.
    #[must_use]
    pub fn of_checked(charges: Vec<Charge>) -> Self {
        debug_assert_eq!(distinct(charges.iter().map(|charge| &charge.counter)), Ok(()));
        Self { charges }
    }

    /// Returns its charges.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }
}

impl Decided {
    /// Combines the outcomes of a request's charges, each judged by itself, into a decision.
    #[must_use]
    pub fn of(request: &Request, charges: Vec<ChargeOutcome>) -> Self {
        let mut denied = request
            .charges()
            .iter()
            .zip(&charges)
            .filter(|(charge, outcome)| charge.enforce && !outcome.admitted);
        let longest_ms = denied.clone().map(|(_, outcome)| outcome.retry_after_ms).max();
        let is_hopeless = |(charge, outcome): (&Charge, &ChargeOutcome)| {
            outcome.retry_after_ms == NEVER && !matches!(charge.terms.method, Method::Balance(_))
        };
        let error = denied.any(is_hopeless).then_some(DecisionError::CostExceedsLimit);
        Self {
            admitted: longest_ms.is_none(),
            retry_after_ms: longest_ms.filter(|_| error.is_none()).unwrap_or(0),
            charges,
            error,
        }
    }

    /// Converts the decision to its wire form, with an id made of its time and `unique`.
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
    /// Creates settle `id` of the decision made at `decision_ms` (see [`decision_ms`]).
    ///
    /// # Errors
    /// [`BadCharges`] unless there are 1..=[`MAX_CHARGES`] charges, each on a different counter,
    /// all of one identity ([`CounterName::slot_tag`]). Each identity has its own mark, because
    /// identities can live on different servers.
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

    /// Returns the name of the mark that makes this settle idempotent: `tg:{<digits>}:.<id>`. It
    /// cannot collide with a counter's, because bucket names begin with a letter.
    #[must_use]
    pub fn mark(&self) -> String {
        let tag = self.charges.first().map_or("", |first| first.counter.slot_tag());
        format!("tg:{{{tag}}}:.{}", self.id.0)
    }

    /// Returns the value for its mark: the total given back of a lease, or 1 for any other settle.
    /// The settle takes effect if this exceeds the stored mark.
    #[must_use]
    pub fn given_back(&self) -> u64 {
        match self.charges.as_slice() {
            [SettleCharge { amount: SettleAmount::GiveBack(amount), lease_ms: Some(_), .. }] => {
                amount.get()
            }
            _ => 1,
        }
    }

    /// Returns the rest of a lease's settle of which `before` has already been given back.
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

    /// Returns the time of the decision.
    #[must_use]
    pub fn decision_ms(&self) -> u64 {
        self.decision_ms.get()
    }

    /// Returns its charges.
    #[must_use]
    pub fn charges(&self) -> &[SettleCharge] {
        &self.charges
    }
}

impl fmt::Display for SettleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

/// Returns the time of the decision called `id`: the digits before its first `-`.
///
/// # Errors
/// [`BadDecisionId`] if there are no digits, or the time is past [`MAX_TIME_MS`].
pub fn decision_ms(id: &str) -> Result<TimeMs, BadDecisionId> {
    id.split_once('-')
        .filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|(digits, _)| digits.parse().ok())
        .and_then(|ms| TimeMs::new(ms).ok())
        .ok_or_else(|| BadDecisionId(id.chars().take(128).collect()))
}

/// Returns an error if the number of counters is out of bounds, or one occurs twice.
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

/// Caps a time at the latest one that a ledger counts with.
pub(super) fn on_the_clock(now_ms: u64) -> u64 {
    now_ms.min(MAX_TIME_MS)
}
