//! A call's body after its cross-field mistakes have been looked for: what it holds makes sense.
//!
//! serde has checked each field by itself ([`limits::json::parse`] tells the first mistake and its
//! place). What takes two fields or a table to see is found here, all of it at once.
//! Called by [`crate::http`]; read by [`crate::prepare`].

use crate::calendar::Zone;
use crate::telemetry::Algorithm;
use limits::counter::CounterName;
use limits::ledger::{BadSettleId, SettleId, TimeMs, Tokens, decision_ms};
use limits::problem::PlacedError;
use limits::quota::{Limit, Period, Quota, WindowMs};
use limits::wire::{
    self, Cost, DecideBody, LeaseAsk, MAX_BATCH, MAX_CHARGES, SettleAmount, SettleBody,
};
use std::fmt::Display;

/// A request whose charges make sense together.
#[derive(Debug, Clone)]
pub struct Request {
    /// 1..=[`MAX_CHARGES`], each of another counter.
    pub charges: Vec<Charge>,
}

/// A charge that can be met.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The counter charged.
    pub counter: CounterName,
    /// What it is held against.
    pub measure: Measure,
    /// At most the quota's limit.
    pub cost: Cost,
    /// `false` for a shadow.
    pub enforce: bool,
    /// A lease asked for.
    pub lease: Option<LeaseAsk>,
}

/// A settle whose charges make sense together.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Its own name.
    pub id: SettleId,
    /// The decision's id.
    pub decision: String,
    /// When the decision was made.
    pub decision_ms: TimeMs,
    /// 1..=[`MAX_CHARGES`], each of another counter.
    pub charges: Vec<SettleCharge>,
}

/// One counter's part of a [`Settle`].
#[derive(Debug, Clone)]
pub struct SettleCharge {
    /// The counter.
    pub counter: CounterName,
    /// What it was charged under.
    pub measure: Measure,
    /// Which way, and how much: at most `charged`, if it is given back.
    pub amount: SettleAmount,
    /// What the decision charged, in full.
    pub charged: Cost,
    /// Where a lease is given back: the length it was granted for.
    pub lease_ms: Option<WindowMs>,
}

/// A quota that can be counted: its time zone is one, its numbers fit.
#[derive(Debug, Clone)]
pub enum Measure {
    /// [`Quota::SlidingWindow`].
    SlidingWindow {
        /// The cost admitted in any window.
        limit: Limit,
        /// The window's length.
        window_ms: WindowMs,
    },
    /// [`Quota::FixedWindow`].
    FixedWindow {
        /// The cost admitted in one period.
        limit: Limit,
        /// The calendar's period.
        per: Period,
        /// Whose calendar.
        zone: Zone,
    },
    /// [`Quota::TokenBucket`].
    TokenBucket(Tokens),
}

/// The requests of a body, or every mistake in it.
///
/// # Errors
/// Each mistake with its place.
pub fn requests(body: DecideBody) -> Result<Vec<Request>, Vec<PlacedError>> {
    let mut mistakes = Mistakes::default();
    if !mistakes.count("/requests", body.requests.len(), MAX_BATCH, "requests") {
        return Err(mistakes.0);
    }
    let mut checked = Vec::with_capacity(body.requests.len());
    for (at, request) in body.requests.into_iter().enumerate() {
        checked.extend(mistakes.request(&format!("/requests/{at}"), request));
    }
    if mistakes.0.is_empty() { Ok(checked) } else { Err(mistakes.0) }
}

/// The settles of a body, or every mistake in it.
///
/// # Errors
/// Each mistake with its place.
pub fn settles(body: SettleBody) -> Result<Vec<Settle>, Vec<PlacedError>> {
    let mut mistakes = Mistakes::default();
    if !mistakes.count("/settles", body.settles.len(), MAX_BATCH, "settles") {
        return Err(mistakes.0);
    }
    let mut checked = Vec::with_capacity(body.settles.len());
    for (at, settle) in body.settles.into_iter().enumerate() {
        checked.extend(mistakes.settle(&format!("/settles/{at}"), settle));
    }
    if mistakes.0.is_empty() { Ok(checked) } else { Err(mistakes.0) }
}

/// A quota by itself, as the operator's commands send it under `/quota`.
///
/// # Errors
/// Each mistake with its place.
pub fn measure(quota: Quota) -> Result<Measure, Vec<PlacedError>> {
    let mut mistakes = Mistakes::default();
    mistakes.measure("/quota", quota).ok_or(mistakes.0)
}

/// The mistakes found so far.
#[derive(Debug, Default)]
struct Mistakes(Vec<PlacedError>);

impl Measure {
    /// The name of its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::SlidingWindow { .. } => Algorithm::SlidingWindow,
            Self::FixedWindow { .. } => Algorithm::FixedWindow,
            Self::TokenBucket(_) => Algorithm::TokenBucket,
        }
    }
}

