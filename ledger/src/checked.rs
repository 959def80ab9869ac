//! Checks request bodies for mistakes that involve several fields, and reports all of them.
//!
//! Called by front-ends before [`crate::Ledger`]. Single fields have already been parsed into types
//! that enforce their own validity ([`limits::json::parse`] reports the first that is invalid).

use limits::counter::CounterName;
use limits::ledger::{BadSettleId, SettleId, TimeMs, decision_ms};
use limits::problem::PlacedError;
use limits::wire::{
    self, DecideBody, MAX_BATCH, MAX_CHARGES, Request, SettleAmount, SettleBody, SettleCharge,
};
use std::fmt::Display;

/// A settle whose charges are consistent.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The settle's id.
    pub id: SettleId,
    /// The decision's id.
    pub decision: String,
    /// The time of the decision.
    pub decision_ms: TimeMs,
    /// 1..=[`MAX_CHARGES`] charges, each on a different counter. None gives back more than was
    /// charged.
    pub charges: Vec<SettleCharge>,
}

/// Checks the requests of a body: 1..=[`MAX_BATCH`], each with 1..=[`MAX_CHARGES`] charges on
/// different counters.
///
/// A cost above its limit is not a mistake of the body: other requests in it must still be decided.
/// The ledger refuses that request alone.
///
/// # Errors
/// Fails with every mistake and its location.
pub fn requests(body: DecideBody) -> Result<Vec<Request>, Vec<PlacedError>> {
    let mut mistakes = Mistakes::default();
    if !mistakes.count("/requests", body.requests.len(), MAX_BATCH, "requests") {
        return Err(mistakes.0);
    }
    for (at, request) in body.requests.iter().enumerate() {
        mistakes.request(&format!("/requests/{at}/charges"), request);
    }
    if mistakes.0.is_empty() { Ok(body.requests) } else { Err(mistakes.0) }
}

/// Checks the settles of a body: 1..=[`MAX_BATCH`].
///
/// # Errors
/// Fails with every mistake and its location.
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

/// The mistakes found so far.
#[derive(Debug, Default)]
struct Mistakes(Vec<PlacedError>);

impl Mistakes {
    fn at(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(PlacedError { pointer: pointer.into(), detail: detail.into() });
    }

    /// Returns the value of `found`, or records its error and returns `None`.
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

    fn request(&mut self, place: &str, request: &Request) {
        if !self.count(place, request.charges.len(), MAX_CHARGES, "charges") {
            return;
        }
        self.repeated(place, request.charges.iter().map(|charge| &charge.counter));
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
        for (at, charge) in settle.charges.iter().enumerate() {
            let charged = charge.charged.get();
            if let SettleAmount::GiveBack(amount) = charge.amount
                && amount.get() > charged
            {
                let found = amount.get();
                self.at(
                    format!("{place}/{at}/amount/give_back"),
                    format!("expected at most what was charged, {charged}, found {found}"),
                );
            }
        }
        let charges = settle.charges;
        Some(Settle { id: id?, decision: settle.decision, decision_ms: decision_ms?, charges })
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
                    format!("expected each counter once, found the one of charge {first} again"),
                );
            }
        }
    }
}