impl Mistakes {
    fn at(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(PlacedError { pointer: pointer.into(), detail: detail.into() });
    }

    /// Keeps what is right, and notes what is not.
    fn keep<T>(&mut self, pointer: String, found: Result<T, impl Display>) -> Option<T> {
        found.map_err(|error| self.at(pointer, error.to_string())).ok()
    }

    fn count(&mut self, pointer: &str, found: usize, most: usize, what: &str) -> bool {
        let fits = (1..=most).contains(&found);
        if !fits {
            self.at(pointer, format!("expected 1 to {most} {what}, found {found}"));
        }
        fits
    }

    fn request(&mut self, place: &str, request: wire::Request) -> Option<Request> {
        let place = format!("{place}/charges");
        if !self.count(&place, request.charges.len(), MAX_CHARGES, "charges") {
            return None;
        }
        self.repeated(&place, request.charges.iter().map(|charge| &charge.counter));
        let charges: Vec<_> = request
            .charges
            .into_iter()
            .enumerate()
            .filter_map(|(at, charge)| self.charge(&format!("{place}/{at}"), charge))
            .collect();
        Some(Request { charges })
    }

    fn charge(&mut self, place: &str, charge: wire::Charge) -> Option<Charge> {
        let (cost, limit) = (charge.cost.get(), charge.quota.limit());
        if cost > limit {
            self.at(
                format!("{place}/cost"),
                format!(
                    "expected at most the limit, {limit}, found {cost}: it could never be admitted"
                ),
            );
        }
        Some(Charge {
            counter: charge.counter,
            measure: self.measure(&format!("{place}/quota"), charge.quota)?,
            cost: charge.cost,
            enforce: charge.enforce,
            lease: charge.lease,
        })
    }

    fn settle(&mut self, place: &str, settle: wire::Settle) -> Option<Settle> {
        let id: Result<SettleId, BadSettleId> = settle.id.try_into();
        let id = self.keep(format!("{place}/id"), id);
        let decision_ms = self.keep(format!("{place}/decision"), decision_ms(&settle.decision));
        let place = format!("{place}/charges");
        if !self.count(&place, settle.charges.len(), MAX_CHARGES, "charges") {
            return None;
        }
        self.repeated(&place, settle.charges.iter().map(|charge| &charge.counter));
        let charges: Vec<_> = settle
            .charges
            .into_iter()
            .enumerate()
            .filter_map(|(at, charge)| self.settle_charge(&format!("{place}/{at}"), charge))
            .collect();
        Some(Settle { id: id?, decision: settle.decision, decision_ms: decision_ms?, charges })
    }

    fn settle_charge(&mut self, place: &str, charge: wire::SettleCharge) -> Option<SettleCharge> {
        let charged = charge.charged.get();
        if let SettleAmount::GiveBack(amount) = charge.amount
            && amount.get() > charged
        {
            let found = amount.get();
            self.at(
                format!("{place}/amount/give_back"),
                format!("expected at most what was charged, {charged}, found {found}"),
            );
        }
        Some(SettleCharge {
            counter: charge.counter,
            measure: self.measure(&format!("{place}/quota"), charge.quota)?,
            amount: charge.amount,
            charged: charge.charged,
            lease_ms: charge.lease_ms,
        })
    }

    fn repeated<'a>(
        &mut self,
        place: &str,
        counters: impl Iterator<Item = &'a CounterName> + Clone,
    ) {
        for (at, counter) in counters.clone().enumerate() {
            if let Some(first) = counters.clone().take(at).position(|other| other == counter) {
                self.at(
                    format!("{place}/{at}/counter"),
                    format!("expected each counter once, found that of charge {first} again"),
                );
            }
        }
    }

    fn measure(&mut self, place: &str, quota: Quota) -> Option<Measure> {
        match quota {
            Quota::SlidingWindow(quota) => {
                Some(Measure::SlidingWindow { limit: quota.limit, window_ms: quota.window_ms })
            }
            Quota::FixedWindow(quota) => {
                let unknown = || {
                    let name: String = quota.time_zone.chars().take(64).collect();
                    format!("expected an IANA time zone such as Europe/Berlin, found {name:?}")
                };
                let zone = Zone::named(&quota.time_zone).ok_or_else(unknown);
                let zone = self.keep(format!("{place}/fixed_window/time_zone"), zone)?;
                Some(Measure::FixedWindow { limit: quota.limit, per: quota.per, zone })
            }
            Quota::TokenBucket(quota) => {
                let tokens = Tokens::new(quota.rate, quota.per_ms, quota.burst);
                self.keep(format!("{place}/token_bucket"), tokens).map(Measure::TokenBucket)
            }
        }
    }
}
